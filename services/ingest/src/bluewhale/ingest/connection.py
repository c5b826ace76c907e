"""One connection of one unit: hosts `CentreSide` between the stream, the log and the marks.

Owns the order of messages down, and answering every frame once. Does not own
the protocol (`bluewhale.uplink`), admission (`uplink_door`) or what units have
in common (`fleet`). Everything runs on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.ingest.inspection import Refused, inspect
from bluewhale.messaging import RAW, LogUnavailableError
from bluewhale.messaging.envelopes import RawFrame
from bluewhale.telemetry import get_logger, tracing
from bluewhale.uplink import (
    Append,
    CentreAction,
    CentreSide,
    Disconnect,
    Moment,
    Opened,
    Reported,
    SendDown,
    StoredMark,
)

if TYPE_CHECKING:
    from bluewhale.telemetry import Metrics

RETRY_MS = 2_000
OUT_MAX = 10_000  # messages that a unit does not take; it is given up then
REFUSALS_MAX, REFUSALS_WITHIN_MS = 500, 10_000
REFUSALS_KEPT = 1_000  # streams whose refusal is shown
READ_AHEAD = 2  # windows: a unit that ignores its window is not read any further

AppendFrame = Callable[[RawFrame], Future[int]]


def now() -> Moment:
    """Give the moment: a steady clock for time-outs, UTC for people."""
    return Moment(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


class Connection:
    """One stream of a unit, until either side ends it.

    `append` puts a frame into the log, `released(bytes)` follows each once.
    `opened` and `reported` tell the fleet.
    """

    def __init__(
        self,
        side: CentreSide,
        *,
        peer: str,
        serial: str,
        own_streams: Callable[[], dict[int, str]],
        append: AppendFrame,
        released: Callable[[int], None],
        opened: Callable[[Connection, pb.Hello], None],
        reported: Callable[[Connection, pb.Heartbeat], None],
        metrics: Metrics,
        window_bytes: int,
    ) -> None:
        self.side, self.peer, self.serial = side, peer, serial
        self.unit_uid = side.unit_uid
        self.hello: pb.Hello | None = None
        self.heartbeat: pb.Heartbeat | None = None
        self.connected_at_ms = self.heard_at_ms = now().clock_ms
        self.reported_at_ms = 0
        self.clock_skew_ms = 0  # unit minus centre, transit included
        self.refusals: dict[int, Refused] = {}
        self.told_at_ms = 0  # when the database was told of it
        self.log_level = ""  # that the unit was told, "" = its own
        self._own_streams = own_streams
        self._append, self._released = append, released
        self._opened, self._reported = opened, reported
        self._metrics = metrics
        self._log = get_logger("ingest").bind(unit_uid=self.unit_uid, peer=peer)
        self._out: asyncio.Queue[pb.Down | None] = asyncio.Queue()
        self._ended: Disconnect | None = None
        self._refusing_since_ms = self._refused_count = 0
        self._under_way = 0
        self._limit = READ_AHEAD * window_bytes
        self._room = asyncio.Event()
        self._room.set()
        self._loop = asyncio.get_running_loop()

    @property
    def session(self) -> str:
        """Give the name of this connection: what the unit drew at random."""
        return f"{self.hello.session:016x}" if self.hello is not None else ""

    # ---- the stream ----------------------------------------------------------------------

    async def messages(self, up: AsyncIterator[pb.Up]) -> AsyncIterator[pb.Down]:
        """Give the messages down while taking those up; ends when the connection shall end."""
        reader = asyncio.create_task(self._read(up))
        try:
            while (message := await self._out.get()) is not None:
                yield message
            self._look_at(reader)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _look_at(self, reader: asyncio.Task[None]) -> None:
        """Tell our own failure, once; the unit connects anew and sends again."""
        if self._ended is None and reader.done() and not reader.cancelled():
            error = reader.exception()
            if error is not None:
                self._log.error("Connection failed", exc_info=error)
                self._ended = Disconnect("internal", "ingest failed; its log says why")

    @property
    def ended(self) -> Disconnect | None:
        """Give why we ended it; None = the unit did, or it goes on."""
        return self._ended

    def end(self, code: str, message: str, retry_after_ms: int = 0) -> None:
        """End the connection with this reason; what was queued before is sent."""
        if self._ended is None:
            self._ended = Disconnect(code, message, retry_after_ms)
            self._out.put_nowait(None)

    async def _read(self, up: AsyncIterator[pb.Up]) -> None:
        try:
            async for message in up:
                if self._ended is not None:
                    return
                self.heard_at_ms = now().clock_ms
                self.do(self.side.received(message, now()))
                if self._under_way > self._limit:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._out.put_nowait(None)

    # ---- what the fleet tells --------------------------------------------------------------

    def stored(self, marks: Iterable[StoredMark]) -> None:
        """Pass marks of the main database down."""
        self.do(self.side.stored(marks, now()))

    def log_changed(self, log_id: str) -> None:
        """Tell the unit that the log is another one."""
        self.do(self.side.log_changed(log_id, now()))

    def configure(self, version: int, digest: str, document: bytes) -> None:
        """Send the unit its document, unless it has it."""
        self.do(self.side.configure(version, digest, document))

    def allow(self, streams: Iterable[int]) -> None:
        """Say which streams the unit may send from now on."""
        self.side.allow(frozenset(streams))
        self.refusals.clear()

    def command(self, command: pb.Command) -> None:
        """Send a command."""
        self.do(self.side.command(command))

    def tick(self, moment: Moment) -> None:
        """Do what is due."""
        if self._ended is None:
            self.do(self.side.tick(moment))

    # ---- actions -----------------------------------------------------------------------------

    def do(self, actions: Iterable[CentreAction]) -> None:
        """Carry out what the protocol asks for."""
        for action in actions:
            match action:
                case SendDown():
                    self._send(action.message)
                case Append():
                    self._take(action)
                case Opened():
                    self.hello = action.hello
                    self._saw_clock(action.hello.clock_ms)
                    self._opened(self, action.hello)
                case Reported():
                    self.heartbeat = action.heartbeat
                    self.reported_at_ms = now().clock_ms
                    self._saw_clock(action.heartbeat.clock_ms)
                    self._reported(self, action.heartbeat)
                case Disconnect():
                    self.end(action.code, action.message, action.retry_after_ms)

    def _saw_clock(self, clock_ms: int) -> None:
        self.clock_skew_ms = clock_ms - now().clock_ms

    def _send(self, message: pb.Down) -> None:
        if message.WhichOneof("message") == "refusal":
            self._refused(message.refusal)
        if self._out.qsize() >= OUT_MAX:
            self.end("not_reading", f"unit {self.unit_uid} takes no messages")
            return
        self._out.put_nowait(message)

    def _refused(self, refusal: pb.Refusal) -> None:
        """Count and remember; one line per stream and reason, not per frame."""
        self._metrics.add(
            "bluewhale_frames_refused_total", unit_uid=self.unit_uid, reason=refusal.code
        )
        self._judge_refusals()
        before = self.refusals.get(refusal.stream_id)
        if before is None or before.code != refusal.code:
            self._log.warning(
                "Stream refused, its records stay in the unit",
                stream_id=refusal.stream_id,
                reason=refusal.code,
                error=refusal.message,
            )
        if len(self.refusals) < REFUSALS_KEPT or before is not None:
            self.refusals[refusal.stream_id] = Refused(refusal.code, refusal.message)

    def _judge_refusals(self) -> None:
        """Send a unit away that goes on sending what is refused: it costs others time."""
        steady_ms = now().steady_ms
        if steady_ms - self._refusing_since_ms > REFUSALS_WITHIN_MS:
            self._refusing_since_ms, self._refused_count = steady_ms, 0
        self._refused_count += 1
        if self._refused_count > REFUSALS_MAX:
            self.end(
                "misbehaving",
                f"unit {self.unit_uid} sent more than {REFUSALS_MAX} frames within"
                f" {REFUSALS_WITHIN_MS // 1000} s that are refused; look at its conditions",
                REFUSALS_WITHIN_MS,
            )

    def _take(self, asked: Append) -> None:
        frame, number, size = asked.frame, asked.number, asked.size_bytes
        raw = inspect(frame, self._own_streams(), self.unit_uid, now().clock_ms)
        if isinstance(raw, Refused):
            self.do(self.side.rejected(number, raw.code, raw.message, now()))
            return
        self._under_way += size
        if frame.traceparent:
            with tracing.span(
                "append cdr.raw",
                kind="producer",
                parents=[frame.traceparent],
                attributes={
                    "messaging.system": "kafka",
                    "messaging.operation.type": "send",
                    "messaging.destination.name": RAW,
                    "bluewhale.unit_uid": self.unit_uid,
                    "bluewhale.stream_id": raw.stream_id,
                    "bluewhale.first_seq": raw.first_seq,
                    "bluewhale.last_seq": raw.last_seq,
                },
            ) as span:
                traced = RawFrame(
                    raw.stream_id,
                    raw.incarnation,
                    raw.first_seq,
                    raw.last_seq,
                    raw.packed,
                    raw.ingested_at_ms,
                    span.traceparent,
                )
                future = self._append(traced)
        else:
            future = self._append(raw)
        if future.done() and future.exception() is not None:
            # refused at once: before the frame behind it, which may not pass it by
            self._answer(number, size, future)
        else:
            future.add_done_callback(lambda done: self._answered(number, size, done))

    def _answered(self, number: int, size: int, done: Future[int]) -> None:
        """Hand the log's answer to the loop; called by the producer's thread."""
        try:
            self._loop.call_soon_threadsafe(self._answer, number, size, done)
        except RuntimeError:
            return  # the loop ended: so did the connection

    def _answer(self, number: int, size: int, done: Future[int]) -> None:
        self._released(size)
        self._under_way -= size
        if self._under_way <= self._limit:
            self._room.set()
        error = (
            LogUnavailableError("the producer was closed") if done.cancelled() else done.exception()
        )
        if error is None:
            self._metrics.add("bluewhale_frames_total", unit_uid=self.unit_uid)
            self._metrics.add("bluewhale_frame_bytes_total", size, unit_uid=self.unit_uid)
            self.do(self.side.appended(number, now()))
        elif isinstance(error, TemporaryError):
            self.do(self.side.not_appended(number, RETRY_MS, now()))
        elif isinstance(error, BluewhaleError):
            self.do(self.side.rejected(number, error.code, str(error), now()))
        else:
            self._log.error("Appending a frame failed", exc_info=error)
            self.do(self.side.not_appended(number, RETRY_MS, now()))
