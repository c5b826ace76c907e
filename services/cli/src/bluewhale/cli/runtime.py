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
from typing import TYPE_CHECKING

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.cli.connecting import make_connectors
from bluewhale.cli.monitoring import Monitor
from bluewhale.cli.processor import Processor
from bluewhale.database import Store
from bluewhale.jobs.preparing import prepare
from bluewhale.journal import Journal
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration

HOUSEKEEPING_INTERVAL_S = 1.0
SEAL_AGE_MS = 60_000  # younger calls may still grow


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
        self.stages = prepare(configuration, self.store)
        self.connectors = make_connectors(configuration, self.journal)
        self.monitor = Monitor(self.journal, self.connectors)
        self.processor = Processor(
            self.journal,
            self.store,
            self.stages,
            configuration.profiles.values(),
            monitor=self.monitor,
            window_ms=settings.limits.window_ms,
            batch_records_max=settings.limits.batch_records_max,
        )
        self._stopping = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Run until SIGTERM or SIGINT (or `stop`); then stop cleanly."""
        monitor = self.configuration.settings.monitor
        self.monitor.serve(monitor.host, monitor.port)
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
        """Release port, files and locks."""
        self.monitor.stop()
        self.journal.close()
        self.store.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # in another thread than the main one the caller stops us
            with contextlib.suppress(RuntimeError, ValueError):
                loop.add_signal_handler(number, self._stopping.set)
        tasks = [
            asyncio.create_task(connector.run(), name=link_uid)
            for link_uid, connector in self.connectors.items()
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

    def _process(self) -> None:
        """Move records until asked to stop and nothing is left; what passes by itself is retried."""
        limits = self.configuration.settings.limits
        tidy_at = time.monotonic()
        try:
            while True:
                try:
                    moved = self.processor.step()
                    if time.monotonic() >= tidy_at:
                        moved += self._tidy()
                        tidy_at = time.monotonic() + HOUSEKEEPING_INTERVAL_S
                    self.monitor.processor_error = ""
                except TemporaryError as error:
                    self._log.warning("Store is busy, trying again", error=str(error))
                    self.monitor.processor_error = str(error)
                    moved = 0
                if not moved:
                    if self._stopping.is_set():
                        return
                    self._stopping.wait(limits.poll_interval_ms / 1000)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started us
            self.failure = error
            self._stopping.set()

    def _tidy(self) -> int:
        """Join what was left over, seal what is old, take the gauges."""
        self.monitor.refresh()
        joined = self.processor.join_left_over()
        now_ms = int(time.time() * 1000)
        if self.processor.legs_since_seal > self.configuration.settings.limits.hot_rows_max:
            self.store.seal(before_ms=now_ms - SEAL_AGE_MS, now_ms=now_ms)
            self.processor.legs_since_seal = 0
        return joined
