"""A main database on PostgreSQL as files, and back: binary COPY, table by table, in zstd.

Owns what is in these files: `tables.json` (columns of each table, days that have
partitions) and `tables/NAME.copy.zst`. Needs no program beside the driver. Read in
one REPEATABLE READ transaction, they are one state; loaded in one transaction,
all is there or nothing. Does not own where files are kept, or sealed files.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast

import sqlalchemy as sa
import zstandard
from bluewhale.database import partitions, tables
from bluewhale.database.exceptions import StateError
from bluewhale.database.postgres import COPY_PIECE_BYTES, PostgresDatabase, PostgresTransaction

CONTENTS = "tables.json"
FOLDER = "tables"
ENDING = ".copy.zst"
LEVEL = 3
# Terms that units may have seen of a later state than the one that is loaded: they follow the larger.
TERMS_PASSED_OVER = 1_000_000
_NOT_CONTENT = (tables.schema_version.name, tables.schema_revision.name)


class Readable(Protocol):
    """Bytes that come in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Give the next bytes, all that are left by default."""
        ...


def dump(tx: PostgresTransaction, folder: Path) -> list[str]:
    """Write every table as the transaction sees it; gives the names of the files."""
    tx.run("SET LOCAL idle_in_transaction_session_timeout = 0")
    columns = {t: c for t in _content() if (c := _columns(tx, t))}
    days = sorted(partitions.stored_days(tx.connection.execute))
    (folder / CONTENTS).write_text(json.dumps({"tables": columns, "days": days}, indent=1))
    (folder / FOLDER).mkdir()
    names = [CONTENTS]
    for table, its in columns.items():
        name = f"{FOLDER}/{table}{ENDING}"
        wanted = f"COPY (SELECT {_listed(its)} FROM {table}) TO STDOUT (FORMAT BINARY)"
        with (
            zstandard.open(folder / name, "wb", cctx=zstandard.ZstdCompressor(level=LEVEL)) as file,
            tx.connection.cursor() as cursor,
            cursor.copy(wanted) as rows,
        ):
            for piece in rows:
                file.write(piece)
        names.append(name)
    return names


class Loading:
    """An empty database that gets its content; made by `loading`."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx
        self._tables: dict[str, list[str]] = {}

    def take(self, name: str, file: Readable) -> None:
        """Take one file of `dump`, in its order."""
        if name == CONTENTS:
            contents = json.loads(file.read())
            self._tables = contents["tables"]
            partitions.make_days(self._tx.connection.execute, contents["days"])
            return
        table = name.removeprefix(f"{FOLDER}/").removesuffix(ENDING)
        wanted = f"COPY {table} ({_listed(self._tables[table])}) FROM STDIN (FORMAT BINARY)"
        unpacked = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", file))
        with self._tx.connection.cursor() as cursor, cursor.copy(wanted) as rows:
            while piece := unpacked.read(COPY_PIECE_BYTES):
                rows.write(piece)

    def finish(self) -> None:
        """Let numbers go on behind those that are stored."""
        for name in self._tables:
            for column in _numbered(tables.metadata.tables[name]):
                self._tx.rows(
                    f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'),"
                    f' COALESCE(MAX("{column}"), 0) + 1, false) FROM {name}'
                )
            self._tx.run(f"ANALYZE {name}")
        self._tx.run("UPDATE ownership_term SET term = term + ?", (TERMS_PASSED_OVER,))


@contextlib.contextmanager
def loading(database: PostgresDatabase) -> Iterator[Loading]:
    """Make the tables of this release in a database and give it its content, or nothing of it.

    Raises
    ------
    StateError
        The database holds something already.
    """
    database.migrate()
    with database.write() as tx:
        assert isinstance(tx, PostgresTransaction)
        tx.run("SET LOCAL idle_in_transaction_session_timeout = 0")
        for name in _content():
            if tx.one(f"SELECT 1 FROM {name} LIMIT 1"):
                raise StateError(
                    f"the database at {database.place} is not empty (table {name}); stop the roles,"
                    " then drop the database and create it anew, or name another one"
                )
        loads = Loading(tx)
        yield loads
        loads.finish()


def _content() -> list[str]:
    return sorted(tables.metadata.tables.keys() - set(_NOT_CONTENT))


def _columns(tx: PostgresTransaction, table: str) -> list[str]:
    found = tx.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum",
        (table,),
    )
    return [row[0] for row in found]


def _listed(columns: list[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _numbered(table: sa.Table) -> Iterator[str]:
    """Give the column that the database numbers by itself, if the table has one."""
    column: sa.Column[Any] | None = table.autoincrement_column
    if column is not None:
        yield column.name
