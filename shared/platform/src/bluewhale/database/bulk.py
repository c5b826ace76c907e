"""Bulk batches: what of a batch can be sealed at once, written before the transaction.

A segment's files take far longer than its bookkeeping, so they are written
first, by any thread and without the write lock; the transaction then only
checks that every leg is new, as hoped, and inserts the manifest row. Owns the
sealable part of a batch and its files until they are live. Does not own the
checks or the transaction (`commit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from bluewhale.database import keys, ledger
from bluewhale.database.batch import Batch
from bluewhale.database.decisions import stored_calls
from bluewhale.database.lookup import Lookup
from bluewhale.database.postings import Rows, join_entries
from bluewhale.database.segments import SegmentFolder
from bluewhale.database.streams import Gate, record_keys
from bluewhale.records.batches import Proposals
from bluewhale.records.schemas import CALL_SCHEMA, CHARGE_SCHEMA

JoinEntries = tuple[keys.Ints, keys.Ints, keys.Ints, keys.Ints]


@dataclass(frozen=True, slots=True)
class Sealable:
    """New legs and the calls made of them alone.

    `rest`: proposals that need a decision instead; None = there are no
    proposals. `rated`: per call of `rows`, whether it has all prices.
    """

    rows: Rows
    rest: keys.Bools | None
    rated: keys.Bools
    joins: JoinEntries


@dataclass(slots=True)
class Prepared:
    """A batch whose segment files are written, but not live.

    `entry` is None where the batch is not all new: the transaction will seal
    what is. Give it to `Store.commit_prepared` or `Store.discard`.
    """

    batch: Batch
    sealable: Sealable | None = None
    entry: dict[str, Any] | None = None
    without: frozenset[str] = frozenset()  # segments that hold none of its legs


def sealable(legs: pa.Table, proposals: Proposals | None) -> Sealable:
    """Give what can be sealed of new legs and the proposals that came with them."""
    rest: keys.Bools | None = None
    leg_call = np.full(legs.num_rows, keys.NO_ROW, np.uint32)
    calls, charges = CALL_SCHEMA.empty_table(), CHARGE_SCHEMA.empty_table()
    if proposals is not None and proposals.calls.num_rows and proposals.rerates is None:
        calls, charges = proposals.calls, proposals.charges
        leg_call, own = _own_calls(legs, proposals)
        rest = ~own
        if not bool(own.all()):
            place = np.full(len(own) + 1, keys.NO_ROW, np.uint32)
            place[np.flatnonzero(own)] = np.arange(int(own.sum()), dtype=np.uint32)
            leg_call = place[np.minimum(leg_call, len(own))]
            calls = calls.filter(pa.array(own))
            charges = charges.filter(pa.array(ledger.call_rows(calls, charges) >= 0))
    places = ledger.charge_places(calls, charges)
    sums = ledger.totals(charges, places)
    rows = Rows(legs, leg_call, stored_calls(calls, sums), charges, places)
    return Sealable(rows, rest, ledger.all_rated(sums), join_entries(legs))


def _own_calls(legs: pa.Table, proposals: Proposals) -> tuple[keys.Rows, keys.Bools]:
    """Give per leg its call row, and per call whether it is of new legs of this batch alone."""
    count = proposals.calls.num_rows
    members = proposals.members
    call_row = keys.integers(members.column("call_row"))
    high, low = keys.id_words(legs.column("cdr_id"))
    want_high, want_low = keys.id_words(members.column("cdr_id"))
    if len(high) == len(want_high) and bool(np.all(high == want_high) and np.all(low == want_low)):
        at = np.arange(len(high))
    else:
        order = keys.sort_words(high, low)
        found = keys.find_words(high[order], low[order], want_high, want_low)
        at = np.where(found >= 0, order[np.maximum(found, 0)], -1)
    good = at >= 0
    for name in ("stream_id", "incarnation", "seq"):
        mine = keys.integers(legs.column(name))
        good &= mine[np.maximum(at, 0)] == keys.integers(members.column(name))
    times = np.bincount(at[at >= 0], minlength=legs.num_rows)
    good &= times[np.maximum(at, 0)] <= 1
    own = np.ones(count, np.bool_)
    own[call_row[~good]] = False
    own &= np.bincount(call_row, minlength=count) > 0
    leg_call = np.full(legs.num_rows, keys.NO_ROW, np.uint32)
    kept = good & own[call_row]
    leg_call[at[kept]] = call_row[kept]
    return leg_call, own


def all_new(lookup: Lookup, batch: Batch) -> bool:
    """Say whether no record of the batch is stored yet and no two legs share an id."""
    assert batch.legs is not None
    tables = [t for t in (batch.legs, batch.rejects) if t is not None]
    if bool(np.any(Gate(lookup.tx, lookup).judge(record_keys(tables)))):
        return False
    high, low = keys.id_words(batch.legs.column("cdr_id"))
    order = keys.sort_words(high, low)
    high, low = high[order], low[order]
    if bool(np.any((high[1:] == high[:-1]) & (low[1:] == low[:-1]))):
        return False
    return not bool(lookup.known(high, low).any())


def write(prepared: Prepared, folder: SegmentFolder, *, threads: int) -> None:
    """Write the segment files of a batch that is all new; they are kept from the sweep.

    Raises
    ------
    StoreFullError
        No space left; what was written is removed.
    """
    batch = prepared.batch
    assert batch.legs is not None
    prepared.sealable = sealable(batch.legs, batch.proposals)
    folder.hold()
    try:
        prepared.entry = folder.write(
            prepared.sealable.rows, generation=0, sealed_at_ms=batch.now_ms, threads=threads
        )
    except BaseException:
        folder.release()
        raise


def finish(prepared: Prepared, folder: SegmentFolder, *, live: bool) -> None:
    """End the life of prepared files: they are live now, or they go."""
    if prepared.entry is None:
        return
    if not live:
        folder.remove(prepared.entry["name"])
    prepared.entry = None
    prepared.sealable = None
    folder.release()
