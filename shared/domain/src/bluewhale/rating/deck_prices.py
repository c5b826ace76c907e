"""What each row of a deck costs: price, increments and fees per rate label.

Owns which column wins for a rate (its own before the general one) and making
schedules of them. The fields are those of `decks`; equal schedules are merged
by `deck_schedules`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.deck_cells import read_decimal_cells, read_increments, read_whole_numbers
from bluewhale.rating.deck_reader import DeckFile
from bluewhale.rating.deck_schedules import NO_CODE, NumberPool, ScheduleColumns, SpecCodes
from bluewhale.rating.tariff import Timing


@dataclass(frozen=True, slots=True)
class DeckContext:
    """What the document says that rows refer to.

    `schedules`: name -> index of the named schedules. Instants are UTC
    milliseconds.
    """

    zone: str
    timings: Mapping[str, Timing]
    schedules: Mapping[str, int]
    effective_from_ms: int
    effective_until_ms: int | None


@dataclass(frozen=True, slots=True)
class _LabelCodes:
    """One rate label of all rows.

    `rows` have a price of their own; `named` is the index of a named schedule,
    -1 elsewhere.
    """

    codes: SpecCodes
    rows: npt.NDArray[np.int64]
    named: npt.NDArray[np.int32]
    price_name: str


class RowSchedules:
    """Makes the schedules of one deck: price, increments and fees per rate label."""

    def __init__(self, deck: DeckFile, context: DeckContext, schedules: ScheduleColumns) -> None:
        self._deck = deck
        self._context = context
        self._schedules = schedules
        self._pool = NumberPool()
        self._decimals: dict[str, npt.NDArray[np.int32] | None] = {}
        self._increments: list[tuple[int, int]] = []
        self._increment_codes: dict[str, npt.NDArray[np.int32] | None] = {}

    def lists(
        self, timing_codes: npt.NDArray[np.int32], timing_names: Sequence[str]
    ) -> pa.ListArray:
        """Give for each row the schedule of each label of its timing."""
        context, deck = self._context, self._deck
        timings = [context.timings[name] for name in timing_names]
        labels = list(dict.fromkeys(label for timing in timings for label in timing.labels))
        uses = {
            label: np.array([label in timing.labels for timing in timings] + [False])[timing_codes]
            for label in labels
        }
        per_ms = self._per()
        index = self._index([self._label(label, uses[label], per_ms) for label in labels])
        widths = np.array([len(timing.labels) for timing in timings], dtype=np.int64)
        offsets = np.zeros(len(deck) + 1, dtype=np.int32)
        np.cumsum(widths[np.maximum(timing_codes, 0)], out=offsets[1:])
        flat = np.zeros(int(offsets[-1]), dtype=np.int32)
        for code, timing in enumerate(timings):
            rows = np.flatnonzero(np.maximum(timing_codes, 0) == code)
            for place, label in enumerate(timing.labels):
                flat[offsets[rows] + place] = np.maximum(index[labels.index(label)][rows], 0)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))

    def _index(self, parts: Sequence[_LabelCodes]) -> list[npt.NDArray[np.int32]]:
        """Make the schedules of all labels at once; give each row's, per label."""
        joined = SpecCodes(
            *(
                np.concatenate([getattr(part.codes, column)[part.rows] for part in parts])
                for column in ("price", "increments", "per", "fee", "minimum")
            )
        )
        made, too_big = self._schedules.add(
            joined,
            self._pool,
            self._increments,
            whole_duration=self._deck.rules.whole_duration,
            prices_attempts=self._deck.rules.prices_attempts,
        )
        found = []
        begin = 0
        for part in parts:
            result = part.named.copy()
            end = begin + len(part.rows)
            result[part.rows] = made[begin:end]
            self._deck.wrong_rows(
                part.rows[too_big[begin:end]],
                self._deck.label(part.price_name),
                self._deck.cells(part.price_name) if too_big.any() else None,
                "is so high that a call of 24 hours leaves the ledger",
                "Amounts up to 9,223,372,036 units fit; check price, per_seconds and connect_fee.",
            )
            found.append(result)
            begin = end
        return found

    def _label(
        self, label: str, used: npt.NDArray[np.bool_], per_ms: npt.NDArray[np.int64]
    ) -> _LabelCodes:
        """Give what makes the schedule of each row for one label."""
        deck = self._deck
        price, named = self._price_and_name(label, used)
        own = used & (price != NO_CODE)
        increments = self._first_of(self._increment_column, "increments", label)
        deck.wrong_rows(
            np.flatnonzero(own & (increments == NO_CODE)),
            "increments",
            None,
            "are not given",
            "Write initial/following seconds, e.g. 60/6, in a column or under `defaults`.",
        )
        return _LabelCodes(
            codes=SpecCodes(
                price=price,
                increments=increments,
                per=per_ms,
                fee=self._first_of(self._decimal_column, "connect_fee", label),
                minimum=self._first_of(self._decimal_column, "minimum_charge", label),
            ),
            rows=np.flatnonzero(own & (increments != NO_CODE)),
            named=named,
            price_name=f"price_{label}" if deck.has(f"price_{label}") else "price",
        )

    def _price_and_name(
        self, label: str, used: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Choose price or named schedule per row: the label's own column first."""
        deck = self._deck
        price = self._price_codes(f"price_{label}")
        named = self._named(f"schedule_{label}")
        self._refuse_both(used, price, named, f"price_{label}", f"schedule_{label}")
        undecided = (price == NO_CODE) & (named == NO_CODE)
        general_price, general_named = self._price_codes("price"), self._named("schedule")
        both = used & undecided
        self._refuse_both(both, general_price, general_named, "price", "schedule")
        price = np.where(undecided, general_price, price)
        named = np.where(undecided, general_named, named)
        absent = np.flatnonzero(used & (price == NO_CODE) & (named == NO_CODE))
        deck.wrong_rows(
            absent,
            deck.label(f"price_{label}") if deck.has(f"price_{label}") else "price",
            None,
            f'has no value for the rate "{label}"',
            f"Write a price or the name of a schedule (columns price_{label}, price, "
            f"schedule_{label} or schedule).",
        )
        return price, np.where(used, named, NO_CODE)

    def _refuse_both(
        self,
        used: npt.NDArray[np.bool_],
        price: npt.NDArray[np.int32],
        named: npt.NDArray[np.int32],
        price_name: str,
        schedule_name: str,
    ) -> None:
        rows = np.flatnonzero(used & (price != NO_CODE) & (named != NO_CODE))
        self._deck.wrong_rows(
            rows,
            self._deck.label(price_name),
            self._deck.cells(price_name) if len(rows) else None,
            f"and {schedule_name} are both given",
            "Keep one of them.",
        )

    def _first_of(
        self,
        read: Callable[[str], npt.NDArray[np.int32] | None],
        name: str,
        label: str,
    ) -> npt.NDArray[np.int32]:
        """Give the label's own codes where given, else the general ones."""
        own, general = read(f"{name}_{label}"), read(name)
        if own is not None and general is not None:
            return np.where(own == NO_CODE, general, own)
        given = own if own is not None else general
        return self._nothing() if given is None else given

    def _nothing(self) -> npt.NDArray[np.int32]:
        return np.full(len(self._deck), NO_CODE, dtype=np.int32)

    def _price_codes(self, name: str) -> npt.NDArray[np.int32]:
        codes = self._decimal_column(name)
        return self._nothing() if codes is None else codes

    def _decimal_column(self, name: str) -> npt.NDArray[np.int32] | None:
        """Give codes into the pool of numbers; None = no such column."""
        if name not in self._decimals:
            cells = self._deck.cells(name)
            codes = None
            if cells is not None:
                numerators, scales = read_decimal_cells(self._deck, cells)
                codes = self._pool.add(cells.codes, numerators, scales)
            self._decimals[name] = codes
        return self._decimals[name]

    def _increment_column(self, name: str) -> npt.NDArray[np.int32] | None:
        """Give codes into the list of (initial, following) increments."""
        if name not in self._increment_codes:
            cells = self._deck.cells(name)
            codes = None
            if cells is not None:
                base = len(self._increments)
                bad = []
                for code, text in enumerate(cells.values.to_pylist()):
                    pair = read_increments(text, self._deck.rules.decimal)
                    if pair is None:
                        bad.append(code)
                    self._increments.append(pair or (1_000, 1_000))
                self._deck.wrong_values(
                    cells,
                    bad,
                    "are not increments",
                    "Write initial/following seconds, each above 0 and at most a day, "
                    "e.g. 60/6 or 1.",
                )
                codes = np.where(cells.codes < 0, NO_CODE, cells.codes + np.int32(base))
            self._increment_codes[name] = codes
        return self._increment_codes[name]

    def _named(self, name: str) -> npt.NDArray[np.int32]:
        """Give the index of the named schedule per row; -1 = none named."""
        cells = self._deck.cells(name)
        if cells is None:
            return self._nothing()
        known = self._context.schedules
        texts = [text.strip() for text in cells.values.to_pylist()]
        bad = [code for code, text in enumerate(texts) if text not in known]
        listed = ", ".join(sorted(known)) or "none"
        self._deck.wrong_values(
            cells, bad, "is not a schedule of this tariff", f"Schedules of this tariff: {listed}."
        )
        to_index = np.array([known.get(text, 0) for text in texts] + [NO_CODE], dtype=np.int32)
        return to_index[cells.codes]

    def _per(self) -> npt.NDArray[np.int64]:
        """Give the time that a price is for, per row, in milliseconds; default a minute."""
        seconds = read_whole_numbers(self._deck, "per_seconds", 86_400, least=1)
        return np.where(seconds < 0, 60, seconds) * 1_000
