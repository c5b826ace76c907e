"""Delimited records (CSV): one quote-aware pass that keeps only the wanted columns.

Owns separators, quotes, column counts and integers of delimited records. Does
not own what a column means. A record is one framed line; a quoted field starts
and ends with a quote and holds a quote doubled (RFC 4180); elsewhere a quote is
an ordinary byte. `scan` is the columnar pass, `scan_one` its plain twin.

    layout = layout_of(("a", "b", "c"), texts=("a",), integers=("c",))
    scan(data, starts, ends, np.zeros(n, np.int32), (layout,)).ints[0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.dialects.engine.spans import Bytes, Positions, pooled
from bluewhale.records.enums import RejectReason
from bluewhale.records.memory import BLOCK_BYTES, count_ones, equal_mask, pointer, trailing_zeros

COMMA = 44
QUOTE = 34
MISSING = -(2**63)  # an integer column without a value, or that this file does not have
_MINUS = 45
_ZERO = 48
_NINE = 57
_DIGITS_MAX = 18

# Faults, in the order in which a left-to-right pass can meet them.
GOOD, TOO_FEW, TOO_MANY, UNTERMINATED, AFTER_QUOTE, NOT_INTEGER, NO_LAYOUT = range(7)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of one kind of file are wanted, and where they go.

    `names` are the columns in file order. `targets[i]` is 0 for a column that
    is skipped, k for text slot k - 1, -k for integer slot k - 1. A record has
    `count_min` to `count_max` columns.
    """

    names: tuple[str, ...]
    targets: npt.NDArray[np.int16]
    count_min: int
    count_max: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over n records found; slots first, so that a slot is a column.

    `starts`, `ends`: text slots x n, spans without the outer quotes; 0, 0 where
    the file has no such column. `ints`: integer slots x n, `MISSING` where
    empty. `counts`: columns met. `doubled`: a wanted text holds doubled quotes.
    `fault`, `fault_column` (0-based), `fault_position` (1-based byte).
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    ints: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int32]
    doubled: npt.NDArray[np.bool_]
    fault: npt.NDArray[np.int8]
    fault_column: npt.NDArray[np.int32]
    fault_position: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ScanFault:
    """Why one record cannot be split: fault code, column (0-based), byte (1-based)."""

    fault: int
    column: int
    position: int


@dataclass(frozen=True, slots=True)
class OneScan:
    """The wanted columns of one record: text without quotes, integers; None = empty."""

    texts: tuple[bytes | None, ...]
    ints: tuple[int | None, ...]
    count: int


def layout_of(
    names: Sequence[str],
    *,
    texts: Sequence[str],
    integers: Sequence[str],
    count_min: int | None = None,
) -> Layout:
    """Place the wanted columns by name; a name that is not there keeps its slot empty.

    `names` and the wanted names must be spelled alike (fold case before). Of a
    name that occurs twice the first column counts.
    """
    targets = np.zeros(len(names), np.int16)
    for slots, sign in ((texts, 1), (integers, -1)):
        for slot, name in enumerate(slots):
            if name in names:
                targets[list(names).index(name)] = sign * (slot + 1)
    least = len(names) if count_min is None else count_min
    return Layout(tuple(names), targets, least, len(names))


def scan(
    data: Bytes,
    starts: Positions,
    ends: Positions,
    layout_row: npt.NDArray[np.int32],
    layouts: Sequence[Layout],
    *,
    text_slots: int,
    int_slots: int,
    separator: int = COMMA,
) -> Scan:
    """Split all records, keeping the wanted columns.

    Nearly all records are quoted plainly and split by bits, 64 bytes a step;
    the few others go byte by byte.

    Parameters
    ----------
    data, starts, ends: records as framed; not modified.
    layout_row: per record the index into `layouts`; negative = none known,
        which is the fault `NO_LAYOUT`.
    text_slots, int_slots: how many slots the layouts use.
    """
    widest = max((layout.count_max for layout in layouts), default=1)
    targets = np.zeros((max(len(layouts), 1), widest), np.int16)
    wanted = np.zeros_like(targets)  # columns with a target, ascending
    limits = np.zeros((max(len(layouts), 1), 3), np.int32)
    for row, layout in enumerate(layouts):
        targets[row, : len(layout.targets)] = layout.targets
        columns = np.flatnonzero(layout.targets)
        wanted[row, : len(columns)] = columns
        limits[row] = layout.count_min, layout.count_max, len(columns)
    n = len(starts)
    spans = pooled(2 * text_slots * n, np.int64).reshape(2, text_slots, n)
    ints = pooled(int_slots * n, np.int64).reshape(int_slots, n)
    for slot in range(text_slots):
        if not all((layout.targets == slot + 1).any() for layout in layouts):
            spans[:, slot] = 0
    for slot in range(int_slots):
        if not all((layout.targets == -slot - 1).any() for layout in layouts):
            ints[slot] = MISSING
    counts = np.zeros(n, np.int32)
    doubled = np.zeros(n, np.bool_)
    fault = np.zeros(n, np.int8)
    place = np.zeros((2, n), np.int32)
    careful = _scan_plain(
        data, starts, ends, layout_row, targets, wanted, limits, separator,
        spans[0], spans[1], ints, counts, np.empty(widest + BLOCK_BYTES + 2, np.int64),
    )  # fmt: skip
    if len(careful):
        _scan(
            data, starts, ends, layout_row, careful, targets, limits, separator,
            spans[0], spans[1], ints, counts, doubled, fault, place[0], place[1],
        )  # fmt: skip
    return Scan(spans[0], spans[1], ints, counts, doubled, fault, place[0], place[1])


