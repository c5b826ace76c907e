"""The roles of one installation as processes of this machine.

Owns starting, ending, killing, freezing and watching of processes, each with a
log file of its own; ends exactly what it started. Does not own configuration,
nor the services (Kafka, PostgreSQL ...) that the roles need.

::

    with Fleet(folder) as fleet:
        fleet.start("parser", role_command("parser", folder))
        ...
        fleet.kill("parser")
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bluewhale.cli.exceptions import CheckFailedError

STOP_TIMEOUT_S = 30.0
LOG_TAIL_BYTES = 2_000


def role_command(role: str, configuration: Path) -> list[str]:
    """Give the command line that runs one role with a configuration."""
    return [sys.executable, "-m", f"bluewhale.{role}", "--config", str(configuration)]


def unit_command(settings: Path) -> list[str]:
    """Give the command line that runs one Remote Unit with its settings file."""
    return [sys.executable, "-m", "bluewhale.remoteunit", "--config", str(settings)]


class Process(Protocol):
    """What is used of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Process id."""

    def poll(self) -> int | None:
        """Give the exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; gives the exit code. Late: `subprocess.TimeoutExpired`."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal, if it still runs."""

    def kill(self) -> None:
        """End it at once."""


class Spawn(Protocol):
    """How a fleet starts a process: `spawned`, or what a test gives instead."""

    def __call__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Process:
        """Start a command whose output is appended to a file."""


def spawned(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a command whose output is appended to a file."""
    with log.open("ab") as out:
        return subprocess.Popen(
            list(command), stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=dict(environment)
        )


@dataclass(slots=True)
class Member:
    """One running process; `starts` counts how often it was started."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: Process
    starts: int = 1

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def tail(self) -> str:
        """Give the last lines of its log."""
        data = self.log.read_bytes() if self.log.exists() else b""
        return data[-LOG_TAIL_BYTES:].decode("utf-8", "replace")


class Fleet:
    """Named processes, started once or again and again; all end with the `with` block."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        spawn: Spawn = spawned,
    ) -> None:
        self.folder = folder
        self._spawn = spawn
        self._environment = {**os.environ, **(environment or {})}
        self._members: dict[str, Member] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> Member:
        """Start a process under a name that is free, with its own log file."""
        assert name not in self._members or not self.alive(name), f"{name} runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        wanted = {**self._environment, **(environment or {})}
        member = Member(name, list(command), wanted, log, self._spawn(command, wanted, log))
        self._members[name] = member
        return member

    def again(self, name: str) -> Member:
        """Start a member that ended once more, as it was started first."""
        member = self._members[name]
        assert member.process.poll() is not None, f"{name} runs"
        member.process = self._spawn(member.command, member.environment, member.log)
        member.starts += 1
        return member

    def __getitem__(self, name: str) -> Member:
        """Give a member by name."""
        return self._members[name]

    def names(self) -> list[str]:
        """Give the names of all members, in the order of their first start."""
        return list(self._members)

    def alive(self, name: str) -> bool:
        """Say whether a member runs (frozen counts as running)."""
        return self._members[name].process.poll() is None

    def kill(self, name: str) -> None:
        """End a member at once, as a power cut would (SIGKILL); frozen ones too."""
        self._members[name].process.kill()
        self._members[name].process.wait()

    def freeze(self, name: str) -> None:
        """Stop a member in the middle of what it does (SIGSTOP)."""
        self._members[name].process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen member go on (SIGCONT); one that has ended meanwhile stays ended."""
        self._members[name].process.send_signal(signal.SIGCONT)

    def stop(self, name: str, *, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask a member to end (SIGTERM) and wait; gives its exit code.

        Raises
        ------
        CheckFailedError
            It did not end in time; it was killed.
        """
        member = self._members[name]
        member.process.send_signal(signal.SIGTERM)
        try:
            return member.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill(name)
            raise CheckFailedError(
                f"{name} did not end within {timeout_s:.0f} s of SIGTERM: {member.tail()}"
            ) from None

    def check(self) -> None:
        """Say so if a member ended by itself.

        Raises
        ------
        CheckFailedError
            With the name, the exit code and the last lines of its log.
        """
        for name, member in self._members.items():
            code = member.process.poll()
            if code is not None and code not in {0, -signal.SIGKILL, -signal.SIGTERM}:
                raise CheckFailedError(f"{name} ended with {code}: {member.tail()}")

    def close(self) -> None:
        """End everything: SIGTERM to all, then SIGKILL to what is left."""
        running = [m for m in self._members.values() if m.process.poll() is None]
        for member in reversed(running):
            member.process.send_signal(signal.SIGCONT)
            member.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for member in running:
            try:
                member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
