"""Orders to RemoteUnits: an annotation, and waiting until the operator carried it out.

Owns what is checked before an order, what counts as done, and what is said meanwhile.
Does not own the carrying out. An order that was not carried out in time is taken back
where it could surprise somebody later (a switchover), and stands where it is a state
that the person wants (a fence).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bluewhale.kubectl.asking import REMOTE_UNITS, Kubectl
from bluewhale.kubectl.exceptions import InputError, NotDoneError
from bluewhale.kubectl.resources import FENCED, SWITCHOVER, Key, Resource, Unit, read_resource

POLL_S = 0.5
# Units report every few seconds, the operator asks every 2 s: an earlier 0 may be from before the order.
SETTLED_S = 15.0
LOOK = "kubectl bluewhale status"


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders of one person; `say` tells what happens meanwhile."""

    kubectl: Kubectl
    say: Callable[[str], None]

    def find(self, name: str) -> Resource:
        """Give a RemoteUnit of the person's namespace.

        Raises
        ------
        InputError
            There is none.
        """
        body = self.kubectl.one(REMOTE_UNITS, name)
        if body is None:
            where = self.kubectl.namespace or "the namespace of this context"
            raise InputError(f"no RemoteUnit {name} in {where}; all of them: {LOOK} -A")
        return read_resource(body)

    def holder_of(self, name: str) -> tuple[Resource, str]:
        """Give the resource that a name means, and the unit; "" = all of its units."""
        body = self.kubectl.one(REMOTE_UNITS, name)
        if body is not None:
            return read_resource(body), ""
        for resource in map(read_resource, self.kubectl.objects(REMOTE_UNITS)):
            if name in resource.declared or any(u.name == name for u in resource.units):
                return resource, name
        raise InputError(f"no RemoteUnit and no unit {name} here; all of them: {LOOK} -A")

    # ---- who reads ---------------------------------------------------------------------

    def switchover(self, name: str, unit: str, *, timeout_s: float) -> float:
        """Let another unit read all links; give the seconds until the status said so."""
        resource = self.find(name)
        check_target(resource, unit)
        if resource.owners == {unit}:
            self.say(f"{unit} reads all links of {name} already")
            return 0.0
        began = time.monotonic()
        self._order(resource.key, {SWITCHOVER: unit})
        while (took := time.monotonic() - began) < timeout_s:
            time.sleep(POLL_S)
            resource = self._again(resource.key)
            if resource.owners == {unit}:
                return time.monotonic() - began
            if SWITCHOVER not in resource.annotations:
                raise NotDoneError(
                    f"the operator took the order back after {took:.1f} s; it says why:"
                    f" kubectl describe ru {name} -n {resource.namespace}"
                )
        self._order(resource.key, {SWITCHOVER: None})
        raise NotDoneError(
            f"{unit} did not read all links of {name} within {timeout_s:g} s; the order is taken"
            f" back. {reading(resource)}. {waits_for(resource)}"
        )

    def fence(self, name: str, *, timeout_s: float) -> float:
        """Let nobody read; give the seconds until the status said so."""
        resource = self.find(name)
        return self._turn(resource, {FENCED: "true"}, "Fenced", timeout_s=timeout_s)

    def unfence(self, name: str, *, timeout_s: float) -> float:
        """Let units read again; give the seconds until every link is read."""
        resource = self.find(name)
        if FENCED not in resource.annotations and not resource.is_so("Owned", "Fenced"):
            self.say(f"{name} is not fenced")
            return 0.0
        return self._turn(resource, {FENCED: None}, "", timeout_s=timeout_s)

    def _turn(
        self, resource: Resource, order: dict[str, str | None], reason: str, *, timeout_s: float
    ) -> float:
        began = time.monotonic()
        self._order(resource.key, order)
        while time.monotonic() - began < timeout_s:
            resource = self._again(resource.key)
            if resource.is_so("Owned", reason):
                return time.monotonic() - began
            time.sleep(POLL_S)
        raise NotDoneError(
            f"ordered, and not carried out within {timeout_s:g} s; the order stands."
            f" {waits_for(resource)}"
        )

    # ---- drain ------------------------------------------------------------------------

    def drain(self, name: str, *, timeout_s: float) -> float:
        """Wait until nothing of a resource, or of one unit, is missing in the main database.

        A resource is fenced first, and stays so. A unit gives its links to another one of its
        resource first. A resource that is being deleted is watched alone.
        """
        resource, unit = self.holder_of(name)
        began = time.monotonic()
        since = began
        if resource.deleting:
            self.say(f"{resource.name} is being deleted; the operator paused its links")
        elif unit:
            self._move_away(resource, unit, timeout_s=timeout_s)
            since = time.monotonic()
        elif resource.annotations.get(FENCED) != "true":
            self._turn(resource, {FENCED: "true"}, "Fenced", timeout_s=timeout_s)
            self.say(
                f"{resource.name} is fenced: nobody reads; PBXs wait or lose (syslog over UDP)"
            )
            since = time.monotonic()
        told = ""
        while time.monotonic() - began < timeout_s:
            body = self.kubectl.one(REMOTE_UNITS, resource.name, namespace=resource.namespace)
            if body is None:
                self.say(f"{resource.name} is deleted")
                return time.monotonic() - began
            resource = read_resource(body)
            units = [resource.unit(unit)] if unit else _units_of(resource)
            if (text := _holding(units)) != told:
                self.say(text)
                told = text
            settled = time.monotonic() - since >= SETTLED_S
            if all(u.empty for u in units) and settled and not resource.deleting:
                return time.monotonic() - began
            time.sleep(POLL_S)
        left = "; ".join(f"{u.name}: {u.holds}" for u in units if not u.empty)
        raise NotDoneError(
            f"not empty within {timeout_s:g} s: {left or 'the figures are not fresh yet'}."
            f" {waits_for(resource)}"
        )

    def _move_away(self, resource: Resource, unit: str, *, timeout_s: float) -> None:
        if unit not in resource.owners:
            self.say(f"{unit} reads no link of {resource.name}")
            return
        others = [
            u for u in resource.declared if u != unit and resource.unit(u).state == "connected"
        ]
        if not others:
            raise InputError(
                f"{unit} reads, and no other unit of {resource.name} is connected: add a standby"
                f" unit, or drain all of it: kubectl bluewhale drain {resource.name}"
            )
        named = Orders(
            Kubectl(
                self.kubectl.context,
                self.kubectl.kubeconfig,
                resource.namespace,
                program=self.kubectl.program,
            ),
            self.say,
        )
        took = named.switchover(resource.name, others[0], timeout_s=timeout_s)
        self.say(f"{others[0]} reads now ({took:.1f} s)")
        own = [link for link, preferred in resource.preferred.items() if preferred == unit]
        if own:
            self.say(
                f"{unit} is the preferred unit of {', '.join(own)}: unless spec.failback is Manual"
                " it reads again after holdSeconds of presence"
            )

    # ---- inside -----------------------------------------------------------------------

    def _order(self, key: Key, changes: dict[str, str | None]) -> None:
        self.kubectl.annotate(key[1], key[0], changes)

    def _again(self, key: Key) -> Resource:
        body = self.kubectl.one(REMOTE_UNITS, key[1], namespace=key[0])
        if body is None:
            raise NotDoneError(f"RemoteUnit {key[1]} was deleted meanwhile")
        return read_resource(body)


