"""A RemoteUnit as values, and what of it is not well. Pure functions.

Owns how the plugin reads the status that the operator writes. Does not own its words:
messages with their remedies are shown as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

GROUP = "bluewhale.dev"
# the operator's door; a test holds these equal to bluewhale.operator.resource
FENCED = f"{GROUP}/fenced"
SWITCHOVER = f"{GROUP}/switchover-to"
ENROL = f"{GROUP}/enrol"
FORCE_DELETE = f"{GROUP}/force-delete"
TOKEN_EXPIRES = f"{GROUP}/token-expires"

Key = tuple[str, str]  # namespace, name


class Condition(NamedTuple):
    """One condition, as the operator said it."""

    type: str
    status: str
    reason: str
    message: str


class Unit(NamedTuple):
    """One unit of a resource; None = not told."""

    name: str
    state: str
    version: str = ""
    backlog_records: int | None = None
    journal_percent: int | None = None
    token_expires: str = ""
    certificate_until: str = ""
    backlog_age: str = ""
    buffer_days: str = ""
    gaps: int | None = None

    @property
    def empty(self) -> bool:
        """Say whether nothing of it is missing in the main database; what is not told is not."""
        if self.state in {"declared", "undeclared"} and not self.certificate_until:
            return True  # it never had a certificate, so it never took anything
        return self.state == "connected" and self.backlog_records == 0

    @property
    def holds(self) -> str:
        """Say in words what it holds."""
        if self.empty:
            return "nothing left"
        if self.state != "connected":
            return f"{self.state}, not connected: what it holds is not known"
        if self.backlog_records is None:
            return "does not say what it holds"
        return f"{self.backlog_records:,} records that are not stored yet"


class Link(NamedTuple):
    """One link of a resource."""

    name: str
    owner: str
    state: str
    address: str
    last_record: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A RemoteUnit."""

    namespace: str
    name: str
    created: str
    in_cluster: bool
    declared: tuple[str, ...]  # units of the spec, the preferred one first
    link_names: tuple[str, ...]
    preferred: Mapping[str, str]  # by link: the unit that reads it while it is there
    annotations: Mapping[str, str]
    deleting: bool
    current: bool  # the status speaks of this spec
    conditions: Mapping[str, Condition]
    units: tuple[Unit, ...]
    links: tuple[Link, ...]
    status: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """Give namespace and name."""
        return self.namespace, self.name

    @property
    def owners(self) -> set[str]:
        """Give the units that read its links; "" stands for a link that nobody reads."""
        found = {link.name: link.owner for link in self.links}
        return {found.get(name, "") for name in self.link_names}

    def unit(self, name: str) -> Unit:
        """Give a unit, also one that the status does not have yet."""
        return next((u for u in self.units if u.name == name), Unit(name, "undeclared"))

    def is_so(self, condition: str, reason: str = "") -> bool:
        """Say whether a condition is True, or has a reason, for this very spec."""
        found = self.conditions.get(condition)
        if found is None or not self.current:
            return False
        return found.reason == reason if reason else found.status == "True"

    @property
    def not_well(self) -> list[Condition]:
        """Give what a person should look at; Ready alone where it says all there is to say."""
        if not self.conditions:
            text = "the operator has not looked at it yet: kubectl get pods -A -l app.kubernetes.io/component=operator"
            return [Condition("Ready", "Unknown", "NotSeen", text)]
        ready = self.conditions.get("Ready")
        if self.deleting and ready is not None:
            return [ready]
        wrong = [c for c in self.conditions.values() if c.status != "True" and c.type != "Ready"]
        told: list[Condition] = []
        for condition in wrong:
            if all(condition.message != other.message or not condition.message for other in told):
                told.append(condition)
        if not told and ready is not None and ready.status != "True":
            told = [ready]
        if not self.current:
            text = "the operator has not taken the last change of the spec yet"
            told.append(Condition("Ready", "Unknown", "SpecChanged", text))
        return told

    @property
    def worth_a_look(self) -> list[Condition]:
        """Give what the operator says though records arrive, such as a PBX that is away."""
        ready = self.conditions.get("Ready")
        if self.not_well or ready is None or not ready.message:
            return []
        return [ready]


def read_resource(body: Mapping[str, Any]) -> Resource:
    """Give the values of a RemoteUnit as the API server has it."""
    meta, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    units = spec.get("units") or {"preferred": meta["name"]}
    return Resource(
        namespace=meta["namespace"],
        name=meta["name"],
        created=meta.get("creationTimestamp", ""),
        in_cluster=spec.get("runs", "InCluster") == "InCluster",
        declared=(units["preferred"], *units.get("standby", ())),
        link_names=tuple(link["name"] for link in spec["links"]),
        preferred={x["name"]: x.get("preferred", units["preferred"]) for x in spec["links"]},
        annotations=dict(meta.get("annotations") or {}),
        deleting="deletionTimestamp" in meta,
        current=status.get("observedGeneration") == meta.get("generation"),
        conditions={
            c["type"]: Condition(c["type"], c["status"], c["reason"], c.get("message", ""))
            for c in status.get("conditions", ())
        },
        units=tuple(
            Unit(
                u["name"],
                u.get("state", "undeclared"),
                u.get("version", ""),
                u.get("backlogRecords"),
                u.get("journalPercent"),
                u.get("tokenExpires", ""),
                u.get("certificateNotAfter", ""),
                u.get("backlogAge", ""),
                u.get("bufferDaysLeft", ""),
                u.get("gaps"),
            )
            for u in status.get("units", ())
        ),
        links=tuple(
            Link(
                x["name"],
                x.get("owner", ""),
                x.get("state", ""),
                x.get("address", ""),
                x.get("lastRecordTime", ""),
            )
            for x in status.get("links", ())
        ),
        status=status,
    )


def age(moment: str, now: datetime) -> str:
    """Give how long ago a moment was, as kubectl does; "-" for none."""
    if not moment:
        return "-"
    seconds = max((now - datetime.fromisoformat(moment)).total_seconds(), 0)
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{letter}"
    return f"{int(seconds)}s"
