"""Numba kernels of Avaya CM: fixed positions over (bytes, starts, ends).

Owns the shape checks and the numbers of a record; text fields are spans that
the caller gathers. `scalar` is the plain twin.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.engine.numbers import fixed_digits
from bluewhale.dialects.engine.spans import Bytes, Positions
from bluewhale.records.memory import pointer

# What is wrong with a record; `where` is an item index, or a column for the marked ones.
(
    GOOD, FOREIGN_BYTE, NOT_TIME, TRUNCATED, TOO_LONG, NOT_BLANK, BAD_TIME, BAD_DURATION,
    BAD_CODE, BAD_NUMBER, BAD_DATE, LOST_RECORDS, NO_CONTEXT, IN_FUTURE,
) = range(14)  # fmt: skip
BY_COLUMN = (FOREIGN_BYTE, NOT_BLANK)

# Pairs of `place`: (first, last) 0-based half-open, -1 where the layout has no such item.
(
    DATE, TIME, HOURS, MINUTES, TENTHS, SECONDS, COND, CODE_DIAL, CODE_USED, DIALED, CALLING,
    CALLING_FIRST, IN_TRUNK, IN_H, IN_T, IN_U, OUT_H, OUT_T, OUT_U,
) = range(19)  # fmt: skip
PLACES = 19

SIDE_NONE, SIDE_INTERNAL, SIDE_IN, SIDE_OUT = -1, 0, 1, 2
# Codes of `bluewhale.records.enums.Direction` in order.
INBOUND, OUTBOUND, INTERNAL, TANDEM = 0, 1, 2, 3

_SPACE = 32
_DIALLED = np.full(256, 2, dtype=np.uint8)  # 0 space, 1 can be dialled, 2 neither
_DIALLED[list(b"0123456789*#+")] = 1
_DIALLED[_SPACE] = 0
_TILDE = 126
_ALL_DIGITS = 999_999
_DASH = 45


@numba.njit(nogil=True, cache=True, inline="always")
def _number_at(data: Bytes, start: int, end: int, place: Positions, item: int) -> int:
    """Check a dialled number: digits, * # + only, blanks around. Returns 0 good, 1 bad."""
    # No early end: a loop without branches beats mispredicted ones.
    first = np.uint64(start + place[2 * item])
    last = np.uint64(max(start + place[2 * item], min(end, start + place[2 * item + 1])))
    bad = np.uint8(0)
    groups = np.uint8(0)
    before = np.uint8(0)
    for at in range(first, last):
        kind = _DIALLED[data[at]]
        bad |= kind
        groups += kind & ~before & np.uint8(1)
        before = kind
    return 1 if bad > 1 or groups > 1 else 0


@numba.njit(nogil=True, cache=True)
def _char(data: Bytes, start: int, end: int, at: int) -> int:
    """Give the byte at an offset; space where absent or behind the end."""
    if at < 0 or start + at >= end:
        return _SPACE
    return int(data[start + at])


@numba.njit(nogil=True, cache=True)
def _pack_code(data: Bytes, start: int, end: int, place: Positions, item: int) -> np.uint64:
    """Pack an access code of at most four characters, blanks dropped; 0 = blank."""
    packed = np.uint64(0)
    for at in range(place[2 * item], place[2 * item + 1]):
        byte = _char(data, start, end, at)
        if byte != _SPACE:
            packed = (packed << np.uint64(8)) | np.uint64(byte)
    return packed


@numba.njit(nogil=True, cache=True)
def _pack_circuit(data: Bytes, start: int, end: int, place: Positions, item: int) -> np.uint64:
    """Pack a circuit id from its hundreds, tens and units columns; 0 = blank."""
    packed = np.uint64(0)
    for digit in range(3):
        byte = _char(data, start, end, place[2 * (item + digit)])
        if byte != _SPACE:
            packed = (packed << np.uint64(8)) | np.uint64(byte)
    return packed


