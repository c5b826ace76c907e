"""A running ingest whose term stands in a Lease, too: it leads, survives a silent API server, gives up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bluewhale.messaging import MemoryLog

from tests.integration.ingest.places import ingest_on, until, write_configuration
from tests.support.leases import LeaseServer


def test_without_rights_the_condition_says_what_to_grant(tmp_path: Path):
    """Units are served, nobody leads; granted, somebody does and the condition is good."""
    account = tmp_path / "account"
    account.mkdir()

    async def scenario(server: LeaseServer) -> None:
        path = write_configuration(
            tmp_path,
            ownership={
                "profile": "fast",
                "term": {"kubernetes": {"api": server.url, "credentials": str(account)}},
            },
        )
        server.status = 403
        async with ingest_on(path, MemoryLog) as (ingest, conditions):
            await until(lambda: "ownership" in conditions.latest, "the condition")
            good, told = conditions.latest["ownership"]
            assert not good
            assert "let the service account of ingest get, create and update leases" in told
            assert ingest.ownership.keeper.leading() is None
            server.status = 0
            await until(lambda: ingest.ownership.keeper.leading() is not None, "the term")
            await until(lambda: conditions.latest["ownership"][0], "the condition to be good")

    with LeaseServer(account) as server:
        asyncio.run(scenario(server))


def test_a_running_ingest_leads_by_both_and_goes_on_without_the_api_server(tmp_path: Path):
    """Longer than the lease of 6 s nobody answers there: the same term, without a break."""
    account = tmp_path / "account"
    account.mkdir()

    async def scenario(server: LeaseServer) -> None:
        path = write_configuration(
            tmp_path,
            ownership={
                "profile": "fast",
                "term": {"kubernetes": {"api": server.url, "credentials": str(account)}},
            },
        )
        async with ingest_on(path, MemoryLog) as (ingest, _):
            keeper = ingest.ownership.keeper
            await until(lambda: keeper.leading() is not None, "the term")
            spec = server.leases["bluewhale-ownership"]["spec"]
            assert spec["holderIdentity"].startswith("test_")
            assert spec["leaseDurationSeconds"] == 6
            await asyncio.to_thread(server.stop)
            ends_at = asyncio.get_running_loop().time() + 7
            while asyncio.get_running_loop().time() < ends_at:
                assert keeper.leading() is not None
                await asyncio.sleep(0.1)
            server.start()
            asked = len(server.asked)
            await until(lambda: len(server.asked) > asked + 2, "the Lease to be renewed")
            assert keeper.term == 1
        assert server.leases["bluewhale-ownership"]["spec"]["holderIdentity"] == ""

    with LeaseServer(account) as server:
        asyncio.run(scenario(server))
