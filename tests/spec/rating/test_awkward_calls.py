"""Calls that other systems get wrong: clock changes, year ends, long calls, odd money."""

from datetime import date
from fractions import Fraction

from bluewhale.rating.tariff import RateRow, Rounding, Schedule, Timing, Window

from tests.spec.rating.tariffs import PEAK_8_TO_18, cuts, rate, slots, tariff

NIGHT = Timing(
    "night", (Window("day"), Window("night", 0, 3 * 3600, priority=20)), ("day", "night")
)
TEN_A_MINUTE = Schedule(slots((0, "0.10", 60, 1)))
ONE_A_MINUTE = Schedule(slots((0, "0.01", 60, 1)))


def night_in(zone):
    """Night until 03:00 at 0.01 a minute, day at 0.10, in one zone."""
    return tariff(TEN_A_MINUTE, ONE_A_MINUTE, timing=NIGHT, zone=zone)


def test_the_night_is_an_hour_shorter_when_berlin_springs_forward():
    """2024-03-31 01:30 local = 00:30 UTC; at 01:00 UTC it is 03:00 and day: 30 + 30 min."""
    charge = rate(night_in("Europe/Berlin"), "2024-03-31T00:30", 3600)
    assert cuts(charge) == [(1, 0, 1800), (0, 1800, 3600)]
    assert charge.amount == Fraction("3.3")  # 30 x 0.01 + 30 x 0.10


def test_the_night_is_an_hour_longer_when_berlin_falls_back():
    """2024-10-27 00:30 UTC is 02:30 the first time; 03:00 comes at 02:00 UTC: 90 min of night."""
    charge = rate(night_in("Europe/Berlin"), "2024-10-27T00:30", 7200)
    assert cuts(charge) == [(1, 0, 5400), (0, 5400, 7200)]
    assert charge.amount == Fraction("3.9")  # 90 x 0.01 + 30 x 0.10


def test_both_changes_of_the_southern_hemisphere():
    """Sydney: 2024-10-06 springs forward at 16:00 UTC, 2024-04-07 falls back at 16:00 UTC."""
    spring = rate(night_in("Australia/Sydney"), "2024-10-05T15:30", 3600)
    assert cuts(spring) == [(1, 0, 1800), (0, 1800, 3600)]
    # 2024-04-06 15:30 UTC = 02:30 the first time; 03:00 standard time is 17:00 UTC
    autumn = rate(night_in("Australia/Sydney"), "2024-04-06T15:30", 7200)
    assert cuts(autumn) == [(1, 0, 5400), (0, 5400, 7200)]


def test_a_zone_that_changes_by_thirty_minutes():
    """Lord Howe falls back from 02:00 to 01:30 at 15:00 UTC: 03:00 comes at 16:30 UTC."""
    charge = rate(night_in("Australia/Lord_Howe"), "2024-04-06T14:30", 9000)
    assert cuts(charge) == [(1, 0, 7200), (0, 7200, 9000)]
    # and springs forward from 02:00 to 02:30 at 15:30 UTC: 03:00 comes at 16:00 UTC
    charge = rate(night_in("Australia/Lord_Howe"), "2024-10-05T15:00", 5400)
    assert cuts(charge) == [(1, 0, 3600), (0, 3600, 5400)]


def test_a_call_over_the_year_end_meets_the_holiday_that_begins():
    """Rated by the calendar from midnight on: 60 s at 0.10 + 60 s at 0.01 a minute."""
    timing = Timing(
        "t",
        (Window("day"), Window("holiday", calendar="holidays", priority=20)),
        ("day", "holiday"),
    )
    version = tariff(
        TEN_A_MINUTE,
        ONE_A_MINUTE,
        timing=timing,
        zone="Europe/Berlin",
        calendars={"holidays": frozenset({date(2025, 1, 1)})},
    )
    charge = rate(version, "2024-12-31T22:59", 120)
    assert cuts(charge) == [(0, 0, 60), (1, 60, 120)]
    assert charge.amount == Fraction("0.11")


def test_a_leap_day_is_a_day_of_its_own():
    """28 February to 29 February 2024, a window of monthday 29; none in 2023."""
    timing = Timing(
        "t",
        (
            Window("day"),
            Window("leap", months=frozenset({2}), monthdays=frozenset({29}), priority=20),
        ),
        ("day", "leap"),
    )
    version = tariff(TEN_A_MINUTE, ONE_A_MINUTE, timing=timing)
    assert cuts(rate(version, "2024-02-28T23:59", 120)) == [(0, 0, 60), (1, 60, 120)]
    assert cuts(rate(version, "2023-02-28T23:59", 120)) == [(0, 0, 120)]


