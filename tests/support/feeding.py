"""Simulated PBXs that go on talking whatever happens on the other side."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from bluewhale.cli.simulate.play import Line
from bluewhale.cli.simulate.session import World

from tests.support.running import wait_until

FEED_PAUSE_S = 0.03
PATIENCE_S = 90


@dataclass
class Feeder:
    """Three PBXs that go on talking whatever happens on the other side.

    A file of calls in the folder, a few bytes of the growing file, a few lines on
    the socket. No line is ever sent twice; what was in flight when the collector
    died is lost on the wire and not asked for.
    """

    world: World
    shares: int  # the lines of each PBX are spread over so many steps
    sent: Counter[bytes] = field(default_factory=Counter)
    refused: int = 0

    def __post_init__(self) -> None:
        avaya, cucm, asterisk = self.world.pbxs
        links = yaml.safe_load((self.world.folder / "bluewhale.yaml").read_text("utf-8"))["links"]
        self.port = links[0]["connector"]["port"]
        self.inbox = self.world.folder / links[1]["connector"]["path"]
        self.tail = self.world.folder / links[2]["connector"]["path"] / "Master.csv"
        for folder in (self.inbox, self.tail.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self._head = next(x for x in self.world.lines[cucm.pbx_uid] if x.kind == "context").data
        files = [x for x in self.world.lines[cucm.pbx_uid] if x.kind != "context"]
        self._files = _dealt(files, self.shares)
        self._lines = _dealt(self.world.lines[avaya.pbx_uid], self.shares)
        text = b"".join(x.data for x in self.world.lines[asterisk.pbx_uid])
        size = -(-len(text) // self.shares)  # cuts lines anywhere
        self._text = [text[i : i + size] for i in range(0, len(text), size)]
        self._connection: socket.socket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.steps = 0

    @contextlib.contextmanager
    def feeding(self) -> Iterator[None]:
        """Feed in the background."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()
            self._hang_up()

    def _run(self) -> None:
        while not self._stopping.is_set() and self.steps < self.shares:
            self._step()
            time.sleep(FEED_PAUSE_S)

    def rest(self) -> None:
        """Send all that is left, as soon as somebody listens."""
        wait_until(self._connected, PATIENCE_S, "somebody to listen to the PBX")
        self.feed(self.shares)

    def _connected(self) -> bool:
        with contextlib.suppress(OSError):
            self._connection = socket.create_connection(("127.0.0.1", self.port), timeout=0.2)
        return self._connection is not None

    def feed(self, until: int) -> None:
        """Send up to that share, at once."""
        while self.steps < until:
            self._step()
        self._hang_up()

    def lines_of(self, call: int) -> list[Line]:
        """Give what the Avaya printed for a call."""
        return [x for x in self.world.lines[self.world.pbxs[0].pbx_uid] if x.call == call]

    def _step(self) -> None:
        k = self.steps
        self.steps += 1
        if self._files[k]:
            open_name = self.inbox / f"_{k}"
            open_name.write_bytes(self._head + b"".join(x.data for x in self._files[k]))
            open_name.rename(self.inbox / f"cdr_{k:05}")
        if k < len(self._text):
            with self.tail.open("ab") as file:
                file.write(self._text[k])
        for line in self._lines[k]:
            self._send(line.data)

    def _send(self, line: bytes) -> None:
        try:
            if self._connection is None:
                self._connection = socket.create_connection(("127.0.0.1", self.port), timeout=0.2)
            self.sent[line.rstrip(b"\r\n")] += 1
            self._connection.sendall(line)
        except OSError:  # nobody listens, or it died with the line on its way
            self.refused += 1
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _dealt(lines: list[Line], shares: int) -> list[list[Line]]:
    size = len(lines) / shares
    return [lines[round(i * size) : round((i + 1) * size)] for i in range(shares)]
