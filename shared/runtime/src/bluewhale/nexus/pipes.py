"""Streams of the in-process channel: bounded queues between two threads, and call objects.

Owns waiting, limits of time and cancelling. Does not own what runs on the other side.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol, Self

import grpc
from bluewhale.nexus.governance.layer import RequestError
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.nexus.governance.invocation import Invocation

QUEUE_MAX = 64  # messages in flight in one direction; then the sender waits


class Served(Protocol):
    """What a call object needs of the servicer's context."""

    def end(self) -> None:
        """Tell the servicer that the request is over."""

    def initial_metadata(self) -> Any:
        """Give what was sent before the reply."""

    def trailing_metadata(self) -> Any:
        """Give what was sent after it."""


class Pipe:
    """One direction of a stream: `feed` or `put` on one side, iteration on the other."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._items: deque[Any] = deque()
        self._changed = threading.Condition()
        self._finished = False  # the sender has no more
        self._failure: RequestError | None = None
        self._closed = False  # the receiver wants no more

    def put(self, item: Any) -> bool:
        """Add an item, waiting for room; False = nobody wants it any more."""
        with self._changed:
            while len(self._items) >= QUEUE_MAX and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def feed(self, items: Iterable[Any]) -> None:
        """Put all items, then finish; an error of their source cancels."""
        try:
            for item in items:
                if not self.put(item):
                    return
        except Exception as error:  # noqa: BLE001 - the other side must not wait for ever
            self.finish(RequestError(grpc.StatusCode.CANCELLED, f"requests failed: {error!r}"))
            return
        self.finish(None)

    def finish(self, failure: RequestError | None) -> None:
        """Say that nothing more comes; what was put before is still read."""
        with self._changed:
            if not self._finished:
                self._finished, self._failure = True, failure
            self._changed.notify_all()

    def close(self, failure: RequestError) -> None:
        """End at once; what was put and not read is lost."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            if not self._finished:
                self._finished, self._failure = True, failure
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._changed:
            while not self._items and not self._finished:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._finished:
                if self._failure is not None:
                    raise self._failure
                raise StopIteration
        late = RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "the limit of time is over")
        self.close(late)
        raise late


