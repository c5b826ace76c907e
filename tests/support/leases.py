"""An API server of Kubernetes that knows Leases, over TLS; it can be away, hang, refuse.

As the real one: versions that only grow, a conflict where the version named is not the
one that stands, 401 without the token of now. What is tested here is tested with the
real one as well: tests/cluster/api/test_term.py.
"""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.support.certificates import Authority

NAMESPACE = "calls"
PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


class LeaseServer:
    """The server, and the folder of a service account that may use it."""

    def __init__(self, folder: Path) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self.version = 0
        self.status = 0  # answered to everything, 0 = what is right
        self.conflicts = 0  # so many writes come too late
        self.hanging = threading.Event()
        self.asked: list[str] = []
        self.folder = folder
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        (folder / "namespace").write_text(NAMESPACE)
        self.renew_credentials("first")

    @property
    def url(self) -> str:
        """Give where it is."""
        return f"https://127.0.0.1:{self.port}"

    def renew_credentials(self, token: str) -> None:
        """Have another token and another authority from now on; the files say so."""
        files = Authority(f"authority of {token}").write(self.folder, "role/kubernetes")
        (self.folder / "ca.crt").write_bytes(files["authority"].read_bytes())
        (self.folder / "token").write_text(f"{token}\n")
        self.token = token
        if self._server is not None:
            self.stop()
            self.start()

    def start(self) -> None:
        """Be there, at the port that it had before."""
        served = self

        class Handler(_Handler):
            server_of = served

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            self.folder / "role-kubernetes.pem", self.folder / "role-kubernetes.key"
        )
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hanging.clear()
        self.stop()

    def write(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Keep a Lease, as a new version."""
        with self.lock:
            self.version += 1
            metadata = document["metadata"] | {"resourceVersion": str(self.version)}
            self.leases[name] = document | {"metadata": metadata}
            return self.leases[name]


class _Handler(BaseHTTPRequestHandler):
    server_of: LeaseServer

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self) -> None:
        served = self.server_of
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        served.asked.append(self.command)
        while served.hanging.is_set():
            threading.Event().wait(0.05)
        with served.lock:
            status, answer = self._decided(served, body)
        data = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # who asked has gone

    def _decided(self, served: LeaseServer, body: Any) -> tuple[int, dict[str, Any]]:
        if served.status:
            return served.status, {"message": "as the test wants it"}
        if self.headers.get("Authorization") != f"Bearer {served.token}":
            return 401, {"message": "Unauthorized"}
        if not self.path.startswith(PATH):
            return 404, {"message": "the server could not find the requested resource"}
        name = self.path.removeprefix(PATH).strip("/") or body["metadata"]["name"]
        found = served.leases.get(name)
        if self.command == "POST":
            if found is not None:
                return 409, {"message": f'leases "{name}" already exists'}
            return 201, served.write(name, body)
        if found is None:
            return 404, {"message": f'leases "{name}" not found'}
        if self.command == "GET":
            return 200, found
        if served.conflicts:
            served.conflicts -= 1
            return 409, {"message": "the object has been modified"}
        if body["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        return 200, served.write(name, body)
