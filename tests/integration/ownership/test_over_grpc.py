"""Ownership over real gRPC and a real row: take-over, hand-over, change of leader, no centre."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import grpc
import grpc.aio
from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.api.ownership.v1 import ownership_pb2_grpc
from bluewhale.database import Store
from bluewhale.database.terms import Terms
from bluewhale.ingest.ownership_service import OwnershipDoor
from bluewhale.ownership import Profile, Rules, boot_time
from bluewhale.remoteunit.ownership_client import CHANNEL_OPTIONS, OwnershipClient
from bluewhale.telemetry import Endpoint, Metrics

LINKS = {"smdr": ("unit-a", "unit-b")}
TWO = LINKS | {"cdr": ("unit-c", "unit-d")}
QUICK = Profile(lease_s=1.2, deadline_s=0.8, retry_s=0.2)
SLOW = Profile(lease_s=5.0, deadline_s=3.0, retry_s=0.4)
PATIENT = Profile(lease_s=20.0, deadline_s=15.0, retry_s=0.2)  # what is sooner waited for no lease


class Replica:
    """One ingest: a door on a port, with its own task."""

    def __init__(self, store: Store, profile: Profile, rules: Rules) -> None:
        self.store, self.metrics = store, Metrics()
        self.server = grpc.aio.server()
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.door = OwnershipDoor(
            lambda: Terms(store.db),
            lambda: rules,
            address=self.address,
            metrics=self.metrics,
            profile=profile,
            plaintext=True,
        )
        self.door.register(self.server)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.server.start()
        self.task = asyncio.create_task(self.door.run())

    async def die(self) -> None:
        """Gone at once: no answer any more, the term is not given up."""
        self.door.keeper._leader = None
        await self.stop()

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            await self.server.stop(0)
            self.task = None


class Host:
    """The links of one unit, without PBXs: which are read."""

    def __init__(
        self, unit_uid: str, centre: str, folder: Path, links: Collection[str] = LINKS
    ) -> None:
        self.links = links
        self.read: set[str] = set()
        self.metrics = Metrics()
        self.client = OwnershipClient(
            unit_uid,
            centre=centre,
            connect=self.connect,
            kept=folder / f"{unit_uid}.json",
            metrics=self.metrics,
            started=self.started,
            leave=self.leave,
            profile=QUICK,
        )
        self.client.use(links)
        self.task = asyncio.create_task(self.client.run())

    @staticmethod
    async def connect(address: str) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)

    def started(self) -> None:
        self.read |= {uid for uid in self.links if self.client.reads(uid)}

    async def leave(self, uid: str) -> None:
        await asyncio.sleep(0.05)
        self.read.discard(uid)

    async def vanish(self) -> None:
        """End as a process that is killed: nothing is given back."""

        async def unsent(_batch) -> None:
            await asyncio.sleep(0)

        self.client._send = unsent
        await self.stop()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Place:
    """What a test has: a store, replicas, units."""

    def __init__(self, folder: Path, profile: Profile, rules: Rules) -> None:
        self.folder, self.profile, self.rules = folder, profile, rules
        self.store = Store.open(folder / "store")
        self.replicas: list[Replica] = []
        self.hosts: list[Host] = []

    async def replica(self) -> Replica:
        replica = Replica(self.store, self.profile, self.rules)
        self.replicas.append(replica)
        await replica.start()
        return replica

    def host(self, unit_uid: str, centre: str, links: Collection[str] = LINKS) -> Host:
        host = Host(unit_uid, centre, self.folder, links)
        self.hosts.append(host)
        return host


@contextlib.asynccontextmanager
async def place(
    folder: Path, profile: Profile = QUICK, rules: Rules | None = None
) -> AsyncIterator[Place]:
    """Give a place whose parts all end with the block."""
    found = Place(folder, profile, rules or Rules(LINKS))
    try:
        yield found
    finally:
        for host in found.hosts:
            await host.stop()
        for replica in found.replicas:
            await replica.stop()
        found.store.close()


async def until(what: Callable[[], bool], timeout_s: float = 30.0) -> float:
    """Wait for something; give how long it took in seconds."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110 - conditions of several parts
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def scraped(metrics: Metrics) -> dict[str, float]:
    """Give the samples about ownership as a scraper gets them from /metrics."""

    def ask() -> str:
        with (
            Endpoint(metrics, dict, port=0) as door,
            urllib.request.urlopen(f"http://127.0.0.1:{door.port}/metrics") as reply,
        ):
            return str(reply.read().decode())

    found = {}
    for line in (await asyncio.to_thread(ask)).splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(("bluewhale_ownership", "bluewhale_lease")):
            found[name.removeprefix("bluewhale_")] = float(value)
    return found


