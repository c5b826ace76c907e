"""A rate deck: cells -> rows of `RATE_DECK_SCHEMA` and schedules, as columns.

Owns what a cell means, which fields a deck has, and every check of one row. A
million rows are read by column operations: each distinct text is looked at
once, and equal price, increments and fees make one schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating import deck_kernels
from bluewhale.rating.deck_reader import Cells, DeckFile, DeckRules, read_deck_file
from bluewhale.rating.deck_schedules import NO_CODE, NumberPool, ScheduleColumns, SpecCodes
from bluewhale.rating.documents import read_decimal
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

YEAR_MIN, YEAR_MAX = 1970, 2999
INCREMENT_MS_MAX = 24 * 3_600_000

DecimalText = str


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
    lists = _Schedules(deck, context, schedules).lists(timing_codes, timing_names)
    active_from = _instants(deck, "effective_from", context)
    active_until = _instants(deck, "effective_until", context)
    _check_interval(deck, context, active_from, active_until)
    places = _whole_numbers(deck, "rounding_places", PLACES_MAX)
    columns: dict[str, pa.Array] = {
        "prefix": prefix,
        "timing": pa.DictionaryArray.from_arrays(
            pa.array(np.maximum(timing_codes, 0), pa.int32()), pa.array(timing_names, pa.string())
        ),
        "schedules": lists,
        "destination": _words(deck, "destination"),
        "carrier": _words(deck, "carrier"),
        "trunk_group": _words(deck, "trunk_group"),
        "call_class": _words(deck, "call_class", SELECTABLE_CLASSES),
        "subscriber": _words(deck, "subscriber"),
        "active_from": _instant_array(active_from),
        "active_until": _instant_array(active_until),
        "rounding_mode": _words(deck, "rounding_mode", ROUNDING_MODES),
        "rounding_places": pa.array(places, pa.int32(), mask=places < 0),
        "max_cost": _amounts(deck, "max_cost"),
        "max_cost_action": _words(deck, "max_cost_action", CAP_ACTIONS, default="cap"),
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


class _Schedules:
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
        seconds = _whole_numbers(self._deck, "per_seconds", 86_400, least=1)
        return np.where(seconds < 0, 60, seconds) * 1_000


def read_decimal_cells(
    deck: DeckFile, cells: Cells
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read decimals of a column exactly; what is none is a mistake and reads as 0."""
    data, offsets = text_buffers(cells.values)
    count = len(cells.values)
    numerators = np.empty(count, dtype=np.int64)
    scales = np.empty(count, dtype=np.int64)
    codes = np.empty(count, dtype=np.int8)
    # a default stands in the document, where the mark is always a point
    mark = "." if cells.from_document else deck.rules.decimal
    deck_kernels.read_decimals(data, offsets, ord(mark), numerators, scales, codes)
    for code, problem, remedy in (
        (
            deck_kernels.DECIMAL_MALFORMED,
            "is not a decimal number",
            f'Write digits with "{mark}" as decimal mark and no currency sign.',
        ),
        (
            deck_kernels.DECIMAL_NEGATIVE,
            "is negative",
            "Prices and fees are 0 or more; give money back by a correction.",
        ),
        (
            deck_kernels.DECIMAL_TOO_FINE,
            f"has more than {deck_kernels.DECIMALS_MAX} decimals",
            "Round it in the deck, or raise per_seconds and the price with it.",
        ),
        (
            deck_kernels.DECIMAL_TOO_BIG,
            "has too many digits",
            "A price has at most 18 digits in all; check the decimal mark.",
        ),
    ):
        deck.wrong_values(cells, list(np.flatnonzero(codes == code)), problem, remedy)
    return numerators, scales


def read_increments(text: str, decimal: str) -> tuple[int, int] | None:
    """Read "60/6" or "60" into milliseconds; None where it is anything else."""
    parts = text.replace(decimal, ".").split("/")
    if len(parts) not in {1, 2}:
        return None
    found = []
    for part in parts:
        seconds = read_decimal(part.strip())
        if seconds is None:
            return None
        ms = seconds * 1_000
        if ms != int(ms) or not 0 < ms <= INCREMENT_MS_MAX:
            return None
        found.append(int(ms))
    return found[0], found[-1]


def read_instant(text: str, zone: str, date_format: str = "") -> datetime | None:
    """Read a date or moment; without an offset it is local time of `zone`.

    A date is the start of that day. None where it is anything else.
    """
    text = text.strip()
    try:
        if date_format:
            moment = datetime.strptime(text, date_format)  # noqa: DTZ007  the zone follows
        elif len(text) == len("2026-01-31"):
            moment = datetime.combine(date.fromisoformat(text), time())
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        return None
    return moment.replace(tzinfo=ZoneInfo(zone)) if moment.tzinfo is None else moment


