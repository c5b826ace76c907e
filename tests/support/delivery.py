"""The delivery rules as a small store in memory, and a driver for any store.

`ReferenceStore` follows the record rules literally, with dicts; it asks the
same pure decision as the real database and is what that is compared with.
`Delivery` drives either of them: store legs, propose calls, re-join, seal,
then look at what is true. Prices here: 7 nanos a call and tariff version, plus
(3 + tariff version) per connected second, so that joining and tariff show.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from bluewhale.database import Batch, CallFilter, ClaimLostError, CommitResult, RejoinWork
from bluewhale.merge import build_calls, near
from bluewhale.rating import decision as rule
from bluewhale.records import ids
from bluewhale.records.batches import Proposals, StreamLoss
from bluewhale.records.enums import Flag
from bluewhale.records.schemas import CHARGE_SCHEMA, SUSPENSE_SCHEMA

from tests.support.legs import leg_table

WINDOW_MS = 30_000


def price(durations_ms: list[int], tariff: int) -> int:
    """Price a call of legs: a fee per call and tariff version, so that joining matters."""
    return 7 * tariff + sum(d // 1000 for d in durations_ms) * (3 + tariff)


def propose(*legs: dict[str, Any], tariff: int = 1, rerates: Any = None) -> Proposals:
    """Propose one call of these legs, whatever the join says."""
    return propose_labelled(leg_table(*legs), np.zeros(len(legs), np.int64), tariff, rerates)


def propose_labelled(table: pa.Table, labels: Any, tariff: int, rerates: Any = None) -> Proposals:
    """Propose one call per label, with one charge each."""
    built = build_calls(table, labels)
    duration = dict(
        zip(*(table.column(c).to_pylist() for c in ("cdr_id", "duration_ms")), strict=True)
    )
    rows = [
        {
            "charge_id": ids.charge_id(
                call_id=call["call_id"],
                call_version=1,
                span=0,
                price_list="carrier",
                entry="charge",
            ),
            "call_id": call["call_id"],
            "call_version": 1,
            "span": 0,
            "price_list": "carrier",
            "entry": "charge",
            "amount_nanos": price([duration[i] for i in call["leg_ids"]], tariff),
            "currency": "EUR",
            "tariff_uid": "test",
            "tariff_version": tariff,
            "rated_at": call["ended_at"],
            "start_at": call["started_at"],
            "status": "rated",
        }
        for call in built.calls.select(["call_id", "leg_ids", "ended_at", "started_at"]).to_pylist()
    ]
    charges = pa.Table.from_pylist(rows, schema=CHARGE_SCHEMA)
    return Proposals(built.calls, charges, built.members, rerates)


@dataclass
class Version:
    """One version of a call in the reference store."""

    version: int
    legs: frozenset[bytes]
    amount: int
    tariff: int
    superseded_by: bytes | None = None


@dataclass
class ReferenceStore:
    """The tables of the main database as dicts; one commit = one method call."""

    legs: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    segment_of: dict[bytes, int] = field(default_factory=dict)  # sealed legs
    generation: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    captures: dict[rule.CaptureKey, tuple[str, bytes]] = field(default_factory=dict)
    crc_of: dict[rule.CaptureKey, int] = field(default_factory=dict)
    duplicates: dict[rule.CaptureKey, bytes] = field(default_factory=dict)
    suspense: dict[Any, dict[str, Any]] = field(default_factory=dict)
    lost: set[rule.CaptureKey] = field(default_factory=set)
    calls: dict[bytes, Version] = field(default_factory=dict)
    owner: dict[bytes, bytes] = field(default_factory=dict)
    ledger: list[tuple[bytes, int, int]] = field(default_factory=list)
    marks: dict[bytes, int] = field(default_factory=dict)
    claims: dict[Any, list[int]] = field(default_factory=dict)
    stamp: int = 0
    data_time: int = 0

    # ---- one transaction -----------------------------------------------------------------

    def commit(self, batch: Batch, *, seal: bool = False) -> CommitResult:
        """Apply a batch: claim, records, losses, proposals, marks."""
        result = CommitResult()
        self._claim(batch)
        fresh = [
            row["cdr_id"]
            for row in ([] if batch.legs is None else batch.legs.to_pylist())
            if self._leg(_flat(row), result)
        ]
        for row in [] if batch.rejects is None else batch.rejects.to_pylist():
            self._reject(row, result)
        for loss in batch.losses:
            for seq in range(loss.first_seq, loss.last_seq + 1):
                key = (loss.stream_id, loss.incarnation, seq)
                if key not in self.captures:  # stored beats lost
                    self.lost.add(key)
                    result.lost += 1
        if seal:
            self._seal(fresh)
        for cdr_id, stamp in batch.cleared_marks:
            if self.marks.get(cdr_id) == stamp:  # a mark renewed since stays
                del self.marks[cdr_id]
        if batch.proposals is not None:
            self._proposals(batch.proposals, result)
        self._touch(fresh)
        self.data_time = max(self.data_time, batch.data_time_ms or 0)
        return result

    def _claim(self, batch: Batch) -> None:
        rows = [
            (self.claims[s.claim.consumer, s.claim.topic_id, s.claim.partition], s)
            for s in batch.claims
        ]
        for row, step in rows:
            if row[0] != step.claim.generation or row[1] > step.first:
                raise ClaimLostError("taken over")
        for row, step in rows:
            row[1] = step.after

    def claim(self, consumer: str, topic_id: str, partition: int) -> Any:
        """Take a partition over."""
        from bluewhale.database import Claim

        row = self.claims.setdefault((consumer, topic_id, partition), [0, 0])
        row[0] += 1
        return Claim(consumer, topic_id, partition, row[0], row[1])

    def _gate(self, key: rule.CaptureKey, row: dict[str, Any], result: CommitResult) -> bool:
        """Let a record pass if its capture key was never stored."""
        if key not in self.captures:
            return True
        if self.crc_of[key] == row["record_crc"]:
            result.replayed += 1
        else:
            self.suspense.setdefault(
                ("conflict", key, row["record_crc"]),
                {**row, "state": "waiting", "reason": "capture_conflict"},
            )
            result.conflicts += 1
        return False

    def _take(self, key: rule.CaptureKey, row: dict[str, Any], kind: str, what: bytes) -> None:
        self.captures[key] = (kind, what)
        self.crc_of[key] = row["record_crc"]
        self.lost.discard(key)

    def _leg(self, row: dict[str, Any], result: CommitResult) -> bool:
        key = _capture(row)
        if not self._gate(key, row, result):
            return False
        cdr_id = row["cdr_id"]
        if cdr_id in self.legs:  # hot or sealed: both are asked
            self.duplicates[key] = cdr_id
            self._take(key, row, "dup", cdr_id)
            result.duplicate += 1
            return False
        self.legs[cdr_id] = row
        self._take(key, row, "leg", cdr_id)
        result.accepted += 1
        return True

    def _reject(self, row: dict[str, Any], result: CommitResult) -> None:
        key = _capture(row)
        if self._gate(key, row, result):
            self.suspense[key] = {**row, "state": "waiting"}
            self._take(key, row, "susp", b"")
            result.suspended += 1

    def _proposals(self, proposals: Proposals, result: CommitResult) -> None:
        members = defaultdict(list)
        for m in proposals.members.to_pylist():
            members[m["call_row"]].append(rule.Member(m["cdr_id"], _capture(m)))
        amounts, tariffs = defaultdict(int), {}
        for charge in proposals.charges.to_pylist():
            amounts[charge["call_id"]] += charge["amount_nanos"]
            tariffs[charge["call_id"]] = charge["tariff_version"]
        for row, call in enumerate(proposals.calls.select(["call_id"]).to_pylist()):
            rerates = proposals.rerates[row] if proposals.rerates else None
            proposal = rule.Proposal(tuple(members[row]), rerates)
            answer = rule.decide(self._stored(proposal), proposal)
            match answer:
                case rule.Refuse(mark):
                    self._mark(mark)
                    result.refused += 1
                case rule.Rejoin(mark):
                    self._mark(mark)
                    result.rejoin += 1
                case rule.Ignore():
                    result.ignored += 1
                case rule.Stale():
                    result.stale += 1
                case rule.Accept():
                    self._accept(answer, amounts[call["call_id"]], tariffs[call["call_id"]])
                    new = answer.version == 1 and not answer.replaces
                    result.created += new
                    result.grown += not new

    def _stored(self, proposal: rule.Proposal) -> rule.Stored:
        wanted = {m.capture for m in proposal.members}
        captures = {
            k: v for k, (kind, v) in self.captures.items() if k in wanted and kind in {"leg", "dup"}
        }
        live = {
            c: rule.LiveCall(c, v.version, v.legs)
            for c, v in self.calls.items()
            if v.superseded_by is None
        }
        return rule.Stored(
            captures=captures,
            legs=self.legs.keys(),
            live=live,
            last_version={c: v.version for c, v in self.calls.items()},
        )

    def _accept(self, answer: rule.Accept, amount: int, tariff: int) -> None:
        for old in answer.replaces:
            version = self.calls[old.call_id]
            self.ledger.append((old.call_id, old.version, -version.amount))
            version.superseded_by = answer.call_id
        self.calls[answer.call_id] = Version(answer.version, answer.leg_ids, amount, tariff)
        self.ledger.append((answer.call_id, answer.version, amount))
        for cdr_id in answer.leg_ids:
            self.owner[cdr_id] = answer.call_id
        self._touch(answer.leg_ids)

    def _touch(self, touched: Any) -> None:
        touched = set(touched)
        pairs = [
            (i, j)
            for i in touched
            for j in self.legs
            if i != j and near(self.legs[i], self.legs[j])
        ]
        self._mark(rule.legs_to_mark(touched, pairs, self.owner))

    def _mark(self, ids_: Any) -> None:
        for cdr_id in ids_:
            self.stamp += 1
            self.marks[cdr_id] = self.stamp

    def _seal(self, wanted: Any) -> None:
        segment = len(set(self.segment_of.values())) + 1
        for cdr_id in wanted:
            assert cdr_id not in self.segment_of, "a row is hot or in exactly one segment"
            self.segment_of[cdr_id] = segment
            self.generation[ids.id_day(cdr_id)] += 1

    # ---- jobs ------------------------------------------------------------------------------

    def seal(self, *, before_ms: int, now_ms: int, limit: int = 100_000) -> None:
        """Move owned legs ingested before a moment into a segment."""
        self._seal(
            i
            for i, leg in self.legs.items()
            if i in self.owner and i not in self.segment_of and leg["ingested_at"] < before_ms
        )

    def _work(self, seeds: Any, marks: Any) -> RejoinWork:
        def one_call(i: bytes, j: bytes) -> bool:
            return self.owner.get(i, i) == self.owner.get(j, j)

        whole = rule.closure(
            seeds,
            lambda i: (j for j in self.legs if one_call(i, j) or near(self.legs[i], self.legs[j])),
        )
        ids = sorted(whole)
        calls = tuple(self.owner.get(i) for i in ids)
        return RejoinWork(leg_table(*(self.legs[i] for i in ids)), marks, calls)

    def rejoin_work(self, limit: int = 1000) -> RejoinWork | None:
        """Give marked legs with whole components."""
        marks = sorted(self.marks.items(), key=lambda m: m[1])[:limit]
        if not marks:
            return None
        return self._work([i for i, _ in marks], tuple(marks))

    def legs_without_call(self, before_ms: int, limit: int = 100_000) -> RejoinWork | None:
        """Give legs in no call, ingested up to a moment, with components."""
        found = rule.legs_without_call(
            {i: leg["ingested_at"] for i, leg in self.legs.items()},
            self.owner,
            data_time_ms=before_ms,
            window_ms=0,
        )
        return self._work(found, ()) if found else None

    def two_calls(self, capture: Any, *, who: str, why: str, now_ms: int) -> bytes:
        """Make a leg of its own of a duplicate: it joins nothing."""
        twin = self.legs[self.duplicates.pop(capture)]
        made = twin["cdr_id"][:3] + ids.leg_id(pbx_uid="", day=0, raw=repr(capture).encode())[3:]
        stream, incarnation, seq = capture
        self.legs[made] = {
            **twin,
            "cdr_id": made,
            "stream_id": stream,
            "incarnation": incarnation,
            "seq": seq,
            "join_keys": None,
            "flags": twin["flags"] | Flag.TWO_CALLS,
        }
        self.captures[capture] = ("leg", made)
        return made


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Give instants of a row as integers, as `near` and the tests write them."""
    return {
        name: int(value.timestamp() * 1000) if hasattr(value, "timestamp") else value
        for name, value in row.items()
    }


