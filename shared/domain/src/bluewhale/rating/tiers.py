"""Prices that depend on a quantity alone: steps, graduated, volume, packages, blocks.

Owns tier plans and their price, exactly and over columns. A plan has tiers in
order; *graduated* prices each part of the quantity in its own tier, *volume*
prices all of it in the tier that it reaches. A tier has a flat part, due when
the tier is entered, and a price per unit, or per started block.

Graduated, 10 units at 10 and a flat 2, then 5 and a flat 3; 12 units:
2 + 10 x 10 + 3 + 2 x 5 = 115.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
from bluewhale.rating.rounding import INT64_MAX

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to and including `up_to` (None = no limit): what a unit or block costs.

    `block` None: `price` is for one unit and fractions count; else `price` is
    for each started block of that many units.
    """

    up_to: Fraction | None
    price: Fraction = Fraction(0)
    flat: Fraction = Fraction(0)
    block: Fraction | None = None


@dataclass(frozen=True, slots=True)
class TierPlan:
    """Tiers with rising limits.

    `closed`: a quantity above the last limit costs nothing; otherwise the last
    tier has no end. `flat_on_zero`: the first flat part is due at zero already.
    """

    tiers: tuple[Tier, ...]
    kind: Literal["graduated", "volume"] = "graduated"
    closed: bool = False
    flat_on_zero: bool = False


def step_plan(steps: Sequence[tuple[Fraction, Fraction | None, Fraction, Fraction]]) -> TierPlan:
    """Make a plan of steps (from, to, price, interval), used one after the other.

    Only the width of a step counts: gaps and overlaps between steps are ignored,
    and what is above the last step is not charged.
    """
    tiers = []
    limit: Fraction | None = Fraction(0)
    for low, high, price, interval in steps:
        if limit is None:
            break  # the step before has no end
        limit = None if high is None else limit + max(high - low, Fraction(0))
        tiers.append(Tier(limit, price, block=interval))
    return TierPlan(tuple(tiers), closed=True)


def package_plan(size: Fraction, price: Fraction, free_units: Fraction) -> TierPlan:
    """Make a plan of started packages behind free units."""
    free = (Tier(free_units),) if free_units > 0 else ()
    return TierPlan((*free, Tier(None, price, block=size)))


def block_plan(
    tiers: Sequence[tuple[Fraction, int | None, Fraction]], *, top_tier: bool
) -> TierPlan:
    """Make a plan of (block size, most blocks, price per started block)."""
    limit: Fraction | None = Fraction(0)
    made = []
    for size, most, price in tiers:
        limit = None if most is None or limit is None else limit + size * most
        made.append(Tier(limit, price, block=size))
    return TierPlan(tuple(made), "volume" if top_tier else "graduated")


def price_quantity(plan: TierPlan, quantity: Fraction) -> Fraction:
    """Price one quantity; the price of -q is the opposite of the price of q."""
    if quantity < 0:
        return -price_quantity(plan, -quantity)
    if plan.kind == "volume":
        return _price_volume(plan, quantity)
    total = Fraction(0)
    lower = Fraction(0)
    for number, tier in enumerate(plan.tiers):
        entered = quantity > lower or (number == 0 and quantity == 0 and plan.flat_on_zero)
        if not entered:
            break
        last = number + 1 == len(plan.tiers) and not plan.closed
        upper = quantity if tier.up_to is None or last else min(quantity, tier.up_to)
        part = max(upper - lower, Fraction(0))
        total += tier.flat + tier.price * _units(part, tier.block)
        if tier.up_to is None:
            break
        lower = tier.up_to
    return total


def _price_volume(plan: TierPlan, quantity: Fraction) -> Fraction:
    if quantity == 0 and not plan.flat_on_zero:
        return Fraction(0)
    for tier in plan.tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            break
    else:
        if plan.closed:
            return Fraction(0)
    return tier.flat + tier.price * _units(quantity, tier.block)


def _units(part: Fraction, block: Fraction | None) -> Fraction:
    return part if block is None else Fraction(math.ceil(part / block))


def price_quantities(plan: TierPlan, quantities: Int64, scale: int) -> tuple[Int64, int]:
    """Price a column of quantities, each `quantities[i] / scale` units.

    Gives numerators and their common denominator. All is int64 arithmetic.

    Raises
    ------
    OverflowError
        Some price could leave int64; price these by `price_quantity`.
    """
    limits = [t.up_to for t in plan.tiers if t.up_to is not None]
    blocks = [t.block for t in plan.tiers if t.block is not None]
    unit = math.lcm(scale, *(value.denominator for value in limits + blocks))
    money = math.lcm(*(value.denominator for t in plan.tiers for value in (t.price, t.flat)))
    largest = int(np.abs(quantities).max(initial=0)) * (unit // scale)
    top = max((abs(t.price) * money for t in plan.tiers), default=0) * (largest + unit)
    top += sum(abs(t.flat) * money for t in plan.tiers) * unit
    bounds = [*(value * unit for value in limits + blocks), top * len(plan.tiers), largest]
    if max(bounds) > INT64_MAX // 4:
        raise OverflowError("a price could leave int64")
    amount = np.abs(quantities) * np.int64(unit // scale)
    total = np.zeros(len(amount), np.int64)
    done = np.zeros(len(amount), bool)
    lower = 0
    for number, tier in enumerate(plan.tiers):
        last = number + 1 == len(plan.tiers)
        limit = None if tier.up_to is None or (last and not plan.closed) else int(tier.up_to * unit)
        price, flat = int(tier.price * money), int(tier.flat * money)
        if plan.kind == "volume":
            here = ~done if limit is None else ~done & (amount <= limit)
            part = amount
            if not plan.flat_on_zero:
                here = here & (amount > 0)
        else:
            here = amount > lower
            if number == 0 and plan.flat_on_zero:
                here = here | (amount == 0)
            upper = amount if limit is None else np.minimum(amount, limit)
            part = np.maximum(upper - lower, 0)
        if tier.block is None:
            cost = part * price
        else:
            size = int(tier.block * unit)
            cost = -(-part // size) * (price * unit)
        total += np.where(here, cost + flat * unit, 0)
        done |= here
        if limit is not None:
            lower = limit
        elif plan.kind == "graduated":
            break
    return np.where(quantities < 0, -total, total), unit * money
