"""What whole-file reading and tailing share about files: listing, content ids, moving.

Blocking functions; connectors call them in a thread. Owns no order of commits.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

CHUNK_BYTES = 1 << 20
UNFINISHED_SUFFIXES = (".tmp", ".part", ".partial", ".filepart", ".swp", "~")
_MASK_63 = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as a scan saw it."""

    name: str
    size: int
    mtime_ns: int
    inode: int


def listed(folder: Path) -> dict[str, Seen]:
    """Give the regular files of a folder that are no sender's unfinished work.

    Names that begin with `_` or `.`, or end like a temporary name, are skipped.
    Sub-folders are not entered.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(("_", ".")) or entry.name.endswith(UNFINISHED_SUFFIXES):
                continue
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue  # moved away since the listing
            if S_ISREG(stat.st_mode):
                found.append(Seen(entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    found.sort(key=lambda seen: (seen.mtime_ns, seen.name))
    return {seen.name: seen for seen in found}


def matches(name: str, pattern: str) -> bool:
    """Say whether a file name matches a shell pattern, case-sensitive."""
    return fnmatch.fnmatchcase(name, pattern)


class ContentHash:
    """BLAKE2b-64 of bytes as they come; `number` is its low 63 bits."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=8)

    def update(self, data: bytes) -> None:
        """Add bytes."""
        self._hash.update(data)

    def number(self) -> int:
        """Give the 63-bit number of what came so far."""
        return int.from_bytes(self._hash.digest(), "big") & _MASK_63


def content_id(path: Path) -> int:
    """Give the connection number of a file: the hash of its content, 63 bits."""
    content = ContentHash()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            content.update(chunk)
    return content.number()


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Give at most `size` bytes at an offset."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def move_into(path: Path, archive: Path) -> Path:
    """Move a file into a folder; a name that is taken gets a number. Works over file systems."""
    archive.mkdir(parents=True, exist_ok=True)
    target, number = archive / path.name, 0
    while target.exists():
        number += 1
        target = archive / f"{path.name}.{number}"
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = archive / f".{target.name}.part"
        shutil.copy2(path, partial)
        partial.rename(target)
        path.unlink()
    return target
