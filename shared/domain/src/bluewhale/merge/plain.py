"""One call from its legs, row by row: the obvious twin of the kernels.

Owns the same rules in plain Python over dicts (LEG_SCHEMA names, times in ms),
for reading, for the property tests, and for explaining one call. Not on any
hot path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bluewhale.merge.facts import BOTH_SIDES
from bluewhale.records.enums import Flag

Leg = Mapping[str, Any]
End = tuple[Leg, str]  # a leg and the side of its path: "out", "in" or "inside"

_LATE_ROLES = {"transfer_to", "conference", "monitor"}
_INFERRED = int(Flag.ANSWER_INFERRED | Flag.NO_ANSWER_SUPERVISION)
_MINUTE_MS = 60_000


def build_call(legs: Sequence[Leg], *, payer_policy: str = "dialled_out") -> dict[str, Any]:
    """Give what people see of one call; keys as in CALL_SCHEMA, without directory columns."""
    ordered = in_order(legs)
    real = [leg for leg in ordered if leg["leg_role"] != "monitor"] or ordered
    first = real[0]
    outside = [leg for leg in real if leg["direction"] not in {None, "internal"}]
    leading = outside[0] if outside else first
    answered = [leg for leg in real if is_answered(leg)]
    spans = build_spans(legs, payer_policy=payer_policy)
    final = _final(real)
    befores = sum(leg["leg_role"] == "transfer_from" for leg in real)
    afters = sum(leg["leg_role"] == "transfer_to" for leg in real)
    outcomes = [leg["disposition"] for leg in real if leg["disposition"] is not None]
    ids = sorted(leg["cdr_id"] for leg in legs)
    return {
        "call_id": ids[0],
        "leg_ids": ids,
        "leg_count": len(ids),
        "started_at": moment(_began([(leg, moment(leg)) for leg in real])),
        "answered_at": _answered_at(answered),
        "ended_at": max(
            (leg["release_at"] for leg in real if leg["release_at"] is not None), default=None
        ),
        "ring_ms": _first(real, "ring_ms"),
        "queue_ms": _sum(real, "queue_ms"),
        "hold_ms": _sum(real, "hold_ms"),
        "talk_ms": _talk(answered, legs) if answered else 0,
        "direction": leading["direction"],
        "class": leading["class"],
        "disposition": "answered" if answered else outcomes[-1] if outcomes else None,
        "calling": first["calling_number"],
        "called": first["called_number"],
        "calling_e164": first["calling_e164"],
        "called_e164": first["called_e164"],
        "first_destination": first["called_number"],
        "final_destination": final["connected_number"] or final["called_number"],
        "site_uid": first["site_uid"],
        "pbx_uids": sorted({leg["pbx_uid"] for leg in legs}),
        "trunk_in": next((s["leg"]["trunk_in"] for s in spans if s["side"] == "in"), None),
        "trunk_out": next((s["leg"]["trunk_out"] for s in spans if s["side"] == "out"), None),
        "transfers": afters or min(befores, 1),
        "state": "complete" if any(leg["leg_role"] != "monitor" for leg in legs) else "open",
        "flags": _union([leg["flags"] or 0 for leg in legs]) | _guessed_order(real),
        "extension": _extension(spans, first),
        "account_code": _first(real, "account_code"),
    }


def build_spans(legs: Sequence[Leg], *, payer_policy: str = "dialled_out") -> list[dict[str, Any]]:
    """Give what is billed for one call; keys as in BILLABLE_SCHEMA, and `side`, `leg`."""
    paths = _paths(in_order(legs))
    spans: list[dict[str, Any]] = []
    for path in paths:
        answered = [end for end in path if is_answered(end[0])]
        if payer_policy == "split_by_leg" and answered:
            before = None
            for end in answered:
                span = _span(path[0], [end], "dialled_out")
                name, by_line = _payer([end], "dialled_out")
                if before is not None and (name is None or by_line):
                    span["payer"], span["by_line"] = before
                before = span["payer"], span["by_line"]
                spans.append(span)
        else:
            spans.append(_span(path[0], path, payer_policy))
    return [{**span, "span": n} for n, span in enumerate(spans)]


def is_answered(leg: Leg) -> bool:
    """Say whether a leg was connected."""
    if leg["disposition"] in {None, "forwarded"}:
        if leg["duration_ms"] is not None:
            return bool(leg["duration_ms"] > 0)
        return leg["answer_at"] is not None
    return bool(leg["disposition"] == "answered")


def moment(leg: Leg) -> int:
    """Give the moment that orders a leg."""
    names = ("setup_at", "answer_at", "release_at", "join_at", "received_at")
    return int(next(leg[name] for name in names if leg[name] is not None))


def sides(leg: Leg) -> tuple[str, ...]:
    """Say on which sides a leg holds an outside line; the way in comes first."""
    if leg["leg_role"] == "monitor":
        return ()
    lines = tuple(s for s in ("in", "out") if leg[f"trunk_{s}"] is not None)
    if lines:
        return lines
    if leg["leg_role"] == "conference" and leg["piece_of"] is None:
        return ()
    return {"inbound": ("in",), "outbound": ("out",), "tandem": ("in", "out")}.get(
        leg["direction"] or "", ()
    )


def is_inside(leg: Leg) -> bool:
    """Say whether a leg without a line is talk between people, not a bridge or a measurement."""
    if leg["leg_role"] == "conference":
        return leg["calling_extension"] is not None and leg["called_extension"] is not None
    return bool(leg["leg_role"] != "monitor")


def is_coarse(leg: Leg) -> bool:
    """Say whether a leg's times are minutes: its start is computed, up to 59 s too early."""
    return bool((leg["flags"] or 0) & Flag.SECONDS_UNKNOWN)


