"""The main database is away at the start and in the middle: records of known units go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from bluewhale.capture import TemporaryError
from bluewhale.database import Store
from bluewhale.ingest import fleet
from bluewhale.messaging import MemoryLog

from tests.integration.ingest.places import (
    AVAYA,
    client_of,
    frame_of,
    ingest_on,
    until,
    write_configuration,
)
from tests.support.services import PostgresServer

pytestmark = [pytest.mark.services("postgres"), pytest.mark.slow]


def test_units_wait_for_the_first_look_at_the_database_and_then_do_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away: refused with a reason. There: welcome. Away again: frames flow, tokens are refused."""
    monkeypatch.setattr(fleet, "POLL_S", 0.1)
    log = MemoryLog()

    async def scenario(server: PostgresServer) -> None:
        server.halt()
        async with ingest_on(
            write_configuration(tmp_path, plaintext=True),
            lambda: log,
            open_store=lambda: Store.open(server.url, segments=tmp_path / "segments"),
        ) as (ingest, conditions):
            await until(lambda: conditions.latest["log"][0], "the log")
            async with client_of(ingest, "depot") as early:
                status, text = await early.ended()
                assert status is grpc.StatusCode.UNAVAILABLE
                assert text.startswith("database_unavailable: the main database was not reached")
            await asyncio.to_thread(server.start)
            await until(lambda: conditions.latest["database"][0], "the database", 60)
            async with client_of(ingest, "depot") as client:
                await client.frame(frame_of([b"one"]))
                await until(lambda: client.received.get(AVAYA) == 1, "a frame")
                await asyncio.to_thread(server.halt, immediate=True)
                await until(
                    lambda: not conditions.latest.get("revocations", (True, ""))[0],
                    "the outage to be noticed", 60,
                )  # fmt: skip
                assert conditions.latest["database"] == (True, "")
                await client.frame(frame_of([b"two"], first_seq=2))
                await until(lambda: client.received.get(AVAYA) == 2, "a frame without database")
                async with client_of(ingest, "shop") as other:
                    await until(lambda: other.of("welcome"), "another unit's welcome")
                with pytest.raises(TemporaryError):
                    ingest.enrolment.mint("depot", who="ada", now_ms=1)
                await asyncio.to_thread(server.start)
                await until(lambda: conditions.latest["revocations"][0], "the database again", 60)

    with PostgresServer() as server:
        asyncio.run(scenario(server))
