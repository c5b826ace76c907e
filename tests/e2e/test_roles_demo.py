"""`bluewhale roles-demo` as a stranger runs it: real services, no terminal, nothing prepared."""

from __future__ import annotations

import re

import pytest

from tests.support.running import run


@pytest.mark.slow
@pytest.mark.services
def test_the_fleet_through_all_roles_equals_the_truth_and_shows_one_trace(
    kafka_bootstrap: str, postgres_url: str, redis_url: str, jaeger, monkeypatch: pytest.MonkeyPatch
):
    """The totals of `bluewhale demo`, completeness of 100 %, and a trace over all five services."""
    for name, value in {
        "KAFKA_BOOTSTRAP": kafka_bootstrap,
        "POSTGRES_DSN": postgres_url,
        "REDIS_URL": redis_url,
        "OTLP_GRPC_ENDPOINT": jaeger.otlp_endpoint,
        "JAEGER_URL": jaeger.query_url,
    }.items():
        monkeypatch.setenv(name, value)
    done = run("roles-demo", "--calls", "90", timeout_s=400)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "completeness 100.0 %" in done.stdout
    assert "90 calls, legs, departments and prices equal the truth" in done.stdout
    assert re.search(r"trace [0-9a-f]{32}", done.stdout)
    for service in ("remoteunit", "ingest", "parser", "billing", "storage"):
        assert re.search(rf"^ *{service} ", done.stdout, re.MULTILINE)
    assert "Traceback" not in done.stdout + done.stderr


def test_without_services_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch):
    """A person gets the variables and an example, not a traceback."""
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.delenv("POSTGRES_DSN", raising=False)
    done = run("roles-demo")
    assert done.returncode == 2
    assert "set KAFKA_BOOTSTRAP and POSTGRES_DSN" in done.stderr
    assert "Traceback" not in done.stderr
