"""Parser, billing and storage over one log in memory and one SQLite store."""

from __future__ import annotations

import time
from pathlib import Path

from bluewhale.billing.plugin import make_worker as make_billing
from bluewhale.billing.prices import Prices
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Configuration, Following
from bluewhale.database import Store
from bluewhale.jobs.preparing import prepare
from bluewhale.jobs.rejoining import offer, rejoin
from bluewhale.messaging import MemoryLog, Watchdog
from bluewhale.messaging.worker import Worker
from bluewhale.nexus import Health
from bluewhale.parser.plugin import make_worker as make_parser
from bluewhale.storage.aside import Aside
from bluewhale.storage.sink import Sink
from bluewhale.telemetry import Metrics

from tests.support.captured import frames_of, send_frame, tick


class Installation:
    """The roles of a world, stepped by hand."""

    def __init__(self, world: World, configuration: Configuration, folder: Path) -> None:
        self.world, self.configuration, self.folder = world, configuration, folder
        self.following = Following(configuration)
        self.log = MemoryLog()
        self.log.ensure_topics(configuration.cluster.kafka.partitions, 1)
        self.store = Store.open(folder / "store")
        self.stages = prepare(configuration, self.store)
        self.prices = Prices(self.store, configuration.settings.payer_policy)
        self.prices.look()
        self.now_ms = int(time.time() * 1000)
        self.metrics = Metrics()
        self.parser = self.new_parser()
        self.billing = self.new_billing()
        self.sink = Sink(
            self.log,
            self.store,
            aside=Aside(folder / "aside"),
            watchdog=Watchdog("storage"),
            health=Health(),
            metrics=Metrics(),
        )

    def new_parser(self) -> Worker:
        """Give another parser of the group."""
        return make_parser(self.following, self.log, self.metrics)

    def new_billing(self) -> Worker:
        """Give another billing of the group."""
        return make_billing(self.configuration, self.log, self.prices, self.metrics)

    def send(self, pbx_uid: str, unit: str, *, records_max: int = 20) -> int:
        """Send all lines of a PBX as one unit does; give the count of records."""
        frames = frames_of(
            self.world,
            self.configuration,
            pbx_uid,
            unit,
            received_at_ms=self.now_ms,
            records_max=records_max,
        )
        for frame in frames:
            send_frame(self.log, self.configuration, frame, self.now_ms)
        return sum(len(f.records) for f in frames)

    def settle(self, *, rounds: int = 4) -> None:
        """Let all work until nothing moves, then let the windows pass."""
        for step_ms in (0, 2_000, 60_000):
            self.now_ms += step_ms
            tick(self.log, self.now_ms)
            for _ in range(rounds):
                for worker in (self.parser, self.billing):
                    worker.step()
                self.sink.step()
        for _ in range(4):
            rejoin(self.store, self.stages, self.now_ms)
            offer(self.store, self.stages, self.store.legs_without_call(self.now_ms), self.now_ms)

    def close(self) -> None:
        """End all."""
        for worker in (self.parser, self.billing, self.sink):
            worker.close()
        self.store.close()
