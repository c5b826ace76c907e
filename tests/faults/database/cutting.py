"""A door before PostgreSQL that cuts connections at their COMMIT."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Literal, Self

Cut = Literal["before", "after"]  # the server gets the COMMIT, or it does not
_COMMIT = b"COMMIT\0"


class CuttingDoor:
    """Passes everything on; `cut` arms it for the next COMMIT that a client sends."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._armed: Cut | None = None
        self._lock = threading.Lock()
        self.cuts = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for one in self._open:
            one.close()

    def cut(self, when: Cut | None) -> None:
        """Cut at the next COMMIT: before the server gets it, or once it has answered; None = never."""
        with self._lock:
            self._armed = when

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        silent = threading.Event()
        down = threading.Thread(target=self._down, args=(server, client, silent), daemon=True)
        down.start()
        with suppress(OSError):
            while data := client.recv(65536):
                when = self._take(data)
                if when == "after":
                    silent.set()  # what the server answers from here on reaches nobody
                if when != "before":
                    server.sendall(data)
                if when is not None:
                    if when == "after":
                        down.join(timeout=5)
                    break
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _take(self, data: bytes) -> Cut | None:
        with self._lock:
            if self._armed is None or _COMMIT not in data:
                return None
            when, self._armed = self._armed, None
            self.cuts += 1
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
