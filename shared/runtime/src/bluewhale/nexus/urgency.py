"""Which request is answered first when more wait than a port has threads.

Owns the order of waiting: the most urgent first, among equals the one that came
first; every eighth thread that comes free takes the one that waits longest, so
that nobody waits for ever. Does not own what may be urgent (the callers say it by
`asking(priority=...)`) or the answering.

grpcio asks its interceptors on the thread that then hands the request to its
executor. So the interceptor reads the priority, and the executor, called next,
takes it from there. Were that to change, requests would be answered in the order
of their arrival again; tests/unit/nexus/test_urgency.py would tell.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import grpc
from bluewhale.nexus.governance.invocation import HEADER, Invocation
from typing_extensions import override

LONGEST_EVERY = 8

Work = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Reception(grpc.ServerInterceptor):
    """Reads how urgent the request is that the next `submit` of its thread is about."""

    def __init__(self, needed: Callable[[], bool]) -> None:
        self._needed = needed
        self._read = threading.local()

    @override
    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        if self._needed():
            self._read.priority = _priority(handler_call_details.invocation_metadata)
        return continuation(handler_call_details)

    def read(self) -> int:
        """Give what was read last on this thread, 0 = nothing yet."""
        priority: int = getattr(self._read, "priority", 0)
        return priority


class UrgentFirst(Executor):
    """A pool of threads for a server; give the server `reception` as an interceptor, too."""

    def __init__(self, workers: int) -> None:
        # asked before each `submit` of the same thread: whoever waits there was read here
        self.reception = Reception(lambda: self.unended >= workers)
        self.unended = 0  # running or waiting; while fewer than threads nobody waits
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self._workers = workers
        self._lock = threading.Lock()
        self._begun = 0
        self._number = 0
        self._waiting: dict[int, Work] = {}  # in the order of arrival
        self._by_urgency: list[tuple[int, int]] = []  # heap; may name some that are gone

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let a free thread do it, or wait for one in the order of urgency."""
        with self._lock:
            self.unended += 1
            if self.unended > self._workers:  # a thread comes later; which work it does, too
                self._number += 1
                self._waiting[self._number] = (fn, args, kwargs)
                heapq.heappush(self._by_urgency, (-self.reception.read(), self._number))
                return self._pool.submit(self._answer_next)
        return self._pool.submit(self._answer, fn, args, kwargs)

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def _answer_next(self) -> Any:
        with self._lock:
            work = self._next()
        return self._answer(*work)

    def _answer(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        finally:
            with self._lock:
                self.unended -= 1

    def _next(self) -> Work:
        self._begun += 1
        if self._begun % LONGEST_EVERY == 0:
            number = next(iter(self._waiting))
        else:
            number = heapq.heappop(self._by_urgency)[1]
            while number not in self._waiting:
                number = heapq.heappop(self._by_urgency)[1]
        work = self._waiting.pop(number)
        if not self._waiting:
            self._by_urgency.clear()
        return work


def _priority(metadata: Any) -> int:
    """Read the priority; a header that is none is refused later, by those who answer."""
    for name, value in metadata:
        if name == HEADER:
            try:
                return Invocation.received(value).priority
            except ValueError:
                return 0
    return 0
