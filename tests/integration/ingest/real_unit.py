"""The unit's real client over a real journal, in the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bluewhale.capture import CapturedRecord
from bluewhale.ingest.service import Ingest
from bluewhale.journal import Journal
from bluewhale.remoteunit.uplink_client import UplinkClient
from bluewhale.uplink import UnitSide

from tests.integration.ingest.places import AVAYA, keys_of


class Unit:
    """The unit's real client over a real journal."""

    def __init__(self, journal: Journal, client: UplinkClient) -> None:
        self.journal, self.client = journal, client

    def write(self, texts: list[bytes]) -> None:
        """Journal records, as a connector does."""
        records = [CapturedRecord(text, None, 9, 1, 1_790_000_000_000) for text in texts]
        self.journal.append(AVAYA, records)
        self.client.journal_grew()


@contextlib.asynccontextmanager
async def real_unit(folder: Path, ingest: Ingest) -> AsyncIterator[Unit]:
    """Run a unit's journal and uplink against ingest."""
    assert ingest.credentials is not None
    keys = keys_of(ingest.credentials.authority(), "depot")

    async def credentials() -> object:
        return keys.credentials()

    with Journal.open(folder / "journal.db", quota_bytes=64 << 20) as journal:
        client = UplinkClient(
            UnitSide("depot", release="test"),
            journal,
            f"127.0.0.1:{ingest.port}",
            credentials=credentials,
            welcomed=lambda: None,
            not_welcomed=lambda _why: None,
            configure=lambda _document: None,
            set_log_level=lambda _level: None,
            traced=lambda: False,
            backoff_s_max=1.0,
        )
        task = asyncio.create_task(client.run())
        try:
            yield Unit(journal, client)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
