"""The plugins of `bluewhale up`: journal, main database, prices, processor, connectors, answers ...

Owns what each of them opens, runs and closes. Their order follows from what they
require; they end in reverse: connectors first, then the processor moves what is
left, then the files are closed. Does not own the process (`runtime`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bluewhale.billing.plugin import ALERTS
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.cli.connecting import make_connectors
from bluewhale.cli.monitoring import Monitor
from bluewhale.cli.pace import Pace
from bluewhale.cli.processor import Processor
from bluewhale.cli.reading import QUERY, TARIFFS
from bluewhale.configuration import Following
from bluewhale.database import Store
from bluewhale.jobs.current import CurrentStages
from bluewhale.journal import Journal
from bluewhale.nexus import Manifest, serve
from bluewhale.nexus.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from bluewhale.configuration import Configuration
    from bluewhale.configuration.alerting import Alerting
    from bluewhale.nexus import Context
    from bluewhale.stages import Stages

GAUGES_INTERVAL_S = 1.0
FINISH_S = 60.0  # what is journaled is moved this long at the end; the rest at the next start


def _manifest(name: str, **facts: Any) -> Manifest:
    return Manifest(
        symbolic_name=f"bluewhale.embedded.{name}",
        version="1.0",
        vendor="Bluewhale maintainers",
        activator=f"bluewhale.cli.embedded:{name}",
        **facts,
    )


MANIFESTS = (
    _manifest("journal", provides={"journal": "1.0"}),
    _manifest("store", provides={"store": "1.0"}),
    _manifest("prices", requires={"store": ">=1,<2"}, provides={"prices": "1.0"}),
    _manifest("monitor", requires={"journal": ">=1,<2"}, provides={"monitor": "1.0"}),
    _manifest(
        "processor",
        requires={
            "journal": ">=1,<2",
            "store": ">=1,<2",
            "monitor": ">=1,<2",
            "prices": ">=1,<2",
        },
        provides={"processor": "1.0"},
    ),
    _manifest(
        "connectors",
        requires={"journal": ">=1,<2", "monitor": ">=1,<2", "processor": ">=1,<2"},
        provides={"connectors": "1.0"},
    ),
    _manifest(
        "house",
        requires={"store": ">=1,<2", "prices": ">=1,<2", "processor": ">=1,<2"},
        provides={"jobs": "1.0"},
    ),
    _manifest("control", requires={"journal": ">=1,<2"}, provides={"control": "1.0"}),
    _manifest("workers", requires={"store": ">=1,<2"}, provides={"workers": "1.0"}),
    _manifest(
        "answers",
        requires={"store": ">=1,<2", "workers": ">=1,<2"},
        provides={"query": "1.0"},
        lazy_start=True,
    ),
    _manifest(
        "tariffs",
        requires={"prices": ">=1,<2", "workers": ">=1,<2"},
        provides={"tariffs": "1.0"},
    ),
    ALERTS,
)


class Prices:
    """What this installation prices with; a version that a command activated is taken within seconds."""

    look_every_ms = 0  # no other process prices

    def __init__(self, configuration: Configuration, store: Store) -> None:
        self.store = store
        self.current = CurrentStages(Following(configuration), store)

    @property
    def alerting(self) -> Alerting:
        """Give the rules and channels in force."""
        return self.current.configuration.alerting

    @property
    def rules_file(self) -> Path | None:
        """Give where they are declared."""
        return self.current.configuration.settings.alerts

    def stages(self) -> Stages:
        """Give what to price with; the first time the main database is told the configuration."""
        return self.current.get()

    def refresh(self) -> None:
        """Take what is in use now, at once."""
        self.current.refresh()


@contextlib.asynccontextmanager
async def journal(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Keep the journal open."""
    settings = context.settings.settings
    settings.data.mkdir(parents=True, exist_ok=True)
    opened = Journal.open(
        settings.data / "journal.db", quota_bytes=settings.limits.journal_quota_mib << 20
    )
    try:
        yield {"journal": opened}
    finally:
        opened.close()


