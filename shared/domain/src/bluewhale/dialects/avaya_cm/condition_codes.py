"""Condition codes of Avaya CM: what each says about direction, outcome and role.

Source: Administrator's guides (README.md); F is general knowledge. Only one
code fits in a record; 7 overrides A, so an outgoing call over ARS shows 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bluewhale.records.enums import Disposition, LegRole

Side = Literal["internal", "incoming", "outgoing", "either"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One code: which side of the switch the call used, its outcome, its role.

    `ring_time`: the printed duration is the time it rang, in a record that is
    written besides the record of the call. `call` is False for records that
    report something else than a call.
    """

    code: str
    meaning: str
    side: Side
    disposition: Disposition = Disposition.ANSWERED
    role: LegRole = LegRole.PLAIN
    ring_time: bool = False
    call: bool = True


_FAILED = Disposition.FAILED
_MONITOR = LegRole.MONITOR

CONDITIONS: tuple[Condition, ...] = (
    Condition("0", "call between stations of the switch", "internal"),
    Condition("1", "handled by an attendant", "either"),
    Condition("4", "long call, a piece of about ten hours", "either", role=LegRole.PIECE),
    Condition("6", "records were lost for want of resources", "either", call=False),
    Condition("7", "outgoing call over automatic route selection", "outgoing"),
    Condition("8", "served after ringback queueing", "outgoing"),
    Condition("9", "incoming or tandem trunk call", "incoming"),
    Condition("A", "outgoing trunk call", "outgoing"),
    Condition("B", "outgoing call placed by an adjunct", "outgoing"),
    Condition("C", "conference call", "either", role=LegRole.CONFERENCE),
    Condition("E", "attempt failed: facilities not available", "either", _FAILED),
    Condition("F", "attempt failed: calling privileges", "either", _FAILED),
    Condition("G", "time to answer", "incoming", role=_MONITOR, ring_time=True),
    Condition("H", "rang, abandoned", "incoming", Disposition.ABANDONED, _MONITOR, ring_time=True),
    Condition("I", "called party busy", "incoming", Disposition.BUSY, _MONITOR, ring_time=True),
    Condition("J", "incoming call rerouted", "incoming"),
    Condition("K", "outgoing call rerouted", "outgoing"),
    Condition("M", "dropped because the time limit was exceeded", "either"),
    Condition("T", "redirected call", "either", role=LegRole.FORWARD),
)

BY_CODE: dict[str, Condition] = {condition.code: condition for condition in CONDITIONS}
