r"""Framing in bulk: a buffer of bytes to the spans of its records.

Owns the columnar twin of `bluewhale.capture.Framer`; a property test holds the
two equal. Owns no table: each dialect declares its own.

Example: `frame_buffer(np.frombuffer(b"a\r\nb\r\n", np.uint8), FramingTable(),
final=True)` gives two records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.capture import Framer, FramingTable
from bluewhale.dialects.engine.spans import Bytes, Positions
from bluewhale.records.memory import BLOCK_BYTES, equal_mask, pointer, trailing_zeros

_META = frozenset(b"\\.^$*+?{}[]|()")
_QUANTIFIERS = frozenset(b"*?{")


@dataclass(frozen=True, slots=True)
class Framed:
    """The records of a buffer as spans, in order.

    Record i is `data[starts[i]:ends[i]]`. `data` is the buffer that was given,
    or a rebuilt one where a record has several physical lines: always take it
    from here. `context_row` indexes `contexts`, -1 = none known. `date_lines`
    counts the date lines of this buffer before each record (the occurrence count
    `n` starts over where it steps), `date_lines_total` all of them. `context` is the state to pass with the next bytes;
    `consumed_bytes` is where those begin in the buffer that was given;
    `mid_line` says that they continue a line that was too long and was cut.
    """

    data: Bytes
    starts: Positions
    ends: Positions
    context_row: npt.NDArray[np.int32]
    contexts: tuple[bytes, ...]
    consumed_bytes: int
    context: dict[str, bytes]
    date_lines: npt.NDArray[np.int32]
    mid_line: bool = False
    date_lines_total: int = 0


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Skip and context patterns with what a kernel can test before a regex."""

    compiled: tuple[tuple[str | None, re.Pattern[bytes], bool], ...]
    order: tuple[str, ...]
    length_min: Positions
    length_max: Positions
    prefixes: Bytes
    prefix_offsets: Positions


def frame_buffer(
    data: Bytes,
    table: FramingTable,
    *,
    context: Mapping[str, bytes] | None = None,
    final: bool,
    mid_line: bool = False,
) -> Framed:
    """Frame a buffer of one connection or file.

    Parameters
    ----------
    data: bytes from the end of the last complete record on.
    context, mid_line: as `Framed` of the bytes before gave them; a new connection
        or file begins with the defaults.
    final: nothing follows; an unterminated last line is a record as well.

    Returns
    -------
    Framed; what stands after the last separator is not consumed unless final.
    """
    if table.continuation or table.lines_per_record > 1:
        return _frame_many_lines(data, table, dict(context or {}), final=final)
    line_starts, line_ends, consumed, unfinished = _lines(data, table, final=final)
    patterns = _patterns(table)
    cut_first = mid_line and len(line_starts) > 0
    starts, ends, candidate = _strip_lines(
        data,
        line_starts,
        line_ends,
        _byte_set(table.strip_left),
        _byte_set(table.strip_right),
        table.record_length_max_bytes,
        cut_first,
        unfinished,
        patterns.length_min,
        patterns.length_max,
        patterns.prefixes,
        patterns.prefix_offsets,
    )
    state = dict(context or {})
    walk = _walk_candidates(data, starts, ends, np.flatnonzero(candidate), patterns, state)
    if walk.dropped:
        keep = np.ones(len(starts), dtype=np.bool_)
        keep[walk.dropped] = False
        positions = np.flatnonzero(keep)
        starts, ends = starts[positions], ends[positions]
    else:
        positions = np.arange(len(starts))
    context_row = np.asarray(walk.rows, dtype=np.int32)[
        np.searchsorted(np.asarray(walk.row_from), positions, side="right") - 1
    ]
    date_lines = np.searchsorted(np.asarray(walk.resets, dtype=np.int64), positions)
    return Framed(
        data,
        starts,
        ends,
        context_row,
        tuple(walk.contexts),
        consumed,
        state,
        date_lines.astype(np.int32),
        unfinished or (mid_line and not consumed),
        len(walk.resets),
    )


