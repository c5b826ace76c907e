"""The columnar engine's door: billable spans in, ledger entries out.

Owns `rate_batch` and the layout of the entries; finding rows and pricing is
`pricing`, rules are told by `exact`. Entries come as all billables of the
first price list, in their order, then all of the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.book import NO_VERSION, PriceBook
from bluewhale.rating.compiled import RESTRICTED, SELECTION_WORDS, CompiledTariff
from bluewhale.rating.kernels import TEXT_MARGIN, prefix_text
from bluewhale.rating.pricing import REASONS, STATUSES, Priced, rate_spans
from bluewhale.rating.rounding import MODES, NANOS
from bluewhale.rating.spans import Int32, Int64, Spans, integers, one_array, read_spans
from bluewhale.records.enums import ChargeEntry, ChargeStatus, UnratedReason
from bluewhale.records.ids import charge_ids
from bluewhale.records.schemas import CHARGE_SCHEMA, ID, INSTANT, SEGMENT, WORD

_RATED: Final = STATUSES.index(ChargeStatus.RATED)
_FREE: Final = STATUSES.index(ChargeStatus.FREE)
_UNRATED: Final = STATUSES.index(ChargeStatus.UNRATED)
_NO_TARIFF: Final = REASONS.index(UnratedReason.NO_TARIFF)


def rate_batch(
    calls: pa.Table, billables: pa.Table, book: PriceBook, *, rated_at_ms: int
) -> pa.Table:
    """Price billable spans by every price list of the book.

    Parameters
    ----------
    calls
        CALL_SCHEMA; only call_id and version are read. Not modified.
    billables
        BILLABLE_SCHEMA, any order, `call_row` into calls. Not modified.
    book
        All price lists; the version in force at `start_at` prices a span.
    rated_at_ms
        Now, milliseconds since 1970.

    Returns
    -------
    pa.Table
        CHARGE_SCHEMA, `billables x price lists` rows; every one rated, free, or
        unrated with a reason.
    """
    spans = read_spans(billables)
    who = _Identity.read(calls, billables)
    tables = [
        _rate_list(spans, who, book, price_list, rated_at_ms) for price_list in book.price_lists
    ]
    return pa.concat_tables(tables) if tables else CHARGE_SCHEMA.empty_table()


def _rate_list(
    spans: Spans, who: _Identity, book: PriceBook, price_list: str, rated_at_ms: int
) -> pa.Table:
    """Price all spans by the versions of one price list, order kept."""
    if not len(spans):
        return CHARGE_SCHEMA.empty_table()
    only = book.only_version(price_list, int(spans.start_ms.min()), int(spans.start_ms.max()))
    if only is not None:
        return _rate_version(spans, who, book, price_list, only, rated_at_ms)
    numbers = book.in_force(price_list, spans.start_ms)
    order = np.argsort(numbers, kind="stable")
    tables = []
    for number in np.unique(numbers).tolist():
        rows = np.flatnonzero(numbers == number)
        tables.append(
            _rate_version(spans.take(rows), who.take(rows), book, price_list, number, rated_at_ms)
        )
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks().take(pa.array(back))


def _rate_version(
    spans: Spans,
    who: _Identity,
    book: PriceBook,
    price_list: str,
    number: int,
    rated_at_ms: int,
) -> pa.Table:
    if number == NO_VERSION:
        return _without_tariff(spans, who, price_list, rated_at_ms)
    tariff = book.compiled(number)
    return _charge_table(tariff, spans, rate_spans(tariff, spans), who, price_list, rated_at_ms)


@dataclass(frozen=True, slots=True)
class _Identity:
    """The columns of an entry that say whose it is; one row per span."""

    call_id: pa.Array
    call_version: Int32
    span: Int32
    payer: pa.Array
    start_at: pa.Array
    quantity: pa.Array
    answer_known: pa.Array

    @classmethod
    def read(cls, calls: pa.Table, billables: pa.Table) -> _Identity:
        """Look up the call of every billable."""
        call_row = integers(billables["call_row"], 0)[0]
        call_id = one_array(calls["call_id"])
        version = integers(calls["version"], 1)[0].astype(np.int32)
        every = len(call_row) == len(call_id) and bool(
            np.array_equal(call_row, np.arange(len(call_id)))
        )
        if not every:
            ids = np.frombuffer(call_id.buffers()[1], "V16")[
                call_id.offset : call_id.offset + len(call_id)
            ]
            call_id = pa.FixedSizeBinaryArray.from_buffers(
                ID, len(call_row), [None, pa.py_buffer(np.ascontiguousarray(ids[call_row]))]
            )
            version = version[call_row]
        return cls(
            call_id,
            version,
            integers(billables["span"], 0)[0].astype(np.int32),
            *(
                one_array(billables[name])
                for name in ("payer", "start_at", "quantity_ms", "answer_known")
            ),
        )

    def take(self, rows: Int64) -> _Identity:
        """Give some rows."""
        indices = pa.array(rows)
        return _Identity(
            self.call_id.take(indices),
            self.call_version[rows],
            self.span[rows],
            self.payer.take(indices),
            self.start_at.take(indices),
            self.quantity.take(indices),
            self.answer_known.take(indices),
        )


def _charge_table(
    tariff: CompiledTariff,
    spans: Spans,
    priced: Priced,
    who: _Identity,
    price_list: str,
    rated_at_ms: int,
) -> pa.Table:
    """Lay out the receipts of one version as entries."""
    version = tariff.version
    count = len(spans)
    matched = priced.row >= 0
    unrated = priced.status == _UNRATED
    lost = unrated | (priced.exact_bottom == 0)
    no_unrated = not bool(unrated.any())
    columns: dict[str, Any] = {
        "currency": _constant(count, version.currency),
        "tariff_uid": _constant(count, version.tariff_uid),
        "tariff_version": _filled(count, version.version, np.int32),
        "reason": _reasons(priced.reason, no_unrated),
        "amount_nanos": _plain(priced.amount),
        "rated_quantity_ms": _plain(priced.rated_ms),
        "prefix": _prefixes(spans, priced.row, priced.prefix_length, matched),
        "rate_row": _masked(priced.rate_row, matched, pa.int32()),
        "segments": _segments(priced),
        "connect_fee_nanos": _plain(priced.fee),
        "minimum_applied": _bits(priced.minimum_applied),
        "cap_applied": _bits(priced.cap_applied),
        "rounding_mode": pa.DictionaryArray.from_arrays(_plain(priced.mode), _word_list(MODES)),
        "rounding_places": _plain(priced.places),
        "exact_numerator": _masked(priced.exact_top, ~lost, pa.int64()),
        "exact_denominator": _masked(priced.exact_bottom, ~lost, pa.int64()),
        "exact": _exact_texts(count, priced.exact),
        "status": pa.DictionaryArray.from_arrays(
            _plain(priced.status.astype(np.int32)), _word_list(STATUSES)
        ),
    }
    return _entries(columns, count, who, price_list, rated_at_ms)


def _without_tariff(spans: Spans, who: _Identity, price_list: str, rated_at_ms: int) -> pa.Table:
    """Entries of spans at whose start no version was in force.

    An unanswered span, and one that would need a row of its class, is free as
    it is under a version without such a row; all others are unrated.
    """
    count = len(spans)
    word = spans.selection.translated(SELECTION_WORDS)
    free = ~spans.answered | ((word >= 0) & RESTRICTED[word])
    status = np.where(free, _FREE, _UNRATED).astype(np.int32)
    reason = np.where(free, -1, _NO_TARIFF).astype(np.int8)
    zeros = _plain(np.zeros(count, np.int64))
    columns: dict[str, Any] = {
        "reason": _reasons(reason, no_unrated=bool(free.all())),
        "amount_nanos": zeros,
        "rated_quantity_ms": zeros,
        "segments": pa.ListArray.from_arrays(
            _plain(np.zeros(count + 1, np.int32)), pa.array([], SEGMENT)
        ),
        "connect_fee_nanos": zeros,
        "minimum_applied": _bits(np.zeros(count, np.uint8)),
        "cap_applied": _bits(np.zeros(count, np.uint8)),
        "exact_numerator": _masked(np.zeros(count, np.int64), free, pa.int64()),
        "exact_denominator": _masked(np.full(count, NANOS, np.int64), free, pa.int64()),
        "status": pa.DictionaryArray.from_arrays(_plain(status), _word_list(STATUSES)),
    }
    return _entries(columns, count, who, price_list, rated_at_ms)


def _entries(
    columns: dict[str, Any], count: int, who: _Identity, price_list: str, rated_at_ms: int
) -> pa.Table:
    """Add the columns that every entry has; the rest is null."""
    entry = str(ChargeEntry.CHARGE)
    columns |= {
        "charge_id": charge_ids(who.call_id, who.call_version, who.span, price_list, entry),
        "call_id": who.call_id,
        "call_version": _plain(who.call_version),
        "span": _plain(who.span),
        "price_list": _constant(count, price_list),
        "payer": who.payer,
        "entry": _constant(count, entry),
        "rated_at": _filled(count, rated_at_ms, np.int64).view(INSTANT),
        "start_at": who.start_at,
        "quantity_ms": who.quantity,
        "answer_known": who.answer_known,
    }
    arrays = [
        columns[field.name] if field.name in columns else pa.nulls(count, field.type)
        for field in CHARGE_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=CHARGE_SCHEMA)


@lru_cache(maxsize=256)
def _word_list(words: tuple[str, ...]) -> pa.Array:
    return pa.array(words, pa.string())


def _constant(count: int, word: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(_plain(np.zeros(count, np.int32)), _word_list((word,)))


def _filled(count: int, value: int, dtype: npt.DTypeLike) -> pa.Array:
    return _plain(np.full(count, value, dtype))


def _plain(values: npt.NDArray[Any]) -> pa.Array:
    """Give a column without nulls over the memory of `values`.

    `pa.array` would look for pandas on every call, which costs more than the rest.
    """
    values = np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _bits(values: npt.NDArray[np.uint8]) -> pa.Array:
    """Give a boolean column; packing is cheaper than Arrow's conversion."""
    packed = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(packed)])


