"""A gRPC channel to a servicer of the same process: generated stubs and servicers run unmodified.

Owns requests without a network: by reference, on the caller's thread where one
reply is expected, with a thread and a bounded queue where replies stream. In
copying mode everything is serialised both ways, so that a test sees when one
side changes what the other still holds. Does not own layers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from typing import Any, NoReturn

import grpc
from bluewhale.nexus.answering import Answering
from bluewhale.nexus.governance.invocation import Invocation, serving
from bluewhale.nexus.governance.layer import Ask, Form, Method, RequestError
from bluewhale.nexus.pipes import Held, Pipe, StreamCall, ThreadCall
from typing_extensions import override

_LOG = logging.getLogger(__name__)
_OK = grpc.StatusCode.OK
Metadata = tuple[tuple[str, str | bytes], ...]


class Aborted(Exception):
    """A servicer ended its request; code and details are in its context."""


class LocalContext(grpc.ServicerContext):
    """What a servicer sees of a request of the same process."""

    _code: grpc.StatusCode | None = None
    _details = ""
    _trailing: Metadata = ()
    _initial: Metadata = ()
    _callbacks: list[Callable[[], None]] | None = None
    _over = False

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    @override
    def is_active(self) -> bool:
        return not self._over and self.time_remaining() != 0.0

    @override
    def time_remaining(self) -> float | None:
        deadline = self._invocation.deadline
        return None if deadline is None else max(deadline - time.monotonic(), 0.0)

    @override
    def cancel(self) -> None:
        if self._code is None:
            self._code, self._details = grpc.StatusCode.CANCELLED, "cancelled by the servicer"
        self.end()

    @override
    def add_callback(self, callback: Callable[[], None]) -> bool:
        if self._over:
            return False
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)
        return True

    def end(self) -> None:
        """Tell the servicer's callbacks that the request is over."""
        if self._over:
            return
        self._over = True
        for callback in self._callbacks or ():
            callback()

    @override
    def invocation_metadata(self) -> Metadata:
        return tuple(self._invocation.metadata or ())

    @override
    def peer(self) -> str:
        return f"inproc:{self._invocation.identity}"

    @override
    def peer_identities(self) -> Iterable[bytes]:
        return (self._invocation.identity.encode(),)

    @override
    def peer_identity_key(self) -> str:
        return "identity"

    @override
    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return {"identity": self.peer_identities()}

    @override
    def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        self._initial = tuple(initial_metadata)

    @override
    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self._trailing = tuple(trailing_metadata)

    @override
    def trailing_metadata(self) -> Metadata:
        return self._trailing

    def initial_metadata(self) -> Metadata:
        """Give what was sent before the reply."""
        return self._initial

    @override
    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self._code, self._details = code, details
        raise Aborted(details)

    @override
    def abort_with_status(self, status: Any) -> NoReturn:
        self._trailing = tuple(status.trailing_metadata or ())
        self.abort(status.code, status.details)

    @override
    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    @override
    def set_details(self, details: str) -> None:
        self._details = details

    @override
    def code(self) -> grpc.StatusCode | None:
        return self._code

    @override
    def details(self) -> str:
        return self._details

    def failure(self, caught: BaseException | None = None) -> RequestError | None:
        """Give what the caller must see; None = all went well."""
        if caught is not None and not isinstance(caught, Aborted):
            _LOG.exception("Exception calling application: %s", caught, exc_info=caught)
            return RequestError(grpc.StatusCode.UNKNOWN, f"Exception calling application: {caught}")
        if self._code is not None and self._code is not _OK:
            return RequestError(self._code, self._details, self._trailing)
        if caught is not None:
            return RequestError(grpc.StatusCode.UNKNOWN, self._details, self._trailing)
        if self.time_remaining() == 0.0:
            return RequestError(
                grpc.StatusCode.DEADLINE_EXCEEDED, "the reply came after the limit of time"
            )
        return None