@numba.njit(nogil=True, cache=True)
def _trunk(code: np.uint64, circuit: np.uint64) -> np.uint64:
    """Join access code and circuit id as CODE-CIRCUIT; 0 without a circuit."""
    if circuit == 0:
        return np.uint64(0)
    packed = code
    if code != 0:
        packed = (packed << np.uint64(8)) | np.uint64(_DASH)
    shift = np.uint64(0)
    while (circuit >> shift) != 0 and shift < np.uint64(24):
        shift += np.uint64(8)
    return (packed << shift) | circuit


@numba.njit(nogil=True, cache=True)
def shape(
    data: Bytes,
    start: int,
    end: int,
    place: Positions,
    blanks: Positions,
    conditions: npt.NDArray[np.int8],
    sides: npt.NDArray[np.int8],
    lengths: Positions,
) -> tuple[int, int]:
    """Check one record against a layout. Returns (what is wrong, where).

    `lengths`: needed, whole, longest, column of the line feed (-1 none), count of `blanks`.
    """
    count = end - start
    foreign = False
    for at in range(np.uint64(start), np.uint64(end)):
        byte = data[at]
        foreign |= (byte < _SPACE) | (byte > _TILDE)
    if foreign:
        for at in range(count):
            byte = data[start + at]
            if (byte < _SPACE or byte > _TILDE) and not (byte == 10 and at == lengths[3]):
                return FOREIGN_BYTE, at
    first_item = TIME if place[2 * TIME] >= 0 else MINUTES
    first, last = place[2 * first_item], place[2 * first_item + 1]
    if count < last or fixed_digits(data, start + first, last - first) < 0:
        return NOT_TIME, first_item
    if place[2 * DATE] >= 0 and (
        count < place[2 * DATE + 1] or fixed_digits(data, start + place[2 * DATE], 6) < 0
    ):
        return NOT_TIME, DATE
    for k in range(lengths[4]):
        column = blanks[k]
        if column >= count:
            break
        if data[start + column] != _SPACE:
            return NOT_BLANK, column
    if count < lengths[0]:
        return TRUNCATED, 0
    for at in range(lengths[2], count):
        if data[start + at] != _SPACE:
            return TOO_LONG, 0
    if place[2 * TIME] >= 0:
        time = fixed_digits(data, start + place[2 * TIME], 4)
        if time >= 2400 or time % 100 >= 60:
            return BAD_TIME, TIME
    for item in (HOURS, MINUTES, TENTHS, SECONDS):
        if place[2 * item] >= 0:
            value = fixed_digits(
                data, start + place[2 * item], place[2 * item + 1] - place[2 * item]
            )
            if value < 0 or (item == MINUTES and value >= 60):
                return BAD_DURATION, item
    code = data[start + place[2 * COND]]
    condition = conditions[code]
    if condition < 0:
        return BAD_CODE, COND
    if _number_at(data, start, end, place, DIALED):
        return BAD_NUMBER, DIALED
    if _number_at(data, start, end, place, CALLING):
        return BAD_NUMBER, CALLING
    for item in (CODE_DIAL, CODE_USED, IN_TRUNK):
        if place[2 * item] >= 0 and _number_at(data, start, end, place, item):
            return BAD_NUMBER, item
    circuit = -1
    if sides[condition] == SIDE_IN:
        circuit = IN_H
    elif sides[condition] == SIDE_OUT:
        circuit = OUT_H
    if circuit >= 0:
        for item in range(circuit, circuit + 3):
            if place[2 * item] >= count:
                return TRUNCATED, item
    return GOOD, 0


