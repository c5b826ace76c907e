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
from bluewhale.capture import FramingTable
from bluewhale.dialects.engine.spans import Bytes, Positions

_META = frozenset(b"\\.^$*+?{}[]|()")
_QUANTIFIERS = frozenset(b"*?{")


@dataclass(frozen=True, slots=True)
class Framed:
    """The records of a buffer as spans, in order.

    Record i is `data[starts[i]:ends[i]]`. `data` is the buffer that was given,
    or a rebuilt one where a record has several physical lines: always take it
    from here. `context_row` indexes `contexts`, -1 = none known. `date_lines`
    counts the date lines before each record (the occurrence count `n` starts
    over where it steps). `context` is the state to pass with the next bytes;
    `consumed_bytes` is where those begin in the buffer that was given.
    """

    data: Bytes
    starts: Positions
    ends: Positions
    context_row: npt.NDArray[np.int32]
    contexts: tuple[bytes, ...]
    consumed_bytes: int
    context: dict[str, bytes]
    date_lines: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Skip and context patterns with what a kernel can test before a regex."""

    compiled: tuple[tuple[str | None, re.Pattern[bytes], bool], ...]
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
) -> Framed:
    """Frame a buffer of one connection or file.

    Parameters
    ----------
    data: bytes from the end of the last complete record on.
    context: `Framed.context` of the bytes before; None = a new connection.
    final: nothing follows; an unterminated last line is a record as well.

    Returns
    -------
    Framed; what stands after the last separator is not consumed unless final.
    """
    line_starts, line_ends, consumed = _lines(data, table, final=final)
    patterns = _patterns(table)
    starts, ends, candidate = _strip_lines(
        data,
        line_starts,
        line_ends,
        _byte_set(table.strip_left),
        _byte_set(table.strip_right),
        table.record_length_max_bytes,
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
    first = _joined(state)
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
                joined = _joined(state)
                assert joined is not None, "a context line was just set"
                if joined not in walk.contexts:
                    walk.contexts.append(joined)
                walk.row_from.append(line)
                walk.rows.append(walk.contexts.index(joined))
            break
    return walk


def _joined(state: Mapping[str, bytes]) -> bytes | None:
    """Join context lines as a frame carries them."""
    return b"\n".join(state[name] for name in sorted(state)) or None


def _lines(data: Bytes, table: FramingTable, *, final: bool) -> tuple[Positions, Positions, int]:
    """Find the physical lines: (starts, ends without separator, bytes consumed)."""
    separator = np.frombuffer(table.separator, dtype=np.uint8)
    hits = np.flatnonzero(data == separator[-1])
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
    return line_starts, line_ends, consumed


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
def _strip_lines(
    data: Bytes,
    line_starts: Positions,
    line_ends: Positions,
    left: npt.NDArray[np.bool_],
    right: npt.NDArray[np.bool_],
    length_max: int,
    rule_min: Positions,
    rule_max: Positions,
    prefixes: Bytes,
    prefix_offsets: Positions,
) -> tuple[Positions, Positions, npt.NDArray[np.bool_]]:
    """Strip noise, drop empty lines, cut long ones, mark what a pattern may match."""
    total = len(line_starts)
    for i in range(len(line_starts)):
        total += (line_ends[i] - line_starts[i]) // length_max
    starts = np.empty(total, np.int64)
    ends = np.empty(total, np.int64)
    candidate = np.zeros(total, np.bool_)
    count = 0
    for i in range(len(line_starts)):
        start = line_starts[i]
        end = line_ends[i]
        while start < end and left[data[start]]:
            start += 1
        while end > start and right[data[end - 1]]:
            end -= 1
        while start < end:
            cut = min(end, start + length_max)
            starts[count] = start
            ends[count] = cut
            for rule in range(len(rule_min)):
                if rule_min[rule] <= cut - start <= rule_max[rule]:
                    same = True
                    for at in range(prefix_offsets[rule], prefix_offsets[rule + 1]):
                        if data[start + at - prefix_offsets[rule]] != prefixes[at]:
                            same = False
                            break
                    if same:
                        candidate[count] = True
            count += 1
            start = cut
    return starts[:count].copy(), ends[:count].copy(), candidate[:count].copy()


def _byte_set(noise: bytes) -> npt.NDArray[np.bool_]:
    """Make a 256-entry membership table."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(noise)] = True
    return table


def _patterns(table: FramingTable) -> _Patterns:
    """Compile skip rules (they win) and context rules, in the table's order."""
    rules: list[tuple[str | None, bytes, int, int, bool]] = [
        (None, pattern, 1, table.record_length_max_bytes, False) for pattern in table.skip
    ]
    rules.extend(
        (rule.name, rule.pattern, rule.length_min, rule.length_max, rule.resets_count)
        for rule in table.context
    )
    prefixes = [literal_prefix(pattern) for _, pattern, _, _, _ in rules]
    return _Patterns(
        tuple((name, re.compile(pattern), resets) for name, pattern, _, _, resets in rules),
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
