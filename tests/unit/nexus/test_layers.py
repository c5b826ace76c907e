"""Each layer by its effect: one line of configuration more or less changes what happens."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import grpc
import pytest
from bluewhale.nexus import LayerError
from bluewhale.nexus.governance import Layer, asking
from bluewhale.nexus.governance.access import AccessLayer, AccessSettings
from bluewhale.nexus.peers import Peers
from bluewhale.nexus.serving import Port
from bluewhale.telemetry import Metrics, configure_logs, tracing
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.certificates import Authority
from tests.unit.nexus.echo import ECHO, Echo, echo, struct
from tests.unit.nexus.ways import WAYS, asked, layers

each_way = pytest.mark.parametrize("way", WAYS)
EVERYBODY = {"callers": ["*"]}


@each_way
def test_with_the_deadline_layer_every_request_has_a_limit(way: str):
    """No timeout is named: with the layer 2 s, without it none."""
    with asked(way, Echo(), [{"layer": "deadline", "default_ms": 2000}]) as stub:
        left_s = stub.One(struct())["left_s"]
        assert 0 < left_s < 2.1  # gRPC rounds up what it sends: 1.9 s arrive as 1.91
    with asked(way, Echo()) as stub:
        assert stub.One(struct())["left_s"] == -1.0


@each_way
def test_each_hop_has_less_time_than_the_one_before(way: str):
    """2 s are given; the second hop gets what remains less the margin of 100 ms, not its default."""
    servicer = Echo()
    entries = [{"layer": "deadline", "default_ms": 60_000, "margin_ms": 100}]
    with asked(way, servicer, entries) as stub:
        servicer.onward = stub
        left_s = stub.One(struct(do="onward"), timeout=2)["left_s"]
        assert 0 < left_s < 1.95  # gRPC repeats a limit of before that is 2 % off, not 5 %


@each_way
def test_a_request_without_limit_is_refused_where_no_default_is_set(way: str):
    """default_ms: null makes the limit the caller's duty."""
    with asked(way, Echo(), [{"layer": "deadline", "default_ms": None}]) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct())
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "give timeout=" in caught.value.details()
        assert stub.One(struct(), timeout=1)["limited"]


@each_way
def test_nothing_is_asked_when_no_time_is_left(way: str):
    """The work it belongs to is over: the servicer never hears of it."""
    servicer = Echo()
    with asked(way, servicer, [{"layer": "deadline"}]) as stub, asking(timeout_s=0):
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct())
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert servicer.kept == []


@each_way
def test_a_stream_has_no_limit_unless_one_is_given(way: str):
    """Marks are watched for days."""
    with asked(way, Echo(), [{"layer": "deadline", "default_ms": 50}]) as stub:
        replies = stub.Many(struct(n=1, do="wait"))
        assert next(replies)["i"] == 0
        time.sleep(0.15)
        assert replies.is_active()
        replies.cancel()


@each_way
def test_with_the_access_layer_what_no_rule_allows_is_denied(way: str):
    """An empty policy denies, one rule allows, without the layer all pass."""
    with asked(way, Echo(), [{"layer": "access"}]) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct())
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "may not ask Echo/One" in caught.value.details()
    callers = ["local" if way == "wire" else "plugin/tests"]
    rule = {"callers": callers, "methods": ["Echo/One"]}
    with asked(way, Echo(), [{"layer": "access", "policy": [rule]}]) as stub:
        assert stub.One(struct())["identity"] == callers[0]
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.Many(struct(n=1)))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with asked(way, Echo()) as stub:
        assert len(list(stub.Many(struct(n=1)))) == 1


def test_shadow_mode_lets_pass_what_it_would_deny_and_says_so():
    """The log names who, what and the decision; numbers of calls are in no line."""
    said = io.StringIO()
    configure_logs(stream=said, pretty=False)
    with asked("local", Echo(), [{"layer": "access", "shadow": True}]) as stub:
        stub.One(struct())
        stub.One(struct())
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    decided = [x for x in lines if x["event"] == "Access decided"]
    assert [(x["caller"], x["method"], x["state"]) for x in decided] == [
        ("plugin/tests", "Echo/One", "shadow")
    ]


@pytest.mark.parametrize(
    ("caller", "method", "allowed"),
    [
        ("role/storage", "Query/Search", True),
        ("role/billing", "Query/Search", False),
        ("unit/u1", "Uplink/Connect", True),
        ("unit/u1", "Query/Search", False),
        ("unit/blocked", "Uplink/Connect", False),
        ("anonymous", "Control/State", False),
    ],
)
def test_the_policy_is_a_table(caller: str, method: str, allowed: bool):
    """Allow by pattern, deny beats allow, nothing said = denied."""
    policy = AccessSettings.model_validate(
        {
            "policy": [
                {"callers": ["role/storage"], "methods": ["Query/*"]},
                {"callers": ["unit/*"], "methods": ["Uplink/*"]},
                {"callers": ["unit/blocked"], "allow": False},
            ]
        }
    )
    assert AccessLayer(policy).allows(caller, method) is allowed


