"""The main database of the embedded runtime: one object in front of everything stored.

    with Store.open(Path("data")) as store:
        claim = store.claim("import", "file-1", 0)
        store.commit(Batch(now_ms=..., legs=legs, proposals=proposals), seal=True)
        print(store.search_calls(CallFilter(number="+49 30 23125 42"), limit=20))

Owns opening (schema, version, sweep of stray files) and one method per thing
that a caller may ask. The work is done by the modules of this package. Any
thread may call any method; writers queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from bluewhale.database import rejoin, tables
from bluewhale.database.batch import Batch, Claim, CommitResult, Mark, RejoinWork
from bluewhale.database.commit import Commit
from bluewhale.database.engine import Database, Transaction
from bluewhale.database.exceptions import StoreVersionError
from bluewhale.database.lookup import Lookup
from bluewhale.database.segments import SegmentFolder, live_segments
from bluewhale.database.streams import read_marks

BUSY_TIMEOUT_MS = 30_000


class Store:
    """One main database: `main.db` and `segments/` in a folder."""

    def __init__(self, folder: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.db = Database(folder / "main.db", busy_timeout_ms=busy_timeout_ms)
        self.files = SegmentFolder(folder / "segments")

    @classmethod
    def open(cls, folder: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Store:
        """Open or create a store; sweep files that no manifest names.

        Raises
        ------
        StoreVersionError
            Written by a newer release.
        StoreBusyError, StoreFullError, StoreCorruptError
            As their names say; the text says what to do.
        """
        store = cls(folder, busy_timeout_ms=busy_timeout_ms)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self) -> None:
        with self.db.write() as tx:
            tables.metadata.create_all(tx.connection, checkfirst=True)
            row = tx.one("SELECT MAX(version) FROM schema_version")
            found = row[0] if row and row[0] is not None else None
            if found is None:
                tx.run(
                    "INSERT INTO schema_version VALUES (?, ?)",
                    (tables.SCHEMA_VERSION, int(time.time() * 1000)),
                )
            elif found > tables.SCHEMA_VERSION:
                raise StoreVersionError(
                    f"{self.folder} was written by a newer release (schema {found}, this release"
                    f" knows {tables.SCHEMA_VERSION}); use that release"
                )
            # Inside the write transaction, so that no other process is just writing a segment.
            live = {s.name for s in live_segments(tx)}
            self.files.sweep(live)

    def close(self) -> None:
        """Close connections; nothing is pending."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- delivery ----------------------------------------------------------------------

    def claim(self, consumer: str, topic_id: str, partition: int) -> Claim:
        """Take a partition over: raises its generation, so that older workers cannot commit."""
        with self.db.write() as tx:
            tx.run(
                "INSERT INTO claim VALUES (?, ?, ?, 1, 0, NULL)"
                " ON CONFLICT (consumer, topic_id, partition)"
                " DO UPDATE SET generation = generation + 1",
                (consumer, topic_id, partition),
            )
            row = tx.one(
                "SELECT generation, next_offset FROM claim"
                " WHERE consumer = ? AND topic_id = ? AND partition = ?",
                (consumer, topic_id, partition),
            )
        assert row is not None
        return Claim(consumer, topic_id, partition, row[0], row[1])

    def commit(self, batch: Batch, *, seal: bool = False) -> CommitResult:
        """Apply a batch in one transaction; the same batch again changes nothing.

        `seal`: big enough to be a segment of its own (an import): new legs and
        the calls made of them alone become sealed files.

        Raises
        ------
        ClaimLostError
            Another worker took over; nothing was applied.
        StoreBusyError, StoreFullError
            Nothing was applied; the batch can be offered again.
        """
        work: Commit | None = None
        try:
            with self.db.write() as tx:
                work = Commit(tx, self.files, batch)
                return work.run(seal=seal)
        except BaseException:
            if work is not None and work.result.segment:
                self.files.remove(work.result.segment)
            raise

    def marks(self, stream_id: int | None = None) -> list[Mark]:
        """Give `stored_through` per stream and incarnation."""
        with self.db.read() as tx:
            return read_marks(tx, stream_id)

    def declare_links(self, links: Iterable[tuple[str, int, str, str, str]]) -> None:
        """Tell the store its links: (link_uid, stream_id, pbx_uid, site_uid, dialect_id)."""
        with self.db.write() as tx:
            tx.many(
                "INSERT INTO link VALUES (?, ?, ?, ?, ?) ON CONFLICT (link_uid) DO UPDATE SET"
                " stream_id = excluded.stream_id, pbx_uid = excluded.pbx_uid,"
                " site_uid = excluded.site_uid, dialect_id = excluded.dialect_id",
                list(links),
            )

    # ---- re-join -----------------------------------------------------------------------

    def rejoin_work(self, limit: int = 1000) -> RejoinWork | None:
        """Give marked legs with whole components; None = no mark is left.

        Join and rate them, then commit the proposals with `cleared_marks = work.marks`.
        """
        with self.db.read() as tx:
            return rejoin.work(tx, self._lookup(tx), limit)

    def legs_without_call(self, before_ms: int, limit: int = 100_000) -> RejoinWork | None:
        """Give legs ingested up to `before_ms` that are in no live call, with components."""
        with self.db.read() as tx:
            return rejoin.orphans(tx, self._lookup(tx), before_ms, limit)

    def data_time_ms(self) -> int | None:
        """Give the smallest data time over all claims that have one."""
        with self.db.read() as tx:
            row = tx.one("SELECT MIN(data_time) FROM claim WHERE data_time > 0")
        return None if row is None else row[0]

    def _lookup(self, tx: Transaction) -> Lookup:
        return Lookup(tx, self.files, live_segments(tx))
