"""Can two rows of a deck win the same call, and can each row win any?

Owns the checks over all rows at once. A tie between rows is a mistake at load,
never a choice while rating.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.deck_kernels import find_doubtful_pairs

SELECTORS = ("carrier", "trunk_group", "call_class", "subscriber")
ALWAYS_FROM = np.iinfo(np.int64).min
ALWAYS_UNTIL = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class DoubtfulRows:
    """Pairs of rows that could both win; `count` counts also those not listed.

    `identical[i]`: the rows of pair i have the same selectors, so the second
    repeats the first.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    identical: npt.NDArray[np.bool_]
    count: int


def find_doubtful_rows(deck: pa.Table, keys: npt.NDArray[np.int64], limit: int) -> DoubtfulRows:
    """Find rows of one prefix that could both win a call.

    Parameters
    ----------
    deck
        `RATE_DECK_SCHEMA`, any order, one chunk.
    keys
        Prefix of each row as a number: its digits behind a leading 1.
    limit
        So many pairs are listed.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    again = np.zeros(len(keys), dtype=bool)
    again[1:] = ordered[1:] == ordered[:-1]
    again[:-1] |= again[1:].copy()
    rows = order[again]
    selectors = np.empty((len(rows), len(SELECTORS)), dtype=np.int32)
    chosen = pa.array(rows)
    for index, name in enumerate(SELECTORS):
        selectors[:, index] = codes_of(deck.column(name).combine_chunks().take(chosen))
    starts = instants(deck.column("active_from").take(chosen), ALWAYS_FROM)
    ends = instants(deck.column("active_until").take(chosen), ALWAYS_UNTIL)
    group = keys[rows]
    set_count = (selectors >= 0).sum(axis=1).astype(np.int8)
    sort_keys: list[npt.NDArray[np.int64] | npt.NDArray[np.int32] | npt.NDArray[np.int8]]
    sort_keys = [starts, *(selectors[:, index] for index in range(len(SELECTORS)))]
    sort_keys += [set_count, group]
    sorted_rows = np.lexsort(sort_keys)
    first = np.empty(limit, dtype=np.int64)
    second = np.empty(limit, dtype=np.int64)
    count = find_doubtful_pairs(
        sorted_rows.astype(np.int64),
        group,
        selectors,
        set_count,
        starts,
        ends,
        first,
        second,
    )
    shown = min(int(count), limit)
    one, other = first[:shown], second[:shown]
    identical = (selectors[one] == selectors[other]).all(axis=1)
    low, high = np.minimum(rows[one], rows[other]), np.maximum(rows[one], rows[other])
    return DoubtfulRows(low, high, identical, int(count))


def find_shadowed_rows(deck: pa.Table, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find rows whose ten longer prefixes (0 to 9) take every longer number.

    Only rows without selectors and dates shadow others. Such a row still wins
    the number that is the bare prefix, so it is a warning.
    """
    plain = np.ones(len(keys), dtype=bool)
    for name in (*SELECTORS, "active_from", "active_until"):
        plain &= np.asarray(deck.column(name).is_null())
    ordered = np.unique(keys[plain])
    parents, counts = np.unique(ordered[ordered >= 10] // 10, return_counts=True)
    full = parents[(counts == 10) & (parents > 0)]
    return np.flatnonzero(np.isin(keys, full)) if len(full) else np.empty(0, dtype=np.int64)


def codes_of(column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Give the codes of a dictionary column; -1 = null."""
    filled = column.indices.fill_null(-1)
    return np.asarray(filled, dtype=np.int32)


def instants(column: pa.ChunkedArray, missing: int) -> npt.NDArray[np.int64]:
    """Give instants as milliseconds since 1970; `missing` where null."""
    return np.asarray(column.cast(pa.int64()).fill_null(missing), dtype=np.int64)