@each_way
def test_with_the_monitoring_layer_requests_are_counted_by_outcome(way: str):
    """Two went well, one found nothing; without the layer nothing is counted."""
    metrics = Metrics()
    entries = layers([{"layer": "monitoring"}], metrics)
    with asked(way, Echo(), entries) as stub:
        stub.One(struct())
        stub.One.future(struct()).result(60)
        list(stub.Many(struct(n=2)))
        with pytest.raises(grpc.RpcError):
            stub.One(struct(do="abort"))
        side = "asked" if way == "wire" else "answered"
        wanted = [
            f'bluewhale_requests_total{{code="OK",method="One",service="Echo",side="{side}"}} 2.0',
            f'bluewhale_requests_total{{code="NOT_FOUND",method="One",service="Echo",side="{side}"}} 1.0',
            f'bluewhale_requests_total{{code="OK",method="Many",service="Echo",side="{side}"}} 1.0',
            f'bluewhale_request_seconds_count{{method="One",service="Echo",side="{side}"}} 3.0',
        ]
        until = time.monotonic() + 5
        while time.monotonic() < until:
            text = metrics.text().decode()
            if all(line in text for line in wanted):
                break
        assert [line for line in wanted if line not in text] == []
    bare = Metrics()
    with asked(way, Echo()) as stub:
        stub.One(struct())
    assert "bluewhale_requests_total{" not in bare.text().decode()


@each_way
def test_with_the_monitoring_layer_one_trace_goes_through_both_sides(way: str):
    """The span of the work, of asking (over the wire), of answering: one trace id, parents in line."""
    exporter = InMemorySpanExporter()
    tracing.configure("tests", exporter=exporter, sample_ratio=0.0)
    try:
        with (
            asked(way, Echo(), [{"layer": "monitoring"}]) as stub,
            tracing.span("work", force=True),
        ):
            stub.One(struct())
        stub.One  # noqa: B018 - the stub outlives the port
        tracing.shutdown()
        spans = {s.name: s for s in exporter.get_finished_spans()}
    finally:
        tracing.shutdown()
    names = ["ask One", "answer One", "work"] if way == "wire" else ["answer One", "work"]
    assert sorted(spans) == sorted(names)
    assert len({s.context.trace_id for s in spans.values()}) == 1
    above = spans["ask One" if way == "wire" else "work"]
    assert spans["answer One"].parent.span_id == above.context.span_id


def test_without_the_monitoring_layer_the_trace_ends_at_the_caller():
    """One line less, no spans of requests."""
    exporter = InMemorySpanExporter()
    tracing.configure("tests", exporter=exporter)
    try:
        with asked("wire", Echo()) as stub, tracing.span("work", force=True):
            stub.One(struct())
        tracing.shutdown()
        assert [s.name for s in exporter.get_finished_spans()] == ["work"]
    finally:
        tracing.shutdown()


def test_with_the_encryption_layer_the_certificate_says_who_asks(tmp_path: Path):
    """Mutual TLS: the servicer sees role/billing; without the layer there is nobody to see."""
    authority = Authority()
    ours = {"layer": "encryption", **authority.write(tmp_path, "role/billing")}
    theirs = {"layer": "encryption", **authority.write(tmp_path, "role/storage")}
    with asked("wire", Echo(), [ours], serving=[theirs]) as stub:
        assert stub.One(struct())["identity"] == "role/billing"
    with asked("wire", Echo()) as stub:
        assert stub.One(struct())["identity"] == "local"


def test_a_caller_of_another_authority_or_without_certificate_gets_no_connection(tmp_path: Path):
    """UNAVAILABLE for both; the servicer is not asked."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    theirs = {"layer": "encryption", **Authority().write(tmp_path / "a", "role/storage")}
    stranger = {"layer": "encryption", **Authority().write(tmp_path / "b", "role/billing")}
    servicer = Echo()
    for entries in ([stranger], []):
        with asked("wire", servicer, entries, serving=[theirs]) as stub:
            with pytest.raises(grpc.RpcError) as caught:
                stub.One(struct(), timeout=2)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert servicer.kept == []


def test_certificates_are_read_anew_when_their_files_change(tmp_path: Path):
    """First the unit u1, then its files are replaced by those of u2: the next request is u2's."""
    authority = Authority()
    mine = authority.write(tmp_path, "unit/u1")
    theirs = {"layer": "encryption", **authority.write(tmp_path, "role/ingest")}
    with asked("wire", Echo(), [{"layer": "encryption", **mine}], serving=[theirs]) as stub:
        assert stub.One(struct())["identity"] == "unit/u1"
        other = authority.write(tmp_path, "unit/u2")
        other["key"].rename(mine["key"])
        other["certificate"].rename(mine["certificate"])
        until = time.monotonic() + 10
        seen = "unit/u1"
        while seen == "unit/u1" and time.monotonic() < until:
            time.sleep(0.1)
            seen = stub.One(struct())["identity"]
        assert seen == "unit/u2"


