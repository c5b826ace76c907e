"""One state of a main database as files, while others go on writing.

    with taken(Path("data/store")) as snapshot:     # or "postgresql://...", segments=folder
        names = snapshot.write(folder)
        copy(snapshot.segment_files)

SQLite is copied as it is, PostgreSQL table by table (`dumping`); once written the
database is let go. The sealed files are those that this very state names, and no
sweep takes one of them away before the `with` ends. Nothing is migrated. Does not
own where files are kept.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bluewhale.database import dumping, tables
from bluewhale.database.batch import Mark
from bluewhale.database.engine import Dialect, Transaction
from bluewhale.database.exceptions import StoreCorruptError, StoreError, StoreVersionError
from bluewhale.database.opening import Where, is_server, open_database
from bluewhale.database.postgres import PostgresTransaction
from bluewhale.database.segments import SegmentFolder
from bluewhale.database.sqlite import FILE_NAME, SqliteTransaction, translate
from bluewhale.database.streams import read_marks

SOUND = [("ok",)]


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One sealed file that the state names, and the checksum that the manifest has of it."""

    path: Path
    checksum: str  # crc32:01234567


class Snapshot:
    """A state that is held; made by `taken`."""

    def __init__(self, tx: Transaction, files: SegmentFolder, end: Callable[[], None]) -> None:
        self._tx, self._end = tx, end
        self.engine: Dialect = tx.dialect
        self.schema = _schema(tx)
        self.marks: Sequence[Mark] = read_marks(tx)
        self.segment_files = [
            SegmentFile(files.path(name, kind), checksum)
            for name, checksums in tx.rows(
                "SELECT name, checksums FROM segment WHERE replaced_by IS NULL ORDER BY name"
            )
            for kind, checksum in sorted(json.loads(checksums).items())
        ]

    def write(self, folder: Path) -> list[str]:
        """Write all but the sealed files, once; gives their names, in the order of reading them back.

        Raises
        ------
        StoreCorruptError
            The database is damaged: a copy of it would help nobody.
        """
        if isinstance(self._tx, SqliteTransaction):
            _copy(self._tx, folder / FILE_NAME)
            names = [FILE_NAME]
        else:
            assert isinstance(self._tx, PostgresTransaction)
            names = dumping.dump(self._tx, folder)
        self._end()
        return names


@contextlib.contextmanager
def taken(where: Where, *, segments: Path | None = None) -> Iterator[Snapshot]:
    """Hold the state of this moment of a main database, named as in `Store.open`.

    Raises
    ------
    StoreError
        There is none.
    StoreVersionError
        A newer release wrote it.
    """
    if not is_server(where):
        assert isinstance(where, str | Path)
        segments = segments or Path(where) / "segments"
        if not (Path(where) / FILE_NAME).exists():
            raise StoreError(
                f"there is no main database in {where}; check `data` of the configuration"
            )
    assert segments is not None
    with contextlib.closing(open_database(where)) as database:
        files = SegmentFolder(segments)
        files.hold()
        try:
            with contextlib.ExitStack() as reading:
                tx = reading.enter_context(database.read())
                yield Snapshot(tx, files, reading.close)
        finally:
            files.release()


def _schema(tx: Transaction) -> int:
    row = tx.one("SELECT MAX(version) FROM schema_version")
    if row is None or row[0] is None:
        raise StoreError("the main database is empty: nothing ever ran on it")
    if row[0] > tables.SCHEMA_VERSION:
        raise StoreVersionError(
            f"the main database was written by a newer release (schema {row[0]}, this release"
            f" knows {tables.SCHEMA_VERSION}); use that release"
        )
    return int(row[0])


def _copy(tx: SqliteTransaction, to: Path) -> None:
    """Copy the pages of the state that is held, and look whether they fit together."""
    source = tx.connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)
    try:
        with contextlib.closing(sqlite3.connect(to, isolation_level=None)) as target:
            target.execute("PRAGMA synchronous = OFF")  # whoever keeps the file syncs it
            source.backup(target)
            found = target.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise translate(error) from error
    if found != SOUND:
        raise StoreCorruptError(
            f"{FILE_NAME} is damaged ({found[0][0]}); restore the last good backup, and let what"
            " came since be collected again"
        )
