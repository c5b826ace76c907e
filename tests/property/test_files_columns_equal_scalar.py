"""Files made of whole columns say what is said of each call alone."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from bluewhale.database import CALL_COLUMNS
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.records import ids
from bluewhale.records.directory import Department, Directory, Person, Site
from bluewhale.storage import answers
from bluewhale.webapi import column_text, exporting
from bluewhale.webapi.export_columns import STORED, Calls
from bluewhale.webapi.masking import Masker, hidden, hidden_column
from bluewhale.webapi.names import Names
from bluewhale.webapi.saying import Saying
from hypothesis import given, settings
from hypothesis import strategies as st

LISTS = ("carrier", "internal")
NAMES = Names(
    Directory(
        1,
        sites=(Site("berlin", "=Berlin", "Europe/Berlin", "DE"),),
        departments=(Department("sales", 'Sales, "Export"'),),
        persons=(Person("ada", "Ada\nÉxample"),),
    )
)
# what makes files go wrong: quotes, ends of lines, formulas, other scripts, signs below blank
TEXT = st.text(alphabet="09+-=@ ,;\"'\t\r\n\\\x01\x1fé•٣²a", max_size=12)
NUMBER = st.none() | TEXT | st.from_regex(r"\A(\+|00)?[0-9][0-9 /()-]{3,14}[0-9]\Z")
MOMENT = st.none() | st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
WORD = st.none() | TEXT
LENGTH = st.none() | st.integers(-5, 2**40)
TOTAL = st.fixed_dictionaries({
    "price_list": st.sampled_from(LISTS) | TEXT,
    "currency": st.sampled_from(["EUR", "USD", "", None]),
    "amount_nanos": st.none() | st.integers(-(10**17), 10**17) | st.sampled_from([0, 10**9, 100]),
    "unrated": st.none() | st.integers(0, 9),
})  # fmt: skip
CALL = st.fixed_dictionaries(
    {
        "call_id": st.binary(min_size=16, max_size=16),
        "version": st.integers(1, 99),
        "leg_ids": st.just([]),
        "leg_count": st.just(0),
        "state": st.sampled_from([None, "open", "complete"]),
        "transfers": st.none() | st.integers(0, 9),
        "site_uid": st.sampled_from([None, "berlin", "lima", ""]),
        "department_uid": st.sampled_from([None, "sales", "none"]),
        "person_uid": st.sampled_from([None, "ada", "bob"]),
        "totals": st.none() | st.lists(TOTAL, max_size=3, unique_by=lambda t: t["price_list"]),
        **dict.fromkeys(("started_at", "answered_at", "ended_at"), MOMENT),
        **dict.fromkeys(("ring_ms", "queue_ms", "hold_ms", "talk_ms"), LENGTH),
        **dict.fromkeys(("calling_e164", "called_e164"), st.none() | st.integers(1, 10**15 - 1)),
        **dict.fromkeys(
            ("calling", "called", "first_destination", "final_destination", "extension",
             "account_code"),
            NUMBER,
        ),
        **dict.fromkeys(
            ("site_zone", "direction", "class", "disposition", "trunk_in", "trunk_out",
             "cost_center_uid"),
            WORD,
        ),
    }
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(CALL, max_size=6), st.booleans())
def test_json_lines_are_those_of_each_call(rows, masks):
    """To the last byte what the API answers about a page of calls."""
    table = pa.Table.from_pylist(rows, schema=STORED_CALL_SCHEMA)
    masker = Masker(masks=masks)
    calls = answers.calls(table.select(list(CALL_COLUMNS)))
    said = Saying(NAMES, masker).about(calls)
    expected = "".join(said.call(c).model_dump_json(by_alias=True) + "\n" for c in calls)
    assert exporting.json_lines(Calls(table.select(STORED), NAMES, masker), ()).decode() == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(CALL, max_size=6), st.booleans())
def test_lines_of_csv_are_those_of_each_call(rows, masks):
    """Read back by another reader: each cell is that of the call, and none is a formula."""
    table = pa.Table.from_pylist(rows, schema=STORED_CALL_SCHEMA)
    masker = Masker(masks=masks)
    calls = answers.calls(table)
    said = Saying(NAMES, masker).about(calls)
    lines = exporting.csv_lines(Calls(table.select(STORED), NAMES, masker), LISTS).decode()
    found = list(csv.reader(io.StringIO(lines, newline="")))
    heads = exporting.heads(LISTS)
    assert len(found) == len(calls)
    for call, cells in zip(map(said.call, calls), found, strict=True):
        row = dict(zip(heads, cells, strict=True))
        prices = {p.price_list: p for p in call.prices}
        for name in LISTS:
            price = prices.get(name)
            money = price and price.money
            assert row.pop(f"{name}_amount") == (money.amount if money else "")
            assert row.pop(f"{name}_currency") == (money.currency if money else "")
            assert row.pop(f"{name}_unpriced") == (str(price.unpriced) if price else "")
        for name in ("site", "person", "department"):
            named = getattr(call, name)
            assert row.pop(f"{name}_uid") == column_text.cell(named and named.uid)
            assert row.pop(f"{name}_name") == column_text.cell(named and named.name)
        for name in ("calling", "called", "first_destination", "final_destination"):
            party = getattr(call, name)
            assert row.pop(name) == column_text.cell(party and (party.e164 or party.shown))
        assert row == {name: column_text.cell(getattr(call, name)) for name in row}


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBER, max_size=20))
def test_numbers_are_masked_alike(numbers):
    """Digits of other scripts too."""
    expected = [None if n is None else hidden(n) for n in numbers]
    assert hidden_column(pa.array(numbers, pa.string())).to_pylist() == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.binary(min_size=16, max_size=16), max_size=20))
def test_ids_are_written_alike(values):
    """Twenty-six letters each."""
    expected = [None if v is None else ids.id_text(v) for v in values]
    assert ids.id_texts(pa.array(values, pa.binary(16))).to_pylist() == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=20))
def test_amounts_are_written_alike(nanos):
    """Decimal text without trailing zeros, never a power of ten."""
    expected = [None if n is None else answers.amount(n) for n in nanos]
    assert column_text.amounts(pa.array(nanos, pa.int64())).to_pylist() == expected
