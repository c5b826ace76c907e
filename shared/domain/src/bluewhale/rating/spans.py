"""Billable spans as arrays: what the kernels read of BILLABLE_SCHEMA.

Owns the translation from Arrow columns to codes and integers. The class that a
span has for selection is defined in `exact`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.compiled import NEVER, SELECTION_WORDS
from bluewhale.rating.exact import RatingInput, selection_class
from bluewhale.rating.prefixes import DIGITS, left_align_numbers

NO_START: Final = -(2**61)

Bools = npt.NDArray[np.bool_]
Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Words:
    """A column of words: codes (-1 = null) into a list; length 1 holds for all."""

    codes: Int32
    words: tuple[str, ...]

    def translated(self, known: tuple[str, ...]) -> Int32:
        """Give the codes in another list; a word it lacks becomes NEVER."""
        place = {word: number for number, word in enumerate(known)}
        table = np.array([*(place.get(word, NEVER) for word in self.words), NEVER], np.int32)
        return table[self.codes]

    def at(self, span: int) -> str | None:
        """Give the word of one span."""
        code = int(self.codes[span if len(self.codes) > 1 else 0])
        return None if code < 0 else self.words[code]

    def take(self, rows: Int64) -> Words:
        """Give the codes of some rows."""
        return Words(self.codes[rows], self.words) if len(self.codes) > 1 else self


NO_WORDS: Final = Words(np.array([-1], np.int32), ())


@dataclass(frozen=True, slots=True)
class Spans:
    """Billable spans as arrays, one entry each; what both kernels read.

    `key` is the number left-aligned to 15 digits, `digits` its length (-1 = not
    normalised). `quantity_ms` -1 = not known. `selection` is the class word for
    selectors. `fee_due` of length 1 holds for all.
    """

    key: Int64
    digits: Int8
    start_ms: Int64
    quantity_ms: Int64
    answered: Bools
    selection: Words = NO_WORDS
    carrier: Words = NO_WORDS
    trunk_group: Words = NO_WORDS
    subscriber: Words = NO_WORDS
    fee_due: Bools = field(default_factory=lambda: np.array([True]))

    def __len__(self) -> int:
        """Count of spans."""
        return len(self.key)

    def take(self, rows: Int64) -> Spans:
        """Give some spans."""
        return Spans(
            self.key[rows],
            self.digits[rows],
            self.start_ms[rows],
            self.quantity_ms[rows],
            self.answered[rows],
            self.selection.take(rows),
            self.carrier.take(rows),
            self.trunk_group.take(rows),
            self.subscriber.take(rows),
            self.fee_due[rows] if len(self.fee_due) > 1 else self.fee_due,
        )

    def one(self, span: int) -> RatingInput:
        """Give one span as the exact engine reads it."""
        digits = int(self.digits[span])
        quantity = int(self.quantity_ms[span])
        return RatingInput(
            start_at_ms=int(self.start_ms[span]),
            quantity_ms=None if quantity < 0 else quantity,
            digits=None if digits < 0 else str(int(self.key[span])).zfill(DIGITS)[:digits],
            answered=bool(self.answered[span]),
            call_class=self.selection.at(span),
            carrier=self.carrier.at(span),
            trunk_group=self.trunk_group.at(span),
            subscriber=self.subscriber.at(span),
            connect_fee_due=bool(self.fee_due[span if len(self.fee_due) > 1 else 0]),
        )


def read_spans(billables: pa.Table) -> Spans:
    """Give the columns of BILLABLE_SCHEMA that rating reads, order kept.

    A span without a start has `NO_START`: no version is in force then.
    """
    count = billables.num_rows
    numbers, has_number = integers(billables["rated_e164"], 0)
    if has_number is not None:
        numbers = np.where(has_number, numbers, 0)
    key = np.empty(count, np.int64)
    digits = np.empty(count, np.int8)
    left_align_numbers(numbers, key, digits)
    return Spans(
        key=key,
        digits=digits,
        start_ms=integers(billables["start_at"], NO_START)[0],
        quantity_ms=integers(billables["quantity_ms"], -1)[0],
        answered=bools(billables["answered"]),
        selection=_selection(words(billables["direction"]), words(billables["class"])),
        carrier=words(billables["carrier"]),
        trunk_group=words(billables["trunk_group"]),
        subscriber=words(billables["subscriber"]),
    )


def _selection(direction: Words, call_class: Words) -> Words:
    """Combine direction and class by a small table of their words."""
    table = [
        selection_class(a, b) for a in (*direction.words, None) for b in (*call_class.words, None)
    ]
    codes = np.array([-1 if w is None else _selection_code(w) for w in table], np.int32)
    width = len(call_class.words) + 1
    rows = len(direction.words)
    left = np.where(direction.codes < 0, rows, direction.codes)
    right = np.where(call_class.codes < 0, width - 1, call_class.codes)
    return Words(codes[left * width + right], SELECTION_WORDS)


def _selection_code(word: str) -> int:
    return SELECTION_WORDS.index(word) if word in SELECTION_WORDS else NEVER


def integers(column: pa.ChunkedArray, missing: int) -> tuple[Int64, Bools | None]:
    """Give an int64 or instant column with nulls replaced, and its validity."""
    array = one_array(column)
    valid = None
    if not pa.types.is_int64(array.type):
        array = array.cast(pa.int64()) if pa.types.is_integer(array.type) else array.view("int64")
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        array = array.fill_null(missing)
    return array.to_numpy(zero_copy_only=False), valid


def bools(column: pa.ChunkedArray) -> Bools:
    """Give a boolean column; null is false."""
    array = one_array(column)
    if array.null_count:
        array = array.fill_null(False)
    return array.to_numpy(zero_copy_only=False)


def words(column: pa.ChunkedArray) -> Words:
    """Give a column of words; a column without any value has length 1."""
    array = one_array(column)
    if array.null_count == len(array):
        return NO_WORDS
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return Words(codes, tuple(array.dictionary.to_pylist()))


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Give a column of a table as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks()
