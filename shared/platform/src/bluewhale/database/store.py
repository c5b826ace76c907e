"""The main database: one object in front of everything stored, embedded or in a cluster.

    with Store.open(Path("data")) as store:
        claim = store.claim("import", "file-1", 0)
        store.commit(Batch(now_ms=..., legs=legs, proposals=proposals), seal=True)
        print(store.search_calls(CallFilter(number="+49 30 23125 42"), limit=20))

Owns opening (schema, version, sweep of stray files) and one method per thing
that a caller may ask. Modules of this package do the work; any thread may ask.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow as pa
from bluewhale.database import (
    bulk,
    compaction,
    completeness,
    rejoin,
    reports,
    sealing,
    search,
    suspense,
    versions,
)
from bluewhale.database.api_keys import ApiKeys
from bluewhale.database.batch import Batch, Claim, CommitResult, Mark, RejoinWork
from bluewhale.database.bulk import Prepared
from bluewhale.database.call_filter import CallFilter
from bluewhale.database.cells import Cells
from bluewhale.database.columnar import Columnar
from bluewhale.database.commit import Commit
from bluewhale.database.compaction import Compacted
from bluewhale.database.completeness import Completeness, Received
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import StoreAwayError, StoreError
from bluewhale.database.hot import days_of
from bluewhale.database.hot_cells import HotCells
from bluewhale.database.lookup import Lookup
from bluewhale.database.opening import BUSY_TIMEOUT_MS, Where, is_server, open_database
from bluewhale.database.postings import Rows
from bluewhale.database.reports import ReportBy
from bluewhale.database.sealing import Sealed
from bluewhale.database.search import CallDetail, PageKey
from bluewhale.database.segments import SegmentFolder, live_segments
from bluewhale.database.streams import read_changed, read_marks
from bluewhale.database.suspense import SuspenseFilter
from bluewhale.database.terms import Terms
from bluewhale.database.units import Units
from bluewhale.database.users import Users
from bluewhale.database.versions import StoredTariff, TariffState
from bluewhale.database.walk import Walk

T = TypeVar("T")

REPLACED_KEPT_MS = 3_600_000  # files of replaced segments, for readers that began before
STRAY_KEPT_S = 3_600.0  # of a shared volume: longer than anybody writes one segment
SEALING = "sealing"
DAYS_AHEAD = 2
DAYS_KEPT = 2  # days whose room stays though it is empty: legs still come
_DAY_MS = 86_400_000


class Store:
    """One main database: `main.db` or PostgreSQL, and the folder of sealed segments."""

    def __init__(
        self,
        where: Where,
        *,
        segments: Path | None = None,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        if isinstance(where, str | Path) and not is_server(where):
            segments = segments or Path(where) / "segments"
        if segments is None:
            raise StoreError(
                "a store on PostgreSQL needs the folder of its sealed segments: the same"
                " shared volume for every replica"
            )
        self.db = open_database(where, busy_timeout_ms=busy_timeout_ms)
        self.files = SegmentFolder(segments)
        self.columnar = Columnar()
        self.cells = Cells(self.files, self.columnar)
        self.hot_cells = HotCells(self.columnar)
        self._received = Received(self.files, self.columnar)
        self.units = Units(self.db)
        self.terms = Terms(self.db)
        self.users = Users(self.db)
        self.api_keys = ApiKeys(self.db)

    @classmethod
    def open(
        cls,
        where: Where,
        *,
        segments: Path | None = None,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> Store:
        """Open or create a store; bring its tables to this release.

        `where`: a folder (SQLite), or `postgresql://...` (or what gives it anew for
        each connection) with `segments`, the folder of sealed files on a volume
        that all replicas share. Of a folder's files, those that no manifest names are swept.

        Raises
        ------
        StoreVersionError, StoreAwayError, StoreBusyError, StoreFullError, StoreCorruptError
            As their names say; the text says what to do.
        """
        store = cls(where, segments=segments, busy_timeout_ms=busy_timeout_ms)
        try:
            store.db.migrate()
            store.make_days_ahead(int(time.time() * 1000))
            if store.db.dialect == "sqlite":
                store.sweep()
        except BaseException:
            store.close()
            raise
        return store

    def make_days_ahead(self, now_ms: int) -> None:
        """Make room for the legs of yesterday to the day after tomorrow; call it once a day."""
        today = now_ms // _DAY_MS
        self.db.make_days(range(today - 1, today + DAYS_AHEAD + 1))

    def sweep(self, now_ms: int | None = None) -> int:
        """Remove segment files that no manifest row names; give how many.

        In the write transaction that runs alone, so that no commit is just making
        a file live. Files of segments that were replaced lately stay.
        """
        now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        shared = self.db.dialect != "sqlite"
        with self.db.write() as tx:
            kept = {s.name for s in live_segments(tx)}
            kept |= {
                r[0]
                for r in tx.rows(
                    "SELECT name FROM segment WHERE replaced_at > ?", (now_ms - REPLACED_KEPT_MS,)
                )
            }
            return self.files.sweep(kept, older_than_s=STRAY_KEPT_S if shared else 0.0)

    def close(self) -> None:
        """Close connections; nothing is pending."""
        self.columnar.close()
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def claim(self, consumer: str, topic_id: str, partition: int) -> Claim:
        """Take a partition over: raise its generation, so that the former owner cannot commit.

        Waits for a commit of the former owner that is under way. The data time of
        other topics under this consumer and partition is forgotten: a topic that
        was made anew has a new id, and the old one will not go on.
        """
        with self.db.write_rows() as tx:
            row = tx.one(
                "INSERT INTO claim (consumer, topic_id, partition, generation, next_offset)"
                " VALUES (?, ?, ?, 1, 0) ON CONFLICT (consumer, topic_id, partition)"
                " DO UPDATE SET generation = claim.generation + 1"
                " RETURNING generation, next_offset",
                (consumer, topic_id, partition),
            )
            tx.run(
                "UPDATE claim SET data_time = NULL"
                " WHERE consumer = ? AND partition = ? AND topic_id <> ?",
                (consumer, partition, topic_id),
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
        StoreAwayError
            The connection broke; whether it was applied is not known where that
            was while committing. Offer it again: ClaimLostError then says that it
            was, and a new claim says where to go on.
        """
        if seal:
            return self.commit_prepared(self.prepare(batch, threads=2))
        if batch.legs is not None and batch.legs.num_rows:
            self.db.make_days(days_of(batch.legs))
        with self.db.write(partition=batch.partition) as tx:
            return Commit(tx, self.files, batch).run(seal=False)

    def prepare(self, batch: Batch, *, threads: int = 1) -> Prepared:
        """Write the segment of a bulk batch, without any lock on the database.

        Several threads may prepare batches while others commit. Where a record
        of the batch is stored already, nothing is written: the commit seals
        what is left.

        Raises
        ------
        StoreFullError
            No space left; nothing is left behind.
        """
        prepared = Prepared(batch)
        if batch.legs is not None and batch.legs.num_rows:
            with self.db.read() as tx:
                lookup = self._lookup(tx)
                fresh = bulk.all_new(lookup, batch)
            if fresh:
                prepared.without = frozenset(s.name for s in lookup.segments)
                bulk.write(prepared, self.files, threads=threads)
        return prepared

    def commit_prepared(self, prepared: Prepared) -> CommitResult:
        """Apply a prepared batch in one transaction, as `commit` with `seal`.

        What other transactions stored since is seen: then the written files go
        and the rest of the batch is sealed anew. On any error the batch must be
        prepared again.
        """
        work: Commit | None = None
        done = unknown = False
        name = prepared.entry["name"] if prepared.entry else ""
        try:
            with self.db.write(partition=prepared.batch.partition) as tx:
                work = Commit(tx, self.files, prepared.batch, prepared)
                result = work.run(seal=True)
            done = True
        except StoreAwayError:
            unknown = True  # the commit may stand: if it does not, the sweep takes the files
            raise
        finally:
            segment = work.result.segment if work is not None else ""
            if segment and segment != name and not (done or unknown):
                self.files.remove(segment)
            bulk.finish(prepared, self.files, live=unknown or (done and segment == name))
        return result

    def discard(self, prepared: Prepared) -> None:
        """Remove the files of a prepared batch that will not be committed."""
        bulk.finish(prepared, self.files, live=False)

    def marks(self, stream_id: int | None = None) -> list[Mark]:
        """Give `stored_through` per stream and incarnation."""
        with self.db.read() as tx:
            return read_marks(tx, stream_id)

    def marks_changed(self, after: int) -> tuple[int, list[Mark]]:
        """Give the marks that changed since stamp `after`, and the stamp to ask with next.

        0 gives all. No change is missed, in whatever order commits end.
        """
        with self.db.read() as tx:
            return read_changed(tx, after)

    def declare_links(self, links: Iterable[tuple[str, int, str, str, str]]) -> None:
        """Tell the store its links: (link_uid, stream_id, pbx_uid, site_uid, dialect_id).

        One entry per stream: a link that two units may read has two.
        """
        with self.db.write_beside() as tx:
            tx.many(
                "INSERT INTO link VALUES (?, ?, ?, ?, ?) ON CONFLICT (stream_id) DO UPDATE SET"
                " link_uid = excluded.link_uid, pbx_uid = excluded.pbx_uid,"
                " site_uid = excluded.site_uid, dialect_id = excluded.dialect_id",
                list(links),
            )

    def run_write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction of its own, for tables that commits do not write.

        Such transactions run one after the other, beside commits.
        """
        with self.db.write_beside() as tx:
            return work(tx)

    def run_read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read transaction: one consistent state."""
        with self.db.read() as tx:
            return work(tx)

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
        return Lookup(tx, self.files, self.files.live(tx))

    # ---- sealing -----------------------------------------------------------------------

    def seal(self, *, before_ms: int, now_ms: int, limit: int = 100_000) -> Sealed:
        """Move live calls whose legs were ingested before `before_ms` into a segment.

        Commits go on while the files are written. Nothing is moved where another
        process is sealing, or where one of these calls changed meanwhile.
        """
        with self.db.sole(SEALING) as mine:
            if not mine:
                return sealing.NOTHING
            with self.db.read() as tx:
                rows = sealing.choose(tx, before_ms=before_ms, limit=limit)
            if rows is None:
                return sealing.NOTHING
            entry = self.with_files(
                rows, now_ms, lambda tx, entry: sealing.move(tx, self.files, rows, entry)
            )
        if entry is None:
            return sealing.NOTHING
        self.db.drop_days(now_ms // _DAY_MS - DAYS_KEPT)
        counts = (rows.legs.num_rows, rows.calls.num_rows, rows.charges.num_rows)
        return Sealed(str(entry["name"]), *counts)

    def compact(self, *, now_ms: int, max_rows: int = compaction.ROWS_MAX) -> Compacted:
        """Put small segments together into one of up to `max_rows` legs; answers stay the same.

        Their files stay for a while, for readers that began before, until `sweep`.
        """
        with self.db.sole(SEALING) as mine:
            if not mine:
                return compaction.NOTHING
            with self.db.read() as tx:
                chosen = compaction.choose(live_segments(tx), max_rows)
            small, rows = compaction.together(self.files, chosen)
            if rows is None:
                return compaction.NOTHING
            entry = self.with_files(
                rows,
                now_ms,
                lambda tx, entry: compaction.replace(tx, self.files, small, rows, entry, now_ms),
            )
        if entry is None:
            return compaction.NOTHING
        return Compacted(str(entry["name"]), tuple(s.name for s in small), rows.legs.num_rows)

    def with_files(
        self, rows: Rows, now_ms: int, apply: Callable[[Transaction, dict[str, Any]], bool]
    ) -> dict[str, Any] | None:
        """Write the files of `rows`, then `apply` their entry alone; None = it did not come to be."""
        self.files.hold()
        live, name = False, ""
        try:
            entry = self.files.write(rows, generation=0, sealed_at_ms=now_ms, threads=1)
            name = str(entry["name"])
            with self.db.write() as tx:
                applied = apply(tx, entry)
            live = applied
        except StoreAwayError:
            live = True  # it may stand: if not, the sweep finds the files
            raise
        finally:
            if name and not live:
                self.files.remove(name)
            self.files.release()
        return entry if live else None

    # ---- questions ---------------------------------------------------------------------

    def search_calls(
        self, call_filter: CallFilter, *, limit: int = 100, after: PageKey | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:  # fmt: skip
        """Give live calls, newest first, with totals per price list (STORED_CALL_SCHEMA).

        `after` = `page_key(previous page)` gives the next page; `columns` = these alone.
        """
        with self.db.read() as tx:
            asked = call_filter, limit, after, columns
            return search.search(tx, self._lookup(tx), self.columnar, *asked)

    def walk_calls(self, call_filter: CallFilter, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Give all live calls, newest first, as tables of these columns."""
        return Walk(self.db, self.files, self.columnar, call_filter, columns).batches()

    def get_call(self, call_id: bytes) -> CallDetail:
        """Give one call: versions, legs with raw lines, ledger, contexts."""
        with self.db.read() as tx:
            return search.get_call(tx, self._lookup(tx), call_id)

    def priced_call(self, call_id: bytes) -> tuple[pa.Table, pa.Table]:
        """Give one call and its whole ledger, without legs."""
        with self.db.read() as tx:
            return search.priced_call(tx, self._lookup(tx), call_id)

    def legs(self, ids: Collection[bytes]) -> pa.Table:
        """Give stored legs by id (LEG_SCHEMA), hot or sealed."""
        with self.db.read() as tx:
            return self._lookup(tx).leg_table(ids)

    def report(
        self, by: ReportBy, call_filter: CallFilter | None = None, *, limit: int | None = None
    ) -> pa.Table:
        """Give sums per group, price list and currency."""
        return self.reports([by], call_filter or CallFilter(), limit=limit)[0]

    def reports(
        self, bys: Sequence[ReportBy], call_filter: CallFilter, *, limit: int | None = None
    ) -> list[pa.Table]:
        """Give several reports over the same calls of one moment."""
        with self.db.read() as tx:
            kept = self.columnar, self.cells, self.hot_cells
            return reports.reports(tx, self._lookup(tx), *kept, bys, call_filter, limit=limit)

    def completeness(
        self, *, site: str | None = None, first_day: int | None = None,
        last_day: int | None = None,
    ) -> Completeness:  # fmt: skip
        """Give totals per site and UTC day received, and every gap."""
        with self.db.read() as tx:
            return completeness.completeness(
                tx, self._lookup(tx), self._received, site=site, days=(first_day, last_day)
            )

    def charges(self, *, from_ms: int, until_ms: int, limit: int = 1_000_000) -> pa.Table:
        """Give the live ledger entries of calls rated for [from_ms, until_ms) by start_at."""
        with self.db.read() as tx:
            when = {"from_ms": from_ms, "until_ms": until_ms}
            return reports.charges(tx, self._lookup(tx), self.columnar, **when, limit=limit)

    def call_of_charge(self, charge_id: bytes) -> bytes:
        """Give the id of the call that an entry of the ledger belongs to."""
        with self.db.read() as tx:
            return reports.call_of_charge(tx, self._lookup(tx), self.columnar, charge_id)

    # ---- suspense and duplicates ---------------------------------------------------------

    def suspense_list(self, wanted: SuspenseFilter | None = None, *, limit: int = 1000) -> pa.Table:
        """Give suspense rows, oldest first (STORED_SUSPENSE_SCHEMA)."""
        with self.db.read() as tx:
            return suspense.listed(tx, wanted or SuspenseFilter(), limit)

    def suspense_show(self, suspense_id: int) -> dict[str, Any]:
        """Give one suspense row as a mapping, with its context lines."""
        with self.db.read() as tx:
            return suspense.one(tx, suspense_id)

    def suspense_dismiss(self, ids: Collection[int], *, who: str, why: str, now_ms: int) -> None:
        """Say that these records are no calls."""
        with self.db.write() as tx:
            suspense.dismiss(tx, ids, who=who, why=why, now_ms=now_ms)

    def suspense_repair(
        self, suspense_id: int, *, who: str, why: str, now_ms: int, raw: bytes | None = None
    ) -> None:
        """Mark a record as repaired, with mended bytes if given."""
        with self.db.write() as tx:
            suspense.repair(tx, suspense_id, raw=raw, who=who, why=why, now_ms=now_ms)

    def suspense_apply(self, ids: Sequence[int], legs: pa.Table, *, who: str, now_ms: int) -> int:
        """Store the legs that replayed records became; rows in the order of `ids`."""
        with self.db.write() as tx:
            return suspense.apply(tx, self._lookup(tx), ids, legs, who=who, now_ms=now_ms)

    def suspense_failed(self, ids: Sequence[int], rejects: pa.Table, *, now_ms: int) -> None:
        """Note that a replay still rejects these records; rows in the order of `ids`."""
        with self.db.write() as tx:
            suspense.failed(tx, ids, rejects, now_ms=now_ms)

    def duplicates(self, *, limit: int = 1000, state: str | None = None) -> pa.Table:
        """Give duplicates with the id of their stored twin (DUPLICATE_SCHEMA)."""
        with self.db.read() as tx:
            return suspense.duplicates(tx, limit=limit, state=state)

    def two_calls(self, capture: tuple[int, int, int], *, who: str, why: str, now_ms: int) -> bytes:
        """Say that a duplicate (stream, incarnation, seq) is a call of its own; give its new id."""
        with self.db.write() as tx:
            return suspense.two_calls(
                tx, self._lookup(tx), capture, who=who, why=why, now_ms=now_ms
            )

    # ---- versions ------------------------------------------------------------------------

    def put_tariff(
        self,
        *,
        tariff_uid: str,
        name: str,
        price_list: str,
        currency: str,
        files: Mapping[str, bytes],
        rows: int,
        who: str,
        now_ms: int,
        effective_from_ms: int | None = None,
        effective_until_ms: int | None = None,
        zone: str | None = None,
        state: TariffState = "validated",
    ) -> StoredTariff:
        """Store a tariff as its next version (same files: the version they have)."""
        with self.db.write_beside() as tx:
            return versions.put_tariff(
                tx, tariff_uid=tariff_uid, name=name, price_list=price_list, currency=currency,
                effective_from_ms=effective_from_ms, effective_until_ms=effective_until_ms,
                files=files, rows=rows, state=state, who=who, now_ms=now_ms, zone=zone,
            )  # fmt: skip

    def change_tariff(
        self, tariff_uid: str, version: int, state: TariffState, *, who: str, now_ms: int
    ) -> StoredTariff:
        """Move a tariff version to another state."""
        with self.db.write_beside() as tx:
            return versions.change_tariff(tx, tariff_uid, version, state, who=who, now_ms=now_ms)

    def activate_tariff(
        self, tariff_uid: str, version: int, *, who: str, now_ms: int
    ) -> StoredTariff:
        """Make a version the one in force from its effective date on, atomically."""
        return self.change_tariff(tariff_uid, version, "active", who=who, now_ms=now_ms)

    def list_tariffs(self, state: TariffState | None = None) -> list[StoredTariff]:
        """Give stored tariff versions."""
        with self.db.read() as tx:
            return versions.list_tariffs(tx, state)

    def get_tariff(self, tariff_uid: str, version: int | None = None) -> StoredTariff:
        """Give one tariff version; None = the newest."""
        with self.db.read() as tx:
            return versions.get_tariff(tx, tariff_uid, version)

    def tariff_files(self, tariff_uid: str, version: int) -> dict[str, bytes]:
        """Give the source files of a tariff version."""
        with self.db.read() as tx:
            return versions.tariff_files(tx, tariff_uid, version)

    def put_directory(self, files: Mapping[str, bytes], *, who: str, now_ms: int) -> int:
        """Store a directory as its next version; gives the version."""
        with self.db.write_beside() as tx:
            return versions.put_directory(tx, files, who=who, now_ms=now_ms)

    def directory_files(self, version: int | None = None) -> tuple[int, dict[str, bytes]]:
        """Give a directory version and its files; None = the newest."""
        with self.db.read() as tx:
            return versions.directory_files(tx, version)

    def save_job(
        self, kind: str, name: str, state: str, progress: Mapping[str, Any], *, now_ms: int
    ) -> None:
        """Keep how far a job is, by its name, so that it can go on after a stop."""
        with self.db.write_beside() as tx:
            tx.run(
                "INSERT INTO job (kind, name, state, progress, changed_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET state = excluded.state,"
                " progress = excluded.progress, changed_at = excluded.changed_at",
                (kind, name, state, json.dumps(dict(progress)), now_ms),
            )

    def job(self, name: str) -> tuple[str, dict[str, Any]] | None:
        """Give (state, progress) of a job; None = never started."""
        with self.db.read() as tx:
            row = tx.one("SELECT state, progress FROM job WHERE name = ?", (name,))
        return None if row is None else (row[0], json.loads(row[1]))

    def audit(self, limit: int = 1000) -> list[tuple[int, str, str, str, str]]:
        """Give audited changes, newest first: (at_ms, who, action, subject, detail)."""
        return self.users.trail(limit)

    def contexts(self, ids: Collection[int]) -> dict[int, bytes]:
        """Give raw context lines by id."""
        with self.db.read() as tx:
            rows = tx.rows_in(
                "SELECT context_id, text FROM raw_context WHERE context_id IN ({marks})", ids
            )
        return {r[0]: r[1] for r in rows}
