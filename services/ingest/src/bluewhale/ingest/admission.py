"""Who a caller is: the identity in its certificate, or that it speaks from this machine.

Owns that one question, for every servicer of ingest. Does not own what the
caller may do.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bluewhale.ingest.authority import Identity, identity_of
from bluewhale.ingest.exceptions import AdmissionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def identity(context: Any) -> Identity | None:
    """Give whom the caller's certificate names; None = it showed none (no TLS).

    Raises
    ------
    AdmissionError
        `certificate_invalid`: it names nobody of Bluewhale.
    """
    shown: Mapping[str, Sequence[bytes]] = context.auth_context() or {}
    certificate = shown.get("x509_pem_cert")
    return identity_of(certificate[0]) if certificate else None


def unit_of(context: Any) -> Identity:
    """Give the unit that calls.

    Raises
    ------
    AdmissionError
        `certificate_missing` or `certificate_invalid`.
    """
    found = identity(context)
    if found is None:
        raise AdmissionError("certificate_missing", "a unit shows its certificate here")
    if found.kind != "unit":
        raise AdmissionError(
            "certificate_invalid", f"the certificate is of {found.kind} {found.uid}, no unit"
        )
    return found


def operator_of(context: Any) -> str:
    """Give who steers: an operator or another role by certificate, or whoever is on this machine.

    Raises
    ------
    AdmissionError
        `not_operator`: neither.
    """
    found = identity(context)
    if found is not None:
        if found.kind == "unit":
            raise AdmissionError(
                "not_operator", f"unit {found.uid} may not steer units; operators may"
            )
        return found.uid if found.kind == "operator" else f"{found.kind}/{found.uid}"
    if is_local(context.peer()):
        return "local"
    raise AdmissionError(
        "not_operator",
        "units are steered from this machine, or with a certificate made by"
        " `bluewhale unit authority operator`",
    )


def address_of(peer: str) -> str:
    """Give the address of a peer as gRPC names it, without its port."""
    kind, _, rest = unquote(peer).partition(":")
    if kind in {"ipv4", "ipv6"}:
        return rest.rpartition(":")[0].strip("[]")
    return kind or "unknown"


def is_local(peer: str) -> bool:
    """Say whether a peer is a process of this machine."""
    address = address_of(peer)
    if address in {"unix", "inproc", "in-process"}:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """Say whether listening there is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
