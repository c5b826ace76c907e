"""Processes that answer requests: the same answers, and none is lost with one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from bluewhale.nexus import Served
from bluewhale.nexus import workers as module
from bluewhale.nexus.answering import answering
from bluewhale.nexus.channels import GovernedChannel
from bluewhale.nexus.inprocess import LocalTransport
from bluewhale.nexus.workers import Workers, always

from tests.support.running import wait_until
from tests.unit.nexus.echo import Echo, EchoStub, echo, struct

PATIENCE_S = 60.0
ECHOES = f"{__name__}:echoes"


class Apart(Echo):
    """Says which process it is in."""

    def One(self, request, context):  # noqa: N802 - as in the contract
        """As usual, and the process."""
        reply = super().One(request, context)
        reply.update({"pid": os.getpid()})
        return reply


@contextlib.contextmanager
def echoes(name: str) -> Iterator[list[Served]]:
    """Give what a worker of these tests serves."""
    yield [echo(Apart(name))]


class World:
    """An echo of this process with workers beside it."""

    def __init__(self, count: int, when=always) -> None:
        self.workers = Workers(ECHOES, "there", count=count)
        self.here = Apart("here")
        beside = self.workers.beside(echo(self.here), {"One": when, "Many": always})
        found = answering(beside, (), local=True)
        self.stub = EchoStub(GovernedChannel(LocalTransport(found.get), (), "test"))

    def one(self, **request):
        """Ask and give what was said, as a mapping."""
        return dict(self.stub.One(struct(**request), timeout=PATIENCE_S))

    def ready(self) -> int:
        """Wait until a worker answers; gives its process."""
        found = {}

        def apart() -> bool:
            found.update(self.one())
            return found["name"] == "there"

        wait_until(apart, PATIENCE_S, "a worker")
        return int(found["pid"])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give one worker; who waits for it is soon answered here."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    made = World(1)
    made.workers.start()
    yield made
    made.workers.close()


def alive(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_answers_in_a_process_of_its_own(world: World) -> None:
    """One reply and many; what no worker takes is answered here."""
    assert world.one()["name"] == "here"  # none is ready yet
    assert world.ready() != os.getpid()
    assert [reply["i"] for reply in world.stub.Many(struct(n=3))] == [0, 1, 2]
    assert [reply["twice"] for reply in world.stub.Chat(iter([struct(i=2)]))] == [4]
    assert world.here.kept != []


def test_a_refusal_of_a_worker_is_the_same_refusal(world: World) -> None:
    """Code, text and trailer; whatever it is, the worker lives on."""
    pid = world.ready()
    asked = len(world.here.kept)
    said = {}
    for do in ("abort", "crash", "busy", "wrong", "code"):
        with pytest.raises(grpc.RpcError) as caught:
            world.one(do=do)
        error = caught.value
        said[do] = (error.code().name, error.details(), dict(error.trailing_metadata() or ()))
    assert said == {
        "abort": ("NOT_FOUND", "no such call", {"hint": "later"}),
        "crash": ("UNKNOWN", "Exception calling application: 'no such key'", {}),
        "busy": ("UNAVAILABLE", "the database is away; start it", {"bw-error": "temporary_error"}),
        "wrong": (
            "FAILED_PRECONDITION", "there is no such period; choose another",
            {"bw-error": "permanent_error"},
        ),
        "code": ("RESOURCE_EXHAUSTED", "too many", {}),
    }  # fmt: skip
    with pytest.raises(grpc.RpcError, match="no more"):
        list(world.stub.Many(struct(n=1, do="abort")))
    assert len(world.here.kept) == asked
    assert world.ready() == pid


def test_whom_a_worker_dies_under_is_answered_here_and_another_begins(world: World) -> None:
    """Killed while it had nothing to do: nobody sees an error."""
    first = world.ready()
    os.kill(first, signal.SIGKILL)
    assert world.one()["name"] == "here"
    second = world.ready()
    assert second not in {first, os.getpid()}


def test_who_waits_for_a_busy_worker_is_answered_here(world: World) -> None:
    """A slow question holds up nobody else."""
    world.ready()
    slow = world.stub.One.future(struct(do="sleep", seconds=1.5), timeout=PATIENCE_S)
    wait_until(lambda: world.one()["name"] == "here", PATIENCE_S, "an answer from here")
    assert not slow.done()
    assert slow.result()["name"] == "there"


def test_what_takes_longer_than_it_may_ends_with_its_worker(world: World) -> None:
    """A thread would go on computing."""
    pid = world.ready()
    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        world.stub.One(struct(do="sleep", seconds=50), timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begun < 20
    assert not alive(pid)
    assert world.ready() != pid


def test_requests_that_workers_do_not_take_stay_here() -> None:
    """Each method says which it gives away; without workers nothing is different."""
    mixed = World(1, when=lambda request: request["n"] > 1)
    mixed.workers.start()
    try:
        wait_until(lambda: mixed.one(n=2)["name"] == "there", PATIENCE_S, "a worker")
        assert mixed.one(n=1)["name"] == "here"
    finally:
        mixed.workers.close()
    none = echo(Apart())
    assert Workers(ECHOES, "", count=0).beside(none, {"One": always}) is none


def test_closing_ends_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that computes."""
    monkeypatch.setattr(module, "END_S", 0.5)
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    world = World(2)
    world.workers.start()
    pid = world.ready()
    slow = world.stub.Many(struct(n=10**9))
    time.sleep(0.3)
    world.workers.close()
    assert not alive(pid)
    slow.cancel()
    assert world.one()["name"] == "here"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc of Linux")
def test_workers_end_with_the_process_that_began_them_however_it_ends() -> None:
    """`kill -9` leaves none behind."""
    code = (
        "import time\n"
        "from bluewhale.nexus.workers import Workers\n"
        f"w = Workers({ECHOES!r}, 'there', count=1); w.start()\n"
        "w._free.put(w._free.get(timeout=60))\n"
        "print(*(x.process.pid for x in w._all), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as began:
        pid = int(began.stdout.readline())
        assert alive(pid)
        began.kill()
    wait_until(lambda: not alive(pid), PATIENCE_S, "the end of the worker")
