from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import grpc
import pytest
from bluewhale.api.control.v1 import control_pb2, control_pb2_grpc
from bluewhale.nexus import Contract, Nexus, PeerUnknownError, PluginsUnresolvedError, Served
from bluewhale.nexus.governance import asking, current
from bluewhale.nexus.peers import visiting
from bluewhale.nexus.serving import Port

from tests.support.certificates import Authority
from tests.unit.nexus.actors import plugin
from tests.unit.nexus.echo import ECHO, Echo, echo, struct
from tests.unit.nexus.ways import layers


def in_nexus(body, *manifests, settings=None, **more):
    """Run `body(nexus)` in a thread, as plugins ask."""

    async def run():
        async with Nexus(manifests, settings=settings, **more) as nexus:
            return await asyncio.to_thread(body, nexus)

    return asyncio.run(run())


def test_a_peer_in_the_process_is_asked_without_a_network():
    """The servicer of a plugin answers under the name of the asking plugin."""
    reply = in_nexus(
        lambda nexus: nexus.peer("echo", caller="bluewhale.cli", contract=ECHO).One(struct()),
        plugin("echo", "echoing", provides={"echo": "1.0"}),
        settings=Echo(),
    )
    assert reply["identity"] == "plugin/bluewhale.cli"


def test_a_peer_elsewhere_is_asked_over_its_address_by_the_same_lines():
    """Only the configuration says where it is."""
    port = Port("127.0.0.1:0", [echo(Echo("far"))], [])
    port.start()
    try:
        reply = in_nexus(
            lambda nexus: nexus.peer("echo", contract=ECHO).One(struct()),
            plugin("a"),
            settings=[],
            peers={"echo": f"127.0.0.1:{port.number}"},
        )
    finally:
        port.stop(0)
    assert reply["name"] == "far"


def test_a_peer_that_is_nowhere_is_named_with_the_remedy():
    """No plugin, no address; or a name without contract."""

    def body(nexus):
        with pytest.raises(
            PeerUnknownError, match="add the plugin that provides it, or its address"
        ):
            nexus.peer("echo", contract=ECHO)
        with pytest.raises(PeerUnknownError, match="there is no contract Nothing"):
            nexus.peer("nothing")

    in_nexus(body, plugin("a"), settings=[])


def test_a_lazy_servicer_starts_with_the_first_request():
    """Getting the stub starts nothing."""

    def body(nexus):
        stub = nexus.peer("echo", contract=ECHO)
        before = str(nexus.states()["echo"])
        stub.One(struct())
        return before, str(nexus.states()["echo"])

    lazy = plugin("echo", "echoing", provides={"echo": "1.0"}, lazy_start=True)
    assert in_nexus(body, lazy, settings=Echo()) == ("resolved", "active")


def test_a_servicer_written_for_asyncio_answers_all_four_kinds():
    """It runs on its loop, whoever asks from whichever thread; values travel along."""

    def body(nexus):
        stub = nexus.peer("echo", contract=ECHO)
        with asking(values={"site": "berlin"}):
            reply = stub.One(struct())
        assert dict(reply["values"]) == {"site": "berlin"}
        assert [r["i"] for r in stub.Many(struct(n=3))] == [0, 1, 2]
        assert stub.Sum(iter([struct(i=1), struct(i=2)]))["sum"] == 3
        assert [r["twice"] for r in stub.Chat(iter([struct(i=4)]))] == [8]
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct(do="abort"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        return reply["thread"]

    made = plugin("echo", "awaiting", provides={"echo": "1.0"})
    assert in_nexus(body, made, settings=None) == threading.current_thread().name


def test_a_servicer_written_for_asyncio_is_never_waited_for_on_its_own_loop():
    """That would hang for ever; it is refused in words."""

    async def run():
        made = plugin("echo", "awaiting", provides={"echo": "1.0"})
        async with Nexus([made]) as nexus:
            with pytest.raises(grpc.RpcError) as caught:
                nexus.peer("echo", contract=ECHO).One(struct())
            return caught.value

    failure = asyncio.run(run())
    assert failure.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "asyncio.to_thread" in failure.details()


def test_a_servicer_written_for_asyncio_answers_on_a_port_too_and_stops_when_the_caller_goes():
    """A limit of 100 ms over the wire ends work that would take 30 s."""

    async def run():
        made = plugin("echo", "awaiting", provides={"echo": "1.0"})
        async with Nexus([made]) as nexus:
            port = Port("127.0.0.1:0", nexus.exported(), [])
            port.start()
            with grpc.insecure_channel(f"127.0.0.1:{port.number}") as channel:
                stub = ECHO.stub(channel)
                assert (await asyncio.to_thread(stub.One, struct()))["thread"]
                with pytest.raises(grpc.RpcError) as caught:
                    await asyncio.to_thread(stub.One, struct(do="wait"), timeout=0.1)
                assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.to_thread(port.stop, 0)

    asyncio.run(run())


def test_a_configured_layer_that_nobody_provides_stops_the_start():
    """Before any plugin runs."""
    with pytest.raises(PluginsUnresolvedError, match="the layer audit is configured, but nobody"):
        in_nexus(lambda _: None, plugin("a"), settings=[], layers=[{"layer": "audit"}])


def test_a_command_asks_a_role_through_the_layers_of_the_installation(tmp_path: Path):
    """It is no plugin: it has an address, and the files where the installation encrypts."""
    authority = Authority()
    theirs = {"layer": "encryption", **authority.write(tmp_path, "role/storage")}
    mine = {"layer": "encryption", **authority.write(tmp_path, "operator/ann")}
    rule = {"callers": ["operator/*"], "methods": ["Control/State"]}
    served = Served(Contract.named("control"), Told())
    port = Port("127.0.0.1:0", [served], layers([theirs, {"layer": "access", "policy": [rule]}]))
    port.start()
    try:
        with visiting("control", f"127.0.0.1:{port.number}", [mine]) as control:
            told = control.State(control_pb2.StateRequest(), timeout=60)
            assert (told.role, told.version) == ("operator/ann", "10")  # a person waits
            with pytest.raises(grpc.RpcError) as caught:
                control.Drain(control_pb2.DrainRequest(), timeout=60)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    finally:
        port.stop(0)


def test_one_of_several_behind_a_name_is_believed_by_that_name(tmp_path: Path):
    """Its certificate says the name and not its address, as those of copies in a cluster do."""
    authority = Authority()
    theirs = {"layer": "encryption", **authority.write(tmp_path, "role/storage")}
    mine = {"layer": "encryption", **authority.write(tmp_path, "role/webapi")}
    served = Served(Contract.named("control"), Told())
    port = Port("127.0.0.2:0", [served], layers([theirs]))
    port.start()
    address = f"127.0.0.2:{port.number}"
    try:
        with visiting("control", address, [mine], certified="localhost") as control:
            assert control.State(control_pb2.StateRequest(), timeout=60).role == "role/webapi"
        with (
            visiting("control", address, [mine]) as control,
            pytest.raises(grpc.RpcError) as caught,
        ):
            control.State(control_pb2.StateRequest(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        port.stop(0)


class Told(control_pb2_grpc.ControlServicer):
    """Says who asks, and how urgently."""

    def State(self, request, context):  # noqa: N802 - as in the contract
        return control_pb2.StateReply(role=current().identity, version=str(current().priority))
