"""A frame as bytes: what travels, and what the centre keeps verbatim.

Owns the packed form, version 1. Does not own compression, transport or the
decision which records make a frame.

Layout, little-endian, no padding::

    head     4s magic "BWFR" | u16 version | i64 stream_id | i64 incarnation
             | i64 first_seq | u32 framing_version | u32 records | u32 losses
             | i32 context length, -1 = none
    context  its bytes
    record   u32 length | i64 connection | i32 n | i64 received_at_ms | bytes
    loss     i64 first_seq | i64 last_seq | u16 length | reason, UTF-8
    tail     u32 CRC-32 of everything before
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from bluewhale.capture.exceptions import FrameCorruptError
from bluewhale.capture.records import CaptureLoss, Frame, RawRecord

FRAME_VERSION = 1
FRAME_RECORDS_MAX = 500
FRAME_BYTES_MAX = 256 * 1024

_MAGIC = b"BWFR"
_HEAD = struct.Struct("<4sHqqqIIIi")
_RECORD = struct.Struct("<Iqiq")
_LOSS = struct.Struct("<qqH")
_TAIL = struct.Struct("<I")

RECORD_OVERHEAD_BYTES = _RECORD.size


def pack_frame(frame: Frame) -> bytes:
    """Give the bytes of a frame.

    The frame must be within its limits: at most 500 records, at most 256 KiB of
    records (a single larger record cannot exist: framing cuts it).
    """
    assert len(frame.records) <= FRAME_RECORDS_MAX
    context = frame.context
    parts = [
        _HEAD.pack(
            _MAGIC,
            FRAME_VERSION,
            frame.stream_id,
            frame.incarnation,
            frame.first_seq,
            frame.framing_version,
            len(frame.records),
            len(frame.losses),
            -1 if context is None else len(context),
        ),
        context or b"",
    ]
    first_seq = frame.records[0].seq if frame.records else frame.first_seq
    for i, record in enumerate(frame.records):
        assert record.seq == first_seq + i, "records of a frame are consecutive"
        parts.extend(
            (
                _RECORD.pack(len(record.data), record.connection, record.n, record.received_at_ms),
                record.data,
            )
        )
    for loss in frame.losses:
        reason = loss.reason.encode()
        parts.extend((_LOSS.pack(loss.first_seq, loss.last_seq, len(reason)), reason))
    body = b"".join(parts)
    return body + _TAIL.pack(zlib.crc32(body))


def unpack_frame(data: bytes) -> Frame:
    """Give the frame that `pack_frame` made into `data`.

    Raises
    ------
    FrameCorruptError
        The bytes are cut, changed, no frame, or of a version that this program
        does not know; the message says which.
    """
    if len(data) < _HEAD.size + _TAIL.size:
        raise FrameCorruptError(
            f"a frame has at least {_HEAD.size + _TAIL.size} bytes, not {len(data)}"
        )
    magic, version, stream_id, incarnation, first_seq, framing, count, losses, context_length = (
        _HEAD.unpack_from(data)
    )
    if magic != _MAGIC:
        raise FrameCorruptError(f"a frame begins with {_MAGIC!r}, not {magic!r}")
    if version != FRAME_VERSION:
        raise FrameCorruptError(
            f"frame version {version} is not known here, only {FRAME_VERSION}; update this program"
        )
    (expected,) = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    body = memoryview(data)[: -_TAIL.size]
    found = zlib.crc32(body)
    if found != expected:
        raise FrameCorruptError(
            f"CRC of stream {stream_id} frame at seq {first_seq}: {expected:08x} written, {found:08x} read"
        )
    reader = _Reader(bytes(body), _HEAD.size)
    try:
        context = None if context_length < 0 else reader.take(context_length)
        raw = list(reader.records(count))
        lost = tuple(reader.losses(losses))
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameCorruptError(f"counts and lengths of the frame disagree: {error}") from error
    if not reader.at_end():
        raise FrameCorruptError("bytes are left over behind the last loss of the frame")
    # Losses stand right before the records: the records follow the last of them.
    begin = max([first_seq, *(loss.last_seq + 1 for loss in lost)])
    records = tuple(RawRecord(begin + i, *fields) for i, fields in enumerate(raw))
    return Frame(stream_id, incarnation, first_seq, framing, records, context, lost)


class _Reader:
    """A cursor over the body of a frame; every read is checked against the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, length: int) -> bytes:
        part = self._data[self._at : self._at + length]
        if len(part) != length:
            raise struct.error("ends early")
        self._at += length
        return part

    def at_end(self) -> bool:
        return self._at == len(self._data)

    def records(self, count: int) -> Iterator[tuple[bytes, int, int, int]]:
        for _ in range(count):
            length, connection, n, received_at_ms = _RECORD.unpack(self.take(_RECORD.size))
            yield self.take(length), connection, n, received_at_ms

    def losses(self, count: int) -> Iterator[CaptureLoss]:
        for _ in range(count):
            first_seq, last_seq, length = _LOSS.unpack(self.take(_LOSS.size))
            yield CaptureLoss(first_seq, last_seq, self.take(length).decode())
