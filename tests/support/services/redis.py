"""Redis of our own on a free port; it keeps nothing on disk."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import Self

from tests.support.services.program import Missing, Program, free_ports


def missing() -> str:
    """Say what of it is not installed and how to get it; "" = nothing."""
    if shutil.which("redis-server") is None:
        return "redis-server is missing: apt-get install redis-server"
    return ""


class RedisServer:
    """A server that a test may stop, freeze, flush and start again on the same port."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self._folder = Path(tempfile.mkdtemp(prefix="bluewhale-redis-"))
        self._program: Program | None = None

    @property
    def url(self) -> str:
        """Its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; returns when it answers."""
        if why := missing():
            raise Missing(why)
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--save": "",
            "--appendonly": "no",
            "--dir": str(self._folder),
        }
        words = [word for pair in options.items() for word in pair]
        self._program = Program(["redis-server", *words], self._folder / "redis.log")
        self._program.wait_until(lambda: self._ask(b"PING\r\n") == b"+PONG\r\n", 20)

    def halt(self) -> None:
        """End it as kill -9 does; what it held is gone."""
        if self._program is not None:
            self._program.stop(signal.SIGKILL)
            self._program = None

    def pause(self) -> None:
        """Freeze it: connections stay and nobody answers."""
        assert self._program is not None
        self._program.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._program is not None
        self._program.send(signal.SIGCONT)

    def flush(self) -> None:
        """Forget everything, as an operator's FLUSHALL does."""
        assert self._ask(b"FLUSHALL\r\n") == b"+OK\r\n"

    def stop(self) -> None:
        """End it and delete everything."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, command: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as one:
                one.sendall(command)
                return one.recv(64)
        except OSError:
            return b""
