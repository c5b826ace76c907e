"""Windows as tables: the instants at which another window begins.

Owns rule 3 of rating for the columnar engine; `window_rules` is its twin. The
conditions of all windows are evaluated once for each day of 1990 to 2100; days
on which the same windows match are of one kind, a sorted list of (time of day,
window). Put side by side, shifted by the zone's offsets and cleaned of changes
that change nothing, they are instants: a span's windows are a run of them, and
finding the next one costs nothing. A span outside the table goes to the exact
engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from bluewhale.rating.tariff import Timing, Window
from bluewhale.rating.window_rules import ALWAYS, NO_WINDOW, instant, milliseconds

DAY_MS: Final = 86_400_000
FIRST_DAY: Final = (date(1990, 1, 1) - date(1970, 1, 1)).days
LAST_DAY: Final = (date(2100, 12, 31) - date(1970, 1, 1)).days
# Spans must start and end inside; the margin covers any offset of a zone.
FIRST_MS: Final = (FIRST_DAY + 2) * DAY_MS
LAST_MS: Final = (LAST_DAY - 1) * DAY_MS
_BEFORE_MS: Final = -(2**62)
_NEVER_MS: Final = 2**62
_STEP_MS: Final = 3 * DAY_MS  # no zone changes its offset and back within three days

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Timelines:
    """The windows of all timings of one version as moments at which another one begins.

    Change i holds from the instant `change_at[i]` to `change_at[i + 1]`: window
    `change_window` (numbered as in receipts) and rate label `change_label`; two
    that follow each other name different windows. `day_change[timing, day -
    FIRST_DAY]` is the change in force when that UTC day begins. The last change
    of a timing is a guard that never begins.
    """

    day_change: Int32
    change_at: Int64
    change_window: Int32
    change_label: Int32


def compile_timelines(
    timings: Mapping[str, Timing], calendars: Mapping[str, frozenset[date]], zone: str
) -> Timelines:
    """Evaluate all windows for all days of the table, and the zone's offsets."""
    days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
    day_change = np.zeros((len(timings), len(days)), np.int32)
    tables: list[Int64] = [np.empty((0, 3), np.int64)]
    windows = filled = 0
    for number, timing in enumerate(timings.values()):
        changes = _changes(timing, days, calendars, zone, windows)
        begun = np.searchsorted(changes[:, 0], days * DAY_MS, side="right") - 1
        day_change[number] = begun + filled
        windows += len(timing.windows)
        filled += len(changes)
        tables.append(changes)
    table = np.concatenate(tables)
    return Timelines(
        day_change,
        table[:, 0].copy(),
        table[:, 1].astype(np.int32),
        table[:, 2].astype(np.int32),
    )


def _changes(
    timing: Timing, days: Int64, calendars: Mapping[str, frozenset[date]], zone: str, offset: int
) -> Int64:
    """Give (instant, window, label) of every change of one timing, and the guard."""
    if not timing.windows:
        return np.array([(_BEFORE_MS, ALWAYS, 0), (_NEVER_MS, ALWAYS, 0)], np.int64)
    local = _local_changes(timing, days, calendars, offset)
    offset_from, offset_ms = zone_offsets(zone)
    # The local timeline of each period of one offset: what holds at its begin, then what begins.
    first = np.searchsorted(local[:, 0], offset_from[:-1] + offset_ms[:-1], side="right") - 1
    first = np.maximum(first, 0)
    last = np.searchsorted(local[:, 0], offset_from[1:] + offset_ms[:-1], side="left")
    counts = last - first
    begins = np.cumsum(counts) - counts
    picked = np.arange(int(counts.sum())) + np.repeat(first - begins, counts)
    changes = local[picked]
    changes[:, 0] -= np.repeat(offset_ms[:-1], counts)
    changes[begins, 0] = offset_from[:-1]
    changes[0, 0] = _BEFORE_MS
    guard = np.array([(_NEVER_MS, *changes[-1, 1:])], np.int64)
    return np.concatenate((_without_repeats(changes), guard))