def in_order(legs: Sequence[Leg]) -> list[Leg]:
    """Put the legs of a call in order of their start.

    Coarse parts follow each other as their printed ends do; of those that ended in
    one minute the longer came first. Legs of a conference overlap, so there the
    computed start counts.
    """
    bridged = _is_bridged(legs)

    def key(leg: Leg) -> tuple[int, bool, int, bytes]:
        at = moment(leg)
        by_end = is_coarse(leg) and leg["release_at"] is not None and not bridged
        return leg["release_at"] if by_end else at, _is_late(leg), at, leg["cdr_id"]

    return sorted(legs, key=key)


def _is_bridged(legs: Sequence[Leg]) -> bool:
    return any(leg["leg_role"] == "conference" for leg in legs)


def _is_late(leg: Leg) -> bool:
    return leg["leg_role"] in _LATE_ROLES


def _began(legs: Sequence[tuple[Leg, int]]) -> Leg:
    """Give the leg that began first, of legs in order with their moments.

    It is the first, or one of an exact clock that began earlier; what a later coarse part
    computes may lie before the call.
    """
    first, earliest = legs[0]
    for leg, at in legs[1:]:
        if at < earliest and not is_coarse(leg):
            first, earliest = leg, at
    return first


def _answered_at(answered: Sequence[Leg]) -> int | None:
    known = [(leg, leg["answer_at"]) for leg in answered if leg["answer_at"] is not None]
    return _began(known)["answer_at"] if known else None


def _guessed_order(real: Sequence[Leg]) -> int:
    """Give ORDER_INFERRED where two parts ended in one minute and either may be the first.

    A part that follows another one within its minute is shorter than it. So the first is
    known where it alone lasted a minute.
    """
    if _is_bridged(real):
        return 0
    for one, two in pairwise(real):
        if not (is_coarse(one) and is_coarse(two)) or one["release_at"] is None:
            continue
        if one["release_at"] != two["release_at"] or _is_late(one) != _is_late(two):
            continue
        if not (_lasted(one) >= _MINUTE_MS > _lasted(two)):
            return int(Flag.ORDER_INFERRED)
    return 0


def _lasted(leg: Leg) -> int:
    return int(leg["release_at"]) - moment(leg)


def _paths(ordered: Sequence[Leg]) -> list[list[End]]:
    """Group the outside ends of a call; without any, its inside legs are one path."""
    ends = [(leg, side) for leg in ordered for side in sides(leg)]
    if not ends:
        inside = [(leg, "inside") for leg in ordered if is_inside(leg)]
        return [inside] if inside else []
    paths: dict[Any, list[End]] = {}
    for leg, side in ends:
        paths.setdefault(_path_key(leg, side), []).append((leg, side))
    return list(paths.values())


def _path_key(leg: Leg, side: str) -> Any:
    """Name the outside line that a leg holds on one side, for one party."""
    name = leg["piece_of"]
    both = len(sides(leg)) > 1
    if name is not None and BOTH_SIDES in name:
        into, _, out = name.partition(BOTH_SIDES)
        if not (both and into == out and side == "in"):
            return into if side == "in" else out
    elif name is not None and not (both and side == "in"):
        return name
    party = leg["called_number"] if side == "out" else leg["calling_number"]
    return side, leg["pbx_uid"], leg[f"trunk_{side}"], party


