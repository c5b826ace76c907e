"""Roles started by fork from one process that has imported them.

Imports and compiled kernels cost seconds of a processor at each start; a test that
starts roles a hundred times pays them once. From its command line on a child is the
role: its own settings, connections, log and process id. The parent opens nothing
and has no threads. Every `COLD_EVERY`th start is a cold one, imports and all.

The parent's standard input: one request a line, in JSON. `{"module", "arguments",
"environment", "log"}` starts a child and answers its process id; `{"wait_for",
"timeout_s"}` answers its exit code (negative: the signal that ended it), null while it runs.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bluewhale.cli.fleet import spawned

ROLES = ("storage", "ingest", "parser", "billing")
COLD_EVERY = 10
POLL_S = 0.002


class ForkedRole:
    """A child of the parent, with what a fleet uses of `subprocess.Popen`."""

    def __init__(self, pid: int, parent: ForkedRoles) -> None:
        self.pid = pid
        self._parent = parent
        self._code: int | None = None

    def poll(self) -> int | None:
        """Give the exit code, None while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; gives the exit code."""
        code = self._ended(1e9 if timeout is None else timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout_s: float) -> int | None:
        if self._code is None:
            self._code = self._parent.ask({"wait_for": self.pid, "timeout_s": timeout_s})
        return self._code


class ForkedRoles:
    """The parent of all; a context manager that outlives the fleet it starts for."""

    def __enter__(self) -> Self:
        self._starts = 0
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked_roles"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._parent.stdout.readline() == "ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parent.stdin.close()
        self._parent.wait(60)
        self._parent.stdout.close()

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes] | ForkedRole:
        """Start a command of a fleet: a role by fork, now and then and all else as it stands."""
        python, option, module, *arguments = command
        assert (python, option) == (sys.executable, "-m")
        self._starts += 1
        if self._starts % COLD_EVERY == 0 or module.removeprefix("bluewhale.") not in ROLES:
            return spawned(command, environment, log)
        request = {
            "module": module,
            "arguments": arguments,
            "environment": dict(environment),
            "log": str(log),
        }
        pid = self.ask(request)
        assert pid is not None
        return ForkedRole(pid, self)

    def ask(self, request: Mapping[str, object]) -> int | None:
        """Ask the parent; gives its answer."""
        self._parent.stdin.write(json.dumps(request) + "\n")
        return json.loads(self._parent.stdout.readline())


def serve() -> None:
    """Answer requests until standard input ends."""
    _import_all()
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait_for" in request:
            answer = _wait(request["wait_for"], request["timeout_s"])
        else:
            answer = _fork(**request)
        print(json.dumps(answer), flush=True)


def _import_all() -> None:
    from bluewhale.dialects import DIALECTS, get_dialect

    from tests.support.warm import load_kernels

    for role in ROLES:
        package = importlib.import_module(f"bluewhale.{role}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    for name in DIALECTS:
        get_dialect(name)
    load_kernels()


def _wait(pid: int, timeout_s: float) -> int | None:
    deadline = time.monotonic() + timeout_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_S)


def _fork(module: str, arguments: list[str], environment: dict[str, str], log: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in ((0, nothing), (1, out), (2, out)):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise AssertionError


if __name__ == "__main__":
    serve()