def test_the_port_takes_new_certificates_without_a_new_start(tmp_path: Path):
    """Authority and certificate of the port are replaced: who trusts only the new one gets in."""
    (tmp_path / "new").mkdir()
    old, new = Authority("old"), Authority("new")
    served = old.write(tmp_path, "role/storage")
    port = Port("127.0.0.1:0", [echo(Echo())], layers([{"layer": "encryption", **served}]))
    port.start()
    try:
        for name, path in new.write(tmp_path / "new", "role/storage").items():
            path.rename(served[name])
        (tmp_path / "mine").mkdir()
        mine = {"layer": "encryption", **new.write(tmp_path / "mine", "role/billing")}
        peers = Peers(
            {"echo": f"127.0.0.1:{port.number}"},
            layers([mine]),
            here=lambda _: False,
            look=lambda _: None,
        )
        stub = peers.stub("echo", "plugin/tests", ECHO)
        assert stub.One(struct(), timeout=60)["identity"] == "role/billing"
        peers.close()
    finally:
        port.stop(0)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    """The layer, the path, what to do."""
    files = Authority().write(tmp_path, "role/billing")
    files["key"].unlink()
    with pytest.raises(LayerError, match=r"role-billing\.key: No such file"):
        Port("127.0.0.1:0", [echo(Echo())], layers([{"layer": "encryption", **files}]))


def test_with_the_balancing_layer_all_copies_get_requests():
    """Discovery names two copies: with round_robin both answer, without the layer one does all."""
    ports = []
    for name in ("one", "two"):
        ports.append(Port("127.0.0.1:0", [echo(Echo(name))], []))
        ports[-1].start()
    where = {"echo": [f"127.0.0.1:{p.number}" for p in ports]}
    discovery = {"layer": "discovery", "static": where}
    try:
        assert _answered_by([discovery, {"layer": "balancing"}]) == {"one", "two"}
        assert len(_answered_by([discovery])) == 1
    finally:
        for port in ports:
            port.stop(0)


def _answered_by(entries: list) -> set[str]:
    """Ask until two have answered, at most 2 s; gives who did."""
    peers = Peers({}, layers(entries), here=lambda _: False, look=lambda _: None)
    stub = peers.stub("echo", "plugin/tests", ECHO)
    found: set[str] = set()
    until = time.monotonic() + 2
    try:
        while len(found) < 2 and time.monotonic() < until:
            found.add(stub.One(struct(), timeout=60)["name"])
    finally:
        peers.close()
    return found


def test_with_the_discovery_layer_a_peer_is_found_where_it_says():
    """The address of the configuration is wrong; a list or a name of DNS leads to the peer."""
    port = Port("127.0.0.1:0", [echo(Echo("found"))], [])
    port.start()
    try:
        for entry in (
            {"static": {"echo": [f"localhost:{port.number}"]}},
            {"dns": {"echo": f"localhost:{port.number}"}},
        ):
            peers = Peers(
                {"echo": "127.0.0.1:1"},
                layers([{"layer": "discovery", **entry}]),
                here=lambda _: False,
                look=lambda _: None,
            )
            stub = peers.stub("echo", "plugin/tests", ECHO)
            assert stub.One(struct(), timeout=60)["name"] == "found"
            peers.close()
        lost = Peers({"echo": "127.0.0.1:1"}, [], here=lambda _: False, look=lambda _: None)
        with pytest.raises(grpc.RpcError) as caught:
            lost.stub("echo", "plugin/tests", ECHO).One(struct(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        lost.close()
    finally:
        port.stop(0)


@each_way
def test_layers_are_passed_in_the_order_of_the_list(way: str):
    """The first is outermost on both sides."""
    seen: list[str] = []

    class Noting(Layer):
        def __init__(self, name):
            self.name = name

        def ask(self, method, proceed):
            def ask(request, invocation):
                seen.append(f"ask {self.name}")
                return proceed(request, invocation)

            return ask

        def answer(self, method, proceed):
            def answer(request, context):
                seen.append(f"answer {self.name}")
                return proceed(request, context)

            return answer

    with asked(way, Echo(), [Noting("a"), Noting("b")]) as stub:
        stub.One(struct())
    assert seen == ["ask a", "ask b", "answer a", "answer b"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"default_ms": 5}, "has no name; write layer: NAME"),
        ({"layer": "deadline", "default": 5}, "default: Extra inputs are not permitted"),
        ({"layer": "balancing", "policy": "random"}, "policy: Input should be 'round_robin'"),
        ({"layer": "encryption"}, "authority: Field required; certificate: Field required"),
    ],
)
def test_a_wrong_entry_is_named(entry: dict, words: str):
    """Which layer, which setting, what is wrong."""
    with pytest.raises(LayerError) as caught:
        layers([entry])
    assert words in str(caught.value)
