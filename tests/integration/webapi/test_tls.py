"""The server with a certificate of its own, and slow or strange connections to it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bluewhale.configuration import WebSettings
from bluewhale.webapi.app import make_app
from bluewhale.webapi.cookies import Cookies
from bluewhale.webapi.server import ListenError, listening, serve, url_of

from tests.support.certificates import Authority
from tests.support.running import wait_until


@contextlib.contextmanager
def served(settings: WebSettings, **more: float) -> Iterator[str]:
    """Serve the bare application; gives its address."""
    stopping, on = threading.Event(), listening(settings)
    app = make_app(None, settings)
    thread = threading.Thread(target=serve, args=(app, settings, on, stopping), kwargs=more)
    thread.start()
    try:
        yield url_of(settings, on.getsockname()[1])
    finally:
        stopping.set()
        thread.join(20)
        on.close()
        assert not thread.is_alive()


def test_the_server_speaks_tls_and_says_so_for_a_year(tmp_path: Path):
    """By its certificate; the cookie is then one that no other host can set."""
    paths = Authority().write(tmp_path, "role/webapi")
    settings = WebSettings(listen="127.0.0.1:0", certificate=paths["certificate"], key=paths["key"])
    trust = ssl.create_default_context(cafile=paths["authority"])
    with served(settings) as url:
        assert url.startswith("https://127.0.0.1:")
        answer = httpx.get(f"{url}/healthz", verify=trust)
    assert answer.json() == {"status": "ok"}
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert settings.secure
    assert Cookies(secure=True).text("t") == (
        "__Host-bluewhale=t; Path=/; HttpOnly; SameSite=Lax; Secure"
    )


def test_a_certificate_that_is_renewed_is_shown_without_a_restart(tmp_path: Path):
    """As a Secret of Kubernetes changes: half of a pair alone changes nothing, the whole does."""
    authority = Authority()
    paths = authority.write(tmp_path, "role/webapi")
    (tmp_path / "other").mkdir()
    other = authority.write(tmp_path / "other", "role/webapi")
    settings = WebSettings(listen="127.0.0.1:0", certificate=paths["certificate"], key=paths["key"])

    def shown(url: str) -> str:
        return ssl.get_server_certificate(("127.0.0.1", int(url.rpartition(":")[2])))

    with served(settings, look_s=0.05) as url:
        first = shown(url)
        shutil.copyfile(other["certificate"], paths["certificate"])
        assert shown(url) == first
        shutil.copyfile(other["key"], paths["key"])
        wait_until(lambda: shown(url) != first, 30, "the other certificate")
        assert shown(url) == other["certificate"].read_text()


def test_what_is_no_http_does_not_hold_the_server():
    """Garbage is refused and the next one is answered; no header can be smuggled in."""
    with served(WebSettings(listen="127.0.0.1:0")) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(place, 10) as connection:
            connection.sendall(b"\x16\x03\x01garbage\r\n\r\n")
            assert connection.recv(1024).startswith(b"HTTP/1.1 400")
        answer = httpx.get(f"{url}/healthz")
        assert answer.status_code == 200
        assert "strict-transport-security" not in answer.headers
        split = httpx.get(f"{url}/healthz?x=%0d%0aSet-Cookie:%20a=b")
        assert "set-cookie" not in split.headers


def test_headers_that_do_not_come_end_the_connection():
    """Of the first request and of the next one; whoever sends them soon is answered."""
    with served(WebSettings(listen="127.0.0.1:0"), headers_wait_s=0.3) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        asking = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
        for first in (b"", b"GET / HT", asking):
            with socket.create_connection(place, 30) as connection:
                connection.sendall(first)
                assert connection.recv(1024) == b""
        with socket.create_connection(place, 30) as connection:
            connection.sendall(asking + b"\r\n")
            said = b""
            while not said.endswith(b'{"status":"ok"}'):
                said += connection.recv(4096)
            connection.sendall(asking)
            assert connection.recv(1024) == b""


def test_headers_that_are_too_long_are_refused():
    """A hundred KiB of them; the next one is answered."""
    with served(WebSettings(listen="127.0.0.1:0")) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(place, 30) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000)
            assert connection.recv(1024).startswith(b"HTTP/1.1 400")
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_port_that_is_taken_is_said_with_what_to_do():
    """The address, the reason, the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = WebSettings(listen=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(ListenError, match="choose another port"):
            listening(taken)
