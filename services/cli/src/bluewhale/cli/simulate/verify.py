"""Compare what a store holds with the truth of a simulated world.

Owns the comparison; every difference is a sentence. May not know how Bluewhale
came to its calls: it reads stored calls and counts only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bluewhale.cli.exceptions import CheckFailedError
from bluewhale.cli.simulate.truth import COMPARED, TrueCall

if TYPE_CHECKING:
    from bluewhale.database import Store

CALLS_MAX = 1_000_000
DIFFERENCES_SHOWN = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stored_keys(store: Store, pbx_uids: Collection[str]) -> Counter[tuple[object, ...]]:
    """Give the compared fields of every live call of these PBXs, with their counts."""
    from bluewhale.database import CallFilter

    rows = store.search_calls(CallFilter(), limit=CALLS_MAX).to_pylist()
    return Counter(_key(row) for row in rows if row["pbx_uids"][0] in pbx_uids)


def _key(row: Mapping[str, Any]) -> tuple[object, ...]:
    start = row["answered_at"] or row["started_at"]
    totals = {
        t["price_list"]: t["amount_nanos"] if not t["unrated"] else None
        for t in row["totals"] or ()
    }
    outside = {"outbound": row["called_e164"], "inbound": row["calling_e164"]}.get(row["direction"])
    values = {
        "pbx_uid": row["pbx_uids"][0],
        "direction": row["direction"],
        "extension": row["extension"],
        "outside_e164": outside,
        "start_at_ms": round((start - _EPOCH).total_seconds() * 1000),
        "talk_ms": row["talk_ms"],
        "answered": row["disposition"] == "answered",
        "legs": row["leg_count"],
        "department": row["department_uid"],
        "carrier_nanos": totals.get("carrier"),
        "internal_nanos": totals.get("internal"),
    }
    return tuple(values[name] for name in COMPARED)


def compare(truth: Iterable[TrueCall], store: Store, pbx_uids: Collection[str]) -> list[str]:
    """List every difference between truth and store for these PBXs; empty = equal."""
    wanted: dict[tuple[object, ...], list[TrueCall]] = {}
    for call in truth:
        if call.pbx_uid in pbx_uids:
            wanted.setdefault(call.key(), []).append(call)
    found = stored_keys(store, pbx_uids)
    differences = []
    for key, calls in wanted.items():
        missing = len(calls) - found[key]
        differences += [
            f"missing: call {call.number} ({call.kind}): {_text(key)}"
            for call in calls[: max(missing, 0)]
        ]
    for key, count in found.items():
        extra = count - len(wanted.get(key, ()))
        if extra > 0:
            differences.append(f"not in the truth, {extra} times: {_text(key)}")
    return differences


def _text(key: tuple[object, ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(COMPARED, key, strict=True))


def verify(truth: Collection[TrueCall], store: Store) -> str:
    """Compare a whole world; gives a sentence for a person.

    Raises
    ------
    CheckFailedError
        With the differences.
    """
    differences = compare(truth, store, {call.pbx_uid for call in truth})
    if differences:
        shown = "\n  ".join(differences[:DIFFERENCES_SHOWN])
        raise CheckFailedError(f"{len(differences)} differences from the truth:\n  {shown}")
    return f"{len(truth)} calls: every call, leg, department and price equals the truth"
