"""Printed local times to instants: day, year, DST, clock steps.

Owns the rules by which a wall clock reading of a PBX becomes a UTC instant, and
the flag that each inference sets. Everything exists over columns and as an
obvious scalar twin (`*_one`). Local times are int64 milliseconds "as if UTC":
wall clock since 1970-01-01 00:00. Days are days since 1970-01-01. `NULL_MS`
stands for a missing time and passes through. Does not own which field of a
record is a time, nor whether it is a start or an end.

>>> local_to_utc_one(wall_ms(2026, 7, 1, 12), "Europe/Berlin", 0)[0] == wall_ms(2026, 7, 1, 10)
True

Source: midnight, DST and clock rules of the product, docs/reference/times.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from bluewhale.records.enums import Flag
from bluewhale.records.exceptions import ZoneError
from numba import njit

Ints = npt.NDArray[np.int64]

NULL_MS = int(np.iinfo(np.int64).min)
SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

# A record printed on the other side of midnight than its date line is heard at once:
# the neighbouring day wins only if it is this near, and the day of the line this far.
MIDNIGHT_RACE_MS = 2 * HOUR_MS
OTHER_DAY_MS = 12 * HOUR_MS
# Records of one source come in order of their end, but a printed time may be coarse.
ORDER_SLACK_MS = MINUTE_MS
# Clocks of PBX and collector differ a little; this is not worth a flag.
CLOCK_TOLERANCE_MS = 2 * SECOND_MS

_LAST_YEAR = 2100
_WEEK_S = 7 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_REPEATED = int(Flag.DST_REPEATED_HOUR)
_SKIPPED = int(Flag.DST_SKIPPED_HOUR)


# --- zones ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ZoneTable:
    """The offsets of one zone, 1970 to 2100.

    `offset[k]` (milliseconds east of UTC) holds in UTC from `at[k - 1]` until
    `at[k]`. In wall clock, [low[k], high[k]) is the hour that transition k
    repeats (offset falls) or skips (offset rises).
    """

    at: Ints
    offset: Ints
    low: Ints
    high: Ints


def zone_info(zone: str) -> ZoneInfo:
    """Give the zone of this name.

    Raises
    ------
    ZoneError
        The zone database has no such name.
    """
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise ZoneError(
            f"zone {zone!r} is not in the zone database: write it like Europe/Berlin"
        ) from error


@lru_cache(maxsize=512)
def zone_table(zone: str) -> ZoneTable:
    """Compile a zone to arrays: each week is asked, each change is bisected to the second."""
    info = zone_info(zone)

    def offset_at(second: int) -> int:
        local = (_EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
        assert local is not None, "zones of the database always know their offset"
        return int(local.total_seconds()) * SECOND_MS

    first = 0
    last = int((datetime(_LAST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    at: list[int] = []
    offsets = [offset_at(first)]
    for week in range(first, last, _WEEK_S):
        while offset_at(week) != offsets[-1]:
            low, high = max(week - _WEEK_S, at[-1] // SECOND_MS if at else 0), week
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(middle) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            at.append(high * SECOND_MS)
            offsets.append(offset_at(high))
    moments = np.array(at, np.int64)
    offset = np.array(offsets, np.int64)
    before, after = offset[:-1], offset[1:]
    table = ZoneTable(
        moments, offset, moments + np.minimum(before, after), moments + np.maximum(before, after)
    )
    for values in (table.at, table.offset, table.low, table.high):
        values.flags.writeable = False
    return table


@njit(nogil=True, cache=True)
def _to_local(utc: Any, at: Any, offset: Any, null: Any, out: Any) -> None:
    k = 0
    for i in range(len(utc)):
        u = utc[i]
        if u == null:
            out[i] = null
            continue
        if not ((k == 0 or at[k - 1] <= u) and (k == len(at) or u < at[k])):
            k = np.searchsorted(at, u, side="right")
        out[i] = u + offset[k]


@njit(nogil=True, cache=True)
def _to_utc(
    local: Any,
    received: Any,
    offset: Any,
    low: Any,
    high: Any,
    null: Any,
    slack: Any,
    previous: Any,
    out: Any,
    flags: Any,
) -> None:
    """Rows stand in order of arrival; `previous` is the instant of the row before them."""
    k = 0
    for i in range(len(local)):
        t = local[i]
        flags[i] = 0
        if t == null:
            out[i] = null
            continue
        if not ((k == 0 or high[k - 1] <= t) and (k == len(high) or t < high[k])):
            k = np.searchsorted(high, t, side="right")
        if k == len(high) or t < low[k]:
            out[i] = t - offset[k]
        elif offset[k] < offset[k + 1]:
            out[i] = t - offset[k]
            flags[i] = _SKIPPED
        else:
            first = t - offset[k]
            second = t - offset[k + 1]
            half = (second - first) // 2
            flags[i] = _REPEATED
            heard = received[i]
            if heard != null and -half <= heard - first < half:
                out[i] = first
            elif heard != null and -half <= heard - second < half:
                out[i] = second
            elif previous != null and first >= previous - slack:
                out[i] = first
            elif (previous != null and second >= previous - slack) or (
                heard != null and heard >= second - half
            ):
                out[i] = second
            else:
                out[i] = first
        previous = out[i]


def _column(values: Any) -> Ints:
    view = np.ascontiguousarray(values, np.int64).view()
    view.flags.writeable = False
    return view


def utc_to_local_ms(utc_ms: Any, zone: str) -> Ints:
    """Give wall clock readings (as if UTC) of instants; order kept, `NULL_MS` stays."""
    utc = _column(utc_ms)
    table = zone_table(zone)
    out = np.empty(len(utc), np.int64)
    _to_local(utc, table.at, table.offset, NULL_MS, out)
    return out


def local_to_utc_ms(
    local_ms: Any, zone: str, received_at_ms: Any, *, previous_utc_ms: int | None = None
) -> tuple[Ints, Ints]:
    """Give the instants of wall clock readings that one source printed.

    Parameters
    ----------
    local_ms
        Wall clock as if UTC, one per record, **in order of arrival**.
    zone
        Zone of the site, e.g. "Europe/Berlin".
    received_at_ms
        When each record was heard, UTC; `NULL_MS` = not known.
    previous_utc_ms
        Instant of the record before the first row, if known.

    Returns
    -------
    (utc_ms, flags). An hour that occurs twice sets DST_REPEATED_HOUR: a record
    heard within half a step of one reading means that one; otherwise the
    earlier reading that keeps the order of arrival (within a minute); a record
    without neighbours is read as near to `received_at` as it can be. An hour
    that does not occur sets DST_SKIPPED_HOUR and is read as if the clock had
    not been put forward yet.
    """
    local = _column(local_ms)
    table = zone_table(zone)
    out = np.empty(len(local), np.int64)
    flags = np.empty(len(local), np.int64)
    previous = NULL_MS if previous_utc_ms is None else previous_utc_ms
    _to_utc(
        local,
        _column(received_at_ms),
        table.offset,
        table.low,
        table.high,
        NULL_MS,
        ORDER_SLACK_MS,
        previous,
        out,
        flags,
    )
    return out, flags


def utc_to_local_one(utc_ms: int, zone: str) -> int:
    """Give the wall clock reading of one instant; the twin of `utc_to_local_ms`."""
    moment = _EPOCH + timedelta(milliseconds=utc_ms)
    wall = moment.astimezone(zone_info(zone)).replace(tzinfo=UTC)
    return (wall - _EPOCH) // _MS


def local_to_utc_one(
    local_ms: int, zone: str, received_at_ms: int | None, previous_utc_ms: int | None = None
) -> tuple[int, Flag]:
    """Give the instant of one wall clock reading; the twin of `local_to_utc_ms`."""
    info = zone_info(zone)
    wall = (_EPOCH + timedelta(milliseconds=local_ms)).replace(tzinfo=None)
    readings = [
        (wall.replace(tzinfo=info, fold=fold).astimezone(UTC) - _EPOCH) // _MS for fold in (0, 1)
    ]
    if readings[0] == readings[1]:
        return readings[0], Flag(0)
    if utc_to_local_one(readings[0], zone) != local_ms:
        return readings[0], Flag.DST_SKIPPED_HOUR  # fold 0 of a gap: the offset before it
    first, second = readings
    half = (second - first) // 2
    chosen = first
    if received_at_ms is not None and -half <= received_at_ms - first < half:
        chosen = first
    elif received_at_ms is not None and -half <= received_at_ms - second < half:
        chosen = second
    elif previous_utc_ms is not None and first >= previous_utc_ms - ORDER_SLACK_MS:
        chosen = first
    elif (previous_utc_ms is not None and second >= previous_utc_ms - ORDER_SLACK_MS) or (
        received_at_ms is not None and received_at_ms >= second - half
    ):
        chosen = second
    return chosen, Flag.DST_REPEATED_HOUR


# --- days and years ---------------------------------------------------------------------


def wall_ms(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> int:
    """Give one wall clock reading as if UTC, in milliseconds; for tests and displays."""
    return (datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH) // _MS


def day_number(year: int, month: int, day: int) -> int:
    """Give days since 1970-01-01."""
    return (date(year, month, day) - date(1970, 1, 1)).days


def days_from_civil(year: Any, month: Any, day: Any) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Give (days since 1970-01-01, valid) of civil dates; not valid = no such date.

    Years 0 to 9999 of the proleptic Gregorian calendar.
    """
    y = np.asarray(year, np.int64)
    m = np.asarray(month, np.int64)
    d = np.asarray(day, np.int64)
    leap = (y % 4 == 0) & ((y % 100 != 0) | (y % 400 == 0))
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
    inside = (m >= 1) & (m <= 12)
    longest = lengths[np.where(inside, m, 0)] + ((m == 2) & leap)
    valid = inside & (d >= 1) & (d <= longest) & (y >= 0) & (y <= 9999)
    # Count from March, so that the leap day is the last day of its year.
    shifted = y - (m <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((m + 9) % 12) + 2) // 5 + d - 1
    days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return np.where(valid, days, 0).astype(np.int64), valid


