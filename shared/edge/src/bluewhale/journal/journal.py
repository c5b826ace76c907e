"""The durable spool of a unit: what was heard stays until the main database has it.

Owns group commit, the quota, the lock on the file and the threads' access to the
two database connections. An append returns after its fsync. Does not own framing,
transports, or what the centre does with a frame.

Example
-------
::

    with Journal.open(Path("journal.db"), quota_bytes=1 << 30) as journal:
        appended = journal.append(7, [CapturedRecord(b"...", None, 1, 1, now_ms)])
        frame = journal.read(7, appended.incarnation, after_seq=0)
        journal.acknowledge(7, appended.incarnation, frame.last_seq, crc)
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bluewhale.capture import CapturedRecord, Frame
from bluewhale.journal.exceptions import (
    JournalClosedError,
    JournalFullError,
    JournalInUseError,
    JournalWriteError,
    translated,
)
from bluewhale.journal.lanes import forget_finished, forget_unused_contexts, living_lanes
from bluewhale.journal.reading import read_frame
from bluewhale.journal.salvage import complaint_of, finish_interrupted, salvage
from bluewhale.journal.schema import PAGE_SIZE_BYTES, connect, create_if_new, opened_note
from bluewhale.journal.shapes import Acknowledged, Appended, Salvage, StreamInfo, Tally, Usage
from bluewhale.journal.writing import Writing

QUOTA_BYTES = 1 << 30
GROUP_RECORDS_MAX = 20_000
GROUP_BYTES_MAX = 8 << 20
QUOTA_BYTES_MIN = 64 * PAGE_SIZE_BYTES

_RECORD_ROW_BYTES = 72  # key, checksum and provenance of a row beside its bytes
_FULL_RETRY_S = 0.2  # an acknowledgement may free room at any time
_SPARE_PAGES = 64  # so that acknowledging works in a full journal
_LOG = logging.getLogger("bluewhale.journal")

_T = TypeVar("_T")


@dataclass(slots=True)
class _Job:
    """One request to the writer: `apply` runs inside the group's transaction."""

    apply: Callable[[], Any]
    record_count: int = 0
    size_bytes: int = 0
    future: Future[Any] = field(default_factory=Future)


