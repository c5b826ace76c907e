"""Hot rows into sealed segments: the offline part of the main database.

A row is either hot or in exactly one live segment. The file is written first,
then, in one transaction, the manifest row goes in and the hot rows go out; it
rolls back unless rows deleted = rows in the file. Older versions of a call and
its reversals stay hot: they are few, and sealed rows are live ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from bluewhale.database import keys, ledger
from bluewhale.database.columns import rows_table
from bluewhale.database.commit import write_segment
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import StoreCorruptError
from bluewhale.database.lookup import CALL_COLUMNS, CHARGE_COLUMNS, LEG_COLUMNS
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import Rows, SegmentFolder, join_entries, number_postings
from bluewhale.records.schemas import CHARGE_SCHEMA, LEG_SCHEMA


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one sealing moved; `segment` is empty where nothing was old enough."""

    segment: str
    legs: int
    calls: int
    charges: int


def seal(
    tx: Transaction, folder: SegmentFolder, *, before_ms: int, limit: int, now_ms: int
) -> Sealed:
    """Seal up to `limit` live calls whose legs were all ingested before `before_ms`."""
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
    if not calls.num_rows:
        return Sealed("", 0, 0, 0)
    owner_row: dict[bytes, int] = {}
    for row, leg_ids in enumerate(calls.column("leg_ids").to_pylist()):
        owner_row.update(dict.fromkeys(leg_ids, row))
    legs = rows_table(
        tx.rows_in(f"SELECT {LEG_COLUMNS} FROM leg WHERE cdr_id IN ({{marks}})", owner_row),
        LEG_SCHEMA,
    )
    late = {
        owner_row[i]
        for i, at in zip(
            legs.column("cdr_id").to_pylist(),
            keys.integers(legs.column("ingested_at")).tolist(),
            strict=True,
        )
        if at >= before_ms
    }
    if late:
        keep = pa.array([row not in late for row in range(calls.num_rows)])
        legs = legs.filter(
            pa.array([owner_row[i] not in late for i in legs.column("cdr_id").to_pylist()])
        )
        calls = calls.filter(keep)
        if not calls.num_rows:
            return Sealed("", 0, 0, 0)
    return _seal_rows(tx, folder, calls, legs, now_ms)


def _seal_rows(
    tx: Transaction, folder: SegmentFolder, calls: pa.Table, legs: pa.Table, now_ms: int
) -> Sealed:
    call_ids = calls.column("call_id").to_pylist()
    versions = calls.column("version").to_pylist()
    row_of = dict(zip(call_ids, range(len(call_ids)), strict=True))
    live = set(zip(call_ids, versions, strict=True))
    ledger_rows = tx.rows_in(
        f"SELECT {CHARGE_COLUMNS} FROM charge WHERE entry = 'charge' AND call_id IN ({{marks}})",
        call_ids,
    )
    id_at = CHARGE_SCHEMA.get_field_index("call_id")
    version_at = CHARGE_SCHEMA.get_field_index("call_version")
    ledger_rows = [r for r in ledger_rows if (r[id_at], r[version_at]) in live]
    ledger_rows.sort(key=lambda r: row_of[r[id_at]])
    charges = rows_table(ledger_rows, CHARGE_SCHEMA)
    owner_row = {
        i: row for row, leg_ids in enumerate(calls.column("leg_ids").to_pylist()) for i in leg_ids
    }
    leg_ids = legs.column("cdr_id").to_pylist()
    leg_call = np.array([owner_row[i] for i in leg_ids], np.uint32)
    rows = Rows(legs, leg_call, calls, charges, ledger.charge_places(calls, charges))
    name = write_segment(tx, folder, rows, now_ms)
    try:
        _delete(tx, "leg", "cdr_id", leg_ids, legs.num_rows)
        _delete(tx, "leg_seen", "cdr_id", leg_ids, legs.num_rows)
        key, at, _, row = join_entries(legs)
        columns = (key.tolist(), at.tolist(), row.tolist())
        tx.many(
            "DELETE FROM leg_key WHERE join_key = ? AND join_at = ? AND cdr_id = ?",
            [(k, a, leg_ids[r]) for k, a, r in zip(*columns, strict=True)],
        )
        # Legs sealed here are owned by a call sealed here: the segment says so itself.
        tx.run_in("DELETE FROM leg_owner WHERE cdr_id IN ({marks})", leg_ids)
        gone = tx.run_in(
            "DELETE FROM call_version WHERE +live = 1 AND call_id IN ({marks})", call_ids
        )
        _must("call_version", gone, calls.num_rows)
        charge_ids = charges.column("charge_id").to_pylist()
        _delete(tx, "charge", "charge_id", charge_ids, charges.num_rows)
        number, of_call = number_postings(calls)
        tx.many(
            "DELETE FROM call_number WHERE number = ? AND call_id = ? AND version = ?",
            [
                (n, call_ids[r], versions[r])
                for n, r in zip(number.tolist(), of_call.tolist(), strict=True)
            ],
        )
    except BaseException:
        folder.remove(name)
        raise
    return Sealed(name, legs.num_rows, calls.num_rows, charges.num_rows)


def _delete(tx: Transaction, table: str, column: str, values: list[bytes], expected: int) -> None:
    _must(table, tx.run_in(f"DELETE FROM {table} WHERE {column} IN ({{marks}})", values), expected)


def _must(table: str, gone: int, expected: int) -> None:
    if gone != expected:
        raise StoreCorruptError(
            f"sealing took {gone} rows out of {table} but wrote {expected}; nothing was changed"
        )
