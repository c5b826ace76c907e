"""`bluewhale up`: connectors, journal, stages and store in one process.

Owns life: start in order, run until told to stop, stop cleanly (what was
received is journaled, what was journaled is processed as far as time allows).
Connectors run on the event loop; one thread runs the processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.cli.config import (
    Configuration,
    FolderSettings,
    TcpClientSettings,
    TcpServerSettings,
)
from bluewhale.cli.pipeline import Stages
from bluewhale.cli.processor import Processor
from bluewhale.database import Store
from bluewhale.journal import Journal
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

HOUSEKEEPING_INTERVAL_S = 1.0
RETRY_S = 0.5


class Runtime:
    """One embedded installation, running."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._log = get_logger("runtime")
        settings = configuration.settings
        data = settings.data
        data.mkdir(parents=True, exist_ok=True)
        self.journal = Journal.open(
            data / "journal.db", quota_bytes=settings.limits.journal_quota_mib << 20
        )
        self.store = Store.open(data / "store")
        remember(configuration, self.store)
        self.stages = Stages.of(
            configuration.directory, configuration.tariffs, settings.payer_policy
        )
        self.processor = Processor(
            self.journal,
            self.store,
            self.stages,
            configuration.profiles.values(),
            window_ms=settings.limits.window_ms,
            batch_records_max=settings.limits.batch_records_max,
        )
        self._stopping = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Run until SIGTERM or SIGINT (or `stop`); then stop cleanly."""
        worker = threading.Thread(target=self._process, name="processor")
        worker.start()
        try:
            asyncio.run(self._connect())
        finally:
            self._stopping.set()
            worker.join()
            self.close()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Ask a running instance to stop; safe from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """Release files and locks."""
        self.journal.close()
        self.store.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # not the main thread: the caller stops us
                loop.add_signal_handler(number, self._stopping.set)
        tasks = [
            asyncio.create_task(run(), name=name) for name, run in self._connectors().items()
        ]
        self._log.info("Runtime started", links=len(tasks))
        try:
            while not self._stopping.is_set():
                await asyncio.sleep(0.05)
                for task in tasks:
                    if task.done() and not task.cancelled() and task.exception() is not None:
                        self.failure = task.exception()
                        return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._log.info("Connectors stopped", links=len(tasks))

    def _connectors(self) -> dict[str, Callable[[], asyncio.Future[None]]]:
        return {
            link_uid: make(self.configuration, link_uid, self.journal)
            for link_uid, make in _makers(self.configuration).items()
        }

    def _process(self) -> None:
        """Move records until asked to stop and nothing is left; errors that pass are retried."""
        limits = self.configuration.settings.limits
        tidy_at = time.monotonic()
        try:
            while True:
                try:
                    moved = self.processor.step()
                    if time.monotonic() >= tidy_at:
                        moved += self.processor.join_left_over()
                        self.store.seal_if_over(limits.hot_rows_max)
                        tidy_at = time.monotonic() + HOUSEKEEPING_INTERVAL_S
                except TemporaryError as error:
                    self._log.warning("Store is busy, trying again", error=str(error))
                    time.sleep(RETRY_S)
                    moved = 0
                if not moved:
                    if self._stopping.is_set():
                        return
                    self._stopping.wait(limits.poll_interval_ms / 1000)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started us
            self.failure = error
            self._stopping.set()


def remember(configuration: Configuration, store: Store) -> None:
    """Keep the tariff and directory versions in force with the calls that they priced."""
    for version, path in zip(configuration.tariffs, configuration.settings.tariffs, strict=True):
        store.keep_tariff(version, path)


def _makers(configuration: Configuration):
    makers = {
        TcpServerSettings: _tcp_server,
        TcpClientSettings: _tcp_client,
        FolderSettings: _folder,
    }
    return {
        link.link_uid: makers[type(link.connector)]
        for link in configuration.settings.links
        if type(link.connector) in makers
    }