class Journal:
    """A journal file; safe to use from any number of threads. Make one by `open`."""

    def __init__(
        self,
        path: Path,
        lock: int,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        *,
        quota_bytes: int,
        alarm_ratio: float,
        salvaged: Salvage | None,
    ) -> None:
        self.path = path
        self.salvaged = salvaged
        # called by the writer thread after records were committed; must not block or raise
        self.on_commit: Callable[[], None] | None = None
        self._lock = lock
        self._writer, self._reader = writer, reader
        self._reading = threading.Lock()
        self._writing = Writing(writer)
        self._quota_bytes, self._alarm_ratio = quota_bytes, alarm_ratio
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._usage = self._measure(full=False)
        self._thread = threading.Thread(target=self._run, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        quota_bytes: int = QUOTA_BYTES,
        alarm_ratio: float = 0.8,
        busy_timeout_ms: int = 5_000,
        page_count_max: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Journal:
        """Open or create a journal; a damaged one is salvaged first.

        Parameters
        ----------
        path
            The database file; `-wal`, `-shm` and `.lock` stand beside it.
        quota_bytes
            Room for records, at least 256 KiB. The file stays under it but for
            a few pages; the write-ahead log may add 16 MiB.
        alarm_ratio
            Share of the quota from which `usage().alarm` is raised.
        busy_timeout_ms
            How long to wait for another program's lock on the database.
        page_count_max
            A hard limit in pages of 4 KiB; by default the quota and some spare.
        clock
            Seconds since 1970, for the name of a damaged file.

        Raises
        ------
        JournalInUseError, JournalBusyError, JournalFullError, JournalWriteError
            Another owner, a foreign lock, no room, or no access.
        """
        assert quota_bytes >= QUOTA_BYTES_MIN
        assert 0 < alarm_ratio <= 1
        lock = _locked(path)
        opened: list[sqlite3.Connection] = []
        try:
            finish_interrupted(path)
            complaint = complaint_of(path, busy_timeout_ms) if path.exists() else None
            salvaged = None
            if complaint is not None:
                salvaged = salvage(path, complaint, at=datetime.fromtimestamp(clock(), UTC))
                _report(salvaged)
            for _ in range(2):
                opened.append(connect(path, busy_timeout_ms=busy_timeout_ms))
                create_if_new(opened[-1])
            writer, reader = opened
            pages = page_count_max or quota_bytes // PAGE_SIZE_BYTES + _SPARE_PAGES
            writer.execute(f"PRAGMA max_page_count = {pages}")
            forget_finished(writer)
            forget_unused_contexts(writer)
            reader.execute("PRAGMA query_only = ON")
            return cls(
                path,
                lock,
                writer,
                reader,
                quota_bytes=quota_bytes,
                alarm_ratio=alarm_ratio,
                salvaged=salvaged,
            )
        except sqlite3.Error as error:
            _release(lock, opened)
            raise translated(error, path) from error
        except BaseException:
            _release(lock, opened)
            raise

    # ---- writing -----------------------------------------------------------------------

    def append(
        self,
        stream_id: int,
        records: Sequence[CapturedRecord],
        *,
        framing_version: int = 1,
        notes: Mapping[str, bytes | None] | None = None,
        heard: int | None = None,
    ) -> Appended:
        """Store records and notes in one transaction; return after it is on disk.

        Parameters
        ----------
        stream_id
            A non-negative 63-bit number.
        records
            0..n records in the order heard.
        notes
            Values to set (None deletes): offsets, remembered files.
        heard
            Count of records heard since the last append, if more than `records`.

        Raises
        ------
        JournalFullError
            Quota or disk full: stop reading, retry; nothing is overwritten.
        JournalBusyError, JournalWriteError, JournalCorruptError, JournalClosedError
            See `bluewhale.journal.exceptions`. Nothing of this append is stored.
        """
        appended: Appended = self.submit(
            stream_id, records, framing_version=framing_version, notes=notes, heard=heard
        ).result()
        return appended

    async def append_async(
        self,
        stream_id: int,
        records: Sequence[CapturedRecord],
        *,
        framing_version: int = 1,
        notes: Mapping[str, bytes | None] | None = None,
        heard: int | None = None,
    ) -> Appended:
        """Do the same without blocking the event loop.

        A cancelled wait leaves the append as it is: it will be committed.
        """
        future = self.submit(
            stream_id, records, framing_version=framing_version, notes=notes, heard=heard
        )
        return await asyncio.shield(asyncio.wrap_future(future))

    def submit(
        self,
        stream_id: int,
        records: Sequence[CapturedRecord],
        *,
        framing_version: int = 1,
        notes: Mapping[str, bytes | None] | None = None,
        heard: int | None = None,
    ) -> Future[Appended]:
        """Queue an append; the future is done after the commit."""
        assert 0 <= stream_id < 1 << 63
        notes = dict(notes or {})
        heard = len(records) if heard is None else heard
        assert heard >= len(records)
        size = sum(len(r.data) for r in records) + _RECORD_ROW_BYTES * len(records)
        job = _Job(
            lambda: self._writing.append(stream_id, records, framing_version, notes, heard),
            len(records),
            size,
        )
        return self._queue(job)

    def acknowledge(
        self,
        stream_id: int,
        incarnation: int,
        stored_through: int,
        crc: int | None,
        *,
        low_water: int | None = None,
    ) -> Acknowledged:
        """Delete what the main database has committed and what is ours.

        Parameters
        ----------
        stored_through
            The last seq without a gap that is committed (stored or named lost).
        crc
            `record_crc` of the centre's record at that seq; None if that seq is
            a loss.
        low_water
            First seq that must be kept although it is stored, for re-reading.

        Notes
        -----
        If the record at the mark differs from ours (or the centre knows more than
        was ever here), this file or its unit is a copy: all records of the
        incarnation move, in order, to a new one, and nothing is deleted.
        """
        deleted = 0
        while True:
            job = _Job(
                lambda: self._writing.acknowledge(
                    stream_id, incarnation, stored_through, crc, low_water
                )
            )
            done, more = self._queue(job).result()
            deleted += done.deleted
            if not more:
                return Acknowledged(deleted, done.moved_to)

    def add_heard(self, stream_id: int, at_ms: int, heard: int) -> None:
        """Count records that were heard at `at_ms` and could not be journaled."""
        self._queue(
            _Job(lambda: self._writing.add_heard(stream_id, at_ms // 86_400_000, heard))
        ).result()

    def set_quota(self, quota_bytes: int) -> None:
        """Change the room for records, at least 256 KiB; what is stored stays."""
        assert quota_bytes >= QUOTA_BYTES_MIN
        self._queue(_Job(lambda: self._apply_quota(quota_bytes))).result()

    # ---- reading -----------------------------------------------------------------------

    def read(
        self, stream_id: int, incarnation: int, after_seq: int = 0, limit: int = 500
    ) -> Frame | None:
        """Give the frame that follows `after_seq`, or None; go on at `frame.last_seq`.

        At most `limit` records, at most 500, at most 256 KiB, one context.
        Reading changes nothing. Damaged records come as losses.
        """
        return self._read(
            lambda: read_frame(self._reader, stream_id, incarnation, after_seq, limit)
        )

    def streams(self) -> list[StreamInfo]:
        """Give every (stream, incarnation) that has records here or is current, oldest first."""
        current = dict(self._writing.current)
        return [
            StreamInfo(
                stream_id=lane.stream_id,
                incarnation=lane.incarnation,
                journaled_through=lane.journaled_through,
                stored_through=lane.stored_through,
                deleted_through=lane.deleted_through,
                current=current.get(lane.stream_id) == lane.incarnation,
            )
            for lane in self._read(lambda: living_lanes(self._reader, current))
        ]

    def waiting_since_ms(self) -> int:
        """Give when the oldest record came that is not acknowledged; 0 = none waits."""
        current = dict(self._writing.current)

        def ask() -> int:
            oldest = [
                self._reader.execute(
                    "SELECT received_at_ms FROM record WHERE id > ? AND id <= ? ORDER BY id LIMIT 1",
                    (lane.base + lane.stored_through, lane.last_key),
                ).fetchone()
                for lane in living_lanes(self._reader, current)
            ]
            return min((row[0] for row in oldest if row is not None), default=0)

        return self._read(ask)

    def tallies(self, stream_id: int | None = None) -> list[Tally]:
        """Give the counts per stream and day, for control totals."""
        rows = self._select(
            "SELECT stream_id, day, heard, journaled, bytes FROM tally "
            "WHERE ?1 IS NULL OR stream_id = ?1 ORDER BY stream_id, day",
            stream_id,
        )
        return [Tally(*row) for row in rows]

    def note(self, key: str) -> bytes | None:
        """Give the value of a note, or None."""
        rows = self._select("SELECT value FROM note WHERE key = ?", key)
        return opened_note(key, rows[0][0]) if rows else None

    def notes(self, prefix: str) -> dict[str, bytes]:
        """Give all notes whose key begins with `prefix`."""
        rows = self._select(
            "SELECT key, value FROM note WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 "
            "AND key < ?2 ORDER BY key",
            prefix,
            prefix + "\U0010ffff",
        )
        opened = ((key, opened_note(key, value)) for key, value in rows)
        return {key: value for key, value in opened if value is not None}

    def usage(self) -> Usage:
        """Give how full the journal was after the latest commit."""
        return self._usage

    # ---- life --------------------------------------------------------------------------

    def close(self) -> None:
        """Commit what is queued, close the file and release the lock. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        with self._reading:
            _release(self._lock, [self._reader, self._writer])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- inside ------------------------------------------------------------------------

    def _queue(self, job: _Job) -> Future[Any]:
        with self._closing:  # so that no job is queued behind the end mark
            if self._closed:
                raise JournalClosedError(f"{self.path}: the journal was closed")
            self._jobs.put(job)
        return job.future

    def _select(self, statement: str, *values: object) -> list[Any]:
        return self._read(lambda: self._reader.execute(statement, values).fetchall())

    def _read(self, query: Callable[[], _T]) -> _T:
        with self._reading:
            if self._closed:
                raise JournalClosedError(f"{self.path}: the journal was closed")
            try:
                self._reader.execute("BEGIN")
                try:
                    return query()
                finally:
                    self._reader.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise translated(error, self.path) from error

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._next_group()
            if group:
                self._commit(group)

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take all that queued meanwhile, within limits."""
        group: list[_Job] = []
        records = size = 0
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            records += job.record_count
            size += job.size_bytes
            if records >= GROUP_RECORDS_MAX or size >= GROUP_BYTES_MAX:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        group = [job for job in group if job.future.set_running_or_notify_cancel()]
        room = self._quota_bytes - self._usage.used_bytes
        admitted, refused = [], []
        for job in group:
            if job.size_bytes > max(0, room):
                refused.append(job)
            else:
                room -= job.size_bytes
                admitted.append(job)
        done: list[tuple[_Job, Any]] = []
        failure: BaseException | None = None
        if admitted:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                done = [(job, job.apply()) for job in admitted]
                self._writer.execute("COMMIT")
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear it
                failure = self._rolled_back(error)
        full = bool(refused) or isinstance(failure, JournalFullError)
        self._update_usage(full=full if any(j.record_count for j in group) else self._usage.full)
        for job in refused:
            job.future.set_exception(
                JournalFullError(
                    f"{self.path}: {self._usage.used_bytes} of {self._quota_bytes} bytes are used; "
                    "connectors stop reading until the centre has acknowledged records",
                    retry_after_s=_FULL_RETRY_S,
                )
            )
        if failure is not None:
            for job in admitted:
                job.future.set_exception(failure)
        else:
            for job, result in done:
                job.future.set_result(result)
            if self.on_commit is not None and any(job.record_count for job in admitted):
                self.on_commit()

    def _apply_quota(self, quota_bytes: int) -> None:
        self._quota_bytes = quota_bytes
        pages = quota_bytes // PAGE_SIZE_BYTES + _SPARE_PAGES
        self._writer.execute(f"PRAGMA max_page_count = {pages}")

    def _rolled_back(self, error: Exception) -> BaseException:
        with suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        self._writing.forget()
        if isinstance(error, sqlite3.Error):
            wrapped = translated(error, self.path)
            wrapped.__cause__ = error
            return wrapped
        return error

    def _update_usage(self, *, full: bool) -> None:
        before = self._usage
        try:
            self._usage = self._measure(full=full)
        except sqlite3.Error:
            return  # the next commit says what is wrong
        if self._usage.alarm and not before.alarm:
            _LOG.warning(
                "journal fills up",
                extra={
                    "journal": str(self.path),
                    "used_bytes": self._usage.used_bytes,
                    "quota_bytes": self._quota_bytes,
                },
            )
        if full and not before.full:
            _LOG.error("journal is full", extra={"journal": str(self.path)})

    def _measure(self, *, full: bool) -> Usage:
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
        used = (pages - free) * PAGE_SIZE_BYTES
        alarm = full or used >= self._alarm_ratio * self._quota_bytes
        return Usage(used, self._quota_bytes, pages * PAGE_SIZE_BYTES, alarm, full)


def _locked(path: Path) -> int:
    """Take the lock file; it is left behind, empty, and means nothing when nobody holds it."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalWriteError(f"{lock_path}: {error.strerror}; check the folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise JournalInUseError(
            f"{path}: in use by another process; end it, or use another journal file"
        ) from error
    return lock


def _release(lock: int, connections: list[sqlite3.Connection]) -> None:
    for connection in connections:
        with suppress(sqlite3.Error):
            connection.close()
    os.close(lock)


def _report(salvaged: Salvage) -> None:
    _LOG.error(
        "journal was damaged and salvaged",
        extra={
            "complaint": salvaged.complaint,
            "damaged_path": str(salvaged.damaged_path),
            "records_kept": salvaged.records_kept,
            "records_lost": sum(
                loss.last_seq - loss.first_seq + 1
                for losses in salvaged.losses.values()
                for loss in losses
            ),
            "tables_lost": salvaged.tables_lost,
        },
    )
