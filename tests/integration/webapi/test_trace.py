"""One trace from the request of a page to the question that the database is asked."""

from __future__ import annotations

from bluewhale.telemetry import tracing
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.webapi.places import Site
from tests.support.running import wait_until


def test_a_request_of_a_page_is_traced_to_the_database(site: Site):
    """Request, question of the service, question to the database: each the child of the one before."""
    exporter = InMemorySpanExporter()
    tracing.configure("web", exporter=exporter, sample_ratio=1.0)
    try:
        answer = site.owner.post("/calls/search", {"filter": "number=112"})
        # the span of the request ends behind its answer
        wait_until(
            lambda: any(s.name == "answer HTTP" for s in exporter.get_finished_spans()),
            30,
            "the span of the request",
        )
    finally:
        tracing.shutdown()
    spans = exporter.get_finished_spans()
    by_id = {s.context.span_id: s for s in spans}
    (last,) = [s for s in spans if s.name == "ask database"]
    chain = [last]
    while (parent := chain[-1].parent) is not None:
        chain.append(by_id[parent.span_id])
    assert [s.name for s in chain] == ["ask database", "answer SearchCalls", "answer HTTP"]
    assert f"{chain[-1].context.trace_id:032x}" == answer.headers["x-trace-id"]
    assert chain[-1].attributes["http.route"] == "/calls/search"
    assert dict(last.attributes) == {
        "db.system.name": "sqlite",
        "db.operation.name": "search_calls",
    }
    assert "112" not in str([dict(s.attributes) for s in spans])