def _capture(row: dict[str, Any]) -> rule.CaptureKey:
    return row["stream_id"], row["incarnation"], row["seq"]


def reject(leg: dict[str, Any], reason: str = "field_malformed") -> dict[str, Any]:
    """Make the suspense row of a record that another dialect reads as this leg."""
    row = {name: leg[name] for name in SUSPENSE_SCHEMA.names if name in leg}
    return {**row, "stage": "parse", "reason": reason, "detail": "test"}


class Delivery:
    """Drives one store and says what is true in it; ids are shown as leg numbers."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.now = 1_800_000_000_000

    def put(
        self, *legs: dict[str, Any], rejects: Any = (), lost: Any = (), **more: Any
    ) -> CommitResult:
        """Store legs, rejects and losses in one transaction."""
        seal = more.pop("seal", False)
        batch = Batch(
            now_ms=self.now,
            legs=leg_table(*legs),
            rejects=pa.Table.from_pylist(list(rejects), schema=SUSPENSE_SCHEMA),
            losses=[StreamLoss(*x) for x in lost],
            **more,
        )
        return self.store.commit(batch, seal=seal)

    def offer(self, *legs: dict[str, Any], tariff: int = 1, rerates: Any = None) -> str:
        """Propose one call of these legs; says what became of it."""
        proposals = propose(*legs, tariff=tariff, rerates=rerates)
        result = self.store.commit(Batch(now_ms=self.now, proposals=proposals))
        names = ("created", "grown", "ignored", "rejoin", "refused", "stale")
        return " ".join(n for n in names if getattr(result, n))

    def answer(self, work: RejoinWork, tariff: int = 1) -> None:
        """Offer what a re-join found; offer and clearing of marks are one transaction."""
        proposals = propose_labelled(work.legs, work.labels(), tariff)
        self.store.commit(Batch(now_ms=self.now, proposals=proposals, cleared_marks=work.marks))

    def settle(self, tariff: int = 1) -> None:
        """Run the re-join job until no work is left; legs without a call are work as well."""
        for _ in range(50):
            work = self.store.rejoin_work(100) or self.store.legs_without_call(2**50)
            if work is None:
                return
            self.answer(work, tariff)
        raise AssertionError("re-join does not come to an end")

    def calls(self) -> dict[int, set[int]]:
        """Give live calls as {number of the call id: numbers of its legs}."""
        return {_number(c): {_number(i) for i in legs} for c, (_, legs, _) in self._live().items()}

    def versions(self) -> dict[int, int]:
        """Give the version of each live call."""
        return {_number(c): version for c, (version, _, _) in self._live().items()}

    def amounts(self) -> dict[int, int]:
        """Give what each live call costs by the ledger: charges minus reversals."""
        return {_number(c): amount for c, (_, _, amount) in self._live().items()}

    def _live(self) -> dict[bytes, tuple[int, frozenset[bytes], int]]:
        if isinstance(self.store, ReferenceStore):
            sums: dict[bytes, int] = defaultdict(int)
            for call_id, _, amount in self.store.ledger:
                sums[call_id] += amount
            for call_id, version in self.store.calls.items():
                if version.superseded_by is not None:
                    assert sums[call_id] == 0, "a superseded call costs nothing"
            return {
                c: (v.version, v.legs, sums[c])
                for c, v in self.store.calls.items()
                if v.superseded_by is None
            }
        found = {}
        for row in self.store.search_calls(CallFilter(), limit=1000).to_pylist():
            entries = self.store.get_call(row["call_id"]).charges.to_pylist()
            amount = sum(e["amount_nanos"] for e in entries)
            found[row["call_id"]] = (row["version"], frozenset(row["leg_ids"]), amount)
        return found


def _number(cdr_id: bytes) -> int:
    return int.from_bytes(cdr_id[3:], "big")
