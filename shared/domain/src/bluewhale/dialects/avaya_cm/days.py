"""The civil day on which a record's call ended.

Three sources, by layout: a printed date, the date line in force (month and day,
no year), or nothing but the moment of receipt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from bluewhale.dialects.avaya_cm import kernels as k
from bluewhale.dialects.avaya_cm.settings import Settings
from bluewhale.records import times
from bluewhale.records.batches import RawBatch
from bluewhale.records.enums import Flag

DAY_MS = 86_400_000
AHEAD_LIMIT_MS = 26 * 3_600_000  # a zone set wrong stays below; from there on it is no clock error
_DATE_LINE = re.compile(rb"\s*([0-9]{2}) ?([0-9]{2})\s*")
_LONG = frozenset({1, 3, 5, 7, 8, 10, 12})


@dataclass(frozen=True, slots=True)
class Days:
    """Civil day per record (days since 1970), its flags, and where none is known."""

    day: npt.NDArray[np.int64]
    flags: npt.NDArray[np.int64]
    missing: npt.NDArray[np.bool_]


def context_day(context: bytes | None, *, day_first: bool) -> tuple[int, int] | None:
    """Read (month, day) from the date line of a context; None = no such day exists."""
    if context is None:
        return None
    found = None
    for line in context.split(b"\n"):
        match = _DATE_LINE.fullmatch(line)
        if match:
            first, second = int(match[1]), int(match[2])
            month, day = (second, first) if day_first else (first, second)
            if 1 <= month <= 12 and 1 <= day <= (29 if month == 2 else 30 + (month in _LONG)):
                found = (month, day)
    return found


@lru_cache(maxsize=2)
def _day_table(*, day_first: bool) -> npt.NDArray[np.int32]:
    """Give the day since 1970 of each six-digit date; -1 = no such day."""
    dates = np.arange(1_000_000, dtype=np.int32)
    first, second, year = dates // 10_000, dates // 100 % 100, 2000 + dates % 100
    day, month = (first, second) if day_first else (second, first)
    good = (month >= 1) & (month <= 12) & (day >= 1)
    months = (year - 1970) * 12 + np.where(good, month, 1) - 1
    begin = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    follow = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    found = begin + day - 1
    return np.where(good & (found < follow), found, -1).astype(np.int32)


def printed_days(
    dates: npt.NDArray[np.int64], *, day_first: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Turn six-digit dates into days since 1970; the mask tells which exist."""
    day = _day_table(day_first=day_first)[dates]
    return np.maximum(day, 0).astype(np.int64), day >= 0


def record_days(
    batch: RawBatch,
    numbers: npt.NDArray[np.int64],
    smalls: npt.NDArray[np.int32],
    settings: Settings,
    zone: str,
) -> Days:
    """Find the day of every record; marks printed dates that do not exist in `smalls`."""
    count = len(batch)
    nothing = np.zeros(count, dtype=np.bool_)
    if settings.has_date:
        day, good = printed_days(numbers[:, 0], day_first=settings.day_first)
        smalls[(smalls[:, 0] == k.GOOD) & ~good, :2] = (k.BAD_DATE, k.DATE)
        return Days(day, np.zeros(count, dtype=np.int64), nothing)
    local_ms = times.utc_to_local_ms(batch.received_at_ms, zone)
    if not settings.has_time:
        return Days(local_ms // DAY_MS, np.full(count, int(Flag.DAY_INFERRED)), nothing)
    known = [context_day(c, day_first=settings.day_first) for c in batch.contexts]
    month, dom = np.array([pair or (0, 0) for pair in known] or [(0, 0)], dtype=np.int64).T
    row = np.maximum(batch.context_row, 0)
    has_line = (batch.context_row >= 0) & (month[row] > 0)
    time_ms = np.maximum(numbers[:, 1], 0) * 60_000
    if not has_line.any():
        nearest, flags = times.day_from_context(None, time_ms, batch.received_at_ms, zone)
        missing = np.full(count, settings.date_required)
        return Days(nearest.astype(np.int64), flags, missing)
    line_day, found = _line_days(month, dom, row, time_ms, batch.received_at_ms, zone)
    has_line &= found
    by_line, flags = times.day_from_context(line_day, time_ms, batch.received_at_ms, zone)
    day, flags = by_line.astype(np.int64), flags | int(Flag.YEAR_INFERRED)
    if not has_line.all():
        nearest, other = times.day_from_context(None, time_ms, batch.received_at_ms, zone)
        day, flags = np.where(has_line, day, nearest), np.where(has_line, flags, other)
    return Days(day, flags, ~has_line if settings.date_required else nothing)


def _line_days(
    month: npt.NDArray[np.int64],
    dom: npt.NDArray[np.int64],
    row: npt.NDArray[np.int32],
    time_ms: npt.NDArray[np.int64],
    received_at_ms: npt.NDArray[np.int64],
    zone: str,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Give the day of each record's date line, and whether its year was found.

    The year depends on the moment of receipt monotonically, so where the first
    and the last moment agree it is found once per date line.
    """
    low, high = received_at_ms.min(), received_at_ms.max()
    clock = np.tile(np.array([DAY_MS, 0], dtype=np.int64), len(month))
    heard = np.tile(np.array([low, high], dtype=np.int64), len(month))
    day, found, _ = times.resolve_year(np.repeat(month, 2), np.repeat(dom, 2), clock, heard, zone)
    if (day[::2] == day[1::2]).all() and (found[::2] == found[1::2]).all():
        return day[::2].astype(np.int64)[row], found[::2][row]
    day, found, _ = times.resolve_year(month[row], dom[row], time_ms, received_at_ms, zone)
    return day.astype(np.int64), found


def day_one(
    printed_day: int | None,
    line: tuple[int, int] | None,
    time_ms: int | None,
    received_at_ms: int,
    zone: str,
) -> tuple[int, Flag, bool]:
    """Find the day of one record; scalar twin of `record_days`.

    Returns (day, flags, whether it was printed or stands under a date line).
    """
    if printed_day is not None:
        return printed_day, Flag(0), True
    if time_ms is None:
        day = times.utc_to_local_one(received_at_ms, zone) // DAY_MS
        return day, Flag.DAY_INFERRED, True
    line_day = None
    if line is not None:
        line_day = times.resolve_year_one(*line, time_ms, received_at_ms, zone)
    day, flags = times.day_from_context_one(line_day, time_ms, received_at_ms, zone)
    if line_day is None:
        return day, flags, False
    return day, flags | Flag.YEAR_INFERRED, True
