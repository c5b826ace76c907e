"""The fixtures and rules by which tests get real services; loaded by tests/conftest.py.

A test marked `services` is deselected, with a line that says so, when a service
that it needs is missing; with BLUEWHALE_REQUIRE_SERVICES=1 it fails instead.
What it needs: the services of its fixtures, and of the marker's arguments
(`@pytest.mark.services("kafka")` = an own instance from local programs;
`@pytest.mark.services(shared="kafka")` = a parameter that asks for its fixture).
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.services import shared

OF_FIXTURE = {
    "kafka_bootstrap": "kafka",
    "kafka_prefix": "kafka",
    "postgres_url": "postgres",
    "redis_url": "redis",
    "redis_prefix": "redis",
    "jaeger": "jaeger",
}


class Jaeger(NamedTuple):
    """Where spans go (OTLP over gRPC) and where traces are read."""

    otlp_endpoint: str
    query_url: str


def pytest_configure(config: pytest.Config) -> None:
    """Choose once, in the run's first process."""
    if not hasattr(config, "workerinput"):
        shared.begin()
        shared.choices()
    # kafka-python leaves a socket that it closes while it still writes to the garbage collector,
    # which comes during some later test
    port = os.environ.get("KAFKA_BOOTSTRAP", ":9092").rsplit(":", 1)[1]
    left = rf"Exception ignored in. <socket\.socket .*raddr=\('[0-9.]+', {port}\)"
    config.addinivalue_line(
        "filterwarnings", f"ignore:{left}:pytest.PytestUnraisableExceptionWarning"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what this run started."""
    if not hasattr(config, "workerinput"):
        shared.end()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say which services are used, and how to get a missing one; also in quiet runs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        reporter.write_line(shared.header())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a missing service, unless all are required."""
    if os.environ.get("BLUEWHALE_REQUIRE_SERVICES") == "1":
        return
    without = [item for item in items if _missing(item)]
    if without:
        items[:] = [item for item in items if item not in set(without)]
        config.hook.pytest_deselected(items=without)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that was not left out."""
    if why := _missing(item):
        pytest.fail(f"BLUEWHALE_REQUIRE_SERVICES=1, and {why}", pytrace=False)


def _missing(item: pytest.Item) -> str:
    """Say what a test needs and cannot have; "" = nothing."""
    marks = list(item.iter_markers("services"))
    needed = {OF_FIXTURE[f] for f in getattr(item, "fixturenames", ()) if f in OF_FIXTURE}
    assert marks or not needed, f"{item.nodeid}: mark it with @pytest.mark.services"
    for service in needed | {m.kwargs["shared"] for m in marks if "shared" in m.kwargs}:
        choice = shared.choices()[service]
        if choice.way == "missing":
            return f"{service}: {choice.detail}"
    for service in {name for mark in marks for name in mark.args}:
        if why := shared.LOCAL[service]():
            return f"an own {service}: {why}"
    return ""


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """Give the brokers of this run, `host:port,host:port`."""
    return shared.endpoint("kafka")["url"]


@pytest.fixture
def kafka_prefix(kafka_bootstrap: str) -> Iterator[str]:
    """Give a prefix of topics and groups for one test; both are deleted behind it."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    yield prefix
    from bluewhale.messaging import LogUnavailableError
    from kafka.errors import KafkaError

    from tests.support.services.topics import administrator

    # best effort: a broker that a test has stopped keeps nothing
    with (
        contextlib.suppress(KafkaError, LogUnavailableError),
        administrator(kafka_bootstrap) as admin,
    ):
        if topics := [t for t in admin.list_topics() if t.startswith(prefix)]:
            admin.delete_topics(topics)
        groups = [g["group_id"] for g in admin.list_groups()]
        if groups := [g for g in groups if g.startswith(prefix)]:
            admin.delete_groups(groups)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Give a fresh, empty database of one test; it is dropped behind it."""
    import psycopg

    server = shared.endpoint("postgres")["url"]
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    parts = server.split("?", 1)
    yield "?".join([parts[0].rsplit("/", 1)[0] + f"/{name}", *parts[1:]])
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Give the Redis of this run; others use it too: put `redis_prefix` before every key."""
    return shared.endpoint("redis")["url"]


@pytest.fixture
def redis_prefix() -> str:
    """Give a prefix of keys for one test."""
    return f"t{uuid.uuid4().hex[:10]}:"


@pytest.fixture(scope="session")
def jaeger() -> Jaeger:
    """Give the collector and the query address of this run."""
    found = shared.endpoint("jaeger")
    return Jaeger(found["url"], found["query"])