def _local_changes(
    timing: Timing, days: Int64, calendars: Mapping[str, frozenset[date]], offset: int
) -> Int64:
    """Give (local time in ms, window, label) of every change over all days."""
    matches = np.array(
        [_matching_days(window, days, calendars) for window in timing.windows], bool
    ).reshape(len(timing.windows), len(days))
    patterns, kinds = np.unique(np.packbits(matches, axis=0), axis=1, return_inverse=True)
    kinds = kinds.reshape(-1)
    entries: list[tuple[int, int, int]] = []
    ends = [0]
    for pattern in range(patterns.shape[1]):
        bits = np.unpackbits(patterns[:, pattern], count=len(timing.windows))
        matching = [index for index, bit in enumerate(bits) if bit]
        entries.extend(_day_entries(timing, matching, offset))
        ends.append(len(entries))
    begins = np.array(ends, np.int64)
    counts = np.diff(begins)[kinds]
    before = np.cumsum(counts) - counts
    picked = np.arange(int(counts.sum())) + np.repeat(begins[kinds] - before, counts)
    local = np.array(entries, np.int64)[picked]
    local[:, 0] += np.repeat(days * DAY_MS, counts)
    return _without_repeats(local)


def _without_repeats(changes: Int64) -> Int64:
    """Drop changes to the window that held already."""
    kept = np.ones(len(changes), bool)
    kept[1:] = changes[1:, 1] != changes[:-1, 1]
    return changes[kept]


@lru_cache(maxsize=1024)
def zone_offsets(zone: str) -> tuple[Int64, Int64]:
    """Give from when (UTC ms) which offset (ms) holds, over the days of the table.

    Found by probing the zone and bisecting to the millisecond, so that rules
    for years after the last listed change are included.
    """
    tz = ZoneInfo(zone)

    def offset_at(at_ms: int) -> int:
        offset = instant(at_ms).astimezone(tz).utcoffset()
        assert offset is not None
        return offset // timedelta(milliseconds=1)

    first = (FIRST_DAY - 1) * DAY_MS
    last = (LAST_DAY + 2) * DAY_MS
    starts, offsets = [first], [offset_at(first)]
    for before in range(first, last, _STEP_MS):
        low, high = before, before + _STEP_MS
        if offset_at(high) == offsets[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_at(middle) == offsets[-1] else (low, middle)
        starts.append(high)
        offsets.append(offset_at(high))
    starts.append(milliseconds(datetime(9999, 1, 1, tzinfo=UTC)))  # sentinel, never reached
    offsets.append(offsets[-1])
    found = np.array(starts, np.int64), np.array(offsets, np.int64)
    for array in found:
        array.flags.writeable = False
    return found


def _matching_days(
    window: Window, days: Int64, calendars: Mapping[str, frozenset[date]]
) -> npt.NDArray[np.bool_]:
    """Evaluate the day conditions of one window for all days."""
    stamps = days.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]")
    matches = np.ones(len(days), bool)

    def require(values: npt.NDArray[np.int64], allowed: frozenset[int] | None) -> None:
        if allowed is not None:
            np.logical_and(matches, np.isin(values, sorted(allowed)), out=matches)

    require((days + 3) % 7 + 1, window.weekdays)  # 1970-01-01 was a Thursday, 4
    require((stamps - months).astype(np.int64) + 1, window.monthdays)
    require(months.astype(np.int64) % 12 + 1, window.months)
    require(months.astype(np.int64) // 12 + 1970, window.years)
    if window.calendar is not None:
        listed = np.array(
            [(day - date(1970, 1, 1)).days for day in calendars[window.calendar]], np.int64
        )
        matches &= np.isin(days, listed)
    return matches


def _day_entries(timing: Timing, matching: list[int], offset: int) -> list[tuple[int, int, int]]:
    """Give the changes of a day on which the windows `matching` match."""
    windows = timing.windows
    seconds = {0} | {windows[i].start_second for i in matching}
    seconds |= {windows[i].end_second for i in matching if windows[i].end_second < 86_400}
    entries: list[tuple[int, int, int]] = []
    for second in sorted(seconds):
        holding = [i for i in matching if windows[i].start_second <= second < windows[i].end_second]
        window, label = NO_WINDOW, 0
        if holding:
            best = max(holding, key=lambda i: (windows[i].priority, windows[i].start_second, -i))
            window, label = best + offset, timing.labels.index(windows[best].rate)
        if not entries or entries[-1][1] != window:
            entries.append((second * 1000, window, label))
    return entries