def _valid(mask: npt.NDArray[np.bool_]) -> pa.Buffer | None:
    """Give a validity bitmap, None where all is valid."""
    if bool(mask.all()):
        return None
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def _masked(values: npt.NDArray[Any], mask: npt.NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Give a column that is null where `mask` is false."""
    return pa.Array.from_buffers(
        kind, len(values), [_valid(mask), pa.py_buffer(np.ascontiguousarray(values))]
    )


def _reasons(codes: npt.NDArray[np.int8], no_unrated: bool) -> pa.Array:
    if no_unrated:
        return pa.nulls(len(codes), WORD)
    indices = _masked(codes.astype(np.int32), codes >= 0, pa.int32())
    return pa.DictionaryArray.from_arrays(indices, _word_list(REASONS))


def _prefixes(
    spans: Spans, row: Int32, lengths: npt.NDArray[np.int8], matched: npt.NDArray[np.bool_]
) -> pa.Array:
    """Give the matched prefixes: the first digits of each span's own number."""
    offsets = np.empty(len(row) + 1, np.int32)
    text = np.empty(int(lengths.max(initial=0)) * len(row) + TEXT_MARGIN, np.uint8)
    used = prefix_text(row, spans.key, lengths, offsets, text)
    return pa.Array.from_buffers(
        pa.string(),
        len(row),
        [_valid(matched), pa.py_buffer(offsets), pa.py_buffer(text[:used])],
    )


def _segments(priced: Priced) -> pa.Array:
    """Give the segments as one list column over flat columns."""
    low, high, blocks, top, bottom = (_plain(values) for values in priced.numbers)
    if priced.exact_rows:
        known = priced.numbers[4] != 0
        top = _masked(priced.numbers[3], known, pa.int64())
        bottom = _masked(priced.numbers[4], known, pa.int64())
    flat = pa.StructArray.from_arrays(
        [_plain(priced.window), _plain(priced.slot), low, high, blocks, top, bottom],
        fields=list(SEGMENT),
    )
    return pa.ListArray.from_arrays(_plain(priced.segment_end), flat).cast(
        CHARGE_SCHEMA.field("segments").type
    )


def _exact_texts(count: int, texts: dict[int, str]) -> pa.Array:
    if not texts:
        return pa.nulls(count, pa.string())
    return pa.array([texts.get(span) for span in range(count)], pa.string())
