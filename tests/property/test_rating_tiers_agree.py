"""Tier plans over columns equal their scalar twin."""

import random
from fractions import Fraction

import numpy as np
from bluewhale.rating.tiers import Tier, TierPlan, price_quantities, price_quantity


def _plan(rng):
    limit = Fraction(0)
    tiers = []
    for _ in range(rng.randint(1, 4)):
        limit += Fraction(rng.randint(1, 40), rng.choice((1, 2, 10)))
        tiers.append(
            Tier(
                limit,
                Fraction(rng.randint(-5, 100), rng.choice((1, 3, 100))),
                Fraction(rng.randint(0, 20), rng.choice((1, 2))),
                rng.choice((None, Fraction(1), Fraction(7, 10), Fraction(5))),
            )
        )
    if rng.random() < 0.5:
        tiers[-1] = Tier(None, tiers[-1].price, tiers[-1].flat, tiers[-1].block)
    return TierPlan(
        tuple(tiers),
        rng.choice(("graduated", "volume")),
        closed=rng.random() < 0.5,
        flat_on_zero=rng.random() < 0.5,
    )


def test_a_column_of_quantities_costs_what_each_costs():
    """300 plans x 60 quantities, negative ones and zero among them."""
    rng = random.Random(5)
    for _ in range(300):
        plan = _plan(rng)
        scale = rng.choice((1, 4, 10))
        column = np.array([0, *(rng.randint(-300, 1500) for _ in range(59))], np.int64)
        totals, bottom = price_quantities(plan, column, scale)
        for quantity, total in zip(column.tolist(), totals.tolist(), strict=True):
            expected = price_quantity(plan, Fraction(quantity, scale))
            assert Fraction(total, bottom) == expected, (plan, quantity, scale)
