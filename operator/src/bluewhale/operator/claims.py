"""What only one resource may have: a unit, a link, a port, a PBX. Pure functions.

Owns who keeps what two resources claim: the one whose spec is in force already, then
the elder one, so that a new mistake never takes a link that works. Does not own
saying so (`conditions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bluewhale.operator.resource import Key, RemoteUnit

REASONS = frozenset({"UnitTaken", "LinkTaken", "PortTaken", "PbxTaken"})


class Conflict(NamedTuple):
    """Something that another resource has already."""

    reason: str  # one of REASONS
    what: str
    message: str


class Claim(NamedTuple):
    """One thing that a resource wants for itself."""

    reason: str
    what: str
    remedy: str


def conflicts_of(resources: Iterable[RemoteUnit]) -> dict[Key, tuple[Conflict, ...]]:
    """Give what each resource claims in vain; resources without a conflict are not in it."""
    holders: dict[tuple[str, str], RemoteUnit] = {}
    found: dict[Key, list[Conflict]] = {}
    for resource in sorted(resources, key=_order):
        claims = list(claims_of(resource))
        lost = [
            (claim, holder)
            for claim in claims
            if (holder := holders.get((claim.reason, claim.what))) is not None
        ]
        if lost:
            found[resource.key] = [
                Conflict(
                    claim.reason,
                    claim.what,
                    f"{claim.what} belongs to RemoteUnit {holder.namespace}/{holder.name};"
                    f" {claim.remedy}",
                )
                for claim, holder in lost
            ]
        for claim in claims:
            holders.setdefault((claim.reason, claim.what), resource)
    return {key: tuple(conflicts) for key, conflicts in found.items()}


def claims_of(resource: RemoteUnit) -> Iterator[Claim]:
    """Give everything that a resource wants for itself alone."""
    for unit in resource.units:
        yield Claim("UnitTaken", f"unit {unit}", "name another unit in spec.units")
    for link in resource.links:
        yield Claim("LinkTaken", f"link {link.name}", "name the link otherwise in spec.links")
        connector = link.connector
        if connector["type"] == "tcp_client":
            yield Claim(
                "PbxTaken",
                f"PBX {str(connector['address']).lower()}:{link.port}",
                "let one RemoteUnit read it, with standby units",
            )
        if link.listens and resource.in_cluster and resource.reach.type == "HostPort":
            yield Claim(
                "PortTaken",
                f"port {link.port}/{link.protocol} of the nodes",
                "choose another connector.port",
            )
        if "nodePort" in connector:
            yield Claim(
                "PortTaken",
                f"node port {connector['nodePort']}/{link.protocol}",
                "choose another connector.nodePort, or leave it out",
            )


def _order(resource: RemoteUnit) -> tuple[bool, str, str, str]:
    """Order by what is in force, then by age; the server's time has whole seconds."""
    name = f"{resource.namespace}/{resource.name}"
    return not _is_in_force(resource), resource.created, resource.uid, name


def _is_in_force(resource: RemoteUnit) -> bool:
    status = resource.status
    if status.get("observedGeneration") != resource.generation:
        return False
    reasons = {c["reason"] for c in status.get("conditions", ()) if c["type"] == "ConfigSynced"}
    return not reasons & REASONS