@numba.njit(nogil=True, cache=True)
def parse_rows(
    records: Bytes,
    starts: Positions,
    ends: Positions,
    places: Positions,
    blank_columns: Positions,
    condition_of: npt.NDArray[np.int8],
    side_of: npt.NDArray[np.int8],
    length_limits: Positions,
    numbers: Positions,
    trunks: npt.NDArray[np.uint64],
    smalls: npt.NDArray[np.int32],
) -> None:
    """Read every record into the output arrays, one row each.

    numbers[i] = date as printed (0 none), minutes since midnight (-1 none),
    duration in ms. trunks[i] = trunk in, trunk out, group in, group out, packed
    (0 = none). smalls[i] = what is wrong, where, condition, direction (-1 = not
    said).
    """
    data, place, blanks = pointer(records), pointer(places), pointer(blank_columns)
    conditions, sides, lengths = pointer(condition_of), pointer(side_of), pointer(length_limits)
    for i in range(len(starts)):
        start = starts[i]
        end = ends[i]
        wrong, where = shape(data, start, end, place, blanks, conditions, sides, lengths)
        smalls[i, 0] = wrong
        smalls[i, 1] = where
        if wrong != GOOD:
            continue
        numbers[i, 0] = (
            fixed_digits(data, start + place[2 * DATE], 6) if place[2 * DATE] >= 0 else 0
        )
        if place[2 * TIME] >= 0:
            time = fixed_digits(data, start + place[2 * TIME], 4)
            numbers[i, 1] = time // 100 * 60 + time % 100
        else:
            numbers[i, 1] = -1
        if place[2 * SECONDS] >= 0:
            width = place[2 * SECONDS + 1] - place[2 * SECONDS]
            numbers[i, 2] = fixed_digits(data, start + place[2 * SECONDS], width) * 1000
        else:
            hours = fixed_digits(data, start + place[2 * HOURS], 1)
            minutes = fixed_digits(data, start + place[2 * MINUTES], 2)
            tenths = fixed_digits(data, start + place[2 * TENTHS], 1)
            numbers[i, 2] = (hours * 600 + minutes * 10 + tenths) * 6000
        condition = conditions[data[start + place[2 * COND]]]
        smalls[i, 2] = condition
        dialed_code = _pack_code(data, start, end, place, CODE_DIAL)
        used_code = _pack_code(data, start, end, place, CODE_USED)
        group_in = _pack_code(data, start, end, place, IN_TRUNK)
        circuit_in = _pack_circuit(data, start, end, place, IN_H)
        circuit_out = _pack_circuit(data, start, end, place, OUT_H)
        group_out = used_code if used_code != 0 else dialed_code
        has_in = circuit_in != 0 or group_in != 0
        has_out = circuit_out != 0
        side = sides[condition]
        direction = SIDE_NONE
        if side == SIDE_INTERNAL:
            direction = INTERNAL
        elif side == SIDE_IN:
            direction = TANDEM if has_out else INBOUND
        elif side == SIDE_OUT:
            direction = TANDEM if has_in else OUTBOUND
        elif has_in:
            direction = TANDEM if has_out else INBOUND
        elif has_out or group_out != 0:
            direction = OUTBOUND
        smalls[i, 3] = direction
        if direction in (INBOUND, INTERNAL):
            group_out = np.uint64(0)
        trunks[i, 0] = _trunk(group_in, circuit_in)
        trunks[i, 1] = _trunk(group_out, circuit_out)
        trunks[i, 2] = group_in
        trunks[i, 3] = group_out


@numba.njit(nogil=True, cache=True)
def compose_calling(
    data: Bytes, starts: Positions, ends: Positions, first: int, place: Positions
) -> tuple[Bytes, Positions, Positions]:
    """Put a calling number together whose first digit stands elsewhere (LSU)."""
    n = len(starts)
    width = place[1] - place[0] + 1
    out = np.full(n * width, _SPACE, np.uint8)
    out_starts = np.arange(n) * width
    for i in range(n):
        out[i * width] = _char(data, starts[i], ends[i], first)
        for at in range(width - 1):
            out[i * width + 1 + at] = _char(data, starts[i], ends[i], place[0] + at)
    return out, out_starts, out_starts + width
