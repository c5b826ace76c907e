"""The CRC-32 of journaled records, for a whole batch at once.

Owns the columnar twin of `bluewhale.capture.record_crc` and nothing else.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.engine.spans import Bytes, Positions

_POLYNOMIAL = 0xEDB88320
_SLICES = 16


def _tables() -> npt.NDArray[np.uint32]:
    """Make the tables of slicing-by-16: row k advances a byte by k more zero bytes."""
    tables = np.zeros((_SLICES, 256), np.uint32)
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        tables[0, byte] = crc
    for row in range(1, _SLICES):
        before = tables[row - 1]
        tables[row] = tables[0][before & 255] ^ (before >> 8)
    return tables


_TABLES = _tables()


@numba.njit(nogil=True, cache=True)
def _advance(
    t: npt.NDArray[np.uint32], crc: np.uint32, data: Bytes, first: int, last: int
) -> np.uint32:
    """Feed data[first:last] into an inverted CRC, sixteen bytes a step."""
    at = np.uint64(first)  # unsigned: no check for negative indices in the loop
    end = np.uint64(last)
    while at + np.uint64(16) <= end:
        crc = (
            t[15, data[at] ^ (crc & np.uint32(255))]
            ^ t[14, data[at + np.uint64(1)] ^ ((crc >> np.uint32(8)) & np.uint32(255))]
            ^ t[13, data[at + np.uint64(2)] ^ ((crc >> np.uint32(16)) & np.uint32(255))]
            ^ t[12, data[at + np.uint64(3)] ^ (crc >> np.uint32(24))]
            ^ t[11, data[at + np.uint64(4)]]
            ^ t[10, data[at + np.uint64(5)]]
            ^ t[9, data[at + np.uint64(6)]]
            ^ t[8, data[at + np.uint64(7)]]
            ^ t[7, data[at + np.uint64(8)]]
            ^ t[6, data[at + np.uint64(9)]]
            ^ t[5, data[at + np.uint64(10)]]
            ^ t[4, data[at + np.uint64(11)]]
            ^ t[3, data[at + np.uint64(12)]]
            ^ t[2, data[at + np.uint64(13)]]
            ^ t[1, data[at + np.uint64(14)]]
            ^ t[0, data[at + np.uint64(15)]]
        )
        at += np.uint64(16)
    while at < end:
        crc = t[0, (crc ^ np.uint32(data[at])) & np.uint32(255)] ^ (crc >> np.uint32(8))
        at += np.uint64(1)
    return crc


@numba.njit(nogil=True, cache=True)
def _crc_rows(
    t: npt.NDArray[np.uint32],
    data: Bytes,
    starts: Positions,
    ends: Positions,
    heads: Bytes,
) -> npt.NDArray[np.int64]:
    """CRC of each span followed by its row of the 20-byte heads."""
    n = len(starts)
    out = np.empty(n, np.int64)
    for i in range(n):
        crc = _advance(t, np.uint32(0xFFFFFFFF), data, starts[i], ends[i])
        crc = _advance(t, crc, heads, i * 20, i * 20 + 20)
        out[i] = np.int64(crc ^ np.uint32(0xFFFFFFFF))
    return out


def record_crcs(
    data: Bytes,
    starts: Positions,
    ends: Positions,
    *,
    n: npt.NDArray[np.int32],
    connection: npt.NDArray[np.int64],
    received_at_ms: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Give the CRC-32 per record, equal to `capture.record_crc` row by row."""
    heads = np.empty(
        len(starts), dtype=[("connection", "<i8"), ("n", "<i4"), ("received_at_ms", "<i8")]
    )
    heads["connection"] = connection
    heads["n"] = n
    heads["received_at_ms"] = received_at_ms
    return _crc_rows(_TABLES, data, starts, ends, heads.view(np.uint8))
