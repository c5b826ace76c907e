"""A PBX that prints a call every now and then, whatever becomes of its readers.

Owns printing, the buffer of the PBX, who reads, and the count of what was printed:
with the seed of the world that is the truth. What nobody read waits, and a new
reader is sent the newest lines again, as PBXs with a buffer do. Two ways:

listen    readers connect to it (connector tcp_client); all get every line
connect   it connects to a reader (connector tcp_server)

    python -m bluewhale.cli.simulate.switch --pbx 0 --listen 9100 --door 8080
    python -m bluewhale.cli.simulate.switch --pbx 1 --connect units.example.svc:9000 --door 8080

The door answers GET /state (JSON) and POST /stop, which ends the printing.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import itertools
import json
import select
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self

from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.cli.simulate.session import World

LINES_PER_S = 20.0
SENT_AGAIN = 1200  # lines: a minute at that rate
ATONCE = 200
CONNECT_S = 2.0
SILENT_MS = 8_000  # a reader that acknowledges nothing for so long is given up
ANYWHERE = "0.0.0.0"  # noqa: S104 - readers are other machines


def calls_of(world: World, pbx: int) -> list[tuple[int, bytes]]:
    """Give number and lines of each call of a PBX, in the order of printing."""
    lines = world.lines[world.pbxs[pbx].pbx_uid]
    return [
        (number, b"".join(x.data for x in group))
        for number, group in itertools.groupby(lines, key=lambda x: x.call)
    ]


@dataclass(slots=True)
class Reader:
    """A connection: who, from when until when (seconds since 1970)."""

    address: str
    port: int
    since: float
    until: float | None = None


class Switch:
    """Prints to all who are connected; runs within the block."""

    def __init__(
        self,
        lines: Sequence[bytes],
        *,
        lines_per_s: float = LINES_PER_S,
        sent_again: int = SENT_AGAIN,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        connect: tuple[str, int] | None = None,
    ) -> None:
        self.lines = lines
        self.printed = 0
        self.readers: list[Reader] = []
        self._read = 0  # the furthest that any reader was sent
        self._rate, self._sent_again = lines_per_s, sent_again
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._print, name="printer", daemon=True)]
        self._listener: socket.socket | None = None
        self.port = 0
        if connect is None:
            self._listener = socket.create_server(listen)
            self.port = self._listener.getsockname()[1]
            self._begin(self._accept)
        else:
            self._begin(self._connect, connect)

    def __enter__(self) -> Self:
        for thread in list(self._threads):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._listener is not None:
            self._listener.close()
        for thread in self._threads:
            thread.join()

    def connected(self) -> list[Reader]:
        """Give who is connected now."""
        return [reader for reader in list(self.readers) if reader.until is None]

    def stop_printing(self) -> int:
        """Print no more; gives how many lines there are."""
        count = self.printed
        self.lines = self.lines[:count]
        return count

    def state(self) -> dict[str, object]:
        """Give what is known, for a door."""
        return {
            "printed": self.printed,
            "of": len(self.lines),
            "readers": [
                {"address": r.address, "port": r.port, "since": r.since, "until": r.until}
                for r in list(self.readers)
            ],
        }

    # ---- threads -------------------------------------------------------------------------

    def _begin(self, what: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=what, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        return thread

    def _print(self) -> None:
        began, before = time.monotonic(), self.printed
        while not self._ended.wait(1 / self._rate):
            due = before + int((time.monotonic() - began) * self._rate)
            self.printed = max(self.printed, min(due, len(self.lines)))

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._ended.is_set():
            if select.select([self._listener], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    sock, peer = self._listener.accept()
                    self._begin(self._serve, sock, peer).start()

    def _connect(self, target: tuple[str, int]) -> None:
        while not self._ended.wait(0.2):
            with contextlib.suppress(OSError):
                address = socket.gethostbyname(target[0])
                if not ipaddress.ip_address(address).is_private:
                    raise ValueError(
                        f"{target[0]} is no private address; simulators go nowhere else"
                    )
                sock = socket.create_connection((address, target[1]), timeout=CONNECT_S)
                self._serve(sock, (address, target[1]))

    def _serve(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        reader = Reader(peer[0], peer[1], time.time())
        self.readers.append(reader)
        at = max(0, min(self._read, self.printed) - self._sent_again)
        with sock, contextlib.suppress(OSError):
            sock.settimeout(SILENT_MS / 1000)
            with contextlib.suppress(AttributeError):  # Linux has it
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)
            while not self._ended.is_set():
                if select.select([sock], [], [], 0.02)[0] and not sock.recv(4096):
                    break
                until = min(self.printed, at + ATONCE)
                if until > at and select.select([], [sock], [], 0)[1]:
                    sock.sendall(b"".join(self.lines[at:until]))
                    at = until
                    self._read = max(self._read, at)
        reader.until = time.time()


class _Door(BaseHTTPRequestHandler):
    switch: Switch

    def do_GET(self) -> None:
        if self.path == "/state":
            self._answer(json.dumps(self.switch.state()))
        else:
            self.send_error(404, "GET /state, POST /stop")

    def do_POST(self) -> None:
        self._read_body()  # else the asker's pipe breaks
        if self.path == "/stop":
            self._answer(json.dumps({"printed": self.switch.stop_printing()}))
        else:
            self.send_error(404, "GET /state, POST /stop")

    def _read_body(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":  # by way of a proxy
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing for each question."""


def door_of(switch: Switch, host: str, port: int) -> ThreadingHTTPServer:
    """Give the door by which others ask for the state of a switch and stop it: GET /state, POST /stop."""
    return ThreadingHTTPServer((host, port), type("Door", (_Door,), {"switch": switch}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print until told to end."""
    from bluewhale.cli.simulate.session import World

    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pbxs", type=int, default=2, help="of the world")
    parser.add_argument("--pbx", type=int, default=0, help="which of them this is")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dialect", default="asterisk_csv")
    parser.add_argument("--lines-per-s", type=float, default=LINES_PER_S)
    parser.add_argument("--sent-again", type=int, default=SENT_AGAIN, help="lines")
    parser.add_argument("--listen", type=int, help="port for readers")
    parser.add_argument("--connect", help="host:port of a reader")
    parser.add_argument("--door", type=int, required=True, help="port of /state and /stop")
    chosen = parser.parse_args(arguments)
    if (chosen.listen is None) == (chosen.connect is None):
        parser.error("say --listen or --connect")
    world = World.of(Path(), chosen.pbxs, (chosen.dialect,), chosen.calls, chosen.seed, 0)
    lines = [data for _, data in calls_of(world, chosen.pbx)]
    host, _, port = (chosen.connect or "").rpartition(":")
    switch = Switch(
        lines,
        lines_per_s=chosen.lines_per_s,
        sent_again=chosen.sent_again,
        listen=(ANYWHERE, chosen.listen or 0),
        connect=(host, int(port)) if chosen.connect else None,
    )
    with switch, door_of(switch, ANYWHERE, chosen.door) as door:
        print(f"{world.pbxs[chosen.pbx].pbx_uid}: {len(lines)} calls", flush=True)
        door.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
