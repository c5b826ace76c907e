"""A rate deck: cells -> rows of `RATE_DECK_SCHEMA` and schedules, as columns.

Owns what a cell means, which fields a deck has, and every check of one row. A
million rows are read by column operations: each distinct text is looked at
once, and equal price, increments and fees make one schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating import deck_kernels
from bluewhale.rating.deck_cells import (
    NO_INSTANT,
    instant_array,
    read_amounts,
    read_instants,
    read_whole_numbers,
    read_words,
    text_buffers,
)
from bluewhale.rating.deck_prices import DeckContext, RowSchedules
from bluewhale.rating.deck_reader import DeckFile, DeckRules, read_deck_file
from bluewhale.rating.deck_schedules import ScheduleColumns
from bluewhale.rating.tariff import RATE_DECK_SCHEMA, Timing
from bluewhale.rating.validation import Mistakes
from bluewhale.records.enums import CallClass

ROUNDING_MODES = ("half_up", "half_even", "up", "down")
CAP_ACTIONS = ("cap", "end_call")
PLACES_MAX = 9  # the ledger holds nanos

_LABELLED = ("price", "schedule", "increments", "connect_fee", "minimum_charge")
_PLAIN = (
    "prefix",
    "destination",
    "timing",
    "per_seconds",
    "effective_from",
    "effective_until",
    "carrier",
    "trunk_group",
    "call_class",
    "subscriber",
    "rounding_mode",
    "rounding_places",
    "max_cost",
    "max_cost_action",
)
SELECTABLE_CLASSES = (*(str(word) for word in CallClass), "inbound")
"""Words of the class selector: the classes of a destination, and inbound calls."""


@dataclass(frozen=True, slots=True)
class DeckPart:
    """One deck as columns; `keys` are the prefixes as numbers behind a leading 1."""

    table: pa.Table
    keys: npt.NDArray[np.int64]


def deck_fields(timings: Mapping[str, Timing]) -> tuple[str, ...]:
    """Give the names of all columns that a deck may have: also one per rate label."""
    labels = dict.fromkeys(label for timing in timings.values() for label in timing.labels)
    return (*_PLAIN, *_LABELLED, *(f"{name}_{label}" for name in _LABELLED for label in labels))


def read_deck(
    rules: DeckRules, context: DeckContext, schedules: ScheduleColumns, mistakes: Mistakes
) -> DeckPart | None:
    """Read and check one deck; its schedules are added to `schedules`.

    Returns
    -------
    The rows in the order of the file; None where the file cannot be read at
    all. With any mistake added, the rows are of no use.
    """
    deck = read_deck_file(rules, deck_fields(context.timings), ("prefix",), mistakes)
    if deck is None:
        return None
    keys, prefix = _prefixes(deck)
    timing_codes, timing_names = _timings(deck, context)
    lists = RowSchedules(deck, context, schedules).lists(timing_codes, timing_names)
    active_from = read_instants(deck, "effective_from", context.zone)
    active_until = read_instants(deck, "effective_until", context.zone)
    _check_interval(deck, context, active_from, active_until)
    places = read_whole_numbers(deck, "rounding_places", PLACES_MAX)
    columns: dict[str, pa.Array] = {
        "prefix": prefix,
        "timing": pa.DictionaryArray.from_arrays(
            pa.array(np.maximum(timing_codes, 0), pa.int32()), pa.array(timing_names, pa.string())
        ),
        "schedules": lists,
        "destination": read_words(deck, "destination"),
        "carrier": read_words(deck, "carrier"),
        "trunk_group": read_words(deck, "trunk_group"),
        "call_class": read_words(deck, "call_class", SELECTABLE_CLASSES),
        "subscriber": read_words(deck, "subscriber"),
        "active_from": instant_array(active_from),
        "active_until": instant_array(active_until),
        "rounding_mode": read_words(deck, "rounding_mode", ROUNDING_MODES),
        "rounding_places": pa.array(places, pa.int32(), mask=places < 0),
        "max_cost": read_amounts(deck, "max_cost"),
        "max_cost_action": read_words(deck, "max_cost_action", CAP_ACTIONS, default="cap"),
        "source_line": pa.array(deck.lines, pa.int32()),
    }
    both = np.asarray(columns["rounding_mode"].is_valid()) != (places >= 0)
    deck.wrong_rows(
        np.flatnonzero(both),
        "rounding_mode",
        None,
        "and rounding_places are not given together",
        "Write both, or neither.",
    )
    return DeckPart(pa.table(columns, schema=RATE_DECK_SCHEMA), keys)


def _prefixes(deck: DeckFile) -> tuple[npt.NDArray[np.int64], pa.StringArray]:
    """Check prefixes; give them as numbers and as bare digits."""
    filled = deck.prefix.fill_null("")
    data, offsets = text_buffers(filled)
    keys = np.empty(len(deck), dtype=np.int64)
    codes = np.empty(len(deck), dtype=np.int8)
    deck_kernels.read_prefixes(data, offsets, keys, codes)
    label = deck.label("prefix")
    for code, problem, remedy in (
        (
            deck_kernels.PREFIX_MALFORMED,
            "is not digits",
            "Write the international number from its country code on, digits only, e.g. 4930.",
        ),
        (
            deck_kernels.PREFIX_TOO_LONG,
            "has more than 15 digits",
            "A number has at most 15 digits with its country code; shorten the prefix.",
        ),
        (
            deck_kernels.PREFIX_EMPTY,
            "is empty",
            "Write the digits, or * for every number.",
        ),
    ):
        rows = np.flatnonzero(codes == code)
        texts = None if code == deck_kernels.PREFIX_EMPTY else filled
        deck.wrong_rows(rows, label, texts, problem, remedy)
    if (codes == deck_kernels.PREFIX_OK).all():
        return keys, filled
    bare = pc.utf8_ltrim(pc.utf8_trim_whitespace(filled), characters="+*")
    return keys, bare


def _timings(deck: DeckFile, context: DeckContext) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Give the timing of each row: codes into names."""
    names = list(context.timings)
    cells = deck.cells("timing")
    known = f"Timings of this tariff: {', '.join(names)}."
    if cells is None:
        if len(names) > 1:
            deck.mistakes.add(
                deck.rules.file, 0, "timing", None, "is not given and not the only one", known
            )
        return np.zeros(len(deck), dtype=np.int32), names
    texts = [text.strip() for text in cells.values.to_pylist()]
    to_name = np.array([names.index(t) if t in names else -1 for t in texts] + [-1], np.int32)
    bad = [code for code, text in enumerate(texts) if text not in names]
    deck.wrong_values(cells, bad, "is not a timing of this tariff", known)
    codes = to_name[cells.codes]
    if len(names) == 1:
        codes[cells.codes < 0] = 0
    else:
        empty = np.flatnonzero(cells.codes < 0)
        deck.wrong_rows(empty, cells.label, None, "is empty", known)
    return codes, names


