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

Work = Callable[[], Any]


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

    def taken(self) -> int:
        """Give what was read on this thread since the last call, 0 = nothing."""
        priority: int = getattr(self._read, "priority", 0)
        self._read.priority = 0
        return priority


class UrgentFirst(Executor):
    """A pool of threads for a server; give the server `reception` as an interceptor, too."""

    def __init__(self, workers: int) -> None:
        self.reception = Reception(lambda: self.unended >= workers)
        self.unended = 0  # running or waiting; while fewer than threads nobody waits
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self._lock = threading.Lock()
        self._begun = 0
        self._number = 0
        self._waiting: dict[int, Work] = {}  # in the order of arrival
        self._by_urgency: list[tuple[int, int]] = []  # heap; may name some that are gone

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let a thread come; what it does is decided when it is there."""
        priority = self.reception.taken()
        with self._lock:
            self._number += 1
            self.unended += 1
            self._waiting[self._number] = lambda: fn(*args, **kwargs)
            heapq.heappush(self._by_urgency, (-priority, self._number))
        return self._pool.submit(self._answer)

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def _answer(self) -> Any:
        with self._lock:
            work = self._next()
        try:
            return work()
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
