"""Channels as generated stubs see them, each method compiled into the layers once.

Owns the face of a channel, the way over a real one (`WireTransport`), and the
making anew of real channels when their certificates change. Layers wrap the
request here, not by interceptors: those cost as much again as the request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import grpc
from bluewhale.nexus.governance.compiling import compiled_ask
from bluewhale.nexus.governance.invocation import HEADER, Invocation, serving
from bluewhale.nexus.governance.layer import (
    Ask,
    ChannelPlan,
    Form,
    Layer,
    Method,
    RequestError,
)
from typing_extensions import override

LOOK_INTERVAL_S = 1.0  # certificates are looked at no more often than this
OLD_CHANNEL_S = 60.0  # requests on a channel that was replaced get this long


class Transport(Protocol):
    """How requests of a channel leave; `local` = to this process."""

    local: bool

    def leave(self, method: Method, serialize: Any, deserialize: Any) -> Ask:
        """Give the function that carries requests of one method, in the form that it says."""

    def close(self) -> None:
        """End all requests."""


class GovernedChannel(grpc.Channel):
    """A channel with layers; `caller` is who asks, where the transport is this process."""

    def __init__(self, transport: Transport, layers: Sequence[Layer], caller: str) -> None:
        self._transport = transport
        self._layers = tuple(layers)
        self._caller = caller

    def _ask(self, method: Method, serialize: Any, deserialize: Any) -> Ask:
        return compiled_ask(
            self._layers, method, self._transport.leave(method, serialize, deserialize)
        )

    @override
    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        forms = {
            form: self._ask(
                Method(method, form, local=self._transport.local),
                request_serializer,
                response_deserializer,
            )
            for form in Form
        }
        return Replying(forms, self._caller)

    @override
    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        forms = {
            form: self._ask(
                Method(method, form, request_streams=True, local=self._transport.local),
                request_serializer,
                response_deserializer,
            )
            for form in Form
        }
        return Replying(forms, self._caller)

    @override
    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        shape = Method(method, Form.CALL, reply_streams=True, local=self._transport.local)
        return Streaming(self._ask(shape, request_serializer, response_deserializer), self._caller)

    @override
    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Any:
        shape = Method(
            method,
            Form.CALL,
            request_streams=True,
            reply_streams=True,
            local=self._transport.local,
        )
        return Streaming(self._ask(shape, request_serializer, response_deserializer), self._caller)

    @override
    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        callback(grpc.ChannelConnectivity.READY)

    @override
    def unsubscribe(self, callback: Any) -> None:
        pass

    @override
    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Replying(grpc.UnaryUnaryMultiCallable):
    """A method with one reply."""

    def __init__(self, forms: dict[Form, Ask], caller: str) -> None:
        self._reply, self._with_call = forms[Form.REPLY], forms[Form.WITH_CALL]
        self._call = forms[Form.CALL]
        self._caller = caller

    @override
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        around = serving.get()
        options = None
        if wait_for_ready is not None or credentials is not None or compression is not None:
            options = _options(credentials, wait_for_ready, compression)
        return self._reply(
            request,
            Invocation(
                timeout,
                None,
                around.priority,
                around.traceparent,
                around.values,
                metadata,
                options,
                self._caller,
            ),
        )

    @override
    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        options = _options(credentials, wait_for_ready, compression)
        return self._with_call(request, _leaving(timeout, metadata, options, self._caller))

    @override
    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        options = _options(credentials, wait_for_ready, compression)
        return self._call(request, _leaving(timeout, metadata, options, self._caller))


class Streaming(grpc.UnaryStreamMultiCallable):
    """A method whose replies stream."""

    def __init__(self, call: Ask, caller: str) -> None:
        self._call, self._caller = call, caller

    @override
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        options = _options(credentials, wait_for_ready, compression)
        return self._call(request, _leaving(timeout, metadata, options, self._caller))


def _leaving(
    timeout: float | None, metadata: Any, options: dict[str, Any], caller: str
) -> Invocation:
    """Begin a request; what is served now is passed on."""
    around = serving.get()
    return Invocation(
        timeout_s=timeout,
        priority=around.priority,
        traceparent=around.traceparent,
        values=around.values,
        metadata=metadata,
        options=options,
        identity=caller,
    )


def _options(credentials: Any, wait_for_ready: bool | None, compression: Any) -> dict[str, Any]:
    given = {
        "credentials": credentials,
        "wait_for_ready": wait_for_ready,
        "compression": compression,
    }
    return {name: value for name, value in given.items() if value is not None}


class Connection:
    """The real channel of one peer; a new one when its certificates change."""

    def __init__(self, plan: ChannelPlan, make: Callable[..., Any]) -> None:
        self._plan = plan
        self._make = make
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._seen: object = None
        self.number = 0  # rises with each new channel
        self.channel: Any = None

    def current(self) -> int:
        """Give the number of the channel to use now, making a new one if it must be."""
        if self._plan.version is None and self.number:
            return self.number
        at = time.monotonic()
        if at < self._look_at:
            return self.number
        with self._lock:
            self._look_at = at + LOOK_INTERVAL_S
            version = self._plan.version() if self._plan.version is not None else None
            if self.channel is None or (version is not None and version != self._seen):
                old, self.channel = self.channel, self._open()
                self._seen = version
                self.number += 1
                if old is not None:
                    timer = threading.Timer(OLD_CHANNEL_S, old.close)
                    timer.daemon = True
                    timer.start()
        return self.number

    def _open(self) -> Any:
        plan = self._plan
        credentials = plan.credentials() if plan.credentials is not None else None
        return self._make(plan.target, credentials, list(plan.options.items()))

    def close(self) -> None:
        """End all requests and the connection."""
        with self._lock:
            if self.channel is not None:
                self.channel.close()


def blocking(target: str, credentials: Any, options: list[tuple[str, Any]]) -> Any:
    """Make a channel for threads."""
    if credentials is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, credentials, options)


class WireTransport:
    """Carries requests over a real channel; the context travels in one header."""

    local = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def leave(self, method: Method, serialize: Any, deserialize: Any) -> Ask:
        """Give the function that carries requests of one method, in the form that it says."""
        connection = self._connection
        kind = f"{'stream' if method.request_streams else 'unary'}_" + (
            "stream" if method.reply_streams else "unary"
        )
        number, carry = 0, None

        def made() -> Any:
            """Give the method on the channel of now."""
            nonlocal number, carry
            now = connection.current()
            if now != number:
                both = getattr(connection.channel, kind)(
                    method.path, serialize, deserialize, _registered_method=True
                )
                if method.form is Form.WITH_CALL:
                    carry = both.with_call
                elif method.form is Form.CALL and not method.reply_streams:
                    carry = both.future
                else:
                    carry = both
                number = now
            return carry

        def leave(request: Any, invocation: Invocation) -> Any:
            try:
                header = invocation.header()
            except ValueError as error:
                raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
            metadata: tuple[Any, ...] = ((HEADER, header),) if header else ()
            if invocation.metadata:
                metadata += tuple(invocation.metadata)
            options = invocation.options
            if options:
                return made()(request, invocation.timeout_s, metadata, **options)
            return made()(request, invocation.timeout_s, metadata)

        return leave

    def close(self) -> None:
        """End all requests and the connection."""
        self._connection.close()
