"""Schedules as columns: a deck may have a distinct price on each of a million rows.

Owns the two ways between `Schedule` objects and `SCHEDULE_SCHEMA`. The table
is what compiling reads; an index gives one schedule as an object, which is
what the exact engine and receipts read. No rule about prices here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import overload

import pyarrow as pa
from bluewhale.rating.tariff import SCHEDULE_SCHEMA, Schedule, Slot
from typing_extensions import override


class ScheduleTable(Sequence[Schedule]):
    """A sequence of schedules over one table.

    Parameters
    ----------
    table
        `SCHEDULE_SCHEMA`, any number of rows; not modified.
    """

    __slots__ = ("table",)

    def __init__(self, table: pa.Table) -> None:
        assert table.schema.equals(SCHEDULE_SCHEMA), table.schema
        self.table = table.combine_chunks()

    @classmethod
    def from_schedules(cls, schedules: Iterable[Schedule]) -> ScheduleTable:
        """Make the columns of `schedules`; prices must fit int64 rationals."""
        rows = [
            {
                "connect_fee_numerator": schedule.connect_fee.numerator,
                "connect_fee_denominator": schedule.connect_fee.denominator,
                "minimum_charge": None
                if schedule.minimum_charge is None
                else str(schedule.minimum_charge),
                "whole_duration": schedule.increment_dialect == "whole_duration",
                "prices_attempts": schedule.prices_attempts,
                "slot_from_ms": [slot.from_ms for slot in schedule.slots],
                "slot_price_numerator": [slot.price.numerator for slot in schedule.slots],
                "slot_price_denominator": [slot.price.denominator for slot in schedule.slots],
                "slot_per_ms": [slot.per_ms for slot in schedule.slots],
                "slot_increment_ms": [slot.increment_ms for slot in schedule.slots],
                "name": schedule.name,
            }
            for schedule in schedules
        ]
        return cls(pa.Table.from_pylist(rows, schema=SCHEDULE_SCHEMA))

    @override
    def __len__(self) -> int:
        return self.table.num_rows

    @overload
    def __getitem__(self, index: int) -> Schedule: ...

    @overload
    def __getitem__(self, index: slice) -> ScheduleTable: ...

    @override
    def __getitem__(self, index: int | slice) -> Schedule | ScheduleTable:
        """Give one schedule as an object, or a run of them as a table."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            return ScheduleTable(self.table.take(pa.array(range(first, last, step), pa.int64())))
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return _schedule(self.table.slice(index, 1).to_pylist()[0])

    @override
    def __eq__(self, other: object) -> bool:
        if isinstance(other, ScheduleTable):
            return bool(self.table.equals(other.table))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by content


def _schedule(row: dict[str, object]) -> Schedule:
    """Give one row as the object that the exact engine reads."""

    def numbers(name: str) -> list[int]:
        values = row[name]
        assert isinstance(values, list)
        return values

    minimum = row["minimum_charge"]
    fee = Fraction(
        _integer(row["connect_fee_numerator"]),
        _integer(row["connect_fee_denominator"]),
    )
    slots = tuple(
        Slot(from_ms, Fraction(numerator, denominator), per_ms, increment_ms)
        for from_ms, numerator, denominator, per_ms, increment_ms in zip(
            numbers("slot_from_ms"),
            numbers("slot_price_numerator"),
            numbers("slot_price_denominator"),
            numbers("slot_per_ms"),
            numbers("slot_increment_ms"),
            strict=True,
        )
    )
    return Schedule(
        slots=slots,
        connect_fee=fee,
        minimum_charge=None if minimum is None else Fraction(str(minimum)),
        increment_dialect="whole_duration" if row["whole_duration"] else "steps_after_block",
        prices_attempts=bool(row["prices_attempts"]),
        name=str(row["name"] or ""),
    )


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value
