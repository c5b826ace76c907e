"""Doing what was decided, for one resource at a time, and publishing links to the roles.

Owns the order of effects, what is remembered between two looks, and what wakes a
look. Does not own any rule (`decide`) or where resources come from (`handlers`).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from bluewhale.capture import BluewhaleError
from bluewhale.operator import specs
from bluewhale.operator.apply import Cluster
from bluewhale.operator.claims import Conflict, conflicts_of
from bluewhale.operator.comparing import is_as_wanted
from bluewhale.operator.conditions import wrong_with
from bluewhale.operator.decide import (
    Call,
    Configure,
    Decision,
    Event,
    HandOver,
    MintToken,
    Revoke,
    decide,
)
from bluewhale.operator.draining import leaving
from bluewhale.operator.exceptions import RefusedError
from bluewhale.operator.observed import Centre, Object, ObjectId, Observed, PodReport
from bluewhale.operator.resource import (
    API_VERSION,
    GROUP,
    KIND,
    Key,
    RemoteUnit,
    instant,
    read_resource,
)
from bluewhale.operator.settings import Settings
from bluewhale.operator.waves import UnitState, admitted_now
from bluewhale.telemetry import Metrics, get_logger

CONFLICTS_FOR_S = 1.0
AT_ONCE = 8
PUBLISH_EVERY_S = 0.5
ASKING_SHARE = 4.0  # an answer of a second is asked for every five
FOLLOWERS = f"{GROUP}/follows=units"  # pods of roles that read the published links
PUBLISHED = f"{GROUP}/units"  # annotations that make the kubelet renew mounted files at once
TOKEN = f"{GROUP}/token-expires"


class Store(Protocol):
    """What the operator watches, as it is now."""

    def resources(self) -> Iterable[RemoteUnit]:
        """Give every RemoteUnit."""
        ...

    def resource(self, key: Key) -> RemoteUnit | None:
        """Give one RemoteUnit."""
        ...

    def children(self, key: Key) -> Mapping[ObjectId, Object]:
        """Give the objects that belong to a RemoteUnit."""
        ...

    def pods(self, key: Key) -> Mapping[str, PodReport]:
        """Give the pods of its units, by unit."""
        ...

    def published(self) -> Object | None:
        """Give the ConfigMap that the roles follow."""
        ...

    @property
    def quiet_s(self) -> float:
        """Give how long ago any watch said something."""
        ...

    def saw_resource(self, resource: RemoteUnit) -> None:
        """Take a resource as the API server just answered it, ahead of the watch."""
        ...

    def saw_child(self, kind: str, body: Mapping[str, Any], *, gone: bool) -> None:
        """Take an object as the API server just answered it, ahead of the watch."""
        ...


class Ingest(Protocol):
    """What is asked of ingest; see `bluewhale.operator.centre`."""

    async def view(self) -> Centre: ...  # noqa: D102
    async def mint(self, unit: str) -> tuple[str, datetime]: ...  # noqa: D102
    async def configure(self, unit: str, overrides: Mapping[str, Any]) -> None: ...  # noqa: D102
    async def revoke(self, unit: str, reason: str) -> None: ...  # noqa: D102
    async def hand_over(self, link: str, to: str) -> None: ...  # noqa: D102


class Reconciler:
    """One per process that leads; everything on one event loop."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        ingest: Ingest,
        store: Store,
        *,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._cluster, self._ingest = settings, cluster, ingest
        self._store, self._metrics, self._clock = store, metrics, clock
        self._log = get_logger("operator")
        self.centre = Centre()
        self.asked = asyncio.Event()  # ingest answered, or did not, at least once
        self._took_s = 0.0  # the last answer of ingest
        self._locks: dict[Key, asyncio.Lock] = {}
        self._refused: dict[Key, str] = {}
        self._released: set[Key] = set()
        self._conflicts: tuple[float, dict[Key, int], dict[Key, tuple[Conflict, ...]]] = (0, {}, {})
        self._fragments: dict[Key, tuple[Any, str]] = {}
        self._publishing = asyncio.Lock()
        self._published_at = 0.0
        self._room = asyncio.Semaphore(AT_ONCE)

    # ---- one resource ------------------------------------------------------------------

    async def reconcile(self, key: Key) -> bool:
        """Look at a resource and do what follows; give whether nothing holds it any more."""
        async with self._locks.setdefault(key, asyncio.Lock()), self._room:
            began, outcome = time.monotonic(), "failed"
            try:
                released = await self._reconciled(key)
                outcome = "done"
            finally:
                self._metrics.add("bluewhale_operator_looks_total", outcome=outcome)
                self._metrics.observe("bluewhale_operator_look_seconds", time.monotonic() - began)
            return released

    async def _reconciled(self, key: Key) -> bool:
        resource = self._store.resource(key)
        if resource is None:
            self._forget(key)
            await self.publish()
            return True
        observed = self._observe(resource)
        if resource.deleting:
            observed = replace(
                observed,
                namespace_ending=await self._cluster.is_ending(resource.namespace),
                own_volumes=await self._own_volumes(resource),
            )
        decision = decide(
            resource,
            observed,
            self._settings,
            admitted=self._is_current(key) or key in self._admitted(),
        )
        await self._carry_out(resource, decision)
        return decision.released

    def _observe(self, resource: RemoteUnit) -> Observed:
        key = resource.key
        return Observed(
            now=self._clock(),
            centre=self.centre,
            children=self._store.children(key),
            pods=self._store.pods(key),
            conflicts=self._conflicts_of(resource),
            refused=self._refused.get(key, ""),
        )

    async def _own_volumes(self, resource: RemoteUnit) -> frozenset[str]:
        own = set()
        for unit in resource.units if resource.in_cluster else ():
            name = specs.journal_claim(unit)
            claim = await self._cluster.get(
                ObjectId("PersistentVolumeClaim", resource.namespace, name)
            )
            if claim is not None and claim["metadata"]["creationTimestamp"] >= resource.created:
                own.add(unit)
        return frozenset(own)

    async def _carry_out(self, resource: RemoteUnit, decision: Decision) -> None:
        key = resource.key
        minted: dict[str, str] = {}
        for call in decision.calls:
            try:
                await self._call(resource, call, minted)
            except BluewhaleError as error:
                self._log.warning("Ingest was asked in vain", error=str(error))
        refused = await self._apply_all(decision.apply)
        if refused != self._refused.get(key, ""):
            self._refused[key] = refused
            again = decide(resource, self._observe(resource), self._settings)
            decision = replace(
                decision, status=again.status, status_changed=True, events=again.events
            )
        (self._released.add if decision.released else self._released.discard)(key)
        await self._publish_if_changed(resource)
        for name in decision.delete:
            await self._cluster.delete(name)
        for event in decision.events:
            await self._tell(resource, event)
        if decision.status_changed or minted:
            status = _with_tokens(decision.status, minted)
            made = _status_object(resource, status)
            answer = await self._cluster.apply(made, subresource="status")
            self._store.saw_resource(read_resource(answer))
        if decision.remove_annotations:
            gone = dict.fromkeys(decision.remove_annotations)
            await self._cluster.annotate(_name_of(resource), gone)

    async def _apply_all(self, wanted: Iterable[Object]) -> str:
        """Apply objects; give what the API server refused, "" = nothing."""
        refused = []
        for made in wanted:
            try:
                answer = await self._cluster.apply(made)
                self._store.saw_child(made["kind"], answer, gone=False)
            except RefusedError as error:
                refused.append(f"{made['kind']} {made['metadata']['name']}: {error}")
        return "; ".join(refused)

    async def _call(self, resource: RemoteUnit, call: Call, minted: dict[str, str]) -> None:
        match call:
            case MintToken(unit):
                token, expires = await self._ingest.mint(unit)
                secret = specs.token_secret(resource, unit, token, expires)
                await self._cluster.apply(secret)
                minted[unit] = instant(expires)
                if (
                    resource.in_cluster
                ):  # a pod that was there before the Secret would wait a minute
                    pod = ObjectId("Pod", resource.namespace, specs.pod_of(unit))
                    await self._cluster.annotate(pod, {TOKEN: minted[unit]})
            case Configure(unit, overrides):
                await self._ingest.configure(unit, overrides)
            case HandOver(link, to):
                await self._ingest.hand_over(link, to)
            case Revoke(unit):
                await self._ingest.revoke(unit, f"RemoteUnit {resource.name} was deleted")

    async def _tell(self, resource: RemoteUnit, event: Event) -> None:
        """Write an event; the same one again renews its time, so that it never storms."""
        digest = hashlib.sha256(f"{resource.uid}{event.reason}".encode()).hexdigest()[:10]
        now = instant(self._clock())
        made = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{resource.name}.{digest}",
                "namespace": resource.namespace,
            },
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": resource.name,
                "namespace": resource.namespace,
                "uid": resource.uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:1024],
            "source": {"component": "bluewhale-operator"},
            "reportingComponent": "bluewhale.dev/operator",
            "reportingInstance": self._settings.pod,
            "firstTimestamp": now,
            "lastTimestamp": now,
        }
        try:
            await self._cluster.apply(made)
        except BluewhaleError as error:
            self._log.warning("Event was not written", error=str(error))

    def _forget(self, key: Key) -> None:
        self._refused.pop(key, None)
        self._released.discard(key)
        self._fragments.pop(key, None)
        self._locks.pop(key, None)

    # ---- all resources ------------------------------------------------------------------

    def _conflicts_of(self, resource: RemoteUnit) -> tuple[Conflict, ...]:
        made_at, generations, found = self._conflicts
        fresh = time.monotonic() - made_at < CONFLICTS_FOR_S
        if not fresh or generations.get(resource.key) != resource.generation:
            resources = list(self._store.resources())
            found = conflicts_of(resources)
            generations = {r.key: r.generation for r in resources}
            self._conflicts = (time.monotonic(), generations, found)
        return found.get(resource.key, ())

    def _is_current(self, key: Key) -> bool:
        children = self._store.children(key).items()
        return all(
            _image(child) == self._settings.unit_image
            for name, child in children
            if name.kind == "StatefulSet"
        )

    def _admitted(self) -> frozenset[Key]:
        states: dict[Key, list[UnitState]] = {}
        for resource in self._store.resources():
            pods = self._store.pods(resource.key)
            states[resource.key] = [
                UnitState(_image(child), unit.name in pods and pods[unit.name].ready)
                for unit, child in self._store.children(resource.key).items()
                if unit.kind == "StatefulSet"
            ]
        return admitted_now(states, self._settings.unit_image)

    async def _publish_if_changed(self, resource: RemoteUnit) -> None:
        published = self._store.published()
        found = (published.get("data") or {}) if published else {}
        if found.get(specs.fragment_name(resource.key)) != self._fragment(resource, found):
            await self.publish()

    async def publish(self) -> None:
        """Let the roles have the links of all resources; nothing to do is nothing done."""
        async with self._publishing:
            if is_as_wanted(self._parts(), self._store.published()):
                return
            # what a thousand new resources want goes together, not one by one
            pause_s = self._published_at + PUBLISH_EVERY_S - time.monotonic()
            await asyncio.sleep(max(0.0, pause_s))
            made = self._parts()
            answer = await self._cluster.apply(made)
            self._published_at = time.monotonic()
            self._store.saw_child("ConfigMap", answer, gone=False)
            await self._wake(made["metadata"]["annotations"][specs.WANTED])

    def _parts(self) -> dict[str, Any]:
        """Give the ConfigMap with the parts of all resources."""
        published = self._store.published()
        found = (published.get("data") or {}) if published else {}
        fragments = {
            specs.fragment_name(resource.key): text
            for resource in self._store.resources()
            if (text := self._fragment(resource, found)) is not None
        }
        return specs.units_configmap(self._settings, fragments)

    def _fragment(self, resource: RemoteUnit, published: Mapping[str, str]) -> str | None:
        """Give the part of a resource; one in conflict keeps what is in force, or has none."""
        key = resource.key
        if key in self._released:
            return None
        if self._conflicts_of(resource):
            return published.get(specs.fragment_name(key))
        made_of = (resource.uid, resource.generation, leaving(resource, self.centre))
        if self._fragments.get(key, (None, ""))[0] != made_of:
            self._fragments[key] = (made_of, specs.fragment_text(resource, made_of[2]))
        return self._fragments[key][1]

    async def _wake(self, mark: str) -> None:
        """Change the pods of the roles: a kubelet then renews their files at once."""
        namespace = self._settings.namespace
        for pod in await self._cluster.list("Pod", namespace, FOLLOWERS):
            name = ObjectId("Pod", namespace, pod["metadata"]["name"])
            await self._cluster.annotate(name, {PUBLISHED: mark})

    # ---- what wakes a look -----------------------------------------------------------------

    async def follow(self) -> None:
        """Ask ingest, and look at each resource that an answer concerns, until cancelled."""
        while True:
            try:
                await self._ask()
            except Exception:  # noqa: BLE001 - one bad answer must not end the watch over all others
                self._log.exception("Ingest was not understood")
            self.asked.set()
            self._measure()
            # thousands of units take their time: most of it is for others
            await asyncio.sleep(max(self._settings.poll_s, ASKING_SHARE * self._took_s))

    async def _ask(self) -> None:
        began = time.monotonic()
        before, self.centre = self.centre, await self._ingest.view()
        self._took_s = time.monotonic() - began
        concerned = [
            resource.key
            for resource in self._store.resources()
            if _concerns(resource, before) != _concerns(resource, self.centre)
        ]
        if self.asked.is_set():  # the first looks come by themselves
            await asyncio.gather(*(self._look(key) for key in concerned))

    def _measure(self) -> None:
        ready = Counter(_ready(resource) for resource in self._store.resources())
        for status in ("True", "False", "Unknown"):
            self._metrics.set("bluewhale_operator_resources", ready[status], ready=status)
        self._metrics.set("bluewhale_operator_watch_age_seconds", self._store.quiet_s)
        self._metrics.set("bluewhale_operator_ingest_answers", not self.centre.problem)

    async def _look(self, key: Key) -> None:
        try:
            await self.reconcile(key)
        except BluewhaleError as error:  # the resync comes back to it
            self._log.warning("Resource was not reconciled", error=str(error))


