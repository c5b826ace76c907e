"""Records that wait: the state machine of suspense, and duplicates that are two calls.

    waiting -> repaired -> applied        waiting -> dismissed

Every change is audited. What is applied becomes a leg like any other and
reaches calls by re-join alone. Does not own parsing: callers parse again and
hand over what came of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from bluewhale.database import audit, hot, keys, tables
from bluewhale.database.columns import conform, rows_table
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import NotFoundError, StateError
from bluewhale.database.lookup import Lookup
from bluewhale.database.rejoin import apart, mark
from bluewhale.database.schemas import DUPLICATE_SCHEMA, STORED_SUSPENSE_SCHEMA
from bluewhale.database.totals import Totals, save_totals, site_days
from bluewhale.records.enums import Flag, RejectReason, SuspenseState
from bluewhale.records.schemas import LEG_SCHEMA

_COLUMNS = ", ".join(f'"{n}"' for n in STORED_SUSPENSE_SCHEMA.names)
_DUPLICATE_COLUMNS = ", ".join(f'"{n}"' for n in DUPLICATE_SCHEMA.names)
_OPEN = (SuspenseState.WAITING.value, SuspenseState.REPAIRED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspenseFilter:
    """All conditions hold together; None = any."""

    state: str | None = None
    reason: str | None = None
    link_uid: str | None = None
    site_uid: str | None = None
    stream_id: int | None = None
    suspense_ids: Sequence[int] | None = None


def listed(tx: Transaction, wanted: SuspenseFilter, limit: int) -> pa.Table:
    """Give suspense rows, oldest first (STORED_SUSPENSE_SCHEMA)."""
    parts, values = ["1 = 1"], []
    for column in ("state", "reason", "link_uid", "site_uid", "stream_id"):
        value = getattr(wanted, column)
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(value)
    sql = f"SELECT {_COLUMNS} FROM suspense WHERE {' AND '.join(parts)}"
    if wanted.suspense_ids is not None:
        rows = tx.rows_in(f"{sql} AND suspense_id IN ({{marks}})", wanted.suspense_ids, values)
        rows = sorted(rows)[:limit]  # the id stands first
    else:
        rows = tx.rows(f"{sql} ORDER BY suspense_id LIMIT ?", [*values, limit])
    return rows_table(rows, STORED_SUSPENSE_SCHEMA)


def waiting_streams(tx: Transaction, reason: str) -> list[int]:
    """Give the streams whose records wait for a reason."""
    sql = "SELECT DISTINCT stream_id FROM suspense WHERE state = ? AND reason = ?"
    return sorted(row[0] for row in tx.rows(sql, (SuspenseState.WAITING.value, str(reason))))


def one(tx: Transaction, suspense_id: int) -> dict[str, Any]:
    """Give one suspense row as a mapping, with `context` (raw context lines or None).

    Raises
    ------
    NotFoundError
        There is no such row.
    """
    rows = listed(tx, SuspenseFilter(suspense_ids=[suspense_id]), 1).to_pylist()
    if not rows:
        raise NotFoundError(f"there is no suspense row {suspense_id}")
    row: dict[str, Any] = rows[0]
    found = tx.one("SELECT text FROM raw_context WHERE context_id = ?", (row["raw_context_id"],))
    row["context"] = found[0] if found else None
    return row


def _change(
    tx: Transaction, suspense_id: int, state: SuspenseState, allowed: Collection[str], **more: Any
) -> None:
    names = ", ".join(f"{name} = ?" for name in more)
    marks = ", ".join("?" * len(allowed))
    changed = tx.run(
        f"UPDATE suspense SET state = ?, {names} WHERE suspense_id = ? AND state IN ({marks})",
        (state.value, *more.values(), suspense_id, *allowed),
    )
    if changed != 1:
        found = one(tx, suspense_id)["state"]
        raise StateError(
            f"suspense row {suspense_id} is {found}; it cannot become {state.value}"
            f" (only {' or '.join(allowed)} can)"
        )


def dismiss(tx: Transaction, ids: Collection[int], *, who: str, why: str, now_ms: int) -> None:
    """Say that these records are no calls; they stay, with who said so and why."""
    for suspense_id in ids:
        _change(
            tx, suspense_id, SuspenseState.DISMISSED, (SuspenseState.WAITING.value,),
            changed_at=now_ms, who=who, why=why,
        )  # fmt: skip
    for suspense_id in ids:
        audit.append(tx, now_ms, who, "suspense_dismiss", str(suspense_id), why)


def repair(
    tx: Transaction, suspense_id: int, *, raw: bytes | None, who: str, why: str, now_ms: int
) -> None:
    """Mark a record as repaired, with other bytes if they were mended; the old ones are audited."""
    before = one(tx, suspense_id)
    more: dict[str, Any] = {"changed_at": now_ms, "who": who, "why": why}
    if raw is not None:
        more["raw"] = raw
    _change(tx, suspense_id, SuspenseState.REPAIRED, (SuspenseState.WAITING.value,), **more)
    detail = why if raw is None else f"{why}; bytes before: {before['raw']!r}"
    audit.append(tx, now_ms, who, "suspense_repair", str(suspense_id), detail)


def failed(tx: Transaction, ids: Sequence[int], rejects: pa.Table, *, now_ms: int) -> None:
    """Note that a replay still rejects these records (rows of `rejects` in the order of `ids`)."""
    assert len(ids) == rejects.num_rows
    reasons = rejects.column("reason").to_pylist()
    details = rejects.column("detail").to_pylist()
    tx.many(
        "UPDATE suspense SET attempts = attempts + 1, changed_at = ?, reason = ?, detail = ?,"
        " state = 'waiting' WHERE suspense_id = ? AND state IN ('waiting', 'repaired')",
        [(now_ms, r, d, i) for i, r, d in zip(ids, reasons, details, strict=True)],
    )


def apply(
    tx: Transaction, lookup: Lookup, ids: Sequence[int], legs: pa.Table, *, who: str, now_ms: int
) -> int:
    """Store the legs that replayed records became (rows in the order of `ids`).

    A leg whose id is stored already becomes a duplicate of it. Gives how many
    legs are new.

    Raises
    ------
    StateError
        A row is neither waiting nor repaired.
    """
    assert len(ids) == legs.num_rows
    totals = Totals()
    states = {
        r["suspense_id"]: r
        for r in listed(tx, SuspenseFilter(suspense_ids=ids), len(ids)).to_pylist()
    }
    rows = conform(legs, LEG_SCHEMA).to_pylist()
    known = lookup.legs({row["cdr_id"] for row in rows}).keys()
    new: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    for suspense_id, row in zip(ids, rows, strict=True):
        waiting = states.get(suspense_id)
        if waiting is None:
            raise NotFoundError(f"there is no suspense row {suspense_id}")
        _change(
            tx, suspense_id, SuspenseState.APPLIED, _OPEN,
            changed_at=now_ms, who=who, applied_cdr_id=row["cdr_id"],
        )  # fmt: skip
        row.update({n: waiting[n] for n in ("stream_id", "incarnation", "seq", "record_crc")})
        conflict = waiting["reason"] == RejectReason.CAPTURE_CONFLICT
        if conflict:  # its capture key belongs to another record; below zero nobody acknowledges
            row["seq"] = -suspense_id
        row["ingested_at"] = now_ms
        day = int(waiting["received_at"].timestamp() * 1000) // 86_400_000
        twin = row["cdr_id"] in known or row["cdr_id"] in seen
        if not conflict:
            totals.add(waiting["site_uid"] or "", day, "suspended", -1)
            totals.add(waiting["site_uid"] or "", day, "received", -1)
        if twin:
            _insert_duplicate(tx, row)
            totals.add(row["site_uid"] or "", day, "duplicate")
            totals.add(row["site_uid"] or "", day, "received")
        else:
            seen.add(row["cdr_id"])
            new.append(row)
    _store_new(tx, lookup, new, totals)
    for suspense_id in ids:
        audit.append(tx, now_ms, who, "suspense_apply", str(suspense_id))
    return len(new)


def _store_new(tx: Transaction, lookup: Lookup, rows: list[dict[str, Any]], totals: Totals) -> None:
    if rows:
        legs = pa.Table.from_pylist(rows, schema=LEG_SCHEMA)
        hot.insert_legs(tx, legs)
        hot.insert_orphans(tx, legs)
        for (site, day), count in site_days(legs, {}).items():
            totals.add(site, day, "parsed", count)
            totals.add(site, day, "received", count)
        mark(tx, apart(lookup, {row["cdr_id"] for row in rows}))
    save_totals(tx, totals)


def _insert_duplicate(tx: Transaction, row: dict[str, Any]) -> None:
    table = pa.Table.from_pylist([row | {"state": "counted"}], schema=DUPLICATE_SCHEMA)
    received = keys.integers(table.column("received_at")).tolist()[0]
    values = table.to_pylist()[0] | {"received_at": received}
    tx.run(
        tables.insert_sql(tables.duplicate, or_ignore=True),
        [values[n] for n in DUPLICATE_SCHEMA.names],
    )


# ---- duplicates --------------------------------------------------------------------------


def duplicates(tx: Transaction, *, limit: int, state: str | None = None) -> pa.Table:
    """Give duplicates, each with the id of its stored twin (DUPLICATE_SCHEMA)."""
    condition, values = ("", []) if state is None else (" WHERE state = ?", [state])
    rows = tx.rows(
        f"SELECT {_DUPLICATE_COLUMNS} FROM duplicate{condition}"
        " ORDER BY received_at, stream_id, incarnation, seq LIMIT ?",
        [*values, limit],
    )
    return rows_table(rows, DUPLICATE_SCHEMA)


def two_calls_id(twin: bytes, capture: tuple[int, int, int]) -> bytes:
    """Give the id of the leg made of a duplicate: its twin's day, then a hash of its capture key."""
    text = "two-calls/1\0{}\0{}\0{}".format(*capture)
    return twin[:3] + hashlib.blake2b(text.encode(), digest_size=13).digest()


