"""Receipts in plain words: the whole text of several calls."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import dedent

from bluewhale.rating.book import PriceBook
from bluewhale.rating.explain import explain_charge
from bluewhale.rating.preview import Selectors, international_digits, try_number

from tests.spec.tariffs.files import HEAD, load

DOCUMENT = HEAD.replace("tariff: t\n", "tariff: t\nname: Northline\n") + dedent(
    """\
    calendars:
      holidays: {every 12-25: Christmas Day}
    timings:
      business:
        windows:
          - {name: night and weekend, rate: off_peak, priority: 0}
          - {name: working day, rate: peak, days: mon-fri, from: 08:00, until: 18:00}
          - {name: holiday, rate: off_peak, calendar: holidays, priority: 20}
    schedules:
      attempts: {price: 1, increments: 1, connect_fee: 0.07, charge_attempts: true}
    decks:
      - file: t.csv
        defaults: {increments: 60/6}
    """
)
DECK = """\
prefix,destination,price_peak,price_off_peak,schedule,connect_fee,minimum_charge,max_cost,rounding_mode,rounding_places
4930,Germany Berlin,0.0150,0.0070,,,,,,
49137,Germany mass calling,0.25,0.25,,,0.50,,,
49900,Germany premium,2,2,,0.1,,50,,
49700,Germany attempts,,,attempts,,,,,
491805,Germany thirds,0.10,0.10,,,,,up,2
"""


def receipt(tmp_path, number, at, quantity_ms, selectors=None):
    """Give the text for one call."""
    version = load(tmp_path, DOCUMENT, DECK)
    (trial,) = try_number(
        version, number, at=at, quantity_ms=quantity_ms, selectors=selectors or Selectors()
    )
    return trial.text


def test_call_over_the_end_of_the_working_day(tmp_path):
    """60 s at 0.015 and 3 x 6 s at 0.007 a minute: 0.015 + 18/60 x 0.007 = 0.0171."""
    text = receipt(
        tmp_path, "+49 30 23125 123", datetime(2026, 3, 4, 16, 59, 30, tzinfo=UTC), 75_000
    )
    assert text == dedent(
        """\
        0.0171 EUR, price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; answered Wed 2026-03-04 17:59:30 Europe/Berlin
        Number      +49 30 23125 123 -> prefix 4930 "Germany Berlin", line 2 of the deck: the longest prefix in force
        Connected   75 s; counted 78 s
        Segments    17:59:30 to 18:00:30, working day: 1 x 60 s at 0.015 per 60 s = 0.015
                    18:00:30 to 18:00:48, night and weekend: 3 x 6 s at 0.007 per 60 s = 0.0021
        Connect fee 0
        Sum         0.0171 EUR, exact
        Rounding    once, half up to 4 places: 0.0171 -> 0.0171
        Result      0.0171 EUR"""
    )


def test_minimum_charge_on_a_holiday_night_over_the_change_of_the_clock(tmp_path):
    """One block of 60 s costs 0.25, raised to 0.50; the clock jumps from 2 to 3."""
    text = receipt(tmp_path, "0049 137 100", datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC), 30_000)
    assert text == dedent(
        """\
        0.5000 EUR, price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; answered Sun 2026-03-29 01:59:30 Europe/Berlin
        Number      0049 137 100 -> prefix 49137 "Germany mass calling", line 3 of the deck: the longest prefix in force
        Connected   30 s; counted 60 s
        Segments    01:59:30 to 03:00:30 (CEST), night and weekend: 1 x 60 s at 0.25 per 60 s = 0.25
        Connect fee 0
        Sum         0.25 EUR, exact
        Minimum     raised to the minimum charge 0.5 EUR
        Rounding    once, half up to 4 places: 0.5 -> 0.5000
        Result      0.5000 EUR"""
    )


def test_cap_of_a_long_call_with_a_connect_fee(tmp_path):
    """60 s + 590 x 6 s = 60 minutes at 2 = 120, and 0.1: above the cap of 50."""
    text = receipt(tmp_path, "+49 900 100", datetime(2026, 12, 25, 9, 0, tzinfo=UTC), 3_600_000)
    assert text == dedent(
        """\
        50.0000 EUR, price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; answered Fri 2026-12-25 10:00:00 Europe/Berlin
        Number      +49 900 100 -> prefix 49900 "Germany premium", line 4 of the deck: the longest prefix in force
        Connected   3600 s; counted 3600 s
        Segments    10:00:00 to 10:01:00, holiday: 1 x 60 s at 2 per 60 s = 2
                    10:01:00 to 11:00:00, holiday: 590 x 6 s at 2 per 60 s = 118
        Connect fee 0.1
        Sum         120.1 EUR, exact
        Cap         lowered to the maximum cost 50 EUR
        Rounding    once, half up to 4 places: 50 -> 50.0000
        Result      50.0000 EUR"""
    )


def test_midnight_and_a_rounding_of_the_row(tmp_path):
    """66 s at 0.10 a minute = 0.11 stays; the end is on the next day."""
    text = receipt(tmp_path, "+49 180 5 1", datetime(2026, 6, 1, 21, 59, 0, tzinfo=UTC), 61_500)
    assert text == dedent(
        """\
        0.11 EUR, price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; answered Mon 2026-06-01 23:59:00 Europe/Berlin
        Number      +49 180 5 1 -> prefix 491805 "Germany thirds", line 6 of the deck: the longest prefix in force
        Connected   61.5 s; counted 66 s
        Segments    23:59:00 to 2026-06-02 00:00:00, night and weekend: 1 x 60 s at 0.1 per 60 s = 0.1
                    2026-06-02 00:00:00 to 00:00:06, night and weekend: 1 x 6 s at 0.1 per 60 s = 0.01
        Connect fee 0
        Sum         0.11 EUR, exact
        Rounding    once, up to 2 places: 0.11 -> 0.11
        Result      0.11 EUR"""
    )


def test_charged_attempt(tmp_path):
    """Nothing connected, the schedule charges attempts: its connect fee of 0.07."""
    text = receipt(tmp_path, "+49 700 1", datetime(2026, 6, 1, 10, 0, tzinfo=UTC), 0)
    assert text == dedent(
        """\
        0.0700 EUR, price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; set up, never answered, Mon 2026-06-01 12:00:00 Europe/Berlin
        Number      +49 700 1 -> prefix 49700 "Germany attempts", line 5 of the deck: the longest prefix in force
        Connected   never; this tariff charges its connect fee for attempts
        Connect fee 0.07
        Sum         0.07 EUR, exact
        Rounding    once, half up to 4 places: 0.07 -> 0.0700
        Result      0.0700 EUR"""
    )


def test_free_attempt(tmp_path):
    """Zero duration is free with no fee."""
    text = receipt(tmp_path, "+49 30 1", datetime(2026, 6, 1, 10, 0, tzinfo=UTC), 0)
    assert text.splitlines()[0] == (
        "0.0000 EUR (free), price list carrier, tariff t version 1 (Northline)"
    )
    assert text.splitlines()[-1] == (
        "Free        never connected, and this tariff does not price attempts"
    )


def test_emergency_call_is_free_and_says_why(tmp_path):
    """No row selects the class, so the call costs nothing and is still recorded."""
    text = receipt(
        tmp_path,
        "112",
        datetime(2026, 6, 1, 10, 0, tzinfo=UTC),
        60_000,
        Selectors(call_class="emergency"),
    )
    assert text == dedent(
        """\
        0.0000 EUR (free), price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; answered Mon 2026-06-01 12:00:00 Europe/Berlin
        Number      112
        Free        inbound, internal, emergency and freephone calls cost nothing unless a row of the deck selects them"""
    )


def test_number_without_a_rate_says_what_to_do(tmp_path):
    """Unrated is a status with a reason, never 0."""
    text = receipt(tmp_path, "+44 20 7946 0123", datetime(2026, 6, 1, 10, 0, tzinfo=UTC), 60_000)
    assert text == dedent(
        """\
        Not priced yet, price list carrier, tariff t version 1 (Northline)
        Tariff      in force from 2026-01-01 00:00 without end; answered Mon 2026-06-01 12:00:00 Europe/Berlin
        Number      +44 20 7946 0123
        Not priced  no row of the rate deck matches the number
        What to do  Add a row for its prefix (or * for every number), then re-rate."""
    )


def test_time_without_a_tariff_says_what_to_do(tmp_path):
    """Before the first version of the list there is no tariff to name."""
    text = receipt(tmp_path, "+49 30 1", datetime(2025, 6, 1, 10, 0, tzinfo=UTC), 60_000)
    assert text == dedent(
        """\
        Not priced yet, price list carrier
        Number      +49 30 1
        Not priced  no version of the price list was in force at that time
        What to do  Import and activate a tariff that covers this time, then re-rate."""
    )


def test_inferred_answer_time_and_reversal_are_said(tmp_path):
    """Doubt about the answer and the kind of entry stand in the text."""
    version = load(tmp_path, DOCUMENT, DECK)
    at = datetime(2026, 3, 4, 16, 59, 30, tzinfo=UTC)
    (trial,) = try_number(version, "+49 30 1", at=at, quantity_ms=75_000)
    charge = dict(trial.charge) | {
        "answer_known": False,
        "entry": "reversal",
        "reason": "leg came late",
        "amount_nanos": -17_100_000,
    }
    lines = explain_charge(
        charge, version, number="+49 30 1", destination="Head office"
    ).splitlines()
    assert lines[0] == "-0.0171 EUR, price list carrier, tariff t version 1 (Northline)"
    assert lines[1] == "Reversal    takes back an earlier charge: leg came late"
    assert "answered (time inferred) Wed 2026-03-04 17:59:30" in lines[2]
    assert lines[3] == (
        'Number      +49 30 1 -> prefix 4930 "Head office", line 2 of the deck: '
        "the longest prefix in force"
    )


def test_tariff_that_changes_during_a_call_keeps_the_version_of_its_answer(tmp_path):
    """Answered at 23:59:30 of the last day, 120 s: both minutes at the old price 0.10."""
    old = (
        HEAD
        + "effective_until: 2026-07-01\ndecks:\n  - {file: t.csv, defaults: {increments: 60}}\n"
    )
    new = old.replace(
        "effective_from: 2026-01-01\neffective_until: 2026-07-01\n",
        "version: 2\neffective_from: 2026-07-01\n",
    )
    first = load(tmp_path, old, "prefix,price\n49,0.10\n")
    second = load(tmp_path, new, "prefix,price\n49,0.90\n")
    book = PriceBook([first, second])
    last = datetime(2026, 6, 30, 21, 59, 30, tzinfo=UTC)  # 23:59:30 in Berlin
    (before,) = try_number(book, "+49 30 1", at=last, quantity_ms=120_000)
    (after,) = try_number(
        book, "+49 30 1", at=last.replace(hour=22, minute=0, second=0), quantity_ms=120_000
    )
    assert (before.charge["tariff_version"], before.charge["amount_nanos"]) == (1, 200_000_000)
    assert (after.charge["tariff_version"], after.charge["amount_nanos"]) == (2, 1_800_000_000)
    assert "until 2026-07-01 00:00; answered Tue 2026-06-30 23:59:30" in before.text


def test_international_digits_of_what_people_type():
    """Signs and 00 go; numbers over 15 digits and words are none."""
    assert international_digits("+49 (30) 23125-123") == "493023125123"
    assert international_digits("0044 20 7946 0123") == "442079460123"
    assert international_digits("+1.212.555.0100") == "12125550100"
    assert international_digits("030 23125") == ""
    assert international_digits("1234567890123456") == ""
    assert international_digits("reception") == ""
