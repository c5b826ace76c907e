"""HTTP/2 of the server: many requests over one connection, and those who misuse it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import h2.connection
import h2.errors
import h2.events
import httpx
import pytest
from bluewhale.configuration import WebSettings
from bluewhale.webapi.http2 import RUNNING_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX
from bluewhale.webapi.server import listening, serve
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tests.support.certificates import Authority
from tests.support.running import wait_until

PIECE = b"x" * 16_384


class Served:
    """A server with a certificate, and an application that shows what it is asked."""

    def __init__(self, folder: Path) -> None:
        paths = Authority().write(folder, "role/webapi")
        self.settings = WebSettings(
            listen="127.0.0.1:0", certificate=paths["certificate"], key=paths["key"]
        )
        self.trust = ssl.create_default_context(cafile=paths["authority"])
        self.app = FastAPI()
        self.given = 0  # pieces of the endless answer
        self.left = threading.Event()  # its reader has gone
        self.together = 0  # requests that wait for each other
        self.meet = asyncio.Event()
        for route in (self.say, self.swallow, self.endless, self.gather, self.fail, self.empty):
            self.app.add_api_route(f"/{route.__name__}", route, methods=["GET", "HEAD", "POST"])

    async def say(self, request: Request) -> Response:
        """Say how one was asked."""
        return Response(
            f"{request.scope['http_version']} {request.method} {request.url.path}"
            f" {request.url.query} {request.headers['host']} {request.headers.get('cookie')}",
            headers={"Connection": "keep-alive", "X-Seen": "yes"},
        )

    async def swallow(self, request: Request) -> Response:
        """Read a body, and say how long it was."""
        return PlainTextResponse(str(len(await request.body())))

    async def endless(self) -> Response:
        """Answer for ever."""
        left = self.left

        async def pieces() -> AsyncIterator[bytes]:
            while True:
                self.given += 1
                yield PIECE

        class Endless(StreamingResponse):
            async def __call__(self, *told: Any) -> None:
                try:
                    await super().__call__(*told)
                finally:
                    left.set()

        return Endless(pieces())

    async def gather(self) -> Response:
        """Answer when twenty have asked."""
        self.together += 1
        if self.together == 20:
            self.meet.set()
        await self.meet.wait()
        return PlainTextResponse("all are here")

    async def fail(self) -> Response:
        """Break off in the middle."""

        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ZeroDivisionError

        return StreamingResponse(pieces())

    async def empty(self) -> Response:
        """Answer without a body."""
        return Response(status_code=204)

    @property
    def place(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @contextlib.contextmanager
    def running(self, **more: float) -> Iterator[str]:
        """Serve; gives the address."""
        stopping, on = threading.Event(), listening(self.settings)
        self.port = on.getsockname()[1]
        told = (self.app, self.settings, on, stopping)
        thread = threading.Thread(target=serve, args=told, kwargs=more)
        thread.start()
        try:
            yield f"https://127.0.0.1:{self.port}"
        finally:
            stopping.set()
            thread.join(20)
            on.close()
            assert not thread.is_alive()

    def client(self, **more: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self.trust, http2=True, timeout=30, **more)

    @contextlib.contextmanager
    def wire(self) -> Iterator[Wire]:
        """Give a connection that says whatever it is told to say."""
        self.trust.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(self.place, 30) as plain,
            self.trust.wrap_socket(plain, server_hostname="127.0.0.1") as wire,
        ):
            yield Wire(wire, f"127.0.0.1:{self.port}")


class Wire:
    """The other side of a connection, frame by frame."""

    def __init__(self, wire: ssl.SSLSocket, authority: str) -> None:
        self.socket = wire
        self.http = h2.connection.H2Connection()
        self.authority = authority
        self.http.initiate_connection()
        self.send()

    def send(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def ask(self, path: str, *more: tuple[str, str], method: str = "GET", end: bool = True) -> int:
        stream = self.http.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "https")]
        self.http.send_headers(stream, [*head, (":authority", self.authority), *more], end)
        return stream

    def heard(self) -> list[h2.events.Event]:
        """Give what comes next; [] = the connection has ended."""
        events: list[h2.events.Event] = []
        while not events and (data := self.socket.recv(65_536)):
            events = self.http.receive_data(data)  # [] of half a frame
            self.http.data_to_send()  # nothing is acknowledged
        return events

    def until(self, kind: type[h2.events.Event]) -> h2.events.Event:
        """Give the first event of a kind."""
        while True:
            events = self.heard()
            assert events, f"the connection ended before {kind.__name__}"
            for event in events:
                if isinstance(event, kind):
                    return event


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """Give a server that is not running yet."""
    return Served(tmp_path)


def test_a_browser_that_can_gets_http_2_and_others_http_1(served):
    """As TLS agrees on; a question looks the same to the application."""

    async def ask(url: str, **speaks: bool) -> str:
        async with httpx.AsyncClient(verify=served.trust, timeout=30, **speaks) as client:
            answer = await client.get(f"{url}/say?a=b%20c", headers={"cookie": "a=1; b=2"})
            assert answer.headers["x-seen"] == "yes"
            return f"{answer.http_version} {answer.text}"

    with served.running() as url:
        host = url.removeprefix("https://")
        assert asyncio.run(ask(url, http2=True)) == (f"HTTP/2 2 GET /say a=b%20c {host} a=1; b=2")
        assert asyncio.run(ask(url)) == f"HTTP/1.1 1.1 GET /say a=b%20c {host} a=1; b=2"
        plain = ssl.create_default_context(cafile=served.settings.certificate)
        plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE  # and says nothing of ALPN
        with (
            socket.create_connection(served.place, 30) as connection,
            plain.wrap_socket(connection) as tls,
        ):
            tls.sendall(b"GET /say HTTP/1.1\r\nHost: a\r\n\r\n")
            assert tls.recv(4096).startswith(b"HTTP/1.1 200")


def test_requests_of_one_connection_run_at_once(served):
    """Twenty of them, each of which waits for all others."""

    async def ask(url: str) -> list[tuple[str, str]]:
        limits = httpx.Limits(max_connections=1)
        async with served.client(limits=limits) as client:
            answers = await asyncio.gather(*(client.get(f"{url}/gather") for _ in range(20)))
            return [(a.http_version, a.text) for a in answers]

    with served.running() as url:
        assert asyncio.run(ask(url)) == [("HTTP/2", "all are here")] * 20


def test_cookies_that_come_in_parts_are_one_header(served):
    """As Chromium sends them, so that each is compressed for itself."""
    with served.running(), served.wire() as wire:
        wire.ask("/say", ("cookie", "a=1"), ("cookie", "b=2"))
        wire.send()
        data = wire.until(h2.events.DataReceived).data
        assert data.endswith(b" a=1; b=2")


def test_answers_without_a_body_end_with_their_head(served):
    """To HEAD, and 204."""

    async def ask(url: str) -> list[tuple[int, bytes]]:
        async with served.client() as client:
            answers = [await client.head(f"{url}/say"), await client.get(f"{url}/empty")]
            return [(a.status_code, a.content) for a in answers]

    with served.running() as url:
        assert asyncio.run(ask(url)) == [(200, b""), (204, b"")]


def test_a_body_longer_than_all_windows_arrives_whole(served):
    """Five megabytes, three at once over one connection."""

    async def ask(url: str) -> list[str]:
        async with served.client(limits=httpx.Limits(max_connections=1)) as client:
            bodies = (b"a" * size for size in (5_000_000, 5_000_001, 5_000_002))
            asked = (client.post(f"{url}/swallow", content=body) for body in bodies)
            return [answer.text for answer in await asyncio.gather(*asked)]

    with served.running() as url:
        assert asyncio.run(ask(url)) == ["5000000", "5000001", "5000002"]


def test_an_answer_is_made_as_fast_as_it_is_read(served):
    """Whoever reads nothing gets what his window takes; going away ends it."""
    with served.running(), served.wire() as wire:
        stream = wire.ask("/endless")
        wire.send()
        wire.until(h2.events.DataReceived)
        wait_until(lambda: served.given >= 4, 30, "a window of 65,535 bytes")
        time.sleep(0.3)
        assert served.given == 4  # 65,536 bytes: one more than the window takes
        assert not served.left.is_set()
        wire.http.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        wire.ask("/say")  # the connection itself has no room for it
        wire.http.increment_flow_control_window(65_535)
        wire.send()
        assert served.left.wait(30)
        wire.until(h2.events.ResponseReceived)


def test_a_connection_that_breaks_ends_its_answers(served):
    """Nothing runs on for nobody."""
    with served.running():
        with served.wire() as wire:
            wire.ask("/endless")
            wire.send()
            wire.until(h2.events.DataReceived)
        assert served.left.wait(30)


def test_an_answer_that_breaks_off_is_no_whole_one(served):
    """Its stream is reset; the connection goes on."""

    async def ask(url: str) -> str:
        async with served.client(limits=httpx.Limits(max_connections=1)) as client:
            with pytest.raises(httpx.RemoteProtocolError, match="error_code:2,"):  # of ours
                await client.get(f"{url}/fail")
            return (await client.get(f"{url}/say")).text

    with served.running() as url:
        assert asyncio.run(ask(url)).startswith("2 GET /say")


def test_whoever_asks_and_takes_back_without_end_is_cut_off(served):
    """What was begun counts until it has ended, so that few of them run."""
    with served.running() as url:
        with served.wire() as wire:
            ended = None
            for _ in range(RUNNING_MAX + 1):
                stream = wire.ask("/gather")
                wire.http.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
            wire.send()
            ended = wire.until(h2.events.ConnectionTerminated)
            assert ended.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
        assert served.together <= RUNNING_MAX
        served.meet.set()
        assert httpx.get(f"{url}/say", verify=served.trust).status_code == 200


def test_more_requests_at_once_than_are_told_break_the_rules(served):
    """The settings say how many; one more ends the connection."""
    with served.running(), served.wire() as wire:
        while wire.http.remote_settings.max_concurrent_streams != STREAMS_MAX:
            assert wire.heard()
        for _ in range(STREAMS_MAX):
            wire.ask("/endless")
        wire.http.remote_settings[3] = 1_000  # as if it had not been told
        wire.http.remote_settings.acknowledge()
        wire.ask("/endless")
        wire.send()
        assert wire.until(h2.events.ConnectionTerminated).error_code != 0


def test_a_body_that_nobody_reads_stays_within_its_window(served):
    """Its sender is not told that there is room."""
    with served.running(), served.wire() as wire:
        stream = wire.ask("/gather", method="POST", end=False)
        wire.send()
        while wire.http.local_flow_control_window(stream) != STREAM_WINDOW_BYTES:
            assert wire.heard()
        for _ in range(STREAM_WINDOW_BYTES // 16_384):
            wire.http.send_data(stream, PIECE)
        wire.send()
        wire.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            wire.until(h2.events.WindowUpdated)
        assert wire.http.local_flow_control_window(stream) == 0


@pytest.mark.parametrize(
    "said", [b"", b"PRI * HTTP/2.0\r\n\r\nSM", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"]
)
def test_whoever_begins_no_request_is_cut_off(served, said):
    """In the time that headers may take; frames that ask for nothing do not change that."""
    with served.running(headers_wait_s=0.5), served.wire() as wire:
        begun = time.monotonic()
        wire.socket.sendall(said)
        while wire.socket.recv(4096):
            pass
        assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x00\x00\x04\x09\x00\x00\x00\x00\x01abcd",  # CONTINUATION of nothing
        b"\x00\xff\xff\x00\x00\x00\x00\x00\x01",  # a frame longer than was agreed
        b"\x00\x00\x05\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff\xff",  # headers that cannot be read
    ],
)
def test_what_is_no_http_2_ends_its_connection_alone(served, garbage):
    """The next one is answered."""
    with served.running(headers_wait_s=1.0) as url:
        with served.wire() as wire:
            wire.socket.sendall(garbage)
            while wire.socket.recv(4096):
                pass
        assert httpx.get(f"{url}/say", verify=served.trust).status_code == 200


def test_a_frame_that_is_announced_longer_than_agreed_takes_no_memory(served):
    """Of its sixteen megabytes a part is taken, then the connection ends."""
    with served.running() as url:
        with served.wire() as wire:
            wire.socket.sendall(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 16 << 20:
                    sent += wire.socket.send(PIECE)
                    time.sleep(0.005)
            assert sent < 8 << 20
        assert httpx.get(f"{url}/say", verify=served.trust).status_code == 200


def test_headers_that_are_too_long_are_refused(served):
    """A hundred KiB of them, which compress to little."""
    with served.running() as url:
        with served.wire() as wire:
            wire.ask("/say", *((f"x-{n}", "a" * 1000) for n in range(100)))
            wire.send()
            assert wire.until(h2.events.ConnectionTerminated).error_code != 0
        assert httpx.get(f"{url}/say", verify=served.trust).status_code == 200


def test_a_server_that_ends_lets_answers_come_to_their_end(served):
    """And says that it takes no more."""
    with contextlib.ExitStack() as stack:
        with served.running():
            wire = stack.enter_context(served.wire())
            wire.ask("/gather")
            idle = stack.enter_context(served.wire())
            idle.ask("/say")
            for each in (wire, idle):
                each.send()
            idle.until(h2.events.StreamEnded)
            wait_until(lambda: served.together == 1, 30, "a request that waits")
            served.together = 19
            threading.Timer(0.5, lambda: asyncio.run(_ask_once(served))).start()
            wire.until(h2.events.StreamEnded)
        assert wire.until(h2.events.ConnectionTerminated).error_code == 0
        assert idle.until(h2.events.ConnectionTerminated).error_code == 0


async def _ask_once(served: Served) -> None:
    async with served.client() as client:
        await client.get(f"https://127.0.0.1:{served.port}/gather")