def check_target(resource: Resource, unit: str) -> None:
    """Refuse a switchover that cannot succeed, before anything is ordered.

    Raises
    ------
    InputError
        With a remedy.
    """
    if unit not in resource.declared:
        raise InputError(
            f"{unit} is no unit of {resource.name}; {', '.join(resource.declared)} are"
        )
    if len(resource.declared) == 1:
        raise InputError(
            f"{resource.name} has one unit; name a second one in spec.units.standby first"
        )
    if resource.annotations.get(FENCED) == "true":
        raise InputError(
            f"{resource.name} is fenced, nobody may read: kubectl bluewhale unfence {resource.name}"
        )
    if (state := resource.unit(unit).state) != "connected":
        raise InputError(
            f"{unit} is {state}, not connected, and could not read: {LOOK} {resource.name} says more"
        )


def reading(resource: Resource) -> str:
    """Say who reads which link."""
    known = {link.name: link.owner for link in resource.links}
    return "; ".join(f"{name}: {known.get(name) or 'nobody'}" for name in resource.link_names)


def waits_for(resource: Resource) -> str:
    """Say what the operator says is not well."""
    told = [f"{c.reason}: {c.message}" for c in resource.not_well if c.message]
    return told[0] if told else f"See kubectl describe ru {resource.name} -n {resource.namespace}"


def _units_of(resource: Resource) -> list[Unit]:
    names = dict.fromkeys([*resource.declared, *(u.name for u in resource.units)])
    return [resource.unit(name) for name in names]


def _holding(units: list[Unit]) -> str:
    return "\n".join(f"  {u.name}: {u.holds}" for u in units)
