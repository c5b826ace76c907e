"""A backup of a running installation.

Order is what makes it right. The state of the journal is taken first, that of the
main database next, milliseconds later: so whatever the journal has let go of
by then is in the database. Then the sealed files that this very database names:
they never change, and no sweep takes one while we copy. What the copied journal
holds and the copied database has is taken out of the copy; the rest is delivered
after a restore. The manifest is written last and the folder gets its name last:
what is not whole does not look like a backup.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.metadata
import io
import itertools
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.cli.backups.manifest import NAME, Entry, Manifest, decoded
from bluewhale.cli.backups.reading import PIECE_BYTES, STREAM
from bluewhale.cli.exceptions import InputError

if TYPE_CHECKING:
    from bluewhale.configuration import Settings
    from bluewhale.database.snapshot import SegmentFile

PREFIX = "bluewhale-"
SCRATCH = ".backup"  # in `data`: where a backup that streams out puts its databases meanwhile
SEGMENTS = "segments"
JOURNAL = "journal.db"
_PARTIAL = ".partial-"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_FROM_BEFORE = "copy it from an earlier backup (sealed files never change) and repeat"


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup became; `linked` files were taken over from the one before."""

    path: str
    taken_at: str
    files: int
    bytes: int
    linked: int


def make(settings: Settings, into: Path, *, keep: int | None = None) -> Made:
    """Write a backup into a folder of backups, or as a tar to standard output (`-`).

    keep: how many complete backups stay in the folder; None = all.

    Raises
    ------
    InputError
        The folder cannot be used, or another backup is being written there.
    StoreFullError
        No space left; nothing that looks like a backup is left behind.
    StoreError, JournalError
        What the main database or the journal say.
    """
    from bluewhale.database import StoreFullError
    from bluewhale.journal import JournalFullError

    streams = str(into) == STREAM
    room = settings.data / SCRATCH if streams else into
    try:
        with _partial(room) as folder, contextlib.ExitStack() as held:
            made = _Making(settings, folder, held)
            return made.streamed() if streams else made.kept(room, keep)
    except (OSError, StoreFullError, JournalFullError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_ROOM:
            raise InputError(f"the backup cannot be written: {error}") from None
        raise StoreFullError(
            f"no space left for the backup in {room}; make room and repeat:"
            " nothing that looks like a backup was left"
        ) from None


class _Making:
    """One backup under way in a folder without a name."""

    def __init__(self, settings: Settings, folder: Path, held: contextlib.ExitStack) -> None:
        from bluewhale.database.snapshot import taken
        from bluewhale.jobs.opening import main_address
        from bluewhale.journal.snapshot import settle, snapshot

        self._folder = folder
        where = main_address(settings)
        segments = settings.cluster.database.segments if settings.cluster else None
        journal = settings.data / JOURNAL
        write_journal = None
        if isinstance(where, Path):
            segments = None
            if journal.exists():
                write_journal = held.enter_context(snapshot(journal))
        now = datetime.now(UTC)
        main = held.enter_context(taken(where, segments=segments))
        names = main.write(folder)
        if write_journal is not None:
            write_journal(folder / JOURNAL)
            marks = main.marks
            settle(
                folder / JOURNAL,
                [(m.stream_id, m.incarnation, m.stored_through, m.record_crc) for m in marks],
            )
            names.append(JOURNAL)
        self._entries = [_entry(folder / name, name) for name in names]
        self._sealed = main.segment_files
        self._name = f"{PREFIX}{now:%Y%m%dT%H%M%SZ}"
        self._manifest = Manifest(
            release=importlib.metadata.version("bluewhale-cli"),
            engine=main.engine,
            schema=main.schema,
            taken_at=now.isoformat(timespec="milliseconds"),
            files=(),
        )

    def kept(self, into: Path, keep: int | None) -> Made:
        """Copy the sealed files, or take over those that the backup before has; give it its name."""
        before = complete(into)
        known = {e.name: e for e in before[-1][1].files} if before else {}
        (self._folder / SEGMENTS).mkdir()
        linked = 0
        for sealed in self._sealed:
            name = f"{SEGMENTS}/{sealed.path.name}"
            entry = known.get(name)
            if entry is not None and _taken_over(before[-1][0] / name, self._folder / name, entry):
                linked += 1
            else:
                entry = _copied(sealed, self._folder / name, name)
            self._entries.append(entry)
        manifest = replace(self._manifest, files=self._entries)
        _write(self._folder / NAME, manifest.encoded())
        for folder in (self._folder, *(f for f in self._folder.iterdir() if f.is_dir())):
            sync_folder(folder)
        path = next(p for n in itertools.count(1) if not (p := self._path(into, n)).exists())
        self._folder.rename(path)
        sync_folder(into)
        for old, _ in complete(into)[: -keep or None] if keep else ():
            _removed(old)
        size = manifest.size + (path / NAME).stat().st_size
        return Made(str(path), manifest.taken_at, len(manifest.files), size, linked)

    def _path(self, into: Path, number: int) -> Path:
        """Give the name of this backup; of several of one second the later ones have a number."""
        return into / (self._name if number == 1 else f"{self._name}-{number}")

    def streamed(self) -> Made:
        """Write a tar to standard output, the manifest first."""
        paths = [self._folder / entry.name for entry in self._entries]
        for sealed in self._sealed:
            self._entries.append(_copied(sealed, None, f"{SEGMENTS}/{sealed.path.name}"))
            paths.append(sealed.path)
        manifest = replace(self._manifest, files=self._entries)
        text = manifest.encoded()
        with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
            tar.addfile(_member(NAME, len(text)), io.BytesIO(text))
            for entry, path in zip(manifest.files, paths, strict=True):
                with path.open("rb") as file:
                    tar.addfile(_member(entry.name, entry.size), file)
        sys.stdout.buffer.flush()
        size = manifest.size + len(text)
        return Made("standard output", manifest.taken_at, len(paths), size, 0)


@contextlib.contextmanager
def _partial(room: Path) -> Iterator[Path]:
    """Give a folder for what is not a backup yet; it goes, however the making ends.

    One backup is written in a room at a time, so what else is unfinished there
    is of a process that died, and goes too.
    """
    room.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(room / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another backup is being written to {room}; wait for it") from None
        for left in room.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=room))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def complete(into: Path) -> list[tuple[Path, Manifest]]:
    """Give the complete backups of a folder, oldest first; one that is damaged is left alone."""
    found = []
    for folder in (f for f in into.glob(f"{PREFIX}*") if (f / NAME).is_file()):
        with contextlib.suppress(InputError):
            found.append((folder, decoded((folder / NAME).read_bytes(), str(folder / NAME))))
    return sorted(found, key=lambda backup: backup[1].taken_at)


