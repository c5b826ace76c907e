"""Connections that keep the server waiting: headers that do not come end them.

uvicorn waits for the headers of a request as long as somebody sends a byte now and then;
so a few programs could hold all connections. Owns that limit. How long a body may take
is `envelope`'s, and idle connections are uvicorn's.
"""

from __future__ import annotations

import asyncio

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WAIT_S = 20.0  # from the first byte, or from the connection, to the end of the headers


class Patient(H11Protocol):
    """HTTP/1.1, with an end to the patience."""

    headers_wait_s = HEADERS_WAIT_S
    _late: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._calm()  # the headers are here; what comes now is a body
        elif self._late is None:
            self._late = self.loop.call_later(self.headers_wait_s, self.transport.close)

    def _calm(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def patient(headers_wait_s: float) -> type[Patient]:
    """Give the protocol with another patience."""

    class _Patient(Patient):
        pass

    _Patient.headers_wait_s = headers_wait_s
    return _Patient
