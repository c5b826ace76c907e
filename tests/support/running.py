"""A real `bluewhale` in a process of its own, for tests that kill it.

`Cold` starts the installed command. `Warm` forks it from a process that has
imported everything already (`tests.support.warm`): the same code from the
command line on, in a tenth of the time.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

COMMAND = str(Path(sys.executable).parent / "bluewhale")
WAL_WRITE_LOCK = 120  # byte of the -shm file; https://www.sqlite.org/walformat.html, section 2.3
_LOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux


class Running:
    """One process; `kill` is kill -9, `stop` asks it to end and waits."""

    def __init__(self, pid: int, wait: Callable[[int, float], int], folder: Path) -> None:
        self.pid = pid
        self._wait = wait
        self._folder = folder

    def kill(self) -> bool:
        """End it without any chance to tidy up; False if it had ended well by itself before."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        code = self._wait(self.pid, 30)
        assert code in {0, -signal.SIGKILL}, self._said()
        return code != 0

    def stop(self, timeout_s: float = 60) -> None:
        """End it cleanly; its exit code is 0."""
        os.kill(self.pid, signal.SIGTERM)
        self.finish(timeout_s)

    def finish(self, timeout_s: float) -> None:
        """Wait for its own end; its exit code is 0."""
        assert self._wait(self.pid, timeout_s) == 0, self._said()

    def kill_inside_transaction(self, timeout_s: float, pause_s: float = 0.003) -> bool:
        """Kill -9 while it holds a write transaction; False if none was met in time (it lives on).

        The process is frozen first, so what is seen is the state it dies in.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            os.kill(self.pid, signal.SIGSTOP)
            if any(self._writes(p) for p in self._folder.glob("data/**/*.db-shm")):
                return self.kill()
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(pause_s)
        return False

    def _writes(self, shared_memory: Path) -> bool:
        """Say whether it holds the write lock of a database, without taking any lock."""
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, WAL_WRITE_LOCK, 1, 0)
        with suppress(FileNotFoundError), shared_memory.open("rb") as file:
            answer = _LOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
            return answer[0] != fcntl.F_UNLCK and answer[4] == self.pid
        return False

    def _said(self) -> str:
        return (self._folder / "up.log").read_text("utf-8", "replace")[-4000:]


class Cold:
    """Starts the command as a person does."""

    def start(self, folder: Path, *arguments: str) -> Running:
        """Run `bluewhale ARGUMENTS --config FOLDER`; what it says goes to `up.log` there."""
        with (folder / "up.log").open("ab") as log:
            process = subprocess.Popen(
                [COMMAND, *arguments, "--config", str(folder)], stdout=log, stderr=log
            )
        return Running(process.pid, lambda _, timeout_s: process.wait(timeout_s), folder)


class Warm:
    """Starts the command by fork from a process that has imported it; a context manager."""

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._hear() == "ready"
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

    def start(self, folder: Path, *arguments: str) -> Running:
        """Run `bluewhale ARGUMENTS --config FOLDER`; what it says goes to `up.log` there."""
        self._say({"folder": str(folder), "arguments": [*arguments, "--config", str(folder)]})
        return Running(int(self._hear()), self._end_of, folder)

    def _end_of(self, pid: int, timeout_s: float) -> int:
        self._say({"wait_for": pid, "timeout_s": timeout_s})
        return int(self._hear())

    def _say(self, request: dict[str, object]) -> None:
        self._parent.stdin.write(json.dumps(request) + "\n")

    def _hear(self) -> str:
        return self._parent.stdout.readline().strip()


def wait_until(
    happens: Callable[[], bool], timeout_s: float, what: str, pause_s: float = 0.1
) -> None:
    """Poll until something is true; says what was waited for when it is not."""
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
        time.sleep(pause_s)


def run(*arguments: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end, without a terminal."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
