"""The exact engine: rating rules 1-8 in rationals, written to be read.

Owns the meaning of a tariff version. `columnar` prices batches by the same
rules in integers and sends here every row that could leave int64; a property
test holds both equal. It does not choose the version (that is `book`) and does
no I/O.

Worked example. 0.10 per minute, first block 60 s, then 6 s, connect fee 0.05,
a call of 75 s: 0.05 + 1 x 0.10 + 3 x 0.01 = 0.18; rated time 60 + 3 x 6 = 78 s.

Which rows may price a span
---------------------------
Every inbound or internal span, and every emergency or free destination, is
allowed and recorded; it is priced only by a deck row that *selects* its class.
The class of a span, for selection, is "internal" and "inbound" for spans of
these directions, and the class of the destination for all others. A span of
these four classes that no row selects has status free and the amount 0.
Unanswered attempts are free too; where the matched schedule prices attempts
they owe its connect fee, rounded and capped, and nothing else. The same holds
for answered spans of zero length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating.rounding import NANOS, canonical, round_exact
from bluewhale.rating.tariff import (
    RateRow,
    Rounding,
    Schedule,
    Slot,
    Surcharges,
    TariffVersion,
    deck_row,
    window_offset,
)
from bluewhale.rating.window_rules import (
    ALWAYS,
    NO_WINDOW,
    instant,
    milliseconds,
    next_change_ms,
    window_at,
)
from bluewhale.records.enums import CallClass, ChargeStatus, Direction, UnratedReason

INBOUND: Final = "inbound"  # selector word for inbound spans, beside the words of CallClass
PRICED_ONLY_BY_SELECTION: Final = frozenset(
    {str(CallClass.INTERNAL), INBOUND, str(CallClass.EMERGENCY), str(CallClass.FREE)}
)
PREFIX_DIGITS_MAX: Final = 15


def selection_class(direction: str | None, call_class: str | None) -> str | None:
    """Give the word that a deck's class selector is compared with."""
    if direction in {Direction.INTERNAL, Direction.INBOUND}:
        return str(direction)
    return None if call_class is None else str(call_class)


@dataclass(frozen=True, slots=True)
class RatingInput:
    """One billable span, as the exact engine reads it.

    `digits` are the number's digits without "+"; None = not normalised, which
    only rows for every number (prefix "") can price. `quantity_ms` is the
    connected time, None = not known. `connect_fee_due` is false for a later
    slice of a span whose fee was charged before.
    """

    start_at_ms: int
    quantity_ms: int | None
    digits: str | None
    answered: bool = True
    direction: str | None = None
    call_class: str | None = None
    carrier: str | None = None
    trunk_group: str | None = None
    subscriber: str | None = None
    connect_fee_due: bool = True


@dataclass(frozen=True, slots=True)
class ExactSegment:
    """Blocks of one slot in one window: [from_ms, to_ms) since the start."""

    window: int  # index into flat_windows(version); -1 = always
    slot: int
    from_ms: int
    to_ms: int
    blocks: int
    price: Fraction  # of all blocks, in currency units
    schedule: int  # index into version.schedules


@dataclass(frozen=True, slots=True)
class ExactCharge:
    """What one span costs, and why: the receipt in exact numbers."""

    status: ChargeStatus
    reason: UnratedReason | None = None
    amount: Fraction = Fraction(0)  # after the one rounding
    exact: Fraction = Fraction(0)  # before it
    rounding: Rounding = Rounding()  # noqa: RUF009  # frozen
    rated_quantity_ms: int = 0
    rate_row: int | None = None
    prefix: str | None = None
    segments: tuple[ExactSegment, ...] = ()
    connect_fee: Fraction = Fraction(0)
    minimum_applied: bool = False
    cap_applied: bool = False

    @property
    def amount_nanos(self) -> int | None:
        """The amount in nanos; None where it leaves int64."""
        pair = canonical(self.amount)
        return None if pair is None or pair[1] != NANOS else pair[0]


