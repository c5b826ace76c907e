"""A RemoteUnit as read from the cluster: the spec with its defaults, as values.

Owns the names and defaults of the resource, equal to those of its definition. Does
not own its rules (the API server checks them), nor what follows from a spec (`specs`,
`decide`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

GROUP, VERSION, PLURAL, KIND = "bluewhale.dev", "v1alpha1", "remoteunits", "RemoteUnit"
API_VERSION = f"{GROUP}/{VERSION}"

DRAIN_FINALIZER = f"{GROUP}/drain"  # a deletion waits until every record is stored
FENCED = f"{GROUP}/fenced"  # "true": nobody reads the links
SWITCHOVER = f"{GROUP}/switchover-to"  # a unit; removed when it reads all links
ENROL = f"{GROUP}/enrol"  # a unit that gets a new token though it enrolled before
FORCE_DELETE = f"{GROUP}/force-delete"  # "true": delete with undelivered records
LISTENERS = frozenset({"tcp_server", "syslog_tcp", "syslog_udp"})

Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Link:
    """One connector reading one PBX."""

    name: str
    pbx: str
    dialect: str
    connector: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    merge_domain: str | None = None
    preferred: str | None = None  # None = as the resource says

    @property
    def listens(self) -> bool:
        """Say whether the PBX comes to us."""
        return self.connector["type"] in LISTENERS

    @property
    def protocol(self) -> Literal["TCP", "UDP"]:
        """Give the protocol of its port."""
        return "UDP" if self.connector["type"] == "syslog_udp" else "TCP"

    @property
    def port(self) -> int:
        """Give the port of a link that listens, or of the PBX that it connects to."""
        return int(self.connector["port"])


@dataclass(frozen=True, slots=True)
class Failover:
    """Seconds; see docs/reference/ownership.md."""

    lease_s: int
    renew_deadline_s: int
    retry_s: int


@dataclass(frozen=True, slots=True)
class Failback:
    """`hold_s` counts only where it is automatic."""

    automatic: bool = True
    hold_s: int = 300


@dataclass(frozen=True, slots=True)
class Buffer:
    """Disk of one unit for records that are not stored yet."""

    quota_mib: int = 1024
    storage: str = "2Gi"
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """How a PBX reaches a link that listens."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "HostPort"] = "ClusterIP"
    keep_source: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    load_balancer_class: str | None = None
    source_ranges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteUnit:
    """A resource; `units` has the preferred one first.

    `failover`, `failback`: None = as the installation has it.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    in_cluster: bool
    site: str
    links: tuple[Link, ...]
    units: tuple[str, ...]
    failover: Failover | None
    failback: Failback | None
    buffer: Buffer
    log_level: str
    trace: bool
    reach: Reach
    pod: Mapping[str, Any]
    annotations: Mapping[str, str]
    deleting: bool
    status: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """Give namespace and name."""
        return self.namespace, self.name

    @property
    def created_ms(self) -> int:
        """Give when it was made; the API server has whole seconds."""
        return int(datetime.fromisoformat(self.created).timestamp() * 1000) if self.created else 0

    @property
    def fenced(self) -> bool:
        """Say whether a person took the links from every unit."""
        return self.annotations.get(FENCED) == "true"

    @property
    def forced(self) -> bool:
        """Say whether a person wants it gone with undelivered records."""
        return self.annotations.get(FORCE_DELETE) == "true"

    def preferred_of(self, link: Link) -> str:
        """Give the unit that reads a link while it is there."""
        return link.preferred or self.units[0]

    @property
    def listening(self) -> tuple[Link, ...]:
        """Give the links that PBXs come to."""
        return tuple(link for link in self.links if link.listens)


def read_resource(body: Mapping[str, Any]) -> RemoteUnit:
    """Give the values of a resource that the API server has checked."""
    meta, spec = body["metadata"], body["spec"]
    units = spec.get("units") or {"preferred": meta["name"]}
    failover, failback = spec.get("failover"), spec.get("failback")
    buffer, reach = spec.get("buffer") or {}, spec.get("reach") or {}
    return RemoteUnit(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid", ""),
        generation=int(meta.get("generation", 0)),
        created=meta.get("creationTimestamp", ""),
        in_cluster=spec.get("runs", "InCluster") == "InCluster",
        site=spec.get("site", ""),
        links=tuple(_link(link) for link in spec["links"]),
        units=(units["preferred"], *units.get("standby", ())),
        failover=None
        if failover is None
        else Failover(
            failover.get("leaseSeconds", 15),
            failover.get("renewDeadlineSeconds", 10),
            failover.get("retrySeconds", 2),
        ),
        failback=None
        if failback is None
        else Failback(
            failback.get("mode", "Automatic") == "Automatic", failback.get("holdSeconds", 300)
        ),
        buffer=Buffer(
            buffer.get("quotaMiB", 1024),
            buffer.get("storage", "2Gi"),
            buffer.get("storageClassName"),
        ),
        log_level=spec.get("logLevel", "info"),
        trace=spec.get("trace", False),
        reach=Reach(
            reach.get("type", "ClusterIP"),
            reach.get("keepSourceAddress", False),
            dict(reach.get("annotations") or {}),
            reach.get("loadBalancerClass"),
            tuple(reach.get("loadBalancerSourceRanges") or ()),
        ),
        pod=dict(spec.get("pod") or {}),
        annotations=dict(meta.get("annotations") or {}),
        deleting="deletionTimestamp" in meta,
        status=dict(body.get("status") or {}),
    )


def _link(entry: Mapping[str, Any]) -> Link:
    return Link(
        name=entry["name"],
        pbx=entry["pbx"],
        dialect=entry["dialect"],
        connector=dict(entry["connector"]),
        options=dict(entry.get("options") or {}),
        merge_domain=entry.get("mergeDomain"),
        preferred=entry.get("preferred"),
    )


def instant(moment: datetime) -> str:
    """Give a moment as Kubernetes writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """Show a span as kubectl does: its largest unit."""
    for size, letter in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{letter}"
    return f"{int(seconds)}s"
