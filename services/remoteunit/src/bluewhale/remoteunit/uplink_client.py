"""The host of `UnitSide`: one gRPC stream to the centre, made again for ever.

Owns the channel, back-off, reading frames off the loop, and handing the core's
actions on. Does not own the protocol (`bluewhale.uplink`) or certificates.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.capture import TemporaryError
from bluewhale.journal import Journal
from bluewhale.telemetry import get_logger, tracing
from bluewhale.uplink import (
    Acknowledge,
    Configure,
    Disconnect,
    Moment,
    PackedFrame,
    Packer,
    ReadWanted,
    SendUp,
    SetLogLevel,
    UnitAction,
    UnitSide,
)

SERVER_NAME = "bluewhale-ingest"
BACKOFF_S_MIN = 1.0
BACKOFF_S_MAX = 60.0
TICK_S = 0.25
WRITE_TIMEOUT_S = 120.0
_CLOSED = "closed"
_OURS = {"no_certificate", "new_certificate", "drain"}  # ends that say nothing of the certificate
HANDSHAKE_MS = 120_000  # a line of 9,600 bit/s needs most of a minute
CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # our own back-off; no shared state between attempts
    ("grpc.min_reconnect_backoff_ms", HANDSHAKE_MS),  # is the limit of one attempt, too
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", 4 << 20),
)


class _Ended(Exception):
    """The connection is over, for a reason that a person may read."""

    def __init__(self, code: str, message: str, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.retry_after_ms = code, retry_after_ms


@dataclass(slots=True)
class UplinkState:
    """How the connection is, for health and metrics."""

    connected: bool = False
    connected_since_ms: int = 0
    attempts: int = 0
    frames: int = 0
    records: int = 0
    last_error: str = ""


def moment() -> Moment:
    """Give now: a clock that never jumps, and the time of day."""
    return Moment(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


def open_channel(
    address: str,
    credentials: grpc.ChannelCredentials | None,
    options: Sequence[tuple[str, int]],
) -> grpc.aio.Channel:
    """Give a channel to the centre; its certificate names the role, not an address."""
    if credentials is None:
        return grpc.aio.insecure_channel(address, options)
    named = (*options, ("grpc.ssl_target_name_override", SERVER_NAME))
    return grpc.aio.secure_channel(address, credentials, named)


class UplinkClient:
    """Keeps the unit connected.

    Parameters
    ----------
    credentials
        Gives, per attempt, what the channel shows; None = no TLS. May raise.
    welcomed, not_welcomed
        Called when the centre welcomed us, or an attempt failed before.
    configure, set_log_level
        What the centre asks for.
    traced
        Whether every frame is to be traced.
    """

    def __init__(
        self,
        side: UnitSide,
        journal: Journal,
        centre: str,
        *,
        credentials: Callable[[], Awaitable[grpc.ChannelCredentials | None]],
        welcomed: Callable[[], None],
        not_welcomed: Callable[[str], None],
        configure: Callable[[Configure], None],
        set_log_level: Callable[[str], object],
        traced: Callable[[], bool],
        backoff_s_max: float = BACKOFF_S_MAX,
    ) -> None:
        self.state = UplinkState()
        self._side, self._journal, self._centre = side, journal, centre
        self._credentials = credentials
        self._welcomed, self._not_welcomed = welcomed, not_welcomed
        self._configure, self._set_log_level, self._traced = configure, set_log_level, traced
        self._backoff_s_max = backoff_s_max
        self._packer = Packer()
        # one thread reads the journal and packs: the loop stays free for the PBXs
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="uplink")
        self._wake = asyncio.Event()
        self._lanes_changed = True
        self._reconnect = False
        self._log = get_logger("uplink")

    def journal_grew(self) -> None:
        """Say that records were committed; on the loop."""
        self._lanes_changed = True
        self._wake.set()

    def wake(self) -> None:
        """Look now whether something is to be sent."""
        self._wake.set()

    def reconnect(self) -> None:
        """Connect anew soon: another certificate is there."""
        self._reconnect = True
        self._wake.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        try:
            while True:
                wait_ms = 0
                began_s = time.monotonic()
                try:
                    await self._connect_once()
                except _Ended as ended:
                    self.state.last_error = str(ended)
                    wait_ms = ended.retry_after_ms
                    self._log.info("Uplink ended", reason=ended.code, error=str(ended))
                    if not self.state.connected and ended.code not in _OURS:
                        self._not_welcomed(str(ended))
                except grpc.aio.AioRpcError as error:
                    self.state.last_error = f"{error.code().name.lower()}: {error.details()}"
                    self._log.warning("Uplink failed", error=self.state.last_error)
                    if not self.state.connected:
                        self._not_welcomed(self.state.last_error)
                except TemporaryError as error:  # the journal's disk, for a while
                    self.state.last_error = str(error)
                    self._log.warning("Uplink waits", error=str(error), error_code=error.code)
                finally:
                    self.state.connected = False
                    self._side.disconnected()
                if time.monotonic() - began_s > self._backoff_s_max:
                    failures = 0  # it worked for a while
                most = min(self._backoff_s_max, BACKOFF_S_MIN * 2 ** min(failures, 10))
                failures += 1
                # full jitter: after an outage of the centre units come back spread out
                await asyncio.sleep(wait_ms / 1000 + random.uniform(0.0, most))
        finally:
            self._reading.shutdown(wait=False)

    async def _connect_once(self) -> None:
        self.state.attempts += 1
        self._reconnect = False
        try:
            credentials = await self._credentials()
        except TemporaryError as error:
            wait_ms = int(error.retry_after_s * 1000)
            raise _Ended("no_certificate", str(error), wait_ms) from error
        async with open_channel(self._centre, credentials, CHANNEL_OPTIONS) as channel:
            call = uplink_pb2_grpc.UplinkStub(channel).Connect()
            try:
                await self._converse(call)
            finally:
                call.cancel()

    async def _converse(self, call: Any) -> None:
        await self._refresh_lanes()
        for action in self._side.connect(secrets.randbits(64), moment()):
            await self._do(action, call)
        receiver = asyncio.create_task(self._receive(call))
        try:
            await self._talk(call, receiver)
        except _Ended as ended:
            if ended.code == _CLOSED:  # the receiver knows why
                await asyncio.wait([receiver], timeout=1.0)
                if receiver.done():
                    receiver.result()
            raise
        finally:
            receiver.cancel()
            with suppress(asyncio.CancelledError, _Ended, grpc.aio.AioRpcError):
                await receiver

    async def _talk(self, call: Any, receiver: asyncio.Task[None]) -> None:
        """Tick, follow the journal, send: the one task that writes; ends by an exception."""
        while True:
            if receiver.done():
                receiver.result()
                raise _Ended(_CLOSED, "the centre ended the stream")
            for action in self._side.tick(moment()):
                await self._do(action, call)
            if self._reconnect:
                raise _Ended("new_certificate", "connecting with the next certificate")
            if self._lanes_changed:
                await self._refresh_lanes()
            await self._send_frames(call)
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._wake.wait()
        self._wake.clear()

    async def _send_frames(self, call: Any) -> None:
        while (read := self._side.next_read(moment())) is not None:
            with tracing.span("send frame", kind="producer", force=self._traced()) as span:
                packed = await self._off_loop(self._read, read, span.traceparent)
                if packed is None:
                    self._side.nothing_there(read)
                    continue
                if span.traceparent:
                    span.set("bluewhale.stream_id", read.stream_id)
                    span.set("bluewhale.first_seq", packed.first_seq)
                    span.set("bluewhale.last_seq", packed.last_seq)
                    span.set("bluewhale.records", packed.records)
                await self._write(call, self._side.frame(read, packed, moment()).message)
            self.state.frames += 1
            self.state.records += packed.records
            now = moment()
            for action in self._side.tick(now):  # a long backlog is no reason to be silent
                await self._do(action, call)
            if self._wake.is_set():
                break

    def _read(self, read: ReadWanted, traceparent: str) -> PackedFrame | None:
        """Read and pack a frame; in the reading thread."""
        frame = self._journal.read(
            read.stream_id, read.incarnation, read.after_seq, read.records_max
        )
        return None if frame is None else self._packer.pack(frame, traceparent)

    async def _receive(self, call: Any) -> None:
        while True:
            down = await call.read()
            if down is grpc.aio.EOF:
                code, details = await call.code(), await call.details()
                if code is not grpc.StatusCode.OK:
                    raise _Ended(code.name.lower(), details)
                return
            before = self._side.welcome
            for action in self._side.received(down, moment()):
                await self._do(action, call)
            if before is None and self._side.welcome is not None:
                self.state.connected = True
                self.state.connected_since_ms = moment().clock_ms
                self.state.last_error = ""
                self._log.info("Uplink connected", version=self._side.welcome.release)
                self._welcomed()
            self._wake.set()

    async def _do(self, action: UnitAction, call: Any) -> None:
        match action:
            case SendUp():
                await self._write(call, action.message)
            case Acknowledge():
                await self._off_loop(
                    self._journal.acknowledge,
                    action.stream_id,
                    action.incarnation,
                    action.stored_through,
                    action.record_crc,
                )
                self._lanes_changed = True
            case Configure():
                self._configure(action)
            case SetLogLevel():
                self._set_log_level(action.level)
            case Disconnect():
                raise _Ended(action.code, action.message, action.retry_after_ms)

    async def _write(self, call: Any, message: pb.Up) -> None:
        """Write from one task alone; a line that takes nothing for long is given up."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await call.write(message)
        except asyncio.InvalidStateError as error:
            raise _Ended(_CLOSED, "the stream has ended") from error
        except TimeoutError as error:
            raise _Ended("stuck", f"the line took nothing for {WRITE_TIMEOUT_S:g} s") from error

    async def _refresh_lanes(self) -> None:
        self._lanes_changed = False
        infos = await self._off_loop(self._journal.streams)
        lanes = (
            pb.Lane(
                stream_id=i.stream_id,
                incarnation=i.incarnation,
                journaled_through=i.journaled_through,
                stored_through=i.stored_through,
            )
            for i in infos
        )
        self._side.lanes(lanes, moment())

    async def _off_loop(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._reading, partial(work, *arguments)
        )