class StreamCall(grpc.Call):
    """A request whose replies stream: iterate over it."""

    def __init__(self, context: Served, deadline: float | None, requests: Pipe | None) -> None:
        self._context = context
        self._deadline = deadline
        self._requests = requests
        self._replies = Pipe(deadline)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failure: RequestError | None = None
        self._told: list[Callable[[Any], None]] = []
        self._timer: threading.Timer | None = None

    def put(self, reply: Any) -> bool:
        """Give a reply to the caller, waiting for room; False = nobody wants it."""
        return self._replies.put(reply)

    def finish(self, failure: RequestError | None) -> None:
        """Tell the caller that the servicer is through."""
        self._end(failure, lambda: self._replies.finish(failure))

    def _end(self, failure: RequestError | None, close: Callable[[], None]) -> bool:
        with self._lock:
            if self._ended.is_set():
                return False
            self._failure = failure
            self._ended.set()
            told = list(self._told)
        close()
        over = RequestError(grpc.StatusCode.CANCELLED, "the request is over")
        if self._requests is not None:
            self._requests.close(failure or over)
        self._context.end()
        for callback in told:
            callback(self)
        return True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._replies)
        except RequestError as caught:
            failure = caught
        self._end(failure, lambda: self._replies.close(failure))
        raise failure

    @override
    def cancel(self) -> bool:
        failure = RequestError(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
        return self._end(failure, lambda: self._replies.close(failure))

    def cancelled(self) -> bool:
        """Say whether it ended by cancelling."""
        return self._failure is not None and self._failure.cancelled()

    @override
    def is_active(self) -> bool:
        return not self._ended.is_set()

    def done(self) -> bool:
        """Say whether it ended."""
        return self._ended.is_set()

    @override
    def time_remaining(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    @override
    def code(self) -> grpc.StatusCode:
        self._ended.wait()
        return grpc.StatusCode.OK if self._failure is None else self._failure.code()

    @override
    def details(self) -> str:
        self._ended.wait()
        return "" if self._failure is None else self._failure.details()

    def exception(self, timeout: float | None = None) -> RequestError | None:
        """Wait for the end; give the failure."""
        self._ended.wait(timeout)
        return self._failure

    @override
    def initial_metadata(self) -> Any:
        return self._context.initial_metadata()

    @override
    def trailing_metadata(self) -> Any:
        self._ended.wait()
        return self._context.trailing_metadata()

    @override
    def add_callback(self, callback: Callable[[], None]) -> bool:
        with self._lock:
            if not self._ended.is_set():
                self._told.append(lambda _: callback())
                return True
        return False

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call back when it has ended, at once if it has."""
        with self._lock:
            if not self._ended.is_set():
                self._told.append(callback)
                return
        callback(self)


class Held:
    """What the caller holds of a stream: when it lets go, the request is cancelled."""

    def __init__(self, call: StreamCall) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._call)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter may be at its end
            self._call.cancel()


class ThreadCall(grpc.Call, grpc.Future):
    """A request with one reply that runs beside its caller: the result of `.future()`."""

    def __init__(
        self,
        carry: Callable[[Any, Invocation, Any], Any],
        request: Any,
        invocation: Invocation,
        context: Served,
    ) -> None:
        self._deadline = invocation.deadline
        if self._deadline is None and invocation.timeout_s is not None:
            self._deadline = invocation.deadline = time.monotonic() + invocation.timeout_s
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._reply: Any = None
        self._context = context
        self._failure: RequestError | None = None
        self._told: list[Callable[[Any], None]] = []

        def run() -> None:
            try:
                reply = carry(request, invocation, context)
            except RequestError as failure:
                self._end(failure)
            else:
                self._reply = reply
                self._end(None)

        threading.Thread(
            target=copy_context().run, args=(run,), name="request", daemon=True
        ).start()

    def _end(self, failure: RequestError | None) -> bool:
        with self._lock:
            if self._ended.is_set():
                return False
            self._failure = failure
            self._ended.set()
            told = list(self._told)
        for callback in told:
            callback(self)
        return True

    def _wait(self, timeout: float | None) -> None:
        left = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)
        patience = left if timeout is None else timeout if left is None else min(timeout, left)
        if self._ended.wait(patience):
            return
        if left is not None and (timeout is None or left <= timeout):
            self._end(RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "the limit of time is over"))
            return
        raise grpc.FutureTimeoutError

    @override
    def result(self, timeout: float | None = None) -> Any:
        self._wait(timeout)
        if self._failure is None:
            return self._reply
        if self._failure.cancelled():
            raise grpc.FutureCancelledError
        raise self._failure

    @override
    def exception(self, timeout: float | None = None) -> RequestError | None:
        self._wait(timeout)
        if self._failure is not None and self._failure.cancelled():
            raise grpc.FutureCancelledError
        return self._failure

    @override
    def traceback(self, timeout: float | None = None) -> Any:
        failure = self.exception(timeout)
        return None if failure is None else failure.__traceback__

    @override
    def cancel(self) -> bool:
        return self._end(
            RequestError(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
        )

    @override
    def cancelled(self) -> bool:
        return self._failure is not None and self._failure.cancelled()

    @override
    def running(self) -> bool:
        return not self._ended.is_set()

    @override
    def is_active(self) -> bool:
        return not self._ended.is_set()

    @override
    def done(self) -> bool:
        return self._ended.is_set()

    @override
    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        with self._lock:
            if not self._ended.is_set():
                self._told.append(fn)
                return
        fn(self)

    @override
    def add_callback(self, callback: Callable[[], None]) -> bool:
        with self._lock:
            if not self._ended.is_set():
                self._told.append(lambda _: callback())
                return True
        return False

    @override
    def time_remaining(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    @override
    def code(self) -> grpc.StatusCode:
        self._wait(None)
        return grpc.StatusCode.OK if self._failure is None else self._failure.code()

    @override
    def details(self) -> str:
        self._wait(None)
        return "" if self._failure is None else self._failure.details()

    @override
    def initial_metadata(self) -> Any:
        self._wait(None)
        return self._context.initial_metadata()

    @override
    def trailing_metadata(self) -> Any:
        self._wait(None)
        if self._failure is not None:
            return self._failure.trailing_metadata()
        return self._context.trailing_metadata()
