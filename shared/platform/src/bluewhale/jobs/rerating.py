"""Re-rating: calls of a period, priced again by the tariffs in force, the ledger corrected.

A call is outdated where pricing it now gives other charges than its live
version has. Such a call is proposed again, naming the version that was read; the
database stores it as the next version, takes the old charges back and enters the
new ones, or says that somebody else was faster. The period is gone through until
a whole pass finds nothing outdated, so running it twice corrects nothing twice.

Who pays and where a trunk leads is taken from the directory version that the
call was attributed by: only prices change. Owns the passes and the report of
differences. Does not own prices (`bluewhale.rating`) or versions (the database).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.configuration.exceptions import InputError
from bluewhale.database import Batch, CallFilter, page_key
from bluewhale.jobs.directories import stored_directory
from bluewhale.jobs.tariffs import in_use
from bluewhale.records.batches import Proposals
from bluewhale.records.enums import Flag
from bluewhale.stages import Stages, propose

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.database.search import PageKey
    from bluewhale.jobs.runner import Progress

PAGE_CALLS = 2_000
PASSES_MAX = 100  # calls that change faster than this are not a matter of tariffs
REPORT_GROUPS_MAX = 10_000

_COMPARED = ["call_id", "span", "price_list", "tariff_uid", "tariff_version", "amount_nanos",
             "currency", "status"]  # fmt: skip


class Group(NamedTuple):
    """What differences are summed by; `tariff` is `UID@VERSION`, "" = none applied."""

    price_list: str
    department: str
    tariff: str
    currency: str


@dataclass(slots=True)
class Difference:
    """Sums of one group, in nanos of its currency; `calls` that change."""

    calls: int = 0
    old_nanos: int = 0
    new_nanos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls: started in [from_ms, until_ms), priced by a tariff before or after; None = any.

    `tariff_version` 0 = any version of it.
    """

    from_ms: int
    until_ms: int
    tariff_uid: str | None = None
    tariff_version: int = 0

    def means(self, charges: list[_Charge]) -> bool:
        """Say whether one of these charges is by the tariff that is meant."""
        return self.tariff_uid is None or any(c.tariff_uid == self.tariff_uid for c in charges)

    def accepts(self, charges: list[_Charge]) -> bool:
        """Say whether new charges are by the version that is meant, where they are by that tariff."""
        return not self.tariff_version or all(
            c.tariff_version == self.tariff_version
            for c in charges
            if c.tariff_uid == self.tariff_uid
        )


class _Charge(NamedTuple):
    """What is compared of a charge."""

    price_list: str
    span: int
    tariff_uid: str | None
    tariff_version: int | None
    amount_nanos: int
    currency: str | None
    status: str


