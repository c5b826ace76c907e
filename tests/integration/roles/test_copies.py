"""Two running copies of one unit, and topics that are wiped and made again: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from bluewhale.configuration import Following, load
from bluewhale.database import Store
from bluewhale.ingest.service import Ingest
from bluewhale.journal import writing
from bluewhale.messaging import PARSED, RAW, Watchdog
from bluewhale.messaging.kafka import KafkaLog
from bluewhale.nexus import Health
from bluewhale.parser.plugin import make_worker
from bluewhale.storage.aside import Aside
from bluewhale.storage.sink import Sink
from bluewhale.telemetry import Metrics
from bluewhale.uplink import StoredMark

from tests.integration.ingest.places import ingest_on, until, write_configuration
from tests.integration.ingest.raw_reading import RawReader
from tests.integration.ingest.real_unit import Unit, real_unit
from tests.support.services.topics import remake

pytestmark = [pytest.mark.services("kafka"), pytest.mark.slow]

PARTITIONS = 2


class SlowToNotice(KafkaLog):
    """The log of an ingest that sees what was, for as long as the test says."""

    seen: dict[str, str] | None = None

    def topic_id(self, name: str) -> str:
        return super().topic_id(name) if self.seen is None else self.seen[name]


class Place:
    """A broker's topics, ingest, and the stages behind it, which the test starts."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.folder, self.bootstrap, self.prefix = folder, bootstrap, prefix
        self.path = write_configuration(folder, bootstrap=bootstrap, prefix=prefix)
        self.log = SlowToNotice(bootstrap, client_id="ingest", prefix=prefix)
        self.other = KafkaLog(bootstrap, client_id="stages", prefix=prefix)
        self.store = Store.open(folder / "calls")
        self.metrics = Metrics()
        self._stages: list[tuple[Callable[[], None], threading.Thread]] = []
        self._opened = contextlib.ExitStack()
        self._opened.callback(self.store.close)
        self._opened.callback(self.other.close)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Ingest]:
        """Run ingest, fed with the marks of the store; at the end all stages end too."""
        try:
            async with ingest_on(self.path, lambda: self.log) as (ingest, conditions):
                await until(lambda: conditions.latest["log"][0], "the log", 60)
                feeding = asyncio.create_task(self._feed(ingest))
                yield ingest
                feeding.cancel()
        finally:
            for stop, thread in self._stages:
                stop()
                await asyncio.to_thread(thread.join)
            self._opened.close()

    async def _feed(self, ingest: Ingest) -> None:
        stamp = 0
        while True:
            stamp, marks = await asyncio.to_thread(self.store.marks_changed, stamp)
            ingest.feed.take(
                StoredMark(m.stream_id, m.incarnation, m.stored_through, m.record_crc)
                for m in marks
            )
            await asyncio.sleep(0.05)

    def parse(self) -> None:
        """Start the parser."""
        worker = make_worker(Following(load(self.path)), self.other, self.metrics)
        self._start(worker.run, worker.stop)

    def keep(self) -> None:
        """Start storage."""
        sink = Sink(
            self.other,
            self.store,
            aside=Aside(self.folder / "aside"),
            watchdog=Watchdog("storage"),
            health=Health(),
            metrics=self.metrics,
        )
        stopping = threading.Event()
        self._start(lambda: sink.run(stopping), stopping.set)

    def _start(self, run: Callable[[], None], stop: Callable[[], None]) -> None:
        thread = threading.Thread(target=run)
        thread.start()
        self._stages.append((stop, thread))

    def hold(self) -> None:
        """Let ingest see the topics as they are now, whatever becomes of them."""
        self.log.seen = {name: self.other.topic_id(name) for name in (RAW, PARSED)}

    def wipe(self, name: str) -> None:
        """Delete a topic and make it again."""
        remake(self.bootstrap, self.prefix + name, PARTITIONS)

    def stored(self) -> set[bytes]:
        """Give the records that the main database keeps: they are no calls, so in suspense."""
        return set(self.store.suspense_list(limit=10_000).column("raw").to_pylist())

    def parsed(self) -> float:
        """Give how many records the parser was given."""
        return sum(
            sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "bluewhale_records_rejected_total"
        )

    def unmeant(self, topic: str) -> float:
        """Give how many messages were passed over."""
        return (
            self.metrics.registry.get_sample_value(
                "bluewhale_batches_total", {"topic": topic, "outcome": "unmeant"}
            )
            or 0.0
        )


