"""Which replica of the operator leads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from bluewhale.operator.election import (
    Action,
    Elector,
    Seen,
    State,
    lease_object,
    read_lease,
    step,
    written,
)
from bluewhale.operator.exceptions import ClusterError, ConflictError
from bluewhale.operator.observed import ObjectId

NAME = ObjectId("Lease", "bluewhale", "operator")


def test_a_lease_that_nobody_has_is_taken():
    """The first start, and after a clean end."""
    assert step(State("a"), Seen(), 100.0)[1] is Action.TAKE
    assert step(State("a"), Seen("", 1, "5"), 100.0)[1] is Action.TAKE


def test_a_lease_of_another_is_taken_when_it_stood_still_for_its_duration_by_our_clock():
    """The other's clock does not count."""
    state, action = step(State("b"), Seen("a", 15, "5"), 100.0)
    assert action is Action.WAIT
    assert step(state, Seen("a", 15, "5"), 114.9)[1] is Action.WAIT
    assert step(state, Seen("a", 15, "5"), 115.0)[1] is Action.TAKE


def test_a_lease_that_is_renewed_is_never_taken():
    """Each renewal begins the wait anew."""
    state = State("b")
    for turn in range(20):
        state, action = step(state, Seen("a", 15, str(turn)), 100.0 + 10 * turn)
        assert action is Action.WAIT


def test_a_leader_stops_at_its_deadline_well_before_another_may_begin():
    """10 s against 15 s, both from before the last good request."""
    leader = written(State("a"), "5", sent_at=100.0)
    assert step(leader, None, 109.9)[1] is Action.RENEW
    state, action = step(leader, None, 110.0)
    assert (state.leading, action) == (False, Action.STOP)


def test_a_leader_that_sees_another_name_stops_at_once():
    """Somebody else won by the rules, or by hand."""
    assert step(written(State("a"), "5", 100.0), Seen("b", 15, "6"), 101.0)[1] is Action.STOP


def test_a_deleted_lease_is_taken_again_by_its_leader():
    """Deleting the Lease ends nothing."""
    assert step(written(State("a"), "5", 100.0), Seen(), 101.0)[1] is Action.TAKE


def test_the_lease_counts_moves_and_names_the_version_it_replaces():
    """A compare-and-set: a version that is no longer there is a conflict."""
    now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    made = lease_object(NAME, "b", Seen("a", 15, "5", 3), now)
    assert made["metadata"]["resourceVersion"] == "5"
    assert made["spec"] == {
        "holderIdentity": "b",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-11-22T09:00:00.000000Z",
        "acquireTime": "2026-11-22T09:00:00.000000Z",
        "leaseTransitions": 4,
    }
    renewed = lease_object(NAME, "b", Seen("b", 15, "6", 4), now)["spec"]
    assert renewed["leaseTransitions"] == 4
    assert "acquireTime" not in renewed
    assert "resourceVersion" not in lease_object(NAME, "b", Seen(), now)["metadata"]


class OneLease:
    """An API server with one Lease: versions and conflicts as the real one has them."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.away = False

    async def get(self, name: ObjectId) -> Any:
        if self.away:
            raise ClusterError("away")
        return self.lease

    async def replace(self, made: Any) -> Any:
        if self.away:
            raise ClusterError("away")
        now = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if made["metadata"].get("resourceVersion") != now:
            raise ConflictError("changed meanwhile")
        self.version += 1
        meta = {**made["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**made, "metadata": meta}
        return self.lease


async def until(true: Any) -> None:
    """Wait at most a minute."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the condition is no event
            await asyncio.sleep(0.001)


def test_of_two_replicas_one_leads_and_the_other_follows_when_it_ends():
    """A clean end gives the lease back, so nobody waits for it to run out."""
    server, leading, lost = OneLease(), [], []

    def elector(name: str) -> Elector:
        return Elector(
            server,  # type: ignore[arg-type]
            NAME,
            name,
            leading=lambda: leading.append(name),
            lost=lambda: lost.append(name),
            retry_s=0.002,
        )

    async def scenario() -> None:
        first = asyncio.create_task(elector("a").run())
        await until(lambda: leading)
        second = asyncio.create_task(elector("b").run())
        await asyncio.sleep(0.02)
        assert leading == ["a"]
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await until(lambda: leading == ["a", "b"])
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

    asyncio.run(scenario())
    assert lost == []
    assert read_lease(server.lease) == Seen("", 1.0, str(server.version), 1)


@pytest.mark.parametrize("returns", [True, False])
def test_an_api_server_that_is_away_for_longer_than_the_deadline_ends_the_leader(returns: bool):
    """Shorter ends nothing."""
    server, lost, now = OneLease(), [], [100.0]
    elector = Elector(
        server,  # type: ignore[arg-type]
        NAME,
        "a",
        leading=lambda: None,
        lost=lambda: lost.append("a"),
        clock=lambda: now[0],
        retry_s=0.001,
    )

    async def scenario() -> None:
        running = asyncio.create_task(elector.run())
        await until(lambda: elector.state.leading)
        server.away = True
        now[0] += 9.0
        await asyncio.sleep(0.01)
        server.away = not returns
        await asyncio.sleep(0.01)
        now[0] += 9.0
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
    assert lost == ([] if returns else ["a"])