@dataclass(slots=True)
class Page:
    """What came of one page: calls looked at, proposals for the outdated ones, differences."""

    calls: int
    after: PageKey | None
    proposals: Proposals | None
    differences: dict[Group, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repriced:
    """One page of stored calls (STORED_CALL_SCHEMA) and their prices now.

    `looked` calls were read; those without a number any more (erased) are not among `calls`.
    `stored` = the live charges of the calls (CHARGE_SCHEMA), perhaps of a few more.
    """

    looked: int
    calls: pa.Table
    after: PageKey | None
    stored: pa.Table
    priced: list[Proposals]


class Repricer:
    """Prices stored calls again; writes nothing."""

    def __init__(self, store: Store, stages: Stages) -> None:
        self._store = store
        self._stages = stages
        self._by_directory: dict[int, Stages] = {}

    def priced(
        self, from_ms: int, until_ms: int, after: PageKey | None, now_ms: int
    ) -> Repriced | None:
        """Price the calls behind `after` that started in [from_ms, until_ms), newest first.

        None = there are none left.
        """
        chosen = CallFilter(from_at=_moment(from_ms), until_at=_moment(until_ms))
        calls = self._store.search_calls(chosen, limit=PAGE_CALLS, after=after)
        if not calls.num_rows:
            return None
        looked, after, stored = calls.num_rows, page_key(calls), self._stored_charges(calls)
        flags = pc.fill_null(calls.column("flags"), 0)
        calls = calls.filter(pc.equal(pc.bit_wise_and(flags, int(Flag.ERASED)), 0))
        parts = [
            self._priced(calls.filter(pa.array(rows)), version, now_ms)
            for version, rows in _by_directory(calls)
        ]
        return Repriced(looked, calls, after, stored, parts)

    def page(self, wanted: Wanted, after: PageKey | None, now_ms: int) -> Page:
        """Look at the calls behind `after`, newest first."""
        found = self.priced(wanted.from_ms, wanted.until_ms, after, now_ms)
        if found is None:
            return Page(0, None, None)
        old = _charges(found.stored)
        read = {
            row["call_id"]: row
            for row in found.calls.select(["call_id", "version", "department_uid"]).to_pylist()
        }
        page = Page(found.looked, found.after, None)
        picked = []
        for proposals in found.priced:
            new = _charges(proposals.charges)
            ids = proposals.calls.column("call_id").to_pylist()
            outdated = [
                i in read and old.get(i, []) != new.get(i, [])
                and wanted.means(old.get(i, []) + new.get(i, []))
                and wanted.accepts(new.get(i, []))
                for i in ids
            ]  # fmt: skip
            if not any(outdated):
                continue
            named = [i for i, is_outdated in zip(ids, outdated, strict=True) if is_outdated]
            for i in named:
                _note(
                    page.differences,
                    read[i]["department_uid"] or "",
                    old.get(i, []),
                    new.get(i, []),
                )
            picked.append(_rerates(proposals, outdated, [(i, read[i]["version"]) for i in named]))
        page.proposals = _joined(picked)
        return page

    def _stored_charges(self, calls: pa.Table) -> pa.Table:
        """Give the live charges of calls; a charge lies within the time of its call."""
        started = calls.column("started_at").cast(pa.int64()).to_numpy()
        ended = calls.column("ended_at").cast(pa.int64()).fill_null(0).to_numpy()
        last = max(int(started.max()), int(ended.max()))
        return self._store.charges(from_ms=int(started.min()), until_ms=last + 1, limit=10**9)

    def _priced(self, calls: pa.Table, directory_version: int | None, now_ms: int) -> Proposals:
        label = {
            leg_id: number
            for number, leg_ids in enumerate(calls.column("leg_ids").to_pylist())
            for leg_id in leg_ids
        }
        legs = self._store.legs(label)
        labels = np.array([label[i] for i in legs.column("cdr_id").to_pylist()], np.int64)
        return propose(legs, self._stages_of(directory_version), rated_at_ms=now_ms, labels=labels)

    def _stages_of(self, directory_version: int | None) -> Stages:
        current = self._stages.index.directory.version
        if directory_version is None or directory_version == current:
            return self._stages
        if directory_version not in self._by_directory:
            directory = stored_directory(self._store, directory_version)
            self._by_directory[directory_version] = self._stages.with_directory(directory)
        return self._by_directory[directory_version]


class Rerating:
    """The job: passes over a period until nothing is outdated."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def step(self, progress: Progress, stages: Callable[[], Stages], now_ms: int) -> bool:
        """Look at one page and correct what is outdated; False = a whole pass found nothing."""
        wanted = Wanted(
            from_ms=progress["from_ms"],
            until_ms=progress["until_ms"],
            tariff_uid=progress.get("tariff_uid") or None,
            tariff_version=progress.get("tariff_version") or 0,
        )
        if "passes" not in progress:
            self._check(wanted)
            progress["passes"] = 0
        dry_run = bool(progress.get("dry_run"))
        after = progress.get("after")
        place = None if after is None else (int(after[0]), bytes.fromhex(after[1]))
        page = Repricer(self._store, stages()).page(wanted, place, now_ms)
        if page.proposals is not None:
            found = page.proposals.calls.num_rows
            progress["outdated"] = progress.get("outdated", 0) + found
            if not dry_run:
                result = self._store.commit(Batch(now_ms=now_ms, proposals=page.proposals))
                corrected = result.grown + result.created
                progress["corrected"] = progress.get("corrected", 0) + corrected
        if progress["passes"] == 0:  # later passes see what changed meanwhile
            progress["done"] += page.calls
            progress["report"] = added(progress.get("report", []), page.differences)
        _say(progress, dry_run=dry_run)
        if page.after is not None and page.calls == PAGE_CALLS:
            progress["after"] = [page.after[0], page.after[1].hex()]
            return True
        progress["after"] = None
        progress["passes"] += 1
        again = progress.get("outdated", 0) > 0 and not dry_run
        progress["outdated"] = 0
        return again and progress["passes"] < PASSES_MAX

    def _check(self, wanted: Wanted) -> None:
        """Refuse a tariff that prices nothing.

        Raises
        ------
        InputError
            No version of it is in use, or not the one that is named.
        """
        if wanted.tariff_uid is None:
            return
        used = [
            t.version
            for t in in_use(self._store.list_tariffs())
            if t.tariff_uid == wanted.tariff_uid
        ]
        if not used or (wanted.tariff_version and wanted.tariff_version not in used):
            named = f"{wanted.tariff_uid}@{wanted.tariff_version}".removesuffix("@0")
            raise InputError(
                f"tariff {named} prices nothing: it is not there, was never activated or was"
                " replaced;"
                " see: bluewhale tariff list"
            )


def _say(progress: Progress, *, dry_run: bool) -> None:
    count = progress.get("outdated", 0) if dry_run else progress.get("corrected", 0)
    word = "would be corrected" if dry_run else "corrected"
    progress["message"] = f"{progress['done']:,} calls looked at, {count:,} {word}"


def added(report: list[list[Any]], differences: Mapping[Group, Difference]) -> list[list[Any]]:
    """Add differences to a report as jobs keep it: [*group, calls, old, new] per group."""
    sums: dict[Group, Difference] = {Group(*row[:4]): Difference(*row[4:]) for row in report}
    for group, difference in differences.items():
        if group not in sums and len(sums) >= REPORT_GROUPS_MAX:
            group = group._replace(department="(others)")  # noqa: PLW2901 - the sum stays whole
        total = sums.setdefault(group, Difference())
        total.calls += difference.calls
        total.old_nanos += difference.old_nanos
        total.new_nanos += difference.new_nanos
    return [[*group, d.calls, d.old_nanos, d.new_nanos] for group, d in sorted(sums.items())]


def _note(
    differences: dict[Group, Difference], department: str, old: list[_Charge], new: list[_Charge]
) -> None:
    """Add the charges of one call that change to the sums."""
    same = set(old) & set(new)
    tariff = {
        (c.price_list, c.span): f"{c.tariff_uid}@{c.tariff_version}"
        for c in (*old, *new)  # where both have one, the new one names the group
        if c.tariff_uid is not None
    }
    groups = set()
    for charges, is_new in ((old, False), (new, True)):
        for c in charges:
            if c in same:
                continue
            named = tariff.get((c.price_list, c.span), "")
            group = Group(c.price_list, department, named, c.currency or "")
            difference = differences.setdefault(group, Difference())
            if is_new:
                difference.new_nanos += c.amount_nanos
            else:
                difference.old_nanos += c.amount_nanos
            groups.add(group)
    for group in groups:
        differences[group].calls += 1


def _charges(table: pa.Table) -> dict[bytes, list[_Charge]]:
    found: dict[bytes, list[_Charge]] = defaultdict(list)
    columns = [table.column(name).to_pylist() for name in _COMPARED]
    for call_id, span, price_list, uid, version, nanos, currency, status in zip(
        *columns, strict=True
    ):
        found[call_id].append(_Charge(price_list, span, uid, version, nanos, currency, status))
    for charges in found.values():
        charges.sort(key=lambda c: (c.price_list, c.span))
    return found


def _by_directory(calls: pa.Table) -> list[tuple[int | None, list[bool]]]:
    versions = calls.column("directory_version").to_pylist()
    return [(v, [w == v for w in versions]) for v in Counter(versions)]


def _rerates(
    proposals: Proposals, outdated: list[bool], named: list[tuple[bytes, int]]
) -> Proposals:
    """Give the outdated calls of proposals, each naming the version that was read."""
    keep = np.array(outdated)
    calls = proposals.calls.filter(pa.array(keep))
    members = proposals.members
    row = members.column("call_row").to_numpy()
    place = np.cumsum(keep) - 1
    members = members.filter(pa.array(keep[row])).set_column(
        members.schema.get_field_index("call_row"),
        members.schema.field("call_row"),
        pa.array(place[row[keep[row]]].astype(np.int32)),
    )
    ids = {call_id for call_id, _ in named}
    mine = [i in ids for i in proposals.charges.column("call_id").to_pylist()]
    return Proposals(calls, proposals.charges.filter(pa.array(mine)), members, tuple(named))


def _joined(parts: list[Proposals]) -> Proposals | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    members, shift = [], 0
    for part in parts:
        at = part.members.schema.get_field_index("call_row")
        moved = part.members.column("call_row").to_numpy() + np.int32(shift)
        members.append(
            part.members.set_column(at, part.members.schema.field(at), pa.array(moved, pa.int32()))
        )
        shift += part.calls.num_rows
    return Proposals(
        pa.concat_tables([p.calls for p in parts]),
        pa.concat_tables([p.charges for p in parts]),
        pa.concat_tables(members),
        tuple(named for p in parts for named in p.rerates or ()),
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
