"""Which units may get a new image now. Pure functions.

Owns the order: over the fleet one resource first (the canary), then a tenth of them
at a time; inside a resource the standby units first, one at a time, the owner last.
A pod that restarts in order gives its links back, so nothing is lost either way:
waves keep a bad image from everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bluewhale.operator.resource import Key

WAVE_SHARE = 0.1


class UnitState(NamedTuple):
    """A unit as its StatefulSet and pod show it; image "" = it was not made yet."""

    image: str
    ready: bool


def next_image(
    unit: str,
    wanted: str,
    order: Sequence[str],
    states: Mapping[str, UnitState],
    owners: Iterable[str],
    *,
    admitted: bool,
) -> str:
    """Give the image of a unit: the wanted one if it is its turn, else the one that it has.

    order: all units of the resource; owners: units that read a link now.
    """
    have = states[unit].image
    if not have or have == wanted:
        return wanted
    if not admitted:
        return have
    reading = set(owners)
    behind = [u for u in order if states[u].image not in {"", wanted}]
    turn = min(behind, key=lambda u: (u in reading, -order.index(u)))
    others_well = all(states[u].ready for u in order if u != unit)
    return wanted if unit == turn and others_well else have


def admitted_now(resources: Mapping[Key, Sequence[UnitState]], wanted: str) -> frozenset[Key]:
    """Give the resources that may be upgraded now; a wave ends when all of it is ready."""
    done: list[Key] = []
    under_way: list[Key] = []
    waiting: list[Key] = []
    for name in sorted(resources):
        states = [state for state in resources[name] if state.image]
        if not states:
            continue  # outside the cluster, or not made yet
        new = [state for state in states if state.image == wanted]
        if len(new) == len(states):
            (done if all(s.ready for s in new) else under_way).append(name)
        else:
            (under_way if new else waiting).append(name)
    # until one resource runs well with the new image, one is tried
    size = max(1, int(len(resources) * WAVE_SHARE)) if done else 1
    room = max(0, size - len(under_way))
    return frozenset([*under_way, *waiting[:room]])
