"""A tariff version as arrays: what the columnar engine reads.

Owns the compiled layout; `kernels` walks it, `columnar` feeds it. Money is in
nanos of the currency; a schedule whose block prices are not whole nanos is
scaled by a denominator D of its own, so that all its numbers are integers. A
schedule that no int64 can hold, or that has a negative price, gets D = 0: its
rows are priced by the exact engine.

Layout of one schedule in `words`, from 8 x its line: shape, D, connect fee x D,
minimum x D (-1 = none), surcharges (index, -1 = none), then one block price x D
per slot; the rest of its last line of eight words is unused. A *shape* is what schedules share: flags, initial block, step, and
the slots' starts and block lengths; a deck has few shapes and many prices, so
shapes stay in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating.exact import INBOUND, PRICED_ONLY_BY_SELECTION, ExactRater
from bluewhale.rating.kernels import ROW_HEAD, ROW_NUMBER
from bluewhale.rating.prefixes import PrefixIndex, build_index, left_align_text
from bluewhale.rating.rounding import INT64_MAX, MODES, NANOS
from bluewhale.rating.schedule_kernels import (
    FLAG_ATTEMPTS,
    FLAG_WHOLE,
    HEAD,
    LINE,
    SHAPE_HEAD,
    compile_schedule_columns,
    empty_lines,
)
from bluewhale.rating.schedule_table import ScheduleTable
from bluewhale.rating.tariff import Schedule, TariffVersion
from bluewhale.rating.timelines import Timelines, compile_timelines
from bluewhale.records.enums import CallClass

SELECTION_WORDS: Final = (*(str(word) for word in CallClass), INBOUND)
RESTRICTED: Final = np.array([w in PRICED_ONLY_BY_SELECTION for w in SELECTION_WORDS], bool)
PLACES_MAX: Final = 9  # an amount is kept in nanos
SCALE_MAX: Final = 10**9
FOREVER: Final = np.int64(2**62)
ANY: Final = -1
_ROW_WIDTH: Final = 8  # half a cache line
NEVER: Final = -2  # a word that this side does not know

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ScheduleWords:
    """All schedules of a version as integers; see the module."""

    words: Int64
    base: Int32  # line of schedule s
    shapes: Int64
    shape_base: Int32
    surcharges: Int64  # rows of 6: block charge x D, every, hang-up fee x D, from, to, above


@dataclass(frozen=True, slots=True)
class CompiledTariff:
    """One version, ready to price batches; rows are sorted by prefix.

    `row_words[i]` = timing, rounding mode, places, cap index (-1 = none), row of
    the deck, then for each label of its timing the line of `schedules.words`.
    `by_class` says whether any row selects a call class.
    """

    version: TariffVersion
    index: PrefixIndex
    row_words: Int32
    row_selectors: Int32  # columns: carrier, trunk group, class, subscriber
    row_from: Int64
    row_until: Int64
    by_class: bool
    caps: Int64  # rows of 2: cap in nanos = numerator / denominator; denominator 0 = exact
    carriers: tuple[str, ...]
    trunk_groups: tuple[str, ...]
    subscribers: tuple[str, ...]
    schedules: ScheduleWords
    timelines: Timelines
    exact: ExactRater

    @property
    def row_number(self) -> Int32:
        """Give the row of the deck for each sorted row."""
        return self.row_words[:, ROW_NUMBER]


def compile_tariff(version: TariffVersion) -> CompiledTariff:
    """Compile a validated version.

    Costs about 1.5 us per deck row; nothing is an object per row.

    Raises
    ------
    ValueError
        A prefix is not 0 to 15 digits.
    """
    deck = version.deck.combine_chunks()
    keys, lengths = left_align_text(_array(deck["prefix"]))
    selectors, words = _selectors(deck)
    since = _moments(deck["active_from"], -FOREVER)
    until = _moments(deck["active_until"], FOREVER)
    order = _sort(keys, lengths, selectors, since)
    selectors, since, until = selectors[order], since[order], until[order]
    plain = (selectors == ANY).all(axis=1) & (since == -FOREVER) & (until == FOREVER)
    index = build_index(keys[order], lengths[order], plain)
    schedules = _compile_schedules(version.schedules)
    row_words, caps = _rows(version, deck, order, schedules)
    assert bool(np.all((row_words[:, 2] >= 0) & (row_words[:, 2] <= PLACES_MAX)))
    return CompiledTariff(
        version=version,
        index=index,
        row_words=row_words,
        row_selectors=np.ascontiguousarray(selectors),
        row_from=since,
        row_until=until,
        by_class=bool(np.any(selectors[:, 2] != ANY)),
        caps=caps,
        carriers=words[0],
        trunk_groups=words[1],
        subscribers=words[3],
        schedules=schedules,
        timelines=compile_timelines(version.timings, version.calendars, version.zone),
        exact=ExactRater(version),
    )


def _sort(keys: Int64, lengths: npt.NDArray[np.int8], selectors: Int32, since: Int64) -> Int64:
    """Order rows by prefix, then most selectors, then the latest validity."""
    prefix = keys * 16 + lengths
    count = np.count_nonzero(selectors != ANY, axis=1) if len(keys) else np.empty(0, np.int64)
    if not count.any() and bool(np.all(since == -FOREVER)):
        return np.argsort(prefix, kind="stable")
    return np.lexsort((-since, -count, prefix))


def _selectors(deck: pa.Table) -> tuple[Int32, tuple[tuple[str, ...], ...]]:
    """Give the selector codes of all rows, and the words of each code."""
    codes = np.full((deck.num_rows, 4), ANY, np.int32)
    words: list[tuple[str, ...]] = []
    for column, name in enumerate(("carrier", "trunk_group", "call_class", "subscriber")):
        array = _array(deck[name])
        known = tuple(array.dictionary.to_pylist())
        if array.null_count < len(array):
            indices = array.indices.fill_null(ANY).to_numpy(zero_copy_only=False)
            if name == "call_class":
                table = [SELECTION_WORDS.index(w) if w in SELECTION_WORDS else NEVER for w in known]
                indices = np.array([*table, ANY], np.int32)[indices]
            codes[:, column] = indices
        words.append(known)
    return codes, tuple(words)


def _moments(column: pa.ChunkedArray, missing: np.int64) -> Int64:
    array = _array(column)
    if array.null_count == len(array):
        return np.full(len(array), missing, np.int64)
    return array.cast(pa.int64()).fill_null(int(missing)).to_numpy(zero_copy_only=False).copy()


def _rows(
    version: TariffVersion, deck: pa.Table, order: Int64, schedules: ScheduleWords
) -> tuple[Int32, Int64]:
    """Give the words and caps of all rows in sorted order."""
    rows = len(order)
    names = list(version.timings)
    labels = max((len(timing.labels) for timing in version.timings.values()), default=1)
    width = -(-(ROW_HEAD + labels) // _ROW_WIDTH) * _ROW_WIDTH
    lines = -(-rows * width // (2 * LINE))
    words = empty_lines(lines).view(np.int32)[: rows * width].reshape(rows, width)
    words[:, ROW_NUMBER] = order
    timing = _array(deck["timing"])
    table = np.array([names.index(name) for name in timing.dictionary.to_pylist()] or [0], np.int32)
    words[:, 0] = table[timing.indices.to_numpy()[order]] if rows else 0
    lists = _array(deck["schedules"])
    starts = lists.offsets.to_numpy().astype(np.int64)
    numbers = lists.values.to_numpy()
    sizes = np.diff(starts)[order]
    for label in range(int(sizes.max(initial=0))):
        has = sizes > label
        words[has, ROW_HEAD + label] = schedules.base[numbers[starts[:-1][order][has] + label]]
    mode = _array(deck["rounding_mode"])
    default = MODES.index(version.rounding.mode)
    if mode.null_count < rows:
        codes = [MODES.index(word) for word in mode.dictionary.to_pylist()] + [default]
        words[:, 1] = np.array(codes, np.int32)[
            mode.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)[order]
        ]
        places = _array(deck["rounding_places"]).to_numpy(zero_copy_only=False)[order]
        given = mode.is_valid().to_numpy(zero_copy_only=False)[order]
        words[:, 2] = np.where(given, np.nan_to_num(places), version.rounding.places)
    else:
        words[:, 1] = default
        words[:, 2] = version.rounding.places
    words[:, 3], caps = _caps(deck, order)
    return words, caps


def _caps(deck: pa.Table, order: Int64) -> tuple[Int32, Int64]:
    """Give the cap of each row as an index into distinct caps in nanos."""
    texts = _array(deck["max_cost"])
    if texts.null_count == len(texts):
        return np.full(len(order), -1, np.int32), np.empty((0, 2), np.int64)
    distinct = texts.dictionary_encode()
    caps = np.zeros((len(distinct.dictionary), 2), np.int64)
    for number, text in enumerate(distinct.dictionary.to_pylist()):
        nanos = Fraction(text) * NANOS
        if 0 <= nanos.numerator <= INT64_MAX // 4 and nanos.denominator <= SCALE_MAX:
            caps[number] = nanos.numerator, nanos.denominator
    indices = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    action = _array(deck["max_cost_action"]).cast(pa.string()).fill_null("cap")
    limits = pc.equal(action, "cap").to_numpy(zero_copy_only=False)
    return np.where(limits, indices, -1).astype(np.int32)[order], caps


def _compile_schedules(schedules: Sequence[Schedule]) -> ScheduleWords:
    if isinstance(schedules, ScheduleTable):
        columns = compile_schedule_columns(schedules.table)
        return ScheduleWords(*columns, np.empty((0, 6), np.int64))
    words_list: list[int] = []
    base_list: list[int] = []
    shapes_list: list[int] = []
    shape_bases: dict[tuple[int, ...], int] = {}
    surcharges: list[tuple[int, ...]] = []
    for schedule in schedules:
        shape = _shape(schedule)
        if shape not in shape_bases:
            shape_bases[shape] = len(shapes_list)
            shapes_list.extend(shape)
        numbers = list(shape_bases)
        base_list.append(len(words_list) // LINE)
        words_list.extend(_schedule_words(schedule, numbers.index(shape), surcharges))
        words_list.extend([0] * (-len(words_list) % LINE))
    words = empty_lines(len(words_list) // LINE)
    words[:] = words_list
    return ScheduleWords(
        words,
        np.array(base_list, np.int32),
        np.array(shapes_list, np.int64),
        np.array(list(shape_bases.values()), np.int32),
        np.array(surcharges, np.int64).reshape(len(surcharges), 6),
    )


def _shape(schedule: Schedule) -> tuple[int, ...]:
    """Give flags, initial block, step, count, then start and block per slot."""
    whole = schedule.increment_dialect == "whole_duration"
    flags = FLAG_WHOLE * whole + FLAG_ATTEMPTS * schedule.prices_attempts
    step = schedule.slots[-1].increment_ms
    head = (flags, schedule.slots[0].increment_ms, step, len(schedule.slots))
    assert len(head) == SHAPE_HEAD
    slots = [(slot.from_ms, step if whole else slot.increment_ms) for slot in schedule.slots]
    return head + tuple(value for slot in slots for value in slot)


def _schedule_words(schedule: Schedule, shape: int, surcharges: list[tuple[int, ...]]) -> list[int]:
    """Scale one schedule to integers, or give D = 0 where that is not possible."""
    whole = schedule.increment_dialect == "whole_duration"
    step = schedule.slots[-1].increment_ms
    prices = [
        slot.price * NANOS * (step if whole else slot.increment_ms) / slot.per_ms
        for slot in schedule.slots
    ]
    extra = schedule.surcharges
    minimum = schedule.minimum_charge
    money = [schedule.connect_fee * NANOS, *prices]
    if minimum is not None:
        money.append(minimum * NANOS)
    if extra is not None:
        money += [extra.block_charge * NANOS, extra.hangup_fee * NANOS]
    scale = math.lcm(*(value.denominator for value in money))
    if scale > SCALE_MAX or any(not 0 <= v * scale <= INT64_MAX // 4 for v in money):
        return [shape, 0, 0, -1, -1, *(0 for _ in prices)]
    number = -1
    if extra is not None:
        number = len(surcharges)
        surcharges.append(
            (
                int(extra.block_charge * NANOS * scale),
                extra.block_charge_every_ms,
                int(extra.hangup_fee * NANOS * scale),
                extra.hangup_fee_from_ms,
                extra.raise_to_ms,
                extra.raise_above_ms,
            )
        )
    words = [
        shape,
        scale,
        int(schedule.connect_fee * NANOS * scale),
        -1 if minimum is None else int(minimum * NANOS * scale),
        number,
    ]
    assert len(words) == HEAD
    return words + [int(price * scale) for price in prices]


def _array(column: pa.ChunkedArray) -> pa.Array:
    """Give a column of a table as one array."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