async def order(replica: Replica, to: str) -> pb.BatchReply:
    """Order a hand-over as an operator, and ask how it stands."""
    async with grpc.aio.insecure_channel(replica.address) as channel:
        item = pb.Item(hand_over=pb.HandOver(link_uid="smdr", to=to))
        return await ownership_pb2_grpc.OwnershipStub(channel).Batch(
            pb.BatchRequest(items=[item, pb.Item(query=pb.Query())])
        )


def test_a_planned_hand_over_leaves_no_moment_with_two_and_takes_a_blink(tmp_path: Path):
    """Unit a reads; ordered to b: a stops first, then b reads, within 3 s."""

    async def run() -> None:
        async with place(tmp_path, PATIENT) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            await until(lambda: a.read == {"smdr"})
            b = here.host("unit-b", replica.address)
            await until(lambda: bool(b.client.side.owner("smdr")))
            reply = await order(replica, "unit-b")
            assert list(reply.results) == [pb.RESULT_OK, pb.RESULT_OK]
            assert [(s.link_uid, s.to) for s in reply.links] == [("smdr", "unit-b")]
            both = False

            def moved() -> bool:
                nonlocal both
                both = both or bool(a.read & b.read)
                return b.read == {"smdr"}

            assert await until(moved) < 30
            assert not both
            assert a.read == set()

    asyncio.run(run())


def test_a_unit_that_is_gone_is_replaced_after_its_lease(tmp_path: Path):
    """Unit a vanishes without a word: b reads after 1.2 s * 1.02 and a tick, not before."""

    async def run() -> None:
        async with place(tmp_path) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            await until(lambda: a.read == {"smdr"})
            b = here.host("unit-b", replica.address)
            await until(lambda: bool(b.client.side.owner("smdr")))
            await a.vanish()
            took = await until(lambda: b.read == {"smdr"})
            assert 0.9 < took < 30

    asyncio.run(run())


def test_units_of_one_installation_fail_over_each_by_its_own_lease(tmp_path: Path):
    """Units a and b have 1.2 s, c and d 5 s; a and c vanish together: b reads first, d after its lease."""

    async def run() -> None:
        rules = Rules(TWO, {"unit-c": SLOW, "unit-d": SLOW})
        async with place(tmp_path, rules=rules) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            c = here.host("unit-c", replica.address, ["cdr"])
            await until(lambda: (a.read, c.read) == ({"smdr"}, {"cdr"}))
            b = here.host("unit-b", replica.address)
            d = here.host("unit-d", replica.address, ["cdr"])
            await until(lambda: bool(b.client.side.owner("smdr") and d.client.side.owner("cdr")))
            await until(lambda: c.client.side.profile == SLOW)  # the row says 5 s by now
            assert a.client.side.profile == QUICK
            await until(lambda: c.client.side.lease_end - boot_time() > 4.0)
            began = time.monotonic()
            await asyncio.gather(a.vanish(), c.vanish())
            await until(lambda: b.read == {"smdr"})
            assert d.read == set()
            await until(lambda: d.read == {"cdr"})
            assert 4.0 < time.monotonic() - began < 60

    asyncio.run(run())


