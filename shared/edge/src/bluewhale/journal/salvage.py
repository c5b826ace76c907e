"""A damaged journal is copied, record by record, into a fresh one.

Owns the check at opening, the copy, and the naming of what is gone. The damaged
file is kept beside the new one under a dated name. Does not own the reading of
pages: `bluewhale.journal.carving`.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bluewhale.capture import CaptureLoss, context_id
from bluewhale.journal.carving import Row, carve
from bluewhale.journal.exceptions import JournalVersionError
from bluewhale.journal.schema import (
    INSERT_RECORD,
    PAGE_CORRUPT,
    SCHEMA_VERSION,
    SEQ_BITS,
    SEQ_MASK,
    connect,
    create_if_new,
    row_is_sound,
)
from bluewhale.journal.shapes import Salvage

_SIDE_TABLES = {
    "lane": ("stream_id, incarnation, journaled_through, stored_through, deleted_through", "lane"),
    "loss": ("stream_id, incarnation, first_seq, last_seq, reason", "stream_id, first_seq"),
    "tally": ("stream_id, day, heard, journaled, bytes", "stream_id, day"),
    "note": ("key, value", "key"),
}
_CHUNK_ROWS = 1_000


def complaint_of(path: Path, busy_timeout_ms: int) -> str | None:
    """Give SQLite's complaint about the file, or None if its structure is sound."""
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(path, busy_timeout_ms=busy_timeout_ms)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        rows = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        }:
            raise
        return str(error)
    finally:
        if connection is not None:
            connection.close()
    if rows != ["ok"]:
        return "; ".join(rows)
    if version not in {0, SCHEMA_VERSION}:
        raise JournalVersionError(
            f"{path}: made with schema version {version}, this program knows {SCHEMA_VERSION}; "
            "start the program that wrote it, or a newer one"
        )
    return None


def finish_interrupted(path: Path) -> None:
    """Put a salvaged file into place if the process ended between the two renames."""
    salvaged = path.with_name(path.name + ".salvaged")
    path.with_name(path.name + ".salvaging").unlink(missing_ok=True)
    if salvaged.exists():
        if path.exists():
            salvaged.unlink()  # the damaged file is still in place: salvage again
        else:
            salvaged.rename(path)
            _sync_folder(path)


def salvage(path: Path, complaint: str, *, at: datetime) -> Salvage:
    """Replace a damaged journal by a fresh file with every readable record.

    Sequence numbers that are missing between the first and the last that the
    journal should hold become losses with reason `journal_page_corrupt`.
    """
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    report = Salvage(_free_name(path.with_name(f"{path.name}.damaged-{stamp}")), complaint)
    fresh_path = path.with_name(path.name + ".salvaging")
    fresh = connect(fresh_path, busy_timeout_ms=1000)
    try:
        create_if_new(fresh)
        fresh.execute("BEGIN IMMEDIATE")
        _copy_side_tables(path, fresh, report)
        _copy_records(path, fresh, report)
        _name_what_is_missing(fresh, report)
        fresh.execute("COMMIT")
        fresh.execute("PRAGMA journal_mode = DELETE")
    finally:
        fresh.close()
    salvaged = path.with_name(path.name + ".salvaged")
    fresh_path.rename(salvaged)
    _sync_folder(path)
    path.rename(report.damaged_path)
    wal = path.with_name(path.name + "-wal")
    if wal.exists():
        wal.rename(report.damaged_path.with_name(report.damaged_path.name + "-wal"))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    salvaged.rename(path)
    _sync_folder(path)
    return report


def _free_name(path: Path) -> Path:
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy_side_tables(path: Path, fresh: sqlite3.Connection, report: Salvage) -> None:
    try:
        damaged = connect(path, busy_timeout_ms=1000)
    except sqlite3.DatabaseError:
        report.tables_lost.extend(_SIDE_TABLES)  # the head of the file itself is damaged
        return
    try:
        for table, (columns, order) in _SIDE_TABLES.items():
            marks = ", ".join("?" * len(columns.split(",")))
            statement = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
            whole = False
            for descending in ("", " DESC"):  # from both ends towards a damaged page
                ordered = ", ".join(part + descending for part in order.split(", "))
                query = f"SELECT {columns} FROM {table} ORDER BY {ordered}"
                try:
                    for row in damaged.execute(query):
                        fresh.execute(statement, row)
                except sqlite3.DatabaseError:
                    continue
                whole = True
                break
            if not whole:
                report.tables_lost.append(table)
    finally:
        damaged.close()


