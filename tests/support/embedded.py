"""A running embedded installation, seen from its PBX and from its journal."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from bluewhale.cli.simulate.play import Line
from bluewhale.database import Store

from tests.support.running import wait_until

PATIENCE_S = 90


def send(pbx: socket.socket, lines: Sequence[Line]) -> None:
    """Print lines as the PBX does."""
    pbx.sendall(b"".join(x.data for x in lines))


def records(lines: Sequence[Line]) -> int:
    """Count the lines that are calls."""
    return sum(x.kind == "record" for x in lines)


def stored(store: Store) -> tuple[int, int]:
    """Count the records that came, and those of them without a call."""
    days = store.completeness().days.to_pylist()
    return sum(d["received"] for d in days), sum(d["open"] for d in days)


def quicken(folder: Path) -> None:
    """Store soon, seal soon."""
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"] = {"window_ms": 300, "poll_interval_ms": 10, "hot_rows_max": 1000}
    path.write_text(yaml.safe_dump(document), "utf-8")


@contextlib.contextmanager
def connected(folder: Path) -> Iterator[socket.socket]:
    """Connect to the first link as its PBX."""
    links = yaml.safe_load((folder / "bluewhale.yaml").read_text("utf-8"))["links"]
    made: list[socket.socket] = []

    def connects() -> bool:
        with contextlib.suppress(OSError):
            made.append(socket.create_connection(("127.0.0.1", links[0]["connector"]["port"]), 30))
        return bool(made)

    wait_until(connects, PATIENCE_S, "the port")
    with made[0] as connection:
        yield connection


def journaled(folder: Path) -> int:
    """Count the records that the journal ever took."""
    return marks_of_journal(folder, "journaled_through")


def waiting(folder: Path) -> int:
    """Count the records that the journal holds."""
    return marks_of_journal(folder, "journaled_through - deleted_through")


def marks_of_journal(folder: Path, what: str) -> int:
    """Add a term up over all lanes."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "journal.db", timeout=30)) as journal:
        return journal.execute(f"SELECT COALESCE(SUM({what}), 0) FROM lane").fetchone()[0]
