"""The simulated switch: what it prints, and the door by which others stop it."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from bluewhale.cli.simulate.switch import Switch, door_of


@pytest.fixture
def door() -> Iterator[ThreadingHTTPServer]:
    """Give the open door of a switch with three lines, all printed at once."""
    switch = Switch([b"one\n", b"two\n", b"three\n"], lines_per_s=10_000)
    with switch, door_of(switch, "127.0.0.1", 0) as made:
        serving = threading.Thread(target=made.serve_forever, args=(0.02,))
        serving.start()
        while switch.printed < 3:
            time.sleep(0.001)
        yield made
        made.shutdown()
        serving.join()


def asked(door: ThreadingHTTPServer, *parts: bytes) -> tuple[bytes, object]:
    """Give the first line of the answer and its body; none comes before the last part is sent."""
    with socket.create_connection(door.server_address[:2], timeout=60) as sock:
        for part in parts[:-1]:
            sock.sendall(part)
            assert not select.select([sock], [], [], 0.1)[0]
        sock.sendall(parts[-1])
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], json.loads(body)


@pytest.mark.parametrize(
    "rest",
    [
        (b"Content-Length: 5\r\n\r\n", b"stop!"),
        # as the proxy of an API server passes it on: size in hexadecimal digits, an extension, the end
        (b"Transfer-Encoding: chunked\r\n\r\n", b"b;x=y\r\nstop it now\r\n", b"0\r\n\r\n"),
        (b"\r\n",),
    ],
    ids=["with a length", "in chunks", "without a body"],
)
def test_a_door_reads_all_that_it_is_sent_before_it_answers(door, rest):
    """Else the answer is lost with the connection, and the asker asks in vain."""
    assert asked(door, b"POST /stop HTTP/1.1\r\n", *rest) == (
        b"HTTP/1.0 200 OK",
        {"printed": 3},
    )
