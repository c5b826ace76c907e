"""With workers beside the process: the same answers, whether one is there or dies."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

from bluewhale.telemetry import tracing
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.webapi.places import Client, Site, embedded
from tests.support.running import wait_until

PATIENCE_S = 60.0
WHOLE = "from=2025-01-01&to=2026-01-01"
DAY = "from=2025-04-16&to=2025-04-17"


def _asked(client: Client) -> list[tuple[int, dict]]:
    """Ask what workers answer, and what they refuse; gives status and body of each."""
    whole = {"filter": WHOLE, "limit": 200}
    listed = client.post("/calls/search", whole)
    call_id = listed.json()["items"][0]["call_id"]
    answers = [
        listed,
        client.post("/calls/search", {**whole, "limit": 7}),
        client.post("/calls/aggregate", {"filter": WHOLE}),
        client.get(f"/calls/{call_id}"),
        client.get(f"/calls/{call_id[:8]}/receipt"),
        client.get(f"/summary?{DAY}&tz=Europe/Berlin"),
        client.post("/reports/department", {"filter": DAY}),
        client.get("/completeness"),
        client.get("/calls/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        client.get("/calls/aaaaaaaaaaaaaaaaaaaaaaaaaa/receipt"),
    ]
    return [(answer.status_code, _lasting(answer.json())) for answer in answers]


def _lasting(body: dict) -> dict:
    """Leave out what is another one with each request."""
    return {k: v for k, v in body.items() if k not in {"trace_id", "instance", "as_of"}}


def test_workers_give_the_answers_of_the_process_without_and_none_fails_with_them(
    calls_of_the_example: Path, tmp_path: Path
):
    """Lists, details, receipts, sums and refusals; the worker is killed, and another one begins."""
    folder, without = tmp_path / "site", tmp_path / "without"
    for copy in (folder, without):
        shutil.copytree(calls_of_the_example, copy)
    with embedded(without) as site:
        wanted = _asked(site.owner)
    assert [status for status, _ in wanted] == [200] * 8 + [404] * 2
    with embedded(folder, workers=1) as served:
        (worker,) = multiprocessing.active_children()
        wait_until(lambda: _by_worker(served), PATIENCE_S, "a worker")
        assert _asked(served.owner) == wanted
        worker.kill()
        assert _asked(served.owner) == wanted
        wait_until(lambda: _by_worker(served), PATIENCE_S, "another worker")
        (another,) = multiprocessing.active_children()
        assert another.pid != worker.pid
    assert multiprocessing.active_children() == []


def _by_worker(served: Site) -> bool:
    """Say whether a list was asked for of a worker, and not of the database from this process."""
    exporter = InMemorySpanExporter()
    tracing.configure("web", exporter=exporter, sample_ratio=1.0)
    try:
        answer = served.owner.post("/calls/search", {"filter": WHOLE})
        assert answer.status_code == 200
    finally:
        tracing.shutdown()
    names = [s.name for s in exporter.get_finished_spans()]
    return "ask worker" in names and "ask database" not in names
