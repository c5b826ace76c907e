"""The tables of the journal and how its database is opened.

Owns the layout. A record's key is `lane << 40 | seq`, where a lane is a small
local number for (stream, incarnation): appends go to the right edge, deletes are
ranges. Each record row also names its stream and incarnation and carries a CRC
over everything, so that it can be salvaged from a damaged file alone.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bluewhale.capture import record_crc

APPLICATION_ID = 0x42574A31  # "BWJ1"
SCHEMA_VERSION = 1
PAGE_SIZE_BYTES = 4096
SEQ_BITS = 40
SEQ_MASK = (1 << SEQ_BITS) - 1
PAGE_CORRUPT = "journal_page_corrupt"  # the reason of losses by damage

TABLES = """
CREATE TABLE record (
    id INTEGER PRIMARY KEY,            -- lane << 40 | seq
    stream_id INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    framing_version INTEGER NOT NULL,
    context_id INTEGER,                -- NULL: no context was seen
    connection INTEGER NOT NULL,
    n INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,              -- row_crc
    data BLOB NOT NULL
);
CREATE TABLE context (
    context_id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
CREATE TABLE lane (
    lane INTEGER PRIMARY KEY,
    stream_id INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    journaled_through INTEGER NOT NULL,  -- last seq given
    stored_through INTEGER NOT NULL,     -- acknowledged by the main database
    deleted_through INTEGER NOT NULL,    -- <= stored_through: low_water keeps the rest
    crc INTEGER NOT NULL                 -- of the row
);
CREATE UNIQUE INDEX lane_of ON lane (stream_id, incarnation);
CREATE TABLE loss (
    stream_id INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (stream_id, incarnation, first_seq)
) WITHOUT ROWID;
CREATE TABLE tally (
    stream_id INTEGER NOT NULL,
    day INTEGER NOT NULL,              -- UTC day of receipt, days since 1970-01-01
    heard INTEGER NOT NULL,
    journaled INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (stream_id, day)
) WITHOUT ROWID;
CREATE TABLE note (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL                -- CRC-32 of key and value, then the value
) WITHOUT ROWID;
"""

INSERT_RECORD = "INSERT OR {} INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_ROW = struct.Struct("<qqqqi")
_SEAL = struct.Struct("<I")
_NO_CONTEXT = -1


def row_crc(
    record_crc: int,
    *,
    stream_id: int,
    incarnation: int,
    seq: int,
    context_id: int | None,
    framing_version: int,
) -> int:
    """Give the CRC-32 of a whole row, on top of the CRC that marks carry."""
    context = _NO_CONTEXT if context_id is None else context_id
    return zlib.crc32(_ROW.pack(stream_id, incarnation, seq, context, framing_version), record_crc)


def row_is_sound(rowid: int, values: Sequence[Any]) -> bool:
    """Say whether a row of `record` (its columns without the id) is as it was written."""
    stream_id, incarnation, framing_version, context, connection, n, received, crc, data = values
    try:
        own = record_crc(data, n=n, connection=connection, received_at_ms=received)
        return bool(
            crc
            == row_crc(
                own,
                stream_id=stream_id,
                incarnation=incarnation,
                seq=rowid & SEQ_MASK,
                context_id=context,
                framing_version=framing_version,
            )
        )
    except (struct.error, TypeError, ValueError):
        return False  # damaged values have any type and size


def connect(path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """Open the database for use by several threads, one at a time, without implicit BEGIN."""
    connection = sqlite3.connect(
        path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -8192")  # 8 MiB
    except BaseException:
        connection.close()
        raise
    return connection


def create_if_new(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; WAL is set for good."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in TABLES.split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA journal_size_limit = 16777216")  # the WAL shrinks to 16 MiB


def sealed_note(key: str, value: bytes) -> bytes:
    """Give a note's value with its checksum before it."""
    return _SEAL.pack(zlib.crc32(value, zlib.crc32(key.encode()))) + value


def opened_note(key: str, sealed: bytes) -> bytes | None:
    """Give a note's value, or None if it is damaged: what it remembered is done again."""
    value = sealed[_SEAL.size :]
    return value if sealed_note(key, value) == sealed else None
