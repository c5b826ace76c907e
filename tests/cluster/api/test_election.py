"""The lead of the operator by a Lease of a real API server."""

from __future__ import annotations

import asyncio

import pytest
from bluewhale.operator.election import Elector, read_lease
from bluewhale.operator.observed import ObjectId

from tests.cluster.api.places import Api, api_server, namespace

pytestmark = pytest.mark.cluster


class Replica:
    """A replica that stands for election."""

    def __init__(self, api: Api, lease: ObjectId, name: str) -> None:
        self.led, self.lost = asyncio.Event(), asyncio.Event()
        elector = Elector(
            api.cluster, lease, name, leading=self.led.set, lost=self.lost.set, retry_s=0.2
        )
        self.task = asyncio.create_task(elector.run())

    async def end(self) -> None:
        """End as on SIGTERM."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def test_one_replica_leads_gives_back_and_the_other_follows_at_once():
    """Two race for a Lease that nobody made; a Lease that somebody deletes changes nothing."""

    async def scenario() -> None:
        async with api_server() as api, namespace(api) as place:
            lease = ObjectId("Lease", place, "bluewhale-operator")
            replicas = {name: Replica(api, lease, name) for name in ("a", "b")}

            async def holder() -> str:
                return read_lease(await api.cluster.get(lease)).holder

            first = await api.until(holder, "a leader")
            second = "b" if first == "a" else "a"
            await asyncio.wait_for(replicas[first].led.wait(), 5)
            assert not replicas[second].led.is_set()
            found = await api.cluster.get(lease)
            assert found["spec"]["leaseDurationSeconds"] == 15
            assert found["spec"]["holderIdentity"] == first
            await replicas[first].end()
            await asyncio.wait_for(replicas[second].led.wait(), 5)
            assert await holder() == second
            assert read_lease(await api.cluster.get(lease)).transitions >= 1
            await replicas[second].end()
            assert await holder() == ""
            assert not any(one.lost.is_set() for one in replicas.values())

    asyncio.run(scenario())


def test_a_lease_that_is_deleted_is_made_again_by_somebody_and_one_alone_leads():
    """`kubectl delete lease` is no way to have two leaders for long."""

    async def scenario() -> None:
        async with api_server() as api, namespace(api) as place:
            lease = ObjectId("Lease", place, "bluewhale-operator")
            replicas = {name: Replica(api, lease, name) for name in ("a", "b")}

            async def holder() -> str:
                return read_lease(await api.cluster.get(lease)).holder

            before = await api.until(holder, "a leader")
            await asyncio.wait_for(replicas[before].led.wait(), 5)
            await api.cluster.delete(lease)
            after = await api.until(holder, "a leader again")
            await asyncio.sleep(2)
            assert await holder() == after
            working = {name for name, one in replicas.items() if one.led.is_set()}
            working -= {name for name, one in replicas.items() if one.lost.is_set()}
            assert working == {after}
            for one in replicas.values():
                await one.end()

    asyncio.run(scenario())