class LocalTransport:
    """Carries requests to servicers of this process."""

    local = True

    def __init__(self, find: Callable[[str], Answering | None], *, copying: bool = False) -> None:
        self._find = find
        self._copying = copying

    def leave(
        self,
        method: Method,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
    ) -> Ask:
        """Give the function that carries requests of one method, in the form that it says."""
        if method.reply_streams:
            return self._streaming(method, serialize, deserialize)
        carry = self._replying(method, serialize, deserialize)
        if method.form is Form.CALL:
            return lambda request, invocation: ThreadCall(
                carry, request, invocation, LocalContext(invocation)
            )
        if method.form is Form.WITH_CALL:
            return lambda request, invocation: (
                carry(request, invocation, context := LocalContext(invocation)),
                context,
            )
        return carry

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _answering(self, path: str) -> Answering:
        found = self._find(path)
        if found is None:
            raise RequestError(
                grpc.StatusCode.UNIMPLEMENTED, f"{path} is not served in this process"
            )
        return found

    def _replying(
        self,
        method: Method,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
    ) -> Callable[..., Any]:
        """Carry a request that has one reply, on the thread of the caller."""
        answer: Callable[[Any, Any], Any] | None = None
        now, path, set_serving = time.monotonic, method.path, serving.set

        def enter(
            answer: Callable[[Any, Any], Any], request: Any, context: Any, invocation: Invocation
        ) -> Any:
            set_serving(invocation)
            return answer(request, context)

        def carry(request: Any, invocation: Invocation, context: LocalContext | None = None) -> Any:
            nonlocal answer
            if answer is None:
                answer = self._copied(self._answering(path), serialize, deserialize)
            deadline = invocation.deadline
            if deadline is None and invocation.timeout_s is not None:
                deadline = invocation.deadline = now() + invocation.timeout_s
            if context is None:
                context = LocalContext(invocation)
            try:
                reply = copy_context().run(enter, answer, request, context, invocation)
            except Exception as caught:  # noqa: BLE001 - as a server does: the caller sees a status
                context.end()
                failure = context.failure(caught)
                assert failure is not None
                raise failure from (None if isinstance(caught, Aborted) else caught)
            if context._callbacks is not None:  # noqa: SLF001 - same module; spares a call per request
                context.end()
            if context._code is not None or (deadline is not None and now() > deadline):  # noqa: SLF001 - as above
                failure = context.failure()
                if failure is not None:
                    raise failure
            return reply

        return carry

    def _copied(
        self,
        found: Answering,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
    ) -> Callable[[Any, Any], Any]:
        """Give the servicer's function; in copying mode nothing passes by reference."""
        answer = found.answer
        if not self._copying:
            return answer
        take, give = found.handler.request_deserializer, found.handler.response_serializer

        def arrived(request: Any) -> Any:
            packed = serialize(request) if serialize else request
            return take(packed) if take else packed

        def returned(reply: Any) -> Any:
            packed = give(reply) if give else reply
            return deserialize(packed) if deserialize else packed

        def requests_of(request: Any) -> Any:
            return map(arrived, request) if found.method.request_streams else arrived(request)

        def copied(request: Any, context: Any) -> Any:
            invocation = serving.get()
            header = Invocation.received(invocation.header())
            invocation.values = header.values
            return returned(answer(requests_of(request), context))

        def copied_stream(request: Any, context: Any) -> Iterator[Any]:
            return map(returned, answer(requests_of(request), context))

        return copied_stream if found.method.reply_streams else copied

    def _streaming(
        self,
        method: Method,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
    ) -> Ask:
        """Carry a request whose replies stream, in a thread of its own."""

        def carry(request: Any, invocation: Invocation) -> Held:
            found = self._answering(method.path)
            answer = self._copied(found, serialize, deserialize)
            if invocation.deadline is None and invocation.timeout_s is not None:
                invocation.deadline = time.monotonic() + invocation.timeout_s
            context = LocalContext(invocation)
            requests = Pipe(invocation.deadline) if method.request_streams else None
            call = StreamCall(context, invocation.deadline, requests)

            def run() -> None:
                serving.set(invocation)
                caught: BaseException | None = None
                try:
                    replies = answer(requests if requests is not None else request, context)
                    for reply in replies:
                        if not call.put(reply):
                            break
                    if hasattr(replies, "close"):
                        replies.close()
                except Exception as error:  # noqa: BLE001 - as a server does: the caller sees a status
                    caught = error
                call.finish(context.failure(caught))

            inside = copy_context()
            threading.Thread(
                target=inside.run, args=(run,), name=f"answer {method.name}", daemon=True
            ).start()
            if requests is not None:
                threading.Thread(
                    target=requests.feed, args=(request,), name=f"ask {method.name}", daemon=True
                ).start()
            return Held(call)

        return carry
