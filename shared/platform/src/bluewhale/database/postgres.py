"""The PostgreSQL driver of the cluster: connections, locks, transactions, error mapping.

Transactions are READ COMMITTED; what must not run together is kept apart by
advisory locks taken first (docs/adr/0011). Readers see one state (REPEATABLE
READ). Does not own statements: `?` marks become the driver's.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from bluewhale.database import engine, migrations, partitions
from bluewhale.database.copying import Kind, copy_bytes
from bluewhale.database.exceptions import (
    StoreAwayError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
)
from psycopg import pq
from typing_extensions import override

IDLE_CONNECTIONS_MAX = 8
COPY_PIECE_BYTES = 256 << 10
# A frozen process must not hold its locks for ever: the server ends its session.
IDLE_IN_TRANSACTION_MS = 120_000
# Advisory locks: the first word says what of, the second which one.
_LOCKS, _PARTITIONS, _WORK = 0x4257, 0x4258, 0x4259
_WHOLE, _BESIDE, _MIGRATION, _DAYS = 1, 2, 3, 4
_DROP_WAIT_MS = 200

_BUSY = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout
_FULL = {"53100"}
_CORRUPT = {"XX001", "XX002"}
# Connections and shutdown (08, 57P), limits of the server (53), idle in transaction (25P03).
_AWAY = ("08", "57P", "53", "25P03")


def translate(error: psycopg.Error, place: str) -> Exception:
    """Give our error for one of the engine's; the text says what to do."""
    state = error.sqlstate or ""
    text = str(error).strip().split("\n", 1)[0]
    if state in _BUSY:
        return StoreBusyError(
            f"the database at {place} gave way to another writer ({text}); repeat",
            retry_after_s=0.2,
        )
    if state in _FULL:
        return StoreFullError(
            f"no space left for the database at {place} ({text}); free space and repeat."
            " Nothing of this batch was stored"
        )
    if state in _CORRUPT:
        return StoreCorruptError(f"the database at {place} is damaged ({text})")
    if state.startswith(_AWAY) or (not state and isinstance(error, psycopg.OperationalError)):
        return StoreAwayError(
            f"the database at {place} cannot be reached ({text}): start it, or correct its address"
            " (cluster.database)",
            retry_after_s=1.0,
        )
    return StoreError(f"the database at {place} refused: {text}")


@lru_cache(maxsize=1024)
def _marks(sql: str) -> str:
    """Give a statement with the marks of psycopg instead of `?`."""
    return sql.replace("%", "%%").replace("?", "%s")


@lru_cache(maxsize=1024)
def _marks_in(sql: str) -> str:
    return _marks(sql).replace("IN ({marks})", "= ANY(%b)")


@lru_cache(maxsize=64)
def _kinds(table: sa.Table) -> dict[str, Kind]:
    """Give how the columns of a table travel in a binary COPY."""
    kinds: dict[str, Kind] = {}
    for column in table.columns:
        kind = column.type
        if isinstance(kind, sa.BigInteger):
            kinds[column.name] = "int8"
        elif isinstance(kind, sa.Integer):
            kinds[column.name] = "int4"
        elif isinstance(kind, sa.Float):
            kinds[column.name] = "float8"
        elif isinstance(kind, sa.LargeBinary):
            kinds[column.name] = "bytes"
        else:
            assert isinstance(kind, sa.Text), column
            kinds[column.name] = "text"
    return kinds


