"""The HTTP server, in a thread with a loop of its own: what people ask never delays a PBX.

Owns the socket and the life of the server. Does not own the application (`app`).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import anyio.to_thread
import uvicorn
import uvloop
from bluewhale.capture.exceptions import PermanentError
from bluewhale.telemetry import get_logger
from bluewhale.webapi.http2 import HEADERS_BYTES_MAX, spoken
from bluewhale.webapi.patience import HEADERS_WAIT_S, patient
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.configuration.web import WebSettings
    from fastapi import FastAPI

BACKLOG = 1_024
CONNECTIONS_MAX = 5_000  # a thousand people: a stream each, and what their pages ask
ANSWERED_AT_ONCE = 8
# Of Python's 5 ms: a question lets go of the interpreter some hundred times (each read, each
# kernel), and would wait so long to have it again while another thread computes.
SWITCH_S = 0.000_5
FILES_BESIDE = 2_048  # sealed files and their indexes, databases, the log
IDLE_S = 30
END_S = 5  # answers that are being sent; a live stream is cut
ABORT_LOOKS, ABORT_LOOK_S = 100, 0.01
CERTIFICATE_LOOK_S = 30.0  # how often a renewed one is looked for


class ListenError(PermanentError):
    """The address of the page cannot be listened on."""

    code = "web_listen"


def make_room() -> None:
    """Let this process have as many open connections and files as the server takes, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + FILES_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def listening(settings: WebSettings) -> socket.socket:
    """Open the socket of the page.

    Raises
    ------
    ListenError
        Another program has the port, or the address is not of this machine.
    """
    make_room()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # named, or asyncio would not send small answers at once
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((settings.host, settings.port))
        made.listen(BACKLOG)  # whoever comes while the server starts waits, and is answered
    except OSError as error:
        made.close()
        raise ListenError(
            f"web.listen {settings.listen}: {error.strerror or error}; end the other program or"
            " choose another port"
        ) from error
    return made


def url_of(settings: WebSettings, port: int) -> str:
    """Give the address that people open."""
    if settings.public_url:
        return settings.public_url
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.certificate else 'http'}://{host}:{port}"


def serve(
    app: FastAPI,
    settings: WebSettings,
    on: socket.socket,
    stopping: threading.Event,
    *,
    look_s: float = CERTIFICATE_LOOK_S,
    headers_wait_s: float = HEADERS_WAIT_S,
) -> None:
    """Answer until told to stop; the caller gives the thread.

    A certificate whose file changes is shown from then on, looked at every `look_s` seconds.
    Whoever does not bring the headers of a request within `headers_wait_s` is cut off.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=spoken(headers_wait_s) if settings.certificate else patient(headers_wait_s),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=END_S,
        h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
    config.load()
    server = _Server(config)
    sys.setswitchinterval(SWITCH_S)

    async def run() -> None:
        # more would only take the interpreter from each other
        anyio.to_thread.current_default_thread_limiter().total_tokens = ANSWERED_AT_ONCE
        asked = asyncio.create_task(asyncio.to_thread(stopping.wait))
        serving = asyncio.create_task(server.serve(sockets=[on]))
        renewing = asyncio.create_task(_renewed(config.ssl, settings, look_s))
        await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        renewing.cancel()

    # asyncio's own loop takes two thirds of the time of a request that is answered from memory
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def _renewed(context: ssl.SSLContext | None, settings: WebSettings, look_s: float) -> None:
    """Show a certificate that was renewed; one that cannot be read is looked at again."""
    if context is None or settings.certificate is None or settings.key is None:
        return
    paths, log = (settings.certificate, settings.key), get_logger("webapi")
    shown = [p.stat().st_mtime_ns for p in paths]
    while True:
        await asyncio.sleep(look_s)
        try:
            now = [p.stat().st_mtime_ns for p in paths]
            if now != shown:
                # a key that does not fit would leave the server without any
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths)
                context.load_cert_chain(*paths)
                log.info("Certificate was renewed")
        except OSError as error:  # ssl.SSLError is one: half of a pair was replaced
            log.warning("Certificate cannot be read, trying again", error=str(error))
        else:
            shown = now


class _Server(uvicorn.Server):
    """Leaves signals to the process, and no connection behind."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # its reader takes nothing: a loop with it cannot end
        for _ in range(ABORT_LOOKS):
            if not self.server_state.connections:
                return
            await asyncio.sleep(ABORT_LOOK_S)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
