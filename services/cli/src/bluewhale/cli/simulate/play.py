"""Send what the PBXs print: to sockets with arbitrary chunks, to folders as files.

Owns delivery and its accidents (chunking, a lost connection with records sent
again). Every load is bounded: it ends when its lines are sent. Only this
machine's addresses are ever connected to.
"""

from __future__ import annotations

import ipaddress
import os
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECT_PATIENCE_S = 120.0  # a collector that begins on a new machine compiles first
CHUNK_BYTES_MAX = 700


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line of one PBX: its bytes with line end, and what it is.

    `kind`: "record", "context" (date line, header), "garbage".
    """

    data: bytes
    kind: str = "record"
    call: int = 0  # number of the call that printed it; 0 = none


@dataclass(slots=True)
class Sent:
    """What a link was really sent, for the completeness truth."""

    records: int = 0
    repeated: int = 0
    garbage: int = 0


def send_to_socket(
    host: str, port: int, lines: Sequence[Line], seed: int, *, reconnects: int = 1, resend: int = 3
) -> Sent:
    """Play PBX as TCP client: connect, send in arbitrary chunks, reconnect and re-send.

    After each lost connection the context lines and the last `resend` records
    are sent again, as switches do; the copies are duplicates, not calls.
    """
    if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
        raise ValueError(
            f"{host} is not an address of this machine; the simulator sends nowhere else"
        )
    r = random.Random(seed)
    cuts = sorted(r.sample(range(1, len(lines)), min(reconnects, max(len(lines) - 1, 0))))
    sent = Sent()
    begin = 0
    for end in [*cuts, len(lines)]:
        part = list(lines[begin:end])
        if begin:
            context = [x for x in lines[:begin] if x.kind == "context"][-1:]
            again = [x for x in lines[:begin] if x.kind == "record"][-resend:]
            part = [*context, *again, *part]
            sent.repeated += len(again)
        _stream(host, port, b"".join(x.data for x in part), r)
        sent.records += sum(x.kind == "record" for x in lines[begin:end])
        sent.garbage += sum(x.kind == "garbage" for x in lines[begin:end])
        begin = end
    return sent


def _stream(host: str, port: int, data: bytes, r: random.Random) -> None:
    deadline = time.monotonic() + CONNECT_PATIENCE_S
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=5)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    with connection:
        connection.settimeout(CONNECT_PATIENCE_S)
        at = 0
        while at < len(data):
            size = r.randint(1, CHUNK_BYTES_MAX)
            connection.sendall(data[at : at + size])
            at += size
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):  # the collector closes when it has read all
            pass


def write_files(folder: Path, name: str, lines: Sequence[Line], per_file: int) -> Sent:
    """Drop whole files: written under a leading "_" (still open), then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    head = [x for x in lines if x.kind == "context"]
    body = [x for x in lines if x.kind != "context"]
    sent = Sent()
    for k, begin in enumerate(range(0, len(body), per_file)):
        part = body[begin : begin + per_file]
        final = folder / name.format(k + 1)
        open_name = folder / f"_{final.name}"
        open_name.write_bytes(b"".join(x.data for x in [*head, *part]))
        open_name.rename(final)
        sent.records += sum(x.kind == "record" for x in part)
        sent.garbage += sum(x.kind == "garbage" for x in part)
    return sent


def append_to_file(path: Path, lines: Sequence[Line], seed: int) -> Sent:
    """Let one file grow in arbitrary steps, as a PBX that logs into it does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    r = random.Random(seed)
    data = b"".join(x.data for x in lines)
    with path.open("ab") as file:
        at = 0
        while at < len(data):
            size = r.randint(1, 20 * CHUNK_BYTES_MAX)
            file.write(data[at : at + size])
            file.flush()
            os.fsync(file.fileno())
            at += size
    return Sent(
        records=sum(x.kind == "record" for x in lines),
        garbage=sum(x.kind == "garbage" for x in lines),
    )
