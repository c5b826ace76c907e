# mypy: disable-error-code="explicit-override"
# `typing.override` came with Python 3.12; the edge has the standard library of 3.11 only.
"""PBX links over TCP: the PBX connects to us, or we connect to it.

Owns listening, peers, limits and reconnecting. Does not own buffering or framing.
Promise: what reached our socket before a crash may be gone, everything after the
journal's commit is kept.

Example
-------
::

    async with TcpServer(settings, journal, port=9000) as server:
        await server.run()  # until cancelled
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from bluewhale.capture import BluewhaleError
from bluewhale.connectors.exceptions import ListenError
from bluewhale.connectors.link import Link, LinkSettings, LinkState, now_ms
from bluewhale.connectors.peers import Peers
from bluewhale.connectors.sockets import PbxConnection
from bluewhale.journal import Journal

CONNECTIONS_MAX = 64


class TcpServer:
    """Listen; every connection has its own framing and connection number.

    Parameters
    ----------
    settings, journal
        The link and where its records go.
    host, port
        Where to listen; port 0 takes a free one, see `state.listening_on`.
    peers
        Addresses or networks ("10.1.0.0/16") that may connect; empty = all.
    connections_max
        More are refused.
    idle_timeout_s
        Close a connection after so much silence; None = never.
    """

    def __init__(
        self,
        settings: LinkSettings,
        journal: Journal,
        *,
        port: int,
        host: str = "127.0.0.1",
        peers: Sequence[str] = (),
        connections_max: int = CONNECTIONS_MAX,
        idle_timeout_s: float | None = None,
        state: LinkState | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.link = Link(settings, journal, state=state, clock_ms=clock_ms)
        self._host, self._port = host, port
        self._peers = Peers(peers)
        self._connections_max = connections_max
        self._idle_timeout_s = idle_timeout_s
        self._server: asyncio.Server | None = None
        self._pumps: dict[asyncio.Task[None], PbxConnection] = {}
        self._failure: asyncio.Future[None] | None = None

    @property
    def state(self) -> LinkState:
        """The health of the link."""
        return self.link.state

    async def start(self) -> None:
        """Begin to listen.

        Raises
        ------
        ListenError
            The address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        try:
            self._server = await loop.create_server(
                self._accepted, self._host, self._port, reuse_address=True
            )
        except OSError as error:
            raise ListenError(
                f"{self.link.settings.link_uid}: cannot listen on {self._host}:{self._port} "
                f"({error.strerror or error}); choose another address or end what uses it"
            ) from error
        host, port = self._server.sockets[0].getsockname()[:2]
        self.state.listening_on = (host, port)

    async def run(self) -> None:
        """Serve until cancelled; then journal what was received and close."""
        if self._server is None:
            await self.start()
        assert self._failure is not None
        try:
            await self._failure  # an error that does not pass by itself, or cancellation
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop listening, journal what was received, close every connection. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self.state.listening_on = None
        await _stopped(self._pumps)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _accepted(self) -> asyncio.Protocol:
        return _Accepted(self)

    def admit(self, connection: PbxConnection, peer: str) -> bool:
        """Take a new connection, or say why not in the state of the link."""
        if self._server is None:
            return False
        if not self._peers.allow(peer):
            self.link.failed(f"refused {peer}: not among the allowed peers")
            return False
        if len(self._pumps) >= self._connections_max:
            self.link.failed(f"refused {peer}: {self._connections_max} connections are open")
            return False
        task = asyncio.get_running_loop().create_task(connection.pump())
        self._pumps[task] = connection
        task.add_done_callback(self._ended)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._pumps.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.link.failed(str(error))
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(error)


class _Accepted(PbxConnection):
    """A connection that asks its server for admission when it is made."""

    def __init__(self, server: TcpServer) -> None:
        super().__init__(server.link, idle_timeout_s=server._idle_timeout_s)  # noqa: SLF001
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if not self._server.admit(self, str(peer[0]) if peer else "unknown"):
            self.abort()


class TcpClient:
    """Connect to a PBX, stay connected, come back after every loss.

    Parameters
    ----------
    settings, journal
        The link and where its records go.
    host, port
        The PBX.
    hello
        Bytes to send after connecting (a login, a poll), empty = none.
    connect_timeout_s
        How long one attempt may take.
    retry_s_min, retry_s_max
        The wait doubles from one failed attempt to the next, with jitter (half to
        whole), and starts over after a connection on which something was heard.
    idle_timeout_s
        Reconnect after so much silence; None = never.
    """

    def __init__(
        self,
        settings: LinkSettings,
        journal: Journal,
        *,
        host: str,
        port: int,
        hello: bytes = b"",
        connect_timeout_s: float = 10.0,
        retry_s_min: float = 0.5,
        retry_s_max: float = 60.0,
        idle_timeout_s: float | None = None,
        state: LinkState | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.link = Link(settings, journal, state=state, clock_ms=clock_ms)
        self._host, self._port, self._hello = host, port, hello
        self._connect_timeout_s = connect_timeout_s
        self._retry_s_min, self._retry_s_max = retry_s_min, retry_s_max
        self._idle_timeout_s = idle_timeout_s
        self._pumps: dict[asyncio.Task[None], PbxConnection] = {}

    @property
    def state(self) -> LinkState:
        """The health of the link."""
        return self.link.state

    async def run(self) -> None:
        """Stay connected until cancelled; then journal what was received and close."""
        failures = 0
        try:
            while True:
                connection = await self._connected()
                if connection is not None:
                    pump = asyncio.get_running_loop().create_task(connection.pump())
                    self._pumps[pump] = connection
                    await asyncio.shield(pump)
                    del self._pumps[pump]
                    if connection.heard_anything:
                        failures = 0
                await asyncio.sleep(self._wait_s(failures))
                failures += 1
        finally:
            await self.close()

    async def close(self) -> None:
        """Journal what was received and close. Idempotent."""
        await _stopped(self._pumps)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _connected(self) -> PbxConnection | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: PbxConnection(self.link, idle_timeout_s=self._idle_timeout_s),
                    self._host,
                    self._port,
                )
        except OSError as error:  # TimeoutError is one
            reason = error.strerror or "no answer"
            self.link.failed(f"cannot connect to {self._host}:{self._port}: {reason}")
            return None
        if self._hello:
            connection.send(self._hello)
        return connection

    def _wait_s(self, failures: int) -> float:
        longest = min(self._retry_s_max, self._retry_s_min * 2 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)


async def _stopped(pumps: dict[asyncio.Task[None], PbxConnection]) -> None:
    """Let every pump journal what it has; each bounds its own wait for the journal."""
    tasks = list(pumps)
    if not tasks:
        return
    for connection in pumps.values():
        connection.stop()
    _, late = await asyncio.wait(tasks, timeout=_STOP_S)
    for task in late:
        task.cancel()  # the journal refuses: `Link.store` waits a last time, then counts
    results = await asyncio.gather(*tasks, return_exceptions=True)
    pumps.clear()
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, BluewhaleError):
            raise result


_STOP_S = 2.0
