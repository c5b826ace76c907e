"""/metrics and /healthz on a local port, in a thread; standard library only.

Owns the HTTP door. What is healthy is decided by the `health` function that the
runtime gives: a mapping of part -> what is wrong with it, empty = well. Probes
(`livez`, `readyz`, `startupz`) are more such functions under paths of their own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from bluewhale.capture.exceptions import PermanentError
from bluewhale.telemetry.metrics import Metrics
from typing_extensions import override


class PortInUseError(PermanentError):
    """The port for metrics and health is taken."""

    code = "port_in_use"


class Endpoint:
    """A small HTTP server on 127.0.0.1; port 0 picks a free one."""

    def __init__(
        self,
        metrics: Metrics,
        health: Callable[[], Mapping[str, str]],
        *,
        port: int,
        host: str = "127.0.0.1",
        probes: Mapping[str, Callable[[], Mapping[str, str]]] | None = None,
    ) -> None:
        asked = {"/healthz": health, "/health": health}
        asked |= {f"/{name}": probe for name, probe in (probes or {}).items()}

        known = f"only /metrics, {', '.join(asked)}\n".encode()

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text())
                elif self.path in asked:
                    wrong = dict(asked[self.path]())
                    body = json.dumps({"healthy": not wrong, "wrong": wrong}).encode()
                    self._answer(503 if wrong else 200, "application/json", body)
                else:
                    self._answer(404, "text/plain", known)

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: requests of a scraper are no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Door)
        except OSError as error:
            raise PortInUseError(
                f"metrics cannot be served on {host}:{port} ({error.strerror}); choose another port"
            ) from error
        self._server.daemon_threads = True
        self.host, self.port = str(self._server.server_address[0]), self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