@contextlib.asynccontextmanager
async def store(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Keep the main database open."""
    settings = context.settings.settings
    settings.data.mkdir(parents=True, exist_ok=True)
    opened = await asyncio.to_thread(Store.open, settings.data / "store")
    try:
        yield {"store": opened}
    finally:
        opened.close()


@contextlib.asynccontextmanager
async def prices(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Know what to price with."""
    made = Prices(context.settings, context.service("store"))
    # prices may take seconds to make ready; the loop must hear a signal meanwhile
    await asyncio.to_thread(made.stages)
    yield {"prices": made}


@contextlib.asynccontextmanager
async def monitor(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Say how the installation is."""
    made = Monitor(context.service("journal"), context.metrics)
    context.health.inquire(made.health)
    yield {"monitor": made}


@contextlib.asynccontextmanager
async def processor(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Move records from the journal to the main database."""
    configuration: Configuration = context.settings
    limits = configuration.settings.limits
    opened: Store = context.service("store")
    made = Processor(
        context.service("journal"),
        opened,
        context.service("prices").stages,
        configuration.profiles.values(),
        monitor=context.service("monitor"),
        window_ms=limits.window_ms,
        batch_records_max=limits.batch_records_max,
    )
    loop = _Loop(context, made)
    async with context.worker("processor", loop.run):
        yield {"processor": made}


class _Loop:
    """The thread of the processor."""

    def __init__(self, context: Context, processor: Processor) -> None:
        self._processor = processor
        self._monitor: Monitor = context.service("monitor")
        self._limits = context.settings.settings.limits
        self._log = context.log

    def run(self, stopping: threading.Event) -> None:
        """Move records until asked to stop and nothing is left; what passes by itself is retried."""
        gauged_s = float("-inf")
        until: float | None = None
        pace = Pace(self._limits.poll_interval_ms / 1000)
        while True:
            began_s = time.monotonic()
            try:
                moved = self._processor.step()
                if time.monotonic() - gauged_s >= GAUGES_INTERVAL_S:
                    self._monitor.refresh()
                    gauged_s = time.monotonic()
                self._monitor.processor_error = ""
            except TemporaryError as error:
                self._log.warning("Store is busy, trying again", error=str(error))
                self._monitor.processor_error = str(error)
                moved = 0
            if stopping.is_set():
                until = time.monotonic() + FINISH_S if until is None else until
                if not moved or time.monotonic() > until:
                    return
                continue
            rest_s = pace.rest_s(time.monotonic() - began_s)
            if not (moved and self._processor.busy):
                stopping.wait(rest_s)


@contextlib.asynccontextmanager
async def connectors(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Read the PBXs."""
    made = make_connectors(context.settings, context.service("journal"))
    context.service("monitor").follow(made)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(connector.run(), name=link_uid)
            for link_uid, connector in made.items()
        ]
        context.log.info("Connectors started", links=len(tasks))
        try:
            yield {"connectors": made}
        finally:
            for task in tasks:
                task.cancel()
    context.log.info("Connectors stopped", links=len(tasks))


@contextlib.asynccontextmanager
async def workers(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Begin the processes that answer what pages ask, as many as the configuration says."""
    web = context.settings.settings.web
    made = Workers(
        "bluewhale.cli.reading:doors",
        context.settings.path,
        count=0 if web is None else web.workers,
    )
    made.start()
    try:
        yield {"workers": made}
    finally:
        await asyncio.to_thread(made.close)


@contextlib.asynccontextmanager
async def tariffs(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Answer questions about tariffs, and change what is in force, as billing does."""
    from bluewhale.billing.tariffs_door import TariffsDoor

    made = serve("tariffs", TariffsDoor(context.service("prices")))
    yield {"tariffs": context.service("workers").beside(made, TARIFFS)}


@contextlib.asynccontextmanager
async def answers(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Answer questions about what is stored, as the role storage does."""
    from bluewhale.storage.marks_feed import MarksFeed
    from bluewhale.storage.query_door import QueryDoor

    opened: Store = context.service("store")
    feed = MarksFeed(opened)
    feed.start()
    try:
        made = serve("query", QueryDoor(opened, feed))
        yield {"query": context.service("workers").beside(made, QUERY)}
    finally:
        await asyncio.to_thread(feed.stop)


@contextlib.asynccontextmanager
async def house(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Join what was left over, seal, keep files in order, run jobs, as the role storage does."""
    from bluewhale.jobs.runner import JobRunner
    from bluewhale.jobs.works import works
    from bluewhale.messaging import Watchdog
    from bluewhale.storage.housekeeping import Housekeeper
    from bluewhale.storage.jobs_door import JobsDoor

    limits = context.settings.settings.limits
    opened: Store = context.service("store")
    moving: Processor = context.service("processor")
    runner = JobRunner(opened, works(opened, Following(context.settings)))
    watchdog = Watchdog("housekeeping")
    keeper = Housekeeper(
        opened,
        context.service("prices").current,
        runner,
        keeps_house=lambda: True,
        busy=lambda: moving.busy,
        window_ms=limits.window_ms,
        hot_rows_max=limits.hot_rows_max,
        watchdog=watchdog,
        metrics=context.metrics,
    )
    context.watch("housekeeping", watchdog.stuck)
    async with context.worker("house", keeper.run):
        yield {"jobs": serve("jobs", JobsDoor(runner, opened, lambda: context.health.draining))}


@contextlib.asynccontextmanager
async def control(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Answer about this process, as every role does."""
    import importlib.metadata
    import os
    import socket

    from bluewhale.api.control.v1 import control_pb2
    from bluewhale.nexus.control import Control

    opened: Journal = context.service("journal")

    def lag() -> control_pb2.Lag:
        waiting = sum(lane.waiting for lane in opened.streams())
        found = control_pb2.Lag(count=waiting, unit="records")
        if waiting:
            found.oldest_ms = opened.waiting_since_ms()
        return found

    made = Control(
        role=context.role,
        version=importlib.metadata.version("bluewhale-runtime"),
        instance=f"{socket.gethostname()}-{os.getpid()}",
        started_at_ms=int(time.time() * 1000),
        health=context.health,
        drain=lambda _timeout_s: context.drain(),
        lag=lag,
    )
    yield {"control": serve("control", made)}
