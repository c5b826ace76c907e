"""Records without year, without date, without seconds, and clocks that are wrong."""

import pytest
from bluewhale.records.enums import Flag
from bluewhale.records.times import (
    HOUR_MS,
    NULL_MS,
    clock_flags,
    clock_stepped,
    day_from_context,
    day_from_context_one,
    day_number,
    days_from_civil,
    interval_ms,
    resolve_year,
    resolve_year_one,
    skew_text,
    time_of_day,
    wall_ms,
)

NOON = 12 * HOUR_MS
LATE_EVENING = wall_ms(1970, 1, 1, 23, 59)
AFTER_MIDNIGHT = wall_ms(1970, 1, 1, 0, 1)

# month, day, time of day, received (UTC), zone -> date
YEARS = [
    ((7, 14), NOON, (2026, 7, 14, 10, 0, 5), "Europe/Berlin", (2026, 7, 14)),
    # Heard after New Year: the record is of last year.
    ((12, 31), LATE_EVENING, (2027, 1, 1, 0, 0, 30), "UTC", (2026, 12, 31)),
    # Clock of the PBX ahead: the record is of next year.
    ((1, 1), AFTER_MIDNIGHT, (2026, 12, 31, 23, 59, 0), "UTC", (2027, 1, 1)),
    # New Year in Sydney is 13:00 UTC on 31 December.
    ((1, 1), AFTER_MIDNIGHT, (2026, 12, 31, 13, 1, 30), "Australia/Sydney", (2027, 1, 1)),
    ((12, 31), LATE_EVENING, (2026, 12, 31, 13, 0, 10), "Australia/Sydney", (2026, 12, 31)),
    # A backlog of five months is last year's; over half a year the nearest is next year.
    ((10, 1), NOON, (2027, 3, 1), "UTC", (2026, 10, 1)),
    ((6, 1), NOON, (2027, 3, 1), "UTC", (2027, 6, 1)),
    # 29 February: heard in the leap year, and in the January after it.
    ((2, 29), NOON, (2028, 2, 29, 12, 0, 10), "UTC", (2028, 2, 29)),
    ((2, 29), NOON, (2029, 1, 10), "UTC", (2028, 2, 29)),
    ((2, 29), NOON, (2027, 12, 20), "UTC", (2028, 2, 29)),
]


@pytest.mark.parametrize(("date", "clock", "received", "zone", "expected"), YEARS)
def test_the_nearest_year_is_taken(date, clock, received, zone, expected):
    """Among the years before, of and after the receipt, in the site's zone; flagged."""
    days, valid, flags = resolve_year([date[0]], [date[1]], [clock], [wall_ms(*received)], zone)
    assert days.tolist() == [day_number(*expected)]
    assert valid.tolist() == [True]
    assert flags.tolist() == [int(Flag.YEAR_INFERRED)]
    assert resolve_year_one(*date, clock, wall_ms(*received), zone) == day_number(*expected)


@pytest.mark.parametrize(
    ("month", "day", "received"),
    [(2, 29, (2026, 6, 1)), (2, 30, (2028, 2, 1)), (13, 1, (2026, 6, 1)), (0, 5, (2026, 6, 1))],
)
def test_a_date_that_no_candidate_year_has_is_not_valid(month, day, received):
    """29 February 2026 would have to be 2025, 2026 or 2027: none is a leap year."""
    days, valid, flags = resolve_year([month], [day], [NOON], [wall_ms(*received)], "UTC")
    assert (days.tolist(), valid.tolist(), flags.tolist()) == ([0], [False], [0])
    assert resolve_year_one(month, day, NOON, wall_ms(*received), "UTC") is None


# context day, printed time, received (UTC) -> day; zone UTC
CONTEXTS = [
    # Ordinary: heard at once.
    ((2026, 7, 14), NOON, (2026, 7, 14, 12, 0, 5), (2026, 7, 14)),
    # 23:59 of the 13th was printed after the date line of the 14th.
    ((2026, 7, 14), LATE_EVENING, (2026, 7, 14, 0, 0, 20), (2026, 7, 13)),
    # 00:01 of the 15th was printed before its date line.
    ((2026, 7, 14), AFTER_MIDNIGHT, (2026, 7, 15, 0, 1, 5), (2026, 7, 15)),
    # A backlog: heard 14 hours later, nothing to do with midnight.
    ((2026, 7, 14), 6 * HOUR_MS, (2026, 7, 14, 20), (2026, 7, 14)),
    # An import a year later stays on the day of its line.
    ((2026, 7, 14), LATE_EVENING, (2027, 7, 14), (2026, 7, 14)),
    # PBX clock three hours ahead.
    ((2026, 7, 14), 15 * HOUR_MS, (2026, 7, 14, 12), (2026, 7, 14)),
]


