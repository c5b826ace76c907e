"""Tests get real services, a set per run, and own ones that they may break."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.services import KafkaCluster, PostgresServer, RedisServer

ROOT = Path(__file__).resolve().parents[3]


def answers(address: str) -> bool:
    """Tell whether host:port takes connections."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60):
        return True


@pytest.mark.services
def test_the_shared_services_answer(kafka_bootstrap: str, redis_url: str, postgres_url: str):
    """Kafka, Redis and PostgreSQL take connections; the database is empty and ours."""
    assert answers(kafka_bootstrap.split(",", maxsplit=1)[0])
    assert answers(redis_url.removeprefix("redis://").split("/")[0])
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)


@pytest.mark.services("postgres")
def test_an_own_postgres_recovers_from_an_immediate_stop():
    """What was committed before a crash is there after it."""
    with PostgresServer() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (n int)")
            connection.execute("INSERT INTO t VALUES (7)")
        server.restart(immediate=True)
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT n FROM t").fetchone() == (7,)


@pytest.mark.services("redis")
def test_an_own_redis_may_be_frozen_flushed_and_halted():
    """It comes back on the same port, empty."""
    with RedisServer() as server:
        assert server._ask(b"SET a 1\r\n") == b"+OK\r\n"
        server.flush()
        assert server._ask(b"GET a\r\n") == b"$-1\r\n"
        server.pause()
        assert server._ask(b"PING\r\n") == b""
        server.resume()
        server.halt()
        server.start()
        assert server._ask(b"PING\r\n") == b"+PONG\r\n"


@pytest.mark.slow
@pytest.mark.services("kafka")
def test_an_own_kafka_is_wiped_on_the_same_ports():
    """After a wipe the brokers answer where they did before."""
    with KafkaCluster() as kafka:
        before = kafka.bootstrap
        assert answers(before)
        kafka.wipe_and_recreate()
        assert kafka.bootstrap == before
        assert answers(before)


@pytest.mark.slow
@pytest.mark.services("redis")
def test_a_killed_run_leaves_no_service_behind(tmp_path: Path):
    """The run's first process dies by SIGKILL: its keeper ends the service within seconds."""
    code = (
        "import os, signal\n"
        "from tests.support.services import shared\n"
        "shared.begin()\n"
        "print(shared.endpoint('redis')['url'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    address = done.stdout.strip().removeprefix("redis://").split("/")[0]
    assert address
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            answers(address)
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the service still answers")
