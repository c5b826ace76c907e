"""The errors of the journal.

    TemporaryError
    |- JournalFullError      quota or disk full: stop reading the PBX, retry when space is free
    |- JournalBusyError      another program holds SQLite's lock on the file
    |- JournalInUseError     another process has this journal open
    `- JournalWriteError     the disk refused (I/O error, read-only, no permission)
    PermanentError
    |- JournalCorruptError   damaged while open: closing and opening salvages
    |- JournalVersionError   written by another version of this program
    `- JournalClosedError    used after close

Whatever is raised by an append, nothing of that append is in the journal.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import ClassVar

from bluewhale.capture import BluewhaleError, PermanentError, TemporaryError


class JournalFullError(TemporaryError):
    """There is no room; nothing was overwritten, nothing of this append is stored."""

    code: ClassVar[str] = "journal_full"


class JournalBusyError(TemporaryError):
    """Another program holds the database lock for longer than the busy time-out."""

    code: ClassVar[str] = "journal_busy"


class JournalInUseError(TemporaryError):
    """Another process (or another Journal object) has this journal open."""

    code: ClassVar[str] = "journal_in_use"


class JournalWriteError(TemporaryError):
    """The disk refused to read or write."""

    code: ClassVar[str] = "journal_write"


class JournalCorruptError(PermanentError):
    """The database is damaged; closing and opening the journal salvages what is readable."""

    code: ClassVar[str] = "journal_corrupt"


class JournalVersionError(PermanentError):
    """The tables have a version that this program does not know; nothing was changed."""

    code: ClassVar[str] = "journal_version"


class JournalClosedError(PermanentError):
    """The journal was closed."""

    code: ClassVar[str] = "journal_closed"


def translated(error: sqlite3.Error, path: Path) -> BluewhaleError:
    """Give the journal's error for one of SQLite."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return JournalFullError(
            f"{path}: no room ({error}); free disk space or raise the quota", retry_after_s=1.0
        )
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalBusyError(
            f"{path}: locked by another program ({error}); end it", retry_after_s=1.0
        )
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return JournalCorruptError(f"{path}: damaged ({error}); restart to salvage it")
    return JournalWriteError(f"{path}: {error}; check disk and permissions", retry_after_s=5.0)
