"""What is kept of answers to requests with a key, over a real store, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluewhale.database import Store
from bluewhale.database.repeats import Repeats
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.idempotency import Idempotency, RepeatedError
from fastapi import Request

PIECE = b"x" * 40_000


class Server:
    """An application that answers with pieces, as somebody who is known."""

    def __init__(self, store: Store) -> None:
        self.repeats = Repeats(store.db)
        self.pieces = [b"small"]
        self.status = 200
        self.secret = False
        self.fails = False
        self.done = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        pending = scope["state"]["idempotency"]
        pending.claim(Request(scope), self.repeats, "u_1", secret=self.secret)
        self.done += 1
        if self.fails:
            raise RuntimeError("it broke")
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        for at, piece in enumerate(self.pieces):
            more = at + 1 < len(self.pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    def asked(self, body: bytes = b"do it") -> list[bytes]:
        """Send a request with the key; gives the pieces of the answer as they were sent."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/x",
            "query_string": b"",
            "server": ("a", 80),
            "headers": [(b"idempotency-key", b"k")],
        }
        said: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                said.append(message["body"])

        asyncio.run(Idempotency(self)(scope, receive, send))
        return said


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give the application over an empty store."""
    with Store.open(tmp_path) as store:
        yield Server(store)


def test_a_small_answer_is_given_again(server: Server):
    """And nothing is done a second time."""
    assert server.asked() == [b"small"]
    with pytest.raises(RepeatedError) as again:
        server.asked()
    assert (again.value.answer.body, again.value.answer.headers["idempotent-replayed"]) == (
        b"small", "true",
    )  # fmt: skip
    assert server.done == 1


def test_a_long_answer_flows_and_is_not_kept(server: Server):
    """Two pieces are more than 64 KiB: they are sent on; asked again, it says that it was done."""
    server.pieces = [PIECE] * 4
    assert server.asked() == [PIECE * 2, PIECE, PIECE]
    with pytest.raises(RefusedError, match="this was done"):
        server.asked()


def test_a_secret_is_not_kept(server: Server):
    """It was shown once."""
    server.secret = True
    server.asked()
    with pytest.raises(RefusedError, match="this was done"):
        server.asked()


def test_what_failed_or_was_refused_may_be_sent_again(server: Server):
    """A key is taken by what was done."""
    server.fails = True
    with pytest.raises(RuntimeError, match="it broke"):
        server.asked()
    server.fails, server.status = False, 409
    assert server.asked() == [b"small"]
    server.status = 200
    assert server.asked(b"something else") == [b"small"]
    with pytest.raises(RefusedError) as refused:
        server.asked()
    assert refused.value.code == "key_reused"
