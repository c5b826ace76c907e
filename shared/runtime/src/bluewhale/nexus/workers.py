"""Processes beside this one that answer requests, each with an interpreter of its own.

    workers = Workers("bluewhale.cli.reading:doors", configuration.path, count=1)
    workers.start()
    workers.beside(serve("query", QueryDoor(store, feed)), {"GetCall": always})

Whoever computes with Arrow lets go of the interpreter some hundred times a request, so that
threads spend more on taking it from each other than on the request (docs/adr/0023). A worker
answers one request at a time and shares nothing. Who finds no free worker within `PATIENCE_S`,
or loses his, is answered by this process as before: workers make it faster and are never needed.
Owns the processes and the way there. Does not own what they answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.nexus.answering import Answering, answering
from bluewhale.nexus.contract import Served
from bluewhale.nexus.governance.invocation import Invocation, serving
from bluewhale.nexus.inprocess import LocalContext
from bluewhale.telemetry import get_logger, tracing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PATIENCE_S = 3.0  # somebody asks for much: the others are answered here meanwhile
RESTART_S = 10.0
END_S = 5.0
_READY = "ready"
Reply = tuple[tuple[Any, str, Any] | None, list[bytes]]  # why not (code, details, trailer); replies
Doors = Callable[[Any], AbstractContextManager[list[Served]]]
When = Callable[[Any], bool]


def always(_request: Any) -> bool:
    """Let a worker answer every request of a method."""
    return True


class Workers:
    """A few processes that answer; any thread.

    doors: `module:function`; called in each of them with `argument`, it gives what is served.
    """

    def __init__(self, doors: str, argument: Any, *, count: int) -> None:
        self._doors = doors
        self._argument = argument
        self._count = count
        # the one used last is asked next: what it keeps in memory is what is asked for
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all: set[_Worker] = set()
        self._ready: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._log = get_logger("workers")

    def start(self) -> None:
        """Begin the processes; who asks before they are ready is answered here."""
        for _ in range(self._count):
            self._begin()

    def close(self) -> None:
        """End them; one that does not end by itself is killed."""
        self._closing.set()
        with contextlib.suppress(queue.Empty):  # who uses a connection closes it himself
            while True:
                self._free.get_nowait().connection.close()
        with self._lock:
            workers = list(self._all)
        until = time.monotonic() + END_S
        for worker in workers:
            worker.end(max(until - time.monotonic(), 0.0))

    def beside(self, here: Served, methods: Mapping[str, When]) -> Served:
        """Give a service of which workers answer some methods, and `here` the rest and else.

        methods: without streams of requests, and what they stream must fit into memory; each
        with the requests that workers take.
        """
        if not self._count:
            return here
        return dataclasses.replace(here, servicer=_Beside(self, here, methods))

    def ask(self, path: str, request: bytes, invocation: Invocation) -> Reply | None:
        """Have a worker answer; None = none is free, or it ended: answer it here."""
        try:
            worker = self._free.get(timeout=PATIENCE_S if self._ready else 0)
        except queue.Empty:
            return None
        deadline = invocation.deadline
        left_s = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        try:
            worker.connection.send((path, request, left_s))
            if not worker.connection.poll(left_s):
                self._replace(worker)  # a thread would go on computing
                return (grpc.StatusCode.DEADLINE_EXCEEDED, "it took longer than it may", ()), []
            reply: Reply = worker.connection.recv()
        except (OSError, EOFError) as error:
            self._log.warning("Worker ended", pid=worker.process.pid, error=repr(error))
            self._replace(worker)
            return None
        self._free.put(worker)
        return reply

    def _replace(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
            self._ready.discard(worker)
        worker.connection.close()
        worker.end(0.0)
        self._begin()

    def _begin(self) -> None:
        threading.Thread(target=self._started, name="worker", daemon=True).start()

    def _started(self) -> None:
        """Start a process and wait until it is ready; one that cannot start is tried again."""
        while not self._closing.is_set():
            worker = _Worker(self._doors, self._argument)
            with self._lock:
                self._all.add(worker)
            with contextlib.suppress(EOFError, OSError):
                if worker.connection.recv() == _READY:
                    with self._lock:
                        self._ready.add(worker)
                    self._free.put(worker)
                    return
            with self._lock:
                self._all.discard(worker)
            worker.end(0.0)
            if not self._closing.is_set():
                self._log.warning("Worker cannot start", code=worker.process.exitcode)
            self._closing.wait(RESTART_S)


class _Worker:
    """One process and the connection to it."""

    def __init__(self, doors: str, argument: Any) -> None:
        # not forked: threads of this process hold locks
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, doors, argument), name="bluewhale worker", daemon=True
        )
        self.process.start()
        theirs.close()  # so that each side hears when the other is gone

    def end(self, wait_s: float) -> None:
        """Wait so long for its end, then kill it."""
        self.process.join(wait_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class _Beside:
    """Stands in for a servicer where generated code looks up its methods."""

    def __init__(self, workers: Workers, here: Served, methods: Mapping[str, When]) -> None:
        self._here = here.servicer
        replies = _Replies()
        here.contract.stub(replies)
        self._apart = {
            own.method.name: partial(
                _streamed if own.method.reply_streams else _answered,
                _Asking(workers, own, methods[own.method.name], replies.found[path]),
            )
            for path, own in answering(here, ()).items()
            if own.method.name in methods
        }

    def __getattr__(self, name: str) -> Any:
        return self._apart.get(name) or getattr(self._here, name)


class _Replies:
    """Stands in for a channel where generated code says how the replies of a method are read."""

    def __init__(self) -> None:
        self.found: dict[str, Callable[[bytes], Any]] = {}
        self.unary_unary = self.unary_stream = self._take
        self.stream_unary = self.stream_stream = self._take

    def _take(self, path: str, **facts: Any) -> None:
        self.found[path] = facts["response_deserializer"]


@dataclasses.dataclass(frozen=True, slots=True)
class _Asking:
    workers: Workers
    own: Answering
    when: When
    take: Callable[[bytes], Any]

    def replies(self, request: Any, context: grpc.ServicerContext) -> list[Any] | None:
        """Give what a worker replies; None = to be answered here."""
        if not self.when(request):
            return None
        path = self.own.method.path
        with tracing.span("ask worker", kind="client", parents=(), attributes={"rpc.method": path}):
            reply = self.workers.ask(path, request.SerializeToString(), serving.get())
        if reply is None:
            return None
        refused, replies = reply
        if refused is not None:
            code, details, trailer = refused
            context.set_trailing_metadata(trailer)
            context.abort(code, details)
        return [self.take(data) for data in replies]


def _answered(asking: _Asking, request: Any, context: grpc.ServicerContext) -> Any:
    replies = asking.replies(request, context)
    return asking.own.answer(request, context) if replies is None else replies[0]


def _streamed(asking: _Asking, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    replies = asking.replies(request, context)
    yield from asking.own.answer(request, context) if replies is None else replies


def _work(connection: Connection, doors: str, argument: Any) -> None:
    """Answer until the process that began this one is gone, or closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: it is for the other one
    module, _, name = doors.partition(":")
    make: Doors = getattr(importlib.import_module(module), name)
    with make(argument) as served:
        found = {path: one for s in served for path, one in answering(s, ()).items()}
        with contextlib.suppress(EOFError, OSError):
            connection.send(_READY)
            while True:
                path, request, left_s = connection.recv()
                connection.send(_reply(found[path], request, left_s))


def _reply(asked: Answering, data: bytes, left_s: float | None) -> Reply:
    deadline = None if left_s is None else time.monotonic() + left_s
    invocation = Invocation(left_s, deadline)
    serving.set(invocation)
    context = LocalContext(invocation)
    replies: list[Any] = []
    caught: BaseException | None = None
    try:
        answer = asked.answer(asked.handler.request_deserializer(data), context)
        replies = list(answer) if asked.method.reply_streams else [answer]
    except Exception as error:  # noqa: BLE001 - as a server does: the caller sees a status
        caught = error
    context.end()
    failure = context.failure(caught)
    if failure is not None:
        return (failure.code(), failure.details(), failure.trailing_metadata()), []
    return None, [asked.handler.response_serializer(reply) for reply in replies]
