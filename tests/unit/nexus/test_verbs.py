"""call_async and deliver, in the process and over the wire: the same lines, the same promises."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from bluewhale.messaging import RAW, MemoryLog, Message
from bluewhale.nexus import PeerSilentError
from bluewhale.nexus.governance import asking, current
from bluewhale.nexus.governance.invocation import HEADER
from bluewhale.nexus.peers import Peers
from bluewhale.nexus.serving import Port
from bluewhale.nexus.verbs import call_async, carried, deliver

from tests.integration.ingest.raw_reading import Nothing
from tests.unit.nexus.echo import ECHO, Echo, echo, struct
from tests.unit.nexus.ways import WAYS, asked

PATIENCE_S = 60.0


class Worker(Echo):
    """One starts a job by its name, Many watches it: a step each time that it is looked at."""

    def __init__(self, steps: int = 3) -> None:
        super().__init__("worker")
        self.steps = steps
        self.done: dict[str, int] = {}
        self.watches = 0
        self.away = False
        self.breaks: dict[int, Callable[[Any], None]] = {}  # number of the watch -> how it ends

    def One(self, request: Any, context: Any) -> Any:  # noqa: N802 - as in the contract
        self.done.setdefault(request["job"], 0)
        return struct(job=request["job"], done=self.done[request["job"]])

    def Many(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - as in the contract
        name = request["job"]
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        if name not in self.done:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no job {name}")
        self.watches += 1
        ends = self.breaks.get(self.watches)
        yield struct(job=name, done=self.done[name])
        while self.done[name] < self.steps:
            self.done[name] += 1
            yield struct(job=name, done=self.done[name])
            if ends is not None:
                ends(context)
                return


def started(stub: Any, name: str, steps: int = 3, patience_s: float = PATIENCE_S) -> Any:
    """Start a job and give what watches it."""
    return call_async(
        lambda request: stub.One(request, timeout=PATIENCE_S),
        struct(job=name),
        stub.Many,
        lambda accepted: struct(job=accepted["job"]),
        ended=lambda change: change["done"] == steps,
        patience_s=patience_s,
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_job_is_started_once_by_its_name_and_watched_to_its_end(way: str):
    """Four states, the last is the result; the same name again gives the job that has it."""
    worker = Worker()
    with asked(way, worker) as stub:
        job = started(stub, "rerate-may")
        assert (job.accepted["job"], job.accepted["done"]) == ("rerate-may", 0)
        assert [change["done"] for change in job.news()] == [0, 1, 2, 3]
        again = started(stub, "rerate-may")
        assert again.accepted["done"] == 3
        assert again.result()["done"] == 3
    assert worker.done == {"rerate-may": 3}


@pytest.mark.parametrize("way", WAYS)
def test_a_watch_that_breaks_off_is_begun_again_and_nothing_is_told_twice(way: str):
    """The first watch just ends (the peer drains), the second fails with UNAVAILABLE."""
    worker = Worker()
    worker.breaks = {
        1: lambda _context: None,
        2: lambda context: context.abort(grpc.StatusCode.UNAVAILABLE, "going away"),
    }
    with asked(way, worker) as stub:
        assert [c["done"] for c in started(stub, "rerate-may").news()] == [0, 1, 2, 3]
    assert worker.watches == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_job_that_is_gone_is_told_at_once(way: str):
    """What does not pass by waiting is raised, with the peer's code."""
    worker = Worker()
    with asked(way, worker) as stub:
        job = started(stub, "rerate-may")
        worker.done.clear()
        with pytest.raises(grpc.RpcError) as caught:
            job.result()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("way", WAYS)
def test_a_peer_that_stays_away_is_named_when_patience_ends(way: str):
    """UNAVAILABLE for longer than half a second: an error that says what to do."""
    worker = Worker()
    with asked(way, worker) as stub:
        job = started(stub, "rerate-may", patience_s=0.5)
        worker.away = True
        with pytest.raises(PeerSilentError, match=r"did not answer for 0.5 s: down; start it"):
            job.result()