def _removed(path: Path) -> None:
    """Remove a backup so that what is left of it, if we die, does not look like one."""
    doomed = path.with_name(f"{_PARTIAL}{path.name}")
    path.rename(doomed)
    shutil.rmtree(doomed)


def _taken_over(before: Path, to: Path, entry: Entry) -> bool:
    """Let the backup before share a sealed file, which never changes; False = it cannot."""
    try:
        if before.stat().st_size != entry.size:
            return False
        to.hardlink_to(before)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        return False
    return True


def _copied(sealed: SegmentFile, to: Path | None, name: str) -> Entry:
    """Copy a sealed file (or read it alone), and hold it against the database's own checksum."""
    from bluewhale.database import StoreCorruptError

    digest, crc, size = hashlib.sha256(), 0, 0
    try:
        with contextlib.ExitStack() as files:
            source = files.enter_context(sealed.path.open("rb"))
            target = files.enter_context(to.open("xb")) if to is not None else None
            while piece := source.read(PIECE_BYTES):
                digest.update(piece)
                crc = zlib.crc32(piece, crc)
                size += len(piece)
                if target is not None:
                    target.write(piece)
            if target is not None:
                target.flush()
                os.fsync(target.fileno())
    except FileNotFoundError:
        raise StoreCorruptError(
            f"the sealed file {sealed.path} is missing; {_FROM_BEFORE}"
        ) from None
    if sealed.checksum != f"crc32:{crc:08x}":
        raise StoreCorruptError(f"the sealed file {sealed.path} is damaged; {_FROM_BEFORE}")
    return Entry(name, size, digest.hexdigest())


def _entry(path: Path, name: str) -> Entry:
    """Sync a file that was written here, and name it with its checksum."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return Entry(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