@numba.njit(nogil=True, cache=True)
def _field_ends(
    data: Bytes,
    length: int,
    first: int,
    end: int,
    separator: np.uint8,
    wanted: int,
    count_max: int,
    stops: Positions,
) -> int:
    """Find where the fields of a record end, 64 bytes a step. Returns their count.

    0 says that the record needs the careful pass: a quote that neither opens nor
    closes a whole field, or more than `count_max` fields. `length` is that of
    `data`. Only the first `wanted` + 1 ends are needed; `stops` has room for 64 more. Bits below are bytes of a block, the lowest comes first.
    """
    if first + (end - first + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES > length:
        return 0
    one = np.uint64(1)
    last_bit = np.uint64(63)
    count = 0
    quoted = np.uint64(0)  # all ones: a quoted field goes on from the block before
    opens = one  # the byte before the block is a separator
    closes = np.uint64(0)  # the byte before the block closes a quoted field
    wrong = np.uint64(0)
    for at in range(first, end, BLOCK_BYTES):
        quotes = equal_mask(data, at, QUOTE)
        separators = equal_mask(data, at, separator)
        beyond = np.uint64(0)
        if end - at < BLOCK_BYTES:
            beyond = one << np.uint64(end - at)
            quotes &= beyond - one
            separators &= beyond - one
        inside = quotes  # a bit is set from an opening quote to before its closing one
        for shift in (1, 2, 4, 8, 16, 32):
            inside ^= inside << np.uint64(shift)
        inside ^= quoted
        separators &= ~inside
        closing = quotes & ~inside
        wrong |= quotes & inside & ~((separators << one) | opens)
        wrong |= ((closing << one) | closes) & ~(separators | beyond)
        quoted = np.uint64(0) - (inside >> last_bit)
        opens = separators >> last_bit
        closes = closing >> last_bit
        if count > wanted:
            count += count_ones(separators)
            continue
        while separators:
            stops[count] = at + np.int64(trailing_zeros(separators))
            count += 1
            separators &= separators - one
    if count <= wanted:
        stops[count] = end
    count += 1
    return 0 if wrong or quoted or count > count_max else count


@numba.njit(nogil=True, cache=True)
def _scan_plain(
    records: Bytes,
    starts: Positions,
    ends: Positions,
    layout_row: npt.NDArray[np.int32],
    targets: npt.NDArray[np.int16],
    wanted: npt.NDArray[np.int16],
    limits: npt.NDArray[np.int32],
    separator: np.uint8,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int32],
    field_ends: Positions,
) -> Positions:
    """Scan the records without fault or doubled quote. Returns the rows of all others.

    `limits`: least and most columns, count of `wanted` ones, by layout.
    `field_ends` is scratch, as `_field_ends` needs it.
    """
    n = len(starts)
    widest = targets.shape[1]
    data, stops = pointer(records), pointer(field_ends)
    target_of, columns = pointer(targets), pointer(wanted)
    firsts, lasts, numbers = pointer(text_starts), pointer(text_ends), pointer(ints)
    others = np.empty(n, np.int64)
    other_count = 0
    for row in range(n):
        layout = layout_row[row]
        count = 0
        if layout >= 0:
            base = layout * widest
            wanted_count = limits[layout, 2]
            last_column = columns[base + wanted_count - 1] if wanted_count else -1
            count = _field_ends(
                data,
                len(records),
                starts[row],
                ends[row],
                separator,
                last_column,
                limits[layout, 1],
                stops,
            )
        good = count > 0 and count >= limits[layout, 0]
        if good:
            counts[row] = count
            for k in range(wanted_count):
                column = columns[base + k]
                target = target_of[base + column]
                first = np.uint64(0)
                last = np.uint64(0)
                if column < count:
                    first = np.uint64(stops[column - 1] + 1 if column else starts[row])
                    last = np.uint64(stops[column])
                    if first < last and data[first] == QUOTE:
                        first += np.uint64(1)
                        last -= np.uint64(1)
                if target > 0:
                    firsts[(target - 1) * n + row] = first
                    lasts[(target - 1) * n + row] = last
                elif last > first:
                    value, is_integer = _digits(data, first, last)
                    numbers[(-target - 1) * n + row] = value
                    good &= is_integer
                else:
                    numbers[(-target - 1) * n + row] = MISSING
        if not good:
            others[other_count] = row
            other_count += 1
    return others[:other_count]