def test_a_unit_that_ends_cleanly_is_replaced_at_once(tmp_path: Path):
    """It gives its links back: b reads far sooner than a lease."""

    async def run() -> None:
        async with place(tmp_path, PATIENT) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            await until(lambda: a.read == {"smdr"})
            b = here.host("unit-b", replica.address)
            await until(lambda: bool(b.client.side.owner("smdr")))
            await a.stop()
            assert await until(lambda: b.read == {"smdr"}) < 10.0

    asyncio.run(run())


def test_another_replica_takes_the_term_and_owners_read_on(tmp_path: Path):
    """The leader dies: the owner keeps reading, the other replica confirms it by its own token."""

    async def run() -> None:
        async with place(tmp_path) as here:
            first = await here.replica()
            await until(lambda: first.door.keeper.leading() is not None)
            second = await here.replica()
            a = here.host("unit-a", second.address)  # the follower names the leader
            await until(lambda: a.read == {"smdr"})
            b = here.host("unit-b", second.address)
            await until(lambda: bool(b.client.side.owner("smdr")))
            await first.die()
            stopped = False

            def confirmed() -> bool:
                nonlocal stopped
                stopped = stopped or not a.read
                return a.client.side.token("smdr").term == 2

            await until(confirmed)
            assert not stopped
            assert b.read == set()

    asyncio.run(run())


def test_a_replica_that_ends_gives_the_term_up(tmp_path: Path):
    """The other one leads within a retry or two, without waiting for the lease."""

    async def run() -> None:
        async with place(tmp_path, PATIENT) as here:
            first = await here.replica()
            await until(lambda: first.door.keeper.leading() is not None)
            second = await here.replica()
            await first.door.keeper.resign()
            assert await until(lambda: second.door.keeper.leading() is not None) < 30

    asyncio.run(run())


def test_an_owner_without_centre_reads_on_and_a_restarted_one_too(tmp_path: Path):
    """No replica any more: a keeps reading; its next process reads again from its file."""

    async def run() -> None:
        async with place(tmp_path) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            await until(lambda: a.read == {"smdr"})
            await until((tmp_path / "unit-a.json").exists)
            await replica.die()
            await asyncio.sleep(2 * QUICK.lease_s)
            assert a.read == {"smdr"}
            await a.stop()
            again = here.host("unit-a", replica.address)
            assert await until(lambda: again.read == {"smdr"}) >= QUICK.deadline_s - 0.1
            standby = here.host("unit-b", replica.address)
            await asyncio.sleep(2 * QUICK.lease_s)
            assert standby.read == set()

    asyncio.run(run())


def test_a_unit_that_restarts_without_centre_goes_by_the_timings_that_it_was_told(tmp_path: Path):
    """Told 5/3/0.4 s and killed: the next process, which begins with 0.8 s, reads after 3 s."""

    async def run() -> None:
        rules = Rules(LINKS, {"unit-a": SLOW})
        async with place(tmp_path, rules=rules) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            kept = tmp_path / "unit-a.json"
            await until(lambda: kept.exists() and '"deadline_s": 3.0' in kept.read_text())
            await replica.die()
            await a.vanish()
            again = here.host("unit-a", replica.address)
            assert await until(lambda: again.read == {"smdr"}) >= SLOW.deadline_s - 0.1

    asyncio.run(run())


def test_a_unit_may_order_nothing_and_a_batch_has_a_limit(tmp_path: Path):
    """A hand-over in a unit's name is denied; 1,001 items are refused; both say why."""

    async def run() -> None:
        async with place(tmp_path) as here:
            replica = await here.replica()
            async with grpc.aio.insecure_channel(replica.address) as channel:
                stub = ownership_pb2_grpc.OwnershipStub(channel)
                item = pb.Item(hand_over=pb.HandOver(link_uid="smdr", to="unit-a"))
                found = []
                for items in ([item], [pb.Item(renew=pb.Renew())] * 1_001):
                    try:
                        await stub.Batch(pb.BatchRequest(unit_uid="unit-a", session=1, items=items))
                    except grpc.aio.AioRpcError as error:
                        found.append((error.code(), str(error.details()).partition(":")[0]))
            assert found == [
                (grpc.StatusCode.PERMISSION_DENIED, "not_operator"),
                (grpc.StatusCode.INVALID_ARGUMENT, "too_many_items"),
            ]

    asyncio.run(run())