def test_a_peer_that_is_restarted_meanwhile_is_watched_on():
    """Its port closes in the middle of a watch and opens again: every step is told once."""
    worker = Worker(steps=4)
    ports = [Port("127.0.0.1:0", [echo(worker)], [])]
    ports[0].start()
    number = ports[0].number
    heard_two = threading.Event()
    found = []

    def hang(context: Any) -> None:
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(PATIENCE_S)

    def restart() -> None:
        assert heard_two.wait(PATIENCE_S)
        ports[0].stop(0)
        ports.append(Port(f"127.0.0.1:{number}", [echo(worker)], []))
        ports[1].start()

    worker.breaks = {1: hang}
    thread = threading.Thread(target=restart)
    thread.start()
    try:
        with peer_at(number) as stub:
            for change in started(stub, "long", steps=4).news():
                found.append(int(change["done"]))
                if len(found) == 2:
                    heard_two.set()
    finally:
        thread.join()
        ports[-1].stop(0)
    assert found == [0, 1, 2, 3, 4]
    assert worker.watches == 2


@contextlib.contextmanager
def peer_at(port: int) -> Iterator[Any]:
    """Give a stub of what listens on a port."""
    peers = Peers({"echo": f"127.0.0.1:{port}"}, [], here=lambda _: False, look=lambda _: None)
    try:
        yield peers.stub("echo", "plugin/tests", ECHO)
    finally:
        peers.close()


class Publisher(Echo):
    """Puts what it is asked into the log, within the request."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__("publisher")
        self.producer = log.producer()

    def One(self, request: Any, context: Any) -> Any:  # noqa: N802 - as in the contract
        sent = deliver(
            self.producer, RAW, 1, request["text"].encode(), key=b"k", headers=(("v", b"1"),)
        )
        return struct(offset=sent.result(PATIENCE_S))


@pytest.mark.parametrize("way", WAYS)
def test_a_delivered_message_carries_what_the_request_did_but_not_its_limit(way: str):
    """Priority and values reach whoever reads the log, and the requests made there."""
    with contextlib.closing(MemoryLog()) as log:
        log.ensure_topics(2, 1)
        with asked(way, Publisher(log)) as stub, asking(priority=3, values={"job": {"id": 7}}):
            assert stub.One(struct(text="first"), timeout=PATIENCE_S)["offset"] == 0
        (message,) = read(log, 1)
        assert (message.partition, message.key, message.value) == (1, b"k", b"first")
        assert message.headers[0] == ("v", b"1")
        with carried(message.headers) as came:
            assert (came.priority, came.values, came.timeout_s) == (3, {"job": {"id": 7.0}}, None)
            with asked(way, Echo()) as stub:
                onward = stub.One(struct(), timeout=PATIENCE_S)
        assert (onward["priority"], onward["values"]["job"]["id"]) == (3, 7)
        assert current().values == {}


def test_a_message_delivered_outside_of_any_request_has_no_header_more():
    """Nothing is said, so nothing travels; its reader finds nothing either."""
    with contextlib.closing(MemoryLog()) as log:
        log.ensure_topics(2, 1)
        assert deliver(log.producer(), RAW, 0, b"frame").result(PATIENCE_S) == 0
        (message,) = read(log, 1)
    assert message.headers == ()
    with carried(message.headers) as came:
        assert (came.priority, came.values, came.traceparent) == (0, {}, "")


def test_a_header_of_the_log_that_is_none_is_refused():
    """Whoever wrote it: it cannot be taken for a context."""
    with pytest.raises(ValueError, match="cannot be read"), carried(((HEADER, b"\xff\xff"),)):
        pass


def read(log: MemoryLog, count: int) -> list[Message]:
    """Give the first messages of the raw topic."""
    found: list[Message] = []
    with contextlib.closing(log.consumer("readers", [RAW], Nothing())) as consumer:
        deadline = time.monotonic() + PATIENCE_S
        while len(found) < count:
            assert time.monotonic() < deadline
            for messages in consumer.poll(100, 10).values():
                found += messages
    return found
