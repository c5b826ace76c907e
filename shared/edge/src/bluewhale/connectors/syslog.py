# mypy: disable-error-code="explicit-override"
# `typing.override` came with Python 3.12; the edge has the standard library of 3.11 only.
"""PBX links over syslog: datagrams (RFC 5426) and streams (RFC 6587).

Owns where a syslog message begins and ends, and the count of datagrams that the
kernel dropped. Does not own what is inside: the whole message, header included,
goes through the framing table of the dialect as one line (or several). Promise:
TCP as any TCP link; UDP delivers what the network and the kernel delivered, the
rest is counted where the kernel says so.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from bluewhale.capture import CapturedRecord, ConnectionCapture, OccurrenceCounter, TemporaryError
from bluewhale.connectors.exceptions import ListenError
from bluewhale.connectors.link import Link, LinkSettings, LinkState, now_ms
from bluewhale.connectors.peers import Peers
from bluewhale.connectors.tcp import CONNECTIONS_MAX, TcpServer
from bluewhale.journal import Journal

DATAGRAM_BYTES_MAX = 65_535
SENDERS_MAX = 1_024
_ROUND_DATAGRAMS = 512
_RECEIVE_BUFFER_BYTES = 4 << 20
_SO_MEMINFO = 55  # Linux: nine counters of a socket, the last one its drops
_SK_MEMINFO = struct.Struct("=9I")
_COUNTED = re.compile(rb"([1-9]\d{0,5}) (?=<)")
_MAY_BE_COUNTED = re.compile(rb"[1-9]\d{0,5} ?")
_LF = b"\n"


class SyslogMessages:
    """Bytes of one connection -> whole messages, by RFC 6587.

    A message that begins with a length, a space and `<` is octet-counted; any
    other ends with LF. Decided for each message, since senders mix them up.
    A message longer than `length_max` bytes is delivered in pieces.
    """

    def __init__(self, length_max: int) -> None:
        self._length_max = length_max
        self._rest = bytearray()

    def feed(self, data: bytes, *, final: bool = False) -> list[bytes]:
        """Give the messages that `data` completes; `final` gives what is left, too."""
        rest = self._rest
        rest += data
        found: list[bytes] = []
        at = 0
        while at < len(rest):
            counted = _COUNTED.match(rest, at)
            if counted is not None:
                end = counted.end() + int(counted[1])
                if end > len(rest):
                    break
                found.append(bytes(rest[counted.end() : end]))
                at = end
                continue
            may_be = _MAY_BE_COUNTED.match(rest, at)
            if may_be is not None and may_be.end() == len(rest):
                break  # more bytes decide
            end = rest.find(_LF, at)
            if end < 0:
                if len(rest) - at < self._length_max:
                    break
                end = at + self._length_max - 1
            found.append(bytes(rest[at : end + 1]))
            at = end + 1
        if final and at < len(rest):
            begun = _COUNTED.match(rest, at)
            found.append(bytes(rest[begun.end() if begun else at :]))
            at = len(rest)
        del rest[:at]
        return found


class _StreamCapture(ConnectionCapture):
    """A connection whose bytes are syslog messages: each ends a line of the table."""

    def __init__(self, link: Link, capture: ConnectionCapture) -> None:
        super().__init__(
            link.settings.framing,
            connection=capture.connection,
            stream_context=link.stream_context,
            counter=capture.counter,
        )
        self._messages = SyslogMessages(link.settings.framing.record_length_max_bytes)

    def receive(self, data: bytes, at_ms: int, *, final: bool = False) -> list[CapturedRecord]:
        lines = _as_lines(self._messages.feed(data, final=final), self.framer.table.separator)
        return super().receive(lines, at_ms, final=final)


class _SyslogLink(Link):
    """A link whose connections are syslog streams."""

    def capture(
        self,
        connection: int | None = None,
        *,
        context: dict[str, bytes] | None = None,
        mid_line: bool = False,
        counter: OccurrenceCounter | None = None,
    ) -> ConnectionCapture:
        plain = super().capture(connection, context=context, mid_line=mid_line, counter=counter)
        return _StreamCapture(self, plain)


class SyslogTcp(TcpServer):
    """Listen for syslog over TCP; parameters as `TcpServer`."""

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
        super().__init__(
            settings,
            journal,
            port=port,
            host=host,
            peers=peers,
            connections_max=connections_max,
            idle_timeout_s=idle_timeout_s,
            state=state,
            clock_ms=clock_ms,
        )
        self.link = _SyslogLink(settings, journal, state=self.state, clock_ms=clock_ms)


class SyslogUdp:
    """Receive syslog datagrams.

    Parameters
    ----------
    settings, journal
        The link and where its records go. All datagrams of one sender are one
        connection.
    host, port
        Where to receive; port 0 takes a free one, see `state.listening_on`.
    peers
        Addresses or networks that may send; empty = all. Others are ignored.

    Notes
    -----
    UDP cannot be slowed down. While the journal refuses, datagrams wait in the
    kernel's buffer; what it drops is counted in `state.lost_datagrams` and, as
    heard and not journaled, in the tallies of the stream.
    """

    def __init__(
        self,
        settings: LinkSettings,
        journal: Journal,
        *,
        port: int,
        host: str = "127.0.0.1",
        peers: Sequence[str] = (),
        receive_buffer_bytes: int = _RECEIVE_BUFFER_BYTES,
        state: LinkState | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.link = Link(settings, journal, state=state, clock_ms=clock_ms)
        self._host, self._port = host, port
        self._peers = Peers(peers)
        self._receive_buffer_bytes = receive_buffer_bytes
        self._socket: socket.socket | None = None
        self._senders: dict[str, ConnectionCapture] = {}
        self._counted_drops = 0
        self._untold_drops = 0

    @property
    def state(self) -> LinkState:
        """The health of the link."""
        return self.link.state

    async def start(self) -> None:
        """Begin to receive.

        Raises
        ------
        ListenError
            The address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = infos[0]
            made = socket.socket(family, kind, protocol)
            try:
                made.setblocking(False)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
                made.bind(address)
            except BaseException:
                made.close()
                raise
        except OSError as error:
            raise ListenError(
                f"{self.link.settings.link_uid}: cannot receive on {self._host}:{self._port}/udp "
                f"({error.strerror or error}); choose another address or end what uses it"
            ) from error
        self._socket = made
        self._counted_drops = 0
        host, port = made.getsockname()[:2]
        self.state.listening_on = (host, port)
        self.link.opened()

    async def run(self) -> None:
        """Receive until cancelled; then journal what has arrived."""
        if self._socket is None:
            await self.start()
        settle_s = self.link.settings.settle_after_s
        try:
            while True:
                if await self._readable(settle_s):
                    await self._take()
                else:
                    await self._settle()
                await self._count_drops()
        finally:
            await self.close()

    async def close(self) -> None:
        """Journal what has arrived and close. Idempotent."""
        if self._socket is None:
            return
        try:
            while await self._take():
                pass
            await self._settle(final=True)
            await self._count_drops()
        finally:
            self._socket.close()
            self._socket = None
            self._senders.clear()
            self.state.listening_on = None
            self.link.closed()

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

    async def _readable(self, timeout_s: float) -> bool:
        """Wait for a datagram; False after a while without one."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()

        def wake() -> None:
            if not arrived.done():
                arrived.set_result(None)

        loop.add_reader(self._socket, wake)
        try:
            async with asyncio.timeout(timeout_s):
                await arrived
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._socket)
        return True

    async def _take(self) -> int:
        """Journal what waits in the socket, up to a round's limit; give how many came."""
        assert self._socket is not None
        records: list[CapturedRecord] = []
        count = 0
        for _ in range(_ROUND_DATAGRAMS):
            try:
                data, address = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                break
            except OSError as error:
                self.link.failed(f"cannot receive: {error.strerror or error}")
                break
            count += 1
            sender = str(address[0])
            if not self._peers.allow(sender):
                self.link.failed(f"ignored {sender}: not among the allowed peers")
                continue
            at_ms = self.link.received(len(data))
            lines = _as_lines([data], self.link.settings.framing.separator)
            records += self._sender(sender, at_ms, records).receive(lines, at_ms)
        await self.link.store(records)
        return count

    def _sender(self, host: str, at_ms: int, records: list[CapturedRecord]) -> ConnectionCapture:
        capture = self._senders.pop(host, None)
        if capture is None:
            capture = self.link.capture()
            if len(self._senders) >= SENDERS_MAX:
                oldest = next(iter(self._senders))
                records += self._senders.pop(oldest).receive(b"", at_ms, final=True)
        self._senders[host] = capture  # the latest sender is last
        return capture

    async def _settle(self, *, final: bool = False) -> None:
        at_ms = self.link.clock_ms()
        records: list[CapturedRecord] = []
        for capture in self._senders.values():
            records += capture.receive(b"", at_ms, final=True) if final else capture.settle(at_ms)
        await self.link.store(records)

    async def _count_drops(self) -> None:
        dropped = self._dropped() - self._counted_drops
        if dropped > 0:
            self._counted_drops += dropped
            self._untold_drops += dropped
            self.state.lost_datagrams += dropped
            self.link.failed(
                f"{self.state.lost_datagrams} datagrams were dropped: the unit is too slow"
            )
        if self._untold_drops:
            # A stop must not take the count back that it finds on its way to the journal.
            telling = asyncio.ensure_future(self._tell_drops())
            try:
                await asyncio.shield(telling)
            except asyncio.CancelledError:
                await asyncio.wait([telling])
                raise

    async def _tell_drops(self) -> None:
        told = self._untold_drops
        with suppress(TemporaryError):  # told with the next round
            await asyncio.to_thread(
                self.link.journal.add_heard,
                self.link.settings.stream_id,
                self.link.clock_ms(),
                told,
            )
            self._untold_drops -= told

    def _dropped(self) -> int:
        """Give the kernel's count of datagrams that found no room; 0 where it does not say."""
        assert self._socket is not None
        try:
            told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _SK_MEMINFO.size)
        except OSError:
            return 0
        return int(_SK_MEMINFO.unpack(told)[-1]) if len(told) == _SK_MEMINFO.size else 0


def _as_lines(messages: Sequence[bytes], separator: bytes) -> bytes:
    """End every message with one separator of the table, whatever it ended with."""
    return b"".join(message.rstrip(b"\r\n\x00") + separator for message in messages)