def _frame_many_lines(
    data: Bytes, table: FramingTable, context: dict[str, bytes], *, final: bool
) -> Framed:
    """Frame records of several physical lines, record by record, into a new buffer."""
    framer = Framer(table, context=context, stream_context=dict(context))
    records = framer.frame(data.tobytes(), final=final)
    lengths = np.array([len(record.data) for record in records], dtype=np.int64)
    ends = np.cumsum(lengths)
    contexts: dict[bytes, int] = {}
    rows = [
        -1 if record.context is None else contexts.setdefault(record.context, len(contexts))
        for record in records
    ]
    return Framed(
        np.frombuffer(b"".join(record.data for record in records), dtype=np.uint8),
        ends - lengths,
        ends,
        np.array(rows, dtype=np.int32),
        tuple(contexts),
        len(data) if final else framer.settled_bytes,
        {**framer.context, **framer.stream_context},
        np.array([record.date_lines for record in records], dtype=np.int32),
        framer.mid_line,
        framer.date_lines,
    )


@dataclass(slots=True)
class _Walk:
    """What the candidate lines turned out to be."""

    dropped: list[int]
    resets: list[int]
    row_from: list[int]
    rows: list[int]
    contexts: list[bytes]


def _walk_candidates(
    data: Bytes,
    starts: Positions,
    ends: Positions,
    candidates: Positions,
    patterns: _Patterns,
    state: dict[str, bytes],
) -> _Walk:
    """Test the few lines that may be context or noise, in order; updates `state`."""
    order = patterns.order
    first = _joined(state, order)
    walk = _Walk([], [], [-1], [-1 if first is None else 0], [] if first is None else [first])
    for line in candidates.tolist():
        record = data[starts[line] : ends[line]].tobytes()
        for index, (name, pattern, resets) in enumerate(patterns.compiled):
            if not patterns.length_min[index] <= len(record) <= patterns.length_max[index]:
                continue
            if not pattern.fullmatch(record):
                continue
            walk.dropped.append(line)
            if name is not None:
                state[name] = record
                if resets:
                    walk.resets.append(line)
                joined = _joined(state, order)
                assert joined is not None, "a context line was just set"
                if joined not in walk.contexts:
                    walk.contexts.append(joined)
                walk.row_from.append(line)
                walk.rows.append(walk.contexts.index(joined))
            break
    return walk


def _joined(state: Mapping[str, bytes], order: tuple[str, ...]) -> bytes | None:
    """Join context lines as a frame carries them: in the order of the table."""
    return b"\n".join(state[name] for name in order if name in state) or None


def _lines(
    data: Bytes, table: FramingTable, *, final: bool
) -> tuple[Positions, Positions, int, bool]:
    """Find the physical lines: starts, ends without separator, bytes consumed, last unfinished."""
    separator = np.frombuffer(table.separator, dtype=np.uint8)
    hits = _places(data, separator[-1])
    if len(separator) > 1:
        hits = _whole_separators(data, hits, separator)
    line_ends = hits - (len(separator) - 1)
    line_starts = np.empty_like(line_ends)
    if len(hits):
        line_starts[0] = 0
        line_starts[1:] = hits[:-1] + 1
    consumed = int(hits[-1]) + 1 if len(hits) else 0
    if final and consumed < len(data):
        line_starts = np.append(line_starts, consumed)
        line_ends = np.append(line_ends, len(data))
        consumed = len(data)
    # A line that is already too long is cut without waiting for its end.
    pieces = (len(data) - consumed - len(separator)) // table.record_length_max_bytes
    if pieces > 0:
        line_starts = np.append(line_starts, consumed)
        consumed += pieces * table.record_length_max_bytes
        line_ends = np.append(line_ends, consumed)
    return line_starts, line_ends, consumed, pieces > 0


