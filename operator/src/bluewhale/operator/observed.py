"""What is: answers of ingest and objects of the cluster, as values. No I/O.

Owns the shapes that `gather` fills and `decide` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bluewhale.operator.claims import Conflict

Object = Mapping[str, Any]  # of Kubernetes


class ObjectId(NamedTuple):
    """Names an object of the cluster."""

    kind: str
    namespace: str
    name: str


def id_of(made: Object) -> ObjectId:
    """Give what names an object."""
    return ObjectId(made["kind"], made["metadata"]["namespace"], made["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What the unit that reads a link says of it."""

    state: str = ""
    last_record_ms: int = 0
    owner: str = ""
    ready: tuple[str, ...] = ()  # units that ask for it now
    shared: bool = False  # several units may read it, so ownership decides
    moving_to: str = ""


@dataclass(frozen=True, slots=True)
class UnitReport:
    """A unit as ingest knows it; None = not known, never a guess."""

    name: str
    state: str  # declared, enrolled, connected, revoked, undeclared
    version: str = ""
    clock_skew_ms: int = 0
    journal_ratio: float = 0.0
    backlog_records: int | None = None
    waiting_since_ms: int = 0  # when the oldest of the backlog came; 0 = not known, or none
    days_left: float | None = None
    received_through: int | None = None
    stored_through: int | None = None
    gaps: int | None = None
    certificate_not_after_ms: int = 0
    revoked_at_ms: int = 0
    copies: int = 0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)  # condition -> what is wrong
    links: tuple[str, ...] = ()  # as ingest has them in force
    failover: tuple[float, float, float] | None = None  # likewise; None = of the installation

    def backlog_age_s(self, now: datetime) -> float | None:
        """Give the age of the oldest record that is not stored, 0 = all are; None = not known."""
        if self.backlog_records == 0:
            return 0.0
        if not self.waiting_since_ms:
            return None
        return max(0.0, now.timestamp() - self.waiting_since_ms / 1000)


@dataclass(frozen=True, slots=True)
class PodReport:
    """The pod of a unit in the cluster."""

    node: str = ""
    host_address: str = ""
    ready: bool = False
    waiting: str = ""  # why a container does not run, "" = it runs


@dataclass(frozen=True, slots=True)
class Centre:
    """What ingest said last; `problem` = why it says nothing now."""

    units: Mapping[str, UnitReport] = field(default_factory=dict)
    links: Mapping[str, LinkReport] = field(default_factory=dict)
    profile: tuple[float, float, float] | None = None  # of the installation: lease, deadline, retry
    wrong: tuple[str, ...] = ()  # with the files that ingest reads, by file and line
    problem: str = "was not asked yet"


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a decision about one resource depends on beside its spec."""

    now: datetime
    centre: Centre
    children: Mapping[ObjectId, Object] = field(default_factory=dict)
    pods: Mapping[str, PodReport] = field(default_factory=dict)  # by unit
    conflicts: tuple[Conflict, ...] = ()
    refused: str = ""  # what the API server said of the objects that we applied last
    # asked for a resource that is being deleted
    namespace_ending: bool = False
    own_volumes: frozenset[str] = (
        frozenset()
    )  # units whose volume was made for it, none left by another
