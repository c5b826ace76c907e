"""From the numbers of a deck to distinct schedules, as columns.

Owns merging equal (price, increments, per, fee, minimum) into one schedule and
building `ScheduleTable`. Numbers are exact: numerators over powers of ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.schedule_table import ScheduleTable
from bluewhale.rating.tariff import SCHEDULE_SCHEMA, Schedule

NO_CODE = -1
_LEDGER_UNITS_MAX = (2**63 - 1) / 1e9
_DAY_MS = 86_400_000
_PRODUCT_MAX = 2**62


class NumberPool:
    """Distinct exact numbers; equal numbers of several columns get one code."""

    def __init__(self) -> None:
        self.numerators: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.scales: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def add(
        self,
        codes: npt.NDArray[np.int32],
        numerators: npt.NDArray[np.int64],
        scales: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.int32]:
        """Add the distinct values of a column; give its codes into the pool."""
        base = len(self.numerators)
        all_numerators = np.concatenate([self.numerators, numerators])
        all_scales = np.concatenate([self.scales, scales])
        order = np.lexsort([all_numerators, all_scales])  # stable: the older comes first
        new = np.ones(len(order), dtype=bool)
        new[1:] = (all_numerators[order][1:] != all_numerators[order][:-1]) | (
            all_scales[order][1:] != all_scales[order][:-1]
        )
        leader = np.empty(len(order), dtype=np.int64)
        leader[order] = order[new][np.cumsum(new) - 1]
        self.numerators, self.scales = all_numerators, all_scales
        to_pool = np.append(leader[base:], NO_CODE).astype(np.int32)
        return to_pool[codes]


@dataclass(frozen=True, slots=True)
class SpecCodes:
    """What makes a schedule, per row; -1 = not given.

    `price`, `fee` and `minimum` are codes of a `NumberPool`, `increments` of a
    list of pairs, `per` is milliseconds.
    """

    price: npt.NDArray[np.int32]
    increments: npt.NDArray[np.int32]
    per: npt.NDArray[np.int64]
    fee: npt.NDArray[np.int32]
    minimum: npt.NDArray[np.int32]


@dataclass(slots=True)
class ScheduleColumns:
    """Collects schedules: the named ones of the document, then those of decks."""

    named: Sequence[Schedule] = ()
    _parts: list[pa.Table] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        """Start with the named schedules, so that their indices are their places."""
        self._parts = [ScheduleTable.from_schedules(self.named).table]
        self._count = len(self.named)

    def add(
        self,
        codes: SpecCodes,
        pool: NumberPool,
        increments: Sequence[tuple[int, int]],
        *,
        whole_duration: bool,
        prices_attempts: bool,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Add the distinct schedules of some rows.

        Returns
        -------
        The index of each row's schedule, and whether its price is so high that
        a call of a day leaves the ledger.
        """
        if not len(codes.price):
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.bool_)
        columns = [
            codes.price.astype(np.int64),
            codes.increments.astype(np.int64),
            codes.per,
            codes.fee.astype(np.int64),
            codes.minimum.astype(np.int64),
        ]
        which, examples = distinct(columns)
        price, pairs, per_ms, fee, minimum = (column[examples] for column in columns)
        table = np.array(increments, dtype=np.int64).reshape(-1, 2)
        first_ms, then_ms = table[pairs, 0], table[pairs, 1]
        price_numbers = _Numbers.of(pool, price)
        fee_numbers = _Numbers.of(pool, fee)
        minimum_numbers = _Numbers.of(pool, minimum)
        day = price_numbers.rough() * (_DAY_MS / per_ms) + fee_numbers.rough()
        high = np.maximum(day, minimum_numbers.rough()) >= _LEDGER_UNITS_MAX
        self._parts.append(
            _schedule_columns(
                price_numbers,
                fee_numbers,
                minimum_numbers,
                per_ms,
                first_ms,
                then_ms,
                whole_duration=whole_duration,
                prices_attempts=prices_attempts,
            )
        )
        base = self._count
        self._count += len(examples)
        return (which + base).astype(np.int32), high[which]

    def build(self) -> ScheduleTable:
        """Give all schedules as one table."""
        return ScheduleTable(pa.concat_tables(self._parts))


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of one column of schedules: reduced rationals, and which are given."""

    numerators: npt.NDArray[np.int64]
    denominators: npt.NDArray[np.int64]
    scales: npt.NDArray[np.int64]
    given: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, pool: NumberPool, codes: npt.NDArray[np.int64]) -> _Numbers:
        given = codes >= 0
        numerators = np.where(given, np.append(pool.numerators, 0)[codes], 0)
        scales = np.where(given, np.append(pool.scales, 0)[codes], 0)
        denominators = np.int64(10) ** scales
        shared = np.gcd(numerators, denominators)
        return cls(numerators // shared, denominators // shared, scales, given)

    def rough(self) -> npt.NDArray[np.float64]:
        """Give a float for comparing with a limit; never a price."""
        return self.numerators / self.denominators

    def texts(self) -> pa.StringArray:
        """Give exact decimal text, null where not given."""
        pairs, examples = distinct([self.numerators, self.denominators])
        texts = [
            f"{Decimal(int(self.numerators[i])) / Decimal(int(self.denominators[i])):f}"
            for i in examples
        ]
        indices = pa.array(pairs, pa.int64(), mask=~self.given)
        return pa.array(texts, pa.string()).take(indices)


def _schedule_columns(
    price: _Numbers,
    fee: _Numbers,
    minimum: _Numbers,
    per_ms: npt.NDArray[np.int64],
    first_ms: npt.NDArray[np.int64],
    then_ms: npt.NDArray[np.int64],
    *,
    whole_duration: bool,
    prices_attempts: bool,
) -> pa.Table:
    """Build `SCHEDULE_SCHEMA`: one slot, or two where the first block differs."""
    count = len(per_ms)
    slots = np.where(first_ms == then_ms, 1, 2)
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(slots, out=offsets[1:])
    owner = np.repeat(np.arange(count), slots)
    second = np.ones(int(offsets[-1]), dtype=bool)
    second[offsets[:-1]] = False

    def listed(values: npt.NDArray[np.int64]) -> pa.ListArray:
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, pa.int64()))

    return pa.table(
        {
            "connect_fee_numerator": fee.numerators,
            "connect_fee_denominator": fee.denominators,
            "minimum_charge": minimum.texts(),
            "whole_duration": np.full(count, whole_duration),
            "prices_attempts": np.full(count, prices_attempts),
            "slot_from_ms": listed(np.where(second, first_ms[owner], 0)),
            "slot_price_numerator": listed(price.numerators[owner]),
            "slot_price_denominator": listed(price.denominators[owner]),
            "slot_per_ms": listed(per_ms[owner]),
            "slot_increment_ms": listed(np.where(second, then_ms[owner], first_ms[owner])),
            "name": pa.repeat("", count),
        },
        schema=SCHEDULE_SCHEMA,
    )


def distinct(
    columns: Sequence[npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number the distinct rows of some integer columns.

    Returns
    -------
    The number of each row, from 0 in order of first appearance, and the first
    row of each number.
    """
    combined = np.zeros(len(columns[0]), dtype=np.int64)
    size = 1
    for column in columns:
        least = int(column.min())
        width = int(column.max()) - least + 1
        if size * width >= _PRODUCT_MAX:
            combined, size = _numbered(combined)
        if size * width >= _PRODUCT_MAX:
            column, width = _numbered(column)  # noqa: PLW2901  the same column, renumbered
            least = 0
        combined = combined * width + (column - least)
        size *= width
    numbers, count = _numbered(combined)
    examples = np.empty(count, dtype=np.int64)
    examples[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return numbers, examples


def _numbered(values: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    """Number distinct values from 0 in order of first appearance."""
    encoded = pa.array(values).dictionary_encode()
    return np.asarray(encoded.indices, dtype=np.int64), len(encoded.dictionary)
