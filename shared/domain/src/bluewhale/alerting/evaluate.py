"""Rules over a batch of priced calls: which calls somebody should be told about.

    evaluate(calls, costs_of(calls, charges), rules.live, since_ms=...)

A pure function: the same calls give the same findings, whoever asks and however
often. Columns sort out all calls but the few that count; those are looked at one by
one. `matches` is its slow, obvious twin for one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.alerting.rules import (
    BlacklistRule,
    EmergencyCallRule,
    ExpensiveCallRule,
    LongCallRule,
    NightPremiumRule,
    Rule,
    SilentPbxRule,
)
from bluewhale.records.enums import CallClass, ChargeEntry
from bluewhale.records.findings import Finding, ObjectKind

DIGITS_MAX = 15
_COLUMNS = (
    "call_id", "leg_ids", "started_at", "ended_at", "site_zone", "talk_ms", "class",
    "calling_e164", "called_e164", "site_uid", "trunk_in", "trunk_out", "extension",
    "department_uid",
)  # fmt: skip
_POWERS = 10 ** np.arange(DIGITS_MAX + 1, dtype=np.int64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Bools = npt.NDArray[np.bool_]
Call = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one price list charges for one call, in nanos of a currency."""

    price_list: str
    currency: str
    amount_nanos: int


Costs = Mapping[bytes, Sequence[Cost]]
NO_COSTS: Costs = {}


def costs_of(charges: pa.Table) -> Costs:
    """Sum proposed charges (CHARGE_SCHEMA, entry "charge") per call, price list and currency."""
    found: dict[bytes, list[Cost]] = {}
    plain = charges.filter(
        pc.and_(
            pc.equal(charges.column("entry").cast(pa.string()), ChargeEntry.CHARGE.value),
            pc.greater(charges.column("amount_nanos"), 0),
        )
    )
    if not plain.num_rows:
        return found
    table = pa.table(
        {
            "call_id": plain.column("call_id"),
            "price_list": plain.column("price_list").cast(pa.string()),
            "currency": plain.column("currency").cast(pa.string()),
            "nanos": plain.column("amount_nanos"),
        }
    )
    sums = table.group_by(["call_id", "price_list", "currency"]).aggregate([("nanos", "sum")])
    columns = (sums.column(n).to_pylist() for n in sums.column_names)
    by_name = dict(zip(sums.column_names, columns, strict=True))
    for call_id, price_list, currency, nanos in zip(
        by_name["call_id"], by_name["price_list"], by_name["currency"], by_name["nanos_sum"],
        strict=True,
    ):  # fmt: skip
        found.setdefault(call_id, []).append(Cost(price_list, currency, nanos))
    return found


def costs_of_totals(calls: pa.Table) -> Costs:
    """Give the same from the totals of stored calls."""
    return {
        call_id: [
            Cost(t["price_list"], t["currency"], t["amount_nanos"])
            for t in totals or ()
            if t["currency"] is not None
        ]
        for call_id, totals in zip(
            calls.column("call_id").to_pylist(), calls.column("totals").to_pylist(), strict=True
        )
    }


def evaluate(
    calls: pa.Table, costs: Costs, rules: Iterable[Rule], *, since_ms: int | None = None
) -> list[Finding]:
    """Give what the rules find in calls, rule by rule, in the order of the calls.

    calls: CALL_SCHEMA (or the stored call), any order; not modified. `since_ms`:
    calls that ended before tell nobody (an import of last year); None = all count.
    """
    found: list[Finding] = []
    if not calls.num_rows:
        return found
    recent = _recent(calls, since_ms)
    for rule in rules:
        rows = np.flatnonzero(_candidates(calls, costs, rule) & recent)
        for call in calls.select(_COLUMNS).take(pa.array(rows)).to_pylist() if len(rows) else ():
            one = finding(rule, call, costs.get(call["call_id"], ()))
            if one is not None:
                found.append(one)
    return found


def finding(rule: Rule, call: Call, costs: Sequence[Cost]) -> Finding | None:
    """Give what a rule finds in one call; None = nothing."""
    if rule.sites and call["site_uid"] not in rule.sites:
        return None
    measured = matches(rule, call, costs)
    if measured is None or call["started_at"] is None:
        return None
    kind, uid = _object(call)
    return Finding(
        rule_uid=rule.rule_uid,
        name=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        object_kind=kind,
        object_uid=uid,
        site_uid=call["site_uid"],
        department_uid=call["department_uid"],
        window=_window(rule, call),
        at_ms=_ms(call["started_at"]),
        call_id=call["call_id"],
        leg_ids=tuple(call["leg_ids"]),
        measured=measured,
        to=rule.to,
    )


def matches(rule: Rule, call: Call, costs: Sequence[Cost]) -> dict[str, str] | None:
    """Say what of one call a rule minds, and against what; None = nothing.

    Numbers of phones are left out: a list names its entry by the call that it opens.
    """
    match rule:
        case BlacklistRule():
            sides = {
                "calling": ("calling_e164",),
                "called": ("called_e164",),
                "either": ("calling_e164", "called_e164"),
            }
            for name in sides[rule.side]:
                number = call[name]
                if number is not None and (
                    number in rule.numbers or _starts(number, rule.prefixes)
                ):
                    return {"side": name.removesuffix("_e164")}
            return None
        case LongCallRule():
            talk_ms = call["talk_ms"]
            if talk_ms is None or talk_ms < rule.talk_min_ms:
                return None
            return {"talk_ms": str(talk_ms), "talk_min_ms": str(rule.talk_min_ms)}
        case ExpensiveCallRule():
            return _dear(rule, costs)
        case EmergencyCallRule():
            return {} if call["class"] == CallClass.EMERGENCY else None
        case NightPremiumRule():
            number = call["called_e164"]
            premium = call["class"] == CallClass.PREMIUM or (
                number is not None and _starts(number, rule.prefixes)
            )
            if not premium or call["started_at"] is None:
                return None
            return {} if _night_of(rule, _local(call)) is not None else None
        case SilentPbxRule():
            return None  # no call does it


