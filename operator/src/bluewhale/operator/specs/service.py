"""How a PBX finds the unit that reads its link.

A Service per link that listens; its selector names the entitled unit, so that pods
which restart keep their place without the operator, and a move of the link is one
change of the selector. HostPort has no Service.
"""

from __future__ import annotations

from typing import Any

from bluewhale.operator.resource import Link, RemoteUnit
from bluewhale.operator.specs.labels import REMOTE_UNIT, UNIT, metadata, stamped


def service_name(link: Link) -> str:
    """Name the Service of a link."""
    return f"link-{link.name}"


def unit_service(resource: RemoteUnit, link: Link, *, entitled: str) -> dict[str, Any] | None:
    """Give the Service of a link that leads to a unit; None where a PBX needs none."""
    reach = resource.reach
    if not (resource.in_cluster and link.listens) or reach.type == "HostPort":
        return None
    port: dict[str, Any] = {
        "name": "records",
        "port": link.port,
        "targetPort": link.port,
        "protocol": link.protocol,
    }
    if "nodePort" in link.connector:
        port["nodePort"] = link.connector["nodePort"]
    spec: dict[str, Any] = {
        "type": reach.type,
        "selector": {REMOTE_UNIT: resource.name, UNIT: entitled},
        # a unit collects while it cannot reach the centre, and is not ready then
        "publishNotReadyAddresses": True,
        "ports": [port],
    }
    if reach.type != "ClusterIP":
        spec["externalTrafficPolicy"] = "Local" if reach.keep_source else "Cluster"
    if reach.load_balancer_class:
        spec["loadBalancerClass"] = reach.load_balancer_class
    if reach.source_ranges:
        spec["loadBalancerSourceRanges"] = list(reach.source_ranges)
    made = metadata(resource, service_name(link))
    if reach.annotations:
        made["annotations"] = dict(reach.annotations)
    return stamped({"apiVersion": "v1", "kind": "Service", "metadata": made, "spec": spec})
