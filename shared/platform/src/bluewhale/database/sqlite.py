"""The SQLite driver of the embedded runtime: settings, transactions, error mapping.

One writer at a time: write transactions begin IMMEDIATE under a lock of the
process; readers see the last committed state (WAL). synchronous=FULL: what was
committed survives power loss.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from bluewhale.database import engine, migrations, tables
from bluewhale.database.columns import columns_table, sql_type, table_rows
from bluewhale.database.exceptions import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
)
from sqlalchemy import event, exc
from typing_extensions import override

PAGES_MAX = 2**31 - 2  # 8 TiB: no limit but the disk
PARAMETERS_MAX = 900  # of one statement; old SQLite builds allow 999
FILE_NAME = "main.db"
UNFINISHED = ".restoring"  # after the name of a database that is being restored


def translate(error: Exception) -> Exception:
    """Give our error for one of the engine's; the text says what to do."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    text = str(cause)
    if isinstance(cause, sqlite3.OperationalError | sqlite3.DatabaseError):
        low = text.lower()
        if "locked" in low or "busy" in low:
            return StoreBusyError(
                f"the database is in use by another writer ({text}); try again", retry_after_s=1.0
            )
        if "full" in low or "disk i/o" in low:
            return StoreFullError(
                f"no space left for the database ({text}); free space and repeat. "
                "Nothing of this batch was stored"
            )
        if "malformed" in low or "not a database" in low:
            return StoreCorruptError(f"main.db is damaged or not a database ({text})")
    return StoreError(f"the database refused: {text}")


@lru_cache(maxsize=64)
def _is_blob(kind: pa.DataType) -> bool:
    return isinstance(sql_type(kind), sa.LargeBinary)


