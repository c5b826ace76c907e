"""Any order, duplication, forgetting and crash of delivery ends at the same calls and charges."""

from __future__ import annotations

import random
from typing import Any

import pytest
from bluewhale.merge import MergeWindow, components, components_of_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.delivery import Delivery, ReferenceStore, price, propose_labelled
from tests.support.legs import leg, leg_table

MINUTE = 60
T0 = 1_000_000


def _legs(r: random.Random, count: int) -> list[dict[str, Any]]:
    """Make legs with one or two keys each, some keys used again an hour later."""
    legs = []
    for n in range(1, count + 1):
        keys = r.sample(range(1, 5), r.choice((0, 1, 1, 2)))
        legs.append(
            leg(n, join=keys, at=r.randrange(8) * 30 * MINUTE, seconds=r.randint(1, 9),
                join_gap_ms=31 * MINUTE * 1000, ingested_at=T0 + r.randrange(300) * 1000)
        )  # fmt: skip
    return legs


def _expected(legs: list[dict[str, Any]]) -> dict[int, tuple[set[int], int]]:
    """Give the calls by the plain join, and what each costs under tariff 1."""
    calls: dict[int, list[dict[str, Any]]] = {}
    for one, label in zip(legs, components_of_rows(legs), strict=True):
        calls.setdefault(label, []).append(one)
    return {
        min(m["seq"] for m in members): (
            {m["seq"] for m in members},
            price([m["duration_ms"] for m in members], 1),
        )
        for members in calls.values()
    }


def _deliver(r: random.Random, legs: list[dict[str, Any]], world: Delivery) -> None:
    """Send the legs through a window that forgets, with crashes before and after commits."""
    stream = legs * r.choice((1, 2)) + r.sample(legs, r.randrange(len(legs)))
    r.shuffle(stream)
    window = MergeWindow(window_ms=20_000, rows_max=r.choice((2, 50)))
    now, at = T0, 0
    while at < len(stream):
        taken = stream[at : at + r.randint(1, 4)]
        now += r.randrange(40_000)
        table = leg_table(*taken)
        closed = window.feed(table, now)
        crash = r.choice(("before", "after", *["no"] * 8))
        if crash != "before":
            proposals = None
            if closed is not None:
                proposals = propose_labelled(closed, components(closed), 1)
            world.put(*taken, proposals=proposals)
            at += len(taken)  # acknowledged
        if crash != "no":
            window = MergeWindow(window_ms=20_000)  # memory is gone; unacknowledged comes again
            at = max(0, at - r.choice((0, 3)))
        if r.random() < 0.2:
            world.store.seal(before_ms=now - 60_000, now_ms=world.now)
        if r.random() < 0.3:
            work = world.store.rejoin_work(2)
            if work is not None and r.random() < 0.7:  # else the job dies before it offers
                world.answer(work)


def _check(seed: int) -> None:
    r = random.Random(seed)
    legs = _legs(r, r.randint(1, 9))
    world = Delivery(ReferenceStore())
    _deliver(r, legs, world)
    world.settle()
    amounts = world.amounts()
    found = {call: (members, amounts[call]) for call, members in world.calls().items()}
    assert found == _expected(legs), f"seed {seed}"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_any_delivery_ends_at_the_calls_of_the_join(seed: int) -> None:
    """Final calls = components, each leg in exactly one, the ledger sums to the prices."""
    _check(seed)


@pytest.mark.slow
def test_two_hundred_seeded_deliveries_end_at_the_calls_of_the_join() -> None:
    """The same over fixed seeds, for the long run."""
    for seed in range(200):
        _check(seed)
