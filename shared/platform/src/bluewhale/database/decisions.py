"""Proposed calls into call versions: gather what is stored, ask the rule, apply.

The rule itself (which proposal makes a version, which is ignored or refused) is
`bluewhale.rating.decision`, pure. Owns the gathering and the writing of hot
call versions and ledger entries inside the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import facts, hot, keys, ledger
from bluewhale.database.batch import CommitResult
from bluewhale.database.engine import Transaction
from bluewhale.database.lookup import CaptureKey, Lookup, StoredCall
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.totals import Totals, site_days
from bluewhale.rating.decision import (
    Accept,
    Ignore,
    LiveCall,
    Member,
    Proposal,
    Refuse,
    Rejoin,
    Stale,
    Stored,
    decide,
)
from bluewhale.records.batches import Proposals
from bluewhale.records.enums import CallState

_COMPLETE = pa.array([CallState.COMPLETE.value])
_FIRST = pa.scalar(1, pa.int32())
_CAPTURE = ("stream_id", "incarnation", "seq")
INSERT_OWNER = "INSERT INTO leg_owner VALUES (?, ?) ON CONFLICT (cdr_id) DO UPDATE SET call_id = excluded.call_id"


@dataclass(frozen=True, slots=True)
class _Offered:
    """Members of proposals: their stored legs (`at` = row in `known`), call rows, simple calls.

    `exact`: stored as offered, id and capture key.
    """

    members: pa.Table
    known: facts.Facts
    at: keys.Ints
    call_row: keys.Ints
    exact: keys.Bools
    simple: keys.Bools


class Applier:
    """Applies proposals one transaction long; remembers which legs it touched."""

    def __init__(
        self, tx: Transaction, lookup: Lookup, result: CommitResult, totals: Totals, now_ms: int
    ) -> None:
        self.tx = tx
        self.lookup = lookup
        self.result = result
        self.totals = totals
        self.now_ms = now_ms
        self.touched: set[bytes] = set()
        # Legs that got their first call as columns: ids, and the columns of facts.NAMES.
        self.took: list[tuple[keys.Words, keys.Words]] = []
        self.took_legs: list[pa.Table] = []
        self.marked: set[bytes] = set()

    def apply(
        self,
        proposals: Proposals,
        wanted: keys.Bools | None = None,
        fresh: pa.Table | None = None,
    ) -> None:
        """Decide and apply every proposed call (or those that `wanted` picks).

        `fresh`: legs stored in this transaction, in no call yet.
        """
        count = proposals.calls.num_rows
        picked = np.ones(count, np.bool_) if wanted is None else wanted
        simple = np.zeros(count, np.bool_)
        if proposals.rerates is None and bool(picked.any()):
            offered = self._offered(proposals, picked, fresh)
            simple = offered.simple & picked
            if bool(simple.any()):
                self._create(proposals, simple, offered)
            picked = picked & ~self._refuse(offered)
        rest = np.flatnonzero(picked & ~simple)
        if len(rest):
            self._decide_each(proposals, rest)

    # ---- calls of legs that are in no call yet: columns, no decision needed --------------

    def _offered(
        self, proposals: Proposals, picked: keys.Bools, fresh: pa.Table | None
    ) -> _Offered:
        """Say which calls are simple: every leg stored as offered, in no call, offered once.

        The decision about such a call can only be a first version.
        """
        members = proposals.members
        call_row = keys.integers(members.column("call_row"))
        if not bool(picked.all()):
            mine = picked[call_row]
            members, call_row = members.filter(pa.array(mine)), call_row[mine]
        high, low = keys.id_words(members.column("cdr_id"))
        known = facts.gather(self.lookup, fresh, high, low)
        at = known.at(high, low)
        place = np.maximum(at, 0)
        exact = at >= 0
        good = exact
        if len(known.owned):
            for name in _CAPTURE:
                stored = keys.integers(known.legs.column(name))
                exact &= stored[place] == keys.integers(members.column(name))
            good = exact & ~known.owned[place]
            good &= np.bincount(at[at >= 0], minlength=len(known.owned))[place] == 1
        count = len(picked)
        simple = np.bincount(call_row, minlength=count) > 0
        simple[call_row[~good]] = False
        return _Offered(members, known, at, call_row, exact, simple)

    # ---- calls of legs that are not stored: refused together ------------------------------

    def _refuse(self, offered: _Offered) -> keys.Bools:
        """Refuse calls of which a leg is stored neither by its id nor by its capture key.

        Says which; those of their legs that are stored are marked. Any other
        reason to refuse is found by the rule.
        """
        refused = np.zeros(len(offered.simple), np.bool_)
        if not bool((offered.at < 0).any()):
            return refused
        doubtful = np.flatnonzero(~offered.exact)
        columns = [offered.members.column(n).take(pa.array(doubtful)).to_pylist() for n in _CAPTURE]
        captures: list[CaptureKey] = list(zip(*columns, strict=True))
        found = self.lookup.ids_of_captures(set(captures))
        nowhere = offered.at[doubtful] < 0
        if found:
            nowhere &= np.array([c not in found for c in captures], np.bool_)
        refused[offered.call_row[doubtful[nowhere]]] = True
        known = offered.known
        inside = refused[offered.call_row]
        by_id = inside & (offered.at >= 0)
        for row, capture in zip(doubtful.tolist(), captures, strict=True):
            if inside[row] and capture in found:
                by_id[row] = False
                self.marked.add(found[capture])
        at = offered.at[by_id]
        self.marked.update(keys.words_bytes(known.high[at], known.low[at]))
        self.result.refused += int(np.count_nonzero(refused))
        return refused

    def _create(self, proposals: Proposals, simple: keys.Bools, offered: _Offered) -> None:
        calls, charges = proposals.calls, proposals.charges
        if not bool(simple.all()):
            calls = calls.filter(pa.array(simple))
            charges = charges.filter(pa.array(ledger.call_rows(calls, charges) >= 0))
        sums = ledger.totals(charges, ledger.charge_places(calls, charges))
        hot.insert_calls(self.tx, stored_calls(calls, sums))
        hot.insert_charges(self.tx, charges)
        of_call = (np.cumsum(simple) - 1)[offered.call_row]
        mine = simple[offered.call_row]
        at, of_call = offered.at[mine], of_call[mine]
        known = offered.known
        high, low = known.high[at], known.low[at]
        hot.insert_owners(
            self.tx,
            keys.words_array(high, low),
            keys.one_array(calls.column("call_id")).take(pa.array(of_call)),
        )
        legs = known.legs.take(pa.array(at))
        self.took.append((high, low))
        self.took_legs.append(legs)
        rated = ledger.all_rated(sums)[of_call]
        for stage, part in (("merged", None), ("rated", rated), ("unrated", ~rated)):
            table = legs if part is None else legs.filter(pa.array(part))
            for (site, day), count in site_days(table, {}).items():
                self.totals.add(site, day, stage, count)
        self.result.created += calls.num_rows
        self.result.charges += charges.num_rows

    # ---- the rest: one decision each -------------------------------------------------------

    def _decide_each(
        self, proposals: Proposals, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> None:
        members = self._members(proposals, rows)
        ids = {m.cdr_id for legs in members.values() for m in legs}
        stored = {i: leg.capture for i, leg in self.lookup.legs(ids).items()}
        captures = self._captures(members, stored)
        owners = self.lookup.owners(ids)
        for row in rows.tolist():
            legs = members.get(row, [])
            if proposals.rerates is None and _held(legs, captures, owners):
                self.result.ignored += 1  # a live call owns every leg, so it contains them all
            else:
                self._decide(proposals, row, legs, captures, stored)

    def _members(
        self, proposals: Proposals, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> dict[int, list[Member]]:
        table = proposals.members
        call_row = keys.integers(table.column("call_row"))
        if len(rows) < proposals.calls.num_rows:
            keep = np.isin(call_row, rows)
            table, call_row = table.filter(pa.array(keep)), call_row[keep]
        found: dict[int, list[Member]] = {}
        columns = (
            call_row.tolist(),
            table.column("cdr_id").to_pylist(),
            *(table.column(n).to_pylist() for n in _CAPTURE),
        )
        for row, cdr_id, stream, incarnation, seq in zip(*columns, strict=True):
            found.setdefault(row, []).append(Member(cdr_id, (stream, incarnation, seq)))
        return found

    def _captures(
        self, members: dict[int, list[Member]], stored: dict[bytes, CaptureKey]
    ) -> dict[CaptureKey, bytes]:
        """Give the stored leg that each member's capture key stands for."""
        found: dict[CaptureKey, bytes] = {}
        doubtful: set[CaptureKey] = set()
        for legs in members.values():
            for member in legs:
                if stored.get(member.cdr_id) == member.capture:
                    found[member.capture] = member.cdr_id
                else:
                    doubtful.add(member.capture)
        found.update(self.lookup.ids_of_captures(doubtful))
        return found

    def _decide(
        self,
        proposals: Proposals,
        row: int,
        legs: list[Member],
        captures: dict[CaptureKey, bytes],
        stored: dict[bytes, CaptureKey],
    ) -> None:
        rerates = proposals.rerates[row] if proposals.rerates is not None else None
        ids = {m.cdr_id for m in legs}
        live = self.lookup.calls(
            {*self.lookup.owners(ids).values(), *([rerates[0]] if rerates is not None else [])}
        )
        decision = decide(
            Stored(
                captures={m.capture: captures[m.capture] for m in legs if m.capture in captures},
                legs={i for i in ids if i in stored},
                live={c: LiveCall(c, call.version, call.leg_ids) for c, call in live.items()},
                last_version=self.lookup.last_versions([min(ids)]) if ids else {},
            ),
            Proposal(tuple(legs), rerates),
        )
        match decision:
            case Accept():
                reason = "rerated" if rerates is not None else "grown"
                replaced = [live[c.call_id] for c in decision.replaces]
                self._store_version(proposals, row, decision, replaced, reason)
            case Ignore():
                self.result.ignored += 1
            case Stale():
                self.result.stale += 1
            case Refuse():
                self.result.refused += 1
                self.marked |= decision.mark
            case Rejoin():
                self.result.rejoin += 1
                self.marked |= decision.mark

    def _store_version(
        self,
        proposals: Proposals,
        row: int,
        accept: Accept,
        replaced: list[StoredCall],
        reason: str,
    ) -> None:
        call_id, version, legs = accept.call_id, accept.version, accept.leg_ids
        call = proposals.calls.slice(row, 1)
        proposed_id = call.column("call_id")[0].as_py()
        mine = pc.equal(proposals.charges.column("call_id"), pa.scalar(proposed_id, pa.binary(16)))
        charges = ledger.entries_of_version(proposals.charges.filter(mine), call_id, version)
        call = _with(call, "call_id", pa.array([call_id], pa.binary(16)))
        sums = ledger.totals(charges, ledger.charge_places(call, charges))
        stored = stored_calls(call, sums)
        stored = _with(stored, "version", pa.array([version], pa.int32()))
        was_rated = {
            i: rated for old in replaced for i, rated in self._retire(old, call_id, reason)
        }
        hot.insert_calls(self.tx, stored)
        hot.insert_charges(self.tx, charges)
        self.tx.many(INSERT_OWNER, [(i, call_id) for i in sorted(legs)])
        self.tx.run_in("DELETE FROM orphan WHERE cdr_id IN ({marks})", sorted(legs))
        is_rated = bool(ledger.all_rated(sums)[0])
        for cdr_id, leg in self.lookup.leg_facts(legs).items():
            if cdr_id in was_rated:
                self.totals.add(
                    leg.site_uid, leg.day, "rated" if was_rated[cdr_id] else "unrated", -1
                )
            else:
                self.totals.add(leg.site_uid, leg.day, "merged")
            self.totals.add(leg.site_uid, leg.day, "rated" if is_rated else "unrated")
        if replaced or version > 1:
            self.result.grown += 1
        else:
            self.result.created += 1
        self.result.charges += charges.num_rows
        self.touched |= legs

    def _retire(self, call: StoredCall, by: bytes, reason: str) -> list[tuple[bytes, bool]]:
        """Take a live version out of life: mark it, reverse its charges.

        Gives its legs and whether they counted as rated.
        """
        stored = self.lookup.charges(call.call_id)
        why = reason if call.call_id == by else "superseded"
        entries = ledger.reversals(stored, call.version, reason=why, at_ms=self.now_ms)
        hot.insert_charges(self.tx, entries)
        self.result.reversals += entries.num_rows
        if call.segment is None:
            self.tx.run(
                "UPDATE call_version SET live = 0, state = ?, superseded_by = ?"
                " WHERE call_id = ? AND version = ? AND +live = 1",
                (CallState.SUPERSEDED.value, by, call.call_id, call.version),
            )
        else:
            self.tx.run("INSERT INTO superseded VALUES (?, ?, ?)", (call.call_id, call.version, by))
        rated = entries.num_rows > 0 and "unrated" not in entries.column("status").to_pylist()
        return [(i, rated) for i in call.leg_ids]


def _held(
    legs: list[Member], captures: dict[CaptureKey, bytes], owners: dict[bytes, bytes]
) -> bool:
    """Say whether all legs are stored as offered and in one live call: nothing to decide."""
    calls = {owners.get(m.cdr_id) for m in legs}
    return (
        len(calls) == 1
        and None not in calls
        and all(captures.get(m.capture) == m.cdr_id for m in legs)
    )


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), column)


def stored_calls(calls: pa.Table, sums: pa.Array) -> pa.Table:
    """Give proposed calls as stored calls: complete, version 1 where none is given, with totals."""
    count = calls.num_rows
    state = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), _COMPLETE)
    columns = {name: calls.column(name) for name in calls.column_names}
    columns["state"] = state
    columns["totals"] = sums
    columns["version"] = pc.fill_null(columns["version"], _FIRST)
    return pa.Table.from_arrays(
        [columns[name] for name in STORED_CALL_SCHEMA.names], schema=STORED_CALL_SCHEMA
    )
