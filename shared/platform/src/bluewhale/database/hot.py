"""New hot rows, whole columns at a time: legs with their narrow rows, calls, charges, owners.

Owns which tables a new row has a place in. Rows go in sorted by their key, so
that indexes grow at one end and transactions side by side do not cross.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from bluewhale.database import keys, tables
from bluewhale.database.engine import Transaction
from bluewhale.database.postings import join_entries, number_postings

ROWS_OF_A_DAY = 100  # of one batch: then the day is worth room of its own
_SEEN = ["cdr_id", "stream_id", "incarnation", "seq", "record_crc"]


def days_of(legs: pa.Table) -> list[int]:
    """Give the days (since 1970-01-01) that many of these legs have; wrong dates are few."""
    high, _ = keys.id_words(legs.column("cdr_id"))
    days, counts = np.unique(high >> np.uint64(40), return_counts=True)
    return [int(d) for d in days[counts >= ROWS_OF_A_DAY]]


def insert_legs(tx: Transaction, legs: pa.Table) -> None:
    """Insert new legs, with their narrow and key rows."""
    high, low = keys.id_words(legs.column("cdr_id"))
    legs = legs.take(pa.array(keys.sort_words(high, low)))
    tx.put(tables.leg, legs)
    tx.put(tables.leg_seen, legs.select(_SEEN))
    key, at, gap, row = join_entries(legs)
    order = np.lexsort((row, at, key))  # the same key twice in one leg is one entry
    key, at, gap, row = key[order], at[order], gap[order], row[order]
    once = keys.run_starts(key, at, row)
    ids = keys.one_array(legs.column("cdr_id"))
    tx.put(
        tables.leg_key,
        pa.table(
            {
                "join_key": key[once],
                "join_at": at[once],
                "cdr_id": ids.take(pa.array(row[once])),
                "join_gap_ms": gap[once],
            }
        ),
    )


def insert_orphans(tx: Transaction, legs: pa.Table) -> None:
    """Note new legs that are in no call."""
    tx.put(
        tables.orphan,
        pa.table(
            {
                "cdr_id": legs.column("cdr_id"),
                "ingested_at": keys.integers(legs.column("ingested_at")),
            }
        ),
    )


def insert_calls(tx: Transaction, calls: pa.Table) -> None:
    """Insert live call versions with the postings of their numbers."""
    live = pa.array(np.ones(calls.num_rows, np.int32))
    tx.put(tables.call_version, calls.append_column("live", live))
    number, at = number_postings(calls)
    rows = pa.array(at)
    tx.put(
        tables.call_number,
        pa.table(
            {
                "number": number,
                "call_id": keys.one_array(calls.column("call_id")).take(rows),
                "version": keys.one_array(calls.column("version")).take(rows),
                "started_at": keys.one_array(calls.column("started_at")).take(rows),
            }
        ),
    )


def insert_charges(tx: Transaction, charges: pa.Table) -> None:
    """Insert ledger entries."""
    tx.put(tables.charge, charges)


def insert_owners(tx: Transaction, cdr_ids: pa.Array, call_ids: pa.Array) -> None:
    """Say in which call legs are that were in none."""
    high, low = keys.id_words(cdr_ids)
    order = pa.array(keys.sort_words(high, low))
    tx.put(
        tables.leg_owner,
        pa.table({"cdr_id": cdr_ids.take(order), "call_id": call_ids.take(order)}),
    )