def _instants(deck: DeckFile, name: str, context: DeckContext) -> npt.NDArray[np.int64]:
    """Give a column of moments as UTC milliseconds; NaT (the least int64) = empty."""
    missing = np.iinfo(np.int64).min
    cells = deck.cells(name)
    if cells is None:
        return np.full(len(deck), missing, dtype=np.int64)
    rules = deck.rules
    found = np.full(len(cells.values) + 1, missing, dtype=np.int64)
    bad = []
    for code, text in enumerate(cells.values.to_pylist()):
        date_format = "" if cells.from_document else rules.date_format
        moment = read_instant(text, context.zone, date_format)
        if moment is None:
            bad.append(code)
            continue
        if name == "effective_until" and rules.until_is_last_day:
            moment += timedelta(days=1)
        found[code] = instant_ms(moment)
    wanted = f"as {rules.date_format}" if rules.date_format else "as 2026-01-31 or 2026-01-31T08:00"
    deck.wrong_values(
        cells, bad, "is not a date", f"Write it {wanted}; name other forms by `date_format`."
    )
    return found[cells.codes]


def instant_ms(moment: datetime) -> int:
    """Give a moment as milliseconds since 1970, UTC."""
    return int(moment.timestamp() * 1_000)


def _instant_array(values: npt.NDArray[np.int64]) -> pa.Array:
    missing = values == np.iinfo(np.int64).min
    return pa.array(values, pa.int64(), mask=missing).cast(pa.timestamp("ms", tz="UTC"))


def _check_interval(
    deck: DeckFile,
    context: DeckContext,
    active_from: npt.NDArray[np.int64],
    active_until: npt.NDArray[np.int64],
) -> None:
    """Refuse rows that end before they begin, or lie outside the tariff."""
    missing = np.iinfo(np.int64).min
    starts, ends = active_from != missing, active_until != missing
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


def _words(
    deck: DeckFile, name: str, known: Iterable[str] = (), *, default: str | None = None
) -> pa.DictionaryArray:
    """Give a column of words, checked against `known` where given."""
    cells = deck.cells(name)
    if cells is None:
        codes = np.full(len(deck), 0 if default is not None else -1, dtype=np.int32)
        values = [default or ""]
    else:
        values = [text.strip() for text in cells.values.to_pylist()]
        words = [str(word) for word in known]
        if words:
            bad = [code for code, text in enumerate(values) if text not in words]
            deck.wrong_values(cells, bad, "is not known", f"Write one of: {', '.join(words)}.")
        codes = cells.codes
        if default is not None:
            codes = np.where(codes < 0, np.int32(len(values)), codes)
            values.append(default)
    indices = pa.array(codes, pa.int32(), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _whole_numbers(
    deck: DeckFile, name: str, most: int, *, least: int = 0
) -> npt.NDArray[np.int64]:
    """Give a column of whole numbers from `least` to `most`; -1 = empty."""
    cells = deck.cells(name)
    if cells is None:
        return np.full(len(deck), -1, dtype=np.int64)
    found = np.full(len(cells.values) + 1, -1, dtype=np.int64)
    bad = []
    for code, text in enumerate(cells.values.to_pylist()):
        number = read_decimal(text.strip())
        if number is None or number != int(number) or not least <= number <= most:
            bad.append(code)
        else:
            found[code] = int(number)
    deck.wrong_values(
        cells,
        bad,
        f"is not a whole number from {least} to {most}",
        "Correct it, or leave the cell empty.",
    )
    return found[cells.codes]


def _amounts(deck: DeckFile, name: str) -> pa.StringArray:
    """Give a column of amounts as exact decimal text."""
    cells = deck.cells(name)
    if cells is None:
        return pa.nulls(len(deck), pa.string())
    numerators, scales = read_decimal_cells(deck, cells)
    texts = [
        decimal_text(int(number), int(scale))
        for number, scale in zip(numerators, scales, strict=True)
    ]
    indices = pa.array(cells.codes, pa.int32(), mask=cells.codes < 0)
    return pa.array(texts, pa.string()).take(indices)


def decimal_text(numerator: int, scale: int) -> DecimalText:
    """Give numerator / 10^scale as plain decimal text."""
    return f"{Decimal(numerator).scaleb(-scale):f}"


def text_buffers(
    texts: pa.StringArray,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Give the bytes and offsets of a text column without nulls."""
    assert texts.null_count == 0
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if data is None:
        return np.empty(0, dtype=np.uint8), bounds
    return np.frombuffer(data, dtype=np.uint8), bounds
