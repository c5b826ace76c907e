"""Frames out of the journal.

Owns where a frame is cut (change of context or framing version, 500 records,
256 KiB, a hole) and the check of each record. Reads only, in one snapshot. Does
not own what is deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from bluewhale.capture import (
    FRAME_BYTES_MAX,
    FRAME_RECORDS_MAX,
    CaptureLoss,
    Frame,
    RawRecord,
)
from bluewhale.capture.frames import RECORD_OVERHEAD_BYTES
from bluewhale.journal.lanes import find_lane
from bluewhale.journal.schema import PAGE_CORRUPT, row_is_sound

_Sound = tuple[int, int, int | None, RawRecord]  # seq, framing version, context id, record


def read_frame(
    connection: sqlite3.Connection, stream_id: int, incarnation: int, after_seq: int, limit: int
) -> Frame | None:
    """Give the frame behind `after_seq`, or None if nothing is there.

    Holes (damaged records, pages lost) come as losses before the records behind
    them; a hole behind some records ends the frame.
    """
    lane = find_lane(connection, stream_id, incarnation)
    if lane is None:
        return None
    base, journaled_through = lane.base, lane.journaled_through
    first_seq = max(after_seq, lane.deleted_through) + 1
    if first_seq > journaled_through:
        return None
    known = connection.execute(
        "SELECT first_seq, last_seq, reason FROM loss WHERE stream_id = ? AND incarnation = ? "
        "AND last_seq >= ? ORDER BY first_seq",
        (stream_id, incarnation, first_seq),
    ).fetchall()
    cursor = connection.execute(
        "SELECT * FROM record WHERE id BETWEEN ? AND ? ORDER BY id",
        (base + first_seq, base + journaled_through),
    )
    holes = _Holes(known)
    rows = _sound(cursor, base)
    try:
        records, losses, framing, context = _take(
            rows, first_seq, journaled_through, min(limit, FRAME_RECORDS_MAX), holes
        )
    finally:
        cursor.close()
    return Frame(
        stream_id,
        incarnation,
        first_seq,
        framing,
        tuple(records),
        None if context is None else _context(connection, context),
        tuple(losses),
    )


class _Holes:
    """Cut a hole into losses: known ranges keep their reason, the rest is damage."""

    def __init__(self, known: list[tuple[int, int, str]]) -> None:
        self._known = known

    def named(self, first_seq: int, last_seq: int) -> list[CaptureLoss]:
        losses, at = [], first_seq
        for known_first, known_last, reason in self._known:
            begin, end = max(known_first, at), min(known_last, last_seq)
            if begin > end:
                continue
            if begin > at:
                losses.append(CaptureLoss(at, begin - 1, PAGE_CORRUPT))
            losses.append(CaptureLoss(begin, end, reason))
            at = end + 1
        if at <= last_seq:
            losses.append(CaptureLoss(at, last_seq, PAGE_CORRUPT))
        return losses


def _take(
    rows: Iterator[_Sound],
    first_seq: int,
    journaled_through: int,
    limit: int,
    holes: _Holes,
) -> tuple[list[RawRecord], list[CaptureLoss], int, int | None]:
    records: list[RawRecord] = []
    losses: list[CaptureLoss] = []
    framing, context, size, expected = 0, None, 0, first_seq
    for seq, row_framing, row_context, record in rows:
        cost = len(record.data) + RECORD_OVERHEAD_BYTES
        if records and (
            seq != expected
            or (row_framing, row_context) != (framing, context)
            or len(records) >= limit
            or size + cost > FRAME_BYTES_MAX
        ):
            return records, losses, framing, context
        if seq != expected:
            losses = holes.named(expected, seq - 1)
        framing, context = row_framing, row_context
        records.append(record)
        size += cost
        expected = seq + 1
    if not records:
        losses = holes.named(first_seq, journaled_through)
    return records, losses, framing, context


def _sound(rows: Iterable[tuple[Any, ...]], base: int) -> Iterator[_Sound]:
    """Yield the rows whose CRC holds; a damaged one leaves a hole."""
    for row in rows:
        if row_is_sound(row[0], row[1:]):
            key, _, _, framing, context, connection, n, received_at_ms, _, data = row
            seq = key - base
            record = RawRecord(seq, data, connection, n, received_at_ms)
            yield seq, framing, context, record


def _context(connection: sqlite3.Connection, name: int) -> bytes | None:
    row = connection.execute("SELECT data FROM context WHERE context_id = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])