def _concerns(resource: RemoteUnit, centre: Centre) -> Any:
    """Give what of an answer changes a decision; figures wait for the next look.

    A person waits for those of a resource that is fenced or deleted.
    """
    waited_for = resource.fenced or resource.deleting
    units = [
        (
            *(r.state, r.version, r.certificate_not_after_ms),
            r.backlog_records if waited_for else r.backlog_records == 0,
            *(dict(r.overrides), dict(r.wrong), r.links),
        )
        for unit in resource.units
        if (r := centre.units.get(unit)) is not None
    ]
    links = [
        (x.owner, x.ready, x.shared, x.moving_to)
        for link in resource.links
        if (x := centre.links.get(link.name)) is not None
    ]
    return bool(centre.problem), units, links, wrong_with(resource, centre)


def _ready(resource: RemoteUnit) -> str:
    found = (c["status"] for c in resource.status.get("conditions", ()) if c["type"] == "Ready")
    return next(found, "Unknown")


def _image(stateful_set: Object) -> str:
    return str(stateful_set["spec"]["template"]["spec"]["containers"][0]["image"])


def _name_of(resource: RemoteUnit) -> ObjectId:
    return ObjectId(KIND, resource.namespace, resource.name)


def _with_tokens(status: Mapping[str, Any], minted: Mapping[str, str]) -> dict[str, Any]:
    units = [
        unit | ({"tokenExpires": minted[unit["name"]]} if unit["name"] in minted else {})
        for unit in status.get("units", ())
    ]
    return dict(status) | ({"units": units} if units else {})


def _status_object(resource: RemoteUnit, status: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": resource.name, "namespace": resource.namespace},
        "status": dict(status),
    }
