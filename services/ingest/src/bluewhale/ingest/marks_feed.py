"""What the main database has: the marks of all streams, as storage tells them.

    feed = MarksFeed(query=lambda: context.peer("query"), changed=fleet.stored, told=say)
    await feed.run()

Owns the call of storage's `Query.Marks` and the latest mark of every lane. While
storage is away the units keep their records; nothing else happens. The call
blocks, so it has a thread of its own; everything else is on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from bluewhale.api.query.v1 import query_pb2
from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.telemetry import get_logger
from bluewhale.uplink import StoredMark

SILENCE_S = 20.0  # storage says something every 5 s
LOOK_S = 1.0
RETRY_MIN_S, RETRY_MAX_S = 0.25, 5.0


class MarksFeed:
    """Keeps the marks; `changed` is told what moved, `told` how storage is ("" = well)."""

    def __init__(
        self,
        query: Callable[[], Any],
        *,
        changed: Callable[[list[StoredMark]], None],
        told: Callable[[str], None],
    ) -> None:
        self._query, self._changed, self._told = query, changed, told
        self._marks: dict[int, dict[int, StoredMark]] = {}  # stream -> incarnation -> mark
        self._log = get_logger("ingest")
        self._stopping = threading.Event()
        self._call: Any = None
        self._heard_s = 0.0
        self._problem = "storage was not reached yet"
        self.complete = False  # storage speaks, and all of its marks are here

    def of(self, streams: Iterable[int]) -> list[StoredMark]:
        """Give the marks of these streams, every incarnation."""
        return [m for stream in streams for m in self._marks.get(stream, {}).values()]

    def take(self, marks: Iterable[StoredMark]) -> None:
        """Note marks; those that moved are told."""
        moved = []
        for mark in marks:
            lanes = self._marks.setdefault(mark.stream_id, {})
            before = lanes.get(mark.incarnation)
            if before is None or before.stored_through < mark.stored_through:
                lanes[mark.incarnation] = mark
                moved.append(mark)
        if moved:
            self._changed(moved)

    async def run(self) -> None:
        """Listen to storage until cancelled."""
        loop = asyncio.get_running_loop()
        self._told(self._problem)
        thread = threading.Thread(
            target=self._listen_for_ever, args=(loop,), name="marks", daemon=True
        )
        thread.start()
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                if self._call is not None and time.monotonic() - self._heard_s > SILENCE_S:
                    self._cancel()
        finally:
            self._stopping.set()
            self._cancel()
            await asyncio.to_thread(thread.join, 5.0)

    def _cancel(self) -> None:
        call = self._call
        if call is not None:
            call.cancel()

    def _listen_for_ever(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call storage again and again; the thread."""
        wait_s = RETRY_MIN_S
        while not self._stopping.is_set():
            problem = "storage ended the feed of marks"
            began_s = time.monotonic()
            try:
                self._listen(loop)
            except grpc.RpcError as error:
                details = getattr(error, "details", None)
                problem = str(details()) if details is not None else str(error)
            except BluewhaleError as error:
                problem = str(error)
            finally:
                self._call = None
            if self._stopping.is_set():
                return
            self._tell(loop, f"storage gives no marks, units keep their records: {problem}")
            wait_s = RETRY_MIN_S if time.monotonic() - began_s > RETRY_MAX_S else wait_s
            self._stopping.wait(wait_s * (0.5 + random.random()))
            wait_s = min(RETRY_MAX_S, wait_s * 2)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        self._heard_s = time.monotonic()
        self._call = call = self._query().Marks(query_pb2.MarksRequest())
        if self._stopping.is_set():
            call.cancel()
        for reply in call:
            self._heard_s = time.monotonic()
            self._tell(loop, "")
            marks = [
                StoredMark(
                    m.stream_id,
                    m.incarnation,
                    m.stored_through,
                    m.record_crc if m.HasField("record_crc") else None,
                )
                for m in reply.marks
            ]
            with contextlib.suppress(RuntimeError):  # the loop ended
                loop.call_soon_threadsafe(self._replied, marks)

    def _replied(self, marks: list[StoredMark]) -> None:
        """Take a reply; the first of a call has every mark."""
        self.take(marks)
        self.complete = True

    def _tell(self, loop: asyncio.AbstractEventLoop, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            self._log.warning("No marks", error=problem)
        with contextlib.suppress(RuntimeError):  # the loop ended
            loop.call_soon_threadsafe(self._say, problem)

    def _say(self, problem: str) -> None:
        self.complete &= not problem
        self._told(problem)
