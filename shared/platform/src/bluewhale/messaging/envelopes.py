"""What travels in a message: raw frames, ticks and tallies, parsed legs, proposals.

Owns the bytes and headers of version 1. Does not own which topic a message goes
to, nor what a stage does with it.

Every message carries the headers `v` (decimal), `kind` and `ingested_at`
(decimal, ms), and `traceparent` if it was sampled. Frames and what is parsed of
them carry `log_id`, the log that ingest took them for (`log_id.py`). Raw frames are the unit's own
bytes, verbatim. Tables are Arrow IPC streams **without their schema** (both
sides know it by name and version; 4 KiB per message saved), uncompressed inside
and compressed once around everything: for a batch of one row that is twenty
times faster and sixteen times smaller than compressed Arrow buffers.

Layout of a parsed or rated value, inside one zstd frame with checksum::

    u32 length | JSON: times, traces, losses, tallies, rerates, findings, [name, version, length] per table
    u32 count  | contexts: i64 id | u32 length | bytes
    tables, one after the other
"""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Self

import pyarrow as pa
import zstandard
from bluewhale.capture import FRAME_BYTES_MAX, Frame, unpack_frame
from bluewhale.messaging.exceptions import EnvelopeCorruptError, EnvelopeVersionError
from bluewhale.messaging.log_id import HEADER as LOG_ID
from bluewhale.messaging.port import Headers, Message
from bluewhale.records.batches import Proposals, StreamLoss, StreamTally
from bluewhale.records.findings import Finding

ENVELOPE_VERSION = 1
# records of a frame, and as much again for their heads, context and losses
PACKED_FRAME_BYTES_MAX = 2 * FRAME_BYTES_MAX
BODY_BYTES_MAX = 256 << 20  # of one parsed or rated message, uncompressed

FRAME, TICK, TALLY, PARSED_KIND, RATED_KIND = "frame", "tick", "tally", "parsed", "rated"

_COMPRESSION_LEVEL = 1  # level 3 took twice the time for 6 % fewer bytes
_U32 = struct.Struct("<I")
_CONTEXT = struct.Struct("<qI")
_TALLY = struct.Struct("<qiqq")
_WRITE = pa.ipc.IpcWriteOptions(compression=None)


@cache
def _schemas() -> Mapping[str, tuple[int, pa.Schema]]:
    """Version and columns of each table; the merge room is loaded when it is needed."""
    from bluewhale.merge import MEMBER_SCHEMA
    from bluewhale.records.schemas import (
        CALL_SCHEMA,
        CHARGE_SCHEMA,
        LEG_SCHEMA,
        SUSPENSE_SCHEMA,
    )

    return {
        "legs": (1, LEG_SCHEMA),
        "rejects": (1, SUSPENSE_SCHEMA),
        "calls": (1, CALL_SCHEMA),
        "charges": (1, CHARGE_SCHEMA),
        "members": (1, MEMBER_SCHEMA),
    }


