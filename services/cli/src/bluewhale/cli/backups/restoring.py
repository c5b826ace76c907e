"""A backup brought back into an installation that is empty.

Everything is written under names that nobody opens, checked while it is written,
and gets its name at the end: killed in the middle, it is no installation, and
the same command begins anew. Refused, it leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.cli.backups.making import JOURNAL, SEGMENTS, sync_folder
from bluewhale.cli.backups.reading import PIECE_BYTES, Backup, Checked, opened
from bluewhale.cli.exceptions import InputError

if TYPE_CHECKING:
    from bluewhale.cli.backups.manifest import Entry
    from bluewhale.configuration import Settings
    from bluewhale.database.dumping import Loading


_ENGINES = {"sqlite": "SQLite (bluewhale up)", "postgresql": "PostgreSQL (roles)"}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was read, and where it went; `into` is empty where it was checked alone."""

    backup: str
    into: str
    taken_at: str
    release: str
    files: int
    bytes: int


def verify(path: Path) -> Restored:
    """Read a whole backup and compare every file with the manifest.

    Raises
    ------
    InputError
        It is not complete, or a file is missing or damaged.
    """
    with opened(path) as backup:
        for _ in backup.files():
            pass
        return _told(backup, "")


def restore(settings: Settings, path: Path, *, aside: bool = False) -> Restored:
    """Bring a backup (a folder, a tar, `-`) into the empty installation of a configuration.

    aside: what is in `data` already moves into a folder beside it, and back if
    the restore fails.

    Raises
    ------
    InputError
        The backup is damaged or does not fit, or something is there already.
    StateError
        The database is not empty.
    StoreFullError
        No space left.
    """
    from bluewhale.database import StoreFullError

    try:
        with opened(path) as backup:
            _fits(settings, backup)
            if backup.manifest.engine == "sqlite":
                return _told(backup, _embedded(settings.data, backup, aside=aside))
            if aside:
                raise InputError(
                    "--aside is for bluewhale up; create a fresh database for roles, and name an"
                    " empty folder for sealed files: nothing was changed"
                )
            return _told(backup, _standard(settings, backup))
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFullError(
                f"no space left to restore {path}; make room and repeat: nothing was kept"
            ) from None
        raise InputError(f"{path} cannot be restored: {error}") from None


def _told(backup: Backup, into: str) -> Restored:
    found = backup.manifest
    return Restored(backup.where, into, found.taken_at, found.release, len(found.files), found.size)


def _fits(settings: Settings, backup: Backup) -> None:
    """Refuse what this release and this configuration cannot take."""
    from bluewhale.database.opening import is_server
    from bluewhale.database.tables import SCHEMA_VERSION
    from bluewhale.jobs.opening import main_address

    found, here = backup.manifest, "sqlite"
    if is_server(main_address(settings)):
        here = "postgresql"
    if found.engine != here:
        raise InputError(
            f"{backup.where}: the backup is of {_ENGINES.get(found.engine, found.engine)}, the"
            f" configuration names {_ENGINES[here]}; restore it with a configuration like the one"
            " it was made with"
        )
    # PostgreSQL's tables are made by this release, so they are those of this release
    older_is_refused = here == "postgresql"
    if found.schema > SCHEMA_VERSION or (older_is_refused and found.schema < SCHEMA_VERSION):
        raise InputError(
            f"{backup.where}: made by release {found.release} with tables of version {found.schema},"
            f" this release has {SCHEMA_VERSION}; restore with release {found.release}"
            + ("" if found.schema > SCHEMA_VERSION else ", then update")
        )