def test_a_scraper_sees_who_leads_who_reads_and_why_links_moved(tmp_path: Path):
    """One planned hand-over, one failover; states, leases and times on ingest and on the units."""

    async def run() -> None:
        async with place(tmp_path) as here:
            replica = await here.replica()
            a = here.host("unit-a", replica.address)
            await until(lambda: a.read == {"smdr"})
            b = here.host("unit-b", replica.address)
            await until(lambda: bool(b.client.side.owner("smdr")))
            await order(replica, "unit-b")
            await until(lambda: b.read == {"smdr"})
            await asyncio.sleep(1.5)  # ingest looks once a second
            centre, first, second = [await scraped(x.metrics) for x in (replica, a, b)]
            assert (centre["ownership_leading"], centre["ownership_term"]) == (1.0, 1.0)
            assert states(centre) == {"owner": 1}
            assert centre['ownership_moves_total{cause="ordered"}'] == 1.0
            assert centre['ownership_unowned_seconds_count{cause="ordered"}'] == 1.0
            assert centre['ownership_unowned_seconds_sum{cause="ordered"}'] < QUICK.lease_s
            assert centre['lease_renew_seconds_count{lease="term"}'] >= 3.0
            assert centre['lease_left_seconds_count{lease="link"}'] >= 3.0
            assert states(first) == {"waiting": 1}
            assert states(second) == {"owner": 1}
            renewals = second['lease_renew_seconds_count{lease="link"}']
            assert renewals >= 3.0
            assert second['lease_renew_seconds_sum{lease="link"}'] < QUICK.lease_s * renewals
            left_s = second['lease_left_seconds_sum{lease="link"}'] / renewals
            assert 0.0 < left_s < QUICK.lease_s  # about a lease less one retry
            assert second["ownership_term"] == 1.0

            await b.vanish()
            await until(lambda: a.read == {"smdr"})
            expired = 'ownership_moves_total{cause="expired"}'
            async with asyncio.timeout(30):  # units are told first, then it is counted
                while expired not in (centre := await scraped(replica.metrics)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert centre[expired] == 1.0
            gone_s = centre['ownership_unowned_seconds_sum{cause="expired"}']
            assert QUICK.lease_s * 1.02 <= gone_s < 30  # since its last word

            await replica.die()
            await asyncio.sleep(2 * QUICK.lease_s)
            assert states(await scraped(a.metrics)) == {"out_of_contact": 1}

    asyncio.run(run())


def states(found: dict[str, float]) -> dict[str, int]:
    """Give how many links are in which state, none left out."""
    names = ("owner", "waiting", "told_to_leave", "out_of_contact")
    counts = {name: int(found[f'ownership_links{{state="{name}"}}']) for name in names}
    return {name: count for name, count in counts.items() if count}


def test_owner_and_leader_lost_in_the_same_moment_cost_one_more_lease(tmp_path: Path):
    """Both vanish: b reads after two leases with margin and some retries.

    Term 1.2 s * 1.02, seen within 0.2 s; hold-off 1.2 s * 1.02; told within 0.2 s:
    2.85 s; a busy machine may take ten times that.
    """

    async def run() -> None:
        async with place(tmp_path) as here:
            first = await here.replica()
            await until(lambda: first.door.keeper.leading() is not None)
            second = await here.replica()
            a = here.host("unit-a", second.address)
            await until(lambda: a.read == {"smdr"})
            b = here.host("unit-b", second.address)
            await until(lambda: bool(b.client.side.owner("smdr")))
            began = time.monotonic()
            await asyncio.gather(first.die(), a.vanish())
            await until(lambda: b.read == {"smdr"})
            assert time.monotonic() - began < 30

    asyncio.run(run())
