"""Lanes: the marks of one (stream, incarnation), each row with its own checksum.

Owns how they are read and written. A changed mark would hide or lose records,
so a row whose checksum is wrong is damage, whatever SQLite thinks of the page.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bluewhale.journal.exceptions import JournalCorruptError
from bluewhale.journal.schema import SEQ_BITS, SEQ_MASK

FINISHED_LANES_MAX = 1_000
CONTEXTS_KEPT_MAX = 1_000

_CRC = struct.Struct("<qqqqqq")


@dataclass(slots=True)
class Lane:
    """One (stream, incarnation): records deleted_through+1 .. journaled_through are here."""

    lane: int
    stream_id: int
    incarnation: int
    journaled_through: int = 0
    stored_through: int = 0
    deleted_through: int = 0

    @property
    def base(self) -> int:
        """The key of seq 0."""
        return self.lane << SEQ_BITS

    @property
    def last_key(self) -> int:
        """The largest key that the lane can have."""
        return self.base | SEQ_MASK

    @property
    def finished(self) -> bool:
        """Whether no record is left."""
        return self.deleted_through == self.journaled_through

    def row(self) -> tuple[int, ...]:
        """Give the columns, with the checksum."""
        marks = (
            self.lane,
            self.stream_id,
            self.incarnation,
            self.journaled_through,
            self.stored_through,
            self.deleted_through,
        )
        return (*marks, zlib.crc32(_CRC.pack(*marks)))


def lane_of(row: Sequence[Any]) -> Lane | None:
    """Give the lane of a row of the table, or None if it is not as it was written."""
    try:
        lane = Lane(*row[:6])
        return lane if lane.row() == tuple(row) else None
    except (struct.error, TypeError):
        return None


def save_lane(connection: sqlite3.Connection, lane: Lane) -> None:
    """Write the marks of a lane, new or not."""
    connection.execute("INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?, ?, ?, ?)", lane.row())


def find_lane(connection: sqlite3.Connection, stream_id: int, incarnation: int) -> Lane | None:
    """Give the lane of an incarnation, None if it is not known.

    Raises
    ------
    JournalCorruptError
        Its row was changed by something else.
    """
    row = connection.execute(
        "SELECT * FROM lane WHERE stream_id = ? AND incarnation = ?", (stream_id, incarnation)
    ).fetchone()
    return None if row is None else _sound(row)


def all_lanes(connection: sqlite3.Connection) -> list[Lane]:
    """Give every lane, oldest first; raises like `find_lane`."""
    return [_sound(row) for row in connection.execute("SELECT * FROM lane ORDER BY lane")]


def living_lanes(connection: sqlite3.Connection, current: dict[int, int]) -> list[Lane]:
    """Give the lanes that have records and those of this process; raises like `find_lane`."""
    rows = connection.execute(
        "SELECT * FROM lane WHERE deleted_through <> journaled_through ORDER BY lane"
    )
    lanes = {lane.lane: lane for lane in map(_sound, rows)}
    for stream_id, incarnation in current.items():
        lane = find_lane(connection, stream_id, incarnation)
        if lane is not None:
            lanes[lane.lane] = lane
    return [lanes[number] for number in sorted(lanes)]


def forget_finished(connection: sqlite3.Connection) -> None:
    """Drop the oldest finished lanes beyond a thousand.

    They are kept that long so that a salvage does not take records on freed pages
    for records that are still to be delivered.
    """
    connection.execute(
        "DELETE FROM lane WHERE deleted_through = journaled_through AND lane <= "
        "(SELECT max(lane) FROM lane) - ?",
        (FINISHED_LANES_MAX,),
    )


def forget_unused_contexts(connection: sqlite3.Connection) -> None:
    """Drop contexts that no record names, if there are many (page headers with a time)."""
    (count,) = connection.execute("SELECT count(*) FROM context").fetchone()
    if count > CONTEXTS_KEPT_MAX:
        connection.execute(
            "DELETE FROM context WHERE context_id NOT IN "
            "(SELECT context_id FROM record WHERE context_id IS NOT NULL)"
        )


def _sound(row: Sequence[Any]) -> Lane:
    lane = lane_of(row)
    if lane is None:
        raise JournalCorruptError("the marks of a stream are damaged; restart to salvage them")
    return lane
