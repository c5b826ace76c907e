"""Windows of a tariff: gaps, ties and idle windows over real days."""

from __future__ import annotations

from datetime import date

from bluewhale.rating.coverage import Span, check_timing
from bluewhale.rating.tariff import Timing, Window

HOUR = 3_600
FIRST = date(2026, 1, 1)  # a Thursday


def check(*windows, calendars=None, last=None):
    """Look at a timing of these windows."""
    labels = tuple(dict.fromkeys(window.rate for window in windows))
    return check_timing(Timing("t", windows, labels), calendars or {}, FIRST, last)


def test_one_window_without_conditions_covers_everything():
    """No gap, no tie, nothing idle."""
    found = check(Window("all"))
    assert (found.gaps, found.doubts, found.idle) == ((), (), ())


def test_gap_is_named_once_for_each_kind_of_day():
    """Nothing on working days after 18:00: one example, the first such day."""
    found = check(
        Window("peak", 0, 18 * HOUR, weekdays=frozenset({1, 2, 3, 4, 5})),
        Window("low", weekdays=frozenset({6, 7})),
    )
    assert found.gaps == (Span(date(2026, 1, 1), 18 * HOUR, 24 * HOUR),)
    assert found.gaps[0].text() == "Thursday 2026-01-01 from 18:00 to 24:00"


def test_gap_on_the_leap_day_alone_is_found():
    """Windows for every day but 29 February: the gap is on 2028-02-29."""
    months = frozenset(range(1, 13)) - {2}
    found = check(
        Window("a", months=months),
        Window("b", months=frozenset({2}), monthdays=frozenset(range(1, 29))),
    )
    assert found.gaps == (Span(date(2028, 2, 29), 0, 24 * HOUR),)


def test_gap_after_the_end_matters_for_calls_that_run_on():
    """A tariff of 2026 whose windows end with 2026 leaves a running call without a price."""
    found = check(Window("a", years=frozenset({2026})), last=date(2026, 12, 31))
    assert found.gaps == (Span(date(2027, 1, 1), 0, 24 * HOUR),)


def test_equal_priority_and_start_tie_only_where_both_hold():
    """Mondays and the 1st of a month meet first on Monday 1 June 2026."""
    found = check(
        Window("a", priority=0),
        Window("b", weekdays=frozenset({1})),
        Window("c", monthdays=frozenset({1})),
    )
    assert found.doubts == ((1, 2, Span(date(2026, 6, 1), 0, 24 * HOUR)),)


def test_later_start_settles_equal_priority():
    """Decision of the rules: of equal priorities the window that starts later holds."""
    found = check(Window("day", 0), Window("evening", 18 * HOUR))
    assert (found.gaps, found.doubts, found.idle) == ((), (), ())


def test_window_hidden_by_a_higher_priority_is_idle():
    """A Sunday rate below a rate for all days never holds."""
    found = check(Window("all", priority=10), Window("sunday", weekdays=frozenset({7}), priority=5))
    assert found.idle == (1,)


def test_window_of_a_calendar_without_days_in_force_is_idle():
    """A holiday of last year never holds this year."""
    found = check(
        Window("all"),
        Window("holiday", calendar="h", priority=20),
        calendars={"h": frozenset({date(2025, 12, 25)})},
    )
    assert found.idle == (1,)


def test_calendar_day_far_ahead_still_counts():
    """A holiday in 2060 is looked at though weekdays repeat long before."""
    found = check(
        Window("all"),
        Window("holiday", calendar="h", priority=20),
        calendars={"h": frozenset({date(2060, 12, 25)})},
    )
    assert found.idle == ()


def test_gap_inside_one_holiday_only():
    """A holiday window until 23:00 above nothing: the last hour of that day is open."""
    found = check(
        Window("a", weekdays=frozenset({1, 2, 3, 4, 6, 7})),
        Window("h", 0, 23 * HOUR, calendar="fridays"),
        calendars={"fridays": frozenset({date(2026, 1, 2)})},
        last=date(2026, 1, 3),
    )
    assert found.gaps[0] == Span(date(2026, 1, 2), 23 * HOUR, 24 * HOUR)