@numba.njit(nogil=True, cache=True)
def _empty_row(
    row: int,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
) -> None:
    """Say that no field of a record was met."""
    text_starts[:, row] = 0
    text_ends[:, row] = 0
    ints[:, row] = MISSING


@numba.njit(nogil=True, cache=True)
def _scan(
    data: Bytes,
    starts: Positions,
    ends: Positions,
    layout_row: npt.NDArray[np.int32],
    rows: Positions,
    targets: npt.NDArray[np.int16],
    limits: npt.NDArray[np.int32],
    separator: int,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int32],
    doubled: npt.NDArray[np.bool_],
    fault: npt.NDArray[np.int8],
    fault_column: npt.NDArray[np.int32],
    fault_position: npt.NDArray[np.int32],
) -> None:
    """Fill the arrays of `Scan` byte by byte; the first fault of a record ends its pass."""
    comma = np.uint8(separator)
    quote = np.uint8(QUOTE)
    one = np.uint64(1)  # unsigned positions: no check for negative ones in the inner loops
    for row in rows:
        _empty_row(row, text_starts, text_ends, ints)
        layout = layout_row[row]
        if layout < 0:
            fault[row] = NO_LAYOUT
            continue
        base = starts[row]
        at = np.uint64(base)
        end = np.uint64(ends[row])
        column = 0
        wrong = GOOD
        count_max = limits[layout, 1]
        while True:
            begun = at
            if column == count_max:
                wrong = TOO_MANY
                break
            first = at
            twice = False
            if at < end and data[at] == quote:
                at += one
                first = at
                while True:
                    while at < end and data[at] != quote:
                        at += one
                    if at + one < end and data[at + one] == quote:
                        twice = True
                        at += one + one
                        continue
                    break
                last = at
                if at >= end:
                    wrong = UNTERMINATED
                    break
                at += one
                if at < end and data[at] != comma:
                    wrong = AFTER_QUOTE
                    begun = at
                    break
            else:
                while at < end and data[at] != comma:
                    at += one
                last = at
            target = targets[layout, column]
            if target > 0:
                text_starts[target - 1, row] = first
                text_ends[target - 1, row] = last
                doubled[row] |= twice
            elif target < 0 and last > first:
                value, good = _digits(data, first, last)
                if not good:
                    wrong = NOT_INTEGER
                    begun = first
                    break
                ints[-target - 1, row] = value
            column += 1
            if at >= end:
                if column < limits[layout, 0]:
                    wrong = TOO_FEW
                    begun = end
                break
            at += one
        counts[row] = column
        if wrong != GOOD:
            fault[row] = wrong
            fault_column[row] = column
            fault_position[row] = np.int64(begun) - base + 1


@numba.njit(nogil=True, cache=True, inline="always")
def _digits(data: Bytes, first: Any, last: Any) -> tuple[Any, Any]:
    """Read a signed integer of at most 18 digits from a span that is not empty."""
    at = first
    one = np.uint64(1)
    value = np.int64(data[at]) - _ZERO
    if last - first == one:  # most integers of a record are 0
        return value, 0 <= value <= 9
    negative = data[at] == _MINUS
    if negative:
        at += one
    good = last - at <= np.uint64(_DIGITS_MAX)
    value = np.int64(0)
    while at < last:
        digit = np.int64(data[at]) - _ZERO
        good &= 0 <= digit <= 9
        value = value * 10 + digit
        at += one
    return (-value if negative else value), good