def _copy_records(path: Path, fresh: sqlite3.Connection, report: Salvage) -> None:
    lanes: dict[tuple[int, int], int] = {}
    deleted: dict[tuple[int, int], int] = {}
    for lane, stream_id, incarnation, through in fresh.execute(
        "SELECT lane, stream_id, incarnation, deleted_through FROM lane"
    ):
        lanes[stream_id, incarnation] = lane
        deleted[stream_id, incarnation] = through
    rows: list[tuple[object, ...]] = []
    for values in _sound_rows(carve(path, path.with_name(path.name + "-wal")), fresh):
        key, seq = (int(values[1]), int(values[2])), int(values[0]) & SEQ_MASK
        if seq <= deleted.get(key, 0):
            continue  # a page that was freed: acknowledged long ago
        lane = lanes.setdefault(key, max(lanes.values(), default=0) + 1)
        rows.append((lane << SEQ_BITS | seq, *values[1:]))
        if len(rows) >= _CHUNK_ROWS:
            fresh.executemany(INSERT_RECORD.format("IGNORE"), rows)
            rows.clear()
    fresh.executemany(INSERT_RECORD.format("IGNORE"), rows)
    for (stream_id, incarnation), lane in lanes.items():
        fresh.execute(
            "INSERT OR IGNORE INTO lane VALUES (?1, ?2, ?3, 0, "
            "(SELECT coalesce(min(id), ?4 + 1) - ?4 - 1 FROM record WHERE id BETWEEN ?4 AND ?5), "
            "(SELECT coalesce(min(id), ?4 + 1) - ?4 - 1 FROM record WHERE id BETWEEN ?4 AND ?5))",
            (lane, stream_id, incarnation, lane << SEQ_BITS, (lane << SEQ_BITS) | SEQ_MASK),
        )
        fresh.execute(
            "UPDATE lane SET journaled_through = max(journaled_through, "
            "(SELECT coalesce(max(id), ?2) - ?2 FROM record WHERE id BETWEEN ?2 AND ?3)) "
            "WHERE lane = ?1",
            (lane, lane << SEQ_BITS, (lane << SEQ_BITS) | SEQ_MASK),
        )
    (report.records_kept,) = fresh.execute("SELECT count(*) FROM record").fetchone()


def _sound_rows(rows: Iterator[Row], fresh: sqlite3.Connection) -> Iterator[list[Any]]:
    """Yield record rows whose CRC holds; context rows whose name holds are stored at once."""
    for rowid, values in rows:
        data = values[-1] if values else None
        if not isinstance(data, bytes):
            continue
        if len(values) == 2 and values[0] is None and context_id(data) == rowid:
            fresh.execute("INSERT OR IGNORE INTO context VALUES (?, ?)", (rowid, data))
        elif len(values) == 10 and row_is_sound(rowid, values[1:]):
            yield [rowid, *values[1:]]


def _name_what_is_missing(fresh: sqlite3.Connection, report: Salvage) -> None:
    lanes = fresh.execute(
        "SELECT lane, stream_id, incarnation, journaled_through, deleted_through FROM lane"
    ).fetchall()
    for lane, stream_id, incarnation, journaled_through, deleted_through in lanes:
        key = (stream_id, incarnation)
        known = [
            range(first, last + 1)
            for first, last in fresh.execute(
                "SELECT first_seq, last_seq FROM loss WHERE stream_id = ? AND incarnation = ?", key
            )
        ]
        for gap in _gaps(fresh, lane, deleted_through, journaled_through, known):
            loss = CaptureLoss(gap.start, gap.stop - 1, PAGE_CORRUPT)
            report.losses.setdefault(key, []).append(loss)
            fresh.execute(
                "INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)",
                (*key, loss.first_seq, loss.last_seq, loss.reason),
            )


def _gaps(
    fresh: sqlite3.Connection, lane: int, after: int, through: int, known: list[range]
) -> Iterator[range]:
    base = lane << SEQ_BITS
    there = (
        range(id_ - base, id_ - base + 1)
        for (id_,) in fresh.execute(
            "SELECT id FROM record WHERE id BETWEEN ? AND ? ORDER BY id", (base, base + SEQ_MASK)
        )
    )
    starts = sorted(known, key=lambda r: r.start)
    expected = after + 1
    for covered in _merged(there, starts):
        if covered.start > expected:
            yield range(expected, covered.start)
        expected = max(expected, covered.stop)
    if expected <= through:
        yield range(expected, through + 1)


def _merged(there: Iterator[range], known: list[range]) -> Iterator[range]:
    """Yield the ranges of both by their start."""
    return heapq.merge(there, known, key=lambda r: r.start)