@pytest.fixture(autouse=True)
def one_incarnation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first two journals begin with one incarnation, as a snapshot that runs does."""
    given: Iterator[int] = iter([7, 7])
    drawn = writing.random_incarnation
    monkeypatch.setattr(writing, "random_incarnation", lambda: next(given, None) or drawn())


def waiting(unit: Unit) -> int:
    """Give how many records a unit still keeps."""
    return sum(s.journaled_through - s.stored_through for s in unit.journal.streams())


@contextlib.asynccontextmanager
async def copies(folder: Path, ingest: Ingest) -> AsyncIterator[tuple[Unit, Unit]]:
    """Run two copies of one unit."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    async with (
        real_unit(folder / "a", ingest) as first,
        real_unit(folder / "b", ingest) as second,
    ):
        yield first, second


@pytest.mark.parametrize("name", [RAW, PARSED])
def test_a_copy_keeps_its_record_below_a_hole_until_that_is_stored(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, name: str
) -> None:
    """B's 1 is wiped; B's 2 and A's 1 get into the new topic before ingest sees that it is new."""

    async def scenario() -> None:
        place = Place(tmp_path, kafka_bootstrap, kafka_prefix)
        async with place.running() as ingest, copies(tmp_path, ingest) as (a, b):
            reader = RawReader(place.other)
            if name == PARSED:
                place.parse()
            b.write([b"B1"])
            await asyncio.to_thread(reader.read, 1)
            if name == PARSED:
                await until(lambda: place.parsed() == 1, "the first record to be parsed", 30)
            place.hold()
            await asyncio.to_thread(place.wipe, name)
            b.write([b"B2"])
            await asyncio.to_thread(reader.read, 2)
            a.write([b"A1"])
            await asyncio.to_thread(reader.read, 3)
            reader.close()
            if name == RAW:
                place.parse()
            place.keep()
            await until(lambda: place.unmeant(name) >= 2, "both to be passed over", 60)
            assert place.stored() == set()
            assert (waiting(a), waiting(b)) == (1, 2)
            place.log.seen = None
            await until(lambda: waiting(a) + waiting(b) == 0, "the units to be told", 60)
            assert place.stored() == {b"A1", b"B1", b"B2"}

    asyncio.run(scenario())


def test_copies_that_write_while_topics_are_wiped_lose_nothing(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    """Eight times raw, parsed or both are made again, noticed whenever each part does."""
    rng = random.Random(5)

    async def scenario() -> None:
        place = Place(tmp_path, kafka_bootstrap, kafka_prefix)
        written: set[bytes] = set()
        async with place.running() as ingest, copies(tmp_path, ingest) as units:
            place.parse()
            place.keep()
            for turn in range(8):
                for step in range(rng.randint(5, 15)):
                    for who, unit in zip("AB", units, strict=True):
                        text = b"%s %d %d" % (who.encode(), turn, step)
                        unit.write([text])
                        written.add(text)
                    await asyncio.sleep(rng.uniform(0, 0.2))
                for name in rng.choice([(RAW,), (PARSED,), (RAW, PARSED)]):
                    await asyncio.to_thread(place.wipe, name)
            await until(lambda: sum(map(waiting, units)) == 0, "the units to be told", 120)
            assert place.stored() == written

    asyncio.run(scenario())
