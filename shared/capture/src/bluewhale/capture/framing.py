"""Bytes to raw records, by a small versioned table that belongs to the dialect.

Owns the rules by which bytes become records and the framer that applies them
to one connection or file. Does not own the meaning of a record, nor the table
of any dialect. The result never depends on how the bytes were cut into chunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

RECORD_LENGTH_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ContextRule:
    """Which lines are context (CSV header, date record, page header), not records.

    A line is context when its length lies in [length_min, length_max] and the
    whole of it matches `pattern`. `scope` says whether a new connection (or
    file) forgets it. `resets_count`: it is a date line, so `n` starts over.
    """

    name: str
    pattern: bytes
    length_min: int = 1
    length_max: int = RECORD_LENGTH_MAX_BYTES
    scope: Literal["connection", "stream"] = "connection"
    resets_count: bool = False


@dataclass(frozen=True, slots=True)
class FramingTable:
    """How the bytes of one dialect become raw records.

    `separator` ends a physical line; `strip_left` and `strip_right` are the
    noise bytes taken off it. `lines_per_record` physical lines make a record
    (joined by `separator`); a line starting with `continuation` is appended to
    the record before it. Lines that fully match one of `skip` are dropped
    (empty lines always are). A record longer than `record_length_max_bytes` is
    cut there and its pieces are delivered: nothing is lost, parsing rejects.

    Notes
    -----
    The order of the tests on a physical line, after stripping: empty, context
    (first rule that matches), skip, continuation, record. A context line ends
    the record before it. The pieces of a line that was cut (each
    `record_length_max_bytes` of the line before stripping, the last one the
    rest) are stripped and delivered alone: they are never context, skipped or
    continuation. A record of several lines that would grow over the limit ends
    before the line that does not fit.
    """

    version: int = 1
    separator: bytes = b"\n"
    strip_left: bytes = b"\x00\x0b\x0c"
    strip_right: bytes = b"\r\x00"
    lines_per_record: int = 1
    continuation: bytes = b""
    skip: tuple[bytes, ...] = ()
    context: tuple[ContextRule, ...] = ()
    record_length_max_bytes: int = RECORD_LENGTH_MAX_BYTES


class FramedRecord(NamedTuple):
    """A record with what was in force when its first byte came.

    `context` holds the context lines joined by LF, or None. `date_lines` counts
    the date lines seen before it on this connection.
    """

    data: bytes
    context: bytes | None
    date_lines: int


class _Patterns(NamedTuple):
    context: tuple[tuple[ContextRule, re.Pattern[bytes]], ...]
    skip: tuple[re.Pattern[bytes], ...]


@lru_cache(maxsize=256)
def _patterns(table: FramingTable) -> _Patterns:
    return _Patterns(
        tuple((rule, re.compile(rule.pattern)) for rule in table.context),
        tuple(re.compile(pattern) for pattern in table.skip),
    )


@dataclass(slots=True)
class Framer:
    """Incremental framing of one connection or file.

    Feed bytes, get records with their context; say `final` at the end of the
    connection or file, since the last line may have no separator. Memory is
    bounded by the table's `record_length_max_bytes`.

    `context` is what this connection knows. `stream_context` is shared by the
    connections of a stream and takes the lines of rules with scope "stream".
    Scalar twin of the bulk framing in `bluewhale.dialects`.
    """

    table: FramingTable
    context: dict[str, bytes] = field(default_factory=dict)
    stream_context: dict[str, bytes] = field(default_factory=dict)
    date_lines: int = 0
    mid_line: bool = False  # what was settled ends inside a line that was cut
    _rest: bytearray = field(default_factory=bytearray)
    _position: int = 0  # offset of the first byte of `_rest` in what was fed
    _open: list[bytes] = field(default_factory=list)
    _open_at: int = 0
    _open_length: int = 0
    _base_lines: int = 0

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        """Give each record that `data` completes, with the context it stands under."""
        return [(r.data, r.context) for r in self.frame(data)]

    def flush(self) -> list[tuple[bytes, bytes | None]]:
        """Give what is left at the end of a connection or file."""
        return [(r.data, r.context) for r in self.frame(b"", final=True)]

    def frame(self, data: bytes, *, final: bool = False) -> list[FramedRecord]:
        """Give each record that `data` completes; `final` completes what is left.

        After `final` the framer is ready for more bytes, as if a separator had
        come.
        """
        out: list[FramedRecord] = []
        separator, length_max = self.table.separator, self.table.record_length_max_bytes
        rest = self._rest
        look_from = max(0, len(rest) - len(separator) + 1)
        rest += data
        if final and rest:
            rest += separator
        if rest.find(separator, look_from) >= 0:
            lines = bytes(rest).split(separator)
            self._rest = rest = bytearray(lines.pop())
            for line in lines:
                if self.mid_line or len(line) > length_max:
                    self._cut_line(line, out)
                else:
                    self._take_line(line, out)
                self._position += len(line) + len(separator)
                if not self._open:
                    self._open_at = self._position
        while len(rest) >= length_max + len(separator):
            self._close(out)
            self._deliver(self._strip(bytes(rest[:length_max])), out)
            del rest[:length_max]
            self._position += length_max
            self.mid_line = True
        if final:
            self._close(out)
        return out

    def settle(self) -> list[FramedRecord]:
        """Give the open record if only the absence of a continuation line is awaited.

        For a connection that went quiet: a continuation that comes later becomes
        a record of its own.
        """
        out: list[FramedRecord] = []
        if not self._rest and self._base_lines >= self.table.lines_per_record:
            self._close(out)
        return out

    @property
    def settled_bytes(self) -> int:
        """How many of the bytes fed are not needed any more to make further records.

        Framing that starts again here, with `context` and `mid_line` as they
        stand, gives the records that are still missing.
        """
        return self._open_at if self._open else self._position

    def context_bytes(self) -> bytes | None:
        """Give the current context lines joined by LF, in the table's order."""
        known = (
            self.stream_context.get(rule.name)
            if rule.scope == "stream"
            else self.context.get(rule.name)
            for rule in self.table.context
        )
        return b"\n".join(line for line in known if line is not None) or None

    def _strip(self, line: bytes) -> bytes:
        return line.lstrip(self.table.strip_left).rstrip(self.table.strip_right)

    def _cut_line(self, line: bytes, out: list[FramedRecord]) -> None:
        length_max = self.table.record_length_max_bytes
        self._close(out)
        for begin in range(0, len(line), length_max):
            self._deliver(self._strip(line[begin : begin + length_max]), out)
        self.mid_line = False

    def _take_line(self, raw: bytes, out: list[FramedRecord]) -> None:
        table = self.table
        line = self._strip(raw)
        if not line:
            return
        if table.context and self._take_context(line, out):
            return
        if table.skip and any(p.fullmatch(line) for p in _patterns(table).skip):
            return
        continues = bool(table.continuation) and line.startswith(table.continuation)
        if not table.continuation and table.lines_per_record == 1:
            self._deliver(line, out)
            return
        if not continues and self._base_lines >= table.lines_per_record:
            self._close(out)
        grown = self._open_length + len(table.separator) + len(line)
        if self._open and grown > table.record_length_max_bytes:
            self._close(out)
        if not self._open:
            self._open_at = self._position
            self._open_length = -len(table.separator)
        self._open.append(line)
        self._open_length += len(table.separator) + len(line)
        # A continuation without a record before it stands alone: complete as it is.
        self._base_lines += table.lines_per_record if continues else 1
        if not table.continuation and self._base_lines >= table.lines_per_record:
            self._close(out)

    def _take_context(self, line: bytes, out: list[FramedRecord]) -> bool:
        for rule, pattern in _patterns(self.table).context:
            if rule.length_min <= len(line) <= rule.length_max and pattern.fullmatch(line):
                self._close(out)
                (self.stream_context if rule.scope == "stream" else self.context)[rule.name] = line
                self.date_lines += rule.resets_count
                return True
        return False

    def _close(self, out: list[FramedRecord]) -> None:
        if self._open:
            self._deliver(self.table.separator.join(self._open), out)
            self._open.clear()
            self._open_length = self._base_lines = 0

    def _deliver(self, record: bytes, out: list[FramedRecord]) -> None:
        if record:
            context = self.context_bytes() if self.table.context else None
            out.append(FramedRecord(record, context, self.date_lines))
