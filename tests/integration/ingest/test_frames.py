"""Frames over real TLS into real Kafka: verbatim, or refused alone with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import zstandard
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import Frame, RawRecord, pack_frame
from bluewhale.ingest.service import Ingest
from bluewhale.messaging import partition_of
from bluewhale.messaging.kafka import KafkaLog
from bluewhale.uplink import StoredMark

from tests.integration.ingest.places import (
    ASTERISK,
    AVAYA,
    INCARNATION,
    OF_SHOP,
    Client,
    Conditions,
    client_of,
    crc_of,
    frame_of,
    ingest_on,
    keys_of,
    until,
    write_configuration,
)
from tests.integration.ingest.raw_reading import RawReader

pytestmark = pytest.mark.services


@contextlib.asynccontextmanager
async def over_kafka(
    folder: Path, bootstrap: str, prefix: str
) -> AsyncIterator[tuple[Ingest, Conditions]]:
    """Run ingest over a real broker until it is ready."""
    path = write_configuration(folder, bootstrap=bootstrap, prefix=prefix)
    async with ingest_on(path, lambda: KafkaLog(bootstrap, client_id="ingest", prefix=prefix)) as (
        ingest,
        conditions,
    ):
        await until(
            lambda: conditions.latest["database"][0] and conditions.latest["log"][0], "readiness"
        )
        yield ingest, conditions


@contextlib.asynccontextmanager
async def unit(ingest: Ingest, unit_uid: str) -> AsyncIterator[Client]:
    """Connect a unit with a certificate of its own."""
    assert ingest.credentials is not None
    keys = keys_of(ingest.credentials.authority(), unit_uid)
    async with client_of(ingest, unit_uid, keys) as client:
        yield client


def test_frames_arrive_verbatim_in_the_partition_of_their_pbx_and_marks_come_back(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Two units, three streams, twenty frames; stored marks of the database pass through."""

    async def scenario() -> None:
        async with (
            over_kafka(tmp_path, kafka_bootstrap, kafka_prefix) as (ingest, _),
            unit(ingest, "depot") as depot,
            unit(ingest, "shop") as shop,
        ):
            sent = []
            for i in range(10):
                frame = frame_of([b"line %d" % i] * 3, first_seq=1 + 3 * i)
                sent.append(frame)
                await depot.frame(frame)
                frame = frame_of([b"shop %d" % i], stream=OF_SHOP, first_seq=1 + i)
                sent.append(frame)
                await shop.frame(frame)
            await until(lambda: depot.received.get(AVAYA) == 30, "marks of the log")
            await until(lambda: shop.received.get(OF_SHOP) == 10, "marks of the log")
            ingest.feed.take([StoredMark(AVAYA, INCARNATION, 30, crc_of(b"line 9"))])
            await until(lambda: depot.stored.get(AVAYA) == 30, "the mark of the database")
            last = depot.of("marks")[-1].marks[-1]
            assert last.record_crc == crc_of(b"line 9")
            beat = pb.Heartbeat(clock_ms=int(time.time() * 1000))
            beat.tallies.add(stream_id=AVAYA, day=20_000, heard=30, journaled=30)
            beat.tallies.add(stream_id=OF_SHOP, day=20_000, heard=9, journaled=9)
            await depot.send(pb.Up(heartbeat=beat))
            await until(lambda: depot.of("beat"), "the answer to the heartbeat")
            await asyncio.sleep(1.5)

        log = KafkaLog(kafka_bootstrap, client_id="reader", prefix=kafka_prefix)
        reader = RawReader(log)
        found = reader.read(20)
        assert {f.packed for f in found} == {f.packed for f in sent}
        assert reader.partitions == {
            AVAYA: {partition_of("hq-avaya", 2)},
            OF_SHOP: {partition_of("london-asterisk", 2)},
        }
        reader.poll()
        assert sorted(reader.ticks) == [0, 1]
        # the count of a stream that is not the unit's own was passed over
        told = [t for message in reader.tallies for t in message.tallies]
        assert [(t.stream_id, t.day, t.heard, t.journaled) for t in told] == [
            (AVAYA, 20_000, 30, 30)
        ]
        reader.close()
        log.close()

    asyncio.run(scenario())


def with_crc(body: bytes) -> bytes:
    """Give a frame's body with the CRC that it should end with."""
    return body + struct.pack("<I", zlib.crc32(body))


def bad_frames() -> dict[str, pb.FrameUp]:
    """Give a frame of each kind that no parser could ever read, by the code of its refusal."""
    good = frame_of([b"one"], stream=ASTERISK)
    whole = pack_frame(Frame(ASTERISK, INCARNATION, 1, 1, (RawRecord(1, b"one", 99, 1, 1),)))
    compressed = zstandard.ZstdCompressor().compress

    def changed(**fields: object) -> pb.FrameUp:
        made = pb.FrameUp()
        made.CopyFrom(good)
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    bomb = compressed(b"\0" * (64 << 20))
    endless = zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * (64 << 20))
    newer = with_crc(whole[:4] + struct.pack("<H", 2) + whole[6:-4])
    return {
        "malformed": changed(packed=b"no zstd at all"),
        "cut": changed(packed=good.packed[:-5]),
        "bit": changed(packed=compressed(whole[:40] + b"\xff" + whole[41:])),
        "bomb": changed(packed=bomb),
        "endless": changed(packed=endless),
        "huge": changed(packed=b"\0" * (1 << 20)),
        "newer": changed(packed=compressed(newer)),
        "other stream inside": changed(packed=frame_of([b"one"], stream=AVAYA).packed),
        "range": changed(first_seq=5, last_seq=2),
        "not yours": frame_of([b"one"], stream=OF_SHOP),
    }


