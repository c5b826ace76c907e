"""Integers from byte spans, columnar, with validity.

Owns digits-to-integer and nothing else: telephone numbers are normalised by
`bluewhale.records.numbers`, times by `bluewhale.records.times`.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.engine.spans import Bytes, Positions, trim_span

_ZERO = 48
_NINE = 57
_MINUS = 45
_DIGITS_MAX = 18

INT_OK, INT_EMPTY, INT_MALFORMED = 0, 1, 2


@numba.njit(nogil=True, cache=True)
def span_int(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """Read one signed integer of at most 18 digits, spaces around it allowed.

    Returns (value, state): 0 good, 1 empty, 2 malformed (value 0 for both).
    """
    start, end = trim_span(data, start, end, 3)
    if start >= end:
        return 0, INT_EMPTY
    negative = data[start] == _MINUS
    if negative:
        start += 1
    if start >= end or end - start > _DIGITS_MAX:
        return 0, INT_MALFORMED
    value = 0
    for at in range(start, end):
        byte = data[at]
        if byte < _ZERO or byte > _NINE:
            return 0, INT_MALFORMED
        value = value * 10 + (byte - _ZERO)
    return (-value if negative else value), INT_OK


@numba.njit(nogil=True, cache=True)
def ints(
    data: Bytes, starts: Positions, ends: Positions
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Read a column of integers: (values, states) with the states of `span_int`."""
    n = len(starts)
    values = np.empty(n, np.int64)
    states = np.empty(n, np.int8)
    for i in range(n):
        value, state = span_int(data, starts[i], ends[i])
        values[i] = value
        states[i] = state
    return values, states


@numba.njit(nogil=True, cache=True)
def fixed_digits(data: Bytes, start: int, width: int) -> int:
    """Read exactly `width` digits; -1 where any byte is not a digit."""
    value = 0
    for at in range(start, start + width):
        byte = data[at]
        if byte < _ZERO or byte > _NINE:
            return -1
        value = value * 10 + (byte - _ZERO)
    return value
