"""A mirror of who is entitled to a link, for `kubectl get lease`. Nobody decides by it."""

from __future__ import annotations

from typing import Any

from bluewhale.operator.resource import Link, RemoteUnit
from bluewhale.operator.specs.labels import metadata, stamped


def link_lease(resource: RemoteUnit, link: Link, *, owner: str) -> dict[str, Any]:
    """Give the Lease of a link; an empty holder means nobody."""
    spec: dict[str, Any] = {"holderIdentity": owner}
    if resource.failover is not None:
        spec["leaseDurationSeconds"] = resource.failover.lease_s
    return stamped({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(resource, f"link-{link.name}", owner or None),
        "spec": spec,
    })  # fmt: skip
