"""The tariff as an object: what files say, after validation, before compiling.

Owns the frozen types that both engines read. Prices are exact rationals in
units of the tariff's currency; times of day are wall clock of the tariff's
zone. A tariff version is immutable; a newer one replaces the whole (decision
20). A rate deck may have a million rows, so decks and schedules are columns;
`deck.row(i)` and `schedules[i]` give one as an object. No I/O here: files are
`bluewhale.rating.tariff_files`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Literal

import pyarrow as pa

RoundingMode = Literal["half_up", "half_even", "up", "down"]
IncrementDialect = Literal["steps_after_block", "whole_duration"]
CapAction = Literal["cap", "end_call"]


@dataclass(frozen=True, slots=True)
class Rounding:
    """The one rounding of a charge: mode, and decimal places of the currency unit."""

    mode: RoundingMode = "half_up"
    places: int = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """From `from_ms` since call start: `price` per `per_ms`, in whole increments."""

    from_ms: int
    price: Fraction
    per_ms: int
    increment_ms: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A connect fee and ordered slots (first at 0).

    `whole_duration`: the duration is first raised to the initial block, then to
    the next multiple of the increment, both counted from the start (decision 1,
    the other dialect); default is steps after the block.
    """

    slots: tuple[Slot, ...]
    connect_fee: Fraction = Fraction(0)
    minimum_charge: Fraction | None = None
    increment_dialect: IncrementDialect = "steps_after_block"
    prices_attempts: bool = False  # true: the connect fee is due for unanswered calls too
    name: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """When a rate label holds: days, a time of day, a priority.

    Matches a day when every given condition holds (weekdays 1 = Monday). It
    holds from `start_second` to `end_second` of each matching day, while no
    window of higher priority, or of equal priority and later start, matches.
    `rate` is a label ("peak"); a deck row gives the schedule for each label.
    """

    rate: str
    start_second: int = 0
    end_second: int = 86_400
    weekdays: frozenset[int] | None = None
    monthdays: frozenset[int] | None = None
    months: frozenset[int] | None = None
    years: frozenset[int] | None = None
    calendar: str | None = None
    priority: int = 10
    name: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """A named set of windows, and the order of its rate labels."""

    name: str
    windows: tuple[Window, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RateRow:
    """One line of a rate deck: a prefix with selectors, and what it costs.

    `prefix` is E.164 digits ("" = every number). Selectors None = any; among
    rows of the longest matching prefix the one with most selectors set wins,
    and two that could both win are refused at load. `schedules` are indices
    into the version's schedules, one for each label of `timing`.
    """

    prefix: str
    timing: str
    schedules: tuple[int, ...]
    destination: str = ""
    carrier: str | None = None
    trunk_group: str | None = None
    call_class: str | None = None
    subscriber: str | None = None
    active_from: datetime | None = None
    active_until: datetime | None = None
    rounding: Rounding | None = None
    max_cost: Fraction | None = None
    max_cost_action: CapAction = "cap"
    source_line: int = 0


# The deck as columns. `schedules` has one entry for each label of the row's timing.
RATE_DECK_SCHEMA = pa.schema(
    [
        ("prefix", pa.string()),
        ("timing", pa.dictionary(pa.int32(), pa.string())),
        ("schedules", pa.list_(pa.int32())),
        ("destination", pa.dictionary(pa.int32(), pa.string())),
        ("carrier", pa.dictionary(pa.int32(), pa.string())),
        ("trunk_group", pa.dictionary(pa.int32(), pa.string())),
        ("call_class", pa.dictionary(pa.int32(), pa.string())),
        ("subscriber", pa.dictionary(pa.int32(), pa.string())),
        ("active_from", pa.timestamp("ms", tz="UTC")),
        ("active_until", pa.timestamp("ms", tz="UTC")),
        ("rounding_mode", pa.dictionary(pa.int32(), pa.string())),
        ("rounding_places", pa.int32()),
        ("max_cost", pa.string()),  # exact: decimal text or "n/d"
        ("max_cost_action", pa.dictionary(pa.int32(), pa.string())),
        ("source_line", pa.int32()),
    ]
)

# Schedules as columns, so that a deck may have a distinct price on every row.
# Slot fields are lists of equal length; prices are exact rationals.
SCHEDULE_SCHEMA = pa.schema(
    [
        ("connect_fee_numerator", pa.int64()),
        ("connect_fee_denominator", pa.int64()),
        ("minimum_charge", pa.string()),  # null = none; decimal text or "n/d"
        ("whole_duration", pa.bool_()),
        ("prices_attempts", pa.bool_()),
        ("slot_from_ms", pa.list_(pa.int64())),
        ("slot_price_numerator", pa.list_(pa.int64())),
        ("slot_price_denominator", pa.list_(pa.int64())),
        ("slot_per_ms", pa.list_(pa.int64())),
        ("slot_increment_ms", pa.list_(pa.int64())),
        ("name", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """One immutable version of one tariff of one price list."""

    tariff_uid: str
    version: int
    price_list: str
    currency: str
    zone: str
    rounding: Rounding
    effective_from: datetime
    effective_until: datetime | None
    timings: Mapping[str, Timing]
    schedules: Sequence[Schedule]  # a list, or ScheduleTable over SCHEDULE_SCHEMA
    deck: pa.Table  # RATE_DECK_SCHEMA, any order
    calendars: Mapping[str, frozenset[date]] = field(default_factory=dict)
    name: str = ""