def _embedded(data: Path, backup: Backup, *, aside: bool) -> str:
    """Restore into the folder `data`; the main database gets its name last of all."""
    from bluewhale.database.sqlite import FILE_NAME, UNFINISHED

    store, journal = data / "store", data / JOURNAL
    marker = store / f"{FILE_NAME}{UNFINISHED}"
    with _alone(marker) as begun, contextlib.ExitStack() as undone:
        if begun:
            _wipe(store, journal)
        if aside:
            _move_aside(data, undone)
        for path in (store, journal):
            if path.exists():
                raise InputError(
                    f"{path} is there already; --aside moves it away first, or name another"
                    " `data`: nothing was changed"
                )
        undone.callback(_wipe, store, journal)
        (store / SEGMENTS).mkdir(parents=True, mode=0o700)
        marker.touch()
        names = {FILE_NAME: marker, JOURNAL: journal}
        for entry, file in backup.files():
            _save(file, names.get(entry.name, store / entry.name))
        for folder in (store / SEGMENTS, data):
            sync_folder(folder)
        marker.rename(store / FILE_NAME)
        undone.pop_all()
    sync_folder(store)
    return str(data)


def _move_aside(data: Path, undone: contextlib.ExitStack) -> None:
    """Move an installation that nobody runs into a folder of its own; undone, it comes back.

    Raises
    ------
    JournalInUseError
        Somebody runs it.
    """
    from bluewhale.journal import Journal

    if (data / JOURNAL).exists():
        Journal.open(data / JOURNAL).close()  # nobody has it, and all of it is in one file
    there = [path for path in (data / "store", data / JOURNAL) if path.exists()]
    if not there:
        return
    away = data / f"before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    away.mkdir(mode=0o700)
    undone.callback(away.rmdir)
    for path in there:
        to = path.rename(away / path.name)
        undone.callback(to.rename, path)


@contextlib.contextmanager
def _alone(marker: Path) -> Iterator[bool]:
    """Keep a second restore out; says whether an earlier one was cut short."""
    marker.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(marker.parent.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another restore into {marker.parent.parent} is running") from None
        yield marker.exists()
    finally:
        os.close(lock)


def _wipe(store: Path, journal: Path) -> None:
    """Remove what was restored in part; the marker goes last."""
    shutil.rmtree(store / SEGMENTS, ignore_errors=True)
    for path in (journal, *(journal.with_name(journal.name + e) for e in ("-wal", "-shm"))):
        path.unlink(missing_ok=True)
    shutil.rmtree(store, ignore_errors=True)


def _standard(settings: Settings, backup: Backup) -> str:
    """Restore into an empty database, in one transaction, and its folder of sealed files."""
    from bluewhale.database import StoreAwayError
    from bluewhale.database.dumping import loading
    from bluewhale.database.opening import open_database
    from bluewhale.database.postgres import PostgresDatabase
    from bluewhale.jobs.opening import main_address

    assert settings.cluster is not None
    segments = settings.cluster.database.segments
    wanted = {Path(e.name).name for e in backup.manifest.files if e.name.startswith(SEGMENTS)}
    strange = [f for f in _sealed(segments) if f.name not in wanted]
    if strange:
        raise InputError(
            f"{segments} holds {len(strange)} sealed files of another installation"
            f" ({strange[0].name}); move them away, or name another folder: nothing was changed"
        )
    segments.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        with contextlib.closing(open_database(main_address(settings))) as database:
            assert isinstance(database, PostgresDatabase)
            with loading(database) as loads:
                for entry, file in backup.files():
                    if entry.name.startswith(SEGMENTS):
                        written.append(segments / Path(entry.name).name)
                        _save(file, written[-1])
                    else:
                        _load(loads, entry, file)
                sync_folder(segments)
            return database.place
    except StoreAwayError:
        raise  # it may be there: then it needs its files, else a repeat writes them again
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _load(loads: Loading, entry: Entry, file: Checked) -> None:
    """Give the database one table; if it makes nothing of it, damage is the better reason."""
    try:
        loads.take(entry.name, file)
    except Exception:
        file.finish()
        raise


def _sealed(segments: Path) -> list[Path]:
    """Give the files of sealed segments in a folder; the empty ones are anybody's."""
    found = [*segments.glob("*.parquet"), *segments.glob("*.index")]
    return sorted(f for f in found if not f.name.startswith("empty-"))


def _save(file: Checked, to: Path) -> None:
    with to.open("wb") as target:
        shutil.copyfileobj(file, target, PIECE_BYTES)
        target.flush()
        os.fsync(target.fileno())