def scan_one(
    record: bytes, layout: Layout | None, *, separator: int = COMMA
) -> OneScan | ScanFault:
    """Split one record; the plain twin of `scan`."""
    if layout is None:
        return ScanFault(NO_LAYOUT, 0, 0)
    texts: list[bytes | None] = [None] * int(max(layout.targets, default=0))
    ints: list[int | None] = [None] * int(max(-layout.targets, default=0))
    pieces, fault = split_record(record, separator=separator)
    for column, (position, text, quoted) in enumerate(pieces):
        if column == layout.count_max:
            return ScanFault(TOO_MANY, column, position - quoted)
        target = int(layout.targets[column])
        if target > 0:
            texts[target - 1] = text or None
        elif target < 0 and text:
            value = _integer(text)
            if value is None:
                return ScanFault(NOT_INTEGER, column, position)
            ints[-target - 1] = value
    if fault is not None:
        if fault.column == layout.count_max:
            return ScanFault(TOO_MANY, fault.column, _opening(record, pieces))
        return fault
    if len(pieces) < layout.count_min:
        return ScanFault(TOO_FEW, len(pieces), len(record) + 1)
    return OneScan(tuple(texts), tuple(ints), len(pieces))


def split_record(
    record: bytes, *, separator: int = COMMA
) -> tuple[list[tuple[int, bytes, bool]], ScanFault | None]:
    """Split a record into (1-based position, text without quotes, quoted), and the fault that ended it."""
    pieces: list[tuple[int, bytes, bool]] = []
    at = 0
    while True:
        quoted = record[at : at + 1] == b'"'
        if quoted:
            stop = at + 1
            while (stop := record.find(b'"', stop)) >= 0 and record[stop + 1 : stop + 2] == b'"':
                stop += 2
            if stop < 0:
                return pieces, ScanFault(UNTERMINATED, len(pieces), at + 1)
            if stop + 1 < len(record) and record[stop + 1] != separator:
                return pieces, ScanFault(AFTER_QUOTE, len(pieces), stop + 2)
            pieces.append((at + 2, record[at + 1 : stop].replace(b'""', b'"'), True))
            at = stop + 1
        else:
            stop = record.find(separator.to_bytes(1, "big"), at)
            stop = len(record) if stop < 0 else stop
            pieces.append((at + 1, record[at:stop], False))
            at = stop
        if at >= len(record):
            return pieces, None
        at += 1


def piece_span(piece: tuple[int, bytes, bool]) -> tuple[int, int]:
    """Give where the text of a piece of `split_record` stands in the record, half open."""
    position, text, quoted = piece
    return position - 1, position - 1 + len(text) + (text.count(b'"') if quoted else 0)


def _opening(record: bytes, pieces: list[tuple[int, bytes, bool]]) -> int:
    """Give the 1-based byte where the field after `pieces` begins."""
    position, text, quoted = pieces[-1]
    length = len(text) + (text.count(b'"') + 1 if quoted else 0)
    return position + length + 1


def _integer(text: bytes) -> int | None:
    """Read a signed integer of at most 18 digits."""
    digits = text[1:] if text[:1] == b"-" else text
    if (
        not digits
        or len(digits) > _DIGITS_MAX
        or not all(_ZERO <= byte <= _NINE for byte in digits)
    ):
        return None
    return -int(digits) if text[:1] == b"-" else int(digits)


def fault_reject(fault: ScanFault, layout: Layout | None) -> Reject:
    """Say a fault in the words of suspense: reason, field, position, expectation."""
    names = layout.names if layout else ()
    name = names[fault.column] if fault.column < len(names) else ""
    position = f"byte {fault.position}"
    if fault.fault == NO_LAYOUT:
        return Reject(
            RejectReason.CONTEXT_MISSING, expected="a header line with column names before it"
        )
    if fault.fault == NOT_INTEGER:
        return Reject(RejectReason.FIELD_MALFORMED, name, position, "an integer")
    if fault.fault == AFTER_QUOTE:
        return Reject(RejectReason.FIELD_MALFORMED, name, position, "a separator after the quote")
    if fault.fault == UNTERMINATED:
        return Reject(RejectReason.RECORD_TRUNCATED, name, position, "a closing quote")
    assert layout is not None, "only a layout can count columns"
    wanted = (
        f"{layout.count_max} columns"
        if layout.count_min == layout.count_max
        else f"{layout.count_min} to {layout.count_max} columns"
    )
    if fault.fault == TOO_FEW:
        return Reject(
            RejectReason.RECORD_TRUNCATED, name, position, f"{wanted}, found {fault.column}"
        )
    return Reject(RejectReason.NOT_THIS_FORMAT, "", position, f"{wanted}, found more")
