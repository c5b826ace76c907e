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
class Surcharges:
    """Rare parts of a price that depend on the connected time alone.

    `block_charge` for every *completed* `block_charge_every_ms`; `hangup_fee`
    when connected for at least `hangup_fee_from_ms`; a time above
    `raise_above_ms` and below `raise_to_ms` counts as `raise_to_ms`. A length of
    0 switches a part off. They follow the schedule of the first window.
    """

    block_charge: Fraction = Fraction(0)
    block_charge_every_ms: int = 0
    hangup_fee: Fraction = Fraction(0)
    hangup_fee_from_ms: int = 0
    raise_to_ms: int = 0
    raise_above_ms: int = 0


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
    surcharges: Surcharges | None = None  # None = none; only in lists, not in ScheduleTable


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


def flat_windows(version: TariffVersion) -> tuple[Window, ...]:
    """Give all windows of a version in the order that receipts number them.

    The windows of the timings, one timing after the other in the order of the
    mapping. A timing without windows holds always: its receipts say -1.
    """
    return tuple(window for timing in version.timings.values() for window in timing.windows)


def window_offset(version: TariffVersion, timing: str) -> int:
    """Give the number of the first window of `timing` in `flat_windows`."""
    offset = 0
    for name, candidate in version.timings.items():
        if name == timing:
            return offset
        offset += len(candidate.windows)
    raise KeyError(timing)


def deck_row(deck: pa.Table, index: int) -> RateRow:
    """Give one line of a deck (`RATE_DECK_SCHEMA`) as an object."""
    row = deck.slice(index, 1).to_pylist()[0]
    rounding = None
    if row["rounding_mode"] is not None:
        rounding = Rounding(row["rounding_mode"], row["rounding_places"])
    return RateRow(
        prefix=row["prefix"],
        timing=row["timing"],
        schedules=tuple(row["schedules"]),
        destination=row["destination"] or "",
        carrier=row["carrier"],
        trunk_group=row["trunk_group"],
        call_class=row["call_class"],
        subscriber=row["subscriber"],
        active_from=row["active_from"],
        active_until=row["active_until"],
        rounding=rounding,
        max_cost=None if row["max_cost"] is None else Fraction(row["max_cost"]),
        max_cost_action=row["max_cost_action"] or "cap",
        source_line=row["source_line"] or 0,
    )


def deck_table(rows: Sequence[RateRow]) -> pa.Table:
    """Make a deck (`RATE_DECK_SCHEMA`) of row objects, in their order."""
    return pa.Table.from_pylist(
        [
            {
                "prefix": row.prefix,
                "timing": row.timing,
                "schedules": list(row.schedules),
                "destination": row.destination,
                "carrier": row.carrier,
                "trunk_group": row.trunk_group,
                "call_class": row.call_class,
                "subscriber": row.subscriber,
                "active_from": row.active_from,
                "active_until": row.active_until,
                "rounding_mode": None if row.rounding is None else row.rounding.mode,
                "rounding_places": None if row.rounding is None else row.rounding.places,
                "max_cost": None if row.max_cost is None else str(row.max_cost),
                "max_cost_action": row.max_cost_action,
                "source_line": row.source_line,
            }
            for row in rows
        ],
        schema=RATE_DECK_SCHEMA,
    )
