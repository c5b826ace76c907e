"""`rate_batch` gives one complete entry per span and price list."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pyarrow as pa
from bluewhale.rating.book import PriceBook
from bluewhale.rating.columnar import rate_batch
from bluewhale.rating.tariff import RateRow, Schedule
from bluewhale.records.schemas import BILLABLE_SCHEMA, CALL_SCHEMA, CHARGE_SCHEMA

from tests.spec.rating.tariffs import PEAK_8_TO_18, slots, tariff

JUNE = datetime(2024, 6, 1, tzinfo=UTC)
MAY_6 = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)
MINUTES = Schedule(slots((0, "0.10", 60, 60), (60, "0.10", 60, 6)), Fraction("0.05"))
CARRIER = tariff(MINUTES)
INTERNAL = replace(
    tariff(Schedule(slots((0, "0.02", 60, 60)))), price_list="internal", tariff_uid="i"
)


def calls(count):
    """`count` calls with the ids 00.., 01.., version 1."""
    rows = [{"call_id": bytes([n]) * 16, "version": 1} for n in range(count)]
    return pa.Table.from_pylist(rows, schema=CALL_SCHEMA)


def billables(*rows):
    """Spans of 75 s from 6 May 2024, 12:00 UTC, to +49 30, changed by each row."""
    default = {
        "call_row": 0,
        "span": 0,
        "payer": "2001",
        "direction": "outbound",
        "class": "national",
        "rated_e164": 493023125001,
        "start_at": MAY_6,
        "answered": True,
        "answer_known": True,
        "quantity_ms": 75_000,
    }
    return pa.Table.from_pylist([{**default, **row} for row in rows], schema=BILLABLE_SCHEMA)


def rate(book, *rows, count=1):
    """Entries as dictionaries; the table must be of the schema and valid."""
    table = rate_batch(calls(count), billables(*rows), book, rated_at_ms=1_700_000_000_000)
    assert table.schema.equals(CHARGE_SCHEMA)
    table.validate(full=True)
    return table.to_pylist()


def test_each_price_list_gives_one_entry_per_span():
    """Two spans and two lists: four entries, list by list, with ids of their own."""
    entries = rate(PriceBook([CARRIER, INTERNAL]), {}, {"span": 1})
    assert [(e["price_list"], e["span"]) for e in entries] == [
        ("carrier", 0),
        ("carrier", 1),
        ("internal", 0),
        ("internal", 1),
    ]
    assert len({e["charge_id"] for e in entries}) == 4
    # carrier 0.05 + 0.10 + 3 x 0.01 = 0.18; internal 2 x 0.02 = 0.04
    assert [e["amount_nanos"] for e in entries] == [180_000_000] * 2 + [40_000_000] * 2


def test_an_entry_carries_its_whole_receipt():
    """Everything that is needed to compute it again."""
    (entry,) = rate(PriceBook([CARRIER]), {"call_row": 2}, count=3)
    assert entry["call_id"] == b"\x02" * 16
    assert (entry["entry"], entry["status"], entry["reason"]) == ("charge", "rated", None)
    assert (entry["currency"], entry["tariff_uid"], entry["tariff_version"]) == ("EUR", "t", 1)
    assert (entry["payer"], entry["quantity_ms"], entry["rated_quantity_ms"]) == (
        "2001",
        75_000,
        78_000,
    )
    assert (entry["prefix"], entry["rate_row"]) == ("", 0)
    assert entry["connect_fee_nanos"] == 50_000_000
    assert (entry["rounding_mode"], entry["rounding_places"]) == ("half_up", 4)
    assert (entry["exact_numerator"], entry["exact_denominator"]) == (180_000_000, 1_000_000_000)
    assert entry["segments"] == [
        {
            "window": -1,
            "slot": 0,
            "from_ms": 0,
            "to_ms": 60_000,
            "blocks": 1,
            "price_numerator": 100_000_000,
            "price_denominator": 1_000_000_000,
        },
        {
            "window": -1,
            "slot": 1,
            "from_ms": 60_000,
            "to_ms": 78_000,
            "blocks": 3,
            "price_numerator": 30_000_000,
            "price_denominator": 1_000_000_000,
        },
    ]


def test_the_version_in_force_at_the_answer_prices_the_whole_call():
    """A call from 23:59:30 on 31 May keeps May's price; order is kept over versions."""
    dearer = replace(tariff(Schedule(slots((0, "0.20", 60, 60)))), version=2, effective_from=JUNE)
    book = PriceBook([CARRIER, dearer])
    last_of_may = datetime(2024, 5, 31, 23, 59, 30, tzinfo=UTC)
    entries = rate(
        book, {"span": 0, "start_at": JUNE}, {"span": 1, "start_at": last_of_may}, {"span": 2}
    )
    assert [e["span"] for e in entries] == [0, 1, 2]
    assert [e["tariff_version"] for e in entries] == [2, 1, 1]
    assert [e["amount_nanos"] for e in entries] == [400_000_000, 180_000_000, 180_000_000]