def two_calls(
    tx: Transaction,
    lookup: Lookup,
    capture: tuple[int, int, int],
    *,
    who: str,
    why: str,
    now_ms: int,
) -> bytes:
    """Say that a duplicate is a call of its own: makes a leg that joins nothing.

    Raises
    ------
    NotFoundError
        No duplicate has this capture key.
    StateError
        It was made a call already.
    """
    found = tx.one(
        f"SELECT {_DUPLICATE_COLUMNS} FROM duplicate"
        " WHERE stream_id = ? AND incarnation = ? AND seq = ?",
        capture,
    )
    if found is None:
        raise NotFoundError(f"no duplicate was captured as {capture}")
    duplicate = rows_table([found], DUPLICATE_SCHEMA).to_pylist()[0]
    if duplicate["state"] != "counted":
        raise StateError("this duplicate was made a call of its own already")
    made = two_calls_id(duplicate["cdr_id"], capture)
    row = lookup.leg_table([duplicate["cdr_id"]]).to_pylist()[0]
    copied = (
        "stream_id",
        "incarnation",
        "seq",
        "record_crc",
        "connection",
        "n",
        "raw",
        "received_at",
    )
    row.update({name: duplicate[name] for name in copied})
    row.update(
        cdr_id=made,
        join_keys=[],
        flags=(row["flags"] or 0) | int(Flag.TWO_CALLS),
        ingested_at=now_ms,
    )
    tx.run(
        "UPDATE duplicate SET state = 'two_calls', made_cdr_id = ?"
        " WHERE stream_id = ? AND incarnation = ? AND seq = ?",
        (made, *capture),
    )
    day = int(duplicate["received_at"].timestamp() * 1000) // 86_400_000
    totals = Totals()
    totals.add(duplicate["site_uid"] or "", day, "duplicate", -1)
    totals.add(duplicate["site_uid"] or "", day, "received", -1)
    _store_new(tx, lookup, [row], totals)
    audit.append(tx, now_ms, who, "two_calls", made.hex(), why)
    return made
