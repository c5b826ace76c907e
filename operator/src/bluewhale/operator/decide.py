"""What to do about one RemoteUnit: a pure function of its spec, of what is, and of now.

    decision = decide(resource, observed, settings)

Owns the rules. Deciding again on what was done decides nothing more. Does not own
doing it (`reconcile`), what objects look like (`specs`), what conditions say
(`conditions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from bluewhale.operator import conditions, specs
from bluewhale.operator.comparing import is_as_wanted
from bluewhale.operator.conditions import Finding
from bluewhale.operator.draining import (
    former,
    is_drained,
    leaving,
    overrides_of,
    was_revoked_before,
)
from bluewhale.operator.observed import Object, ObjectId, Observed, UnitReport, id_of
from bluewhale.operator.resource import ENROL, SWITCHOVER, Link, RemoteUnit, instant
from bluewhale.operator.settings import Settings
from bluewhale.operator.status import entry_of, status_of, token_waits
from bluewhale.operator.waves import UnitState, next_image

TOKEN_LIFE = timedelta(hours=1)
TOKEN_LATE = timedelta(minutes=10)  # with less left, a new one is made
FIGURES_EVERY = timedelta(seconds=60)
ENROLLED = frozenset({"enrolled", "connected"})
KNOWN = frozenset({"declared", "enrolled", "connected", "revoked"})  # to ingest


class MintToken(NamedTuple):
    """A token for a unit, put into a Secret."""

    unit: str


class Configure(NamedTuple):
    """What a unit runs by beside its links."""

    unit: str
    overrides: Mapping[str, Any]


class HandOver(NamedTuple):
    """The owner of a link stops, then another unit begins."""

    link: str
    to: str


class Revoke(NamedTuple):
    """End the certificates of a unit that is deleted."""

    unit: str


Call = MintToken | Configure | HandOver | Revoke


class Event(NamedTuple):
    """Something that `kubectl describe` shall tell."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in this order: calls, apply, delete, status, annotations.

    `released`: nothing holds the resource any more; the roles forget its links.
    """

    calls: tuple[Call, ...] = ()
    apply: tuple[Object, ...] = ()
    delete: tuple[ObjectId, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    status_changed: bool = False
    events: tuple[Event, ...] = ()
    remove_annotations: tuple[str, ...] = ()
    released: bool = False


def decide(
    resource: RemoteUnit, observed: Observed, settings: Settings, *, admitted: bool = True
) -> Decision:
    """Give what to do now.

    admitted: its pods may get a new image (`waves.admitted_now`).
    """
    found = conditions.findings(resource, observed)
    events = list(_turned(resource, found))
    if resource.deleting:
        return _deletion(resource, observed, found, events)
    calls: tuple[Call, ...] = ()
    apply: tuple[Object, ...] = ()
    delete: tuple[ObjectId, ...] = ()
    remove: tuple[str, ...] = ()
    if not observed.conflicts:
        calls = tuple(_calls(resource, observed))
        wanted = list(_objects(resource, observed, settings, admitted=admitted))
        apply = tuple(o for o in wanted if not is_as_wanted(o, observed.children.get(id_of(o))))
        delete = tuple(_superfluous(resource, observed, wanted))
        remove = tuple(_done_orders(resource, observed, events))
    status = status_of(resource, observed, found)
    return Decision(
        calls=calls,
        apply=apply,
        delete=delete,
        status=status,
        status_changed=_worth_writing(resource, status, observed.now),
        events=tuple(events),
        remove_annotations=remove,
    )


# ---- calls to ingest ----------------------------------------------------------------------


def _calls(resource: RemoteUnit, observed: Observed) -> Iterator[Call]:
    if observed.centre.problem:
        return
    for unit in resource.units:
        report = observed.centre.units.get(unit)
        if report is None or report.state not in KNOWN:
            continue
        if _wants_token(resource, report, observed.now):
            yield MintToken(unit)
        overrides = overrides_of(resource, paused=resource.fenced)
        if dict(report.overrides) != overrides:
            yield Configure(unit, overrides)
    yield from _hand_overs(resource, observed)
    paused = overrides_of(resource, paused=True)
    going = leaving(resource, observed.centre)
    for unit in former(resource):
        report = observed.centre.units.get(unit)
        if report is None or report.state not in KNOWN:
            continue
        if unit not in going and report.state in ENROLLED:
            yield Revoke(unit)
        elif unit in going and dict(report.overrides) != paused:
            yield Configure(unit, paused)


def _wants_token(resource: RemoteUnit, report: UnitReport, now: datetime) -> bool:
    if resource.annotations.get(ENROL) == report.name:
        return True
    if report.certificate_not_after_ms:
        return False
    if report.state == "revoked" and not was_revoked_before(resource, report):
        return False
    expires = token_expiry(resource, report.name)
    return expires is None or expires - now < TOKEN_LATE


def token_expiry(resource: RemoteUnit, unit: str) -> datetime | None:
    """Give until when a token waits for a unit, as the status says; None = none waits."""
    expires = entry_of(resource.status, "units", unit).get("tokenExpires")
    return datetime.fromisoformat(expires) if expires else None


def _hand_overs(resource: RemoteUnit, observed: Observed) -> Iterator[HandOver]:
    to = resource.annotations.get(SWITCHOVER)
    if to not in resource.units:
        return
    for link in resource.links:
        report = observed.centre.links.get(link.name)
        if report is None or not report.shared or report.owner == to:
            continue
        if to in report.ready and report.moving_to != to:
            yield HandOver(link.name, to)


def _done_orders(resource: RemoteUnit, observed: Observed, events: list[Event]) -> Iterator[str]:
    """Give the orders (annotations) that are carried out, or cannot be."""
    to = resource.annotations.get(SWITCHOVER)
    if to is not None and to not in resource.units:
        known = conditions.names(resource.units)
        events.append(Event("Warning", "SwitchoverRefused", f"{to} is no unit of it; {known} are"))
        yield SWITCHOVER
    elif to is not None and not observed.centre.problem:
        owners = {owner_of(resource, observed, link.name) for link in resource.links}
        if owners == {to}:
            events.append(Event("Normal", "SwitchedOver", f"{to} reads all links"))
            yield SWITCHOVER
        elif not any(to in r.ready for r in observed.centre.links.values()):
            text = f"{to} does not ask for a link yet; it must be connected"
            events.append(Event("Warning", "SwitchoverWaits", text))
    unit = resource.annotations.get(ENROL)
    if unit is not None and unit not in resource.units:
        known = conditions.names(resource.units)
        events.append(Event("Warning", "EnrolRefused", f"{unit} is no unit of it; {known} are"))
        yield ENROL
    elif unit is not None and any(
        isinstance(call, MintToken) and call.unit == unit for call in _calls(resource, observed)
    ):
        yield ENROL


# ---- objects of the cluster ------------------------------------------------------------------


def owner_of(resource: RemoteUnit, observed: Observed, link: str) -> str:
    """Give the unit that reads a link, "" = nobody that is known."""
    report = observed.centre.links.get(link)
    return report.owner if report is not None and report.owner in resource.units else ""


def _objects(
    resource: RemoteUnit, observed: Observed, settings: Settings, *, admitted: bool
) -> Iterator[Object]:
    if resource.in_cluster:
        states = {unit: _state(resource, observed, unit) for unit in resource.units}
        owners = {owner_of(resource, observed, link.name) for link in resource.links}
        for unit in resource.units:
            image = next_image(
                unit, settings.unit_image, resource.units, states, owners, admitted=admitted
            )
            yield specs.unit_configmap(resource, unit, settings)
            yield specs.stateful_set(resource, unit, settings, image=image)
        if len(resource.units) > 1:
            yield specs.disruption_budget(resource)
    for link in resource.links:
        service = specs.unit_service(resource, link, entitled=_entitled(resource, observed, link))
        if service is not None:
            yield service
        if len(resource.units) > 1:
            yield specs.link_lease(resource, link, owner=_mirrored(resource, observed, link.name))


def _entitled(resource: RemoteUnit, observed: Observed, link: Link) -> str:
    """Give the unit that a Service leads to: the owner, else as before, else the preferred one."""
    owner = owner_of(resource, observed, link.name)
    if owner:
        return owner
    found = observed.children.get(ObjectId("Service", resource.namespace, f"link-{link.name}"))
    before = str(found["spec"].get("selector", {}).get(specs.UNIT, "")) if found else ""
    return before if before in resource.units else resource.preferred_of(link)


def _state(resource: RemoteUnit, observed: Observed, unit: str) -> UnitState:
    found = observed.children.get(ObjectId("StatefulSet", resource.namespace, unit))
    image = found["spec"]["template"]["spec"]["containers"][0]["image"] if found else ""
    pod = observed.pods.get(unit)
    return UnitState(image, pod is not None and pod.ready)


def _mirrored(resource: RemoteUnit, observed: Observed, link: str) -> str:
    """Give the owner of a link; while ingest does not answer, the one that was told last."""
    if not observed.centre.problem:
        return owner_of(resource, observed, link)
    found = observed.children.get(ObjectId("Lease", resource.namespace, f"link-{link}"))
    return str(found["spec"].get("holderIdentity", "")) if found else ""


def _superfluous(
    resource: RemoteUnit, observed: Observed, wanted: list[Object]
) -> Iterator[ObjectId]:
    """Give what is there and no longer wanted; a unit goes when its journal is empty."""
    kept = {id_of(made) for made in wanted}
    going = leaving(resource, observed.centre)
    for name, child in observed.children.items():
        if name not in kept and _unit_of(child) not in going:
            yield name
            if name.kind == "StatefulSet":
                claim = specs.journal_claim(name.name)
                yield ObjectId("PersistentVolumeClaim", name.namespace, claim)
    for unit in resource.units:
        report = observed.centre.units.get(unit)
        if report is None or resource.annotations.get(ENROL) == unit:
            continue
        if token_expiry(resource, unit) and not token_waits(resource, report, observed.now):
            yield ObjectId("Secret", resource.namespace, specs.token_name(unit))


def _unit_of(child: Object) -> str:
    return str(child["metadata"].get("labels", {}).get(specs.UNIT, ""))


# ---- the end --------------------------------------------------------------------------------


def _deletion(
    resource: RemoteUnit, observed: Observed, found: Mapping[str, Finding], events: list[Event]
) -> Decision:
    """Pause the links, wait until every record is stored, revoke, let go."""
    status = status_of(resource, observed, found)
    reachable = not observed.centre.problem
    taken = {conflict.what for conflict in observed.conflicts}
    # what another resource has is not ours to end
    units = [u for u in (*resource.units, *former(resource)) if f"unit {u}" not in taken]
    reports = {unit: observed.centre.units.get(unit) for unit in units}
    paused = overrides_of(resource, paused=True)
    known = "drainedTime" in resource.status
    drained = known or (
        reachable and all(r is None or is_drained(resource, r, paused) for r in reports.values())
    )
    # a namespace that goes takes the pods of units and their volumes with it: nobody could deliver
    if not (drained or resource.forced or observed.namespace_ending):
        pause = [
            Configure(report.name, paused)
            for report in reports.values()
            if report is not None and report.state in KNOWN and dict(report.overrides) != paused
        ]
        return Decision(
            calls=tuple(pause) if reachable else (),
            status=status,
            status_changed=_worth_writing(resource, status, observed.now),
            events=tuple(events),
        )
    if not drained and resource.forced:
        text = "deleted with undelivered records, as ordered; the volumes of its journals are kept"
        events.append(Event("Warning", "ForceDeleted", text))
    revoke = [
        Revoke(report.name)
        for report in reports.values()
        if report is not None and report.state in ENROLLED
    ]
    if revoke and drained and not known:  # written down first: who is revoked says nothing more
        status["drainedTime"] = instant(observed.now)
        return Decision(status=status, status_changed=True, events=tuple(events))
    claims = [
        ObjectId("PersistentVolumeClaim", resource.namespace, specs.journal_claim(unit))
        for unit, report in reports.items()
        # a volume that an earlier resource left may hold records
        if report is None
        or not was_revoked_before(resource, report)
        or unit in observed.own_volumes
    ]
    return Decision(
        calls=tuple(revoke) if reachable else (),
        delete=tuple(claims) if drained and resource.in_cluster else (),
        events=tuple(events),
        released=True,
    )


# ---- what is told ------------------------------------------------------------------------------


def _turned(resource: RemoteUnit, found: Mapping[str, Finding]) -> Iterator[Event]:
    """Tell a turn of Ready alone: the others are its reasons, and one story is enough."""
    before = resource.status.get("conditions", ())
    for finding in conditions.turned(before, found):
        if finding.type == "Ready":
            kind: Literal["Normal", "Warning"] = (
                "Warning" if finding.status == "False" and before else "Normal"
            )
            yield Event(kind, finding.reason, finding.message or "records arrive")


def _worth_writing(resource: RemoteUnit, status: Mapping[str, Any], now: datetime) -> bool:
    """Say whether a status must be written: at once what turned, else figures once a minute."""
    before = resource.status
    if _turning(before) != _turning(status):
        return True
    if {k: v for k, v in before.items() if k != "reportedTime"} == {
        k: v for k, v in status.items() if k != "reportedTime"
    }:
        return False
    if resource.fenced or resource.deleting:
        return True  # a person waits for the last record to be stored
    written = before.get("reportedTime")
    return written is None or now - datetime.fromisoformat(written) >= FIGURES_EVERY


def _turning(status: Mapping[str, Any]) -> Any:
    conditions_ = [
        (c["type"], c["status"], c["reason"], c.get("observedGeneration"))
        for c in status.get("conditions", ())
    ]
    units = [(u["name"], u.get("state"), u.get("tokenExpires")) for u in status.get("units", ())]
    return status.get("owner"), status.get("version"), conditions_, units
