"""A real `bluewhale up` in a process of its own, for tests that kill it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "bluewhale")


class Running:
    """One process; `kill` is kill -9, `stop` asks it to end and waits."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log = (config / "up.log").open("ab")
        self.process = subprocess.Popen(
            [COMMAND, "up", "--config", str(config)], stdout=self.log, stderr=self.log
        )

    def kill(self) -> None:
        """End it without any chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self, timeout_s: float = 60) -> None:
        """End it cleanly; its exit code is 0."""
        self.process.terminate()
        assert self.process.wait(timeout_s) == 0, (self.config / "up.log").read_text()[-4000:]
        self.log.close()

    def kill_inside_transaction(self, timeout_s: float) -> bool:
        """Kill -9 while it holds a write lock; False if none was met in time (it lives on).

        The process is frozen first, so what is seen is the state it dies in.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            os.kill(self.process.pid, signal.SIGSTOP)
            if any(_is_locked(p) for p in (self.config / "data").rglob("*.db")):
                self.kill()
                return True
            os.kill(self.process.pid, signal.SIGCONT)
            time.sleep(0.004)
        return False


def _is_locked(database: Path) -> bool:
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
        connection.execute("ROLLBACK")
        return False


def wait_until(happens: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll until something is true; says what was waited for when it is not."""
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
        time.sleep(0.1)