class PostgresTransaction(engine.Transaction):
    """One transaction of PostgreSQL."""

    dialect: engine.Dialect = "postgresql"

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    @override
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(_marks(sql), parameters, binary=True).fetchall()

    @override
    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self.connection.execute(_marks(sql), parameters).rowcount

    @override
    def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            with self.connection.cursor() as cursor:
                cursor.executemany(_marks(sql), rows)

    @override
    def rows_in(
        self, sql: str, values: Iterable[Any], parameters: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        listed = list(values)
        if not listed:
            return []
        return self.connection.execute(
            _marks_in(sql), (*parameters, listed), binary=True
        ).fetchall()

    @override
    def run_in(self, sql: str, values: Iterable[Any], parameters: Sequence[Any] = ()) -> int:
        listed = list(values)
        if not listed:
            return 0
        return self.connection.execute(_marks_in(sql), (*parameters, listed)).rowcount

    @override
    def put(self, table: sa.Table, rows: pa.Table) -> None:
        self._copy(table.name, table, rows)

    def _copy(self, name: str, table: sa.Table, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        listed = ", ".join(f'"{column}"' for column in rows.column_names)
        kinds = _kinds(table)
        data = copy_bytes(
            [(rows.column(at), kinds[column]) for at, column in enumerate(rows.column_names)]
        )
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {name} ({listed}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            for at in range(0, len(data), COPY_PIECE_BYTES):
                copy.write(data[at : at + COPY_PIECE_BYTES])

    @override
    def delete(self, table: sa.Table, rows: pa.Table) -> int:
        if not rows.num_rows:
            return 0
        listed = ", ".join(f'"{column}"' for column in rows.column_names)
        execute = self.connection.execute
        execute(
            f"CREATE TEMP TABLE doomed ON COMMIT DROP AS SELECT {listed} FROM {table.name} LIMIT 0"
        )
        self._copy("doomed", table, rows)
        execute("ANALYZE doomed")  # or the planner takes it for a small one
        equal = " AND ".join(f't."{column}" = d."{column}"' for column in rows.column_names)
        gone = execute(f"DELETE FROM {table.name} t USING doomed d WHERE {equal}").rowcount
        execute("DROP TABLE doomed")
        return gone


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'local'}:{parts.port or 5432}{parts.path}"


_SCRUBBED = (  # where rows hold what is a person's
    "leg", "leg_key", "call_version", "call_number", "duplicate", "suspense", "directory_version",
    "job",
)  # fmt: skip


class PostgresDatabase(engine.Database):
    """Connections to one PostgreSQL database; `url` is asked for each of them."""

    dialect: engine.Dialect = "postgresql"

    def __init__(self, url: Callable[[], str], *, busy_timeout_ms: int) -> None:
        self.place = _place(url())
        self._url = url
        self._settings = (
            f"-c lock_timeout={busy_timeout_ms}"
            f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
        )
        self._idle: list[psycopg.Connection[tuple[Any, ...]]] = []
        self._idle_lock = threading.Lock()
        self._closed = False
        self._days: set[int] = set()

    # ---- connections -------------------------------------------------------------------

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self._url(),
            autocommit=True,  # transactions are begun by us, with their locks, in one go
            connect_timeout=10,
            options=self._settings,
            application_name="bluewhale",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=20_000,
        )

    def _begun(self, begin: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Give a connection on which `begin` ran; one that went stale is replaced."""
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                connection.execute(begin)
            except psycopg.OperationalError:
                if not connection.broken:
                    self._give_back(connection)
                    raise
                self._forget()  # the server restarted: none of them lives
            else:
                return connection
        connection = self._connect()
        try:
            connection.execute(begin)
        except BaseException:
            self._give_back(connection)
            raise
        return connection

    def _give_back(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Keep a connection for the next transaction, unless something is still open on it."""
        if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error):
                connection.rollback()
        usable = connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
        with self._idle_lock:
            if usable and not self._closed and len(self._idle) < IDLE_CONNECTIONS_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def _forget(self) -> None:
        with self._idle_lock:
            stale, self._idle = self._idle, []
        for connection in stale:
            connection.close()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgresTransaction]:
        try:
            connection = self._begun(begin)
            try:
                yield PostgresTransaction(connection)
                connection.commit()
            finally:
                self._give_back(connection)
        except psycopg.Error as error:
            raise translate(error, self.place) from error

    # ---- transactions ------------------------------------------------------------------

    @override
    def write(
        self, *, partition: int | None = None
    ) -> contextlib.AbstractContextManager[engine.Transaction]:
        """Open a write transaction alone, or beside those of other partitions."""
        if partition is None:
            return self._transaction(f"BEGIN; SELECT pg_advisory_xact_lock({_LOCKS}, {_WHOLE})")
        return self._transaction(
            f"BEGIN; SELECT pg_advisory_xact_lock_shared({_LOCKS}, {_WHOLE});"
            f" SELECT pg_advisory_xact_lock({_PARTITIONS}, {int(partition)})"
        )

    @override
    def write_beside(self) -> contextlib.AbstractContextManager[engine.Transaction]:
        """Open a write transaction on tables that no commit of records writes."""
        return self._transaction(f"BEGIN; SELECT pg_advisory_xact_lock({_LOCKS}, {_BESIDE})")

    @override
    def write_rows(self) -> contextlib.AbstractContextManager[engine.Transaction]:
        """Open a write transaction that needs no order but that of its rows."""
        return self._transaction("BEGIN")

    @override
    def read(self) -> contextlib.AbstractContextManager[engine.Transaction]:
        """Open a read transaction: one consistent state."""
        return self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    @override
    def migrate(self) -> int | None:
        """Bring the tables to this release; of several replicas one does it, others wait."""
        made = sa.create_engine(
            "postgresql+psycopg://", creator=self._connect, poolclass=sa.NullPool
        )
        try:
            with made.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCKS}, {_MIGRATION})")
                found = migrations.upgrade(connection, self.place)
                partitions.make_rest(self._driver(connection).execute)
                connection.exec_driver_sql("COMMIT")
                return found
        except psycopg.Error as error:
            raise translate(error, self.place) from error
        except sa.exc.DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise translate(error.orig, self.place) from error
            raise
        finally:
            made.dispose()

    @staticmethod
    def _driver(connection: sa.Connection) -> psycopg.Connection[tuple[Any, ...]]:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return driver

    @override
    @contextlib.contextmanager
    def sole(self, work: str) -> Iterator[bool]:
        """Hold an advisory lock of this work; a process that dies lets it go."""
        begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"
        with self._transaction(begin) as tx:
            held = tx.one(
                "SELECT pg_try_advisory_xact_lock(?, ?)", (_WORK, crc32(work.encode()) >> 1)
            )
            yield bool(held and held[0])

    @override
    def make_days(self, days: Collection[int]) -> None:
        """Make partitions for days of legs that have none."""
        if self._days.issuperset(days):
            return
        # Days that cannot have one are not asked for again, nor are those made elsewhere.
        begin = f"BEGIN; SELECT pg_advisory_xact_lock({_LOCKS}, {_DAYS})"
        with self._transaction(begin) as tx:
            made = partitions.make_days(tx.connection.execute, days)
        self._days |= made | set(days)

    @override
    def drop_days(self, before_day: int) -> None:
        """Drop partitions of past days that are empty, unless somebody reads there just now."""
        begin = (
            f"BEGIN; SET LOCAL lock_timeout = {_DROP_WAIT_MS};"
            f" SELECT pg_advisory_xact_lock({_LOCKS}, {_DAYS})"
        )
        with contextlib.suppress(StoreBusyError), self._transaction(begin) as tx:
            partitions.drop_empty(tx.connection.execute, before_day)
        self._days = {d for d in self._days if d >= before_day}

    @override
    def scrub(self) -> None:
        """Free the room of rows that nobody sees any more; the next rows overwrite it."""
        try:
            with self._connect() as connection:
                connection.execute(f"VACUUM {', '.join(_SCRUBBED)}")
        except psycopg.Error as error:
            raise translate(error, self.place) from error

    @override
    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self._forget()
