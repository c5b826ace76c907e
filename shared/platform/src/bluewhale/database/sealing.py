"""Hot rows into sealed segments: the offline part of the main database.

A row is either hot or in exactly one live segment. Rows are read and the files
written without any lock on writers; then, in one transaction that runs alone,
the manifest row goes in and the hot rows go out. It gives up unless rows deleted
= rows in the files, so a call that grew meanwhile stays hot. Older versions of a
call and its reversals stay hot: they are few, and sealed rows are live ones.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from bluewhale.database import keys, ledger, tables
from bluewhale.database.columns import rows_table
from bluewhale.database.commit import make_live
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import StoreCorruptError
from bluewhale.database.lookup import CALL_COLUMNS, CHARGE_COLUMNS, LEG_COLUMNS
from bluewhale.database.postings import Rows, join_entries, number_postings
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import SegmentFolder
from bluewhale.records.schemas import CHARGE_SCHEMA, LEG_SCHEMA

_READ_ROWS = 5_000  # rows held as objects at a time; columns are a tenth of that


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one sealing moved; `segment` is empty where nothing was old enough."""

    segment: str
    legs: int
    calls: int
    charges: int


NOTHING = Sealed("", 0, 0, 0)


def choose(tx: Transaction, *, before_ms: int, limit: int) -> Rows | None:
    """Read up to `limit` live calls whose legs were all ingested before `before_ms`."""
    calls = rows_table(
        tx.rows(
            f"SELECT {CALL_COLUMNS} FROM call_version c WHERE c.live = 1 AND NOT EXISTS"
            " (SELECT 1 FROM leg_owner o JOIN leg l ON l.cdr_id = o.cdr_id"
            "  WHERE o.cdr_id = c.call_id AND l.ingested_at >= ?)"
            " ORDER BY c.started_at, c.call_id LIMIT ?",
            (before_ms, limit),
        ),
        STORED_CALL_SCHEMA,
    )
    legs, leg_call = _legs(tx, calls)
    late = np.unique(leg_call[keys.integers(legs.column("ingested_at")) >= before_ms])
    if len(late):
        kept = np.ones(calls.num_rows, np.bool_)
        kept[late] = False
        place = np.cumsum(kept) - 1
        mine = kept[leg_call]
        calls, legs = calls.filter(pa.array(kept)), legs.filter(pa.array(mine))
        leg_call = place[leg_call[mine]]
    if not calls.num_rows:
        return None
    charges = _charges(tx, calls)
    places = ledger.charge_places(calls, charges)
    return Rows(legs, leg_call.astype(np.uint32), calls, charges, places)


def _read(tx: Transaction, sql: str, ids: Collection[bytes], schema: pa.Schema) -> pa.Table:
    listed = list(ids)
    parts = [
        rows_table(tx.rows_in(sql, listed[at : at + _READ_ROWS]), schema)
        for at in range(0, len(listed), _READ_ROWS)
    ]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _legs(tx: Transaction, calls: pa.Table) -> tuple[pa.Table, keys.Ints]:
    """Read the hot legs of calls, and the call row of each."""
    lists = keys.one_array(calls.column("leg_ids"))
    flat = lists.flatten()
    sql = f"SELECT {LEG_COLUMNS} FROM leg WHERE cdr_id IN ({{marks}})"
    legs = _read(tx, sql, flat.to_pylist(), LEG_SCHEMA)
    of = np.repeat(np.arange(len(lists)), keys.integers(lists.value_lengths()))
    high, low = keys.id_words(flat)
    order = keys.sort_words(high, low)
    at = keys.find_words(high[order], low[order], *keys.id_words(legs.column("cdr_id")))
    return legs, of[order[at]] if len(order) else np.empty(0, np.int64)


def _charges(tx: Transaction, calls: pa.Table) -> pa.Table:
    """Read the charges of these call versions, in the order of the calls."""
    sql = f"SELECT {CHARGE_COLUMNS} FROM charge WHERE entry = 'charge' AND call_id IN ({{marks}})"
    charges = _read(tx, sql, calls.column("call_id").to_pylist(), CHARGE_SCHEMA)
    row = ledger.call_rows(calls, charges)
    version = keys.integers(calls.column("version"))
    mine = np.flatnonzero(keys.integers(charges.column("call_version")) == version[row])
    return charges.take(pa.array(mine[np.argsort(row[mine], kind="stable")]))


def move(tx: Transaction, folder: SegmentFolder, rows: Rows, entry: dict[str, Any]) -> bool:
    """Make written files live and delete their hot rows; False = a call changed meanwhile.

    Raises
    ------
    StoreCorruptError
        The rows of unchanged calls are not those that were read.
    """
    call_ids = rows.calls.column("call_id")
    versions = rows.calls.column("version")
    stored = tx.rows_in(
        "SELECT call_id, version FROM call_version WHERE +live = 1 AND call_id IN ({marks})",
        call_ids.to_pylist(),
    )
    if set(stored) != set(zip(call_ids.to_pylist(), versions.to_pylist(), strict=True)):
        return False
    make_live(tx, folder, rows.legs, entry)
    leg_ids = rows.legs.select(["cdr_id"])
    key, at, _, row = join_entries(rows.legs)
    number, of_call = number_postings(rows.calls)
    _delete(tx, tables.leg, leg_ids, leg_ids.num_rows)
    _delete(tx, tables.leg_seen, leg_ids, leg_ids.num_rows)
    # Legs sealed here are owned by a call sealed here: the segment says so itself.
    _delete(tx, tables.leg_owner, leg_ids, leg_ids.num_rows)
    ids = keys.one_array(leg_ids.column("cdr_id"))
    entries = pa.table({"join_key": key, "join_at": at, "cdr_id": ids.take(pa.array(row))})
    _delete(tx, tables.leg_key, entries, None)
    live = pa.array(np.ones(rows.calls.num_rows, np.int32))
    gone = pa.table({"call_id": call_ids, "version": versions, "live": live})
    _delete(tx, tables.call_version, gone, rows.calls.num_rows)
    charge_ids = rows.charges.select(["charge_id"])
    _delete(tx, tables.charge, charge_ids, charge_ids.num_rows)
    of = pa.array(of_call)
    numbers = pa.table(
        {
            "number": number,
            "call_id": keys.one_array(call_ids).take(of),
            "version": keys.one_array(versions).take(of),
        }
    )
    _delete(tx, tables.call_number, numbers, None)
    return True


def _delete(tx: Transaction, table: Any, rows: pa.Table, expected: int | None) -> None:
    gone = tx.delete(table, rows)
    if expected is not None and gone != expected:
        raise StoreCorruptError(
            f"sealing took {gone} rows out of {table.name} but wrote {expected};"
            " nothing was changed"
        )
