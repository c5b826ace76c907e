"""Deliveries in any order, on real engines: they end at the calls of the join."""

from __future__ import annotations

import random

import pytest

from tests.property.test_delivery_any_order import _deliver, _expected, _legs
from tests.support.delivery import Delivery
from tests.support.stores import StoreFactory


@pytest.mark.parametrize("seed", range(6))
def test_a_random_delivery_ends_at_the_calls_of_the_join(
    seed: int, store_factory: StoreFactory
) -> None:
    """Duplicates, crashes, a forgetful window, re-join and sealing between: each leg in one call."""
    r = random.Random(seed)
    legs = _legs(r, r.randint(3, 9))
    with store_factory() as store:
        world = Delivery(store)
        _deliver(r, legs, world)
        world.settle()
        amounts = world.amounts()
        found = {call: (members, amounts[call]) for call, members in world.calls().items()}
        assert found == _expected(legs)
