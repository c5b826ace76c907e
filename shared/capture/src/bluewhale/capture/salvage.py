"""What can still be read of a frame whose bytes were changed or cut.

Owns reading records one after the other as far as lengths and counts make sense.
The CRC is of the whole frame, so which byte changed is not known: a salvaged
record is read, not proved. Does not own what becomes of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bluewhale.capture.frames import FRAME_BYTES_MAX, FRAME_RECORDS_MAX, FRAME_VERSION
from bluewhale.capture.records import RawRecord

_HEAD = struct.Struct("<4sHqqqIIIi")
_RECORD = struct.Struct("<Iqiq")
_TIME_MAX_MS = 4_102_444_800_000  # the year 2100
_N_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Salvaged:
    """Records that could be read, with their capture keys, and why it ended there; "" = all."""

    records: tuple[RawRecord, ...] = ()
    context: bytes | None = None
    problem: str = ""


def salvage_frame(
    data: bytes, *, stream_id: int, incarnation: int, first_seq: int, last_seq: int
) -> Salvaged:
    """Read what can be read.

    data: of a packed frame, perhaps without its end. The rest is what its
    envelope said; a frame whose head says otherwise is not believed at all.
    """
    if len(data) < _HEAD.size:
        return Salvaged(problem=f"its head has {_HEAD.size} bytes, {len(data)} are left")
    magic, version, stream, run, first, _, count, losses, context_length = _HEAD.unpack_from(data)
    if (magic, version) != (b"BWFR", FRAME_VERSION):
        return Salvaged(problem="its head is no head of a frame of this version")
    if (stream, run, first) != (stream_id, incarnation, first_seq):
        return Salvaged(problem="its head names another stream or place than its envelope")
    expected = last_seq - first_seq + 1
    if not 0 < count <= min(FRAME_RECORDS_MAX, expected) or (count < expected and not losses):
        return Salvaged(problem=f"its head counts {count} records, its envelope {expected}")
    at = _HEAD.size
    context = None
    if context_length >= 0:
        context = data[at : at + context_length]
        if len(context) != context_length:
            return Salvaged(problem="it ends inside its context lines")
        at += context_length
    begin = last_seq - count + 1  # losses stand before the records
    records: list[RawRecord] = []
    problem = ""
    while len(records) < count and not problem:
        record, at, problem = _record(data, at, begin + len(records))
        if record is not None:
            records.append(record)
    if problem:
        problem = f"records {begin + len(records)} to {last_seq}: {problem}"
    return Salvaged(tuple(records), context, problem)


def _record(data: bytes, at: int, seq: int) -> tuple[RawRecord | None, int, str]:
    """Read the record at a place; give it, the next place and why it is none."""
    if len(data) < at + _RECORD.size:
        return None, at, "the frame ends before them"
    length, connection, n, received_at_ms = _RECORD.unpack_from(data, at)
    if length > FRAME_BYTES_MAX or not 0 < n <= _N_MAX or not 0 < received_at_ms < _TIME_MAX_MS:
        return None, at, "lengths and times make no sense from there on"
    at += _RECORD.size
    part = data[at : at + length]
    if len(part) != length:
        return None, at, "the frame ends inside the first of them"
    return RawRecord(seq, part, connection, n, received_at_ms), at + length, ""
