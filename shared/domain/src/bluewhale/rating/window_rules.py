"""Which window governs an instant, and when another one begins: the obvious way.

Owns rule 3 of rating for the exact engine; `timelines` is the same rule as
tables. Windows are wall clock of the tariff's zone, so the change of an offset
is itself a moment at which the governing window may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from bluewhale.rating.tariff import Timing, Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_PROBE_MS = 6 * 3_600_000  # no zone changes its offset and back within six hours
ALWAYS = -1
NO_WINDOW = -2

Calendars = Mapping[str, frozenset[date]]


def instant(at_ms: int) -> datetime:
    """Give the UTC moment of `at_ms` milliseconds since 1970."""
    return _EPOCH + at_ms * _MS


def milliseconds(moment: datetime) -> int:
    """Give the milliseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // _MS


def matches_day(window: Window, day: date, calendars: Calendars) -> bool:
    """Tell whether every day condition that the window gives holds on `day`."""
    if window.weekdays is not None and day.isoweekday() not in window.weekdays:
        return False
    if window.monthdays is not None and day.day not in window.monthdays:
        return False
    if window.months is not None and day.month not in window.months:
        return False
    if window.years is not None and day.year not in window.years:
        return False
    return window.calendar is None or day in calendars[window.calendar]


def window_at(timing: Timing, calendars: Calendars, zone: str, at_ms: int) -> int:
    """Give the index of the window in force at `at_ms`.

    Highest priority first, then the latest start, then the first listed.
    `ALWAYS` for a timing without windows, `NO_WINDOW` where none matches.
    """
    if not timing.windows:
        return ALWAYS
    local = instant(at_ms).astimezone(_zone(zone))
    second = local.hour * 3600 + local.minute * 60 + local.second
    day = local.date()
    best = NO_WINDOW
    for index, window in enumerate(timing.windows):
        if not window.start_second <= second < window.end_second:
            continue
        if not matches_day(window, day, calendars):
            continue
        if best == NO_WINDOW or _rank(window) > _rank(timing.windows[best]):
            best = index
    return best


def next_change_ms(
    timing: Timing, calendars: Calendars, zone: str, at_ms: int, limit_ms: int
) -> int:
    """Give the first moment after `at_ms` at which another window governs.

    At most `limit_ms`: a later change does not matter to the caller.
    """
    if not timing.windows:
        return limit_ms
    now = window_at(timing, calendars, zone, at_ms)
    for candidate in _candidates(timing, zone, at_ms, limit_ms):
        if window_at(timing, calendars, zone, candidate) != now:
            return candidate
    return limit_ms


def _rank(window: Window) -> tuple[int, int]:
    return window.priority, window.start_second


def _candidates(timing: Timing, zone: str, at_ms: int, limit_ms: int) -> list[int]:
    """Give every moment in (at, limit) where the governing window could change."""
    tz = _zone(zone)
    seconds = sorted(
        {0} | {second for w in timing.windows for second in (w.start_second, w.end_second)}
    )
    first = instant(at_ms).astimezone(tz).date()
    last = instant(limit_ms).astimezone(tz).date()
    moments = set(_offset_changes(zone, at_ms, limit_ms))
    for number in range((last - first).days + 1):
        midnight = datetime.combine(first + timedelta(days=number), datetime.min.time())
        for second in seconds:
            wall = midnight + timedelta(seconds=second)
            moments.update(
                milliseconds(wall.replace(tzinfo=tz, fold=fold).astimezone(UTC)) for fold in (0, 1)
            )
    return sorted(moment for moment in moments if at_ms < moment < limit_ms)


def _offset_changes(zone: str, at_ms: int, limit_ms: int) -> list[int]:
    """Find the moments in (at, limit] from which a zone has another offset."""
    probes = [*range(at_ms, limit_ms, _PROBE_MS), limit_ms]
    changes = []
    for before, after in pairwise(probes):
        if _offset(zone, before) == _offset(zone, after):
            continue
        low, high = before, after
        while high - low > 1:
            middle = (low + high) // 2
            if _offset(zone, middle) == _offset(zone, before):
                low = middle
            else:
                high = middle
        changes.append(high)
    return changes


def _offset(zone: str, at_ms: int) -> timedelta | None:
    return instant(at_ms).astimezone(_zone(zone)).utcoffset()


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