def test_a_window_shorter_than_an_increment_is_stepped_over():
    """A 30 s window inside a 60 s block never governs the start of a block."""
    timing = Timing(
        "t", (Window("day"), Window("blip", 43_230, 43_260, priority=20)), ("day", "blip")
    )
    minute = Schedule(slots((0, "0.10", 60, 60)))
    charge = rate(tariff(minute, ONE_A_MINUTE, timing=timing), "2024-05-06T12:00", 180)
    # the first block ends at 12:01:00, past the window; 3 blocks x 0.10
    assert charge.amount == Fraction("0.3")
    assert {window for window, _, _ in cuts(charge)} == {0}


def test_twenty_four_and_seventy_two_hours():
    """10 h of peak at 0.10 and 14 h off-peak at 0.01 a minute: 60 + 8.4 = 68.4 a day."""
    version = tariff(TEN_A_MINUTE, ONE_A_MINUTE, timing=PEAK_8_TO_18)
    day = rate(version, "2024-05-06T12:00", 86_400)
    assert cuts(day) == [(0, 0, 21_600), (1, 21_600, 72_000), (0, 72_000, 86_400)]
    assert day.amount == Fraction("68.4")
    three = rate(version, "2024-05-06T12:00", 259_200)
    assert three.amount == Fraction("205.2")
    assert len(three.segments) == 7


def test_a_window_that_holds_all_day_is_not_cut_at_midnight():
    """The same window governs the next day."""
    version = tariff(TEN_A_MINUTE, timing=Timing("t", (Window("day"),), ("day",)))
    assert cuts(rate(version, "2024-05-06T23:00", 7200)) == [(0, 0, 7200)]


def test_a_price_with_eight_decimals_is_not_lost():
    """0.00000123 a second x 3,600 = 0.004428; rounded once, to 0.0044."""
    schedule = Schedule(slots((0, "0.00000123", 1, 1)))
    charge = rate(tariff(schedule), "2024-05-06T12:00", 3600)
    assert charge.exact == Fraction("0.004428")
    assert charge.amount == Fraction("0.0044")


def test_currencies_without_and_with_three_decimals():
    """130 s at 10 yen a minute: 21.67 -> 22; at 0.025 dinar a minute: 0.054167 -> 0.054."""
    yen = tariff(Schedule(slots((0, "10", 60, 1))), currency="JPY", rounding=Rounding("half_up", 0))
    assert rate(yen, "2024-05-06T12:00", 130).amount == 22
    dinar = tariff(
        Schedule(slots((0, "0.025", 60, 1))), currency="KWD", rounding=Rounding("half_up", 3)
    )
    assert rate(dinar, "2024-05-06T12:00", 130).amount == Fraction("0.054")


def test_a_sum_that_leaves_int64_before_its_cap_is_still_exact():
    """10^9 a second for an hour is 3.6 x 10^12 units, over int64 nanos; the cap is 7.5."""
    schedule = Schedule(slots((0, "1000000000", 1, 1)))
    rows = [RateRow("", "always", (0,), max_cost=Fraction("7.5"))]
    charge = rate(tariff(schedule, rows=rows), "2024-05-06T12:00", 3600)
    assert (charge.amount, charge.cap_applied) == (Fraction("7.5"), True)
    assert charge.segments[0].price == 3_600_000_000_000


def test_an_amount_that_no_int64_holds_is_unrated_not_wrong():
    """9.3 x 10^9 units are the most that nanos can hold."""
    charge = rate(tariff(Schedule(slots((0, "1000000000", 1, 1)))), "2024-05-06T12:00", 3600)
    assert (charge.status, charge.reason, charge.amount) == ("unrated", "price_overflow", 0)


def test_a_span_outside_the_table_of_days_goes_to_the_exact_engine():
    """1985 and 2101 are priced like any other year."""
    version = tariff(TEN_A_MINUTE, ONE_A_MINUTE, timing=PEAK_8_TO_18)
    assert cuts(rate(version, "1985-05-06T17:59", 120)) == [(0, 0, 60), (1, 60, 120)]
    assert cuts(rate(version, "2101-05-06T17:59", 120)) == [(0, 0, 60), (1, 60, 120)]
