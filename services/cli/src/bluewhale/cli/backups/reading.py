"""A backup as it is read: a folder, a tar, or a tar that streams in; every byte is checked.

Owns finding the manifest, the order of files and what is said of a damaged one.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bluewhale.cli.backups.manifest import NAME, Entry, Manifest, decoded
from bluewhale.cli.exceptions import InputError

STREAM = "-"  # standard input or output instead of a path
PIECE_BYTES = 1 << 20


class Checked:
    """A file of a backup; `finish` says whether it is the one of the manifest."""

    def __init__(self, file: IO[bytes], entry: Entry, where: str) -> None:
        self._file, self._entry, self._where = file, entry, where
        self._sum = hashlib.sha256()
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, all that are left by default."""
        piece = self._file.read(size)
        self._sum.update(piece)
        self._size += len(piece)
        return piece

    def finish(self) -> None:
        """Read what is left and compare.

        Raises
        ------
        InputError
            Size or checksum differ.
        """
        while self.read(PIECE_BYTES):
            pass
        if (self._size, self._sum.hexdigest()) != (self._entry.size, self._entry.sha256):
            raise InputError(
                f"{self._where}: {self._entry.name} is damaged: {self._size:,} bytes with SHA-256"
                f" {self._sum.hexdigest()[:16]}..., but {self._entry.size:,} with"
                f" {self._entry.sha256[:16]}... in the manifest; take another backup"
            )


@dataclass(slots=True)
class Backup:
    """A backup whose manifest was read; its files come once, in order."""

    where: str
    manifest: Manifest
    _files: Iterator[tuple[Entry, IO[bytes]]]

    def files(self) -> Iterator[tuple[Entry, Checked]]:
        """Give each file; one that is not as the manifest says ends it.

        Raises
        ------
        InputError
            A file is missing or damaged; raised behind that file, before the next.
        """
        for entry, file in self._files:
            checked = Checked(file, entry, self.where)
            yield entry, checked
            checked.finish()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup: a folder, a tar, or `-` for a tar on standard input.

    Raises
    ------
    InputError
        There is no complete backup.
    """
    if str(path) != STREAM and path.is_dir():
        yield _of_folder(path)
        return
    try:
        with contextlib.ExitStack() as stack:
            if str(path) == STREAM:
                where, stream = "standard input", sys.stdin.buffer
            else:
                where, stream = str(path), stack.enter_context(path.open("rb"))
            tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            yield _of_tar(tar, where)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such backup") from None
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{path}: not a whole tar of a backup ({error}); it was cut short, or is something else"
        ) from None


def _of_folder(path: Path) -> Backup:
    manifest = path / NAME
    if not manifest.is_file():
        raise InputError(
            f"{path}: no backup, there is no {NAME} in it; name the folder of one backup"
        )
    found = decoded(manifest.read_bytes(), str(manifest))

    def files() -> Iterator[tuple[Entry, IO[bytes]]]:
        for entry in found.files:
            try:
                with (path / entry.name).open("rb") as file:
                    yield entry, file
            except FileNotFoundError:
                raise InputError(f"{path}: {entry.name} is missing; take another backup") from None

    return Backup(str(path), found, files())


def _of_tar(tar: tarfile.TarFile, where: str) -> Backup:
    first = tar.next()
    file = tar.extractfile(first) if first is not None and first.name == NAME else None
    if file is None:
        raise InputError(f"{where}: no backup, it does not begin with {NAME}")
    found = decoded(file.read(), f"{where}: {NAME}")

    def files() -> Iterator[tuple[Entry, IO[bytes]]]:
        for entry in found.files:
            member = tar.next()
            file = tar.extractfile(member) if member and member.name == entry.name else None
            if file is None:
                raise InputError(f"{where}: {entry.name} is missing; take another backup")
            yield entry, file

    return Backup(where, found, files())
