"""Byte spans to Arrow columns: copy, trim, encode; never a Python object per row.

Owns the kernels between (data, starts, ends) and text, binary and dictionary
columns. Spans are half-open and index one shared buffer. An empty span (after
trimming) is null: "not known", never an empty string.
"""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.records.memory import copy_bytes, pointer

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Trim = Literal["none", "left", "right", "both"]

_TRIM_SIDES = {"none": 0, "left": 1, "right": 2, "both": 3}
_SPACE = 32
_ASCII_LIMIT = 128


def gather(
    data: Bytes, starts: Positions, ends: Positions, *, trim: Trim = "both", encoding: str = "utf-8"
) -> pa.StringArray:
    """Copy spans to a text column; empty spans become null.

    Parameters
    ----------
    data, starts, ends: span i is data[starts[i]:ends[i]]; ends below starts
        count as empty.
    trim: which side loses its spaces (0x20).
    encoding: of bytes from 0x80 on; what does not decode becomes U+FFFD.
    """
    offsets, text, bitmap, nulls, high = _copy_trimmed(data, starts, ends, _TRIM_SIDES[trim])
    if high:
        return _gather_encoded(offsets, text, bitmap, encoding)
    return pa.StringArray.from_buffers(
        len(starts),
        pa.py_buffer(offsets),
        pa.py_buffer(text),
        pa.py_buffer(bitmap) if nulls else None,
        nulls,
    )


def gather_binary(data: Bytes, starts: Positions, ends: Positions) -> pa.BinaryArray:
    """Copy spans to a binary column as they are; an empty span stays empty."""
    offsets = _measure(starts, ends)
    text = pooled(int(offsets[-1]), np.uint8)
    _copy(data, starts, offsets, text)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )


