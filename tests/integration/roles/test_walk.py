"""One line of one PBX, from the socket of a unit to the query API, priced."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import grpc
import pytest
import yaml
from bluewhale.api.query.v1 import query_pb2 as pb
from bluewhale.api.query.v1 import query_pb2_grpc

from tests.integration.roles.places import installation
from tests.support.roles_world import world_of

PATIENCE_S = 120


def calls(stub: query_pb2_grpc.QueryStub) -> list[pb.Call]:
    """Give all live calls that the query API knows."""
    pages = stub.SearchCalls(pb.SearchCallsRequest(limit=100), timeout=60, wait_for_ready=True)
    return [call for page in pages for call in page.calls]


@pytest.mark.services
def test_one_line_of_a_pbx_is_priced_and_seen(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str, record_property
):
    """Socket -> unit -> ingest -> Kafka -> parser -> Kafka -> billing -> Kafka -> PostgreSQL -> query."""
    world = world_of(tmp_path, calls=30, garbage=0)
    avaya = world.pbxs[0]
    lines = world.lines[avaya.pbx_uid]
    wanted = next(c for c in world.truth if c.pbx_uid == avaya.pbx_uid and c.carrier_nanos)
    mine = [x for x in lines if x.call == wanted.number and x.kind == "record"]
    context = [x for x in lines[: lines.index(mine[0])] if x.kind == "context"][-1:]
    with installation(
        world, tmp_path, kafka=kafka_bootstrap, prefix=kafka_prefix, database=postgres_url,
        units={"east": [0]},
    ) as it:  # fmt: skip
        it.start_roles()
        it.start_unit("east")
        links = yaml.safe_load((tmp_path / "bluewhale.yaml").read_text())["links"]
        port = next(x for x in links if x["pbx_uid"] == avaya.pbx_uid)["connector"]["port"]
        it.wait_until(lambda: listens(port), "the unit to listen")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as pbx:
            pbx.sendall(b"".join(x.data for x in [*context, *mine]))
            started = time.monotonic()
            with grpc.insecure_channel(f"127.0.0.1:{it.ports['storage']}") as channel:
                stub = query_pb2_grpc.QueryStub(channel)
                it.wait_until(
                    lambda: any(c.totals for c in calls(stub)), "the call", patience_s=PATIENCE_S
                )
                took_s = time.monotonic() - started
                (call,) = calls(stub)
        it.fleet.check()
    amounts = {a.price_list: a.amount for a in call.totals}
    assert float(amounts["carrier"]) * 10**9 == pytest.approx(wanted.carrier_nanos)
    assert call.talk_ms == wanted.talk_ms
    assert call.direction == wanted.direction
    record_property("figure", f"walk: byte to priced call at the query API: {took_s * 1000:.0f} ms")


def listens(port: int) -> bool:
    """Say whether somebody accepts connections on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return False
    return True
