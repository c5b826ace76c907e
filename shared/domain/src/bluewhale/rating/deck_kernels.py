"""Kernels that read the cells of a rate deck: record lines, decimals, prefixes.

Owns the loops over bytes. Each kernel is a plain function that Numba compiles;
`kernel.py_func` is its twin in plain Python. A kernel reports a code for each
value and never raises.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

DECIMALS_MAX = 12
"""So many digits after the decimal mark; 12 leave 6 before it in 63 bits."""

PREFIX_DIGITS_MAX = 15  # ITU-T E.164: a number has at most 15 digits

# Codes of `read_decimals`.
DECIMAL_OK = 0
DECIMAL_MALFORMED = 1
DECIMAL_NEGATIVE = 2
DECIMAL_TOO_FINE = 3
DECIMAL_TOO_BIG = 4

# Codes of `read_prefixes`.
PREFIX_OK = 0
PREFIX_REWRITTEN = 1  # good, but the text is not the bare digits
PREFIX_MALFORMED = 2
PREFIX_TOO_LONG = 3
PREFIX_EMPTY = 4

_NEWLINE = 10
_RETURN = 13
_SPACE = 32
_PLUS = 43
_MINUS = 45
_ZERO = 48
_NINE = 57
_STAR = 42
_LAST_TENFOLD = (2**63 - 1 - 9) // 10


@njit(nogil=True, cache=True)
def find_records(
    data: npt.NDArray[np.uint8],
    separator: int,
    quote: int,
    starts: npt.NDArray[np.int64],
    lines: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int32],
) -> int:
    """Find the records of a delimited file: where, on which line, how many cells.

    A line break inside quotes belongs to its cell. Empty lines are no records.

    Parameters
    ----------
    starts, lines, columns
        Filled for the first `len(starts)` records: byte offset, line from 1,
        count of cells.

    Returns
    -------
    Count of records, also of those beyond the room given.
    """
    count = 0
    line = 1
    size = len(data)
    at = 0
    while at < size:
        begin = at
        begin_line = line
        cells = 1
        quoted = False
        content = False
        while at < size:
            byte = data[at]
            at += 1
            if byte == quote:
                quoted = not quoted
                content = True
            elif byte == _NEWLINE:
                line += 1
                if not quoted:
                    break
            elif byte == separator:
                content = True
                if not quoted:
                    cells += 1
            elif byte != _RETURN:
                content = True
        if content:
            if count < len(starts):
                starts[count] = begin
                lines[count] = begin_line
                columns[count] = cells
            count += 1
    return count


@njit(nogil=True, cache=True)
def read_decimals(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int32],
    mark: int,
    numerators: npt.NDArray[np.int64],
    scales: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int8],
) -> None:
    """Read decimal text into exact numerators over powers of ten.

    "0.0150" gives 15 and scale 3: trailing zeros do not count, so equal prices
    are equal pairs. Spaces around the text are allowed.

    Parameters
    ----------
    data, offsets
        Arrow string buffers; value i is `data[offsets[i]:offsets[i + 1]]`.
    mark
        The decimal mark as a byte.
    """
    for i in range(len(offsets) - 1):
        at = offsets[i]
        end = offsets[i + 1]
        while at < end and data[at] == _SPACE:
            at += 1
        while end > at and data[end - 1] == _SPACE:
            end -= 1
        numerators[i] = 0
        scales[i] = 0
        negative = False
        if at < end and (data[at] == _MINUS or data[at] == _PLUS):
            negative = data[at] == _MINUS
            at += 1
        number = np.int64(0)
        digits = 0
        scale = 0
        pending = 0  # zeros after the mark that may turn out to be trailing
        after = False
        code = DECIMAL_OK
        while at < end:
            byte = data[at]
            at += 1
            if byte == mark and not after:
                after = True
                continue
            if byte < _ZERO or byte > _NINE:
                code = DECIMAL_MALFORMED
                break
            digits += 1
            if code != DECIMAL_OK:
                continue
            digit = byte - _ZERO
            if after and digit == 0:
                pending += 1
                continue
            steps = 1
            if after:
                steps = pending + 1
                scale += steps
                pending = 0
                if scale > DECIMALS_MAX:
                    code = DECIMAL_TOO_FINE
                    continue
            for _ in range(steps):
                if number > _LAST_TENFOLD:
                    code = DECIMAL_TOO_BIG
                    break
                number *= 10
            if code == DECIMAL_OK:
                number += digit
        if digits == 0 or (after and data[end - 1] == mark):
            code = DECIMAL_MALFORMED
        if code == DECIMAL_OK and negative and number != 0:
            code = DECIMAL_NEGATIVE
        codes[i] = code
        if code == DECIMAL_OK:
            numerators[i] = number
            scales[i] = scale


@njit(nogil=True, cache=True)
def read_prefixes(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int32],
    keys: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int8],
) -> None:
    """Read prefixes into keys: the digits behind a leading 1, so 49 is 149.

    "*" means every number and gives 1. A leading "+" and spaces around are
    accepted and reported as rewritten.
    """
    for i in range(len(offsets) - 1):
        at = offsets[i]
        end = offsets[i + 1]
        size = end - at
        while at < end and data[at] == _SPACE:
            at += 1
        while end > at and data[end - 1] == _SPACE:
            end -= 1
        keys[i] = 0
        if at == end:
            codes[i] = PREFIX_EMPTY
            continue
        if end - at == 1 and data[at] == _STAR:
            keys[i] = 1
            codes[i] = PREFIX_REWRITTEN
            continue
        if data[at] == _PLUS:
            at += 1
        if at == end:
            codes[i] = PREFIX_MALFORMED
            continue
        code = PREFIX_OK if end - at == size else PREFIX_REWRITTEN
        key = np.int64(1)
        for j in range(at, end):
            byte = data[j]
            if byte < _ZERO or byte > _NINE:
                code = PREFIX_MALFORMED
                break
            if j - at < PREFIX_DIGITS_MAX:
                key = key * 10 + (byte - _ZERO)
        if code != PREFIX_MALFORMED and end - at > PREFIX_DIGITS_MAX:
            code = PREFIX_TOO_LONG
        codes[i] = code
        if code <= PREFIX_REWRITTEN:
            keys[i] = key


@njit(nogil=True, cache=True)
def find_doubtful_pairs(
    order: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
    selectors: npt.NDArray[np.int32],
    set_count: npt.NDArray[np.int8],
    active_from: npt.NDArray[np.int64],
    active_until: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
) -> int:
    """Find pairs of rows that could both win a call.

    Rows of one prefix with equally many selectors, no selector that tells them
    apart, and effective intervals that overlap; unless a third row, with the
    selectors of both, is in force all that time and wins in their place.

    Parameters
    ----------
    order
        Rows sorted by prefix, `set_count`, selectors, then `active_from`.
    group
        The prefix as a number, per row.
    selectors
        (rows, selectors); -1 = any, else the code of the wanted value.
    set_count
        How many selectors of each row are set.
    active_from, active_until
        Half-open interval, per row.
    first, second
        Filled with the rows of the first `len(first)` pairs.

    Returns
    -------
    Count of pairs, also of those beyond the room given.
    """
    count = 0
    size = len(order)
    begin = 0  # of the rows of one prefix
    while begin < size:
        end = begin + 1
        while end < size and group[order[end]] == group[order[begin]]:
            end += 1
        low = begin  # of those with equally many selectors
        while low < end:
            high = low + 1
            while high < end and set_count[order[high]] == set_count[order[low]]:
                high += 1
            if _alike(order, selectors, low, high):
                count = _overlaps(
                    order, selectors, active_from, active_until, low, high, first, second, count
                )
            else:
                count = _ties(
                    order,
                    selectors,
                    active_from,
                    active_until,
                    begin,
                    end,
                    low,
                    high,
                    first,
                    second,
                    count,
                )
            low = high
        begin = end
    return count


@njit(nogil=True, cache=True)
def _alike(
    order: npt.NDArray[np.int64], selectors: npt.NDArray[np.int32], low: int, high: int
) -> bool:
    """Tell whether the rows all set the same selectors."""
    for i in range(low + 1, high):
        for k in range(selectors.shape[1]):
            if (selectors[order[i], k] < 0) != (selectors[order[low], k] < 0):
                return False
    return True


@njit(nogil=True, cache=True)
def _overlaps(
    order: npt.NDArray[np.int64],
    selectors: npt.NDArray[np.int32],
    active_from: npt.NDArray[np.int64],
    active_until: npt.NDArray[np.int64],
    low: int,
    high: int,
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    count: int,
) -> int:
    """Find rows with equal selectors that hold at once; equal ones stand together."""
    latest = order[low]
    for i in range(low + 1, high):
        other = order[i]
        same = True
        for k in range(selectors.shape[1]):
            if selectors[other, k] != selectors[latest, k]:
                same = False
                break
        if same and active_from[other] < active_until[latest]:
            if count < len(first):
                first[count] = latest
                second[count] = other
            count += 1
        if not same or active_until[other] > active_until[latest]:
            latest = other
    return count


@njit(nogil=True, cache=True)
def _ties(
    order: npt.NDArray[np.int64],
    selectors: npt.NDArray[np.int32],
    active_from: npt.NDArray[np.int64],
    active_until: npt.NDArray[np.int64],
    begin: int,
    end: int,
    low: int,
    high: int,
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    count: int,
) -> int:
    """Find rows with equally many, but different selectors that one call may meet."""
    kinds = selectors.shape[1]
    for i in range(low, high):
        one = order[i]
        for j in range(i + 1, high):
            other = order[j]
            since = max(active_from[one], active_from[other])
            until = min(active_until[one], active_until[other])
            if since >= until:
                continue
            apart = False
            same = True
            for k in range(kinds):
                mine = selectors[one, k]
                theirs = selectors[other, k]
                if mine != theirs:
                    same = False
                    if mine >= 0 and theirs >= 0:
                        apart = True
                        break
            if apart:
                continue
            if not same:
                settled = False
                for m in range(begin, end):
                    third = order[m]
                    if active_from[third] > since or active_until[third] < until:
                        continue
                    fits = True
                    for k in range(kinds):
                        if selectors[third, k] != max(selectors[one, k], selectors[other, k]):
                            fits = False
                            break
                    if fits:
                        settled = True
                        break
                if settled:
                    continue
            if count < len(first):
                first[count] = one
                second[count] = other
            count += 1
    return count
