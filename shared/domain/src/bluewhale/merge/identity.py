"""Legs that come twice in one table: the same record heard by two units, or sent again.

Owns finding them; the first stays. That a repeated record is kept, counted and
listed as a duplicate is the database's part.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.merge.facts import id_bytes

Ints = npt.NDArray[np.int64]


def first_rows(cdr_ids: pa.ChunkedArray | pa.Array) -> Ints:
    """Give the first row of each id, ascending; all rows where no id repeats."""
    words = np.ascontiguousarray(id_bytes(cdr_ids)).view(np.uint64)
    words.flags.writeable = False
    return _first_rows(words)


@numba.njit(nogil=True, cache=True)
def _first_rows(words: npt.NDArray[np.uint64]) -> Ints:
    """Put ids into a hash table; an id already there is left out. Ids are hashes themselves."""
    n = len(words)
    size = 16
    while size < 2 * n:
        size *= 2
    mask = np.uint64(size - 1)
    table = np.full(size, -1, np.int32)
    first = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        mixed = (words[i, 0] ^ words[i, 1]) * np.uint64(0x9E3779B97F4A7C15)
        slot = (mixed >> np.uint64(32)) & mask
        while table[slot] >= 0:
            other = table[slot]
            if words[other, 0] == words[i, 0] and words[other, 1] == words[i, 1]:
                break
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            table[slot] = i
            first[count] = i
            count += 1
    return first[:count].copy()