def _dear(rule: ExpensiveCallRule, costs: Sequence[Cost]) -> dict[str, str] | None:
    for cost in costs:
        least = rule.cost_min_nanos.get(cost.currency)
        listed = rule.price_list in {None, cost.price_list}
        if least is not None and listed and cost.amount_nanos >= least:
            return {
                "amount_nanos": str(cost.amount_nanos),
                "currency": cost.currency,
                "price_list": cost.price_list,
                "cost_min_nanos": str(least),
            }
    return None


def _recent(calls: pa.Table, since_ms: int | None) -> Bools:
    if since_ms is None:
        return np.ones(calls.num_rows, np.bool_)
    ended = pc.coalesce(calls.column("ended_at"), calls.column("started_at"))
    return _integers(ended.cast(pa.int64())) >= since_ms


def _candidates(calls: pa.Table, costs: Costs, rule: Rule) -> Bools:
    """Say which calls a rule must look at; a call that is not among them cannot match."""
    match rule:
        case BlacklistRule():
            wanted = np.zeros(calls.num_rows, np.bool_)
            for name in ("calling_e164", "called_e164"):
                number = _integers(calls.column(name))
                wanted |= np.isin(number, np.fromiter(rule.numbers, np.int64, len(rule.numbers)))
                wanted |= _may_start(number, rule.prefixes)
            return wanted
        case LongCallRule():
            return _integers(calls.column("talk_ms")) >= rule.talk_min_ms
        case ExpensiveCallRule():
            dear = {call_id for call_id, found in costs.items() if _dear(rule, found) is not None}
            if not dear:
                return np.zeros(calls.num_rows, np.bool_)
            return np.array([c in dear for c in calls.column("call_id").to_pylist()], np.bool_)
        case EmergencyCallRule():
            return _of_class(calls, CallClass.EMERGENCY)
        case NightPremiumRule():
            number = _integers(calls.column("called_e164"))
            return _of_class(calls, CallClass.PREMIUM) | _may_start(number, rule.prefixes)
        case SilentPbxRule():
            return np.zeros(calls.num_rows, np.bool_)


def _of_class(calls: pa.Table, wanted: CallClass) -> Bools:
    same = pc.fill_null(pc.equal(calls.column("class").cast(pa.string()), wanted.value), False)
    return np.asarray(same.to_numpy(zero_copy_only=False), np.bool_)


def _may_start(numbers: npt.NDArray[np.int64], prefixes: frozenset[int]) -> Bools:
    """Say which numbers begin with a prefix, as numbers of 15 digits lie between two others.

    Where a prefix ends in zeros a shorter number may pass that does not: looked at again.
    """
    if not prefixes:
        return np.zeros(len(numbers), np.bool_)
    known = numbers > 0
    digits = np.searchsorted(_POWERS, numbers, "right")
    wide = np.where(known, numbers, 0) * _POWERS[np.clip(DIGITS_MAX - digits, 0, DIGITS_MAX)]
    ranges = sorted(
        (p * (room := 10 ** (DIGITS_MAX - len(str(p)))), (p + 1) * room) for p in prefixes
    )
    begins = np.array([low for low, _ in ranges], np.int64)
    # a prefix below another one lies inside it: the furthest end so far
    ends = np.maximum.accumulate(np.array([high for _, high in ranges], np.int64))
    at = np.searchsorted(begins, wide, "right") - 1
    return known & (at >= 0) & (wide < ends[np.maximum(at, 0)])


def _starts(number: int, prefixes: frozenset[int]) -> bool:
    text = str(number)
    return any(int(text[:n]) in prefixes for n in range(1, len(text) + 1)) if prefixes else False


def _integers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = pc.fill_null(column, -1).to_numpy()
    return found


def _object(call: Call) -> tuple[ObjectKind, str]:
    """Say whom an alert is about: the extension, else the trunk, else the site."""
    if call["extension"]:
        return "extension", call["extension"]
    trunk = call["trunk_out"] or call["trunk_in"]
    return ("trunk", trunk) if trunk else ("site", call["site_uid"] or "")


def _window(rule: Rule, call: Call) -> str:
    """Name the time that calls of one object are told of together: a day or a night of the site."""
    if isinstance(rule, EmergencyCallRule):
        return call["call_id"].hex()  # somebody may need help: each is told by itself
    local = _local(call)
    if isinstance(rule, NightPremiumRule):
        return str(_night_of(rule, local))
    return local.date().isoformat()


def _night_of(rule: NightPremiumRule, local: datetime) -> str | None:
    """Give the day on whose evening a night began; None = it is not night."""
    minute = local.hour * 60 + local.minute
    if rule.from_minute < rule.until_minute:
        inside = rule.from_minute <= minute < rule.until_minute
        return local.date().isoformat() if inside else None
    if minute >= rule.from_minute:
        return local.date().isoformat()
    if minute < rule.until_minute:
        return (local.date() - timedelta(days=1)).isoformat()
    return None


def _local(call: Call) -> datetime:
    moment: datetime = call["started_at"]
    return moment.astimezone(_zone(call["site_zone"] or "UTC"))


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
