"""Which engine an address means, and bringing its tables to this release.

    open_database("postgresql://bluewhale@db/bluewhale")
    brought_up(Path("data/store"))

Owns that choice. Does not own the store that stands on it (`store`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bluewhale.database import tables
from bluewhale.database.engine import Database
from bluewhale.database.postgres import PostgresDatabase
from bluewhale.database.sqlite import SqliteDatabase

BUSY_TIMEOUT_MS = 30_000
POSTGRES = ("postgresql://", "postgres://")

# A folder (SQLite), `postgresql://...`, or what gives that address anew for each connection.
Where = Path | str | Callable[[], str]


def is_server(where: Where) -> bool:
    """Tell whether an address means PostgreSQL."""
    return callable(where) or (isinstance(where, str) and where.startswith(POSTGRES))


def open_database(where: Where, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Give the database at an address; nothing is asked of it yet."""
    if isinstance(where, str) and where.startswith(POSTGRES):
        return PostgresDatabase(lambda: where, busy_timeout_ms=busy_timeout_ms)
    if isinstance(where, str | Path):
        folder = Path(where)
        folder.mkdir(parents=True, exist_ok=True)
        return SqliteDatabase(folder / "main.db", busy_timeout_ms=busy_timeout_ms)
    return PostgresDatabase(where, busy_timeout_ms=busy_timeout_ms)


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """What a migration found and left: versions of the tables, None = there were none."""

    place: str
    found: int | None
    now: int


def brought_up(where: Where) -> BroughtUp:
    """Bring the tables at an address to this release; of several processes one does it.

    Raises
    ------
    StoreVersionError, StoreAwayError, StoreBusyError, StoreFullError, StoreCorruptError
        As their names say.
    """
    database = open_database(where)
    try:
        found = database.migrate()
        return BroughtUp(database.place, found, tables.SCHEMA_VERSION)
    finally:
        database.close()
