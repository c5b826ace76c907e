"""Pricing spans by one compiled version: both kernels, and the exact rest.

Owns the way of the few rows that the kernels hand to the exact engine: an
amount over int64, a span outside the table of days, a schedule that no integer
holds. Rules stand in `exact`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from bluewhale.rating.compiled import RESTRICTED, SELECTION_WORDS, CompiledTariff
from bluewhale.rating.exact import ExactCharge
from bluewhale.rating.kernels import NO_REASON, OUTCOME_EXACT, match_rows, price_spans
from bluewhale.rating.rounding import INT64_MAX, MODES, NANOS, canonical, round_exact
from bluewhale.rating.spans import Int8, Int32, Int64, Spans
from bluewhale.records.enums import ChargeStatus, UnratedReason

REASONS: Final = tuple(str(reason) for reason in UnratedReason)
STATUSES: Final = tuple(str(status) for status in ChargeStatus)
_SEGMENTS_GUESS: Final = 2.5
_STAGGER_BYTES: Final = 320


@dataclass(slots=True)
class Priced:
    """What the kernels gave for a batch and one version: receipts as arrays.

    `status`, `reason` (-1 = none) and `mode` are codes in the order of their
    closed lists. `rate_row` is the row as the deck has it. `exact_bottom` 0 = left int64, the text is in `exact`.
    `row` is the position in the compiled deck, -1 = none matched. The segments
    of span i are `segment_end[i]` to `segment_end[i + 1]`.
    """

    row: Int32
    prefix_length: Int8
    rate_row: Int32
    status: Int8
    reason: Int8
    amount: Int64
    rated_ms: Int64
    fee: Int64
    exact_top: Int64
    exact_bottom: Int64
    minimum_applied: npt.NDArray[np.uint8]
    cap_applied: npt.NDArray[np.uint8]
    mode: Int32
    places: Int32
    segment_end: Int32
    window: Int32
    slot: Int32
    numbers: Int64  # 5 rows: from, to, blocks, price numerator, price denominator (0 = left int64)
    exact: dict[int, str]
    exact_rows: int = 0


def rate_spans(tariff: CompiledTariff, spans: Spans) -> Priced:
    """Price spans by one version.

    Rows over the int64 bound, outside the table of days, or with a schedule
    that no integer holds are priced by the exact engine; `exact_rows` counts
    them. Order is kept; every span gets a status.
    """
    count = len(spans)
    row = np.empty(count, np.int32)
    prefix_length = np.empty(count, np.int8)
    index = tariff.index
    word = spans.selection.translated(SELECTION_WORDS)
    match_rows(
        spans.key,
        spans.digits,
        word,
        spans.carrier.translated(tariff.carriers),
        spans.trunk_group.translated(tariff.trunk_groups),
        spans.subscriber.translated(tariff.subscribers),
        spans.start_ms,
        index.ranges,
        index.table,
        index.groups,
        tariff.row_selectors,
        tariff.row_from,
        tariff.row_until,
        tariff.by_class,
        RESTRICTED,
        row,
        prefix_length,
    )
    version, lines, schedules = tariff.version, tariff.timelines, tariff.schedules
    priced = _blank(row, prefix_length)
    room = int(_SEGMENTS_GUESS * count) + 16
    done = filled = 0
    while True:
        _give_room(priced, filled, room)
        done, filled = price_spans(
            done,
            filled,
            row,
            spans.digits,
            word,
            spans.start_ms,
            spans.quantity_ms,
            spans.answered,
            spans.fee_due,
            RESTRICTED,
            tariff.row_words,
            tariff.caps,
            schedules.words,
            schedules.shapes,
            schedules.shape_base,
            schedules.surcharges,
            lines.day_change,
            lines.change_at,
            lines.change_window,
            lines.change_label,
            MODES.index(version.rounding.mode),
            version.rounding.places,
            priced.rate_row,
            priced.status,
            priced.reason,
            priced.amount,
            priced.rated_ms,
            priced.fee,
            priced.exact_top,
            priced.exact_bottom,
            priced.minimum_applied,
            priced.cap_applied,
            priced.mode,
            priced.places,
            priced.segment_end,
            priced.window,
            priced.slot,
            priced.numbers,
        )
        if done == count:
            break
        room *= 2
    priced.window, priced.slot = priced.window[:filled], priced.slot[:filled]
    priced.numbers = priced.numbers[:, :filled]
    over = np.flatnonzero(priced.status == OUTCOME_EXACT)
    if len(over):
        _price_exactly(tariff, spans, priced, over)
    return priced


def _blank(row: Int32, prefix_length: Int8) -> Priced:
    """Give outputs for the kernel to fill."""
    count = len(row)
    return Priced(
        row=row,
        prefix_length=prefix_length,
        rate_row=_column(count, np.int32, 12),
        status=_column(count, np.int8, 0),
        reason=_column(count, np.int8, 1),
        amount=_column(count, np.int64, 2),
        rated_ms=_column(count, np.int64, 3),
        fee=_column(count, np.int64, 4),
        exact_top=_column(count, np.int64, 5),
        exact_bottom=_column(count, np.int64, 6),
        minimum_applied=_column(count, np.uint8, 7),
        cap_applied=_column(count, np.uint8, 8),
        mode=_column(count, np.int32, 9),
        places=_column(count, np.int32, 10),
        segment_end=_segment_ends(count),
        window=np.empty(0, np.int32),
        slot=np.empty(0, np.int32),
        numbers=np.empty((5, 0), np.int64),
        exact={},
    )


def _segment_ends(count: int) -> Int32:
    ends = _column(count + 1, np.int32, 11)
    ends[0] = 0
    return ends


def _give_room(priced: Priced, filled: int, room: int) -> None:
    """Make the segments' columns `room` long; keep the first `filled`."""
    window, slot = np.empty(room, np.int32), np.empty(room, np.int32)
    numbers = np.empty((5, room), np.int64)
    window[:filled], slot[:filled] = priced.window[:filled], priced.slot[:filled]
    numbers[:, :filled] = priced.numbers[:, :filled]
    priced.window, priced.slot, priced.numbers = window, slot, numbers


