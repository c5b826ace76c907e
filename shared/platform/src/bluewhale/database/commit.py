"""One transaction: records, calls, money, marks and bookkeeping, all or nothing.

Order: claim, capture-key gate, identity (new or duplicate), suspense, losses,
calls by decision, re-join marks, control totals, intervals. With `seal`, the
rows of legs that are new and of calls made of them alone go to a sealed
segment and only bookkeeping to the database. Owns that order; the parts are in
`streams`, `lookup`, `decisions`, `rejoin`, `segments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import alerts, bulk, hot, keys, pbx_hours, rejoin, tables
from bluewhale.database.batch import Batch, CommitResult
from bluewhale.database.columns import table_rows
from bluewhale.database.decisions import Applier
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import ClaimLostError, StoreBusyError
from bluewhale.database.lookup import Lookup
from bluewhale.database.schemas import DUPLICATE_SCHEMA
from bluewhale.database.segments import SegmentFolder, live_segments
from bluewhale.database.streams import CONFLICT, NEW, REPLAYED, Gate, record_keys
from bluewhale.database.totals import Totals, save_totals, site_days
from bluewhale.records.batches import Proposals
from bluewhale.records.enums import RejectReason, SuspenseState
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA

_SUSPENSE_COLUMNS = [
    *SUSPENSE_SCHEMA.names, "site_uid", "state", "attempts", "first_at", "changed_at",
]  # fmt: skip
_INSERT_SUSPENSE = tables.insert_sql(tables.suspense, _SUSPENSE_COLUMNS, or_ignore=True)
_DUPLICATE_COLUMNS = [n for n in DUPLICATE_SCHEMA.names if n not in {"state", "made_cdr_id"}]


class Commit:
    """The working state of one commit."""

    def __init__(
        self,
        tx: Transaction,
        folder: SegmentFolder,
        batch: Batch,
        prepared: bulk.Prepared | None = None,
    ) -> None:
        self.prepared = prepared
        self.tx = tx
        self.folder = folder
        self.batch = batch
        self.lookup = Lookup(tx, folder, folder.live(tx))
        self.gate = Gate(tx, self.lookup)
        self.result = CommitResult()
        self.totals = Totals()
        self.applier = Applier(tx, self.lookup, self.result, self.totals, batch.now_ms)
        self.site_of_link: dict[str, str] = {
            r[0]: r[1] for r in tx.rows("SELECT link_uid, site_uid FROM link")
        }

    def run(self, *, seal: bool) -> CommitResult:
        """Apply the whole batch."""
        batch = self.batch
        self._claims()
        self.tx.many(
            "INSERT INTO raw_context VALUES (?, ?) ON CONFLICT DO NOTHING",
            sorted(batch.contexts.items()),
        )
        legs = batch.legs if batch.legs is not None else LEG_SCHEMA.empty_table()
        rejects = batch.rejects if batch.rejects is not None else SUSPENSE_SCHEMA.empty_table()
        accepted = self._records(legs, rejects)
        for loss in batch.losses:
            self.result.lost += self.gate.lose(loss)
        rejoin.clear(self.tx, batch.cleared_marks)
        rest: keys.Bools | None = None
        proposals = batch.proposals
        if seal and accepted.num_rows:
            rest = self._seal(accepted, proposals)
        fresh = None if seal else accepted
        if fresh is not None and fresh.num_rows:
            hot.insert_legs(self.tx, fresh)
        if proposals is not None and proposals.calls.num_rows:
            self.applier.apply(proposals, rest, fresh)
        if fresh is not None:  # what an import brings says nothing about when a PBX speaks
            pbx_hours.count(self.tx, fresh)
        if proposals is not None and proposals.findings:
            self._alerts(proposals)
        self._orphans(fresh)
        applier = self.applier
        applier.marked |= rejoin.apart(
            self.lookup, applier.touched, [t for t in (fresh, *applier.took_legs) if t is not None]
        )
        rejoin.mark(self.tx, self.applier.marked)
        self.result.marked = len(self.applier.marked)
        self._bookkeeping()
        return self.result

    def _alerts(self, proposals: Proposals) -> None:
        """Keep what rules found about calls that stand now."""
        legs = {leg for found in proposals.findings for leg in found.leg_ids}
        owners = self.lookup.owners(legs)

        def owner_of(leg_ids: Sequence[bytes]) -> bytes | None:
            calls = {owners.get(leg) for leg in leg_ids}
            return calls.pop() if len(calls) == 1 else None

        kept = alerts.keep(self.tx, proposals.findings, owner_of, self.batch.now_ms)
        self.result.alerts = len(kept.opened)

    def _orphans(self, fresh: pa.Table | None) -> None:
        """Note new legs that got no call; forget that others had none."""
        high, low = keys.id_words((fresh or LEG_SCHEMA.empty_table()).column("cdr_id"))
        order = keys.sort_words(high, low)
        high, low = high[order], low[order]
        without = np.ones(len(order), np.bool_)
        for took_high, took_low in self.applier.took:
            at = keys.find_words(high, low, took_high, took_low)
            without[at[at >= 0]] = False
            earlier = keys.words_bytes(took_high[at < 0], took_low[at < 0])
            self.tx.run_in("DELETE FROM orphan WHERE cdr_id IN ({marks})", earlier)
        if fresh is None or not bool(without.any()):
            return
        legs = fresh.select(["cdr_id", "ingested_at"]).take(pa.array(order[without]))
        if self.applier.touched:
            inside = self.applier.touched
            legs = legs.filter(
                pa.array([i not in inside for i in legs.column("cdr_id").to_pylist()])
            )
        hot.insert_orphans(self.tx, legs)

    # ---- claim -------------------------------------------------------------------------

    def _claims(self) -> None:
        data_time = self.batch.data_time_ms or 0
        for step in self.batch.claims:
            claim = step.claim
            changed = self.tx.run(
                "UPDATE claim SET next_offset = ?, data_time = CASE"
                " WHEN COALESCE(data_time, 0) > ? THEN data_time ELSE ? END"
                " WHERE consumer = ? AND topic_id = ? AND partition = ?"
                " AND generation = ? AND next_offset <= ?",
                (
                    step.after, data_time, data_time, claim.consumer, claim.topic_id,
                    claim.partition, claim.generation, step.first,
                ),
            )  # fmt: skip
            if changed != 1:
                raise ClaimLostError(
                    f"the claim of {claim.consumer} on {claim.topic_id}/{claim.partition} was"
                    f" taken over or is past offset {step.first}; claim it anew, or stop"
                )

    # ---- records -----------------------------------------------------------------------

    def _records(self, legs: pa.Table, rejects: pa.Table) -> pa.Table:
        """Pass every record through the gate; give the legs that are new, one per id."""
        verdict = self.gate.judge(record_keys([legs, rejects]))
        of_legs, of_rejects = verdict[: legs.num_rows], verdict[legs.num_rows :]
        self.result.replayed = int(np.count_nonzero(verdict == REPLAYED))
        self.result.conflicts = int(np.count_nonzero(verdict == CONFLICT))
        if self.result.conflicts:
            self._conflicts(legs, of_legs, rejects, of_rejects)
        if len(of_rejects) and bool(np.any(of_rejects == NEW)):
            fresh = (
                rejects
                if bool(np.all(of_rejects == NEW))
                else rejects.filter(pa.array(of_rejects == NEW))
            )
            self._suspend(fresh)
            self.result.suspended += fresh.num_rows
            self._count(fresh, "suspended")
        if not legs.num_rows:
            return legs
        fresh = legs if bool(np.all(of_legs == NEW)) else legs.filter(pa.array(of_legs == NEW))
        return self._split_duplicates(fresh)

    def _split_duplicates(self, legs: pa.Table) -> pa.Table:
        high, low = keys.id_words(legs.column("cdr_id"))
        order = keys.sort_words(high, low)
        high, low = high[order], low[order]
        twin = np.zeros(len(order), np.bool_)
        twin[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        absent = self.prepared.without if self.prepared is not None else frozenset()
        twin |= self.lookup.known(high, low, absent)
        accepted = legs
        if bool(twin.any()):
            is_twin = np.empty(len(order), np.bool_)
            is_twin[order] = twin
            duplicates = self._without_erased(legs.filter(pa.array(is_twin)))
            state = pa.array(["counted"] * duplicates.num_rows)
            self.tx.put(
                tables.duplicate,
                duplicates.select(_DUPLICATE_COLUMNS).append_column("state", state),
            )
            self.result.duplicate = duplicates.num_rows
            self._count(duplicates, "duplicate")
            accepted = legs.filter(pa.array(~is_twin))
        self.result.accepted = accepted.num_rows
        self._count(accepted, "parsed")
        return accepted

    def _without_erased(self, duplicates: pa.Table) -> pa.Table:
        """Take the line out of repeats whose twin has none any more: a person had it erased."""
        if self.tx.one("SELECT 1 FROM job WHERE kind = 'erase' LIMIT 1") is None:
            return duplicates
        twins = self.lookup.leg_table(duplicates.column("cdr_id").to_pylist())
        gone = twins.filter(pc.equal(pc.binary_length(twins.column("raw")), 0)).column("cdr_id")
        at = duplicates.schema.get_field_index("raw")
        erased = pc.is_in(duplicates.column("cdr_id"), keys.one_array(gone))
        raw = pc.if_else(erased, pa.scalar(b"", pa.binary()), duplicates.column(at))
        return duplicates.set_column(at, duplicates.schema.field(at), raw)

    def _conflicts(
        self, legs: pa.Table, of_legs: npt.NDArray[np.int8], rejects: pa.Table, of_rejects: Any
    ) -> None:
        names = SUSPENSE_SCHEMA.names
        for table, verdict in ((legs, of_legs), (rejects, of_rejects)):
            bad = table.filter(pa.array(verdict == CONFLICT))
            count = bad.num_rows
            if not count:
                continue
            columns = {n: bad.column(n) for n in names if n in bad.column_names}
            columns["stage"] = pa.array(["storage"] * count)
            columns["reason"] = pa.array([RejectReason.CAPTURE_CONFLICT.value] * count)
            columns["detail"] = pa.array(
                ["another record is stored under this capture key"] * count
            )
            rows = pa.table(columns).select(names)
            self._suspend(rows)

    def _suspend(self, rejects: pa.Table) -> None:
        now = self.batch.now_ms
        links = rejects.column("link_uid").to_pylist()
        rows = table_rows(rejects, SUSPENSE_SCHEMA.names)
        waiting = SuspenseState.WAITING.value
        self.tx.many(
            _INSERT_SUSPENSE,
            [
                (*row, self.site_of_link.get(link or "", ""), waiting, 1, now, now)
                for row, link in zip(rows, links, strict=True)
            ],
        )

    def _count(self, table: pa.Table, stage: str) -> None:
        """Add rows to the control totals of their site and UTC day received."""
        if not table.num_rows:
            return
        for (site, day), count in site_days(table, self.site_of_link).items():
            self.totals.add(site, day, stage, count)
            self.totals.add(site, day, "received", count)

    # ---- bulk --------------------------------------------------------------------------

    def _seal(self, legs: pa.Table, proposals: Proposals | None) -> keys.Bools | None:
        """Make a segment of new legs and the calls made of them alone.

        Gives which proposals were not handled (they go through decisions).
        """
        ready = self.prepared
        if ready is not None and ready.sealable is not None and legs is self.batch.legs:
            part, entry = ready.sealable, ready.entry
        else:
            part, entry = bulk.sealable(legs, proposals), None
        if entry is None:
            entry = self.folder.write(part.rows, generation=0, sealed_at_ms=self.batch.now_ms)
        self.result.segment = str(entry["name"])
        make_live(self.tx, self.folder, part.rows.legs, entry)
        self.lookup.segments = live_segments(self.tx)
        self.result.sealed_legs = legs.num_rows
        self.result.created += part.rows.calls.num_rows
        self.result.charges += part.rows.charges.num_rows
        self._sealed_marks(legs, part.rows.leg_call, part.joins)
        self._sealed_totals(legs, part.rows.leg_call, part.rated)
        return part.rest

    def _sealed_marks(self, legs: pa.Table, leg_call: keys.Rows, entries: bulk.JoinEntries) -> None:
        """Mark legs with neighbours elsewhere, note those in no call."""
        bad = rejoin.apart_in_batch(entries, leg_call.astype(np.int64))
        key, at, gap, row = entries
        elsewhere = rejoin.keys_elsewhere_but(
            self.lookup, key, at, int(gap.max()) if len(gap) else 0, self.result.segment
        )
        ids = legs.column("cdr_id")
        if len(bad):
            self.applier.marked.update(ids.take(pa.array(bad)).to_pylist())
        if bool(elsewhere.any()):
            rows = np.unique(row[elsewhere])
            self.applier.touched.update(ids.take(pa.array(rows)).to_pylist())
        hot.insert_orphans(self.tx, legs.filter(pa.array(leg_call == keys.NO_ROW)))

    def _sealed_totals(self, legs: pa.Table, leg_call: keys.Rows, rated: keys.Bools) -> None:
        owned = leg_call != keys.NO_ROW
        if not bool(owned.any()):
            return
        is_rated = np.zeros(len(leg_call), np.bool_)
        is_rated[owned] = rated[leg_call[owned]]
        for stage, picked in (
            ("merged", owned), ("rated", is_rated), ("unrated", owned & ~is_rated),
        ):  # fmt: skip
            if not bool(picked.any()):
                continue
            table = legs.select(["site_uid", "link_uid", "received_at"])
            table = table if bool(picked.all()) else table.filter(pa.array(picked))
            for (site, day), count in site_days(table, self.site_of_link).items():
                self.totals.add(site, day, stage, count)

    # ---- bookkeeping -------------------------------------------------------------------

    def _bookkeeping(self) -> None:
        self.gate.save()
        save_totals(self.tx, self.totals)
        self.tx.many(
            "INSERT INTO stream_heard VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (stream_id, incarnation, day) DO UPDATE SET"
            " heard = CASE WHEN excluded.heard > stream_heard.heard"
            " THEN excluded.heard ELSE stream_heard.heard END,"
            " journaled = CASE WHEN excluded.journaled > stream_heard.journaled"
            " THEN excluded.journaled ELSE stream_heard.journaled END",
            [(h.stream_id, h.incarnation, h.day, h.heard, h.journaled) for h in self.batch.heard],
        )


def make_live(
    tx: Transaction, folder: SegmentFolder, legs: pa.Table, entry: Mapping[str, Any]
) -> None:
    """Insert the manifest row of written files, raise their days' seal generation.

    No sweep runs beside this transaction; one that ran before it is noticed here.

    Raises
    ------
    StoreBusyError
        The files are gone: write them again.
    """
    if not folder.complete(entry["name"]):
        raise StoreBusyError(
            f"files of the segment {entry['name']} were swept before they were live; repeat",
            retry_after_s=0.1,
        )
    row = tx.one("SELECT COALESCE(MAX(generation), 0) + 1 FROM segment")
    assert row is not None
    entry = {**entry, "generation": int(row[0])}
    names = list(entry)
    tx.run(tables.insert_sql(tables.segment, names), [entry[n] for n in names])
    high, _ = keys.id_words(legs.column("cdr_id"))
    days = np.unique(high >> np.uint64(40)).tolist()
    tx.many(
        "INSERT INTO seal_generation VALUES (?, ?)"
        " ON CONFLICT (day) DO UPDATE SET generation = excluded.generation",
        [(day, entry["generation"]) for day in days],
    )
