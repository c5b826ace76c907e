"""A centre in the test's own process: hosts `CentreSide` over plain gRPC, keeps frames in memory.

For tests of the unit alone. Everything that reaches the log is stored
`store_after_s` later; both can be held back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from concurrent.futures import Future

import grpc.aio
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.capture import record_crc
from bluewhale.uplink import (
    Append,
    CentreLimits,
    CentreSide,
    Disconnect,
    Moment,
    Opened,
    Reported,
    SendDown,
    StoredMark,
    checked,
)
from typing_extensions import override


def now() -> Moment:
    """Give the moment by both clocks."""
    return Moment(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


class Centre(uplink_pb2_grpc.UplinkServicer):
    """Runs on a loop of its own thread; attributes may be read and set from the test."""

    def __init__(self, streams, *, limits=None, unit_uid="depot-1", credentials=None):
        self.streams, self.unit_uid = set(streams), unit_uid
        self.limits = limits or CentreLimits(heartbeat_ms=200, marks_interval_ms=10)
        self.credentials = credentials
        self.records: dict[tuple[int, int], dict[int, object]] = defaultdict(dict)
        self.taken = 0  # frames
        self.traceparents: list[str] = []
        self.heartbeats: list[pb.Heartbeat] = []
        self.hellos: list[pb.Hello] = []
        self.refuse_appends = False
        self.hold_stored = False
        self.document: tuple[int, str, bytes] | None = None
        self.clock_error_ms = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = None
        self._sides: list[tuple[CentreSide, asyncio.Queue]] = []
        self.port = 0

    # ---- from the test's thread ---------------------------------------------------------

    def start(self, port: int = 0) -> Centre:
        if not self._thread.is_alive():
            self._thread.start()
        self._run(self._open(port))
        return self

    def stop(self) -> None:
        """Go away as a killed process would; what is stored stays."""
        self._run(self._close())

    def close(self) -> None:
        if self._server is not None:
            self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wipe_log(self) -> None:
        def wipe():
            for side, out in self._sides:
                self._do(side.log_changed("another", now()), out, side)

        self._loop.call_soon_threadsafe(wipe)

    def send(self, document: tuple[int, str, bytes]) -> None:
        self.document = document

        def push():
            for side, out in self._sides:
                self._do(side.configure(*document), out, side)

        self._loop.call_soon_threadsafe(push)

    def data(self, stream_id: int) -> list[bytes]:
        """Give what is stored of a stream, each record once, in order of its keys."""
        return [
            record.data
            for key in self.records
            if key[0] == stream_id
            for _, record in sorted(self.records[key].items())
        ]

    def _run(self, work):
        future: Future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(60)

    # ---- on the loop ----------------------------------------------------------------------

    async def _open(self, port):
        self._server = grpc.aio.server()
        uplink_pb2_grpc.add_UplinkServicer_to_server(self, self._server)
        address = f"127.0.0.1:{port or self.port}"
        if self.credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, self.credentials)
        assert self.port
        await self._server.start()

    async def _close(self):
        await self._server.stop(0)
        self._server = None

    @override
    async def Connect(self, request_iterator, context):
        side = CentreSide(
            self.unit_uid, self.streams, release="test", log_id="one", limits=self.limits
        )
        out: asyncio.Queue = asyncio.Queue()
        self._sides.append((side, out))

        async def reading():
            async for up in request_iterator:
                self._do(side.received(up, now()), out, side)
            out.put_nowait(None)

        async def ticking():
            while True:
                await asyncio.sleep(0.02)
                if not self.hold_stored:
                    self._do(side.stored(self._marks(), now()), out, side)
                self._do(side.tick(now()), out, side)

        tasks = [asyncio.create_task(reading()), asyncio.create_task(ticking())]
        try:
            while (message := await out.get()) is not None:
                yield message
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._sides.remove((side, out))

    def _do(self, actions, out, side):
        for action in actions:
            match action:
                case SendDown():
                    if action.message.WhichOneof("message") in {"welcome", "beat"}:
                        getattr(
                            action.message, action.message.WhichOneof("message")
                        ).clock_ms += self.clock_error_ms
                    out.put_nowait(action.message)
                case Append():
                    self._append(action, out, side)
                case Opened():
                    self.hellos.append(action.hello)
                    if self.document is not None:
                        self._do(side.configure(*self.document), out, side)
                case Reported():
                    self.heartbeats.append(action.heartbeat)
                case Disconnect():
                    out.put_nowait(None)

    def _append(self, action, out, side):
        if self.refuse_appends:
            self._do(side.not_appended(action.number, 100, now()), out, side)
            return
        frame = checked(action.frame)
        self.taken += 1
        self.traceparents.append(action.frame.traceparent)
        kept = self.records[frame.stream_id, frame.incarnation]
        for record in frame.records:
            kept.setdefault(record.seq, record)
        self._do(side.appended(action.number, now()), out, side)

    def _marks(self):
        marks = []
        for (stream_id, incarnation), kept in self.records.items():
            through = 0
            while through + 1 in kept:
                through += 1
            if through:
                record = kept[through]
                crc = record_crc(
                    record.data,
                    n=record.n,
                    connection=record.connection,
                    received_at_ms=record.received_at_ms,
                )
                marks.append(StoredMark(stream_id, incarnation, through, crc))
        return marks