CODES = {
    "malformed": "frame_corrupt",
    "cut": "frame_corrupt",
    "bit": "frame_corrupt",
    "bomb": "frame_corrupt",
    "endless": "frame_corrupt",
    "huge": "frame_too_big",
    "newer": "frame_version",
    "other stream inside": "frame_corrupt",
    "range": "frame_corrupt",
    "not yours": "stream_not_yours",
}


def test_a_bad_frame_is_refused_alone_and_everything_else_goes_on(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Ten kinds of bad frames on one stream; another stream of the unit and another unit flow."""

    async def scenario() -> None:
        async with (
            over_kafka(tmp_path, kafka_bootstrap, kafka_prefix) as (ingest, _),
            unit(ingest, "shop") as shop,
        ):
            for number, (kind, frame) in enumerate(bad_frames().items(), 1):
                async with unit(ingest, "depot") as depot:
                    await depot.frame(frame)
                    await until(lambda: depot.of("refusal"), f"the refusal of {kind}")
                    (refused,) = depot.of("refusal")
                    assert (kind, refused.code) == (kind, CODES[kind])
                    assert refused.stream_id == frame.stream_id
                    assert refused.message
                    await depot.frame(frame_of([b"avaya %d" % number], first_seq=number))
                    await until(lambda: depot.received.get(AVAYA) == number, kind)  # noqa: B023
                    await shop.frame(frame_of([b"s"], stream=OF_SHOP, first_seq=number))
                    await until(lambda: shop.received.get(OF_SHOP) == number, kind)  # noqa: B023
            counted = ingest.fleet._metrics.text().decode()
            assert 'reason="stream_not_yours",unit_uid="depot"} 1.0' in counted
        log = KafkaLog(kafka_bootstrap, client_id="reader", prefix=kafka_prefix)
        reader = RawReader(log)
        assert {f.stream_id for f in reader.read(20)} == {AVAYA, OF_SHOP}
        reader.close()
        log.close()

    asyncio.run(scenario())


def test_a_message_beyond_every_limit_ends_its_own_connection_alone(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Eight MiB in one message: gRPC refuses it before it is read."""

    async def scenario() -> None:
        async with (
            over_kafka(tmp_path, kafka_bootstrap, kafka_prefix) as (ingest, _),
            unit(ingest, "shop") as shop,
            unit(ingest, "depot") as depot,
        ):
            frame = frame_of([b"one"])
            frame.packed = b"\0" * (8 << 20)
            await depot.frame(frame)
            status, _text = await depot.ended()
            assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
            await shop.frame(frame_of([b"s"], stream=OF_SHOP))
            await until(lambda: shop.received.get(OF_SHOP) == 1, "the frame of the other unit")

    asyncio.run(scenario())


def test_a_clock_wrong_by_a_year_loses_nothing_and_is_reported(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Skew is measured from hello and heartbeats; records keep the unit's own times."""
    year_ms = 365 * 86_400_000

    async def scenario() -> None:
        async with over_kafka(tmp_path, kafka_bootstrap, kafka_prefix) as (ingest, _):
            assert ingest.credentials is not None
            keys = keys_of(ingest.credentials.authority(), "depot")
            wrong_ms = int(time.time() * 1000) - year_ms
            async with client_of(ingest, "depot", keys, clock_ms=wrong_ms) as depot:
                await depot.frame(frame_of([b"one"]))
                await until(lambda: depot.received.get(AVAYA) == 1, "the frame")
                (connection,) = ingest.fleet.connections("depot")
                assert connection.clock_skew_ms == pytest.approx(-year_ms, abs=10_000)
                seen = await asyncio.to_thread(ingest.units_door._whole, "depot")
                (clock,) = [c for c in seen.conditions if c.name == "clock"]
                assert not clock.good
                assert clock.message.startswith("its clock is 31536")
                assert "behind the centre's; set it (NTP)" in clock.message

    asyncio.run(scenario())


def test_a_unit_that_goes_on_sending_refused_frames_is_sent_away(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Six hundred bad frames: its connection ends; another unit does not notice."""

    async def scenario() -> None:
        async with (
            over_kafka(tmp_path, kafka_bootstrap, kafka_prefix) as (ingest, _),
            unit(ingest, "shop") as shop,
            unit(ingest, "depot") as depot,
        ):
            await until(lambda: ingest.fleet.connections("depot"), "the connection")
            (connection,) = ingest.fleet.connections("depot")
            bad = bad_frames()["bomb"]
            for _ in range(600):
                await depot.frame(bad)
            await depot.ended()  # its status is lost where the unit was just writing
            assert connection.ended is not None
            assert connection.ended.code == "misbehaving"
            assert connection.ended.message.startswith(
                "unit depot sent more than 500 frames within 10 s that are refused"
            )
            assert not ingest.fleet.connections("depot")
            await shop.frame(frame_of([b"s"], stream=OF_SHOP))
            await until(lambda: shop.received.get(OF_SHOP) == 1, "the frame of the other unit")

    asyncio.run(scenario())