@pytest.mark.parametrize(("line", "clock", "received", "expected"), CONTEXTS)
def test_a_date_line_and_both_its_neighbours_are_tried(line, clock, received, expected):
    """Only a race over midnight moves a record off the day of its line."""
    day, flags = day_from_context([day_number(*line)], [clock], [wall_ms(*received)], "UTC")
    assert day.tolist() == [day_number(*expected)]
    assert flags.tolist() == [int(Flag.DAY_FROM_CONTEXT)]
    one = day_from_context_one(day_number(*line), clock, wall_ms(*received), "UTC")
    assert one == (day_number(*expected), Flag.DAY_FROM_CONTEXT)


@pytest.mark.parametrize(
    ("clock", "received", "zone", "expected"),
    [
        (NOON, (2026, 7, 14, 12, 0, 5), "UTC", (2026, 7, 14)),
        (LATE_EVENING, (2026, 7, 14, 0, 0, 5), "UTC", (2026, 7, 13)),
        (AFTER_MIDNIGHT, (2026, 7, 13, 23, 59, 50), "UTC", (2026, 7, 14)),
        # 13 hours ahead of the receipt: yesterday. 11 hours ahead: today.
        (21 * HOUR_MS, (2026, 7, 14, 8), "UTC", (2026, 7, 13)),
        (19 * HOUR_MS, (2026, 7, 14, 8), "UTC", (2026, 7, 14)),
        # 23:30 UTC is 01:30 of the next day in Berlin.
        (HOUR_MS, (2026, 7, 13, 23, 30), "Europe/Berlin", (2026, 7, 14)),
    ],
)
def test_without_any_date_the_nearest_day_is_taken(clock, received, zone, expected):
    """At most twelve hours ahead of the receipt, in the site's zone; flagged."""
    day, flags = day_from_context(None, [clock], [wall_ms(*received)], zone)
    assert day.tolist() == [day_number(*expected)]
    assert flags.tolist() == [int(Flag.DAY_INFERRED)]
    one = day_from_context_one(None, clock, wall_ms(*received), zone)
    assert one == (day_number(*expected), Flag.DAY_INFERRED)


def test_hours_and_minutes_alone_are_the_start_of_a_minute():
    """Without seconds the flag is set and the moment stands for its whole minute."""
    total, valid, flags = time_of_day([9, 9, 24, 23, 23], [5, 5, 0, 59, 60], [-1, 7, 0, 59, 0])
    assert total.tolist() == [32_700_000, 32_707_000, 0, 86_399_000, 0]
    assert valid.tolist() == [True, True, False, True, False]
    assert flags.tolist() == [int(Flag.SECONDS_UNKNOWN), 0, 0, 0, 0]
    assert time_of_day([9], [5])[2].tolist() == [int(Flag.SECONDS_UNKNOWN)]
    assert interval_ms(32_700_000, int(flags[0])) == (32_700_000, 32_759_999)
    assert interval_ms(32_707_000, 0) == (32_707_000, 32_707_999)


def test_civil_days_count_from_1970():
    """1970-01-01 is 0, 2000-02-29 is 11,016, 2026-11-22 is 20,779; others are no dates."""
    days, valid = days_from_civil(
        [1970, 2000, 2026, 1900, 2026, 1969, 2026],
        [1, 2, 11, 2, 4, 12, 12],
        [1, 29, 22, 29, 31, 31, 0],
    )
    assert days.tolist() == [0, 11_016, 20_779, 0, 0, -1, 0]
    assert valid.tolist() == [True, True, True, False, False, True, False]


def test_a_clock_ahead_is_flagged_and_over_the_limit_suspended():
    """2 s is nothing, 10 minutes a flag, 2 hours too far for a limit of one hour."""
    received = wall_ms(2026, 7, 14, 12)
    at = [received - HOUR_MS, received + 2_000, received + 600_000, received + 2 * HOUR_MS, NULL_MS]
    flags, too_far = clock_flags(at, [received] * 5, ahead_limit_ms=HOUR_MS)
    assert flags.tolist() == [0, 0, int(Flag.CLOCK_AHEAD), 0, 0]
    assert too_far.tolist() == [False, False, False, True, False]


def test_a_clock_set_back_is_flagged_where_it_happens():
    """Over ten minutes backwards; times stay as printed."""
    start = wall_ms(2026, 7, 14, 12)
    at = [start, start + 60_000, start - HOUR_MS, start - HOUR_MS + 60_000, NULL_MS, start]
    assert clock_stepped(at).tolist() == [0, 0, int(Flag.CLOCK_STEPPED), 0, 0, 0]
    assert clock_stepped([]).tolist() == []


@pytest.mark.parametrize(
    ("skew", "text"),
    [
        (7_384_000, "printed time is 2 h 3 min 4 s after the record was received"),
        (-90_061_000, "printed time is 1 d 1 h 1 min 1 s before the record was received"),
        (0, "printed time is 0 s after the record was received"),
    ],
)
def test_a_skew_is_named_in_words(skew, text):
    """7,384 s = 2 h + 3 min + 4 s; 90,061 s = 1 d + 1 h + 1 min + 1 s."""
    assert skew_text(skew) == text
