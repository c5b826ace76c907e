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

import grpc
import pytest
from bluewhale.api.control.v1 import control_pb2, control_pb2_grpc

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
        assert process.wait(60) == 0


def test_a_role_that_cannot_start_says_why_in_one_line_and_ends_with_1():
    """The plugin's own words, its code, no traceback."""
    with role("refused") as process:
        failed = line(process, "Role failed")
        assert failed["error"] == "the broker 127.0.0.1:1 does not answer; start it"
        assert failed["error_code"] == "temporary_error"
        assert "exception" not in failed
        assert process.wait(60) == 1


def test_a_plugin_that_falls_over_ends_the_role_with_1():
    """The role drains and leaves the restart to whoever started it."""
    with role("falling") as process:
        assert line(process, "Role failed")["error"] == "the disk went away; mount it"
        assert process.wait(60) == 1


def test_a_port_that_is_taken_is_named_with_the_remedy():
    """The door of health is not optional: a role nobody can ask is not started."""
    with role("working") as first:
        port = line(first, "Role started")["port"]
        with role("working", f"health_port={port}") as second:
            assert f"127.0.0.1:{port}" in line(second, "Role failed")["error"]
            assert second.wait(60) == 1


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


def test_a_signal_during_the_start_ends_the_role_cleanly():
    """A plugin would take a minute: SIGTERM ends it at once with 0."""
    with role("dawdling") as process:
        line(process, "Plugin moved")
        process.send_signal(signal.SIGTERM)
        assert line(process, "Role ended before it had started")["role"] == "storage"
        assert process.wait(60) == 0


def test_a_bad_condition_is_no_reason_to_kill_but_a_stuck_loop_is():
    """Readyz names the condition, livez the loop; startupz is content."""
    with role("ailing") as process:
        port = line(process, "Role started")["port"]
        assert ask(port, "startupz")[0] == 200
        assert ask(port, "readyz") == (
            503,
            {"healthy": False, "wrong": {"database": "postgresql://db is away; start it"}},
        )
        assert ask(port, "livez") == (
            503,
            {"healthy": False, "wrong": {"loop": "stuck in polling for 70 s"}},
        )


def test_control_says_how_the_role_is_changes_its_log_level_and_drains_it(tmp_path: Path):
    """Over a Unix socket, as an operator's tool asks; a level that does not exist is refused."""
    socket = f"unix:{tmp_path}/control.sock"
    with role("ailing", f"listen={socket!r}") as process, grpc.insecure_channel(socket) as channel:
        line(process, "Role started")
        control = control_pb2_grpc.ControlStub(channel)
        state = control.State(control_pb2.StateRequest(), timeout=60)
        assert (state.role, state.ready, state.draining) == ("storage", False, False)
        assert [(c.name, c.good, c.message) for c in state.conditions] == [
            ("database", False, "postgresql://db is away; start it")
        ]
        assert (state.log_level, state.log_level_until_ms) == ("info", 0)
        assert (state.memory_bytes > 1_000_000, state.HasField("lag")) == (True, False)
        changed = control.SetLogLevel(control_pb2.SetLogLevelRequest(level="debug"), timeout=60)
        assert changed.previous == "info"
        asked = control_pb2.SetLogLevelRequest(level="info", for_ms=3_600_000)
        assert control.SetLogLevel(asked, timeout=60).previous == "debug"
        raised = control.State(control_pb2.StateRequest(), timeout=60)
        assert raised.log_level == "info"
        assert raised.log_level_until_ms > raised.started_at_ms + 3_600_000
        with pytest.raises(grpc.RpcError) as caught:
            control.SetLogLevel(control_pb2.SetLogLevelRequest(level="loud"), timeout=60)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "choose one of debug, info, warning, error" in caught.value.details()
        control.Drain(control_pb2.DrainRequest(timeout_ms=5000), timeout=60)
        line(process, "Role ended")
        assert process.wait(60) == 0


def test_a_role_whose_policy_denies_is_not_told_to_end_by_anybody(tmp_path: Path):
    """The layers of the process govern its port: an empty policy, so nobody may drain it."""
    socket = f"unix:{tmp_path}/control.sock"
    with (
        role("working", f"listen={socket!r}, layers=(dict(layer='access'),)") as process,
        grpc.insecure_channel(socket) as channel,
    ):
        line(process, "Role started")
        with pytest.raises(grpc.RpcError) as caught:
            control_pb2_grpc.ControlStub(channel).Drain(control_pb2.DrainRequest(), timeout=60)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "local may not ask Control/Drain" in caught.value.details()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