def _check_interval(
    deck: DeckFile,
    context: DeckContext,
    active_from: npt.NDArray[np.int64],
    active_until: npt.NDArray[np.int64],
) -> None:
    """Refuse rows that end before they begin, or lie outside the tariff."""
    starts, ends = active_from != NO_INSTANT, active_until != NO_INSTANT
    empty = starts & ends & (active_from >= active_until)
    label = deck.label("effective_from")
    deck.wrong_rows(
        np.flatnonzero(empty),
        label,
        deck.cells("effective_from"),
        "is not before effective_until",
        "A row holds from its first moment until just before its last.",
    )
    late = np.zeros(len(deck), dtype=bool)
    if context.effective_until_ms is not None:
        late = starts & (active_from >= context.effective_until_ms)
    deck.wrong_rows(
        np.flatnonzero(late & ~empty),
        label,
        deck.cells("effective_from"),
        "is after the end of the tariff, so the row never wins",
        "Drop the row, or let the tariff end later.",
    )
    early = ends & (active_until <= context.effective_from_ms)
    deck.wrong_rows(
        np.flatnonzero(early & ~empty),
        deck.label("effective_until"),
        deck.cells("effective_until"),
        "is before the start of the tariff, so the row never wins",
        "Drop the row, or let the tariff start earlier.",
    )