class SqliteTransaction(engine.Transaction):
    """One transaction of SQLite."""

    dialect: engine.Dialect = "sqlite"

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    @override
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return [
            tuple(r) for r in self.connection.exec_driver_sql(sql, tuple(parameters)).fetchall()
        ]

    @override
    def table(
        self, select: Sequence[str], source: str, parameters: Sequence[Any], schema: pa.Schema
    ) -> pa.Table:
        # Python's driver lets go of the interpreter for each row, and must wait to have it back
        # where other threads compute: the whole result is one row of JSON (docs/adr/0022)
        given = ", ".join(f"{sql} AS c{n}" for n, sql in enumerate(select))
        listed = ", ".join(
            f"json_group_array(CASE WHEN c{n} IS NOT NULL THEN hex(c{n}) END)" if blob
            else f"json_group_array(c{n})"
            for n, blob in enumerate(map(_is_blob, schema.types))
        )  # fmt: skip
        (texts,) = self.rows(f"SELECT {listed} FROM (SELECT {given} {source})", parameters)
        columns = [json.loads(text) for text in texts]
        for n, kind in enumerate(schema.types):
            if _is_blob(kind):
                columns[n] = [None if v is None else bytes.fromhex(v) for v in columns[n]]
        return columns_table(columns, schema)

    @override
    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self.connection.exec_driver_sql(sql, tuple(parameters)).rowcount

    @override
    def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self.connection.exec_driver_sql(sql, list(rows))

    @override
    def rows_in(
        self, sql: str, values: Iterable[Any], parameters: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        listed = list(values)
        found: list[tuple[Any, ...]] = []
        for at in range(0, len(listed), PARAMETERS_MAX):
            piece = listed[at : at + PARAMETERS_MAX]
            marks = ",".join("?" * len(piece))
            found += self.rows(sql.replace("{marks}", marks), (*parameters, *piece))
        return found

    @override
    def run_in(self, sql: str, values: Iterable[Any], parameters: Sequence[Any] = ()) -> int:
        listed = list(values)
        changed = 0
        for at in range(0, len(listed), PARAMETERS_MAX):
            piece = listed[at : at + PARAMETERS_MAX]
            marks = ",".join("?" * len(piece))
            changed += self.run(sql.replace("{marks}", marks), (*parameters, *piece))
        return changed

    @override
    def put(self, table: sa.Table, rows: pa.Table) -> None:
        self.many(tables.insert_sql(table, rows.column_names), table_rows(rows))

    @override
    def delete(self, table: sa.Table, rows: pa.Table) -> int:
        if not rows.num_rows:
            return 0
        names = rows.column_names
        if len(names) == 1:
            sql = f'DELETE FROM {table.name} WHERE "{names[0]}" IN ({{marks}})'
            return self.run_in(sql, [r[0] for r in table_rows(rows)])
        equal = " AND ".join(f'"{name}" = ?' for name in names)
        sql = f"DELETE FROM {table.name} WHERE {equal}"
        return self.connection.exec_driver_sql(sql, table_rows(rows)).rowcount


class SqliteDatabase(engine.Database):
    """Connections to one SQLite file."""

    dialect: engine.Dialect = "sqlite"

    def __init__(self, path: Path, *, busy_timeout_ms: int) -> None:
        if path.with_name(path.name + UNFINISHED).exists():
            raise StoreError(
                f"{path.parent} holds a backup that is being restored, or whose restoring was cut"
                " short; then run `bluewhale restore` again"
            )
        self.path = path
        self.place = str(path.parent)
        self._lock = threading.RLock()
        self._pages_max = PAGES_MAX
        self._engine = sa.create_engine(
            f"sqlite+pysqlite:///{path}",
            connect_args={"check_same_thread": False, "timeout": busy_timeout_ms / 1000},
            pool_size=8,
            max_overflow=8,
        )

        @event.listens_for(self._engine, "connect")
        def _connected(raw: Any, _record: Any) -> None:
            raw.isolation_level = None  # transactions are begun by us, below
            for pragma in (
                f"busy_timeout={busy_timeout_ms}",
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "temp_store=MEMORY",
                "cache_size=-65536",
                "journal_size_limit=67108864",
            ):
                raw.execute(f"PRAGMA {pragma}").fetchall()

        @event.listens_for(self._engine, "begin")
        def _begun(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count={self._pages_max}")
            writes = connection.get_execution_options().get("writes", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @override
    @contextlib.contextmanager
    def write(self, *, partition: int | None = None) -> Iterator[engine.Transaction]:
        """Open the one write transaction; a partition changes nothing here."""
        with self._writing() as connection:
            yield SqliteTransaction(connection)

    @override
    def write_beside(self) -> contextlib.AbstractContextManager[engine.Transaction]:
        """Open the one write transaction."""
        return self.write()

    @override
    def write_rows(self) -> contextlib.AbstractContextManager[engine.Transaction]:
        """Open the one write transaction."""
        return self.write()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._lock:
            try:
                with (
                    self._engine.connect().execution_options(writes=True) as connection,
                    connection.begin(),
                ):
                    yield connection
            except (exc.DBAPIError, sqlite3.Error) as error:
                raise translate(error) from error

    @override
    @contextlib.contextmanager
    def read(self) -> Iterator[engine.Transaction]:
        """Open a read transaction: one consistent state."""
        try:
            with self._engine.connect() as connection, connection.begin():
                yield SqliteTransaction(connection)
        except (exc.DBAPIError, sqlite3.Error) as error:
            raise translate(error) from error

    @override
    def migrate(self) -> int | None:
        """Bring the tables to this release, inside the one write transaction."""
        with self._writing() as connection:
            return migrations.upgrade(connection, self.place)

    @override
    @contextlib.contextmanager
    def sole(self, work: str) -> Iterator[bool]:
        """Say yes: two that seal at once find out in their transactions, one writer at a time."""
        yield True

    @override
    def make_days(self, days: Collection[int]) -> None:
        """Nothing: days are not apart here."""

    @override
    def drop_days(self, before_day: int) -> None:
        """Nothing: days are not apart here."""

    @override
    def scrub(self) -> None:
        """Write the file anew, and its log away."""
        with self._lock:
            raw = self._engine.raw_connection()
            try:
                raw.execute("VACUUM")
                held = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                raise translate(error) from error
            finally:
                raw.close()
        if held:
            raise StoreBusyError(
                "readers hold the log of the database; it is emptied once they are done",
                retry_after_s=1.0,
            )

    def limit_pages(self, pages: int) -> None:
        """Set how large the database may grow, in pages of 4 KiB; beyond it is "disk full"."""
        self._pages_max = pages

    @override
    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
