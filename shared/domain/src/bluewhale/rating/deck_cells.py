"""Cells of a deck as values: decimals, increments, moments, words.

Owns how the text of one kind of cell is read, each distinct text once, and the
mistakes that it may have. Which fields there are is `decks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating import deck_kernels
from bluewhale.rating.deck_reader import Cells, DeckFile
from bluewhale.rating.documents import read_decimal

YEAR_MIN, YEAR_MAX = 1970, 2999
INCREMENT_MS_MAX = 24 * 3_600_000
NO_INSTANT = np.iinfo(np.int64).min


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


def read_instants(deck: DeckFile, name: str, zone: str) -> npt.NDArray[np.int64]:
    """Give a column of moments as UTC milliseconds; NO_INSTANT = empty."""
    cells = deck.cells(name)
    if cells is None:
        return np.full(len(deck), NO_INSTANT, dtype=np.int64)
    rules = deck.rules
    found = np.full(len(cells.values) + 1, NO_INSTANT, dtype=np.int64)
    bad = []
    for code, text in enumerate(cells.values.to_pylist()):
        date_format = "" if cells.from_document else rules.date_format
        moment = read_instant(text, zone, date_format)
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


def instant_array(values: npt.NDArray[np.int64]) -> pa.Array:
    """Give UTC milliseconds as an Arrow column; NO_INSTANT becomes null."""
    missing = values == NO_INSTANT
    return pa.array(values, pa.int64(), mask=missing).cast(pa.timestamp("ms", tz="UTC"))


def read_words(
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


def read_whole_numbers(
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


def read_amounts(deck: DeckFile, name: str) -> pa.StringArray:
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


def decimal_text(numerator: int, scale: int) -> str:
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
