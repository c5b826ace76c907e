"""What the writer thread does inside one transaction.

Owns the statements that change the journal. Runs only on the writer's
connection, inside a transaction that the writer opened. Does not own the
grouping, the thread or the quota.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping, Sequence

from bluewhale.capture import CapturedRecord, context_id, record_crc
from bluewhale.journal.lanes import Lane, find_lane, save_lane
from bluewhale.journal.schema import (
    INSERT_RECORD,
    PAGE_CORRUPT,
    SEQ_BITS,
    SEQ_MASK,
    row_crc,
    row_is_sound,
    sealed_note,
)
from bluewhale.journal.shapes import Acknowledged, Appended

DAY_MS = 86_400_000
DELETE_ROWS_MAX = 50_000
_MOVE_ROWS = 500


def random_incarnation() -> int:
    """Give 63 random bits, never 0."""
    return secrets.randbits(63) or 1


class Writing:
    """The writer's statements and caches; `forget` after a rollback."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lanes: dict[tuple[int, int], Lane] = {}
        self._contexts: dict[bytes, int] = {}
        self.current: dict[int, int] = {}  # stream_id -> incarnation of this process

    def forget(self) -> None:
        """Drop what a rolled back transaction may have cached."""
        self._lanes.clear()
        self._contexts.clear()

    def append(
        self,
        stream_id: int,
        records: Sequence[CapturedRecord],
        framing_version: int,
        notes: Mapping[str, bytes | None],
        heard: int,
    ) -> Appended:
        """Insert records, count them, and set notes."""
        if stream_id not in self.current:
            self.current[stream_id] = random_incarnation()
        incarnation = self.current[stream_id]
        lane = self._lane(stream_id, incarnation) or self._new_lane(stream_id, incarnation)
        first = lane.journaled_through + 1
        if records:
            rows = []
            for seq, (data, context, connection, n, received_at_ms) in enumerate(records, first):
                name = None if context is None else self._context(context)
                rows.append(
                    _keyed(lane, seq, framing_version, name, connection, n, received_at_ms, data)
                )
            self._connection.executemany(INSERT_RECORD.format("ABORT"), rows)
            self._set_journaled(lane, lane.journaled_through + len(records))
            self._tally(stream_id, records, heard)
        for key, value in notes.items():
            if value is None:
                self._connection.execute("DELETE FROM note WHERE key = ?", (key,))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO note VALUES (?, ?)", (key, sealed_note(key, value))
                )
        return Appended(incarnation, first, lane.journaled_through)

    def acknowledge(
        self,
        stream_id: int,
        incarnation: int,
        stored_through: int,
        crc: int | None,
        low_water: int | None,
    ) -> tuple[Acknowledged, bool]:
        """Delete up to the mark what matches it; say whether more is to be deleted."""
        lane = self._lane(stream_id, incarnation)
        if lane is None or (lane.finished and self.current.get(stream_id) != incarnation):
            return Acknowledged(0), False  # all of it was deleted or moved before
        if stored_through > lane.stored_through:
            if not self._matches(lane, stored_through, crc):
                return Acknowledged(0, self._move(lane)), False
            lane.stored_through = stored_through
        keep_from = lane.stored_through + 1
        if low_water is not None:
            keep_from = min(keep_from, low_water)
        through = min(keep_from - 1, lane.deleted_through + DELETE_ROWS_MAX)
        deleted = 0
        if through > lane.deleted_through:
            cursor = self._connection.execute(
                "DELETE FROM record WHERE id BETWEEN ? AND ?",
                (lane.base + lane.deleted_through + 1, lane.base + through),
            )
            deleted = cursor.rowcount
            lane.deleted_through = through
            self._connection.execute(
                "DELETE FROM loss WHERE stream_id = ? AND incarnation = ? AND last_seq <= ?",
                (stream_id, incarnation, through),
            )
        save_lane(self._connection, lane)
        return Acknowledged(deleted), lane.deleted_through < keep_from - 1

    def add_heard(self, stream_id: int, day: int, heard: int) -> None:
        """Count records that were heard and could not be journaled."""
        self._count(stream_id, day, heard, 0, 0)

    def _matches(self, lane: Lane, seq: int, crc: int | None) -> bool:
        """Say whether the centre's record at `seq` is ours, or cannot be told apart from ours."""
        if seq > lane.journaled_through:
            return False  # the centre knows more than was ever here: another unit's records
        row = self._connection.execute(
            "SELECT * FROM record WHERE id = ?", (lane.base + seq,)
        ).fetchone()
        if row is None or crc is None or not row_is_sound(row[0], row[1:]):
            return True  # lost here (named) or lost there: nothing to compare
        _, _, _, _, _, connection, n, received_at_ms, _, data = row
        own = record_crc(data, n=n, connection=connection, received_at_ms=received_at_ms)
        return own == crc

    def _move(self, lane: Lane) -> int:
        """Give the records of a lane new capture keys, in order, under a new incarnation."""
        new = self._new_lane(lane.stream_id, random_incarnation())
        if self.current.get(lane.stream_id) == lane.incarnation:
            self.current[lane.stream_id] = new.incarnation
        seq = 0
        while True:
            rows = self._connection.execute(
                "SELECT * FROM record WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (lane.base, lane.last_key, _MOVE_ROWS),
            ).fetchall()
            if not rows:
                break
            moved = []
            for row in rows:
                if row_is_sound(row[0], row[1:]):
                    seq += 1
                    _, _, _, framing, context, connection, n, received, _, data = row
                    moved.append(_keyed(new, seq, framing, context, connection, n, received, data))
            # Delete first: the freed pages take the new rows, so a full journal can do it.
            self._connection.execute(
                "DELETE FROM record WHERE id BETWEEN ? AND ?", (rows[0][0], rows[-1][0])
            )
            self._connection.executemany(INSERT_RECORD.format("ABORT"), moved)
        lost = lane.journaled_through - lane.deleted_through - seq
        if lost:  # what was lost under the old keys stays named under the new ones
            self._connection.execute(
                "INSERT INTO loss VALUES (?, ?, ?, ?, ?)",
                (new.stream_id, new.incarnation, seq + 1, seq + lost, PAGE_CORRUPT),
            )
            seq += lost
        self._set_journaled(new, seq)
        lane.stored_through = lane.deleted_through = lane.journaled_through
        save_lane(self._connection, lane)
        self._connection.execute(
            "DELETE FROM loss WHERE stream_id = ? AND incarnation = ?",
            (lane.stream_id, lane.incarnation),
        )
        return new.incarnation

    def _context(self, context: bytes) -> int:
        name = self._contexts.get(context)
        if name is None:
            name = context_id(context)
            self._connection.execute("INSERT OR IGNORE INTO context VALUES (?, ?)", (name, context))
            if len(self._contexts) >= 1000:
                self._contexts.clear()
            self._contexts[context] = name
        return name

    def _lane(self, stream_id: int, incarnation: int) -> Lane | None:
        key = (stream_id, incarnation)
        if key not in self._lanes:
            lane = find_lane(self._connection, stream_id, incarnation)
            if lane is None:
                return None
            self._lanes[key] = lane
        return self._lanes[key]

    def _new_lane(self, stream_id: int, incarnation: int) -> Lane:
        (number,) = self._connection.execute(
            "SELECT coalesce(max(lane), 0) + 1 FROM lane"
        ).fetchone()
        lane = Lane(number, stream_id, incarnation)
        save_lane(self._connection, lane)
        self._lanes[stream_id, incarnation] = lane
        return lane

    def _set_journaled(self, lane: Lane, through: int) -> None:
        assert through <= SEQ_MASK
        lane.journaled_through = through
        save_lane(self._connection, lane)

    def _tally(self, stream_id: int, records: Sequence[CapturedRecord], heard: int) -> None:
        days: dict[int, tuple[int, int]] = {}
        for record in records:
            day = record.received_at_ms // DAY_MS
            count, size = days.get(day, (0, 0))
            days[day] = (count + 1, size + len(record.data))
        unjournaled = heard - len(records)
        for day, (count, size) in days.items():
            self._count(stream_id, day, count + unjournaled, count, size)
            unjournaled = 0

    def _count(self, stream_id: int, day: int, heard: int, journaled: int, size: int) -> None:
        self._connection.execute(
            "INSERT INTO tally VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "heard = heard + excluded.heard, journaled = journaled + excluded.journaled, "
            "bytes = bytes + excluded.bytes",
            (stream_id, day, heard, journaled, size),
        )


def _keyed(
    lane: Lane,
    seq: int,
    framing_version: int,
    context: int | None,
    connection: int,
    n: int,
    received_at_ms: int,
    data: bytes,
) -> tuple[object, ...]:
    """Give the row of a record under its capture key."""
    crc = row_crc(
        record_crc(data, n=n, connection=connection, received_at_ms=received_at_ms),
        stream_id=lane.stream_id,
        incarnation=lane.incarnation,
        seq=seq,
        context_id=context,
        framing_version=framing_version,
    )
    return (
        (lane.lane << SEQ_BITS) + seq,
        lane.stream_id,
        lane.incarnation,
        framing_version,
        context,
        connection,
        n,
        received_at_ms,
        crc,
        data,
    )
