"""HTTP/2 where the server itself speaks TLS: all that a page asks shares one connection.

    http = spoken(headers_wait_s)     # a protocol for uvicorn, which speaks what ALPN agrees on

A page holds a live stream; over HTTP/1.1 a browser has six connections to a host, so that the
seventh tab would wait. uvicorn speaks HTTP/1.1; frames, headers and windows of HTTP/2 are the
library h2's. Owns running requests of one connection at once, waiting where a reader takes
nothing more, and how much a connection may begin, hold and leave idle. Who speaks HTTP/1.1 gets
`patience`'s protocol.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bluewhale.telemetry import get_logger
from bluewhale.webapi.patience import patient
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl, service_unavailable
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from uvicorn import Config
    from uvicorn.server import ServerState

    Message = MutableMapping[str, Any]

STREAMS_MAX = 100  # requests of one connection at once; the least that RFC 9113 advises
RUNNING_MAX = 2 * STREAMS_MAX  # those that were taken back run to their end, too
STREAM_WINDOW_BYTES = 256 << 10  # of a body that nobody has read yet
CONNECTION_WINDOW_BYTES = 1 << 20
HEADERS_BYTES_MAX = 64 << 10
# h2 refuses a frame for its length when it is whole: 16 MiB of memory for whoever announces so many
SILENT_BYTES_MAX = 2 * HEADERS_BYTES_MAX
_PROTOCOL = "h2"
_WINDOW_BYTES = 65_535  # of a connection, before anything is said
_SETTINGS = {
    SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
    SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
    SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_BYTES_MAX,
}
_NOT_SENT = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
_BODYLESS = (204, 304)


def spoken(headers_wait_s: float) -> type[asyncio.Protocol]:
    """Give the protocol that speaks what a browser chose while TLS began.

    Whoever begins no request within `headers_wait_s` seconds is cut off.
    """
    http1 = patient(headers_wait_s)

    class _Spoken(asyncio.Protocol):
        alpn_protocols = (_PROTOCOL, "http/1.1")  # uvicorn tells TLS

        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            self._told = (config, server_state, app_state)

        @override
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            tls = transport.get_extra_info("ssl_object")
            agreed = tls.selected_alpn_protocol() if tls is not None else None
            protocol = (
                Http2(*self._told, headers_wait_s) if agreed == _PROTOCOL else http1(*self._told)
            )
            transport.set_protocol(protocol)
            protocol.connection_made(transport)

    return _Spoken


class Http2(asyncio.Protocol):
    """One connection; on the loop of the server alone."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        headers_wait_s: float,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._headers_wait_s = headers_wait_s
        self._loop = asyncio.get_running_loop()
        self._ending = False
        self._silent_bytes = 0  # that came since there was something to hear
        self._requests: dict[int, _Request] = {}  # by stream: those whose answer is not whole
        self._running: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None
        self.connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.connection.local_settings = Settings(client=False, initial_values=_SETTINGS)
        self.transport: asyncio.Transport
        self.flow: FlowControl

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.flow = FlowControl(transport)
        self._connections.add(self)
        self.connection.initiate_connection()
        self.connection.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _WINDOW_BYTES)
        self.flush()
        self._idle_for(self._headers_wait_s)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._calm()
        self.flow.resume_writing()
        for request in self._requests.values():
            request.leave()
        self._requests.clear()

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():  # TLS gives on what comes while it says goodbye
            return
        try:
            events = self.connection.receive_data(data)
        except ProtocolError as error:
            get_logger("webapi").warning("Connection breaks the rules of HTTP/2", error=str(error))
            self.flush()  # h2 has made ready what the other side is told
            self.transport.close()
            return
        self._silent_bytes = 0 if events else self._silent_bytes + len(data)
        if self._silent_bytes > SILENT_BYTES_MAX:
            get_logger("webapi").warning("Connection sends a frame or headers without end")
            self.transport.abort()
            return
        for event in events:
            self._heard(event)
        self.flush()

    @override
    def pause_writing(self) -> None:
        # what is read may have to be answered (PING, SETTINGS): who takes no answers may not ask
        self.flow.pause_writing()
        self.flow.pause_reading()

    @override
    def resume_writing(self) -> None:
        self.flow.resume_writing()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """End when what runs has ended; uvicorn asks for it."""
        self._ending = True
        if not self._requests:
            self._end()

    def flush(self) -> None:
        """Send what h2 has made ready."""
        data = self.connection.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def done(self, stream_id: int) -> None:
        """Forget a request whose answer is whole, or that nobody waits for."""
        if self._requests.pop(stream_id, None) is None or self._requests:
            return
        if self._ending:
            self._end()
        else:
            self._idle_for(self._config.timeout_keep_alive)

    @property
    def _connections(self) -> set[Any]:
        return self._server_state.connections

    def _heard(self, event: Event) -> None:
        if self.transport.is_closing():
            return
        request = self._requests.get(getattr(event, "stream_id", 0) or 0)
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                size = event.flow_controlled_length
                if request is None:  # its answer was given already
                    self.connection.acknowledge_received_data(size, event.stream_id)
                else:
                    request.take(event.data, size)
            case StreamEnded() if request is not None:
                request.take_end()
            case StreamReset() if request is not None:
                request.leave()
                self.done(event.stream_id)
            case WindowUpdated() if request is not None:
                request.goes_on.set()
            case WindowUpdated() | RemoteSettingsChanged():
                for each in self._requests.values():
                    each.goes_on.set()
            case ConnectionTerminated():
                self._end()
            case _:
                pass  # priorities, trailers, pings: nothing to do

    def _begin(self, event: RequestReceived) -> None:
        if len(self._running) >= RUNNING_MAX:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)  # it begins and takes back, for ever
            return
        self._calm()
        state, most = self._server_state, self._config.limit_concurrency
        full = most is not None and max(len(state.connections), len(state.tasks)) >= most
        app: Any = service_unavailable if self._ending or full else self._config.loaded_app
        request = _Request(self, event.stream_id, self._scope_of(event))
        self._requests[event.stream_id] = request
        task = self._loop.create_task(request.run(app))
        for tasks in (self._running, state.tasks):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def _scope_of(self, event: RequestReceived) -> dict[str, Any]:
        headers: list[tuple[bytes, bytes]] = [(bytes(k), bytes(v)) for k, v in event.headers]
        told = dict(headers[:5])  # h2 holds that these are there, once, and stand first
        path, _, query = told[b":path"].partition(b"?")
        # h2 holds that `host`, where it stands beside it, says the same
        host = [(b"host", told.get(b":authority", dict(headers).get(b"host", b"")))]
        return {
            "type": "http",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "http_version": "2",
            "server": get_local_addr(self.transport),
            "client": get_remote_addr(self.transport),
            "scheme": "https",
            "method": told[b":method"].decode("latin-1"),
            "root_path": self._config.root_path,
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "headers": host + [h for h in headers if not h[0].startswith(b":") and h[0] != b"host"],
            "state": self._app_state.copy(),
        }

    def _idle_for(self, seconds: float) -> None:
        self._calm()
        self._idle = self._loop.call_later(seconds, self._end)

    def _calm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end(self, why: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say that this connection takes no more, and close it behind what is on its way."""
        if self.transport.is_closing():
            return
        self.connection.close_connection(why)
        self.flush()
        self.transport.close()


class _Request:
    """One request and its answer: ASGI on one side, a stream on the other."""

    def __init__(self, over: Http2, stream_id: int, scope: dict[str, Any]) -> None:
        self.goes_on = asyncio.Event()  # a window has opened, or nobody waits any more
        self._over = over
        self._stream_id = stream_id
        self._scope = scope
        self._something = asyncio.Event()  # a piece of the body, or its end, or nobody is there
        self._body = bytearray()
        self._unread_bytes = 0  # as windows count them, with padding
        self._log = get_logger("webapi")
        self._whole = False
        self._left = False
        self._ended = False

    def take(self, data: bytes, size_bytes: int) -> None:
        """Take a piece of the body; its window opens again when the application reads it."""
        self._body += data
        self._unread_bytes += size_bytes
        self._something.set()

    def take_end(self) -> None:
        """Take that the body is whole."""
        self._whole = True
        self._something.set()

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        self._left = True
        self._something.set()
        self.goes_on.set()

    async def run(self, app: Any) -> None:
        """Let the application answer; what it leaves open is reset."""
        try:
            await app(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - of one request: the others of its connection go on
            self._log.exception("Request failed", error=repr(error))
        finally:
            if not self._left and not (self._ended and self._whole):
                # an answer that broke off, or a body that nobody will read
                why = ErrorCodes.NO_ERROR if self._ended else ErrorCodes.INTERNAL_ERROR
                self._try(self._over.connection.reset_stream, self._stream_id, why)
            self._read()
            self._over.done(self._stream_id)

    async def _receive(self) -> Message:
        if not (self._left or self._ended):
            await self._something.wait()
            self._something.clear()
        if self._left or self._ended:
            return {"type": "http.disconnect"}
        body = bytes(self._body)
        self._body.clear()
        self._read()
        return {"type": "http.request", "body": body, "more_body": not self._whole}

    def _read(self) -> None:
        if self._unread_bytes:
            unread, self._unread_bytes = self._unread_bytes, 0
            self._try(self._over.connection.acknowledge_received_data, unread, self._stream_id)

    async def _send(self, message: Message) -> None:
        if self._left or self._ended:
            await asyncio.sleep(0)  # whoever goes on answering learns now that nobody is there
            return
        if message["type"] == "http.response.start":
            self._send_head(message)
            return
        body = memoryview(message.get("body", b""))
        while body and not self._left and not self._ended:
            if self._over.flow.write_paused:
                await self._over.flow.drain()
                continue
            connection = self._over.connection
            room = min(
                connection.local_flow_control_window(self._stream_id),
                connection.max_outbound_frame_size,
            )
            if room <= 0:
                self.goes_on.clear()
                await self.goes_on.wait()
                continue
            self._try(connection.send_data, self._stream_id, bytes(body[:room]))
            body = body[room:]
        if not message.get("more_body", False) and not self._left and not self._ended:
            self._try(self._over.connection.end_stream, self._stream_id)
            self._finish()

    def _send_head(self, message: Message) -> None:
        status = message["status"]
        bodyless = self._scope["method"] == "HEAD" or status in _BODYLESS
        headers = [(b":status", str(status).encode())]
        headers += [
            (name.lower(), value)
            for name, value in message.get("headers", [])
            if name.lower() not in _NOT_SENT
        ]
        self._try(self._over.connection.send_headers, self._stream_id, headers, bodyless)
        if bodyless:
            self._finish()

    def _finish(self) -> None:
        self._ended = True
        self._something.set()

    def _try(self, act: Any, *told: Any) -> None:
        """Do something that the other side may have made impossible meanwhile."""
        try:
            act(*told)
        except ProtocolError:
            self.leave()
        self._over.flush()
