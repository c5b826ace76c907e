"""A door before PostgreSQL that cuts connections inside their COMMIT.

Only a COMMIT of records counts: one whose transaction sent rows by COPY, as the
sink's do. Which connection it hits is decided by who commits first.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal, Self

Cut = Literal["before", "after"]  # the server gets the COMMIT, or it does not
_COMMIT, _COPY = b"COMMIT\0", b"COPY "


class CuttingDoor:
    """Passes everything on; `cut` arms it for the next COMMIT that a client sends.

    `plan`: what becomes of the first COMMITs, one after the other; None = passed on.
    """

    def __init__(self, port: int, *, plan: Iterable[Cut | None] = ()) -> None:
        self._plan = iter(plan)
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._armed: Cut | None = None
        self._lock = threading.Lock()
        self.seen = 0  # COMMITs of records
        self.done: Counter[Cut] = Counter()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for one in self._open:
            one.close()

    @property
    def cuts(self) -> int:
        """How many connections were cut."""
        return self.done.total()

    def cut(self, when: Cut | None) -> None:
        """Cut at the next COMMIT: before the server gets it, or once it has answered; None = never."""
        with self._lock:
            self._armed = when

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except OSError:  # the server is away, and so is the door
                    client.close()
                    continue
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        silent = threading.Event()
        down = threading.Thread(target=self._down, args=(server, client, silent), daemon=True)
        down.start()
        rows = False
        with suppress(OSError):
            while data := client.recv(65536):
                rows = rows or _COPY in data
                when = None
                if _COMMIT in data:
                    when = self._take() if rows else None
                    rows = False
                if when == "after":
                    silent.set()  # what the server answers from here on reaches nobody
                if when != "before":
                    server.sendall(data)
                if when is not None:
                    if when == "after":
                        down.join(timeout=60)
                    break
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _take(self) -> Cut | None:
        with self._lock:
            when, self._armed = self._armed or next(self._plan, None), None
            self.seen += 1
            if when is not None:
                self.done[when] += 1
            return when

    @staticmethod
    def _down(server: socket.socket, client: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if silent.is_set():
                    return  # the answer to COMMIT: it stands now
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
