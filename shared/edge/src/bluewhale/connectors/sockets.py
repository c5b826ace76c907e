# mypy: disable-error-code="explicit-override"
# `typing.override` came with Python 3.12; the edge has the standard library of 3.11 only.
"""One TCP connection: bytes in, records journaled, reading stopped while they cannot be.

Owns buffering, back-pressure and the clean end of a connection. Does not own who
connects to whom: `bluewhale.connectors.tcp`.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import cast

from bluewhale.connectors.link import Link

BUFFER_BYTES_MAX = 256 * 1024
_DRAIN_S = 0.2
_DRAIN_STEP_S = 0.01


class PbxConnection(asyncio.Protocol):
    """Buffers what a PBX sends until `pump` has journaled it.

    Above `BUFFER_BYTES_MAX` the socket is not read any more, so that TCP slows
    the PBX down; reading goes on when the buffer was taken.
    """

    def __init__(self, link: Link, *, idle_timeout_s: float | None = None) -> None:
        self._link = link
        self._idle_timeout_s = idle_timeout_s
        self._buffer = bytearray()
        self._wake = asyncio.Event()
        self._ended = False
        self._stopping = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self.heard_anything = False

    # ---- called by the event loop ------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; keep-alive finds a PBX that vanished without a word."""
        self._transport = cast("asyncio.Transport", transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Buffer what came."""
        self._buffer += data
        self._wake.set()
        if len(self._buffer) >= BUFFER_BYTES_MAX and self._transport and not self._paused:
            self._transport.pause_reading()
            self._paused = True

    def eof_received(self) -> bool:
        """End when the PBX has said all; the transport closes itself."""
        self._ended = True
        self._wake.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End: normally, or with the error of the socket."""
        if exc is not None and not self._stopping:
            self._link.failed(f"connection lost: {exc}")
        self._ended = True
        self._wake.set()

    # ---- called by the connector -------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes to the PBX."""
        assert self._transport is not None
        self._transport.write(data)

    def stop(self) -> None:
        """Ask `pump` to journal what was received and to end."""
        self._stopping = True
        self._wake.set()

    def abort(self) -> None:
        """Close at once; what is buffered is still journaled."""
        self._ended = True
        self._wake.set()
        if self._transport is not None:
            self._transport.abort()

    async def pump(self) -> None:
        """Frame and journal until the connection ends or `stop` was called."""
        self._link.opened()
        capture = self._link.capture()
        try:
            quiet_s = 0.0
            while not (self._stopping or (self._ended and not self._buffer)):
                wait_s = self._wait_s(quiet_s)
                if await self._woken(wait_s):
                    quiet_s = 0.0
                    data = self._take()
                    if data:
                        await self._link.store(
                            capture.receive(data, self._link.received(len(data)))
                        )
                    continue
                quiet_s += wait_s or 0.0
                await self._link.store(capture.settle(self._link.clock_ms()))
                if self._idle_timeout_s is not None and quiet_s >= self._idle_timeout_s:
                    self._link.failed(f"closed after {self._idle_timeout_s:g} s of silence")
                    break
            if self._stopping and not self._ended:
                await self._let_the_kernel_deliver()
            data = self._take()
            at_ms = self._link.received(len(data)) if data else self._link.clock_ms()
            await self._link.store(capture.receive(data, at_ms, final=True))
        finally:
            self._link.closed()
            if self._transport is not None:
                self._transport.close()

    def _wait_s(self, quiet_s: float) -> float | None:
        settle_s = self._link.settings.settle_after_s
        needs_settling = bool(self._link.settings.framing.continuation)
        if needs_settling and quiet_s < settle_s:
            return settle_s - quiet_s
        if self._idle_timeout_s is not None:
            return max(0.001, self._idle_timeout_s - quiet_s)
        return None

    async def _woken(self, wait_s: float | None) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def _take(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False
        self.heard_anything = self.heard_anything or bool(data)
        return data

    async def _let_the_kernel_deliver(self) -> None:
        """Read on for a moment: bytes may have arrived that the loop has not seen yet."""
        loop = asyncio.get_running_loop()
        until, before = loop.time() + _DRAIN_S, -1
        while len(self._buffer) != before and loop.time() < until and not self._ended:
            before = len(self._buffer)
            await asyncio.sleep(_DRAIN_STEP_S)
