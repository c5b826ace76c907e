"""What is around every request: its trace, limits of its body, headers of its answer.

Owns the headers that keep a browser safe, and that an error of ours is logged
once, with the trace id that the reader was told. Does not own what is answered.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from bluewhale.telemetry import get_logger, tracing
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.problems import said
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_WAIT_S = 30.0  # for the next piece of a body
BODY_WHOLE_S = 300.0  # for all of it: whoever sends a byte now and then holds nothing for ever
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(),"
    " gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HSTS = "max-age=31536000"


class Envelope:
    """The outermost part of the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes_max: int,
        larger: Mapping[str, int] = MappingProxyType({}),
        signed_in: Callable[[str], bool] = lambda _cookies: False,
        secure: bool,
        body_wait_s: float = BODY_WAIT_S,
        body_whole_s: float = BODY_WHOLE_S,
    ) -> None:
        self._app = app
        self._body_wait_s = body_wait_s
        self._body_whole_s = body_whole_s
        self._body_bytes_max = body_bytes_max
        self._larger = larger  # beginnings of paths that may bring more, of people alone
        self._signed_in = signed_in  # says of a Cookie header whether it holds a session
        headers = {**_HEADERS, "strict-transport-security": _HSTS} if secure else _HEADERS
        self._headers = [(k.encode(), v.encode()) for k, v in headers.items()]
        self._log = get_logger("webapi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = {"http.request.method": scope["method"]}
        # whoever asks from outside does not decide what is traced
        with tracing.span("answer HTTP", kind="server", attributes=told) as span:
            trace_id = tracing.ids_of(span.traceparent)[0] or uuid.uuid4().hex
            state = scope.setdefault("state", {})
            state["trace_id"] = trace_id
            most = await self._most(scope)
            if _length(scope["headers"]) > most:
                await said(RefusedError("too_large"), trace_id)(
                    scope, receive, self._dressed(scope, send)
                )
                return
            status = [0]
            try:
                await self._app(
                    scope, self._limited(receive, most), self._dressed(scope, send, status)
                )
            except Exception as error:  # the reader was told `internal` already
                span.failed(type(error).__name__)
                self._log.exception(
                    "Request failed", method=scope["method"], trace_id=trace_id, error=repr(error)
                )
                if not status[0]:
                    raise
            span.set("http.response.status_code", status[0])
            route = scope.get("route")
            if route is not None:
                span.set("http.route", str(route.path))

    async def _most(self, scope: Scope) -> int:
        """Give how much a request may bring; strangers get no memory of ours."""
        path, length = scope["path"], _length(scope["headers"])
        found = (most for begin, most in self._larger.items() if path.startswith(begin))
        most = next(found, self._body_bytes_max)
        if most == self._body_bytes_max or length <= self._body_bytes_max:
            return self._body_bytes_max
        cookies = next((v for k, v in scope["headers"] if k == b"cookie"), b"")
        mine = await asyncio.to_thread(self._signed_in, cookies.decode("latin-1"))
        return most if mine else self._body_bytes_max

    def _limited(self, receive: Receive, most: int) -> Receive:
        taken, whole = 0, False
        loop = asyncio.get_running_loop()
        until = loop.time() + self._body_whole_s

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:
                return await receive()  # what is waited for now is the end of the connection
            try:
                left = min(self._body_wait_s, max(until - loop.time(), 0))
                async with asyncio.timeout(left):  # `wait_for` would make a task of it
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413)
            whole = not message.get("more_body", False)
            return message

        return limited

    def _dressed(self, scope: Scope, send: Send, status: list[int] | None = None) -> Send:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                if status is not None:
                    status[0] = message["status"]
                headers = message.setdefault("headers", [])
                present = {name.lower() for name, _ in headers}
                headers.extend(h for h in self._headers if h[0] not in present)
                if b"content-security-policy" not in present:
                    headers.append((b"content-security-policy", API_POLICY.encode()))
                if b"cache-control" not in present:
                    headers.append((b"cache-control", b"no-store"))
                state: dict[str, Any] = scope.get("state", {})
                headers.append((b"x-trace-id", state["trace_id"].encode()))
                cookie = state.get("set_cookie")
                if cookie:
                    headers.append((b"set-cookie", cookie.encode()))
            await send(message)

        return dressed


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
