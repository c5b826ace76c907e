"""Which replica of the operator works: a Lease of the cluster, held by one at a time.

    step(state, seen, now) -> (state, action)

Owns the rule, as a pure function of what was seen and when by a clock that only goes
forward (and counts through suspend), and the loop around it. A leader that could not
renew for `DEADLINE_S` stops before anybody else may begin at `LEASE_S`. Clocks of
other machines do not count: a lease is old when it did not change for its duration
by our own clock. What the operator does is idempotent and goes to an API server that
orders writes, so a second leader would waste work, not break anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from bluewhale.capture import BluewhaleError
from bluewhale.operator.apply import Cluster
from bluewhale.operator.exceptions import ConflictError
from bluewhale.operator.observed import ObjectId
from bluewhale.telemetry import get_logger

LEASE_S, DEADLINE_S, RETRY_S = 15.0, 10.0, 2.0
RELEASED_S = 1  # of a lease that was given back


class Seen(NamedTuple):
    """The Lease as it was read; `version` "" = there is none."""

    holder: str = ""
    duration_s: float = LEASE_S
    version: str = ""
    transitions: int = 0


class Action(Enum):
    """What to do next."""

    WAIT = "wait"
    TAKE = "take"  # write the Lease with our name
    RENEW = "renew"
    STOP = "stop"  # we led and do not any more: end the process


@dataclass(frozen=True, slots=True)
class State:
    """What one replica knows."""

    identity: str
    leading: bool = False
    renewed_at: float = 0.0  # before the request that was last answered well
    version: str = ""  # of the Lease when it last changed
    changed_at: float = 0.0  # when we first saw that version


def step(state: State, seen: Seen | None, now: float) -> tuple[State, Action]:
    """Give the next state and what to do; None = the Lease could not be read."""
    if state.leading and now - state.renewed_at >= DEADLINE_S:
        return replace(state, leading=False), Action.STOP
    if seen is None:
        return state, Action.RENEW if state.leading else Action.WAIT
    if seen.version != state.version:
        state = replace(state, version=seen.version, changed_at=now)
    if seen.holder == state.identity and state.leading:
        return state, Action.RENEW
    if state.leading and seen.holder:
        return replace(state, leading=False), Action.STOP
    if not seen.version or not seen.holder or seen.holder == state.identity:
        return state, Action.TAKE
    if now - state.changed_at >= seen.duration_s:
        return state, Action.TAKE
    return state, Action.WAIT


def written(state: State, version: str, sent_at: float) -> State:
    """Give the state after a write of ours was taken."""
    return replace(state, leading=True, renewed_at=sent_at, version=version, changed_at=sent_at)


def lease_object(name: ObjectId, identity: str, seen: Seen, now: datetime) -> dict[str, Any]:
    """Give the Lease with our name, to be written over the version that was seen."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    moved = seen.holder != identity
    spec: dict[str, Any] = {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(LEASE_S),
        "renewTime": moment,
        "leaseTransitions": seen.transitions + (moved and bool(seen.version)),
    }
    if moved:
        spec["acquireTime"] = moment
    metadata = {"name": name.name, "namespace": name.namespace}
    if seen.version:
        metadata["resourceVersion"] = seen.version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": spec,
    }


def read_lease(found: Any) -> Seen:
    """Give what a Lease says."""
    if found is None:
        return Seen()
    spec = found.get("spec") or {}
    return Seen(
        spec.get("holderIdentity") or "",
        float(spec.get("leaseDurationSeconds") or LEASE_S),
        found["metadata"].get("resourceVersion", ""),
        int(spec.get("leaseTransitions") or 0),
    )


def _boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Elector:
    """Stands for election until stopped; `leading` is called once, `lost` at most once."""

    def __init__(
        self,
        cluster: Cluster,
        name: ObjectId,
        identity: str,
        *,
        leading: Callable[[], None],
        lost: Callable[[], None],
        clock: Callable[[], float] = _boot_time,
        retry_s: float = RETRY_S,
    ) -> None:
        self._cluster, self._name = cluster, name
        self._leading, self._lost, self._clock = leading, lost, clock
        self._retry_s = retry_s
        self._log = get_logger("operator")
        self.state = State(identity)

    async def run(self) -> None:
        """Stand until the lead is lost, or cancelled; a lead that is held is given back."""
        try:
            while True:
                if not await self._once():
                    return
                await asyncio.sleep(self._retry_s)
        finally:
            if self.state.leading:
                await asyncio.shield(self._give_back())

    async def _once(self) -> bool:
        seen: Seen | None
        try:
            async with asyncio.timeout(self._retry_s * 2):
                seen = read_lease(await self._cluster.get(self._name))
        except (BluewhaleError, TimeoutError) as error:
            self._log.warning("Lease cannot be read", error=str(error) or "no answer in time")
            seen = None
        self.state, action = step(self.state, seen, self._clock())
        if action is Action.STOP:
            self._lost()
            return False
        if seen is not None and action in {Action.TAKE, Action.RENEW}:
            await self._write(seen)
        return True

    async def _write(self, seen: Seen) -> None:
        sent_at, led = self._clock(), self.state.leading
        made = lease_object(self._name, self.state.identity, seen, datetime.now(UTC))
        try:
            async with asyncio.timeout(self._retry_s * 2):
                answer = await self._cluster.replace(made)
        except ConflictError:
            return  # somebody else was faster
        except (BluewhaleError, TimeoutError) as error:
            self._log.warning("Lease cannot be written", error=str(error) or "no answer in time")
            return
        self.state = written(self.state, answer["metadata"].get("resourceVersion", ""), sent_at)
        if not led:
            self._log.info("Leading", instance=self.state.identity)
            self._leading()

    async def _give_back(self) -> None:
        try:
            seen = read_lease(await self._cluster.get(self._name))
            if seen.holder != self.state.identity:
                return
            made = lease_object(self._name, self.state.identity, seen, datetime.now(UTC))
            made["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": RELEASED_S}
            await self._cluster.replace(made)
        except BluewhaleError as error:
            self._log.warning("Lease was not given back", error=str(error))
        self.state = replace(self.state, leading=False)
