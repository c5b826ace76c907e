"""Ids of legs, calls and charges, and join keys: named algorithms, stable for ever.

Owns `leg-id/1`, `join-key/1`, `charge-id/1` and the text form of an id. Each
exists twice: over columns (a Numba kernel) and as an obvious scalar twin (the
`xxhash` library). The published vectors are docs/reference/identity.md. Does
not own what is hashed: a dialect says where day and native key stand.

>>> id_text(leg_id(pbx_uid="berlin", day=20_000, raw=b"1200 005 9 0302312500", n=1))
'abhcavbyv7wkd25s7x55pf5pxu'
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from bluewhale.records.exceptions import IdTextError
from bluewhale.records.memory import pointer, read64, swap64, write64
from bluewhale.records.xxh3 import SECRET, xxh3_128
from numba import njit

ID_BYTES = 16
ID_TEXT_LENGTH = 26
_DAY_MASK = 0xFFFFFF  # 3 bytes; a day before 1970 wraps, it still is one fixed value
_RULE_RAW = ord("R")
_RULE_NATIVE = ord("N")
_RULE_JOIN = ord("J")
_BYTE = np.uint64(8)
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = np.frombuffer(bytes(x for a in _LETTERS for b in _LETTERS for x in (a, b)), np.uint16)
_TEN_BITS = np.uint64(1023)

Bytes = npt.NDArray[np.uint8]
Spans = tuple[Bytes, npt.NDArray[np.int64], npt.NDArray[np.int64]]


# --- scalar twins -----------------------------------------------------------------------


def leg_id(
    *, pbx_uid: str, day: int, raw: bytes = b"", n: int = 0, native: str | None = None
) -> bytes:
    """Give the 16-byte id of one leg by `leg-id/1`.

    Parameters
    ----------
    pbx_uid
        The PBX that printed the record.
    day
        Civil day as printed, in days since 1970-01-01.
    raw
        The record as framed; used when there is no native key.
    n
        How often these bytes came on the connection since its last date line;
        counts for the raw rule only.
    native
        The PBX's own key of the record, or None.
    """
    rule, text, count = (b"R", raw, n) if native is None else (b"N", native.encode(), 0)
    day_bytes = (day & _DAY_MASK).to_bytes(3, "big")
    block = (
        rule
        + xxhash.xxh3_64_digest(pbx_uid.encode())
        + xxhash.xxh3_128_digest(text)
        + day_bytes
        + struct.pack(">I", count & 0xFFFFFFFF)
    )
    return day_bytes + xxhash.xxh3_128_digest(block)[:13]


def join_key(kind: str, pbx_uid: str, text: str) -> int:
    """Give the 63-bit key by `join-key/1`; legs that share one may be one call.

    `kind` separates name spaces ("global_call_id", "trunk"); `pbx_uid` is empty
    for keys that hold across PBXs.
    """
    block = (
        b"J"
        + xxhash.xxh3_64_digest(f"{kind}\0{pbx_uid}".encode())
        + xxhash.xxh3_128_digest(text.encode())
        + bytes(7)
    )
    return int.from_bytes(xxhash.xxh3_128_digest(block)[:8], "big") >> 1


def charge_id(
    *, call_id: bytes, call_version: int, span: int, price_list: str, entry: str
) -> bytes:
    """Give the 16-byte id of one ledger entry by `charge-id/1`; day = day of the call id."""
    block = (
        call_id
        + struct.pack(">II", call_version & 0xFFFFFFFF, span & 0xFFFFFFFF)
        + xxhash.xxh3_64_digest(f"{price_list}\0{entry}".encode())
    )
    return call_id[:3] + xxhash.xxh3_128_digest(block)[:13]


def id_text(value: bytes) -> str:
    """Give the 26-character text of an id: RFC 4648 base32, lower case, no padding.

    The order of texts is not the order of bytes: sort by the bytes.
    """
    assert len(value) == ID_BYTES, "an id has 16 bytes"
    return base64.b32encode(value).decode().rstrip("=").lower()


def parse_id_text(text: str) -> bytes:
    """Give the id that a text stands for; case does not matter.

    Raises
    ------
    IdTextError
        The text is not 26 characters of a-z and 2-7, or its last character has
        bits that no id has.
    """
    cleaned = text.strip().lower()
    if len(cleaned) != ID_TEXT_LENGTH:
        raise IdTextError(
            f"an id has {ID_TEXT_LENGTH} characters, this has {len(cleaned)}: {text!r}"
        )
    try:
        value = base64.b32decode(cleaned.upper() + "======")
    except ValueError as error:
        raise IdTextError(f"an id is written with a-z and 2-7 only: {text!r}") from error
    if id_text(value) != cleaned:
        raise IdTextError(f"no id ends like this, a character is wrong: {text!r}")
    return value


def id_day(value: bytes) -> int:
    """Give the day (since 1970-01-01) that an id begins with."""
    return int.from_bytes(value[:3], "big")


# --- columns ----------------------------------------------------------------------------


@njit(nogil=True, cache=True, inline="always")
def _put_id(out: Any, at: Any, day: Any, low: Any, high: Any) -> None:
    """Write day (3 bytes) and the first 13 bytes of a hash, big endian."""
    write64(out, at, swap64((day << np.uint64(40)) | (high >> np.uint64(24))))
    write64(out, at + 8, swap64((high << np.uint64(40)) | (low >> np.uint64(24))))


@njit(nogil=True, cache=True, inline="always")
def _put_block(block: Any, rule: Any, space: Any, low: Any, high: Any, tail: Any) -> None:
    """Write the 32 bytes of the second hash: 1 rule, 8 space, 16 hash, 7 tail, big endian.

    Whole aligned words, as the hash reads them back: parts would have to wait.
    """
    last = np.uint64(56)
    write64(block, 0, swap64((rule << last) | (space >> _BYTE)))
    write64(block, 8, swap64((space << last) | (high >> _BYTE)))
    write64(block, 16, swap64((high << last) | (low >> _BYTE)))
    write64(block, 24, swap64((low << last) | tail))


@njit(nogil=True, cache=True)
def _leg_kernel(
    out: Any,
    pbx_hash: Any,
    day: Any,
    count: Any,
    raw_bytes: Any,
    raw_starts: Any,
    raw_ends: Any,
    native_bytes: Any,
    native_offsets: Any,
    native_valid: Any,
    secret_bytes: Any,
    scratch: Any,
) -> None:
    raw, native, secret = pointer(raw_bytes), pointer(native_bytes), pointer(secret_bytes)
    block, acc = pointer(scratch[0]), pointer(scratch[1])
    for row in range(len(day)):
        day_word = np.uint64(day[row]) & np.uint64(_DAY_MASK)
        tail = day_word << np.uint64(32)
        if native_valid[row]:
            rule = np.uint64(_RULE_NATIVE)
            low, high = xxh3_128(native, native_offsets[row], native_offsets[row + 1], secret, acc)
        else:
            rule = np.uint64(_RULE_RAW)
            tail |= np.uint64(count[row]) & np.uint64(0xFFFFFFFF)
            low, high = xxh3_128(raw, raw_starts[row], raw_ends[row], secret, acc)
        _put_block(block, rule, pbx_hash, low, high, tail)
        low, high = xxh3_128(block, 0, 32, secret, acc)
        _put_id(out, 16 * row, day_word, low, high)


@njit(nogil=True, cache=True)
def _join_kernel(
    out: Any, space: Any, text: Any, offsets: Any, secret_bytes: Any, scratch: Any
) -> None:
    data, secret = pointer(text), pointer(secret_bytes)
    block, acc = pointer(scratch[0]), pointer(scratch[1])
    for row in range(len(out)):
        low, high = xxh3_128(data, offsets[row], offsets[row + 1], secret, acc)
        _put_block(block, np.uint64(_RULE_JOIN), space, low, high, np.uint64(0))
        low, high = xxh3_128(block, 0, 32, secret, acc)
        out[row] = np.int64(high >> np.uint64(1))


@njit(nogil=True, cache=True)
def _charge_kernel(
    out: Any,
    call_ids: Any,
    version: Any,
    span: Any,
    space: Any,
    secret_bytes: Any,
    scratch: Any,
) -> None:
    secret = pointer(secret_bytes)
    block, acc = pointer(scratch[0]), pointer(scratch[1])
    write64(block, 24, swap64(space))
    half = np.uint64(32)
    mask = np.uint64(0xFFFFFFFF)
    for row in range(len(version)):
        first = read64(call_ids, 16 * row)
        write64(block, 0, first)
        write64(block, 8, read64(call_ids, 16 * row + 8))
        counts = (np.uint64(version[row]) << half) | (np.uint64(span[row]) & mask)
        write64(block, 16, swap64(counts))
        low, high = xxh3_128(block, 0, 32, secret, acc)
        _put_id(out, 16 * row, swap64(first) >> np.uint64(40), low, high)


def _scratch() -> npt.NDArray[np.uint64]:
    """Give the kernels room for the block of the second hash, and for the hash itself."""
    return np.zeros((2, 8), np.uint64)


def _one_array(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _frozen(values: Any, dtype: Any) -> Any:
    """Give a read-only view: a kernel is then compiled for one type only."""
    view = np.ascontiguousarray(values, dtype=dtype).view()
    view.flags.writeable = False
    return view


def text_buffers(
    texts: Any,
) -> tuple[Bytes, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Give (bytes, offsets, valid) of a string column without copying its bytes.

    Row i is `bytes[offsets[i]:offsets[i + 1]]`; a null row is empty. Takes
    string, large_string, binary and large_binary, chunked or not.
    """
    array = _one_array(texts)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        array = array.cast(pa.string())
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    assert wide or pa.types.is_string(array.type) or pa.types.is_binary(array.type), array.type
    count = len(array)
    _, offsets_buffer, data_buffer = array.buffers()
    kind: Any = np.int64 if wide else np.int32
    if offsets_buffer is None or offsets_buffer.size == 0:
        offsets = np.zeros(count + 1, np.int64)
    else:
        window = np.frombuffer(offsets_buffer, kind)[array.offset : array.offset + count + 1]
        offsets = window.astype(np.int64, copy=False)
    data = (
        np.zeros(1, np.uint8)
        if data_buffer is None or data_buffer.size == 0
        else np.frombuffer(data_buffer, np.uint8)
    )
    if array.null_count == 0:
        valid = np.ones(count, np.bool_)
    else:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
    return data, offsets, valid


