"""A port with one thread: who waits is answered in the order of urgency, nobody waits for ever."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from bluewhale.nexus.contract import Served
from bluewhale.nexus.governance import asking
from bluewhale.nexus.governance.invocation import HEADER
from bluewhale.nexus.peers import Peers
from bluewhale.nexus.serving import Port
from bluewhale.nexus.urgency import LONGEST_EVERY, UrgentFirst

from tests.unit.nexus.echo import ECHO, Echo, struct

PATIENCE_S = 60.0


class Counter(Echo):
    """Notes whom it answers; the first one is held until `go`."""

    def __init__(self) -> None:
        super().__init__("counter")
        self.answered: list[str] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def One(self, request: Any, context: Any) -> Any:  # noqa: N802 - as in the contract
        self.answered.append(request["who"])
        self.begun.set()
        assert self.go.wait(PATIENCE_S)
        return struct()


@contextlib.contextmanager
def counter(workers: int = 1) -> Iterator[tuple[Counter, Any, Port]]:
    """Serve a counter on a port; gives it, a stub through the layers, the port."""
    counter = Counter()
    port = Port("127.0.0.1:0", [Served(ECHO, counter)], [], workers=workers)
    port.start()
    peers = Peers(
        {"echo": f"127.0.0.1:{port.number}"}, [], here=lambda _: False, look=lambda _: None
    )
    try:
        yield counter, peers.stub("echo", "plugin/test", ECHO), port
    finally:
        counter.go.set()
        peers.close()
        port.stop(0)


def wait_for(port: Port, count: int) -> None:
    """Wait until so many requests run or wait on the port."""
    deadline = time.monotonic() + PATIENCE_S
    while port.unended < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def answers_of(requests: list[tuple[str, int]]) -> list[str]:
    """Let all of them wait behind one that is being answered; gives the order of the answers."""
    with counter() as (found, stub, port):
        first = stub.One.future(struct(who="first"), timeout=PATIENCE_S)
        assert found.begun.wait(PATIENCE_S)
        asked = []
        for number, (who, priority) in enumerate(requests):
            with asking(priority=priority):
                asked.append(stub.One.future(struct(who=who), timeout=PATIENCE_S))
            wait_for(port, number + 2)
        found.go.set()
        for one in [first, *asked]:
            one.result()
        return found.answered


def test_the_most_urgent_request_is_answered_first_and_equals_as_they_came():
    """0, -5, 5, 0, 5 waiting: the fives, the zeros, then the one that has time."""
    waiting = [("a", 0), ("b", -5), ("c", 5), ("d", 0), ("e", 5)]
    assert answers_of(waiting) == ["first", "c", "e", "a", "d", "b"]


def test_requests_without_a_priority_are_answered_as_they_came():
    """Nobody says anything: first come, first served."""
    names = [f"r{n}" for n in range(12)]
    assert answers_of([(name, 0) for name in names]) == ["first", *names]


def test_every_eighth_thread_takes_the_one_that_waits_longest():
    """A request with time came before twenty urgent ones; it is the eighth of those who waited."""
    waiting = [("patient", -1), *((f"u{n}", 9) for n in range(20))]
    assert LONGEST_EVERY == 8
    assert answers_of(waiting).index("patient") == 8


def test_a_header_that_is_none_waits_like_any_other_and_is_refused_in_its_turn():
    """It cannot disturb the order, nor those who wait."""
    with counter() as (found, stub, port):
        first = stub.One.future(struct(who="first"), timeout=PATIENCE_S)
        assert found.begun.wait(PATIENCE_S)
        with grpc.insecure_channel(f"127.0.0.1:{port.number}") as channel:
            broken = ECHO.stub(channel).One.future(
                struct(who="broken"), timeout=PATIENCE_S, metadata=((HEADER, b"\xff\xff"),)
            )
            wait_for(port, 2)
            good = stub.One.future(struct(who="good"), timeout=PATIENCE_S)
            wait_for(port, 3)
            found.go.set()
            assert broken.code() is grpc.StatusCode.INVALID_ARGUMENT
            good.result()
            first.result()
        assert found.answered == ["first", "good"]


def test_what_fails_frees_its_place():
    """A thousand failing works on two threads leave nothing behind."""
    pool = UrgentFirst(2)

    def fails() -> None:
        raise ValueError("bad luck")

    with ThreadPoolExecutor(4) as askers:
        given = [f.result() for f in [askers.submit(pool.submit, fails) for _ in range(1000)]]
    assert {type(one.exception()) for one in given} == {ValueError}
    pool.shutdown()
    assert pool.unended == 0