def pooled(count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Make an array of undefined values in the memory pool of Arrow.

    For arrays of many megabytes: the pool keeps their pages, whereas fresh ones
    cost more than what is written into them.
    """
    kind = np.dtype(dtype)
    return np.frombuffer(pa.allocate_buffer(count * kind.itemsize), kind)


def encode(
    data: Bytes, starts: Positions, ends: Positions, *, trim: Trim = "both"
) -> pa.DictionaryArray:
    """Copy spans to a dictionary column (WORD) for values that repeat; empty is null."""
    codes, firsts = _encode_spans(data, starts, ends, _TRIM_SIDES[trim])
    words = gather(data, starts[firsts], ends[firsts], trim=trim)
    return words_from_codes(codes, words)


def words_from_codes(
    codes: npt.NDArray[np.int32] | npt.NDArray[np.int8], words: pa.Array | tuple[str, ...]
) -> pa.DictionaryArray:
    """Make a WORD column of indices into `words`; a negative code is null."""
    if isinstance(words, tuple):
        words = pa.array(words, pa.string())
    indices = np.ascontiguousarray(codes, dtype=np.int32)
    return pa.DictionaryArray.from_arrays(int_column(indices, indices >= 0, pa.int32()), words)


def constant_word(word: str | None, n: int) -> pa.DictionaryArray:
    """Make a WORD column that says the same in every row."""
    if word is None:
        return pa.DictionaryArray.from_arrays(pa.nulls(n, pa.int32()), pa.array([], pa.string()))
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(n, dtype=np.int32)), pa.array([word], pa.string())
    )


def int_column(
    values: npt.NDArray[np.integer], valid: npt.NDArray[np.bool_] | None, kind: pa.DataType
) -> pa.Array:
    """Wrap integers (no copy) as an Arrow column; rows that are not valid are null."""
    bitmap = None
    nulls = 0
    if valid is not None:
        nulls = len(valid) - int(np.count_nonzero(valid))
        if nulls:
            bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(
        kind, len(values), [bitmap, pa.py_buffer(np.ascontiguousarray(values))], nulls
    )


def _gather_encoded(
    offsets: npt.NDArray[np.int32], text: Bytes, bitmap: Bytes, encoding: str
) -> pa.StringArray:
    """Decode row by row; only for columns that hold bytes outside ASCII."""
    valid = np.unpackbits(bitmap, count=len(offsets) - 1, bitorder="little")
    blob = text.tobytes()
    return pa.array(
        [
            blob[offsets[i] : offsets[i + 1]].decode(encoding, "replace") if valid[i] else None
            for i in range(len(offsets) - 1)
        ],
        pa.string(),
    )


@numba.njit(nogil=True, cache=True)
def trim_span(data: Bytes, start: int, end: int, sides: int) -> tuple[int, int]:
    """Take spaces off the sides (1 left, 2 right, 3 both); returns (start, end)."""
    if sides & 1:
        while start < end and data[start] == _SPACE:
            start += 1
    if sides & 2:
        while end > start and data[end - 1] == _SPACE:
            end -= 1
    return start, max(start, end)


@numba.njit(nogil=True, cache=True)
def _copy_trimmed(
    records: Bytes, starts: Positions, ends: Positions, sides: int
) -> tuple[npt.NDArray[np.int32], Bytes, Bytes, int, bool]:
    """Trim, measure, copy. Returns offsets, bytes, validity bitmap, nulls, any byte >= 0x80."""
    data = pointer(records)
    n = len(starts)
    offsets = np.empty(n + 1, np.int32)
    firsts = np.empty(n, np.int64)
    bitmap = np.zeros((n + 7) // 8, np.uint8)
    nulls = 0
    total = 0
    for i in range(n):
        start, end = trim_span(data, starts[i], ends[i], sides)
        firsts[i] = start
        offsets[i] = total
        total += end - start
        if end > start:
            bitmap[i >> 3] |= np.uint8(1 << (i & 7))
        else:
            nulls += 1
    assert total < 2**31, "a batch holds less than 2 GiB"
    offsets[n] = total
    text = np.empty(total, np.uint8)
    for i in range(n):
        copy_bytes(text, offsets[i], data, firsts[i], offsets[i + 1] - offsets[i])
    seen = np.uint8(0)
    for byte in text:
        seen |= byte
    return offsets, text, bitmap, nulls, bool(seen >= _ASCII_LIMIT)


@numba.njit(nogil=True, cache=True)
def _measure(starts: Positions, ends: Positions) -> npt.NDArray[np.int32]:
    """Give the offsets of the spans laid end to end."""
    offsets = np.empty(len(starts) + 1, np.int32)
    total = 0
    for i in range(len(starts)):
        offsets[i] = total
        total += max(0, ends[i] - starts[i])
    assert total < 2**31, "a batch holds less than 2 GiB"
    offsets[len(starts)] = total
    return offsets


@numba.njit(nogil=True, cache=True)
def _copy(data: Bytes, starts: Positions, offsets: npt.NDArray[np.int32], out: Bytes) -> None:
    """Copy spans end to end as they are."""
    for i in range(len(starts)):
        copy_bytes(out, offsets[i], data, starts[i], offsets[i + 1] - offsets[i])


@numba.njit(nogil=True, cache=True, inline="always")
def _hash_span(data: Bytes, first: Any, width: Any) -> Any:
    """Hash a span, eight bytes at a time; unsigned positions make one load of the eight."""
    prime = np.uint64(0x9E3779B97F4A7C15)
    shift = np.uint64(32)
    h = width * prime
    at = np.uint64(0)
    eight = np.uint64(8)
    while at + eight <= width:
        word = np.uint64(0)
        for k in range(eight):
            word |= np.uint64(data[first + at + k]) << (k * eight)
        h = (h ^ word) * prime
        h ^= h >> shift
        at += eight
    word = np.uint64(0)
    while at < width:
        word = (word << eight) | np.uint64(data[first + at])
        at += np.uint64(1)
    h = (h ^ word) * prime
    return h ^ (h >> shift)


@numba.njit(nogil=True, cache=True, inline="always")
def _equal_spans(data: Bytes, one: Any, other: Any, width: Any) -> bool:
    """Compare two spans of one length without leaving early, so that the loop is a vector one."""
    difference = np.uint8(0)
    for at in range(width):
        difference |= data[one + at] ^ data[other + at]
    return bool(difference == 0)


@numba.njit(nogil=True, cache=True)
def _encode_spans(
    records: Bytes, starts: Positions, ends: Positions, sides: int
) -> tuple[npt.NDArray[np.int32], Positions]:
    """Give each distinct span a code, in order of appearance; -1 for empty ones.

    Returns the codes and, per code, the first row that has it. Open addressing
    over a 64-bit hash; the table doubles when half full.
    """
    data = pointer(records)
    n = len(starts)
    codes = np.empty(n, np.int32)
    firsts = np.empty(max(n, 1), np.int64)
    count = 0
    mask = 255
    table = np.full(mask + 1, -1, np.int32)
    hashes = np.empty(max(n, 1), np.uint64)
    for i in range(n):
        start, end = trim_span(data, starts[i], ends[i], sides)
        if start == end:
            codes[i] = -1
            continue
        h = _hash_span(data, np.uint64(start), np.uint64(end - start))
        slot = np.int64(h & np.uint64(mask))
        while True:
            code = table[slot]
            if code < 0:
                break
            if hashes[code] == h:
                first = firsts[code]
                other, other_end = trim_span(data, starts[first], ends[first], sides)
                same = other_end - other == end - start and _equal_spans(
                    data, np.uint64(other), np.uint64(start), np.uint64(end - start)
                )
                if same:
                    break
            slot = (slot + 1) & mask
        if code < 0:
            code = np.int32(count)
            table[slot] = code
            firsts[count] = i
            hashes[count] = h
            count += 1
            if count * 2 > mask:
                mask = mask * 2 + 1
                table = np.full(mask + 1, -1, np.int32)
                for old in range(count):
                    slot = np.int64(hashes[old] & np.uint64(mask))
                    while table[slot] >= 0:
                        slot = (slot + 1) & mask
                    table[slot] = old
        codes[i] = code
    return codes, firsts[:count].copy()


def encode_packed(values: npt.NDArray[np.uint64]) -> pa.DictionaryArray:
    """Make a WORD column of texts of at most eight bytes, packed big-endian; 0 is null."""
    codes, words = _encode_packed(values)
    ends = np.arange(8, 8 * len(words) + 8, 8)
    widths = sum((words >> np.uint64(8 * byte) != 0).astype(np.int64) for byte in range(8))
    texts = words.astype(">u8").view(np.uint8)
    return words_from_codes(
        codes, gather(texts, ends - widths, ends, trim="none", encoding="latin-1")
    )


@numba.njit(nogil=True, cache=True)
def _encode_packed(
    values: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint64]]:
    """Give each distinct value a code, in order of appearance; -1 for zero."""
    n = len(values)
    codes = np.empty(n, np.int32)
    words = np.empty(max(n, 1), np.uint64)
    count = 0
    mask = np.uint64(1023)
    table = np.full(1024, -1, np.int32)
    for i in range(n):
        value = values[i]
        if value == 0:
            codes[i] = -1
            continue
        slot = ((value * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)) & mask
        while table[slot] >= 0 and words[table[slot]] != value:
            slot = (slot + np.uint64(1)) & mask
        code = table[slot]
        if code < 0:
            code = np.int32(count)
            table[slot] = code
            words[count] = value
            count += 1
            if np.uint64(count * 2) > mask:
                mask = mask * np.uint64(2) + np.uint64(1)
                table = np.full(np.int64(mask) + 1, -1, np.int32)
                for old in range(count):
                    slot = ((words[old] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)) & mask
                    while table[slot] >= 0:
                        slot = (slot + np.uint64(1)) & mask
                    table[slot] = old
        codes[i] = code
    return codes, words[:count].copy()
