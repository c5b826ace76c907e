"""Arrow columns as PostgreSQL's binary COPY format, without an object per value.

Owns the bytes: header, per row the count of fields, per field its length and
value in network order, -1 for null, and the trailer (PostgreSQL documentation,
COPY, "Binary Format"). Each column is written in one pass over its own buffers;
places in the output come from the lengths, added up before. Does not own which
rows go where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database.columns import storable
from numba import njit

Kind = Literal["int8", "int4", "float8", "bytes", "text"]

_HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0\0\0\0" + b"\0\0\0\0"
_TRAILER = b"\xff\xff"
_WIDTH = {"int8": 8, "int4": 4, "float8": 8}
_NUL_STANDS_AS = "\N{REPLACEMENT CHARACTER}"  # a text of PostgreSQL cannot hold NUL

Ints = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def _put_fixed(  # pragma: no cover - compiled
    out: Any, places: Any, words: Any, null: Any, width: int
) -> None:
    for row in range(len(places)):
        at = places[row]
        if null[row]:
            out[at] = out[at + 1] = out[at + 2] = out[at + 3] = 255
            places[row] = at + 4
            continue
        out[at] = out[at + 1] = out[at + 2] = 0
        out[at + 3] = width
        word = words[row]
        for k in range(width):
            out[at + 4 + k] = (word >> np.uint64(8 * (width - 1 - k))) & np.uint64(255)
        places[row] = at + 4 + width


@njit(nogil=True, cache=True)
def _put_bytes(  # pragma: no cover - compiled
    out: Any, places: Any, data: Any, offsets: Any, null: Any
) -> None:
    for row in range(len(places)):
        at = places[row]
        if null[row]:
            out[at] = out[at + 1] = out[at + 2] = out[at + 3] = 255
            places[row] = at + 4
            continue
        first = offsets[row]
        size = offsets[row + 1] - first
        out[at] = (size >> 24) & 255
        out[at + 1] = (size >> 16) & 255
        out[at + 2] = (size >> 8) & 255
        out[at + 3] = size & 255
        for k in range(size):
            out[at + 4 + k] = data[first + k]
        places[row] = at + 4 + size


@njit(nogil=True, cache=True)
def _put_counts(out: Any, places: Any, count: int) -> None:  # pragma: no cover - compiled
    for row in range(len(places)):
        at = places[row]
        out[at] = count >> 8
        out[at + 1] = count & 255
        places[row] = at + 2


def _nulls(array: pa.Array) -> npt.NDArray[np.bool_]:
    if array.null_count == 0:
        return np.zeros(len(array), np.bool_)
    return np.asarray(array.is_null())


def _without_nul(array: pa.Array) -> pa.Array:
    """Give a text column that PostgreSQL takes; the raw bytes of a record stay as they came."""
    data = array.buffers()[2]
    if data is None or not len(data) or not bool(np.any(np.frombuffer(data, np.uint8) == 0)):
        return array
    return pc.replace_substring(array, pattern="\0", replacement=_NUL_STANDS_AS)


class _Fixed:
    """A column of numbers."""

    def __init__(self, array: pa.Array, kind: Kind) -> None:
        self.null = _nulls(array)
        self.width = _WIDTH[kind]
        filled = array.fill_null(0) if array.null_count else array
        values = filled.to_numpy(zero_copy_only=False)
        whole = values.astype(np.float64) if kind == "float8" else values.astype(np.int64)
        if self.width == 4:
            assert not len(whole) or (whole.min() >= -(2**31) and whole.max() < 2**31)
        self.words = np.ascontiguousarray(whole).view(np.uint64)

    def sizes(self) -> Ints:
        return np.where(self.null, 4, 4 + self.width).astype(np.int64)

    def put(self, out: Any, places: Any) -> None:
        _put_fixed(out, places, self.words, self.null, self.width)


class _Bytes:
    """A column of texts or bytes."""

    def __init__(self, array: pa.Array, kind: Kind) -> None:
        if kind == "text":
            array = _without_nul(array)
        self.null = _nulls(array)
        buffers = array.buffers()
        self.offsets = np.frombuffer(buffers[1], np.int32)[
            array.offset : array.offset + len(array) + 1
        ]
        empty = buffers[2] is None or len(buffers[2]) == 0
        self.data = np.zeros(1, np.uint8) if empty else np.frombuffer(buffers[2], np.uint8)

    def sizes(self) -> Ints:
        return np.where(self.null, 4, 4 + np.diff(self.offsets)).astype(np.int64)

    def put(self, out: Any, places: Any) -> None:
        _put_bytes(out, places, self.data, self.offsets, self.null)


def copy_bytes(columns: Sequence[tuple[pa.ChunkedArray | pa.Array, Kind]]) -> memoryview:
    """Give the rows of `columns` as one binary COPY stream."""
    rows = len(columns[0][0])
    made: list[_Fixed | _Bytes | None] = []
    size = np.full(rows, 2, np.int64)
    for column, kind in columns:
        assert len(column) == rows
        if column.null_count == rows:
            made.append(None)
            size += 4
            continue
        array = storable(column)
        one = _Fixed(array, kind) if kind in _WIDTH else _Bytes(array, kind)
        made.append(one)
        size += one.sizes()
    places = np.empty(rows, np.int64)
    total = len(_HEADER) + int(size.sum())
    if rows:
        places[0] = len(_HEADER)
        np.cumsum(size[:-1], out=places[1:])
        places[1:] += len(_HEADER)
    out = np.empty(total + len(_TRAILER), np.uint8)
    out[: len(_HEADER)] = np.frombuffer(_HEADER, np.uint8)
    out[total:] = np.frombuffer(_TRAILER, np.uint8)
    _put_counts(out, places, len(columns))
    every = np.ones(rows, np.bool_)
    nothing = np.zeros(rows, np.uint64)
    for part in made:
        if part is None:
            _put_fixed(out, places, nothing, every, 8)
        else:
            part.put(out, places)
    return out.data
