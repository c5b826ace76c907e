"""The port of a role: servicers behind their layers on a real gRPC server.

Owns how a request that arrives becomes an `Invocation`, and the life of a
server. Handlers are wrapped when they are added, not by interceptors: those
would be asked anew for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

import grpc
from bluewhale.capture.exceptions import PermanentError
from bluewhale.nexus.answering import Answering, answering
from bluewhale.nexus.contract import Served
from bluewhale.nexus.governance.encryption import ANONYMOUS, LOCAL, identity_of
from bluewhale.nexus.governance.invocation import HEADER, Invocation, serving
from bluewhale.nexus.governance.layer import Layer, PortPlan
from bluewhale.nexus.urgency import UrgentFirst

WORKERS = 32  # requests and streams that are answered at once; more wait
STREAM_GRACE_S = 1.0  # at a stop open streams get this long, since many never end by themselves
MESSAGE_BYTES_MAX = 16 << 20
_SAME_MACHINE = ("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "unix:")


class PortRefusedError(PermanentError):
    """The port of a role cannot be opened."""

    code = "port_refused"


def received(context: Any, identify: bool) -> Invocation:
    """Read what came with a request; a header that is none ends the request."""
    invocation = None
    for name, value in context.invocation_metadata():
        if name == HEADER:
            try:
                invocation = Invocation.received(value)
            except ValueError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    if invocation is None:
        left = context.time_remaining()
        invocation = Invocation(deadline=None if left is None else time.monotonic() + left)
    invocation.identity = (
        identity_of(context.auth_context()) if identify else _without_certificate(context.peer())
    )
    return invocation


def _without_certificate(peer: str) -> str:
    """Give who asks on a port without certificates, by the address: this machine or anybody."""
    return LOCAL if peer.startswith(_SAME_MACHINE) else ANONYMOUS


def wire_handler(found: Answering, streams: set[Any], *, identify: bool) -> Any:
    """Give the handler that a real server calls.

    streams: the contexts of open streams are kept here.
    identify: whether the port asks for certificates, so that a caller has an identity.
    """
    answer, handler, shape = found.answer, found.handler, found.method

    def enter(request: Any, context: Any) -> Any:
        before = serving.get()
        serving.set(received(context, identify))
        try:
            return answer(request, context)
        finally:
            serving.set(before)

    def enter_stream(request: Any, context: Any) -> Iterator[Any]:
        before = serving.get()
        serving.set(received(context, identify))
        streams.add(context)
        try:
            yield from answer(request, context)
        finally:
            streams.discard(context)
            serving.set(before)

    make: Callable[..., Any] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[shape.request_streams, shape.reply_streams]
    return make(
        enter_stream if shape.reply_streams else enter,
        handler.request_deserializer,
        handler.response_serializer,
    )


class Port:
    """A gRPC server of servicers behind layers."""

    def __init__(
        self,
        listen: str,
        services: Iterable[Served],
        layers: Sequence[Layer],
        *,
        workers: int = WORKERS,
    ) -> None:
        plan = PortPlan(
            listen,
            options={
                "grpc.so_reuseport": 0,
                "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
                # callers ask every 20 s whether a silent connection still lives
                "grpc.http2.min_recv_ping_interval_without_data_ms": 10_000,
            },
        )
        for layer in layers:
            layer.port(plan)
        self._streams: set[Any] = set()
        self._pool = UrgentFirst(workers)
        self._server = grpc.server(
            self._pool,
            interceptors=(self._pool.reception,),
            options=list(plan.options.items()),
        )
        for served in services:
            self._add(served, layers, identify=plan.credentials is not None)
        try:
            if plan.credentials is None:
                self.number = self._server.add_insecure_port(plan.listen)
            else:
                self.number = self._server.add_secure_port(plan.listen, plan.credentials())
        except RuntimeError as error:
            raise PortRefusedError(
                f"requests cannot be answered on {plan.listen}: {error}; choose another address"
            ) from error

    @property
    def unended(self) -> int:
        """How many requests and streams are answered or wait."""
        return self._pool.unended

    def _add(self, served: Served, layers: Sequence[Layer], *, identify: bool) -> None:
        services: dict[str, dict[str, Any]] = {}
        for path, found in answering(served, layers).items():
            _, service, name = path.split("/")
            services.setdefault(service, {})[name] = wire_handler(
                found, self._streams, identify=identify
            )
        for service, handlers in services.items():
            generic = grpc.method_handlers_generic_handler(service, handlers)
            self._server.add_generic_rpc_handlers((generic,))
            self._server.add_registered_method_handlers(service, handlers)

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Take nothing new; what is begun has this long, open streams at most a second."""
        ended = self._server.stop(grace_s)
        if not ended.wait(min(grace_s, STREAM_GRACE_S)):
            for context in list(self._streams):
                context.cancel()
        ended.wait()
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextlib.asynccontextmanager
async def serving_on(
    listen: str, services: Iterable[Served], layers: Sequence[Layer], *, grace_s: float
) -> AsyncIterator[Port]:
    """Answer on a port as long as the block lasts."""
    port = Port(listen, services, layers)
    port.start()
    try:
        yield port
    finally:
        await asyncio.to_thread(port.stop, grace_s)