def _span(head: End, path: Sequence[End], policy: str) -> dict[str, Any]:
    """Describe one path, or one leg of it, under the number and direction of its head."""
    leg, side = head
    answered = [end for end, _ in path if is_answered(end)]
    redirected = (
        side == "out" and leg["leg_role"] == "forward" and leg["connected_number"] is not None
    )
    start = _began([(a, _started(a)) for a in answered]) if answered else path[0][0]
    quantities = [connected_ms(a) for a in answered]
    bridged = _is_bridged(answered)
    overlap = bridged or (side == "inside" and not any(is_coarse(a) for a in answered))
    payer, by_line = _payer(path, policy)
    quantity: int | None = None
    if None not in quantities:
        timed = [
            (a["answer_at"], q) for a, q in zip(answered, quantities, strict=True) if q is not None
        ]
        quantity = _union_ms(timed) if overlap else sum(q for _, q in timed)
    return {
        "leg": leg,
        "side": side,
        "payer": payer,
        "by_line": by_line,
        "direction": {"out": "outbound", "in": "inbound", "inside": "internal"}[side],
        "class": leg["class"],
        "called_number": leg["connected_number"] if redirected else leg["called_number"],
        "rated_e164": leg["connected_e164"] if redirected else leg["called_e164"],
        "start_at": _started(start) if answered else moment(path[0][0]),
        "answered": bool(answered),
        "answer_known": not (start["flags"] or 0) & _INFERRED,
        "quantity_ms": quantity,
    }


def connected_ms(leg: Leg) -> int | None:
    """Give the connected time: the switch timer, else talk."""
    return leg["duration_ms"] if leg["duration_ms"] is not None else leg["talk_ms"]


def _started(leg: Leg) -> int:
    return int(leg["answer_at"]) if leg["answer_at"] is not None else moment(leg)


def _inside(end: End) -> str | None:
    """Name who inside is on a leg."""
    leg, side = end
    if side == "in":
        return leg["called_extension"]
    if side == "out":
        if leg["leg_role"] == "forward" and leg["redirecting_number"] is not None:
            return leg["redirecting_number"]
        return leg["calling_extension"] or leg["redirecting_number"]
    return leg["calling_extension"] or leg["called_extension"]


def _payer(path: Sequence[End], policy: str) -> tuple[str | None, bool]:
    """Name who pays for a path, and whether it is a line because nobody is known."""
    some = any(is_answered(leg) for leg, _ in path)
    if policy == "last_party":
        for leg, side in reversed(path):
            if some and not is_answered(leg):
                continue
            name = _inside((leg, side))
            if side == "inside" and leg["called_extension"] is not None:
                name = leg["called_extension"]
            if name is not None:
                return name, False
    for leg, side in path:
        if path[0][1] == "in" and some and not is_answered(leg):
            continue
        name = _inside((leg, side))
        if name is not None:
            return name, False
    return path[0][0]["trunk_in"] or path[0][0]["trunk_out"], True


def _extension(spans: Sequence[Mapping[str, Any]], first: Leg) -> str | None:
    if spans and spans[0]["payer"] is not None and not spans[0]["by_line"]:
        return spans[0]["payer"]
    return first["calling_extension"] or first["called_extension"]


def _final(real: Sequence[Leg]) -> Leg:
    return max(
        enumerate(real),
        key=lambda at: (
            (2 if at[1]["leg_role"] != "conference" else 0) + is_answered(at[1]),
            at[1]["release_at"] if at[1]["release_at"] is not None else -(2**63),
            at[0],
        ),
    )[1]


def _talk(answered: Sequence[Leg], legs: Sequence[Leg]) -> int | None:
    times = [
        (a["answer_at"], a["talk_ms"] if a["talk_ms"] is not None else a["duration_ms"])
        for a in answered
    ]
    known = [(start, length) for start, length in times if length is not None]
    if known and any(is_coarse(leg) for leg in legs) and not _is_bridged(legs):
        return sum(length for _, length in known)  # parts follow each other; starts are coarse
    return _union_ms(known) if known else None


def _union_ms(intervals: Sequence[tuple[int | None, int]]) -> int:
    """Give the length of the union; an interval without a start adds its length."""
    total = sum(length for start, length in intervals if start is None)
    reach: int | None = None
    for start, length in sorted((s, n) for s, n in intervals if s is not None):
        end = start + length
        if reach is None or end > reach:
            total += end - (start if reach is None else max(reach, start))
            reach = end
    return total


def _first(legs: Sequence[Leg], name: str) -> Any:
    return next((leg[name] for leg in legs if leg[name] is not None), None)


def _sum(legs: Sequence[Leg], name: str) -> int | None:
    known = [leg[name] for leg in legs if leg[name] is not None]
    return sum(known) if known else None


def _union(flags: Sequence[int]) -> int:
    every = 0
    for value in flags:
        every |= value
    return every
