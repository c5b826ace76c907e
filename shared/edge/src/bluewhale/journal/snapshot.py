"""A copy of a journal of one moment, while its owner goes on writing; made to fit a main database.

Owns the copying and which records of a copy are settled. Does not own where a
copy is kept. The copied file is a journal like any other.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bluewhale.journal.exceptions import translated
from bluewhale.journal.journal import QUOTA_BYTES, Journal
from bluewhale.journal.schema import connect

BUSY_TIMEOUT_MS = 30_000
Mark = tuple[int, int, int, int | None]  # stream_id, incarnation, stored_through, record_crc


@contextlib.contextmanager
def snapshot(path: Path) -> Iterator[Callable[[Path], None]]:
    """Hold the state of this moment; what is given writes it into a new file, once.

    Raises
    ------
    JournalBusyError, JournalCorruptError, JournalFullError, JournalWriteError
        As `Journal.open`.
    """
    with contextlib.closing(connect(path, busy_timeout_ms=BUSY_TIMEOUT_MS)) as source:
        try:
            source.execute("BEGIN")
            source.execute("SELECT COUNT(*) FROM lane").fetchone()  # the state is that of now
        except sqlite3.Error as error:
            raise translated(error, path) from error

        def write(to: Path) -> None:
            try:
                with contextlib.closing(connect(to, busy_timeout_ms=0)) as target:
                    source.backup(target)
                source.execute("COMMIT")  # nothing more is held
            except sqlite3.Error as error:
                raise translated(error, path) from error

        yield write


def settle(path: Path, marks: Iterable[Mark]) -> None:
    """Delete from a copied journal what a main database of a later moment has already.

    Without this the marks of that database would name records that this journal
    never had, and it would take itself for a copy of another unit's.
    """
    stored = {(stream, incarnation): (through, crc) for stream, incarnation, through, crc in marks}
    quota_bytes = max(QUOTA_BYTES, 2 * path.stat().st_size)
    with Journal.open(path, quota_bytes=quota_bytes) as journal:
        for lane in journal.streams():
            through, crc = stored.get((lane.stream_id, lane.incarnation), (0, None))
            if through > lane.journaled_through:
                through, crc = lane.journaled_through, None
            journal.acknowledge(lane.stream_id, lane.incarnation, through, crc)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
