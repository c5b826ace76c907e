"""Row-by-row work on Asterisk records, compiled: printed times, spans of names, settled times.

Owns loops; the rules stand in plain words in `scalar`. Does not own columns.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.asterisk.layout import FIRST_YEAR
from bluewhale.dialects.engine.delimited import MISSING
from bluewhale.dialects.engine.numbers import fixed_digits
from bluewhale.dialects.engine.spans import Bytes, Positions
from bluewhale.records.enums import Flag

Rows = npt.NDArray[np.int64]

INVALID: Final = MISSING + 1  # printed, but no time
_HOUR_MS: Final = 3_600_000
_TOLERANCE_MS: Final = 2_000
_STEPPED: Final = int(Flag.CLOCK_STEPPED)
_REPAIRED: Final = int(Flag.DST_REPAIRED)
_INFERRED: Final = int(Flag.ANSWER_INFERRED)


@numba.njit(nogil=True, cache=True)
def _days_of_month(year: int, month: int) -> int:
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


@numba.njit(nogil=True, cache=True)
def local_times(data: Bytes, starts: Positions, ends: Positions) -> Rows:
    """Read `YYYY-MM-DD HH:MM:SS` as if UTC, in ms; empty `MISSING`, malformed `INVALID`."""
    out = np.empty(len(starts), np.int64)
    for i in range(len(starts)):
        at = starts[i]
        if ends[i] <= at:
            out[i] = MISSING
            continue
        out[i] = INVALID
        if ends[i] - at != 19 or data[at + 4] != 45 or data[at + 7] != 45 or data[at + 10] != 32:
            continue
        if data[at + 13] != 58 or data[at + 16] != 58:
            continue
        year = fixed_digits(data, at, 4)
        month = fixed_digits(data, at + 5, 2)
        day = fixed_digits(data, at + 8, 2)
        hour = fixed_digits(data, at + 11, 2)
        minute = fixed_digits(data, at + 14, 2)
        second = fixed_digits(data, at + 17, 2)
        if (
            year < FIRST_YEAR
            or month < 1
            or month > 12
            or day < 1
            or day > _days_of_month(year, month)
        ):
            continue
        if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
            continue
        # Days since 1970-01-01 of the proleptic Gregorian calendar; years begin in March.
        shifted = year - 1 if month <= 2 else year
        era = shifted // 400
        of_era = shifted - era * 400
        of_year = (153 * (month + 9 if month <= 2 else month - 3) + 2) // 5 + day - 1
        days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
        out[i] = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000
    return out


@numba.njit(nogil=True, cache=True)
def stable_spans(data: Bytes, starts: Positions, ends: Positions) -> Positions:
    """Give where the stable part of each channel name ends; see `layout.stable_part`."""
    out = np.empty(len(starts), np.int64)
    for i in range(len(starts)):
        start = starts[i]
        end = ends[i]
        for at in range(end - 1, start - 1, -1):
            if data[at] == 45:  # "-"
                end = at
                break
        if end > start and data[start] in (68, 90, 109, 67):  # D, Z, m, C
            slashes = 0
            for at in range(start, end):
                if data[at] == 47:
                    slashes += 1
                    if slashes == 2:
                        end = at
                        break
        out[i] = end
    return out


@numba.njit(nogil=True, cache=True)
def name_spans(data: Bytes, starts: Positions, ends: Positions) -> tuple[Positions, Positions]:
    """Find the names in caller ids; see `scalar.caller_name`."""
    firsts = np.empty(len(starts), np.int64)
    lasts = np.empty(len(starts), np.int64)
    for i in range(len(starts)):
        first = starts[i]
        last = first
        for at in range(ends[i] - 1, first - 1, -1):
            if data[at] == 60:  # "<"
                last = at
                break
        while first < last and data[first] == 32:
            first += 1
        while last > first and data[last - 1] == 32:
            last -= 1
        if last - first > 1 and data[first] == 34 and data[last - 1] == 34:
            first += 1
            last -= 1
        firsts[i] = first
        lasts[i] = last
    return firsts, lasts


@numba.njit(nogil=True, cache=True)
def looks_unique(data: Bytes, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
    """Tell texts like `1700000000.12` or `host-1700000000.12` from others."""
    out = np.zeros(len(starts), np.bool_)
    for i in range(len(starts)):
        at = ends[i] - 1
        start = starts[i]
        width = 0
        while at >= start and 48 <= data[at] <= 57:
            at -= 1
            width += 1
        if width == 0 or at < start or data[at] != 46:
            continue
        at -= 1
        width = 0
        while at >= start and 48 <= data[at] <= 57:
            at -= 1
            width += 1
        out[i] = width > 0 and (at < start or data[at] == 45)
    return out


@numba.njit(nogil=True, cache=True)
def _settle(printed_ms: int, counted_s: int, changes: bool) -> tuple[int, int]:
    """Settle a span of time; see `scalar.settle`. `MISSING` = not known."""
    if counted_s == MISSING or counted_s < 0:
        stepped = 0 if counted_s == MISSING else _STEPPED
        if printed_ms == MISSING:
            return MISSING, stepped
        if printed_ms >= 0:
            return printed_ms, stepped
        if changes and printed_ms + _HOUR_MS >= 0:
            return printed_ms + _HOUR_MS, _REPAIRED
        return MISSING, _STEPPED
    counted_ms = counted_s * 1000
    if printed_ms == MISSING:
        return counted_ms, 0
    apart = printed_ms - counted_ms
    if abs(apart) <= _TOLERANCE_MS:
        return max(printed_ms, 0), 0
    if changes and abs(abs(apart) - _HOUR_MS) <= _TOLERANCE_MS:
        return max(printed_ms - _HOUR_MS if apart > 0 else printed_ms + _HOUR_MS, 0), _REPAIRED
    return counted_ms, _STEPPED


@numba.njit(nogil=True, cache=True)
def moments(
    anchor: Rows,
    by_start: npt.NDArray[np.bool_],
    start: Rows,
    answer: Rows,
    end: Rows,
    duration: Rows,
    billed: Rows,
    answered: npt.NDArray[np.bool_],
    changes: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], Rows]:
    """Give (answer, release, connected, talk, setup), `MISSING` = null, and flags; see `scalar._moments`."""
    n = len(anchor)
    out = np.full((5, n), MISSING, np.int64)
    flags = np.zeros(n, np.int64)
    for i in range(n):
        printed = end[i] - start[i] if end[i] != MISSING else np.int64(MISSING)
        total, flag = _settle(printed, duration[i], changes[i])
        flags[i] = flag
        if not by_start[i]:
            out[1, i] = anchor[i]
            out[4, i] = anchor[i] - (total if total != MISSING else 0)
        else:
            out[4, i] = anchor[i]
            if total != MISSING:
                out[1, i] = anchor[i] + total
        connected = np.int64(0)
        if answered[i]:
            both = end[i] != MISSING and answer[i] != MISSING
            printed = end[i] - answer[i] if both else np.int64(MISSING)
            talk, flag = _settle(printed, billed[i], changes[i])
            flags[i] |= flag
            if out[1, i] != MISSING and talk != MISSING:
                out[0, i] = out[1, i] - talk
                if answer[i] == MISSING:
                    flags[i] |= _INFERRED
            connected = talk
        elif billed[i] != MISSING and billed[i] < 0:
            flags[i] |= _STEPPED
        if billed[i] >= 0:
            connected = billed[i] * 1000
        out[2, i] = connected
        if answered[i]:
            out[3, i] = connected
    return out, flags
