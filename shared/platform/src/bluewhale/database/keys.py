"""Ids, numbers and join keys as integer arrays, so that look-ups are binary searches.

An id of 16 bytes is held as two unsigned 64-bit words, high first; order of the
words is order of the bytes. Does not own how ids are made (`bluewhale.records.ids`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint32]
Bools = npt.NDArray[np.bool_]

NO_ROW = np.uint32(0xFFFFFFFF)
NO_NUMBER = -1


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give a column as one array."""
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            return column.chunk(0)
        return column.combine_chunks() if column.num_chunks else pa.array([], column.type)
    return column


def id_words(column: pa.ChunkedArray | pa.Array) -> tuple[Words, Words]:
    """Give the high and low words of a column of 16-byte ids (nulls become 0)."""
    array = one_array(column)
    if len(array) == 0:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    pairs = np.frombuffer(array.buffers()[1], ">u8").reshape(-1, 2)
    pairs = pairs[array.offset : array.offset + len(array)].astype(np.uint64)
    if array.null_count:
        pairs[np.asarray(array.is_null())] = 0
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def words_of(ids: list[bytes]) -> tuple[Words, Words]:
    """Give the words of a list of ids."""
    pairs = np.frombuffer(b"".join(ids), ">u8").reshape(-1, 2).astype(np.uint64)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def words_bytes(high: Words, low: Words) -> list[bytes]:
    """Give ids as bytes."""
    block = np.stack([high, low], axis=1).astype(">u8").tobytes()
    return [block[i : i + 16] for i in range(0, len(block), 16)]


def words_array(high: Words, low: Words) -> pa.Array:
    """Give ids as an Arrow column."""
    block = np.stack([high, low], axis=1).astype(">u8").tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(high), [None, pa.py_buffer(block)]
    )


def sort_words(high: Words, low: Words) -> npt.NDArray[np.int64]:
    """Give the order that sorts ids."""
    order = np.argsort(high, kind="stable")
    ordered = high[order]
    if len(ordered) > 1 and bool(np.any(ordered[1:] == ordered[:-1])):
        return np.lexsort((low, high)).astype(np.int64)
    return order.astype(np.int64)


@njit(nogil=True, cache=True)
def _mark_common(  # pragma: no cover - compiled
    high: Any, low: Any, want_high: Any, want_low: Any, found: Any
) -> None:
    at = 0
    for n in range(len(want_high)):
        while at < len(high) and (
            high[at] < want_high[n] or (high[at] == want_high[n] and low[at] < want_low[n])
        ):
            at += 1
        if at == len(high):
            return
        if high[at] == want_high[n] and low[at] == want_low[n]:
            found[n] = True


def mark_common(high: Words, low: Words, want_high: Words, want_low: Words, found: Bools) -> None:
    """Set `found` where a wanted id is among the ids; both are sorted.

    One pass over both where they are of like size, else binary searches
    (`find_words` is the plain twin).
    """
    if not len(high) or not len(want_high):
        return
    first = int(np.searchsorted(high, want_high[0], side="left"))
    after = int(np.searchsorted(high, want_high[-1], side="right"))
    if (after - first) > 16 * len(want_high):
        found |= find_words(high, low, want_high, want_low) >= 0
        return
    _mark_common(high[first:after], low[first:after], want_high, want_low, found)


def find_words(high: Words, low: Words, want_high: Words, want_low: Words) -> Ints:
    """Give the place of each wanted id in sorted ids; -1 = not there."""
    size = len(high)
    at = np.searchsorted(high, want_high).astype(np.int64)
    found = np.full(len(want_high), -1, np.int64)
    open_ = np.flatnonzero(at < size)
    while len(open_):
        here = at[open_]
        same = high[here] == want_high[open_]
        hit = same & (low[here] == want_low[open_])
        found[open_[hit]] = here[hit]
        open_ = open_[same & ~hit]
        at[open_] += 1
        open_ = open_[at[open_] < size]
    return found


def isin_sorted(values: Ints, stored: Ints) -> Bools:
    """Say which values are among `stored`, which ascends."""
    if not len(stored):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(stored, values), len(stored) - 1)
    return np.asarray(stored[at] == values)


def integers(column: pa.ChunkedArray | pa.Array, missing: int = 0) -> Ints:
    """Give an integer, instant or boolean column as int64; nulls become `missing`."""
    array = one_array(column)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    if array.null_count:
        array = array.fill_null(missing)
    return np.asarray(array.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)


@njit(nogil=True, cache=True)
def _digits(data: Any, offsets: Any, out: Any) -> None:  # pragma: no cover - compiled
    for row in range(len(offsets) - 1):
        value = 0
        count = 0
        plain = True
        for at in range(offsets[row], offsets[row + 1]):
            byte = data[at]
            if 48 <= byte <= 57:
                if count > 0 or byte != 48:
                    value = value * 10 + (byte - 48)
                    count += 1
            elif byte not in {32, 40, 41, 43, 45, 46, 47}:  # blank ( ) + - . /
                plain = False
                break
        if plain and 0 < count <= 18:
            out[row] = value
        else:
            out[row] = -1


def digits_of(text: str) -> int:
    """Give the search key of one number: its digits without leading zeros, or -1.

    Scalar twin of `number_keys`. Blank, brackets, plus, minus, dot and slash are
    how people write numbers and are passed over; any other sign makes the text
    no number. So "+49 30 23125-42" and "493023125042" differ, but
    "0049 30 23125 42" and "+49302312542" are one key.
    """
    digits = ""
    for sign in text:
        if sign in "0123456789":
            digits += sign
        elif sign not in " ()+-./":
            return NO_NUMBER
    digits = digits.lstrip("0")
    return int(digits) if 0 < len(digits) <= 18 else NO_NUMBER


def number_keys(column: pa.ChunkedArray | pa.Array) -> Ints:
    """Give the search key of each text of a column; -1 where it is no number."""
    array = one_array(column)
    out = np.full(len(array), NO_NUMBER, np.int64)
    if len(array) == array.null_count:
        return out
    buffers = array.buffers()
    offsets = np.frombuffer(buffers[1], np.int32)[array.offset : array.offset + len(array) + 1]
    _digits(np.frombuffer(buffers[2], np.uint8), offsets, out)
    if array.null_count:
        out[np.asarray(array.is_null())] = NO_NUMBER
    return out


def word_key(word: str) -> int:
    """Give 63 bits for a word, the same for ever; two words may have the same."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big") >> 1


def run_starts(*columns: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Give where runs of equal rows begin in columns sorted together."""
    size = len(columns[0])
    if size == 0:
        return np.empty(0, np.int64)
    change = np.zeros(size, np.bool_)
    change[0] = True
    for column in columns:
        change[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(change).astype(np.int64)
