"""PostgreSQL of our own, from the system's package, on a free port.

Owns initdb in a temporary folder, starting, stopping, restarting at once.
PostgreSQL refuses to run as root: then it runs as `postgres`, else `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.support.services.program import Missing, Program, free_ports, run_to_end

START_TIMEOUT_S = 60


def programs() -> Path | None:
    """Give the folder of initdb and postgres, the newest version; None = not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    installed = [p for p in places if (p / "initdb").exists() and (p / "postgres").exists()]
    return max(installed, key=lambda p: [int(w) for w in p.as_posix().split("/") if w.isdigit()],
               default=None)  # fmt: skip


def missing() -> str:
    """Say what of it is not installed and how to get it; "" = nothing."""
    if programs() is None:
        return "initdb is missing: apt-get install postgresql"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "setpriv is missing, to run it as another user than root: apt-get install util-linux"
    return ""


class PostgresServer:
    """A server in a temporary folder; user postgres, no password, loopback only."""

    def __init__(self, *, settings: dict[str, str] | None = None) -> None:
        (self.port,) = free_ports(1)
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "shared_buffers": "64MB",
            "max_connections": "100",
            **(settings or {}),
        }
        self._user = _other_user()
        self._folder = Path(tempfile.mkdtemp(prefix="bluewhale-postgres-"))
        self._program: Program | None = None

    @property
    def url(self) -> str:
        """The database `postgres` of this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, making its data folder the first time; returns when it answers."""
        folder = programs()
        if folder is None:
            raise Missing(missing())
        data, log = self._folder / "data", self._folder / "postgres.log"
        if not data.exists():
            self._make(folder, data)
        settings = [x for k, v in self._settings.items() for x in ("-c", f"{k}={v}")]
        command = [str(folder / "postgres"), "-D", str(data), "-p", str(self.port), *settings]
        sockets = ["-c", f"unix_socket_directories={self._folder}"]
        self._program = Program([*command, *sockets], log, user=self._user)
        ready = [str(folder / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self._program.wait_until(
            lambda: subprocess.run(ready, check=False).returncode == 0, START_TIMEOUT_S
        )

    def halt(self, *, immediate: bool = False) -> None:
        """Stop the server and keep its data; `immediate` = as after a crash."""
        if self._program is not None:
            self._program.stop(signal.SIGQUIT if immediate else signal.SIGINT)
            self._program = None

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start; `immediate` cuts every transaction and recovers from the log."""
        self.halt(immediate=immediate)
        self.start()

    def pause(self) -> None:
        """Freeze the server's first process: new connections hang."""
        assert self._program is not None
        self._program.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._program is not None
        self._program.send(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it and delete everything."""
        self.halt(immediate=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self, programs_folder: Path, data: Path) -> None:
        if self._user:
            shutil.chown(self._folder, self._user, self._user_group())
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        run_to_end([str(programs_folder / "initdb"), "-D", str(data), *options], user=self._user)

    def _user_group(self) -> int:
        return pwd.getpwnam(self._user).pw_gid


def _other_user() -> str:
    """Give the user to run as; "" = ourselves."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