def test_no_version_in_force_is_unrated_with_a_reason_and_no_currency():
    """Before the first version; unanswered calls are free there too."""
    early = datetime(1999, 1, 1, tzinfo=UTC)
    rated, missed = rate(
        PriceBook([CARRIER]),
        {"start_at": early},
        {"start_at": early, "answered": False, "quantity_ms": 0},
    )
    assert (rated["status"], rated["reason"], rated["amount_nanos"]) == ("unrated", "no_tariff", 0)
    assert (rated["currency"], rated["tariff_uid"], rated["exact_numerator"]) == (None, None, None)
    assert rated["segments"] == []
    assert (missed["status"], missed["reason"]) == ("free", None)


def test_a_retired_list_ends_where_its_last_version_ends():
    """effective_until is not part of the validity."""
    ended = replace(CARRIER, effective_until=JUNE)
    entries = rate(PriceBook([ended]), {}, {"start_at": JUNE})
    assert [e["reason"] for e in entries] == [None, "no_tariff"]


def test_unrated_and_free_entries_stand_between_rated_ones():
    """Nulls and segments stay with their rows."""
    version = tariff(MINUTES, rows=[RateRow("49", "always", (0,))])
    entries = rate(
        PriceBook([version]),
        {"rated_e164": 33123456789},
        {},
        {"rated_e164": None},
        {"quantity_ms": None},
        {"answered": False, "quantity_ms": 0},
        {"class": "emergency", "rated_e164": None},
        {"direction": "inbound"},
        {"quantity_ms": 30_000},
    )
    assert [(e["status"], e["reason"]) for e in entries] == [
        ("unrated", "no_rate"),
        ("rated", None),
        ("unrated", "number_not_normalised"),
        ("unrated", "duration_unknown"),
        ("free", None),
        ("free", None),
        ("free", None),
        ("rated", None),
    ]
    assert [e["prefix"] for e in entries] == [None, "49", None, "49", "49", None, None, "49"]
    assert [len(e["segments"]) for e in entries] == [0, 2, 0, 0, 0, 0, 0, 1]
    assert entries[7]["amount_nanos"] == 150_000_000  # 0.05 + 0.10


def test_a_row_over_the_bound_keeps_its_exact_text_among_others():
    """10^9 a second for an hour, capped at 7.5: the middle one of three."""
    rows = [
        RateRow("49", "always", (0,)),
        RateRow("33", "always", (1,), max_cost=Fraction("7.5")),
    ]
    version = tariff(MINUTES, Schedule(slots((0, "1000000000", 1, 1))), rows=rows)
    first, middle, last = rate(
        PriceBook([version]), {}, {"rated_e164": 33199000000, "quantity_ms": 3_600_000}, {}
    )
    assert middle["amount_nanos"] == 7_500_000_000
    assert middle["cap_applied"]
    assert middle["segments"][0]["blocks"] == 3600
    assert middle["segments"][0]["price_numerator"] is None
    assert first["amount_nanos"] == last["amount_nanos"] == 180_000_000
    assert len(last["segments"]) == 2


def test_windows_are_numbered_over_all_timings_of_the_version():
    """Peak is window 0, off-peak 1; 17:59:30 meets both."""
    version = tariff(MINUTES, MINUTES, timing=PEAK_8_TO_18)
    start = datetime(2024, 5, 6, 17, 59, 30, tzinfo=UTC)
    (entry,) = rate(PriceBook([version]), {"start_at": start})
    assert [s["window"] for s in entry["segments"]] == [0, 1]


def test_empty_batches_and_empty_books_give_empty_tables():
    """Of the right schema."""
    assert rate(PriceBook([CARRIER])) == []
    assert rate(PriceBook([]), {}) == []


def test_chunked_input_with_different_dictionaries_is_read_whole():
    """As tables that were concatenated have them."""
    one = billables({"carrier": "red", "span": 0})
    two = billables({"carrier": "blue", "span": 1})
    rows = [RateRow("", "always", (0,)), RateRow("", "always", (0,), carrier="blue")]
    book = PriceBook([tariff(MINUTES, rows=rows)])
    table = rate_batch(calls(1), pa.concat_tables([one, two]), book, rated_at_ms=0)
    assert table["rate_row"].to_pylist() == [0, 1]
