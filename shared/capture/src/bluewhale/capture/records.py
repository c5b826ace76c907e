"""Raw records, frames and losses: the shapes of capture.

Owns the shapes, the record checksum and the name of a context. Does not own
the bytes of a packed frame: `bluewhale.capture.frames`.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

_CRC_HEAD = struct.Struct("<qiq")
_MASK_63 = (1 << 63) - 1


class CapturedRecord(NamedTuple):
    """One record as framed, before the journal gives it a sequence number.

    `context` holds the context lines it stands under joined by LF, or None.
    """

    data: bytes
    context: bytes | None
    connection: int
    n: int
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as framed, with the provenance that the unit gives it.

    `seq` counts from 1 per (stream, incarnation). `connection` is random per
    connection or file, 63 bits. `n` is how often these bytes came on this
    connection since its last date line, within 15 minutes, from 1.
    """

    seq: int
    data: bytes
    connection: int
    n: int
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class CaptureLoss:
    """A range of sequence numbers that the unit cannot deliver any more, and why."""

    first_seq: int
    last_seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A batch of consecutive records of one stream with one context.

    At most 500 records or 256 KiB; a change of context ends a frame, so a
    frame can be parsed alone, years later. `context` holds the latest context
    lines of the stream joined by LF; None = none was seen. `losses` are ranges
    right before the records; a frame may have losses only.
    """

    stream_id: int
    incarnation: int
    first_seq: int
    framing_version: int
    records: tuple[RawRecord, ...]
    context: bytes | None = None
    losses: tuple[CaptureLoss, ...] = ()

    @property
    def last_seq(self) -> int:
        """The last sequence number that the frame accounts for; first_seq - 1 if none."""
        last = self.records[-1].seq if self.records else self.first_seq - 1
        return max([last, *(loss.last_seq for loss in self.losses)])


def record_crc(data: bytes, *, n: int, connection: int, received_at_ms: int) -> int:
    """Give the CRC-32 that a mark carries for a record.

    Covers bytes, n, connection and received_at, so that a cloned unit that
    reuses a sequence number is told apart. Returns 0..2^32-1.
    """
    return zlib.crc32(_CRC_HEAD.pack(connection, n, received_at_ms), zlib.crc32(data))


def context_id(context: bytes) -> int:
    """Name a context by its content: BLAKE2b with 8 bytes, big-endian, low 63 bits."""
    return int.from_bytes(hashlib.blake2b(context, digest_size=8).digest(), "big") & _MASK_63
