"""The real ingest on a loop of its own thread, over the in-memory log; what it takes is "stored".

For tests of the unit against the real admission and protocol without any broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from bluewhale.capture import record_crc
from bluewhale.configuration import load
from bluewhale.database import Store
from bluewhale.ingest.authority import Authority
from bluewhale.ingest.service import Ingest
from bluewhale.messaging import LogUnavailableError
from bluewhale.messaging.memory import MemoryLog
from bluewhale.telemetry import Metrics
from bluewhale.uplink import StoredMark

from tests.integration.ingest.raw_reading import RawReader


class IngestBeside:
    """Attributes may be read from the test's thread; `call` runs something on the loop."""

    def __init__(self, path: Path) -> None:
        self.configuration = load(path)
        self.log = MemoryLog()
        self.conditions: dict[str, tuple[bool, str]] = {}
        self.ingest: Ingest | None = None
        self.records: dict[tuple[int, int], dict[int, Any]] = defaultdict(dict)
        self.frames = 0
        self.stored = 0  # records, each key once
        self._through: dict[tuple[int, int], int] = {}
        self.traceparents: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Event | None = None
        self._failed: list[BaseException] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[IngestBeside]:
        """Serve units as long as the block lasts."""
        threads = [threading.Thread(target=self._serve), threading.Thread(target=self._store)]
        self._over = threading.Event()
        for thread in threads:
            thread.start()
        try:
            deadline = time.monotonic() + 20
            while self.ingest is None or not self.ingest.port or not self.conditions.get(
                "database", (False,)
            )[0] or not self.conditions.get("log", (False,))[0]:  # fmt: skip
                assert not self._failed, self._failed
                assert time.monotonic() < deadline, f"ingest is not ready: {self.conditions}"
                time.sleep(0.02)
            yield self
        finally:
            self._over.set()
            if self._stopping is not None and not self._failed:
                self._loop.call_soon_threadsafe(self._stopping.set)
            for thread in threads:
                thread.join(60)
            self.log.close()
        assert not self._failed, self._failed

    @property
    def port(self) -> int:
        """Where units connect."""
        assert self.ingest is not None
        return self.ingest.port

    @property
    def enrolment_port(self) -> int:
        """Where units enrol."""
        assert self.ingest is not None
        return self.ingest.enrolment_port

    @property
    def authority(self) -> Authority:
        """The CA as it is now."""
        assert self.ingest is not None
        assert self.ingest.credentials is not None
        return self.ingest.credentials.authority()

    def token(self, unit_uid: str, *, age_ms: int = 0) -> str:
        """Mint a token that is so old."""
        assert self.ingest is not None
        now_ms = int(time.time() * 1000) - age_ms
        return self.ingest.enrolment.mint(unit_uid, who="ada", now_ms=now_ms).token

    def call(self, work: Any) -> Any:
        """Run a coroutine on the loop of ingest; gives its result."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(60)

    def data(self, stream_id: int) -> list[bytes]:
        """Give what is stored of a stream, each key once."""
        return [
            record.data
            for key in list(self.records)
            if key[0] == stream_id
            for _, record in sorted(self.records[key].items())
        ]

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._run())
        except BaseException as error:  # noqa: BLE001 - told to the test's thread
            self._failed.append(error)
        finally:
            self._loop.close()

    async def _run(self) -> None:
        self._stopping = asyncio.Event()

        def no_storage() -> Any:
            raise LogUnavailableError("the test is the storage")

        def say(name: str, good: bool, message: str) -> None:
            self.conditions[name] = (good, message)

        ingest = Ingest(
            self.configuration,
            open_log=lambda: self.log,
            open_store=lambda: Store.open(self.configuration.settings.data / "store"),
            query=no_storage,
            say=say,
            metrics=Metrics(),
            instance="test",
        )
        async with ingest.running():
            self.ingest = ingest
            await self._stopping.wait()

    def _store(self) -> None:
        """Read the raw log as a parser would and give marks as storage would."""
        while not self._over.is_set() and not self.conditions.get("log", (False,))[0]:
            time.sleep(0.01)
        if self._over.is_set():
            return
        reader = RawReader(self.log)
        while not self._over.is_set():
            reader.poll()
            taken, reader.frames = reader.frames, []
            for raw in taken:
                frame = raw.frame()
                self.frames += 1
                self.traceparents.append(raw.traceparent)
                kept = self.records[frame.stream_id, frame.incarnation]
                before = len(kept)
                for record in frame.records:
                    kept.setdefault(record.seq, record)
                self.stored += len(kept) - before
            if taken:
                marks = list(self._marks())
                self._loop.call_soon_threadsafe(self.ingest.feed.take, marks)
        reader.close()

    def _marks(self) -> Iterator[StoredMark]:
        for (stream_id, incarnation), kept in self.records.items():
            told = through = self._through.get((stream_id, incarnation), 0)
            while through + 1 in kept:
                through += 1
            self._through[stream_id, incarnation] = through
            if through > told:
                last = kept[through]
                crc = record_crc(
                    last.data,
                    n=last.n,
                    connection=last.connection,
                    received_at_ms=last.received_at_ms,
                )
                yield StoredMark(stream_id, incarnation, through, crc)