def _column(count: int, dtype: npt.DTypeLike, number: int) -> npt.NDArray[Any]:
    """Give an empty column whose begin is staggered against those of its siblings.

    Large arrays all begin at the same place of a page; a kernel that writes a
    dozen of them in step would then push each store out of the first cache.
    """
    skip = number * _STAGGER_BYTES // np.dtype(dtype).itemsize
    return np.empty(skip + count, dtype)[skip:]


def _price_exactly(
    tariff: CompiledTariff, spans: Spans, priced: Priced, over: npt.NDArray[np.intp]
) -> None:
    """Replace the rows `over` by what the exact engine says."""
    charges = {}
    for span in over.tolist():
        charge = tariff.exact.rate(spans.one(span), rate_row=int(priced.rate_row[span]))
        charges[span] = charge
        priced.status[span] = STATUSES.index(charge.status)
        priced.reason[span] = NO_REASON if charge.reason is None else REASONS.index(charge.reason)
        priced.amount[span] = charge.amount_nanos or 0
        priced.rated_ms[span] = charge.rated_quantity_ms
        fee = int(round_exact(charge.connect_fee, "half_up", 9) * NANOS)
        priced.fee[span] = min(fee, INT64_MAX)
        pair = canonical(charge.exact)
        priced.exact_top[span], priced.exact_bottom[span] = pair or (0, 0)
        if pair is None:
            priced.exact[span] = str(charge.exact)
        priced.minimum_applied[span] = charge.minimum_applied
        priced.cap_applied[span] = charge.cap_applied
    priced.exact_rows = len(charges)
    _insert_segments(priced, charges)


def _insert_segments(priced: Priced, charges: dict[int, ExactCharge]) -> None:
    """Put the segments of the exact engine between those of the kernel."""
    counts = np.diff(priced.segment_end).astype(np.int64)
    for span, charge in charges.items():
        counts[span] = len(charge.segments)
    ends = np.concatenate(([0], np.cumsum(counts)))
    window = np.empty(ends[-1], np.int32)
    slot = np.empty(ends[-1], np.int32)
    numbers = np.empty((5, ends[-1]), np.int64)
    kept = np.ones(ends[-1], bool)
    for span, charge in charges.items():
        at = int(ends[span])
        for segment in charge.segments:
            pair = canonical(segment.price) or (0, 0)
            window[at], slot[at] = segment.window, segment.slot
            numbers[:, at] = segment.from_ms, segment.to_ms, segment.blocks, *pair
            kept[at] = False
            at += 1
    window[kept], slot[kept], numbers[:, kept] = priced.window, priced.slot, priced.numbers
    priced.segment_end = ends.astype(np.int32)
    priced.window, priced.slot, priced.numbers = window, slot, numbers