@numba.njit(nogil=True, cache=True)
def _places(data: Bytes, byte: np.uint8) -> Positions:
    """Find a byte, 64 bytes a step."""
    block = pointer(data)
    hits = np.empty(len(data) // BLOCK_BYTES + BLOCK_BYTES, np.int64)
    count = 0
    at = 0
    while at + BLOCK_BYTES <= len(data):
        found = equal_mask(block, at, byte)
        if found and count + BLOCK_BYTES > len(hits):
            more = np.empty(2 * len(hits), np.int64)
            more[:count] = hits[:count]
            hits = more
        while found:
            hits[count] = at + np.int64(trailing_zeros(found))
            count += 1
            found &= found - np.uint64(1)
        at += BLOCK_BYTES
    tail = np.flatnonzero(data[at:] == byte) + at
    return np.concatenate((hits[:count], tail))


@numba.njit(nogil=True, cache=True)
def _whole_separators(data: Bytes, hits: Positions, separator: Bytes) -> Positions:
    """Keep the hits that end a whole separator, left to right without overlap."""
    width = len(separator)
    kept = np.empty(len(hits), np.int64)
    count = 0
    free_from = 0
    for hit in hits:
        first = hit - width + 1
        if first < free_from:
            continue
        same = True
        for at in range(width):
            if data[first + at] != separator[at]:
                same = False
                break
        if same:
            kept[count] = hit
            count += 1
            free_from = hit + 1
    return kept[:count].copy()


@numba.njit(nogil=True, cache=True)
def _may_match(
    data: Bytes,
    start: int,
    end: int,
    rule_min: Positions,
    rule_max: Positions,
    prefixes: Bytes,
    prefix_offsets: Positions,
) -> bool:
    """Tell whether any pattern could match, by length and first bytes."""
    for rule in range(len(rule_min)):
        if rule_min[rule] <= end - start <= rule_max[rule]:
            same = True
            for at in range(prefix_offsets[rule], prefix_offsets[rule + 1]):
                if data[start + at - prefix_offsets[rule]] != prefixes[at]:
                    same = False
                    break
            if same:
                return True
    return False


@numba.njit(nogil=True, cache=True)
def _strip_lines(
    data: Bytes,
    line_starts: Positions,
    line_ends: Positions,
    left: npt.NDArray[np.bool_],
    right: npt.NDArray[np.bool_],
    length_max: int,
    cut_first: bool,
    unfinished: bool,
    rule_min: Positions,
    rule_max: Positions,
    prefixes: Bytes,
    prefix_offsets: Positions,
) -> tuple[Positions, Positions, npt.NDArray[np.bool_]]:
    """Cut long lines, strip noise, drop empty ones, mark what a pattern may match.

    A piece of a long line is never context: `cut_first` says that the first line
    continues one, `unfinished` that the last one goes on.
    """
    total = len(line_starts)
    for i in range(len(line_starts)):
        total += (line_ends[i] - line_starts[i]) // length_max
    starts = np.empty(total, np.int64)
    ends = np.empty(total, np.int64)
    candidate = np.zeros(total, np.bool_)
    count = 0
    for i in range(len(line_starts)):
        begin = line_starts[i]
        line_end = line_ends[i]
        whole = line_end - begin <= length_max and not (i == len(line_starts) - 1 and unfinished)
        whole = whole and not (i == 0 and cut_first)
        while begin < line_end:
            start = begin
            begin = min(line_end, begin + length_max)
            end = begin
            while start < end and left[data[start]]:
                start += 1
            while end > start and right[data[end - 1]]:
                end -= 1
            if start == end:
                continue
            starts[count] = start
            ends[count] = end
            if whole:
                candidate[count] = _may_match(
                    data, start, end, rule_min, rule_max, prefixes, prefix_offsets
                )
            count += 1
    return starts[:count].copy(), ends[:count].copy(), candidate[:count].copy()


def _byte_set(noise: bytes) -> npt.NDArray[np.bool_]:
    """Make a 256-entry membership table."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(noise)] = True
    return table


def _patterns(table: FramingTable) -> _Patterns:
    """Compile context rules (they win) and skip rules, in the table's order."""
    rules: list[tuple[str | None, bytes, int, int, bool]] = [
        (rule.name, rule.pattern, rule.length_min, rule.length_max, rule.resets_count)
        for rule in table.context
    ]
    rules.extend((None, pattern, 1, table.record_length_max_bytes, False) for pattern in table.skip)
    prefixes = [literal_prefix(pattern) for _, pattern, _, _, _ in rules]
    return _Patterns(
        tuple((name, re.compile(pattern), resets) for name, pattern, _, _, resets in rules),
        tuple(rule.name for rule in table.context),
        np.array(
            [max(low, len(p)) for (_, _, low, _, _), p in zip(rules, prefixes, strict=True)],
            dtype=np.int64,
        ),
        np.array([high for _, _, _, high, _ in rules], dtype=np.int64),
        np.frombuffer(b"".join(prefixes) or b"\x00", dtype=np.uint8),
        np.cumsum([0, *(len(p) for p in prefixes)]).astype(np.int64),
    )


def literal_prefix(pattern: bytes) -> bytes:
    """Give the bytes that every match of a pattern begins with, as far as easily seen.

    A filter for kernels: too short is slow but right, so anything unusual
    (alternatives anywhere, flags, escapes) simply ends the prefix.
    """
    if b"|" in pattern:
        return b""
    prefix = bytearray()
    for byte in pattern:
        if byte in _META:
            if byte in _QUANTIFIERS and prefix:
                prefix.pop()
            break
        prefix.append(byte)
    return bytes(prefix)
