"""What governance costs: requests in process, over the wire, over one long stream.

One run, both in each round: bare grpcio (generated code on a plain channel and a
plain server) and the full stack (deadline, access, monitoring, mutual TLS,
balancing, discovery on both sides). 1 KB echoed, one thread, one request after
the other; the servers are processes of their own. The ratio counts: absolute
figures differ twofold between machines.
"""

from __future__ import annotations

import contextlib
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
from bluewhale.nexus import Contract, Served
from bluewhale.nexus.governance.compiling import layers_of
from bluewhale.nexus.peers import Peers
from bluewhale.nexus.serving import Port
from bluewhale.telemetry import Metrics
from google.protobuf.wrappers_pb2 import BytesValue

from bench.__main__ import Figure
from bench.report import give, short
from tests.support.certificates import Authority

ROUNDS = 11
KINDS = {"One": "unary_unary", "Chat": "stream_stream"}
PATH = "bluewhale.bench.v1.Echo"
REQUEST = BytesValue(value=os.urandom(1024))


class EchoStub:
    """What the compiler would generate."""

    def __init__(self, channel) -> None:
        for name, kind in KINDS.items():
            made = getattr(channel, kind)(
                f"/{PATH}/{name}",
                request_serializer=BytesValue.SerializeToString,
                response_deserializer=BytesValue.FromString,
                _registered_method=True,
            )
            setattr(self, name, made)


def add(servicer, server) -> None:
    """Add a servicer, as generated code does."""
    handlers = {
        name: getattr(grpc, f"{kind}_rpc_method_handler")(
            getattr(servicer, name),
            request_deserializer=BytesValue.FromString,
            response_serializer=BytesValue.SerializeToString,
        )
        for name, kind in KINDS.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(PATH, handlers),))
    server.add_registered_method_handlers(PATH, handlers)


ECHO = Contract("echo", EchoStub, add)


class Echo:
    """Says back what it got."""

    def One(self, request, context):  # noqa: N802 - as in the contract
        return request

    def Chat(self, requests, context):  # noqa: N802 - as in the contract
        yield from requests


def layers(folder: Path, port: int | None) -> list[dict]:
    """Give the full stack of one side."""
    return [
        {"layer": "deadline", "default_ms": 10_000},
        {"layer": "access", "policy": [{"callers": ["role/bench", "plugin/bench"]}]},
        {"layer": "monitoring"},
        {
            "layer": "encryption",
            "authority": folder / "authority.pem",
            "certificate": folder / "role-bench.pem",
            "key": folder / "role-bench.key",
        },
        {"layer": "balancing"},
        {"layer": "discovery", "static": {"echo": [f"127.0.0.1:{port}"]} if port else {}},
    ]


def made(entries: list[dict]) -> list:
    """Give the layers of their entries."""
    return layers_of(entries, metrics=Metrics(), provided=lambda _: None)


def pin(cpu: int) -> None:
    """Stay on one processor: nothing else moves the figures more."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {cpu % (os.cpu_count() or 1)})


def serve(kind: str, folder: Path) -> None:
    """Be the server; prints its port, lives until its input closes."""
    pin(1)
    if kind == "bare":
        from concurrent.futures import ThreadPoolExecutor

        server = grpc.server(ThreadPoolExecutor(16))
        add(Echo(), server)
        number = server.add_insecure_port("127.0.0.1:0")
        server.start()
    else:
        port = Port("127.0.0.1:0", [Served(ECHO, Echo())], made(layers(folder, None)))
        port.start()
        number = port.number
    print(number, flush=True)
    sys.stdin.read()
    os._exit(0)


@contextlib.contextmanager
def server(kind: str, folder: Path) -> Iterator[int]:
    """Run a server as a process; gives its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.nexus", "--serve", kind, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def rate(ask: Callable[[], object], seconds: float) -> float:
    """Give requests per second, one after the other; the clock is looked at now and then."""
    done, many, began = 0, 10, time.perf_counter()
    until = began + seconds
    while (now := time.perf_counter()) < until:
        if done and done / (now - began) > 50_000:
            many = 1000
        for _ in range(many):
            ask()
        done += many
    return done / (time.perf_counter() - began)


def talking(stub) -> Callable[[], object]:
    """Open one long stream; each call of the result sends a message and takes its answer."""
    outgoing: queue.SimpleQueue = queue.SimpleQueue()
    replies = stub.Chat(iter(outgoing.get, None))

    def ask() -> object:
        outgoing.put(REQUEST)
        return next(replies)

    return ask


def local_stub():
    """Give a stub on the in-process channel with the layers that have an effect there."""
    entries = [
        e for e in layers(Path(), None) if e["layer"] in {"deadline", "access", "monitoring"}
    ]
    peers = Peers({}, made(entries), here=lambda _: True, look=lambda _: Served(ECHO, Echo()))
    return peers.stub("echo", "plugin/bench", ECHO)


def main() -> None:
    seconds, count = (0.2, 3) if short() else (1.0, ROUNDS)
    rounds: dict[str, list[float]] = {}
    pin(0)
    local = local_stub().One
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        Authority().write(folder, "role/bench")
        with server("bare", folder) as bare_port, server("full", folder) as full_port:
            bare = EchoStub(grpc.insecure_channel(f"127.0.0.1:{bare_port}"))
            peers = Peers(
                {},
                made(layers(folder, full_port)),
                here=lambda _: False,
                look=lambda _: None,
            )
            full = peers.stub("echo", "plugin/bench", ECHO)
            asks = {
                "local": lambda: local(REQUEST, timeout=5),
                "bare": lambda: bare.One(REQUEST),
                "full": lambda: full.One(REQUEST, timeout=5),
                "bare_stream": talking(bare),
                "full_stream": talking(full),
            }
            for ask in asks.values():
                rate(ask, 0.2)
            for number in range(count):
                for name in sorted(asks, reverse=bool(number % 2)):
                    rounds.setdefault(name, []).append(rate(asks[name], seconds))
            peers.close()
    middle = {name: statistics.median(values) for name, values in rounds.items()}

    def ratio(above: str, below: str) -> float:
        return statistics.median(a / b for a, b in zip(rounds[above], rounds[below], strict=True))

    how = f"median of {count} rounds of {seconds} s, 1 KB, one thread, loopback"
    give([
        Figure("nexus_local_requests_per_second", middle["local"], "1/s", ">= 400000",
         f"in process, deadline + access + monitoring, {how}"),
        Figure("nexus_unary_to_bare_ratio", ratio("full", "bare"), "ratio", ">= 0.5",
         f"full stack with mutual TLS / bare grpcio without, of the same round, {how}"),
        Figure("nexus_unary_requests_per_second", middle["full"], "1/s", "", f"full stack, {how}"),
        Figure("nexus_bare_requests_per_second", middle["bare"], "1/s", "", f"bare grpcio, {how}"),
        Figure("nexus_stream_to_bare_ratio", ratio("full_stream", "bare"), "ratio", "",
         f"one long stream, full stack / bare unary, {how}"),
        Figure("nexus_stream_to_bare_stream_ratio", ratio("full_stream", "bare_stream"), "ratio", "",
         f"one long stream, full stack / bare, {how}"),
        Figure("nexus_stream_messages_per_second", middle["full_stream"], "1/s", "",
         f"there and back on one long stream, full stack, {how}"),
    ])  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
