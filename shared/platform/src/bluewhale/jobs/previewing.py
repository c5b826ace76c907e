"""What stored calls would have cost with another tariff: sums, and the calls that differ most.

The draft stands where activating it would put it; only its own price list is
priced. `before` is the ledger as it stands. Writes nothing. Does not own pricing
stored calls again (`rerating`).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.jobs.rerating import Repricer
from bluewhale.rating.explain import seconds_text
from bluewhale.records.enums import ChargeStatus
from bluewhale.stages import Stages

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.database.search import PageKey
    from bluewhale.rating.tariff import TariffVersion

Row = Mapping[str, Any]
_COLUMNS = [
    "call_id", "span", "price_list", "amount_nanos", "currency", "status", "reason", "prefix",
    "tariff_uid", "tariff_version", "rated_quantity_ms",
]  # fmt: skip


@dataclass(slots=True)
class Sums:
    """Of one currency, in nanos; charges without a price are counted under currency ""."""

    before: int = 0
    after: int = 0
    unrated_before: int = 0
    unrated_after: int = 0


@dataclass(frozen=True, slots=True)
class CallDifference:
    """One call whose price would be another, in nanos of one currency."""

    call_id: bytes
    started_at_ms: int
    called: str
    currency: str
    before: int
    after: int
    reason: str


class Preview:
    """Goes through the calls started in [from_ms, until_ms), newest first, page by page.

    Parameters
    ----------
    stages: what prices now; not modified.
    draft: the version to try; its number only names it.
    biggest: so many differences are kept.
    """

    def __init__(
        self,
        store: Store,
        stages: Stages,
        draft: TariffVersion,
        *,
        from_ms: int,
        until_ms: int,
        biggest: int,
        now_ms: int,
    ) -> None:
        versions = [
            v
            for v in stages.book.versions
            if v.price_list == draft.price_list
            and (v.tariff_uid, v.effective_from) != (draft.tariff_uid, draft.effective_from)
        ]
        directory = stages.index.directory
        after = Stages.of(directory, [*versions, draft], stages.payer_policy)
        self._repricer = Repricer(store, after)
        self._range = from_ms, until_ms
        self._biggest, self._now_ms = biggest, now_ms
        self._place: PageKey | None = None
        self._heap: list[tuple[int, bytes, str, CallDifference]] = []
        self.price_list = draft.price_list
        self.calls = 0
        self.changed = 0
        self.reached_ms = until_ms
        self.sums: dict[str, Sums] = defaultdict(Sums)

    def step(self) -> bool:
        """Price the next page; tell whether there may be more."""
        found = self._repricer.priced(*self._range, self._place, self._now_ms)
        if found is None:
            self.reached_ms = self._range[0]
            return False
        before = self._by_call([found.stored])
        after = self._by_call([p.charges for p in found.priced])
        rows = found.calls.select(["call_id", "started_at", "called"]).to_pylist()
        for row in rows:
            self._compare(row, before.get(row["call_id"], []), after.get(row["call_id"], []))
        self.calls += len(rows)
        self._place = found.after
        if found.after is not None:
            self.reached_ms = found.after[0]
        return self._place is not None

    def differences(self) -> list[CallDifference]:
        """Give the biggest differences, the biggest first."""
        return [entry[-1] for entry in sorted(self._heap, key=lambda e: e[:3], reverse=True)]

    def _by_call(self, tables: Iterable[pa.Table]) -> dict[bytes, list[Row]]:
        found: dict[bytes, list[Row]] = defaultdict(list)
        for table in tables:
            mine = table.filter(pc.equal(table.column("price_list"), self.price_list))
            for row in mine.select(_COLUMNS).to_pylist():
                found[row["call_id"]].append(row)
        for charges in found.values():
            charges.sort(key=lambda c: c["span"])
        return found

    def _compare(self, call: Row, before: list[Row], after: list[Row]) -> None:
        for charge in before:
            total = self.sums[_currency(charge)]
            total.before += charge["amount_nanos"]
            total.unrated_before += charge["status"] == ChargeStatus.UNRATED
        for charge in after:
            total = self.sums[_currency(charge)]
            total.after += charge["amount_nanos"]
            total.unrated_after += charge["status"] == ChargeStatus.UNRATED
        if [_price(c) for c in before] == [_price(c) for c in after]:
            return
        self.changed += 1
        for currency in sorted({_currency(c) for c in (*before, *after)}):
            self._keep(call, currency, before, after)

    def _keep(self, call: Row, currency: str, before: list[Row], after: list[Row]) -> None:
        old, new = (
            sum(c["amount_nanos"] for c in side if _currency(c) == currency)
            for side in (before, after)
        )
        if old == new and currency == "":
            return  # said by the entry of the currency that it gains or loses
        found = CallDifference(
            call["call_id"], _ms(call["started_at"]), call["called"] or "", currency, old, new,
            _reason(before, after),
        )  # fmt: skip
        entry = (abs(new - old), call["call_id"], currency, found)
        if len(self._heap) < self._biggest:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)


def _price(charge: Row) -> tuple[Any, ...]:
    return charge["span"], charge["amount_nanos"], charge["currency"], charge["status"]


def _currency(charge: Row) -> str:
    return "" if charge["status"] == ChargeStatus.UNRATED else charge["currency"] or ""


def _reason(before: list[Row], after: list[Row]) -> str:
    """Say what decided the first span that differs, on both sides."""
    old, new = ({c["span"]: c for c in side} for side in (before, after))
    for span in sorted(old.keys() | new.keys()):
        one, other = old.get(span), new.get(span)
        if one is None or other is None or _price(one) != _price(other):
            return f"{_decided(one)} -> {_decided(other)}"
    return ""


def _decided(charge: Row | None) -> str:
    if charge is None:
        return "no charge"
    status = charge["status"]
    if status == ChargeStatus.UNRATED:
        return f"not priced ({charge['reason']})"
    by = (
        f"{charge['tariff_uid']}@{charge['tariff_version']}"
        if charge["tariff_uid"]
        else "no tariff"
    )
    if status == ChargeStatus.FREE:
        return f"free by {by}"
    counted = seconds_text(charge["rated_quantity_ms"] or 0)
    return f"prefix {charge['prefix'] or '*'} of {by}, {counted} counted"


def _ms(moment: Any) -> int:
    return round(moment.timestamp() * 1000)
