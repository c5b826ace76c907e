"""Storage as a plugin: opens the main database, runs its loops, answers questions.

Owns the composition of this role and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.messaging import Watchdog
from bluewhale.nexus import Manifest, serve
from bluewhale.storage.aside import Aside
from bluewhale.storage.housekeeping import Housekeeper
from bluewhale.storage.jobs_door import JobsDoor
from bluewhale.storage.marks_feed import MarksFeed
from bluewhale.storage.query_door import QueryDoor
from bluewhale.storage.sink import Sink

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.database import Store
    from bluewhale.messaging import Log
    from bluewhale.nexus import Context

MANIFEST = Manifest(
    symbolic_name="bluewhale.storage",
    version="0.1.0",
    vendor="Bluewhale maintainers",
    provides={"query": "1.0", "jobs": "1.0"},
    activator="bluewhale.storage.plugin:activate",
)
RETRY_S = 1.0
EXIT_AFTER_S = 60.0  # behind the limit of the watchdog: a loop that hangs ends the process


@contextlib.asynccontextmanager
async def activate(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Store and answer as long as the block lasts."""
    configuration: Configuration = context.settings
    store = await _opened(context, configuration)
    try:
        async with serving(context, configuration, store) as services:
            yield services
    finally:
        await asyncio.to_thread(store.close)


@contextlib.asynccontextmanager
async def serving(
    context: Context, configuration: Configuration, store: Store, log: Log | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Run the loops over an open store; `log` = that of the configuration by default."""
    from bluewhale.configuration import Following
    from bluewhale.jobs.current import CurrentStages
    from bluewhale.jobs.loops import followed
    from bluewhale.jobs.runner import JobRunner
    from bluewhale.jobs.works import works

    feed = MarksFeed(store, ending=lambda: context.health.draining)
    following = Following(configuration)
    runner = JobRunner(store, works(store, following))
    sink = _SinkLoop(context, configuration, store, feed, log)
    watchdog = Watchdog("housekeeping")
    house = Housekeeper(
        store,
        CurrentStages(following, store),
        runner,
        keeps_house=sink.keeps_house,
        busy=sink.busy,
        window_ms=configuration.settings.limits.window_ms,
        hot_rows_max=configuration.settings.limits.hot_rows_max,
        watchdog=watchdog,
        metrics=context.metrics,
    )
    context.watch("housekeeping", watchdog.stuck)
    feed.start()
    try:
        async with (
            followed(context, following),
            context.worker("storage", sink.run),
            context.worker("house", house.run),
        ):
            yield {
                "query": serve("query", QueryDoor(store, feed)),
                "jobs": serve("jobs", JobsDoor(runner, store, lambda: context.health.draining)),
            }
    finally:
        await asyncio.to_thread(feed.stop)


class _SinkLoop:
    """The sink and the log that it reads; both live in the worker's thread."""

    def __init__(
        self,
        context: Context,
        configuration: Configuration,
        store: Store,
        feed: MarksFeed,
        log: Log | None,
    ) -> None:
        self._context = context
        self._configuration = configuration
        self._store = store
        self._feed = feed
        self._log = log
        self._sink: Sink | None = None

    def keeps_house(self) -> bool:
        """Say whether this replica does the works that one replica does."""
        return self._sink is not None and self._sink.keeps_house

    def busy(self) -> bool:
        """Say whether much comes in."""
        return self._sink is not None and self._sink.busy

    def run(self, stopping: threading.Event) -> None:
        """Run the sink until told to stop; the log is waited for."""
        context, configuration = self._context, self._configuration
        watchdog = Watchdog("storage", exit_after_s=EXIT_AFTER_S)
        context.watch("storage", watchdog.stuck)
        log = self._log or _log(context, configuration, watchdog, stopping)
        if log is None:
            return
        try:
            self._sink = Sink(
                log,
                self._store,
                aside=Aside(self._store.files.folder.parent / "aside"),
                watchdog=watchdog,
                health=context.health,
                metrics=context.metrics,
                committed=lambda _made, _result: self._feed.committed(),
            )
            self._sink.run(stopping)
        finally:
            watchdog.stop()
            if self._log is None:
                log.close()


def _log(
    context: Context, configuration: Configuration, watchdog: Watchdog, stopping: threading.Event
) -> Log | None:
    """Open the log; None = told to stop before it was there."""
    from bluewhale.jobs.opening import open_log

    while not stopping.is_set():
        watchdog.alive("waiting for the log")
        try:
            log = open_log(configuration, "storage")
        except TemporaryError as error:
            context.condition("log", good=False, message=str(error))
            stopping.wait(RETRY_S)
        else:
            context.condition("log", good=True)
            return log
    return None


async def _opened(context: Context, configuration: Configuration) -> Store:
    """Open the main database, however long that takes; the start probe says that it waits."""
    from bluewhale.jobs.opening import open_store

    while True:
        try:
            store = await asyncio.to_thread(open_store, configuration)
        except TemporaryError as error:
            context.condition("database", good=False, message=str(error))
            context.log.warning("Database is away, waiting", error=str(error))
            await asyncio.sleep(RETRY_S)
        else:
            context.condition("database", good=True)
            return store
