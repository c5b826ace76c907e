"""The occurrence count `n` of equal records, for whole buffers.

Owns counting for files that are read in bulk, where all records are received
at one moment; `bluewhale.capture.OccurrenceCounter` counts on live links.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.engine.framing import Framed
from bluewhale.dialects.engine.spans import Bytes, Positions

GENERATION_RECORDS = 1 << 20


class OccurrenceCounts:
    """Count how often the same bytes came since the last date line of a file.

    Depends on the sequence of records alone, not on how the file is cut in
    chunks. Memory is bounded: at least the last 1,048,576 different records are
    remembered, at most twice as many (24 bytes each, half-filled tables).
    Records are compared by a 64-bit hash; in a file of ten million records two
    different ones meet with a probability of about 3 in a million.
    """

    def __init__(self, *, generation_records: int = GENERATION_RECORDS) -> None:
        self._generation_records = generation_records
        size = 2 * generation_records
        self._hashes = np.zeros((2, size), dtype=np.uint64)
        self._counts = np.zeros((2, size), dtype=np.int32)
        self._state = np.zeros(2, dtype=np.int64)  # records in the young generation, which is young

    def __call__(self, framed: Framed) -> npt.NDArray[np.int32]:
        """Give n >= 1 per record of the next buffer of the file."""
        out = np.empty(len(framed.starts), dtype=np.int32)
        edges = np.flatnonzero(np.diff(framed.date_lines, prepend=0)).tolist()
        first = 0
        for edge in [*edges, len(out)]:
            if edge > first:
                self._count(framed, out, first, edge)
            if edge < len(out):
                self._reset()
            first = edge
        if framed.date_lines_total > (framed.date_lines[-1] if len(out) else 0):
            self._reset()
        return out

    def _count(self, framed: Framed, out: npt.NDArray[np.int32], first: int, last: int) -> None:
        _count_rows(
            framed.data,
            framed.starts[first:last],
            framed.ends[first:last],
            self._hashes,
            self._counts,
            self._state,
            self._generation_records,
            out[first:last],
        )

    def _reset(self) -> None:
        self._counts[:] = 0
        self._state[0] = 0


def count_occurrences() -> OccurrenceCounts:
    """Begin counting for one file; call the result with each `Framed` in turn."""
    return OccurrenceCounts()


@numba.njit(nogil=True, cache=True)
def _count_rows(
    data: Bytes,
    starts: Positions,
    ends: Positions,
    hashes: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.int32],
    state: Positions,
    generation_records: int,
    out: npt.NDArray[np.int32],
) -> None:
    """Count rows against two generations of open-addressing tables."""
    mask = np.uint64(hashes.shape[1] - 1)
    for i in range(len(starts)):
        h = np.uint64(14695981039346656037)
        at = np.uint64(starts[i])
        end = np.uint64(ends[i])
        while at + np.uint64(8) <= end:
            word = np.uint64(0)
            for step in range(8):
                word |= np.uint64(data[at + np.uint64(step)]) << np.uint64(8 * step)
            h = (h ^ word) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(32)
            at += np.uint64(8)
        while at < end:
            h = (h ^ np.uint64(data[at])) * np.uint64(1099511628211)
            at += np.uint64(1)
        h = (h ^ np.uint64(ends[i] - starts[i])) * np.uint64(0xD6E8FEB86659FD93)
        h ^= h >> np.uint64(32)
        young = state[1]
        old = 1 - young
        slot = h & mask
        while counts[young, slot] and hashes[young, slot] != h:
            slot = (slot + np.uint64(1)) & mask
        if counts[young, slot] == 0:
            before = np.int32(0)
            other = h & mask
            while counts[old, other] and hashes[old, other] != h:
                other = (other + np.uint64(1)) & mask
            before = counts[old, other]
            if state[0] >= generation_records:
                counts[old, :] = 0
                state[1] = old
                state[0] = 0
                young = old
                slot = h & mask
            hashes[young, slot] = h
            counts[young, slot] = before
            state[0] += 1
        counts[young, slot] += np.int32(1)
        out[i] = counts[young, slot]
