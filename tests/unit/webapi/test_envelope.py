"""Bodies that are too long or too slow, held against the envelope without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from bluewhale.configuration import WebSettings
from bluewhale.webapi.app import make_app
from bluewhale.webapi.envelope import Envelope

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/api/v1/session",
    "raw_path": b"/api/v1/session",
    "query_string": b"",
    "root_path": "",
    "scheme": "http",
    "http_version": "1.1",
    "server": ("127.0.0.1", 80),
    "client": ("192.0.2.1", 1),
    "headers": [(b"content-type", b"application/json")],
}
Receive = Callable[[], Awaitable[dict[str, Any]]]


def asked(receive: Receive, **limits: float) -> tuple[int, str]:
    """Send a request whose body comes as `receive` gives it; gives status and code."""
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    app = Envelope(make_app(None, WebSettings()), body_bytes_max=1_000, secure=False, **limits)
    asyncio.run(app({**SCOPE, "headers": list(SCOPE["headers"])}, receive, send))
    body = b"".join(m.get("body", b"") for m in said)
    return said[0]["status"], json.loads(body)["code"]


def test_a_body_of_unknown_length_is_cut_off_where_it_is_too_long():
    """No Content-Length; the first piece beyond the limit is the last that is read."""
    read = []

    async def receive() -> dict[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": b"a" * 400, "more_body": True}

    assert asked(receive) == (413, "too_large")
    assert len(read) == 3


def test_a_body_whose_next_piece_does_not_come_is_not_waited_for():
    """The connection stands still."""

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    assert asked(receive, body_wait_s=0.05) == (408, "too_slow")


def test_a_body_that_drips_is_not_waited_for_either():
    """A byte at a time, each soon enough; the whole takes too long."""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"a", "more_body": True}

    assert asked(receive, body_wait_s=60, body_whole_s=0.2) == (408, "too_slow")
