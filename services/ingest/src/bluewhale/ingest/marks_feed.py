"""What the main database has: the marks of all streams, as storage tells them.

    feed = MarksFeed(lambda: query_stub, changed=fleet.stored)
    await feed.run()

Owns the connection to storage's `Query.Marks` and the latest mark of every lane.
While storage is away the units keep their records; nothing else happens.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.api.query.v1 import query_pb2
from bluewhale.telemetry import get_logger
from bluewhale.uplink import StoredMark

if TYPE_CHECKING:
    from collections.abc import Awaitable

SILENCE_S = 20.0  # storage says something every 5 s
RETRY_MIN_S, RETRY_MAX_S = 0.25, 5.0


class MarksFeed:
    """Keeps the marks; `changed` is told what moved, `told` how storage is ("" = well)."""

    def __init__(
        self,
        peer: Callable[[], Awaitable[Any]],
        *,
        changed: Callable[[list[StoredMark]], None],
        told: Callable[[str], None],
    ) -> None:
        self._peer, self._changed, self._told = peer, changed, told
        self._marks: dict[int, dict[int, StoredMark]] = {}  # stream -> incarnation -> mark
        self._log = get_logger("ingest")

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
        wait_s = RETRY_MIN_S
        while True:
            try:
                await self._listen()
                wait_s = RETRY_MIN_S
            except (grpc.RpcError, TimeoutError, OSError) as error:
                text = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
                self._told(f"storage gives no marks, units keep their records: {text}")
            await asyncio.sleep(wait_s * (0.5 + random.random()))
            wait_s = min(RETRY_MAX_S, wait_s * 2)

    async def _listen(self) -> None:
        stub = await self._peer()
        call = stub.Marks(query_pb2.MarksRequest())
        try:
            while True:
                reply = await asyncio.wait_for(call.read(), SILENCE_S)
                if reply is grpc.aio.EOF:
                    return
                self._told("")
                self.take(
                    StoredMark(
                        m.stream_id,
                        m.incarnation,
                        m.stored_through,
                        m.record_crc if m.HasField("record_crc") else None,
                    )
                    for m in reply.marks
                )
        finally:
            call.cancel()
