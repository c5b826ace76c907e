"""A seeded world: PBXs at places, people with extensions, and the calls they make.

Owns what happened; not how a PBX prints it (`printing`), nor what it costs
(`prices`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bluewhale.cli.simulate.places import PLACES, Place

PEOPLE_PER_PBX = 40
DEPARTMENTS = ("sales", "support", "finance", "engineering")
FIRST_CALL_AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)  # a Monday
LONG_CALL_S = 11 * 3600
CLOCK_SKEW_S_MAX = 90  # no PBX clock is right; the truth is what it printed


class Kind(StrEnum):
    """What happens in a simulated call."""

    OUTBOUND = "outbound"
    UNANSWERED = "unanswered"
    INBOUND = "inbound"
    MISSED = "missed"
    INTERNAL = "internal"
    TRANSFER = "transfer"  # outbound, handed to a colleague while it goes on
    CONFERENCE = "conference"  # outbound, a colleague joins
    LONG = "long"  # outbound for eleven hours


WEIGHTS = {
    Kind.OUTBOUND: 50, Kind.UNANSWERED: 10, Kind.INBOUND: 18, Kind.MISSED: 6,
    Kind.INTERNAL: 8, Kind.TRANSFER: 5, Kind.CONFERENCE: 3, Kind.LONG: 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimPbx:
    """One simulated switch and its link."""

    pbx_uid: str
    link_uid: str
    site_uid: str
    dialect_id: str
    place: Place

    def extensions(self) -> list[str]:
        """Give the extensions in use."""
        first = self.place.first_extension
        return [str(first + i) for i in range(PEOPLE_PER_PBX)]

    def department_of(self, extension: str) -> str:
        """Give the department an extension belongs to; people are dealt out in turn."""
        return f"{self.place.key}-{DEPARTMENTS[int(extension) % len(DEPARTMENTS)]}"


@dataclass(frozen=True, slots=True)
class SimCall:
    """One call as it happened, in whole seconds UTC by the clock of its PBX.

    `talk_s` has one part for a plain call; before and after the hand-over for a
    transfer; alone and with the colleague for a conference. `dialled` is keyed
    after the access code; `e164` is "" for special numbers and internal calls.
    """

    number: int
    pbx: SimPbx
    kind: Kind
    extension: str
    colleague: str
    dialled: str
    e164: str
    call_class: str
    start_s: int
    ring_s: int
    talk_s: tuple[int, ...]
    trunk_member: int

    @property
    def end_s(self) -> int:
        """Give the second the last party left."""
        return self.start_s + self.ring_s + sum(self.talk_s)


def make_pbxs(count: int, dialects: tuple[str, ...]) -> list[SimPbx]:
    """Deal places and dialects out in turn; names are stable for a given count."""
    places = list(PLACES.values())
    pbxs = []
    for i in range(count):
        place = places[i % len(places)]
        serial = i // len(places) + 1
        site = place.key if serial == 1 else f"{place.key}-{serial}"
        dialect_id = dialects[i % len(dialects)]
        maker = dialect_id.split("_")[0]
        pbxs.append(SimPbx(f"{site}-{maker}", f"{site}-{maker}-cdr", site, dialect_id, place))
    return pbxs


def make_calls(pbxs: list[SimPbx], count: int, seed: int) -> list[SimCall]:
    """Make `count` calls, in order of their start; the same seed gives the same calls."""
    r = random.Random(seed)
    skew_s = [r.randint(-CLOCK_SKEW_S_MAX, CLOCK_SKEW_S_MAX) for _ in pbxs]
    return [
        _call(r, number, pbxs[(number - 1) % len(pbxs)], skew_s[(number - 1) % len(pbxs)])
        for number in range(1, count + 1)
    ]


def possible(pbx: SimPbx, kind: Kind) -> bool:
    """Say whether a PBX of this make prints such a call in a way that can be told apart."""
    if kind is Kind.LONG:
        return pbx.dialect_id == "avaya_cm"
    if kind in {Kind.UNANSWERED, Kind.MISSED}:
        return pbx.dialect_id != "avaya_cm"  # it prints no record for them
    if kind is Kind.CONFERENCE:
        return pbx.dialect_id == "cisco_cucm"
    return True


def _call(r: random.Random, number: int, pbx: SimPbx, skew_s: int) -> SimCall:
    kinds = [k for k in WEIGHTS if possible(pbx, k)]
    kind = r.choices(kinds, [WEIGHTS[k] for k in kinds])[0]
    extension, colleague = r.sample(pbx.extensions(), 2)
    if kind in {Kind.INBOUND, Kind.MISSED}:
        dialled, e164 = pbx.place.caller(r)
        call_class = "unknown"
    elif kind is Kind.INTERNAL:
        dialled, e164, call_class = colleague, "", "internal"
    else:
        goal = r.choices(pbx.place.destinations, [d.weight for d in pbx.place.destinations])[0]
        dialled, e164 = goal.make(r)
        call_class = goal.call_class
    return SimCall(
        number=number,
        pbx=pbx,
        kind=kind,
        extension=extension,
        colleague=colleague,
        dialled=dialled,
        e164=e164,
        call_class=call_class,
        # far enough apart that no trunk member is seized twice at once
        start_s=int(FIRST_CALL_AT.timestamp()) + number * 47 + r.randint(0, 20) + skew_s,
        ring_s=r.randint(2, 25),
        talk_s=_talk(r, kind),
        trunk_member=number % 90 + 1,
    )


def _talk(r: random.Random, kind: Kind) -> tuple[int, ...]:
    if kind in {Kind.UNANSWERED, Kind.MISSED}:
        return (0,)
    if kind is Kind.LONG:
        return (LONG_CALL_S + r.randint(0, 600),)
    first = min(int(r.expovariate(1 / 150)) + 3, 1800)
    if kind in {Kind.TRANSFER, Kind.CONFERENCE}:
        # over a minute, so that a clock of minutes can tell the parts apart
        return (first, min(int(r.expovariate(1 / 200)) + 61, 1800))
    return (first,)
