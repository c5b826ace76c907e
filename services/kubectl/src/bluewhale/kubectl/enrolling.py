"""A fresh token for a unit, and the file with which a unit outside the cluster starts.

Owns where ingest is reached from outside, as the cluster's Services say, and the text
of unit.yaml. Does not own the minting (operator and ingest) nor what the unit does with
the file (docs/guides/remote-unit.md).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from bluewhale.kubectl.asking import REMOTE_UNITS, Kubectl
from bluewhale.kubectl.exceptions import InputError, NotDoneError, RightsError
from bluewhale.kubectl.orders import POLL_S, Orders, waits_for
from bluewhale.kubectl.resources import ENROL, TOKEN_EXPIRES, Resource, read_resource

INGEST = "app.kubernetes.io/part-of=bluewhale,app.kubernetes.io/component=ingest"
UPLINK, ENROLMENT = "uplink", "enrolment"


class Centre(NamedTuple):
    """Where a unit outside the cluster connects, and where it enrols; host:port."""

    uplink: str
    enrolment: str


class Token(NamedTuple):
    """A one-time token."""

    text: str
    expires: str


def enrol(orders: Orders, resource: Resource, unit: str, *, timeout_s: float) -> Token | None:
    """Let a token be made; give it for a unit outside the cluster, None for one inside.

    A unit in the cluster takes it from its Secret, which nobody needs to read for it.
    """
    if unit not in resource.declared:
        raise InputError(
            f"{unit} is no unit of {resource.name}; {', '.join(resource.declared)} are"
        )
    kubectl = orders.kubectl
    before = None if resource.in_cluster else _version(_secret(kubectl, resource, unit))
    kubectl.annotate(resource.name, resource.namespace, {ENROL: unit})
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        time.sleep(POLL_S)
        body = kubectl.one(REMOTE_UNITS, resource.name, namespace=resource.namespace)
        if body is None:
            raise NotDoneError(f"RemoteUnit {resource.name} was deleted meanwhile")
        resource = read_resource(body)
        ordered = ENROL in resource.annotations
        if resource.in_cluster and not ordered:
            return None
        if not resource.in_cluster:
            secret = _secret(kubectl, resource, unit)
            if secret is not None and _version(secret) != before:
                return _token(secret)
    kubectl.annotate(resource.name, resource.namespace, {ENROL: None})
    raise NotDoneError(
        f"no token was made within {timeout_s:g} s; the order is taken back. {waits_for(resource)}"
    )


def centre_of(kubectl: Kubectl) -> Centre:
    """Give where ingest is reached from outside the cluster.

    Raises
    ------
    InputError
        No Service leads there, or the person may not look.
    """
    try:
        services = kubectl.objects("services", selector=INGEST, everywhere=True)
    except RightsError:
        services = kubectl.objects("services", selector=INGEST)
    for service in services:
        ports = {p["name"]: p for p in service["spec"].get("ports", ())}
        if UPLINK not in ports or ENROLMENT not in ports:
            continue
        kind = service["spec"].get("type")
        if kind == "LoadBalancer" and (host := _balanced(service)):
            return Centre(*(f"{host}:{ports[p]['port']}" for p in (UPLINK, ENROLMENT)))
        if kind == "NodePort":
            host = _node_address(kubectl)
            return Centre(*(f"{host}:{ports[p]['nodePort']}" for p in (UPLINK, ENROLMENT)))
    raise InputError(
        "no Service leads to ingest from outside the cluster: set ingest.service.type to NodePort or"
        " LoadBalancer (and ingest.advertised) in the values of the chart, or say --centre HOST:7440"
    )


def unit_file(unit: str, centre: Centre, token: Token) -> str:
    """Give the text of unit.yaml."""
    return (
        f"unit_uid: {unit}\n"
        f"centre: {centre.uplink}\n"
        f"enrolment: {centre.enrolment}\n"
        "data: /var/lib/bluewhale\n"
        f"token: {token.text}  # one use, until {token.expires}\n"
    )


def _secret(kubectl: Kubectl, resource: Resource, unit: str) -> dict[str, Any] | None:
    return kubectl.one("secrets", f"{unit}-token", namespace=resource.namespace)


def _version(secret: Mapping[str, Any] | None) -> str:
    return str(secret["metadata"].get("resourceVersion", "")) if secret else ""


def _token(secret: Mapping[str, Any]) -> Token:
    text = base64.b64decode(secret["data"]["token"]).decode()
    return Token(text, secret["metadata"].get("annotations", {}).get(TOKEN_EXPIRES, "an hour"))


def _balanced(service: Mapping[str, Any]) -> str:
    given = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(given[0].get("hostname") or given[0].get("ip") or "")


def _node_address(kubectl: Kubectl) -> str:
    """Give the address of a node, one for the outside if there is one."""
    addresses = {
        a["type"]: a["address"]
        for node in kubectl.objects("nodes")
        for a in node.get("status", {}).get("addresses", ())
    }
    host = addresses.get("ExternalIP") or addresses.get("InternalIP")
    if not host:
        raise InputError("no node tells its address; say --centre HOST:PORT")
    return str(host)
