"""One trace from the unit to the database, and one from a page to it, fetched from a real Jaeger."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest
from bluewhale.cli.simulate.installation import ROLES, Endpoints, Installation
from bluewhale.cli.simulate.session import World, play_all
from bluewhale.cli.simulate.verify import compare
from bluewhale.configuration import stream_id
from bluewhale.database import Store

PATIENCE_S = 120.0
HOPS = [  # service, what it did, child of
    ("remoteunit", "send frame", None),
    ("ingest", "append cdr.raw", "send frame"),
    ("parser", "process cdr.raw", "append cdr.raw"),
    ("parser", "send cdr.parsed", "process cdr.raw"),
    ("storage", "store", "send cdr.parsed"),
    ("storage", "commit", "store"),
    ("billing", "process cdr.parsed", "send cdr.parsed"),
    ("billing", "send cdr.rated", "process cdr.parsed"),
    ("storage", "store", "send cdr.rated"),
]
PAGE_HOPS = [
    ("webapi", "answer HTTP", None),
    ("storage", "answer SearchCalls", "answer HTTP"),
    ("storage", "ask database", "answer SearchCalls"),
]
ASKED = "+4969900091234"


def _traces(query_url: str, service: str) -> list[dict[str, Any]]:
    url = f"{query_url}/api/traces?service={service}&limit=200&lookback=1h"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)["data"]


def _hops(trace: dict[str, Any]) -> set[tuple[str, str, str | None]]:
    """Give (service, operation, operation of the parent) of every span."""
    spans = {s["spanID"]: s for s in trace["spans"]}
    found = set()
    for span in trace["spans"]:
        parents = [
            r["spanID"]
            for r in span["references"]
            if r["refType"] == "CHILD_OF" and r["spanID"] in spans
        ]
        parent = spans[parents[0]]["operationName"] if parents else None
        service = trace["processes"][span["processID"]]["serviceName"]
        found.add((service, span["operationName"], parent))
    return found


def _search_of_a_page(installation: Installation) -> str:
    """Search a number as the first owner; give the trace that the page is told of."""
    found = re.search(r"Open (\S+)/welcome\?token=(\S+)", installation.fleet["webapi"].tail())
    assert found
    owner = {"token": found[2], "name": "ana", "password": "correct horse battery"}
    with httpx.Client(base_url=f"{found[1]}/api/v1", timeout=60) as page:
        headers = {"X-CSRF-Token": page.post("/welcome", json=owner).json()["csrf"]}
        answer = page.post("/calls/search", json={"filter": f"number={ASKED}"}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-trace-id"]


def _trace(query_url: str, trace_id: str) -> list[dict[str, Any]]:
    """Give a trace; none as long as no span of it came."""
    answer = httpx.get(f"{query_url}/api/traces/{trace_id}", timeout=60)
    return [] if answer.status_code == 404 else answer.json()["data"]


@pytest.mark.slow
@pytest.mark.services
def test_one_trace_crosses_unit_ingest_parser_billing_storage_and_the_database(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str, jaeger: Any
):
    """Every hop of a line is a span of one trace, each the child of the hop before; of a search, too."""
    world = World.of(tmp_path, 1, ("avaya_cm",), 20, 5, 1)
    world.write()
    endpoints = Endpoints(kafka_bootstrap, postgres_url, otlp=jaeger.otlp_endpoint)
    unit = f"traced-{kafka_prefix.strip('.')}"
    links = [p.link_uid for p in world.pbxs]
    with Installation(
        tmp_path, endpoints, {unit: links}, prefix=kafka_prefix, sample_ratio=1.0
    ) as installation:
        installation.write()
        installation.start_roles((*ROLES, "webapi"))
        installation.wait_ready(installation.start_unit(unit))
        page = _search_of_a_page(installation)
        play_all(world)
        with Store.open(postgres_url, segments=tmp_path / "segments") as store:
            installation.wait_until(
                lambda: not compare(world.truth, store, {p.pbx_uid for p in world.pbxs}),
                "every call",
                patience_s=PATIENCE_S,
            )

        stream = stream_id(links[0], unit)

        def whole() -> list[dict[str, Any]]:
            ours = [
                t
                for t in _traces(jaeger.query_url, "remoteunit")
                if any(
                    tag["key"] == "bluewhale.stream_id" and int(tag["value"]) == stream
                    for s in t["spans"]
                    for tag in s["tags"]
                )
            ]
            return [t for t in ours if set(HOPS) <= _hops(t)]

        installation.wait_until(lambda: bool(whole()), "a trace with every hop", patience_s=30)
        installation.wait_until(
            lambda: any(set(PAGE_HOPS) <= _hops(t) for t in _trace(jaeger.query_url, page)),
            "the trace of a page with every hop",
            patience_s=30,
        )
        text = json.dumps(whole() + _trace(jaeger.query_url, page))
    assert ASKED.removeprefix("+") not in text
    for call in world.truth:  # no span carries a number
        assert str(call.outside_e164) not in text


@pytest.mark.slow
@pytest.mark.services
def test_a_collector_that_is_away_blocks_no_call(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str
):
    """Every span goes nowhere, every call is stored."""
    world = World.of(tmp_path, 1, ("asterisk_csv",), 20, 6, 0)
    world.write()
    endpoints = Endpoints(kafka_bootstrap, postgres_url, otlp="http://127.0.0.1:9")
    with Installation(
        tmp_path,
        endpoints,
        {"unit": [p.link_uid for p in world.pbxs]},
        prefix=kafka_prefix,
        sample_ratio=1.0,
    ) as installation:
        installation.write()
        installation.start_roles()
        installation.wait_ready(installation.start_unit("unit"))
        play_all(world)
        with Store.open(postgres_url, segments=tmp_path / "segments") as store:
            installation.wait_until(
                lambda: not compare(world.truth, store, {p.pbx_uid for p in world.pbxs}),
                "every call",
                patience_s=PATIENCE_S,
            )
