"""Schedules from columns to integers, for decks with a price on every row.

Owns the fast way from `SCHEDULE_SCHEMA` to the words of `compiled`; the slow
way from objects stands there, and both give the same words.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.rounding import INT64_MAX, NANOS
from numba import njit

LINE: Final = 8  # words of one cache line; a schedule begins on a line
HEAD: Final = 5  # shape, D, fee, minimum, surcharges; then one price per slot
SHAPE_HEAD: Final = 4  # flags, initial block, step, count of slots; then start and block per slot
FLAG_ATTEMPTS: Final = 1
FLAG_WHOLE: Final = 2
_NANOS: Final = 1_000_000_000
_LIMIT: Final = 2.0**60
_SCALE_MAX: Final = 1_000_000_000

Int64 = npt.NDArray[np.int64]


def compile_schedule_columns(
    table: pa.Table,
) -> tuple[Int64, npt.NDArray[np.int32], Int64, npt.NDArray[np.int32]]:
    """Give words, line per schedule, shapes and base per shape."""
    rows = table.num_rows
    lists = table["slot_from_ms"].combine_chunks()
    offsets = lists.offsets.to_numpy().astype(np.int64)
    slots = {
        name: table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        for name in (
            "slot_from_ms",
            "slot_price_numerator",
            "slot_price_denominator",
            "slot_per_ms",
            "slot_increment_ms",
        )
    }
    offsets -= offsets[0] if rows else 0
    counts = np.diff(offsets)
    lines = np.concatenate(([0], np.cumsum((counts + HEAD + LINE - 1) // LINE)))
    base = lines * LINE
    flags = FLAG_WHOLE * _bits(table["whole_duration"]) + FLAG_ATTEMPTS * _bits(
        table["prices_attempts"]
    )
    minimum, minimum_scale = _minimums(table["minimum_charge"])
    words = empty_lines(int(lines[-1]))
    shape_of = np.empty(rows, np.int32)
    representative = np.empty(rows, np.int32)
    shapes = _find_shapes(
        offsets,
        flags,
        slots["slot_from_ms"],
        slots["slot_increment_ms"],
        shape_of,
        representative,
    )
    _scale(
        words,
        base,
        offsets,
        flags,
        shape_of,
        _integers(table["connect_fee_numerator"]),
        _integers(table["connect_fee_denominator"]),
        minimum,
        minimum_scale,
        slots["slot_price_numerator"],
        slots["slot_price_denominator"],
        slots["slot_per_ms"],
        slots["slot_increment_ms"],
    )
    shape_words: list[int] = []
    shape_base = []
    for row in representative[:shapes]:
        shape_base.append(len(shape_words))
        first, last = int(offsets[row]), int(offsets[row + 1])
        increments = slots["slot_increment_ms"][first:last]
        step = int(increments[-1])
        whole = bool(flags[row] & FLAG_WHOLE)
        shape_words += [int(flags[row]), int(increments[0]), step, last - first]
        for start, block in zip(slots["slot_from_ms"][first:last], increments, strict=True):
            shape_words += [int(start), step if whole else int(block)]
    return (
        words,
        lines[:-1].astype(np.int32),
        np.array(shape_words, np.int64),
        np.array(shape_base, np.int32),
    )


def empty_lines(lines: int) -> Int64:
    """Give `lines` lines of zeros that begin where a cache line begins."""
    space = np.zeros(lines * LINE + LINE, np.int64)
    skip = (-space.ctypes.data % 64) // 8
    return space[skip : skip + lines * LINE]


def _bits(column: pa.ChunkedArray) -> Int64:
    return column.combine_chunks().fill_null(False).to_numpy(zero_copy_only=False).astype(np.int64)


def _integers(column: pa.ChunkedArray) -> Int64:
    return column.combine_chunks().to_numpy(zero_copy_only=False)


def _minimums(column: pa.ChunkedArray) -> tuple[Int64, Int64]:
    """Give the minimum charges as nanos / scale; -1 = none, scale 0 = too large."""
    texts = column.combine_chunks()
    nanos = np.full(len(texts), -1, np.int64)
    scale = np.ones(len(texts), np.int64)
    if texts.null_count == len(texts):
        return nanos, scale
    distinct = texts.dictionary_encode()
    pairs = np.full((len(distinct.dictionary) + 1, 2), (-1, 1), np.int64)
    for number, text in enumerate(distinct.dictionary.to_pylist()):
        value = Fraction(text) * NANOS
        fits = 0 <= value.numerator <= INT64_MAX // 4 and value.denominator <= _SCALE_MAX
        pairs[number] = (value.numerator, value.denominator) if fits else (0, 0)
    codes = distinct.indices.fill_null(len(pairs) - 1).to_numpy(zero_copy_only=False)
    return pairs[codes, 0].copy(), pairs[codes, 1].copy()


@njit(nogil=True, cache=True)
def _find_shapes(
    offsets: Any, flags: Any, starts: Any, blocks: Any, shape_of: Any, representative: Any
) -> int:
    """Number the distinct shapes; the last 64 found are compared, newest first."""
    count = 0
    for row in range(len(shape_of)):
        first = offsets[row]
        size = offsets[row + 1] - first
        found = -1
        for back in range(min(count, 64)):
            shape = count - 1 - back
            other = representative[shape]
            begin = offsets[other]
            if flags[other] != flags[row] or offsets[other + 1] - begin != size:
                continue
            same = True
            for slot in range(size):
                if (
                    starts[begin + slot] != starts[first + slot]
                    or blocks[begin + slot] != blocks[first + slot]
                ):
                    same = False
                    break
            if same:
                found = shape
                break
        if found < 0:
            found = count
            representative[count] = row
            count += 1
        shape_of[row] = found
    return count


@njit(nogil=True, cache=True)
def _gcd(a: Any, b: Any) -> Any:
    while b:
        a, b = b, a % b
    return a


@njit(nogil=True, cache=True)
def _nanos(numerator: Any, denominator: Any, block: Any, per: Any) -> Any:
    """Give numerator/denominator x block/per in nanos as a reduced pair.

    (-1, 0) where it is negative or leaves the bound.
    """
    if numerator < 0:
        return np.int64(-1), np.int64(0)
    nanos = np.int64(_NANOS)
    if nanos % denominator == 0:
        nanos //= denominator
        denominator = np.int64(1)
    else:
        divisor = _gcd(nanos, denominator)
        nanos //= divisor
        denominator //= divisor
        divisor = _gcd(denominator, numerator)
        numerator //= divisor
        denominator //= divisor
    if per % block == 0:
        per //= block
        block = np.int64(1)
    elif block % per == 0:
        block //= per
        per = np.int64(1)
    else:
        divisor = _gcd(block, per)
        block //= divisor
        per //= divisor
    if np.float64(numerator) * np.float64(nanos) * np.float64(block) > _LIMIT:
        return np.int64(-1), np.int64(0)
    if np.float64(denominator) * np.float64(per) > _SCALE_MAX:
        divisor = _gcd(numerator * nanos * block, per)
        per //= divisor
        numerator = numerator * nanos * block // divisor
        nanos = np.int64(1)
        block = np.int64(1)
        if np.float64(denominator) * np.float64(per) > _SCALE_MAX:
            return np.int64(-1), np.int64(0)
    top = numerator * nanos * block
    bottom = denominator * per
    if bottom == 1:
        return top, bottom
    if top % bottom == 0:
        return top // bottom, np.int64(1)
    divisor = _gcd(top, bottom)
    return top // divisor, bottom // divisor


@njit(nogil=True, cache=True)
def _widen(scale: Any, denominator: Any) -> Any:
    """Give the least common multiple, 0 where it leaves the bound."""
    if denominator == 0 or scale == 0:
        return np.int64(0)
    if scale % denominator == 0:
        return scale
    factor = denominator // _gcd(scale, denominator)
    if np.float64(scale) * np.float64(factor) > _SCALE_MAX:
        return np.int64(0)
    return scale * factor


@njit(nogil=True, cache=True)
def _scale(
    words: Any,
    base: Any,
    offsets: Any,
    flags: Any,
    shape_of: Any,
    fee_numerator: Any,
    fee_denominator: Any,
    minimum: Any,
    minimum_scale: Any,
    price_numerator: Any,
    price_denominator: Any,
    per_ms: Any,
    block_ms: Any,
) -> None:
    """Write the words of every schedule; D = 0 where int64 cannot hold it."""
    bottoms = np.empty(64, np.int64)
    for row in range(len(shape_of)):
        at = base[row]
        first = offsets[row]
        size = offsets[row + 1] - first
        words[at] = shape_of[row]
        words[at + 3] = -1
        words[at + 4] = -1
        if size > len(bottoms):
            bottoms = np.empty(2 * size, np.int64)
        one = np.int64(1)
        fee, fee_bottom = _nanos(fee_numerator[row], fee_denominator[row], one, one)
        scale = _widen(one, fee_bottom)
        if minimum[row] >= 0:
            scale = _widen(scale, minimum_scale[row])
        step = block_ms[first + size - 1]
        for slot in range(size):
            block = step if flags[row] & 2 else block_ms[first + slot]
            top, bottoms[slot] = _nanos(
                price_numerator[first + slot],
                price_denominator[first + slot],
                block,
                per_ms[first + slot],
            )
            words[at + 5 + slot] = top
            scale = _widen(scale, bottoms[slot])
        fits = scale > 0
        if fits:
            fits = np.float64(fee) * (scale // fee_bottom) < _LIMIT
            if minimum[row] >= 0:
                factor = scale // minimum_scale[row]
                fits = fits and np.float64(minimum[row]) * factor < _LIMIT
            for slot in range(size):
                factor = scale // bottoms[slot]
                fits = fits and np.float64(words[at + 5 + slot]) * factor < _LIMIT
        if not fits:
            words[at + 5 : at + 5 + size] = 0
            continue
        words[at + 1] = scale
        words[at + 2] = fee * (scale // fee_bottom)
        if minimum[row] >= 0:
            words[at + 3] = minimum[row] * (scale // minimum_scale[row])
        for slot in range(size):
            words[at + 5 + slot] *= scale // bottoms[slot]
