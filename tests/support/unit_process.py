"""A Remote Unit as a process of the test: started, asked, killed, started again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml
from bluewhale.capture import FramingTable
from bluewhale.cli.simulate.setup import free_port
from bluewhale.connectors import framing_document


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 90.0) -> Any:
    """Wait until `condition()` is true, give it; fail naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)
    return found


def link(uid: str, stream_id: int, connector: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give the entry of a link, with the plain framing."""
    framing = framing_document(FramingTable())
    return {
        "link_uid": uid, "stream_id": stream_id, "connector": connector, "framing": framing, **more
    }  # fmt: skip


def document(*links: dict[str, Any], version: int = 1, **more: Any) -> tuple[int, str, bytes]:
    """Give version, hash and bytes of a unit document."""
    content = json.dumps({"links": list(links), "limits": {}, "trace": False} | more).encode()
    return version, hashlib.sha256(content).hexdigest(), content


class UnitProcess:
    """One unit over one data folder; the folder outlives the process."""

    def __init__(self, folder: Path, unit_uid: str, centre: str, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.health_port = folder, free_port()
        self.config = folder / "unit.yaml"
        self.log_path = folder / "unit.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.inside: list[str] = []  # a command that runs it, such as `ip netns exec`
        self.environment: dict[str, str] = {}  # besides that of the test
        self.settings = {
            "unit_uid": unit_uid,
            "centre": centre,
            "data": "data",
            "health_port": self.health_port,
            **settings,
        }

    def start(self) -> UnitProcess:
        """Start it; returns at once."""
        self.config.write_text(yaml.safe_dump(self.settings))
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.inside,
                    sys.executable,
                    "-m",
                    "bluewhale.remoteunit",
                    "--config",
                    str(self.config),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
            )
        return self

    def stop(self) -> int:
        """End it by SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it without a warning."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        self.process.wait(60)
        self.process = None

    def close(self) -> None:
        """End it however it stands."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is not None:
            print(self.log[-10_000:])  # what it said, beside what the test missed

    @property
    def log(self) -> str:
        """What it said, all starts."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def ask(self, path: str) -> tuple[int, str]:
        """Ask its health door; 0 = it does not answer."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.health_port}/{path}", timeout=5
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self) -> bool:
        """Say whether it is connected and configured."""
        return self.ask("readyz")[0] == 200

    @property
    def rss_mib(self) -> float:
        """Resident memory."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def send_lines(port: int, lines: list[bytes]) -> None:
    """Say lines to a TCP link as a PBX does, and hang up."""
    connection = wait_until(lambda: _connected(port), f"a listener on {port}")
    with connection:
        connection.sendall(b"".join(line + b"\r\n" for line in lines))


def _connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=60)
    except OSError:
        return None