class ExactRater:
    """Rates spans by one tariff version; keeps the few deck rows it has read."""

    def __init__(self, version: TariffVersion) -> None:
        self.version = version
        self._prefixes = version.deck["prefix"].combine_chunks()
        self._row = lru_cache(maxsize=4096)(lambda index: deck_row(version.deck, index))
        self._schedule = lru_cache(maxsize=4096)(version.schedules.__getitem__)
        self._matches = lru_cache(maxsize=4096)(self._rows_with_prefix_of)

    def rate(self, span: RatingInput, *, rate_row: int | None = None) -> ExactCharge:
        """Price one span; `rate_row` skips the search when the row is known.

        *Rejects*: number_not_normalised, no_rate, duration_unknown, no_window,
        price_overflow (the rounded amount leaves int64 nanos).
        """
        version = self.version
        if rate_row is None:
            rate_row = self.find_row(span)
        word = selection_class(span.direction, span.call_class)
        if rate_row is None:
            if not span.answered or word in PRICED_ONLY_BY_SELECTION:
                return ExactCharge(ChargeStatus.FREE, rounding=version.rounding)
            reason = (
                UnratedReason.NUMBER_NOT_NORMALISED
                if span.digits is None
                else UnratedReason.NO_RATE
            )
            return ExactCharge(ChargeStatus.UNRATED, reason, rounding=version.rounding)
        row = self._row(rate_row)
        blank = ExactCharge(
            ChargeStatus.RATED,
            rounding=row.rounding or version.rounding,
            rate_row=rate_row,
            prefix=row.prefix,
        )
        if span.answered and span.quantity_ms is None:
            return _unrated(blank, UnratedReason.DURATION_UNKNOWN)
        quantity_ms = (span.quantity_ms or 0) if span.answered else 0
        charge = (
            self._price(blank, row, span, quantity_ms)
            if quantity_ms > 0
            else self._attempt(blank, row, span)
        )
        if charge.status is ChargeStatus.RATED and charge.amount_nanos is None:
            return replace(_unrated(charge, UnratedReason.PRICE_OVERFLOW), exact=charge.exact)
        return charge

    def find_row(self, span: RatingInput) -> int | None:
        """Rule 2: the longest prefix among rows valid at the start.

        Of several rows with that prefix the one with most selectors wins, then
        the one that became active last; a tie beyond that was refused at load.
        """
        word = selection_class(span.direction, span.call_class)
        best: tuple[int, int, int] | None = None
        found = None
        for index in self._matches(span.digits or ""):
            row = self._row(index)
            if not _selects(row, span, word):
                continue
            selectors = (row.carrier, row.trunk_group, row.call_class, row.subscriber)
            since = -(2**62) if row.active_from is None else milliseconds(row.active_from)
            rank = (len(row.prefix), sum(s is not None for s in selectors), since)
            if best is None or rank > best:
                best, found = rank, index
        return found

    def _rows_with_prefix_of(self, digits: str) -> list[int]:
        prefixes = [digits[:n] for n in range(min(len(digits), PREFIX_DIGITS_MAX) + 1)]
        hits = pc.is_in(self._prefixes, value_set=pa.array(prefixes, pa.string()))
        return pc.indices_nonzero(hits).to_pylist()

    def _schedule_at(self, row: RateRow, start_ms: int, t_ms: int) -> tuple[int, int]:
        """Give window and schedule in force at `t_ms` since the start."""
        version = self.version
        timing = version.timings[row.timing]
        window = window_at(timing, version.calendars, version.zone, start_ms + t_ms)
        if window == NO_WINDOW:
            return NO_WINDOW, -1
        if window == ALWAYS:
            return ALWAYS, row.schedules[0]
        label = timing.labels.index(timing.windows[window].rate)
        return window, row.schedules[label]

    def _attempt(self, blank: ExactCharge, row: RateRow, span: RatingInput) -> ExactCharge:
        """Rule 7: nothing connected; free unless the schedule prices attempts."""
        window, index = self._schedule_at(row, span.start_at_ms, 0)
        if window == NO_WINDOW or not self._schedule(index).prices_attempts:
            return replace(blank, status=ChargeStatus.FREE)
        schedule = self._schedule(index)
        fee = schedule.connect_fee if span.connect_fee_due else Fraction(0)
        return _settle(replace(blank, connect_fee=fee), row, fee, None)

    def _price(
        self, blank: ExactCharge, row: RateRow, span: RatingInput, quantity_ms: int
    ) -> ExactCharge:
        """Rules 3-6: walk windows and slots in whole blocks, add, round once."""
        version = self.version
        timing = version.timings[row.timing]
        offset = window_offset(version, row.timing)
        start = span.start_at_ms
        window, index = self._schedule_at(row, start, 0)
        if window == NO_WINDOW:
            return _unrated(blank, UnratedReason.NO_WINDOW)
        first = self._schedule(index)
        connected_ms = _raised(first.surcharges, quantity_ms)
        end_ms = _whole_duration(first, connected_ms)
        fee = first.connect_fee if span.connect_fee_due else Fraction(0)
        segments = []
        t = 0
        while t < end_ms:
            window, index = self._schedule_at(row, start, t)
            if window == NO_WINDOW:
                return _unrated(blank, UnratedReason.NO_WINDOW)
            schedule = self._schedule(index)
            number = _slot_at(schedule, t)
            slot = schedule.slots[number]
            increment = _increment_ms(schedule, slot)
            change = next_change_ms(
                timing, version.calendars, version.zone, start + t, start + end_ms
            )
            stop = min(change - start, end_ms)
            if number + 1 < len(schedule.slots):
                stop = min(stop, schedule.slots[number + 1].from_ms)
            blocks = -((t - stop) // increment)
            until = t + blocks * increment
            price = blocks * increment * slot.price / slot.per_ms
            flat = ALWAYS if window == ALWAYS else offset + window
            segments.append(ExactSegment(flat, number, t, until, blocks, price, index))
            t = until
        total = fee + sum((s.price for s in segments), Fraction(0))
        total += _surcharge(first.surcharges, connected_ms)
        charge = replace(blank, rated_quantity_ms=t, segments=tuple(segments), connect_fee=fee)
        return _settle(charge, row, total, first.minimum_charge)


def rate_exact(version: TariffVersion, span: RatingInput) -> ExactCharge:
    """Price one span by one version; see `ExactRater` for many."""
    return ExactRater(version).rate(span)


def _selects(row: RateRow, span: RatingInput, word: str | None) -> bool:
    """Tell whether a row is valid at the start and its selectors hold."""
    if row.call_class is None and word in PRICED_ONLY_BY_SELECTION:
        return False
    start = instant(span.start_at_ms)
    return (
        (row.active_from is None or row.active_from <= start)
        and (row.active_until is None or start < row.active_until)
        and (row.call_class is None or row.call_class == word)
        and (row.carrier is None or row.carrier == span.carrier)
        and (row.trunk_group is None or row.trunk_group == span.trunk_group)
        and (row.subscriber is None or row.subscriber == span.subscriber)
    )


def _slot_at(schedule: Schedule, t_ms: int) -> int:
    """Give the last slot with from <= t; the clock runs from the span's start."""
    number = 0
    for candidate, slot in enumerate(schedule.slots):
        if slot.from_ms <= t_ms:
            number = candidate
    return number


def _increment_ms(schedule: Schedule, slot: Slot) -> int:
    """Give the block length; counted from the start it is that of the last slot."""
    if schedule.increment_dialect == "whole_duration":
        return schedule.slots[-1].increment_ms
    return slot.increment_ms


def _whole_duration(schedule: Schedule, connected_ms: int) -> int:
    """Decision 1: raise to the initial block, then to a multiple of the increment.

    30/6: 45 s -> 48 s = 8 x 6 s. In the other dialect the time stays as it is.
    """
    if schedule.increment_dialect != "whole_duration":
        return connected_ms
    step = schedule.slots[-1].increment_ms
    raised = max(connected_ms, schedule.slots[0].increment_ms)
    return -(-raised // step) * step


def _raised(surcharges: Surcharges | None, quantity_ms: int) -> int:
    if surcharges is not None and (
        surcharges.raise_above_ms < quantity_ms < surcharges.raise_to_ms
    ):
        return surcharges.raise_to_ms
    return quantity_ms


def _surcharge(surcharges: Surcharges | None, connected_ms: int) -> Fraction:
    total = Fraction(0)
    if surcharges is None:
        return total
    if surcharges.block_charge_every_ms > 0:
        total += surcharges.block_charge * (connected_ms // surcharges.block_charge_every_ms)
    if connected_ms >= surcharges.hangup_fee_from_ms:
        total += surcharges.hangup_fee
    return total


def _settle(
    charge: ExactCharge, row: RateRow, total: Fraction, minimum: Fraction | None
) -> ExactCharge:
    """Raise to the minimum, lower to the cap, round once."""
    minimum_applied = minimum is not None and total < minimum
    if minimum is not None and minimum_applied:
        total = minimum
    cap = row.max_cost if row.max_cost_action == "cap" else None
    cap_applied = cap is not None and total > cap
    if cap is not None and cap_applied:
        total = cap
    return replace(
        charge,
        exact=total,
        amount=round_exact(total, charge.rounding.mode, charge.rounding.places),
        minimum_applied=minimum_applied,
        cap_applied=cap_applied,
    )


def _unrated(charge: ExactCharge, reason: UnratedReason) -> ExactCharge:
    """Keep which row matched, drop every amount."""
    return ExactCharge(
        ChargeStatus.UNRATED,
        reason,
        rounding=charge.rounding,
        rate_row=charge.rate_row,
        prefix=charge.prefix,
    )
