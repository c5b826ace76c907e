from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from bluewhale.nexus import ProcessSettings, run_role
from tests.unit.nexus.actors import plugin
sys.exit(run_role("storage", [plugin("a", "{activator}")], [], process=ProcessSettings({process})))
"""


@contextmanager
def role(activator: str, process: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a role as a process; it is gone at the end of the block."""
    program = PROGRAM.format(activator=activator, process=process)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process_:
        try:
            yield process_
        finally:
            process_.kill()


def line(process: subprocess.Popen[str], event: str) -> dict:
    """Give the first log line with that event."""
    for text in process.stdout:
        found = json.loads(text)
        if found["event"] == event:
            return found
    raise AssertionError(f"no line {event!r}")


def ask(port: int, path: str) -> tuple[int, dict]:
    """Give status and body of a probe."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_role_answers_its_probes_and_ends_on_sigterm():
    """Started, ready, live: 200 each; metrics in Prometheus' format; SIGTERM ends with 0."""
    with role("working") as process:
        port = line(process, "Role started")["port"]
        assert ask(port, "startupz") == (200, {"healthy": True, "wrong": {}})
        assert ask(port, "readyz") == (200, {"healthy": True, "wrong": {}})
        assert ask(port, "livez") == (200, {"healthy": True, "wrong": {}})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b"bluewhale_commit_seconds" in answer.read()
        process.send_signal(signal.SIGTERM)
        assert line(process, "Role ended")["role"] == "storage"
        assert process.wait(10) == 0


def test_a_role_that_cannot_start_says_why_in_one_line_and_ends_with_1():
    """The plugin's own words, its code, no traceback."""
    with role("refused") as process:
        failed = line(process, "Role failed")
        assert failed["error"] == "the broker 127.0.0.1:1 does not answer; start it"
        assert failed["error_code"] == "temporary_error"
        assert "exception" not in failed
        assert process.wait(10) == 1


def test_a_plugin_that_falls_over_ends_the_role_with_1():
    """The role drains and leaves the restart to whoever started it."""
    with role("falling") as process:
        assert line(process, "Role failed")["error"] == "the disk went away; mount it"
        assert process.wait(10) == 1


def test_a_port_that_is_taken_is_named_with_the_remedy():
    """The door of health is not optional: a role nobody can ask is not started."""
    with role("working") as first:
        port = line(first, "Role started")["port"]
        with role("working", f"health_port={port}") as second:
            assert f"127.0.0.1:{port}" in line(second, "Role failed")["error"]
            assert second.wait(10) == 1


def test_the_nexus_is_light():
    """A Remote Unit starts through it: no columns, no database, no certificates, no YAML."""
    program = (
        "import sys, bluewhale.nexus\n"
        "print([m for m in ('numpy', 'pyarrow', 'numba', 'sqlalchemy', 'cryptography', 'yaml', 'grpc',"
        " 'opentelemetry') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