class Envelope(NamedTuple):
    """A message to send: `producer.send(topic, partition, *envelope[:1], headers=...)`."""

    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame as the unit sent it: `packed` is the zstd of `pack_frame(frame)`."""

    stream_id: int
    incarnation: int
    first_seq: int
    last_seq: int
    packed: bytes
    ingested_at_ms: int
    traceparent: str = ""
    log_id: str = ""

    def encode(self) -> Envelope:
        """Give the message; its value is `packed`, untouched."""
        place = (self.stream_id, self.incarnation, self.first_seq, self.last_seq)
        headers = _headers(FRAME, self.ingested_at_ms, self.traceparent, self.log_id)
        return Envelope(self.packed, (*headers, ("capture", b"%d %d %d %d" % place)))

    def frame(self) -> Frame:
        """Unpack it.

        Raises
        ------
        EnvelopeCorruptError
            The bytes unpack to more than a frame may have (a zip bomb), are no
            zstd frame, or name other records than the headers.
        FrameCorruptError
            The unpacked bytes are no frame.
        """
        frame = unpack_frame(_decompress(self.packed, PACKED_FRAME_BYTES_MAX))
        said = (self.stream_id, self.incarnation, self.first_seq, self.last_seq)
        found = (frame.stream_id, frame.incarnation, frame.first_seq, frame.last_seq)
        if said != found:
            raise EnvelopeCorruptError(
                f"headers name stream, incarnation, first and last seq {said}, the frame {found}"
            )
        return frame


@dataclass(frozen=True, slots=True)
class RawTick:
    """The data time of a partition in which nothing else is written."""

    ingested_at_ms: int
    traceparent: str = ""

    def encode(self) -> Envelope:
        """Give the message; it has no value."""
        return Envelope(b"", _headers(TICK, self.ingested_at_ms, self.traceparent))


@dataclass(frozen=True, slots=True)
class RawTally:
    """What units say they heard and journaled, per stream and UTC day."""

    tallies: tuple[StreamTally, ...]
    ingested_at_ms: int
    traceparent: str = ""

    def encode(self) -> Envelope:
        """Give the message."""
        value = b"".join(
            _TALLY.pack(t.stream_id, t.day, t.heard, t.journaled) for t in self.tallies
        )
        return Envelope(value, _headers(TALLY, self.ingested_at_ms, self.traceparent))


def decode_raw(message: Message) -> RawFrame | RawTick | RawTally:
    """Read a message of the raw topic; a frame stays packed.

    Raises `EnvelopeVersionError`, `EnvelopeCorruptError`.
    """
    kind, ingested_at_ms, traceparent = _head(message)
    if kind == FRAME:
        capture = (message.header("capture") or b"").split()
        if len(capture) != 4:
            raise _corrupt(message, "its header `capture` does not hold four numbers")
        stream_id, incarnation, first_seq, last_seq = map(int, capture)
        return RawFrame(
            stream_id,
            incarnation,
            first_seq,
            last_seq,
            message.value,
            ingested_at_ms,
            traceparent,
            _log_id(message),
        )
    if kind == TICK:
        return RawTick(ingested_at_ms, traceparent)
    if kind == TALLY:
        if len(message.value) % _TALLY.size:
            raise _corrupt(message, "its tallies end in the middle")
        tallies = tuple(StreamTally(*x) for x in _TALLY.iter_unpack(message.value))
        return RawTally(tallies, ingested_at_ms, traceparent)
    raise _corrupt(message, f"kind {kind!r} does not belong here")


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """What a parser made of one poll of one partition.

    `legs`: LEG_SCHEMA, `rejects`: SUSPENSE_SCHEMA, 0 or more rows each.
    `data_time_ms` is the latest `ingested_at` that it accounts for; a message
    may carry nothing but that.
    """

    legs: pa.Table
    rejects: pa.Table
    losses: tuple[StreamLoss, ...] = ()
    contexts: Mapping[int, bytes] = field(default_factory=dict)
    tallies: tuple[StreamTally, ...] = ()
    data_time_ms: int = 0
    traceparents: tuple[str, ...] = ()
    log_id: str = ""

    def encode(self) -> Envelope:
        """Give the message."""
        meta = {
            "traces": self.traceparents,
            "losses": [
                (x.stream_id, x.incarnation, x.first_seq, x.last_seq, x.reason) for x in self.losses
            ],
            "tallies": [(x.stream_id, x.day, x.heard, x.journaled) for x in self.tallies],
        }
        value = _pack(meta, self.contexts, {"legs": self.legs, "rejects": self.rejects})
        trace = "".join(self.traceparents[:1])
        return Envelope(value, _headers(PARSED_KIND, self.data_time_ms, trace, self.log_id))

    @classmethod
    def decode(cls, message: Message) -> Self:
        """Read it back; `EnvelopeVersionError`, `EnvelopeCorruptError`."""
        kind, data_time_ms, _ = _head(message)
        if kind != PARSED_KIND:
            raise _corrupt(message, f"kind {kind!r} does not belong here")
        meta, contexts, tables = _unpack(message)
        return cls(
            tables["legs"],
            tables["rejects"],
            tuple(StreamLoss(*x) for x in meta["losses"]),
            contexts,
            tuple(StreamTally(*x) for x in meta["tallies"]),
            data_time_ms,
            tuple(meta["traces"]),
            _log_id(message),
        )


@dataclass(frozen=True, slots=True)
class RatedMessage:
    """What billing proposes after one poll of one partition; None = only its data time.

    All legs of the proposals are in parsed messages before the offset `legs_before`;
    0 = not known.
    """

    proposals: Proposals | None
    data_time_ms: int
    traceparents: tuple[str, ...] = ()
    legs_before: int = 0

    def encode(self) -> Envelope:
        """Give the message."""
        meta: dict[str, Any] = {"traces": self.traceparents, "rerates": None}
        if self.legs_before:
            meta["legs_before"] = self.legs_before
        tables = {}
        if (p := self.proposals) is not None:
            tables = {"calls": p.calls, "charges": p.charges, "members": p.members}
            if p.rerates is not None:
                meta["rerates"] = [(call_id.hex(), version) for call_id, version in p.rerates]
            if p.findings:
                meta["findings"] = [found.packed() for found in p.findings]
        headers = _headers(RATED_KIND, self.data_time_ms, *self.traceparents[:1])
        return Envelope(_pack(meta, {}, tables), headers)

    @classmethod
    def decode(cls, message: Message) -> Self:
        """Read it back; `EnvelopeVersionError`, `EnvelopeCorruptError`."""
        kind, data_time_ms, _ = _head(message)
        if kind != RATED_KIND:
            raise _corrupt(message, f"kind {kind!r} does not belong here")
        meta, _, tables = _unpack(message)
        proposals = None
        try:
            findings = tuple(Finding.unpacked(x) for x in meta.get("findings", ()))
        except (KeyError, TypeError, ValueError) as error:
            raise _corrupt(message, f"a finding of a rule is damaged: {error}") from error
        if tables:
            rerates = meta["rerates"]
            proposals = Proposals(
                tables["calls"],
                tables["charges"],
                tables["members"],
                None if rerates is None else tuple((bytes.fromhex(c), v) for c, v in rerates),
                findings,
            )
        before = int(meta.get("legs_before", 0))
        return cls(proposals, data_time_ms, tuple(meta["traces"]), before)


def _headers(kind: str, ingested_at_ms: int, traceparent: str = "", log_id: str = "") -> Headers:
    optional = (("traceparent", traceparent), (LOG_ID, log_id))
    return (
        ("v", b"%d" % ENVELOPE_VERSION),
        ("kind", kind.encode()),
        ("ingested_at", b"%d" % ingested_at_ms),
        *((name, text.encode()) for name, text in optional if text),
    )


def _log_id(message: Message) -> str:
    return (message.header(LOG_ID) or b"").decode()


def _head(message: Message) -> tuple[str, int, str]:
    """Check the version; give kind, ingested_at, traceparent."""
    headers = dict(message.headers)
    try:
        version, ingested_at_ms = int(headers["v"]), int(headers["ingested_at"])
        kind, traceparent = headers["kind"].decode(), headers.get("traceparent", b"").decode()
    except (KeyError, ValueError) as error:
        raise _corrupt(message, f"header missing or unreadable: {error}") from error
    if version > ENVELOPE_VERSION:
        raise EnvelopeVersionError(
            f"{_where(message)} has envelope version {version}, this release knows "
            f"{ENVELOPE_VERSION}: update this role before the one that writes the topic"
        )
    return kind, ingested_at_ms, traceparent


def _where(message: Message) -> str:
    return f"message {message.offset} of {message.topic}, partition {message.partition},"


def _corrupt(message: Message, why: str) -> EnvelopeCorruptError:
    return EnvelopeCorruptError(f"{_where(message)} is no envelope: {why}")


def _pack(
    meta: dict[str, Any], contexts: Mapping[int, bytes], tables: Mapping[str, pa.Table]
) -> bytes:
    parts = [_table_bytes(name, table) for name, table in tables.items()]
    meta["tables"] = [
        (name, _schemas()[name][0], len(part)) for name, part in zip(tables, parts, strict=True)
    ]
    head = json.dumps(meta, separators=(",", ":")).encode()
    body = [_U32.pack(len(head)), head, _U32.pack(len(contexts))]
    for context_id, context in contexts.items():
        body += (_CONTEXT.pack(context_id, len(context)), context)
    return _codec().compressor.compress(b"".join([*body, *parts]))


def _unpack(message: Message) -> tuple[dict[str, Any], dict[int, bytes], dict[str, pa.Table]]:
    try:
        body = _decompress(message.value, BODY_BYTES_MAX)
        (length,) = _U32.unpack_from(body)
        at = _U32.size + length
        meta = json.loads(body[_U32.size : at])
        (count,) = _U32.unpack_from(body, at)
        at += _U32.size
        contexts = {}
        for _ in range(count):
            context_id, size = _CONTEXT.unpack_from(body, at)
            at += _CONTEXT.size
            contexts[context_id] = body[at : at + size]
            at += size
        tables = {}
        for name, version, size in meta["tables"]:
            tables[name] = _table(message, name, version, memoryview(body)[at : at + size])
            at += size
    except (struct.error, ValueError, KeyError, TypeError, OSError, EnvelopeCorruptError) as error:
        raise _corrupt(message, str(error)) from error
    if at != len(body):
        raise _corrupt(message, "bytes are left over or missing")
    return meta, contexts, tables


@cache
def _schema_bytes(name: str) -> bytes:
    return bytes(_schemas()[name][1].serialize())


def _table_bytes(name: str, table: pa.Table) -> bytes | memoryview:
    """Give the IPC stream of a table behind its schema; nothing for no rows."""
    if table.num_rows == 0:
        return b""
    schema = _schemas()[name][1]
    if not table.schema.equals(schema, check_metadata=True):
        table = table.cast(schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_WRITE) as writer:
        writer.write_table(table.combine_chunks())
    stream, known = memoryview(sink.getvalue()).cast("B"), _schema_bytes(name)
    assert stream[: len(known)] == known, "an IPC stream begins with its schema"
    return stream[len(known) :]


def _table(message: Message, name: str, version: int, part: memoryview) -> pa.Table:
    known = _schemas().get(name)
    if known is None or version > known[0]:
        raise EnvelopeVersionError(
            f"{_where(message)} has a table {name} version {version} that this release does not "
            "know: update this role before the one that writes the topic"
        )
    if not part:
        return known[1].empty_table()
    return pa.ipc.open_stream(pa.py_buffer(_schema_bytes(name) + part)).read_all()


class _Codec(threading.local):
    """A compressor per thread: its context is reused, and is no thread's but one's."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True)
        self.decompressor = zstandard.ZstdDecompressor()


@cache
def _codec() -> _Codec:
    return _Codec()


def _decompress(data: bytes, limit: int) -> bytes:
    """Decompress one zstd frame that says its size, and says at most `limit` bytes."""
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if size == zstandard.CONTENTSIZE_UNKNOWN:
            raise EnvelopeCorruptError("the compressed bytes do not say how many they are")
        if size > limit:
            raise EnvelopeCorruptError(
                f"the compressed bytes would unpack to {size:,} bytes, more than {limit:,}"
            )
        return _codec().decompressor.decompress(data) if size else b""
    except zstandard.ZstdError as error:
        raise EnvelopeCorruptError(f"not a zstd frame, or changed: {error}") from error


def compress_frame(packed: bytes) -> bytes:
    """Give the zstd of `pack_frame(frame)`, as units send it."""
    return _codec().compressor.compress(packed)