def civil_year(day: Any) -> Ints:
    """Give the year that each day (since 1970-01-01) lies in."""
    days = np.asarray(day, np.int64)
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def resolve_year(
    month: Any, day: Any, time_of_day_ms: Any, received_at_ms: Any, zone: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_], Ints]:
    """Give days for dates that were printed without a year.

    The year among {y - 1, y, y + 1} of the receive time (in the site's zone)
    that brings the record nearest to it; 29 February only in leap years.

    Returns
    -------
    (day int32, valid, flags). Flags: YEAR_INFERRED where valid; not valid where
    no candidate year has such a date (TIME_INVALID for the caller).
    """
    received = utc_to_local_ms(received_at_ms, zone)
    year = civil_year(received // DAY_MS)
    months, days, clock = (np.asarray(v, np.int64) for v in (month, day, time_of_day_ms))
    best = np.zeros(len(received), np.int64)
    distance = np.full(len(received), np.iinfo(np.int64).max, np.int64)
    for step in (0, -1, 1):
        candidate, valid = days_from_civil(year + step, months, days)
        away = np.abs(candidate * DAY_MS + clock - received)
        nearer = valid & (away < distance)
        best = np.where(nearer, candidate, best)
        distance = np.where(nearer, away, distance)
    found = distance != np.iinfo(np.int64).max
    flags = np.where(found, int(Flag.YEAR_INFERRED), 0).astype(np.int64)
    return best.astype(np.int32), found, flags


def resolve_year_one(
    month: int, day: int, time_of_day_ms: int, received_at_ms: int, zone: str
) -> int | None:
    """Give the day of one date without a year, or None; the twin of `resolve_year`."""
    received = utc_to_local_one(received_at_ms, zone)
    year = (_EPOCH + timedelta(milliseconds=received)).year
    candidates = []
    for candidate in (year, year - 1, year + 1):
        try:
            number = day_number(candidate, month, day)
        except ValueError:
            continue
        candidates.append((abs(number * DAY_MS + time_of_day_ms - received), number))
    return min(candidates, key=lambda pair: pair[0])[1] if candidates else None


def day_from_context(
    context_day: Any, time_of_day_ms: Any, received_at_ms: Any, zone: str
) -> tuple[npt.NDArray[np.int32], Ints]:
    """Give days for records that print a time of day only.

    With a date line (`context_day`): its day, flag DAY_FROM_CONTEXT; but a
    record that raced the line over midnight belongs to the neighbouring day
    when that brings it within 2 hours of `received_at` and the day of the line
    does not within 12. Without one (None): the day that brings the time nearest
    to `received_at`, flag DAY_INFERRED. A format that sends date lines should
    not come here without one: such a record waits as `context_missing`.
    """
    received = utc_to_local_ms(received_at_ms, zone)
    clock = np.asarray(time_of_day_ms, np.int64)
    if context_day is None:
        # Nearest: at most 12 hours ahead of the receive time, else it was yesterday.
        day = (received - clock + DAY_MS // 2) // DAY_MS
        return day.astype(np.int32), np.full(len(clock), int(Flag.DAY_INFERRED), np.int64)
    line_day = np.broadcast_to(np.asarray(context_day, np.int64), clock.shape)
    away = line_day * DAY_MS + clock - received
    far = np.abs(away) > OTHER_DAY_MS
    earlier = far & (np.abs(away - DAY_MS) <= MIDNIGHT_RACE_MS)
    later = far & (np.abs(away + DAY_MS) <= MIDNIGHT_RACE_MS)
    day = line_day - earlier + later
    return day.astype(np.int32), np.full(len(clock), int(Flag.DAY_FROM_CONTEXT), np.int64)


def day_from_context_one(
    context_day: int | None, time_of_day_ms: int, received_at_ms: int, zone: str
) -> tuple[int, Flag]:
    """Give the day of one record without a date; the twin of `day_from_context`."""
    received = utc_to_local_one(received_at_ms, zone)

    def away(day: int) -> int:
        return abs(day * DAY_MS + time_of_day_ms - received)

    if context_day is None:
        today = received // DAY_MS
        return min((today + 1, today, today - 1), key=away), Flag.DAY_INFERRED
    for neighbour in (context_day - 1, context_day + 1):
        if away(context_day) > OTHER_DAY_MS and away(neighbour) <= MIDNIGHT_RACE_MS:
            return neighbour, Flag.DAY_FROM_CONTEXT
    return context_day, Flag.DAY_FROM_CONTEXT


def time_of_day(
    hour: Any, minute: Any, second: Any = None
) -> tuple[Ints, npt.NDArray[np.bool_], Ints]:
    """Give (milliseconds since midnight, valid, flags) of printed times of day.

    `second` None, or -1 in a row: printed hh:mm only; the moment is the start
    of that minute and SECONDS_UNKNOWN is set. 24:00 and 60 seconds are not valid.
    """
    h, m = np.asarray(hour, np.int64), np.asarray(minute, np.int64)
    s = np.full(h.shape, -1, np.int64) if second is None else np.asarray(second, np.int64)
    valid = (h >= 0) & (h < 24) & (m >= 0) & (m < 60) & (s >= -1) & (s < 60)
    unknown = s == -1
    total = h * HOUR_MS + m * MINUTE_MS + np.where(unknown, 0, s) * SECOND_MS
    flags = np.where(unknown & valid, int(Flag.SECONDS_UNKNOWN), 0).astype(np.int64)
    return np.where(valid, total, 0), valid, flags


def interval_ms(at_ms: int, flags: int) -> tuple[int, int]:
    """Give the first and last millisecond that a printed time can mean.

    hh:mm stands for its whole minute: two calls that overlap by less than that
    do not contradict each other.
    """
    width = MINUTE_MS if flags & Flag.SECONDS_UNKNOWN else SECOND_MS
    return at_ms, at_ms + width - 1


# --- spans over a change of the clock ---------------------------------------------------


def _steps(table: ZoneTable, start_utc: Ints, end_utc: Ints) -> Ints:
    """Give how far the clock was moved between two instants (+ forward), 0 = not."""
    low = np.minimum(start_utc, end_utc)
    high = np.maximum(start_utc, end_utc)
    first = np.searchsorted(table.at, low, side="right")
    last = np.searchsorted(table.at, high, side="right")
    return table.offset[last] - table.offset[first]


def _readings(local: Ints, zone: str) -> tuple[Ints, Ints]:
    """Give the earlier and the later instant that each reading can mean (mostly the same)."""
    table = zone_table(zone)
    place = np.searchsorted(table.high, local, side="right")
    first = local - table.offset[place]
    if len(table.high) == 0:
        return first, first
    k = np.minimum(place, len(table.high) - 1)
    inside = (place < len(table.high)) & (table.low[k] <= local)
    falls = table.offset[k] > table.offset[k + 1]
    return first, np.where(inside & falls, local - table.offset[k + 1], first)


def span_from_local(
    start_local_ms: Any, end_local_ms: Any, zone: str, received_at_ms: Any
) -> tuple[Ints, Ints, Ints, Ints]:
    """Give (start, end, duration, flags) of spans printed as two local times.

    For formats that print start and end and no switch timer. A span over a
    change of the clock is off by the step (an hour; half an hour on Lord Howe)
    in wall clock, even negative in autumn: the instants mend it and
    DST_REPAIRED is set. In a repeated hour the end is read as by
    `local_to_utc_ms`, the start as the latest reading before it; the other end
    only if no start lies before the first. A span that is negative all the same
    stays negative, so that the caller can reject it with the skew named.

    Rows in order of arrival; `NULL_MS` in either gives `NULL_MS` as duration.
    """
    start_local, end_local = _column(start_local_ms), _column(end_local_ms)
    end, end_flags = local_to_utc_ms(end_local, zone, received_at_ms)
    start_alone, start_flags = local_to_utc_ms(start_local, zone, received_at_ms)
    missing = (start_local == NULL_MS) | (end_local == NULL_MS)
    earlier, later = _readings(np.where(missing, 0, start_local), zone)
    _, last_end = _readings(np.where(missing, 0, end_local), zone)
    end = np.where(missing, end, np.where(earlier <= end, end, last_end))
    start = np.where(later <= end, later, earlier)
    start = np.where(missing, start_alone, start)
    duration = np.where(missing, NULL_MS, end - np.where(missing, 0, start))
    repaired = ~missing & (duration != end_local - np.where(missing, 0, start_local))
    flags = start_flags | end_flags | np.where(repaired, int(Flag.DST_REPAIRED), 0)
    return start, end, duration, flags.astype(np.int64)


def span_from_local_one(
    start_local_ms: int,
    end_local_ms: int,
    zone: str,
    received_at_ms: int | None,
    previous_end_ms: int | None = None,
) -> tuple[int, int, int, Flag]:
    """Give one span; the twin of `span_from_local`. `previous_end_ms`: end of the row before."""
    info = zone_info(zone)

    def readings(local_ms: int) -> list[int]:
        wall = (_EPOCH + timedelta(milliseconds=local_ms)).replace(tzinfo=None)
        both = [(wall.replace(tzinfo=info, fold=f).astimezone(UTC) - _EPOCH) // _MS for f in (0, 1)]
        return both if utc_to_local_one(both[0], zone) == local_ms else both[:1]

    end, end_flags = local_to_utc_one(end_local_ms, zone, received_at_ms, previous_end_ms)
    _, start_flags = local_to_utc_one(start_local_ms, zone, received_at_ms)
    starts = readings(start_local_ms)
    if starts[0] > end:
        end = readings(end_local_ms)[-1]
    start = max((s for s in starts if s <= end), default=starts[0])
    flags = start_flags | end_flags
    if end - start != end_local_ms - start_local_ms:
        flags |= Flag.DST_REPAIRED
    return start, end, end - start, flags


def repair_duration(
    duration_ms: Any, start_utc_ms: Any, end_utc_ms: Any, zone: str
) -> tuple[Ints, Ints]:
    """Mend durations that a PBX computed as end - start in local time.

    Where the clock was moved during the call, such a duration is off by the
    step: mended and flagged DST_REPAIRED if moving it back by the step brings
    it within 2 seconds of the instants. A real switch timer never is off, and
    is left alone.

    Returns
    -------
    (duration_ms, flags), order kept.
    """
    printed = np.asarray(duration_ms, np.int64)
    start, end = np.asarray(start_utc_ms, np.int64), np.asarray(end_utc_ms, np.int64)
    step = _steps(zone_table(zone), start, end)
    mended = printed - step
    wrong = (step != 0) & (np.abs(mended - (end - start)) <= 2 * SECOND_MS)
    flags = np.where(wrong, int(Flag.DST_REPAIRED), 0).astype(np.int64)
    return np.where(wrong, mended, printed), flags


# --- clocks that are wrong --------------------------------------------------------------


def clock_flags(
    at_utc_ms: Any, received_at_ms: Any, *, ahead_limit_ms: int
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Compare printed times with when they were heard.

    Returns
    -------
    (flags, too_far): CLOCK_AHEAD where a time lies after `received_at` by more
    than 2 seconds and at most the limit; `too_far` where it is over the limit,
    for suspense with `skew_text` as detail. A time is never moved.
    """
    at, received = np.asarray(at_utc_ms, np.int64), np.asarray(received_at_ms, np.int64)
    known = (at != NULL_MS) & (received != NULL_MS)
    ahead = np.where(known, at - np.where(known, received, 0), 0)
    too_far = known & (ahead > ahead_limit_ms)
    mild = (ahead > CLOCK_TOLERANCE_MS) & ~too_far & known
    return np.where(mild, int(Flag.CLOCK_AHEAD), 0).astype(np.int64), too_far


def clock_stepped(at_utc_ms: Any, *, back_limit_ms: int = 10 * MINUTE_MS) -> Ints:
    """Give CLOCK_STEPPED for rows whose time lies before the row's before by over the limit.

    Rows in order of arrival, of one source, by the time that the source prints
    in order (the end, for most formats). Times stay as printed.
    """
    at = np.asarray(at_utc_ms, np.int64)
    flags = np.zeros(len(at), np.int64)
    if len(at) > 1:
        known = (at[1:] != NULL_MS) & (at[:-1] != NULL_MS)
        back = known & (at[1:] < at[:-1] - back_limit_ms)
        flags[1:][back] = int(Flag.CLOCK_STEPPED)
    return flags


def skew_text(skew_ms: int) -> str:
    """Say a clock difference in words, for the detail of a suspended record."""
    seconds = abs(skew_ms) // SECOND_MS
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    counts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    parts = [f"{count} {unit}" for count, unit in counts if count]
    side = "after" if skew_ms >= 0 else "before"
    return f"printed time is {' '.join(parts) or '0 s'} {side} the record was received"
