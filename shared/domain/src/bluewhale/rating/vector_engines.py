"""The two engines behind one face, so that a vector is judged twice.

Owns what a vector can ask an engine: price a span, price a quantity by tiers,
round a value. `ExactEngine` uses the rationals, `ColumnarEngine` the very
kernels that price batches; a receipt comes back in the same terms from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from bluewhale.rating.compiled import SELECTION_WORDS, CompiledTariff, compile_tariff
from bluewhale.rating.exact import ExactRater, RatingInput
from bluewhale.rating.kernels import round_scaled
from bluewhale.rating.prefixes import left_align_digits
from bluewhale.rating.pricing import REASONS, STATUSES, Priced, rate_spans
from bluewhale.rating.rounding import INT64_MAX, MODES, NANOS, round_exact
from bluewhale.rating.spans import Spans, Words
from bluewhale.rating.tariff import TariffVersion, deck_row
from bluewhale.rating.tiers import TierPlan, price_quantities, price_quantity


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment of a receipt; `window` -1 = always."""

    window: int
    slot: int
    from_ms: int
    to_ms: int
    blocks: int
    price: Fraction


@dataclass(frozen=True, slots=True)
class Receipt:
    """What either engine says about one span."""

    status: str
    reason: str | None
    amount: Fraction
    exact: Fraction
    rated_ms: int
    prefix: str | None
    rate_row: int | None
    connect_fee: Fraction
    pieces: tuple[Piece, ...]


class Engine(Protocol):
    """What a vector asks."""

    name: str

    def rate(self, version: TariffVersion, span: RatingInput) -> Receipt:
        """Price one span."""

    def price_tiers(self, plan: TierPlan, quantity: Fraction) -> Fraction:
        """Price one quantity."""

    def round(self, value: Fraction, mode: str, places: int) -> Fraction:
        """Round one value."""


class ExactEngine:
    """Rationals."""

    name = "exact"

    def rate(self, version: TariffVersion, span: RatingInput) -> Receipt:
        """Price one span by `exact`."""
        charge = ExactRater(version).rate(span)
        return Receipt(
            status=str(charge.status),
            reason=None if charge.reason is None else str(charge.reason),
            amount=charge.amount,
            exact=charge.exact,
            rated_ms=charge.rated_quantity_ms,
            prefix=charge.prefix,
            rate_row=charge.rate_row,
            connect_fee=charge.connect_fee,
            pieces=tuple(
                Piece(s.window, s.slot, s.from_ms, s.to_ms, s.blocks, s.price)
                for s in charge.segments
            ),
        )

    def price_tiers(self, plan: TierPlan, quantity: Fraction) -> Fraction:
        """Price one quantity by `tiers.price_quantity`."""
        return price_quantity(plan, quantity)

    def round(self, value: Fraction, mode: str, places: int) -> Fraction:
        """Round one value by `rounding.round_exact`."""
        return round_exact(value, mode, places)


class ColumnarEngine:
    """Integers in columns; what leaves int64 goes the way that batches send it."""

    name = "columnar"

    def rate(self, version: TariffVersion, span: RatingInput) -> Receipt:
        """Price a batch of one span by `pricing.rate_spans`."""
        tariff = compile_tariff(version)
        priced = rate_spans(tariff, one_span(span))
        row = int(priced.row[0])
        rate_row = int(tariff.row_number[row]) if row >= 0 else None
        bottom = int(priced.exact_bottom[0])
        exact = Fraction(int(priced.exact_top[0]), bottom) if bottom else Fraction(priced.exact[0])
        code = int(priced.reason[0])
        return Receipt(
            status=STATUSES[priced.status[0]],
            reason=None if code < 0 else REASONS[code],
            amount=Fraction(int(priced.amount[0]), NANOS),
            exact=exact,
            rated_ms=int(priced.rated_ms[0]),
            prefix=None if rate_row is None else deck_row(version.deck, rate_row).prefix,
            rate_row=rate_row,
            connect_fee=Fraction(int(priced.fee[0]), NANOS),
            pieces=tuple(
                Piece(
                    int(priced.window[at]),
                    int(priced.slot[at]),
                    int(priced.numbers[0, at]),
                    int(priced.numbers[1, at]),
                    int(priced.numbers[2, at]),
                    _price(tariff, priced, span, at),
                )
                for at in range(priced.segment_end[1])
            ),
        )

    def price_tiers(self, plan: TierPlan, quantity: Fraction) -> Fraction:
        """Price a column of one quantity by `tiers.price_quantities`."""
        column = np.array([quantity.numerator], np.int64)
        try:
            total, bottom = price_quantities(plan, column, quantity.denominator)
        except OverflowError:
            return price_quantity(plan, quantity)
        return Fraction(int(total[0]), bottom)

    def round(self, value: Fraction, mode: str, places: int) -> Fraction:
        """Round one value by the kernel that rounds charges."""
        scaled = abs(value) * 10 ** max(places, 0)
        unit = 10 ** max(-places, 0)
        if scaled.numerator > INT64_MAX // 4 or scaled.denominator * unit > INT64_MAX // 4:
            return round_exact(value, mode, places)
        whole = int(
            round_scaled(
                np.int64(scaled.numerator),
                np.int64(scaled.denominator),
                np.int64(unit),
                MODES.index(mode),
            )
        )
        rounded = Fraction(whole, 10 ** max(places, 0))
        return -rounded if value < 0 else rounded


def _price(tariff: CompiledTariff, priced: Priced, span: RatingInput, at: int) -> Fraction:
    """Give the price of one segment; one that left int64 is not kept in columns."""
    bottom = int(priced.numbers[4, at])
    if bottom:
        return Fraction(int(priced.numbers[3, at]), bottom)
    return tariff.exact.rate(span).segments[at].price


def one_span(span: RatingInput) -> Spans:
    """Give a batch of one span."""
    key, length = (0, -1) if span.digits is None else left_align_digits(span.digits)
    word = span.direction if span.direction in {"inbound", "internal"} else span.call_class

    def words(value: str | None) -> Words:
        known = () if value is None else (value,)
        return Words(np.array([-1 if value is None else 0], np.int32), known)

    assert word is None or word in SELECTION_WORDS
    return Spans(
        key=np.array([key], np.int64),
        digits=np.array([length], np.int8),
        start_ms=np.array([span.start_at_ms], np.int64),
        quantity_ms=np.array([-1 if span.quantity_ms is None else span.quantity_ms], np.int64),
        answered=np.array([span.answered]),
        selection=words(word),
        carrier=words(span.carrier),
        trunk_group=words(span.trunk_group),
        subscriber=words(span.subscriber),
        fee_due=np.array([span.connect_fee_due]),
    )
