"""A real ingest for the operator to ask, and the certificate that lets it ask."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bluewhale.ingest.authority import Authority
from bluewhale.messaging import MemoryLog

from tests.integration.ingest.places import ingest_on, until


@contextlib.contextmanager
def ingest_in(folder: Path) -> Iterator[int]:
    """A real ingest in a thread of its own; gives the port of its units."""
    ready, end = threading.Event(), threading.Event()
    port: list[int] = []

    async def live() -> None:
        async with ingest_on(folder / "bluewhale.yaml", MemoryLog) as (made, conditions):
            await until(lambda: conditions.latest["database"][0], "the database")
            port.append(made.port)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield port[0]
    finally:
        end.set()
        thread.join()


def identity_of(folder: Path) -> Path:
    """Make the operator's key and certificate, as `bluewhale unit authority operator` does."""
    keys = folder / "identity"
    keys.mkdir()
    authority = Authority.open(folder / "authority")
    pair = authority.make_operator("bluewhale-operator", now=datetime.now(UTC))
    (keys / "operator.key").write_bytes(pair.key_pem)
    (keys / "operator.pem").write_bytes(pair.chain_pem)
    (keys / "ca.pem").write_bytes(authority.bundle_pem)
    return keys
