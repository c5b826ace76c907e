"""A damaged journal is copied, record by record, into a fresh one.

Owns the check at opening, the copy, and the naming of what is gone. The damaged
file is kept beside the new one under a dated name. Does not own the reading of
pages: `bluewhale.journal.carving`.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bluewhale.capture import CaptureLoss, context_id
from bluewhale.journal.carving import Row, carve
from bluewhale.journal.exceptions import JournalCorruptError, JournalVersionError
from bluewhale.journal.lanes import Lane, all_lanes, lane_of, save_lane
from bluewhale.journal.schema import (
    INSERT_RECORD,
    PAGE_CORRUPT,
    SCHEMA_VERSION,
    SEQ_MASK,
    connect,
    create_if_new,
    opened_note,
    row_is_sound,
)
from bluewhale.journal.shapes import Salvage

_SIDE_TABLES = {
    "lane": (
        "lane, stream_id, incarnation, journaled_through, stored_through, deleted_through, crc",
        "lane",
    ),
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
        if rows == ["ok"] and version == SCHEMA_VERSION:
            all_lanes(connection)
    except JournalCorruptError as error:
        return str(error)
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
                        if _is_sound(table, row):
                            fresh.execute(statement, row)
                        elif table not in report.tables_lost:
                            report.tables_lost.append(table)
                except sqlite3.DatabaseError:
                    continue
                whole = True
                break
            if not whole and table not in report.tables_lost:
                report.tables_lost.append(table)
    finally:
        damaged.close()


def _is_sound(table: str, row: Sequence[Any]) -> bool:
    if table == "lane":
        return lane_of(row) is not None
    if table == "note":
        return isinstance(row[1], bytes) and opened_note(str(row[0]), row[1]) is not None
    return all(isinstance(value, int) for value in row[:4])


def _copy_records(path: Path, fresh: sqlite3.Connection, report: Salvage) -> None:
    wal = path.with_name(path.name + "-wal")
    lanes = {(lane.stream_id, lane.incarnation): lane for lane in all_lanes(fresh)}
    if "lane" in report.tables_lost:
        _add_carved_lanes(lanes, carve(path, wal))
    known = set(lanes)
    number = max((lane.lane for lane in lanes.values()), default=0)
    rows: list[tuple[object, ...]] = []
    for values in _sound_rows(carve(path, wal), fresh):
        key, seq = (int(values[1]), int(values[2])), int(values[0]) & SEQ_MASK
        lane = lanes.get(key)
        if lane is None:
            number += 1
            lane = lanes[key] = Lane(number, *key)
        if seq <= lane.deleted_through:
            continue  # a page that was freed: acknowledged long ago
        rows.append((lane.base + seq, *values[1:]))
        if len(rows) >= _CHUNK_ROWS:
            fresh.executemany(INSERT_RECORD.format("IGNORE"), rows)
            rows.clear()
    fresh.executemany(INSERT_RECORD.format("IGNORE"), rows)
    for key, lane in lanes.items():
        first, last = fresh.execute(
            "SELECT min(id), max(id) FROM record WHERE id BETWEEN ? AND ?",
            (lane.base, lane.last_key),
        ).fetchone()
        if first is not None:
            lane.journaled_through = max(lane.journaled_through, last - lane.base)
            if key not in known:  # its marks are lost: what is left says where it begins
                lane.stored_through = lane.deleted_through = first - lane.base - 1
        save_lane(fresh, lane)
    (report.records_kept,) = fresh.execute("SELECT count(*) FROM record").fetchone()


def _add_carved_lanes(lanes: dict[tuple[int, int], Lane], rows: Iterator[Row]) -> None:
    """Add marks found on raw pages. They only ever grow, so of several copies the largest holds."""
    for rowid, values in rows:
        lane = lane_of([rowid, *values[1:]])
        if lane is None:
            continue
        key = (lane.stream_id, lane.incarnation)
        before = lanes.setdefault(key, lane)
        if before.lane == lane.lane:
            before.journaled_through = max(before.journaled_through, lane.journaled_through)
            before.stored_through = max(before.stored_through, lane.stored_through)
            before.deleted_through = max(before.deleted_through, lane.deleted_through)


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
    for lane in all_lanes(fresh):
        key = (lane.stream_id, lane.incarnation)
        known = [
            range(first, last + 1)
            for first, last in fresh.execute(
                "SELECT first_seq, last_seq FROM loss WHERE stream_id = ? AND incarnation = ?", key
            )
        ]
        for gap in _gaps(fresh, lane, known):
            loss = CaptureLoss(gap.start, gap.stop - 1, PAGE_CORRUPT)
            report.losses.setdefault(key, []).append(loss)
            fresh.execute(
                "INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)",
                (*key, loss.first_seq, loss.last_seq, loss.reason),
            )


def _gaps(fresh: sqlite3.Connection, lane: Lane, known: list[range]) -> Iterator[range]:
    base = lane.base
    there = (
        range(id_ - base, id_ - base + 1)
        for (id_,) in fresh.execute(
            "SELECT id FROM record WHERE id BETWEEN ? AND ? ORDER BY id", (base, lane.last_key)
        )
    )
    starts = sorted(known, key=lambda r: r.start)
    expected = lane.deleted_through + 1
    for covered in _merged(there, starts):
        if covered.start > expected:
            yield range(expected, covered.start)
        expected = max(expected, covered.stop)
    if expected <= lane.journaled_through:
        yield range(expected, lane.journaled_through + 1)


def _merged(there: Iterator[range], known: list[range]) -> Iterator[range]:
    """Yield the ranges of both by their start."""
    return heapq.merge(there, known, key=lambda r: r.start)
