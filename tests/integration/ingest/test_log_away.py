"""The log is away, frozen, wiped or of another shape: units wait, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bluewhale.ingest.service import Ingest
from bluewhale.messaging.kafka import KafkaLog

from tests.integration.ingest.places import (
    Conditions,
    ingest_on,
    until,
    write_configuration,
)
from tests.integration.ingest.raw_reading import RawReader
from tests.integration.ingest.real_unit import real_unit
from tests.support.services import KafkaCluster

pytestmark = [
    pytest.mark.services("kafka"),
    pytest.mark.slow,
]


@pytest.fixture(autouse=True)
def collect_sockets() -> Iterator[None]:
    """Collect the sockets that kafka-python leaves open when a broker refuses them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextlib.asynccontextmanager
async def ingest_over(
    folder: Path, kafka: KafkaCluster
) -> AsyncIterator[tuple[Ingest, Conditions]]:
    """Run ingest over a cluster of our own, whether it answers or not."""
    path = write_configuration(folder, bootstrap=kafka.bootstrap)
    async with ingest_on(path, lambda: KafkaLog(kafka.bootstrap, client_id="ingest")) as running:
        yield running


def texts_in(kafka: KafkaCluster, count: int) -> set[bytes]:
    """Give the records that are in the log once at least `count` different ones are."""
    log = KafkaLog(kafka.bootstrap, client_id="reader")
    reader = RawReader(log)
    try:
        seen: set[bytes] = set()
        for _ in range(300):
            reader.poll()
            seen = {r.data for f in reader.frames for r in f.frame().records}
            if len(seen) >= count:
                break
        return seen
    finally:
        reader.close()
        log.close()


def test_a_log_that_is_away_at_the_start_and_in_the_middle_makes_units_wait(
    tmp_path: Path,
) -> None:
    """Thirty records wait for the first start, thirty more for the second; all arrive."""

    async def scenario(kafka: KafkaCluster) -> None:
        kafka.kill(1)
        async with (
            ingest_over(tmp_path, kafka) as (ingest, conditions),
            real_unit(tmp_path, ingest) as unit,
        ):
            unit.write([b"first %d" % i for i in range(30)])
            await until(lambda: "log_unavailable" in unit.client.state.last_error, "a refusal")
            assert conditions.latest["log"][0] is False
            await asyncio.to_thread(kafka.revive, 1)
            await until(lambda: conditions.latest["log"][0], "the log", 60)
            seen = await asyncio.to_thread(texts_in, kafka, 30)
            assert seen == {b"first %d" % i for i in range(30)}
            await asyncio.to_thread(kafka.kill, 1)
            unit.write([b"second %d" % i for i in range(30)])
            await until(lambda: not conditions.latest["log"][0], "the outage to be noticed", 60)
            assert unit.client.state.connected
            await asyncio.to_thread(kafka.revive, 1)
            seen = await asyncio.to_thread(texts_in, kafka, 60)
            assert seen == {b"%s %d" % (w, i) for w in (b"first", b"second") for i in range(30)}

    with KafkaCluster() as kafka:
        asyncio.run(scenario(kafka))


def test_a_log_that_was_wiped_gets_everything_again_that_is_not_stored(tmp_path: Path) -> None:
    """Forty records were received and not stored; the new topic has them all."""

    async def scenario(kafka: KafkaCluster) -> None:
        async with (
            ingest_over(tmp_path, kafka) as (ingest, conditions),
            real_unit(tmp_path, ingest) as unit,
        ):
            await until(lambda: conditions.latest["log"][0], "the log", 60)
            unit.write([b"line %d" % i for i in range(40)])
            assert len(await asyncio.to_thread(texts_in, kafka, 40)) == 40
            before = ingest.raw_log.log_id
            await asyncio.to_thread(kafka.wipe_and_recreate)
            await until(
                lambda: ingest.raw_log.log_id != before and conditions.latest["log"][0],
                "the new log", 60,
            )  # fmt: skip
            seen = await asyncio.to_thread(texts_in, kafka, 40)
            assert seen == {b"line %d" % i for i in range(40)}
            unit.write([b"after"])
            assert b"after" in await asyncio.to_thread(texts_in, kafka, 41)

    with KafkaCluster() as kafka:
        asyncio.run(scenario(kafka))
