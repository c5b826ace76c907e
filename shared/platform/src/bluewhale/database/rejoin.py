"""Legs that the join puts together but that are not in one live call.

Owns the marks, set in the transaction that stores a leg or a call, and the
reading of whole components for the re-join job. Does not own the join itself
(`bluewhale.merge`): what is followed here is its superset, keys with the widest
gap, so that a component is never cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa
from bluewhale.database import counters, facts, keys
from bluewhale.database.batch import RejoinWork
from bluewhale.database.engine import Transaction
from bluewhale.database.lookup import KeyEntry, Lookup

COMPONENT_LEGS_MAX = 100_000  # a component larger than this is cut; keys that wide are a fault


def mark(tx: Transaction, ids: Collection[bytes]) -> None:
    """Mark legs for re-join; a mark that stands is renewed."""
    if not ids:
        return
    stamp = counters.next_value(tx, "rejoin_stamp")
    tx.many(
        "INSERT INTO rejoin_mark VALUES (?, ?)"
        " ON CONFLICT (cdr_id) DO UPDATE SET stamp = excluded.stamp",
        [(i, stamp) for i in sorted(ids)],
    )


def clear(tx: Transaction, marks: Iterable[tuple[bytes, int]]) -> None:
    """Take marks away, except those renewed since they were read."""
    tx.many("DELETE FROM rejoin_mark WHERE cdr_id = ? AND stamp = ?", sorted(marks))


def apart(
    lookup: Lookup, touched: Collection[bytes], more: Collection[pa.Table] = ()
) -> set[bytes]:
    """Give those of `touched` that have a neighbour in another call or in none.

    `more`: touched legs as columns (`facts.NAMES`); of them only those are looked
    at that share a key with another stored leg.
    """
    ids = set(touched)
    legs = lookup.leg_facts(ids)
    wanted = {key for leg in legs.values() for key in leg.join_keys}
    for table in more:
        key, row = facts.entries(table)
        if not len(key):
            continue
        at = keys.integers(table.column("join_at"))[row]
        gap = int(keys.integers(table.column("join_gap_ms")).max())
        shared = lookup.shared_keys(key, (int(at.min()), int(at.max())), gap)
        if len(shared):
            wanted |= set(shared.tolist())
            rows = np.unique(row[np.isin(key, shared)])
            ids |= set(table.column("cdr_id").take(pa.array(rows)).to_pylist())
    if not wanted:
        return set()
    found: set[bytes] = set()
    entries = lookup.entries(wanted)
    owners = lookup.owners({e.cdr_id for e in entries})
    for group in _by_key(entries):
        gap = max(e.join_gap_ms for e in group)
        for a, b in pairwise(group):
            near = b.join_at - a.join_at <= gap
            if near and owners.get(a.cdr_id) != owners.get(b.cdr_id):
                found.update({a.cdr_id, b.cdr_id} & ids)
                if not {a.cdr_id, b.cdr_id} & ids:
                    found.add(a.cdr_id)
    return found


def apart_in_batch(
    entries: tuple[keys.Ints, keys.Ints, keys.Ints, keys.Ints], owner: keys.Ints
) -> keys.Ints:
    """Give rows of a batch that have a neighbour of the same batch in another call.

    `entries` as `segments.join_entries` gives them; `owner` is a number per row,
    equal for legs of one call.
    """
    key, at, gap, row = entries
    if len(key) < 2:
        return np.empty(0, np.int64)
    near = (key[1:] == key[:-1]) & (at[1:] - at[:-1] <= np.maximum(gap[1:], gap[:-1]))
    bad = near & (owner[row[1:]] != owner[row[:-1]])
    return np.unique(np.concatenate([row[1:][bad], row[:-1][bad]]))


def keys_elsewhere_but(
    lookup: Lookup, key: keys.Ints, join_at: keys.Ints, gap_ms: int, name: str
) -> keys.Bools:
    """Say which entries of a batch have their join key in a leg outside segment `name`.

    `key` ascending. Only segments whose times overlap are opened.
    """
    found = np.zeros(len(key), np.bool_)
    if not len(key):
        return found
    first, last = int(join_at.min()), int(join_at.max())
    found |= keys.isin_sorted(key, lookup.hot_keys(key))
    for segment in lookup.segments:
        if segment.joins is None or segment.name == name:
            continue
        reach = max(gap_ms, segment.joins[2])
        if segment.joins[0] - reach <= last and first <= segment.joins[1] + reach:
            found |= keys.isin_sorted(key, lookup.folder.index(segment).array("join_key"))
    return found


def _by_key(entries: Iterable[KeyEntry]) -> Iterable[list[KeyEntry]]:
    groups: dict[int, list[KeyEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.join_key, []).append(entry)
    for group in groups.values():
        yield sorted(group, key=lambda e: (e.join_at, e.cdr_id))


def component(lookup: Lookup, seeds: Collection[bytes]) -> set[bytes]:
    """Follow join keys from some legs to everything that can be joined with them."""
    done: set[bytes] = set()
    done_keys: set[int] = set()
    todo = set(seeds)
    while todo and len(done) < COMPONENT_LEGS_MAX:
        facts = lookup.leg_facts(todo)
        done |= facts.keys()
        wanted = {key for leg in facts.values() for key in leg.join_keys} - done_keys
        done_keys |= wanted
        todo = set()
        for group in _by_key(lookup.entries(wanted)):
            gap = max(e.join_gap_ms for e in group)
            breaks = [0]
            for at, (a, b) in enumerate(pairwise(group), start=1):
                if b.join_at - a.join_at > gap:
                    breaks.append(at)
            breaks.append(len(group))
            for first, after in pairwise(breaks):
                run = {e.cdr_id for e in group[first:after]}
                if run & done:
                    todo |= run - done
                else:  # another call that reuses the key, much later: look again if reached
                    done_keys.discard(group[0].join_key)
    return done


def _whole(
    lookup: Lookup, seeds: Collection[bytes], marks: tuple[tuple[bytes, int], ...]
) -> RejoinWork:
    """Give the components of some legs, and every live call that they touch as a whole."""
    found = component(lookup, seeds)
    while True:
        owners = lookup.owners(found)
        calls = lookup.calls(set(owners.values()))
        beside = {leg for call in calls.values() for leg in call.leg_ids} - found
        if not beside or len(found) >= COMPONENT_LEGS_MAX:
            break
        found = component(lookup, found | beside)
    legs: pa.Table = lookup.leg_table(found)
    ids = legs.column("cdr_id").to_pylist()
    return RejoinWork(legs, marks, tuple(owners.get(i) for i in ids))


def work(tx: Transaction, lookup: Lookup, limit: int) -> RejoinWork | None:
    """Give up to `limit` marked legs with all that is joined to them; None = nothing to do."""
    marks = tx.rows(
        "SELECT cdr_id, stamp FROM rejoin_mark ORDER BY stamp, cdr_id LIMIT ?", (limit,)
    )
    if not marks:
        return None
    return _whole(lookup, {m[0] for m in marks}, tuple((m[0], m[1]) for m in marks))


def orphans(tx: Transaction, lookup: Lookup, before_ms: int, limit: int) -> RejoinWork | None:
    """Give legs in no live call ingested up to `before_ms`, with all that is joined to them."""
    rows = tx.rows(
        "SELECT cdr_id FROM orphan WHERE ingested_at <= ? ORDER BY ingested_at, cdr_id LIMIT ?",
        (before_ms, limit),
    )
    if not rows:
        return None
    return _whole(lookup, {r[0] for r in rows}, ())
