"""Windows as tables: every civil day has a type, every type its changes.

Owns rule 3 of rating for the columnar engine; `window_rules` is its twin. The
conditions of all windows are evaluated once for each day of 1990 to 2100; days
on which the same windows match share a day type, a sorted list of (time of
day, window). Offsets of the zone are a sorted array of real instants. A span
outside the table goes to the exact engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from bluewhale.rating.tariff import Timing, Window
from bluewhale.rating.window_rules import ALWAYS, NO_WINDOW, instant, milliseconds
from numba import njit

DAY_MS: Final = 86_400_000
FIRST_DAY: Final = (date(1990, 1, 1) - date(1970, 1, 1)).days
LAST_DAY: Final = (date(2100, 12, 31) - date(1970, 1, 1)).days
# Spans must start and end inside; the margin covers any offset of a zone.
FIRST_MS: Final = (FIRST_DAY + 2) * DAY_MS
LAST_MS: Final = (LAST_DAY - 1) * DAY_MS
_STEP_MS: Final = 3 * DAY_MS  # no zone changes its offset and back within three days

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Timelines:
    """The windows of all timings of one version, and the zone they are in.

    `day_type[timing, day - FIRST_DAY]` names a type; type i has the entries
    `type_entry[i]` to `type_entry[i + 1]`: from `entry_ms` of the day, window
    `entry_window` (numbered as in receipts) and rate label `entry_label`.
    Offset i holds from `offset_from[i]`; `day_offset[day - FIRST_DAY]` is the
    offset in force when that UTC day begins.
    """

    day_type: Int32
    type_entry: Int32
    entry_ms: Int32
    entry_window: Int32
    entry_label: Int32
    offset_from: Int64
    offset_ms: Int64
    day_offset: Int32


def compile_timelines(
    timings: Mapping[str, Timing], calendars: Mapping[str, frozenset[date]], zone: str
) -> Timelines:
    """Evaluate all windows for all days of the table."""
    days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
    day_type = np.empty((len(timings), len(days)), np.int32)
    type_entry = [0]
    entries: list[tuple[int, int, int]] = []
    offset = 0
    for number, timing in enumerate(timings.values()):
        if not timing.windows:
            day_type[number] = len(type_entry) - 1
            entries.append((0, ALWAYS, 0))
            type_entry.append(len(entries))
            continue
        matches = np.array(
            [_matching_days(window, days, calendars) for window in timing.windows], bool
        ).reshape(len(timing.windows), len(days))
        patterns, inverse = np.unique(np.packbits(matches, axis=0), axis=1, return_inverse=True)
        day_type[number] = inverse.reshape(-1) + len(type_entry) - 1
        for pattern in range(patterns.shape[1]):
            bits = np.unpackbits(patterns[:, pattern], count=len(timing.windows))
            matching = [index for index, bit in enumerate(bits) if bit]
            entries.extend(_day_entries(timing, matching, offset))
            type_entry.append(len(entries))
        offset += len(timing.windows)
    table = np.array(entries, np.int32).reshape(len(entries), 3)
    offset_from, offset_ms = zone_offsets(zone)
    day_offset = np.searchsorted(offset_from, days * DAY_MS, side="right").astype(np.int32)
    return Timelines(
        day_type,
        np.array(type_entry, np.int32),
        table[:, 0].copy(),
        table[:, 1].copy(),
        table[:, 2].copy(),
        offset_from,
        offset_ms,
        day_offset - np.int32(1),
    )


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


@njit(nogil=True, cache=True)
def find_window(
    at_ms: Any,
    limit_ms: Any,
    timing: Any,
    day_type: Any,
    type_entry: Any,
    entry_ms: Any,
    entry_window: Any,
    entry_label: Any,
    offset_from: Any,
    offset_ms: Any,
    day_offset: Any,
) -> Any:
    """Give window and label in force at `at_ms`, and until when (<= limit)."""
    window = np.int64(-3)
    label = np.int64(0)
    here = at_ms
    while True:
        index = day_offset[here // 86_400_000 - FIRST_DAY]
        while offset_from[index + 1] <= here:
            index += 1
        local = here + offset_ms[index]
        day = local // 86_400_000
        into = local - day * 86_400_000
        kind = day_type[timing, day - FIRST_DAY]
        entry = type_entry[kind]
        last = type_entry[kind + 1] - 1
        while entry < last and entry_ms[entry + 1] <= into:
            entry += 1
        if window == -3:
            window = np.int64(entry_window[entry])
            label = np.int64(entry_label[entry])
        elif entry_window[entry] != window:
            return window, label, here
        until = entry_ms[entry + 1] if entry < last else 86_400_000
        change = here + (until - into)
        change = min(change, offset_from[index + 1])
        if change >= limit_ms:
            return window, label, limit_ms
        here = change
