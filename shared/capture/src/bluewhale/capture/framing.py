"""Bytes to raw records, by a small versioned table that belongs to the dialect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(slots=True)
class Framer:
    """Incremental framing of one connection: feed bytes, get (record, context) pairs.

    Scalar twin of the bulk framing in `bluewhale.dialects`.
    """

    table: FramingTable
    context: dict[str, bytes] = field(default_factory=dict)
    _rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield each complete record with the context it stands under."""
        lines = (self._rest + data).split(self.table.separator)
        self._rest = lines.pop()
        for line in lines:
            record = line.lstrip(self.table.strip_left).rstrip(self.table.strip_right)
            if not record or self._is_context(record):
                continue
            yield record, self.context_bytes()

    def context_bytes(self) -> bytes | None:
        """Give the current context lines joined by LF, in the table's order."""
        return b"\n".join(self.context[k] for k in sorted(self.context)) or None

    def _is_context(self, record: bytes) -> bool:
        for rule in self.table.context:
            if rule.length_min <= len(record) <= rule.length_max and re.fullmatch(
                rule.pattern, record
            ):
                self.context[rule.name] = record
                return True
        return False
