"""A good tariff: what its files say is what the version holds, exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from bluewhale.rating.schedule_table import ScheduleTable
from bluewhale.rating.tariff import RATE_DECK_SCHEMA, Rounding, Schedule, Slot, deck_row
from bluewhale.rating.tariff_files import check_tariff, load_tariff, source_files
from bluewhale.rating.validation import TariffError

from tests.spec.tariffs.files import DECKS, HEAD, load, write


def schedule(version, row, place=0):
    """Give one schedule of one row."""
    return version.schedules[deck_row(version.deck, row).schedules[place]]


def test_sixty_six_makes_a_first_block_and_steps(tmp_path):
    """60/6 at 0.0150 per minute: a slot of 60 s, then from 60 s on slots of 6 s."""
    version = load(tmp_path, deck="prefix,price\n49,0.0150\n")
    price = Fraction(3, 200)
    assert schedule(version, 0) == Schedule(
        slots=(Slot(0, price, 60_000, 60_000), Slot(60_000, price, 60_000, 6_000)),
    )


def test_equal_prices_of_many_rows_make_one_schedule(tmp_path):
    """0.1, 0.10 and " 0.100 " are one number; another fee makes another schedule."""
    version = load(
        tmp_path, deck="prefix,price,connect_fee\n1,0.1,\n2,0.10,\n3, 0.100 ,\n4,0.1,0.5\n"
    )
    assert version.deck["schedules"].to_pylist() == [[0], [0], [0], [1]]
    assert len(version.schedules) == 2
    assert schedule(version, 3).connect_fee == Fraction(1, 2)


def test_one_price_holds_for_all_rates_unless_a_rate_has_its_own(tmp_path):
    """Column price_peak wins over price where it is filled."""
    timings = (
        "timings:\n  a:\n    windows:\n"
        "      - {rate: peak, days: mon-fri}\n      - {rate: low, priority: 0}\n"
    )
    version = load(
        tmp_path, HEAD + timings + DECKS, "prefix,price,price_peak\n49,0.10,0.30\n44,0.20,\n"
    )
    assert version.timings["a"].labels == ("peak", "low")
    prices = [
        [version.schedules[i].slots[0].price for i in row]
        for row in version.deck["schedules"].to_pylist()
    ]
    assert prices == [[Fraction(3, 10), Fraction(1, 10)], [Fraction(1, 5), Fraction(1, 5)]]


def test_rows_of_two_timings_have_as_many_schedules_as_their_rates(tmp_path):
    """A row of a timing with one rate has one schedule, of two rates two."""
    timings = (
        "timings:\n  flat: {windows: [{rate: all}]}\n"
        "  day: {windows: [{rate: peak, until: 12:00, priority: 1}, {rate: low, priority: 0}]}\n"
    )
    deck = "prefix,timing,price,price_low\n49,day,0.3,0.2\n44,flat,0.1,\n"
    version = load(tmp_path, HEAD + timings + DECKS, deck)
    assert [len(row) for row in version.deck["schedules"].to_pylist()] == [2, 1]
    assert version.deck["timing"].to_pylist() == ["day", "flat"]
    assert schedule(version, 0, 1).slots[0].price == Fraction(1, 5)


def test_every_field_of_a_row_is_kept(tmp_path):
    """Selectors, dates, rounding and cap come back as they were written."""
    deck = (
        "prefix,destination,price,carrier,trunk_group,call_class,subscriber,effective_from,"
        "effective_until,rounding_mode,rounding_places,max_cost,max_cost_action,minimum_charge\n"
        "+4930,Berlin,1,north,tg 1,mobile,sales,2026-02-01,2026-07-01T12:30,up,2,5.50,end_call,0.05\n"
    )
    version = load(tmp_path, deck=deck)
    row = deck_row(version.deck, 0)
    assert (row.prefix, row.destination, row.carrier, row.trunk_group) == (
        "4930",
        "Berlin",
        "north",
        "tg 1",
    )
    assert (row.call_class, row.subscriber) == ("mobile", "sales")
    # Berlin is one hour ahead of UTC in winter, two in summer
    assert row.active_from == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert row.active_until == datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
    assert row.rounding == Rounding("up", 2)
    assert (row.max_cost, row.max_cost_action, row.source_line) == (Fraction(11, 2), "end_call", 2)
    assert schedule(version, 0).minimum_charge == Fraction(1, 20)


def test_star_is_every_number_and_absent_words_are_null(tmp_path):
    """The prefix of "*" is empty; columns that the deck lacks are null, the cap action is cap."""
    version = load(tmp_path, deck="prefix,price\n*,1\n")
    assert version.deck.schema.equals(RATE_DECK_SCHEMA)
    row = version.deck.to_pylist()[0]
    assert row.pop("schedules") == [0]
    assert row == {
        "prefix": "",
        "timing": "always",
        "destination": None,
        "carrier": None,
        "trunk_group": None,
        "call_class": None,
        "subscriber": None,
        "active_from": None,
        "active_until": None,
        "rounding_mode": None,
        "rounding_places": None,
        "max_cost": None,
        "max_cost_action": "cap",
        "source_line": 2,
    }


def test_lines_are_those_of_the_file_also_with_empty_lines_and_quoted_breaks(tmp_path):
    """Rows stand on lines 3, 4 (over two lines) and 7 of a file with CRLF."""
    deck = b'prefix,destination,price\r\n\r\n49,"a",1\r\n44,"b\r\nc",2\r\n\r\n33,d,3\r\n'
    version = load(tmp_path, deck=deck)
    assert version.deck["source_line"].to_pylist() == [3, 4, 7]
    assert version.deck["destination"].to_pylist() == ["a", "b\r\nc", "d"]


def test_several_decks_make_one(tmp_path):
    """Rows of the second deck follow; both may name equal carriers."""
    (tmp_path / "b.csv").write_text("prefix;price;carrier\n44;0,2;x\n", encoding="utf-8")
    document = HEAD + (
        "decks:\n  - {file: t.csv, defaults: {increments: 1}}\n"
        "  - {file: b.csv, separator: ;, decimal: ',', defaults: {increments: 60}}\n"
    )
    version = load(tmp_path, document, "prefix,price,carrier\n49,0.1,x\n")
    assert version.deck["prefix"].to_pylist() == ["49", "44"]
    assert version.deck["carrier"].to_pylist() == ["x", "x"]
    assert schedule(version, 1).slots == (Slot(0, Fraction(1, 5), 60_000, 60_000),)


def test_last_day_is_included_where_the_deck_says_so(tmp_path):
    """Valid until 31.03. means until 1 April 00:00 in Berlin, 31 March 22:00 UTC."""
    document = HEAD + (
        "decks:\n  - file: t.csv\n    date_format: '%d.%m.%Y'\n    until_is_last_day: true\n"
        "    defaults: {increments: 1}\n"
    )
    version = load(tmp_path, document, "prefix,price,effective_until\n49,1,31.03.2026\n")
    assert deck_row(version.deck, 0).active_until == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_calendar_day_of_every_year_is_there_in_each_year(tmp_path):
    """29 February returns in leap years only; a dated holiday once."""
    document = HEAD + (
        "effective_until: 2029-01-01\n"
        "calendars:\n  h:\n    every 02-29: Leap Day\n    2026-04-03: Good Friday\n" + DECKS
    )
    version = load(tmp_path, document)
    assert version.calendars == {"h": frozenset({date(2028, 2, 29), date(2026, 4, 3)})}


def test_schedule_with_steps_and_whole_duration(tmp_path):
    """Named schedules keep slots, dialect, fees and attempts; rows name them."""
    document = HEAD + (
        "schedules:\n"
        "  steps:\n    connect_fee: 0.50\n    minimum_charge: 1\n    slots:\n"
        "      - {from_seconds: 0, price: 2, increments: 60}\n"
        "      - {from_seconds: 600, price: 1, per_seconds: 1, increments: 0.5}\n"
        "  whole: {price: 0.05, increments: 30/6, increment_rule: whole_duration,"
        " charge_attempts: true}\n" + DECKS
    )
    version = load(tmp_path, document, "prefix,schedule\n1,whole\n2,steps\n")
    assert schedule(version, 1) == Schedule(
        slots=(
            Slot(0, Fraction(2), 60_000, 60_000),
            Slot(600_000, Fraction(1), 1_000, 500),
        ),
        connect_fee=Fraction(1, 2),
        minimum_charge=Fraction(1),
        name="steps",
    )
    whole = schedule(version, 0)
    assert (whole.increment_dialect, whole.prices_attempts) == ("whole_duration", True)
    assert [(slot.from_ms, slot.increment_ms) for slot in whole.slots] == [
        (0, 30_000),
        (30_000, 6_000),
    ]


def test_prices_are_never_floats(tmp_path):
    """Eight and twelve decimals, also unquoted in YAML, stay exact."""
    document = HEAD + "schedules:\n  s: {price: 0.00000001, increments: 1}\n" + DECKS
    deck = "prefix,price,schedule\n1,0.000000000001,\n2,,s\n3,123456.123456789012,\n"
    version = load(tmp_path, document, deck)
    assert [schedule(version, row).slots[0].price for row in range(3)] == [
        Fraction(1, 10**12),
        Fraction(1, 10**8),
        Fraction(123456123456789012, 10**12),
    ]


def test_warning_for_a_prefix_whose_ten_longer_ones_are_all_there(tmp_path):
    """49 with 490 to 499 beside it wins no longer number; that is a warning only."""
    rows = "".join(f"49{digit},1\n" for digit in range(10))
    check = check_tariff(write(tmp_path, HEAD + DECKS, f"prefix,price\n49,1\n{rows}"))
    assert check.version is not None
    assert [warning.text() for warning in check.warnings] == [
        't.csv:2: prefix "49" has ten longer prefixes, so it wins no longer number. Drop it if that is meant.'
    ]


def test_error_carries_every_mistake_and_says_that_nothing_changed(tmp_path):
    """1,200 bad rows: 1,000 are listed, all are counted."""
    rows = "".join(f"{1000 + row},-1\n" for row in range(1_200))
    path = write(tmp_path, HEAD + DECKS, f"prefix,price\n{rows}")
    with pytest.raises(TariffError) as caught:
        load_tariff(path)
    error = caught.value
    assert (error.count, len(error.mistakes)) == (1_200, 1_000)
    lines = str(error).splitlines()
    assert lines[0] == "the tariff has 1,200 mistakes; nothing was changed"
    assert lines[1] == (
        't.csv:2: price "-1" is negative. '
        "Prices and fees are 0 or more; give money back by a correction."
    )
    assert lines[1_000].startswith("t.csv:1001:")
    assert lines[-1] == "... and 200 more"


def test_mistakes_of_document_and_deck_come_together_in_order(tmp_path):
    """Three mistakes of three kinds in two files are one error."""
    document = HEAD.replace("EUR", "EURO") + DECKS
    check = check_tariff(write(tmp_path, document, "prefix,price\n49,0.1\n4x,0.1\n44,-1\n"))
    assert [(m.file, m.line, m.field, m.value) for m in check.mistakes] == [
        ("t.yaml", 3, "currency", "EURO"),
        ("t.csv", 3, "prefix", "4x"),
        ("t.csv", 4, "price", "-1"),
    ]


def test_sources_are_named_with_their_checksums(tmp_path):
    """The document and its deck, with size and SHA-256."""
    path = write(tmp_path, HEAD + DECKS, "prefix,price\n49,0.10\n")
    files = source_files(path)
    assert [(file.path.name, file.size_bytes) for file in files] == [("t.yaml", 147), ("t.csv", 21)]
    assert files[1].sha256 == "40a77638fbab037317625f225cfce26aeef8f6d306e29f69090ddb3617557d50"


def test_schedule_table_gives_back_what_was_put_in():
    """Objects -> columns -> objects, also thirds and negative indices."""
    one = Schedule((Slot(0, Fraction(1, 3), 60_000, 1_000),), minimum_charge=Fraction(1, 7))
    two = Schedule(
        (Slot(0, Fraction(2), 1_000, 500),), Fraction(1, 2), None, "whole_duration", True, "n"
    )
    table = ScheduleTable.from_schedules([one, two])
    assert list(table) == [one, two]
    assert table[-1] == two
    assert list(table[1:]) == [two]
    with pytest.raises(IndexError):
        table[2]