def id_matrix(ids: Any) -> Bytes:
    """Give a column of ids as a (rows, 16) byte matrix; nulls are whatever stands there."""
    array = _one_array(ids)
    count = len(array)
    if count == 0:
        return np.zeros((0, ID_BYTES), np.uint8)
    whole = np.frombuffer(array.buffers()[1], np.uint8)
    first = array.offset * ID_BYTES
    return whole[first : first + count * ID_BYTES].reshape(count, ID_BYTES)


def ids_from_matrix(matrix: Bytes) -> Any:
    """Give the id column of a (rows, 16) byte matrix."""
    data = np.ascontiguousarray(matrix)
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(ID_BYTES), len(data), [None, pa.py_buffer(data)]
    )


def id_texts(ids: Any) -> Any:
    """Give the texts of a column of ids, as `id_text` says them; nulls stay."""
    array = _one_array(ids)
    words = np.ascontiguousarray(id_matrix(array)).view(">u8").astype(np.uint64)
    high, low = words[:, 0], words[:, 1]
    letters = np.empty((len(words), ID_TEXT_LENGTH // 2), np.uint16)
    for pair in range(6):
        letters[:, pair] = _PAIRS[high >> np.uint64(54 - 10 * pair) & _TEN_BITS]
    letters[:, 6] = _PAIRS[(high << np.uint64(6) | low >> np.uint64(58)) & _TEN_BITS]
    for pair in range(5):
        letters[:, 7 + pair] = _PAIRS[low >> np.uint64(48 - 10 * pair) & _TEN_BITS]
    letters[:, 12] = _PAIRS[low << np.uint64(2) & _TEN_BITS]
    offsets = np.arange(len(words) + 1, dtype=np.int32) * np.int32(ID_TEXT_LENGTH)
    valid = np.packbits(np.asarray(array.is_valid()), bitorder="little")
    buffers = [pa.py_buffer(x) for x in (valid, offsets, letters.reshape(-1))]
    return pa.StringArray.from_buffers(len(words), buffers[1], buffers[2], buffers[0])


def leg_ids(
    *,
    pbx_uid: str,
    day: npt.NDArray[np.int32],
    raw: Spans | None = None,
    native: Any = None,
    n: npt.NDArray[np.int32] | None = None,
) -> Any:
    """Give the ids of many legs of one PBX by `leg-id/1`.

    Parameters
    ----------
    pbx_uid
        The PBX of all rows.
    day
        Civil day as printed, one per row, days since 1970-01-01.
    raw
        (data, starts, ends): row i is `data[starts[i]:ends[i]]`. May be None
        only if every row has a native key.
    native
        String column; a row that is null uses the raw rule. None = all do.
    n
        Occurrence counts; needed by the raw rule. None = 0.

    Returns
    -------
    FixedSizeBinaryArray(16), in the order of the input, no nulls.
    """
    rows = len(day)
    out = np.empty((rows, ID_BYTES), np.uint8)
    if raw is None:
        assert native is not None, "rows need raw bytes or a native key"
        nothing = np.zeros(rows, np.int64)
        raw = (np.zeros(1, np.uint8), nothing, nothing)
    if native is None:
        data, offsets = np.zeros(1, np.uint8), np.zeros(rows + 1, np.int64)
        valid = np.zeros(rows, np.bool_)
    else:
        data, offsets, valid = text_buffers(native)
    counts = np.zeros(rows, np.int32) if n is None else n
    assert len(raw[1]) == len(raw[2]) == len(valid) == len(counts) == rows
    _leg_kernel(
        out.reshape(-1),
        np.uint64(xxhash.xxh3_64_intdigest(pbx_uid.encode())),
        _frozen(day, np.int32),
        _frozen(counts, np.int32),
        _frozen(raw[0], np.uint8),
        _frozen(raw[1], np.int64),
        _frozen(raw[2], np.int64),
        _frozen(data, np.uint8),
        _frozen(offsets, np.int64),
        valid,
        SECRET,
        _scratch(),
    )
    return ids_from_matrix(out)


def join_keys_column(
    kind: str, pbx_uid: str, texts: Any
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Give (keys, valid) by `join-key/1`; a null text has key 0 and is not valid."""
    data, offsets, valid = text_buffers(texts)
    out = np.empty(len(valid), np.int64)
    space = np.uint64(xxhash.xxh3_64_intdigest(f"{kind}\0{pbx_uid}".encode()))
    _join_kernel(
        out, space, _frozen(data, np.uint8), _frozen(offsets, np.int64), SECRET, _scratch()
    )
    out[~valid] = 0
    return out, valid


def charge_ids(
    call_id: Any,
    call_version: npt.NDArray[np.int32],
    span: npt.NDArray[np.int32],
    price_list: str,
    entry: str,
) -> Any:
    """Give the ids of many ledger entries of one price list by `charge-id/1`.

    `call_id` is an id column without nulls; order is kept.
    """
    matrix = id_matrix(call_id)
    out = np.empty((len(matrix), ID_BYTES), np.uint8)
    space = np.uint64(xxhash.xxh3_64_intdigest(f"{price_list}\0{entry}".encode()))
    _charge_kernel(
        out.reshape(-1),
        _frozen(matrix, np.uint8).reshape(-1),
        _frozen(call_version, np.int32),
        _frozen(span, np.int32),
        space,
        SECRET,
        _scratch(),
    )
    return ids_from_matrix(out)
