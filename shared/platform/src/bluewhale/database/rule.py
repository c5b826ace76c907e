"""The decision rule as the database asks it.

Translates between stored rows and the pure rule; owns no rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What becomes of one proposed call."""

    VERSION = "version"
    IGNORE = "ignore"
    REJOIN = "rejoin"
    REFUSE = "refuse"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the live calls that the new version replaces, the legs to mark."""

    verdict: Verdict
    replaces: frozenset[bytes] = field(default_factory=frozenset)
    mark: frozenset[bytes] = field(default_factory=frozenset)


def judge(
    *,
    proposed: frozenset[bytes],
    resolved: frozenset[bytes] | None,
    found: frozenset[bytes],
    live: Mapping[bytes, tuple[int, frozenset[bytes]]],
    rerate: tuple[bytes, int] | None,
) -> Decision:
    """Decide one proposal against what is stored (records page, section 4).

    `resolved`: the stored legs that its capture keys stand for, None where one
    is not stored; `found`: those that are. `live`: call id -> (version, legs) of
    every live call that shares a leg with it.
    """
    if resolved is None or resolved != proposed or not proposed:
        return Decision(Verdict.REFUSE, mark=found)
    hit = {c: legs for c, (_, legs) in live.items() if legs & proposed}
    if rerate is not None:
        call_id, version = rerate
        current = live.get(call_id)
        if current is None or current[0] != version or current[1] != proposed:
            return Decision(Verdict.STALE)
        return Decision(Verdict.VERSION, replaces=frozenset([call_id]))
    if any(legs >= proposed for legs in hit.values()):
        return Decision(Verdict.IGNORE)
    if all(legs <= proposed for legs in hit.values()):
        return Decision(Verdict.VERSION, replaces=frozenset(hit))
    return Decision(Verdict.REJOIN, mark=proposed)
