"""One program that a test starts: its log, its end, its freezing.

Owns processes. A program gets a session of its own (Ctrl-C in the terminal does
not reach it) and dies with whoever started it, however that one dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bluewhale.cli.simulate.setup import free_port


class Missing(RuntimeError):
    """A program is not installed; the text says how to get it."""


class Program:
    """A started program. `log` gets what it prints."""

    def __init__(self, command: Sequence[str], log: Path, *, user: str = "") -> None:
        self.log = log
        parts = [*_dying_with_us(user), *command]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                parts,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it is ready; a program that ends or is late raises with its last lines."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running() or time.monotonic() > deadline:
                state = "is not ready in time" if self.running() else "ended while starting"
                lines = self.log.read_text(errors="replace").splitlines()[-15:]
                self.stop(signal.SIGKILL)
                raise RuntimeError("\n".join([f"{self.log.stem} {state}:", *lines]))
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        if self.running():
            self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 60) -> None:
        """Send a signal and wait for the end; then SIGKILL."""
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(60)


def run_to_end(command: Sequence[str], *, user: str = "", timeout_s: float = 120) -> None:
    """Run a command that ends by itself; another exit code than 0 raises with what it said."""
    done = subprocess.run(
        [*_dying_with_us(user), *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        cwd="/",
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")


def _dying_with_us(user: str) -> list[str]:
    """Give the words before a command that tie its life to ours and drop root."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if user:
            raise Missing(f"setpriv, to run as {user} and not as root (package util-linux)")
        return []
    words = [setpriv, "--pdeathsig", "KILL"]
    if user:
        words += ["--reuid", user, "--regid", user, "--clear-groups"]
    return [*words, "--"]


def free_ports(count: int) -> list[int]:
    """Give ports that nobody uses now, all different."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


def port_open(port: int) -> bool:
    """Tell whether something listens on 127.0.0.1:port."""
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


def cache_folder() -> Path:
    """Give the folder for what is fetched once per machine."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "bluewhale"
