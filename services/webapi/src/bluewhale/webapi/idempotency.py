"""A request that is sent again with the same Idempotency-Key acts once.

The answer of the first is given again for a day. A key belongs to who sent it; with
another request it is refused. What was refused (4xx, 5xx) is not kept: it may be
sent again. Answers that show a secret are not kept either, nor long ones: whoever
asks again is told that it was done.
Owns hearing the body and keeping the answer. Does not own the table
(`bluewhale.database.repeats`); `needing.asks` claims the key, once it is known who asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bluewhale.webapi.exceptions import RefusedError
from starlette.responses import Response

if TYPE_CHECKING:
    from bluewhale.database.repeats import Repeats
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"idempotency-key"
REPEATED = "Idempotent-Replayed"
BODY_BYTES_MAX = 64 << 10
KEY = re.compile(r"[!-~]{1,255}")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS_KEPT = frozenset({"content-type", "etag", "location"})
_REFUSED_FROM = 400


class RepeatedError(Exception):
    """Ends a request whose answer is known; `answer` is given instead."""

    def __init__(self, answer: Response) -> None:
        super().__init__("answered before")
        self.answer = answer


@dataclass(slots=True)
class Pending:
    """A request that brought a key."""

    key: str
    body: Any = field(default_factory=hashlib.sha256)  # of what was read of it so far
    who: str = ""
    repeats: Repeats | None = None  # set with the claim
    secret: bool = False

    def claim(self, request: Request, repeats: Repeats, who: str, *, secret: bool) -> None:
        """Take the key for this request.

        Raises
        ------
        RepeatedError
            It was answered.
        RefusedError
            `body_invalid`: no key; `key_reused`: it belongs to another request;
            `state_conflict`: it is being worked on, or its answer was not kept.
        """
        if not KEY.fullmatch(self.key):
            problem = {"field": "Idempotency-Key", "problem": "1 to 255 visible ASCII signs"}
            raise RefusedError("body_invalid", params={"fields": [problem]})
        asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        found = repeats.claim(
            who,
            self.key,
            hashlib.sha256(asked + self.body.digest()).digest(),
            int(time.time() * 1_000),
        )
        if found is None:
            self.who, self.repeats, self.secret = who, repeats, secret
            return
        if found.request_hash != hashlib.sha256(asked + self.body.digest()).digest():
            raise RefusedError("key_reused")
        if not found.status:
            raise RefusedError(
                "state_conflict",
                "the first request with this key is not answered; look whether it was done",
            )
        if found.body is None:
            raise RefusedError(
                "state_conflict",
                "this was done; its answer showed a secret or was too long to keep",
            )
        headers = {**json.loads(found.headers), REPEATED: "true"}
        raise RepeatedError(Response(found.body, found.status, headers))


class Idempotency:
    """Hears the body of requests with a key, and keeps what is answered to them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = None
        if scope["type"] == "http" and scope["method"] not in SAFE:
            key = next((v for k, v in scope["headers"] if k == HEADER), None)
        if key is None:
            await self._app(scope, receive, send)
            return
        pending = Pending(key.decode("latin-1"))
        scope.setdefault("state", {})["idempotency"] = pending

        async def hearing() -> Message:
            message = await receive()
            pending.body.update(message.get("body", b""))
            return message

        keeping = _Keeping(pending, send)
        try:
            await self._app(scope, hearing, keeping.send)
        except BaseException:
            await keeping.forget()
            raise


class _Keeping:
    """Holds an answer back until it is kept; a long one flows on, and only its end is noted."""

    def __init__(self, pending: Pending, send: Send) -> None:
        self._pending = pending
        self._send = send
        self._start: Message = {}
        self._held = bytearray()
        self._flows = False

    async def send(self, message: Message) -> None:
        if self._pending.repeats is None:
            await self._send(message)
        elif message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            await self._body(message)

    async def _body(self, message: Message) -> None:
        more = message.get("more_body", False)
        if not self._flows:
            self._held += message.get("body", b"")
            if more and len(self._held) <= BODY_BYTES_MAX:
                return
        if not more:
            await self._keep()
        if self._flows:
            await self._send(message)
            return
        self._flows = True
        await self._send(self._start)
        await self._send({**message, "body": bytes(self._held)})

    async def _keep(self) -> None:
        pending, status = self._pending, self._start["status"]
        assert pending.repeats is not None
        if status >= _REFUSED_FROM:
            await self.forget()
            return
        whole = not self._flows and len(self._held) <= BODY_BYTES_MAX and not pending.secret
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in self._start["headers"]
            if name.decode("latin-1").lower() in _HEADERS_KEPT
        }
        await asyncio.to_thread(
            pending.repeats.answer,
            pending.who,
            pending.key,
            status,
            json.dumps(headers),
            bytes(self._held) if whole else None,
        )
        pending.repeats = None  # what fails from here on was done all the same

    async def forget(self) -> None:
        """Let go of the key: the request came to nothing."""
        if self._pending.repeats is not None:
            await asyncio.to_thread(
                self._pending.repeats.let_go, self._pending.who, self._pending.key
            )
