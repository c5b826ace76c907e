"""Arrow columns as NumPy arrays for kernels, and back.

Owns the border between tables and kernels of this room: nulls become a
sentinel, words become codes. Decides nothing about legs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NULL = -(2**63)  # no instant, duration or key has this value

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


def whole(column: pa.ChunkedArray | pa.Array) -> Any:
    """Give a column as one array; does not copy when it already is one."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def int_values(column: pa.ChunkedArray | pa.Array) -> Ints:
    """Give integers or instants as int64; null is `NULL`. Copies only where nulls are."""
    array = whole(column)
    if array.null_count == len(array):
        return np.full(len(array), NULL, np.int64)
    width = np.int32 if array.type.bit_width == 32 else np.int64
    start = array.offset
    values = np.frombuffer(array.buffers()[1], width)[start : start + len(array)]
    if array.null_count:
        return np.where(valid_rows(array), values, NULL)
    return values.astype(np.int64, copy=False)


def valid_rows(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.bool_]:
    """Say which rows of a column have a value."""
    array = whole(column)
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    if array.null_count == len(array):
        return np.zeros(len(array), np.bool_)
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))


def word_codes(column: pa.ChunkedArray | pa.Array) -> Codes:
    """Give the dictionary indices of a WORD column; null is -1."""
    array = whole(column)
    if array.null_count == len(array):
        return np.full(len(array), -1, np.int32)
    indices = array.indices
    values = np.frombuffer(indices.buffers()[1], np.int32)
    values = values[indices.offset : indices.offset + len(indices)]
    if array.null_count:
        return np.where(valid_rows(indices), values, np.int32(-1))
    return values


def enum_codes(column: pa.ChunkedArray | pa.Array, words: tuple[str, ...]) -> npt.NDArray[np.int8]:
    """Give the places of a WORD column's values in a closed list; null is -1."""
    array = whole(column)
    codes = word_codes(array)
    table = [words.index(w) if w in words else -1 for w in array.dictionary.to_pylist()]
    if len(table) == 1 and array.null_count == 0:
        return np.full(len(array), table[0], np.int8)
    return np.array([*table, -1], np.int8)[codes]  # code -1 picks the last entry


def text_codes(column: pa.ChunkedArray | pa.Array, rows: Ints) -> Codes:
    """Number the distinct texts of the chosen rows; null is -1."""
    taken = whole(column).take(pa.array(rows))
    return word_codes(taken if pa.types.is_dictionary(taken.type) else taken.dictionary_encode())


def ints_column(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Make an Arrow column of int64 values; `NULL` is null."""
    values = np.ascontiguousarray(values)
    gone = values == NULL
    nulls = int(np.count_nonzero(gone))
    bitmap = pa.py_buffer(np.packbits(~gone, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(kind, len(values), [bitmap, pa.py_buffer(values)], nulls)


def words_column(codes: npt.NDArray[Any], words: tuple[str, ...]) -> pa.Array:
    """Make a WORD column of places in a closed list; a negative code is null."""
    codes = codes.astype(np.int32)
    there = codes >= 0
    nulls = len(codes) - int(np.count_nonzero(there))
    bitmap = pa.py_buffer(np.packbits(there, bitorder="little")) if nulls else None
    indices = pa.Array.from_buffers(pa.int32(), len(codes), [bitmap, pa.py_buffer(codes)], nulls)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


def constant_words(word: str | None, count: int) -> pa.Array:
    """Make a WORD column that says the same, or nothing, in every row."""
    if word is None:
        return pa.DictionaryArray.from_arrays(
            pa.nulls(count, pa.int32()), pa.array([], pa.string())
        )
    return words_column(np.zeros(count, np.int32), (word,))


def lists_column(offsets: npt.NDArray[Any], values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Make a list column of int offsets and values."""
    return pa.Array.from_buffers(
        kind,
        len(offsets) - 1,
        [None, pa.py_buffer(np.ascontiguousarray(offsets, dtype=np.int32))],
        0,
        children=[values],
    )
