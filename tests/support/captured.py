"""What the PBXs of a simulated world print, as the frames that a unit would send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bluewhale.capture import (
    FRAME_BYTES_MAX,
    FRAME_RECORDS_MAX,
    CapturedRecord,
    Frame,
    RawRecord,
    pack_frame,
)
from bluewhale.capture.connection import ConnectionCapture
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Configuration, stream_id
from bluewhale.messaging import RAW, Log, partition_of
from bluewhale.messaging.envelopes import RawFrame, RawTick, compress_frame

INCARNATION = 7


def frames_of(
    world: World,
    configuration: Configuration,
    pbx_uid: str,
    unit: str,
    *,
    received_at_ms: int,
    records_max: int = FRAME_RECORDS_MAX,
) -> list[Frame]:
    """Give the frames of one PBX as one unit sends them, all of one connection."""
    link_uid = next(p.link_uid for p in world.pbxs if p.pbx_uid == pbx_uid)
    framing = configuration.dialect(link_uid).framing(configuration.link(link_uid).options)
    capture = ConnectionCapture(framing, connection=11)
    data = b"".join(line.data for line in world.lines[pbx_uid])
    records = capture.receive(data, received_at_ms, final=True)
    return list(_frames(records, stream_id(link_uid, unit), framing.version, records_max))


def _frames(
    records: Sequence[CapturedRecord], stream: int, version: int, records_max: int
) -> Iterator[Frame]:
    seq = 1
    for context, mine in groupby(records, key=lambda r: r.context):
        part: list[RawRecord] = []
        size = 0
        for record in mine:
            if part and (len(part) == records_max or size + len(record.data) > FRAME_BYTES_MAX):
                yield Frame(stream, INCARNATION, part[0].seq, version, tuple(part), context)
                part, size = [], 0
            part.append(
                RawRecord(seq, record.data, record.connection, record.n, record.received_at_ms)
            )
            size += len(record.data)
            seq += 1
        if part:
            yield Frame(stream, INCARNATION, part[0].seq, version, tuple(part), context)


def raw_frame(frame: Frame, ingested_at_ms: int, traceparent: str = "") -> RawFrame:
    """Give a frame as ingest puts it into the log."""
    packed = compress_frame(pack_frame(frame))
    return RawFrame(
        frame.stream_id,
        frame.incarnation,
        frame.first_seq,
        frame.last_seq,
        packed,
        ingested_at_ms,
        traceparent,
    )


def send_raw(log: Log, partition: int, item: RawFrame | RawTick) -> int:
    """Write one message to the raw topic; give its offset."""
    value, headers = item.encode()
    producer = log.producer()
    return producer.send(RAW, partition, value, headers=headers).result(60)


def send_frame(log: Log, configuration: Configuration, frame: Frame, at_ms: int) -> None:
    """Write a frame where its merge domain belongs."""
    domain = configuration.merge_domain(frame.stream_id)
    send_raw(log, partition_of(domain, log.partitions(RAW)), raw_frame(frame, at_ms))


def tick(log: Log, at_ms: int) -> None:
    """Tell every partition the time."""
    for partition in range(log.partitions(RAW)):
        send_raw(log, partition, RawTick(at_ms))
