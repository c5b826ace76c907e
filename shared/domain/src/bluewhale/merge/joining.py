"""Which legs belong together: connected components of a pure, symmetric rule.

Owns the join rule: two legs are joined when they share a join key and their
event times (`join_at`) are at most the smaller of their gaps (`join_gap_ms`)
apart. Never of arrival, of a window or of other legs; a call is a connected
component of it, so any order of arrival ends at the same calls. Does not own
the keys: a dialect says which facts of a leg become keys.

Source: the product's record rules, docs/reference/records.md, "Joining legs".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.merge.columns import NULL, int_values, whole
from bluewhale.records.enums import Flag

Ints = npt.NDArray[np.int64]

_TWO_CALLS = int(Flag.TWO_CALLS)
_SMALL_GROUP = 24  # insertion sort wins below this


def near(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two legs (rows of LEG_SCHEMA, times in ms) are joined directly.

    The scalar rule. A leg without keys or event time, or that a person declared
    to be a call of its own, joins nothing.
    """
    if one["join_at"] is None or other["join_at"] is None:
        return False
    if ((one["flags"] or 0) | (other["flags"] or 0)) & _TWO_CALLS:
        return False
    if not set(one["join_keys"] or ()) & set(other["join_keys"] or ()):
        return False
    gap = min(one["join_gap_ms"] or 0, other["join_gap_ms"] or 0)
    return bool(abs(one["join_at"] - other["join_at"]) <= gap)


def components_of_rows(legs: Sequence[Mapping[str, Any]]) -> list[int]:
    """Label each leg with the smallest row of its component; the scalar twin."""
    labels = list(range(len(legs)))
    for start in range(len(legs)):
        if labels[start] != start:
            continue
        todo = [start]
        while todo:
            row = todo.pop()
            for other in range(len(legs)):
                if labels[other] == other and other > start and near(legs[row], legs[other]):
                    labels[other] = start
                    todo.append(other)
    return labels


def components(legs: pa.Table) -> Ints:
    """Label each leg with the smallest row of its component.

    Parameters
    ----------
    legs: LEG_SCHEMA (of it: join_keys, join_at, join_gap_ms, flags), any order;
        not modified.

    Returns
    -------
    int64 array, one label per row; label <= row.

    Notes
    -----
    Keys are put into a hash table with a chain per key; only chains of two or
    more are sorted by time and swept. A neighbour with at least as wide a gap
    ends the sweep back: whatever is joined beyond it is joined to it as well.
    """
    count = legs.num_rows
    keys = whole(legs.column("join_keys"))
    offsets = np.asarray(keys.offsets.to_numpy(zero_copy_only=False)).astype(np.int64)
    first = int(offsets[0]) if len(offsets) else 0
    last = int(offsets[-1]) if len(offsets) else 0
    if count == 0 or first == last:
        return np.arange(count, dtype=np.int64)
    values = int_values(keys.values.slice(first, last - first))
    valid = keys.is_valid().to_numpy(zero_copy_only=False)
    return _label(
        _frozen(offsets - first),
        _frozen(np.asarray(valid)),
        _frozen(values),
        _frozen(int_values(legs.column("join_at"))),
        _frozen(int_values(legs.column("join_gap_ms"))),
        _frozen(int_values(legs.column("flags"))),
    )


def united(labels: Ints, calls: Sequence[bytes | None]) -> Ints:
    """Unite components that share a live call, since a call only grows.

    Parameters
    ----------
    labels: as `components` gives them; not modified.
    calls: per leg the call it is in; None = in none.

    Returns
    -------
    One label per row, the smallest row of its union.
    """
    first: dict[bytes, int] = {}
    pairs = [(first.setdefault(call, row), row) for row, call in enumerate(calls) if call]
    if len(first) == len(pairs):
        return labels  # no two legs share a call
    parent = labels.copy()
    for one, other in pairs:
        _unite(parent, one, other)
    return np.array([_find(parent, row) for row in range(len(parent))], np.int64)


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give a read-only view, so that a kernel has one specialisation."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@numba.njit(nogil=True, cache=True)
def _find(parent: Ints, row: int) -> int:
    """Give the root of a row, halving the path."""
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@numba.njit(nogil=True, cache=True)
def _unite(parent: Ints, one: int, other: int) -> None:
    """Put two components together under their smaller root."""
    a = _find(parent, one)
    b = _find(parent, other)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


@numba.njit(nogil=True, cache=True)
def _by_time(rows: Ints, at: Ints) -> Ints:
    """Sort the rows of one key by event time."""
    n = len(rows)
    if n > _SMALL_GROUP:
        times = np.empty(n, np.int64)
        for k in range(n):
            times[k] = at[rows[k]]
        return rows[np.argsort(times)]
    for k in range(1, n):
        row = rows[k]
        j = k - 1
        while j >= 0 and at[rows[j]] > at[row]:
            rows[j + 1] = rows[j]
            j -= 1
        rows[j + 1] = row
    return rows


@numba.njit(nogil=True, cache=True)
def _sweep(parent: Ints, rows: Ints, at: Ints, gap: Ints) -> None:
    """Unite the rows of one key, sorted by time, that are near each other."""
    for k in range(1, len(rows)):
        row = rows[k]
        mine = max(gap[row], 0)
        j = k - 1
        while j >= 0:
            other = rows[j]
            apart = at[row] - at[other]
            if apart > mine:
                break
            theirs = max(gap[other], 0)
            if apart <= theirs:
                _unite(parent, row, other)
                if theirs >= mine:
                    break
            j -= 1


@numba.njit(nogil=True, cache=True)
def _label(
    offsets: Ints,
    valid: npt.NDArray[np.bool_],
    keys: Ints,
    at: Ints,
    gap: Ints,
    flags: Ints,
) -> Ints:
    """Chain entries by key, sweep each chain, flatten the union-find."""
    n = len(offsets) - 1
    parent = np.arange(n)
    size = 16
    while size < 2 * len(keys):
        size *= 2
    mask = np.int64(size - 1)
    head = np.full(size, -1, np.int32)  # latest entry of the key that lives in this slot
    before = np.full(len(keys), -1, np.int32)  # the entry before, of the same key
    row_of = np.empty(len(keys), np.int32)
    shared = np.empty(len(keys), np.int64)  # slots that hold two entries or more
    n_shared = 0
    for row in range(n):
        if not valid[row] or at[row] == NULL or (flags[row] != NULL and flags[row] & _TWO_CALLS):
            continue
        for entry in range(offsets[row], offsets[row + 1]):
            key = keys[entry]
            row_of[entry] = row
            mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
            slot = np.int64(mixed >> np.uint64(32)) & mask
            while head[slot] >= 0 and keys[head[slot]] != key:
                slot = (slot + 1) & mask
            if head[slot] >= 0:
                if before[head[slot]] < 0:
                    shared[n_shared] = slot
                    n_shared += 1
                before[entry] = head[slot]
            head[slot] = entry
    for s in range(n_shared):
        length = 0
        entry = head[shared[s]]
        while entry >= 0:
            length += 1
            entry = before[entry]
        rows = np.empty(length, np.int64)
        entry = head[shared[s]]
        for k in range(length - 1, -1, -1):
            rows[k] = row_of[entry]
            entry = before[entry]
        _sweep(parent, _by_time(rows, at), at, gap)
    for row in range(n):
        parent[row] = _find(parent, row)
    return parent
