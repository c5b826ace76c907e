"""The status of a RemoteUnit: what is, in figures that a person reads. Pure functions.

Owns how answers about several units and links become one line of `kubectl get ru`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bluewhale.operator import conditions
from bluewhale.operator.conditions import Finding
from bluewhale.operator.draining import leaving
from bluewhale.operator.observed import Observed, UnitReport
from bluewhale.operator.resource import Link, RemoteUnit, instant, span
from bluewhale.operator.specs import service_name


def status_of(
    resource: RemoteUnit, observed: Observed, found: Mapping[str, Finding]
) -> dict[str, Any]:
    """Give the whole status; while ingest does not answer, figures stay as they were."""
    before = resource.status
    made: dict[str, Any] = {
        "observedGeneration": resource.generation,
        "conditions": conditions.merged(
            before.get("conditions", ()), found, generation=resource.generation, now=observed.now
        ),
        "reportedTime": instant(observed.now),
    }
    if observed.centre.problem:
        kept = {k: v for k, v in before.items() if k not in made}
        return made | kept | {"reportedTime": before.get("reportedTime", made["reportedTime"])}
    reports = [r for u in resource.units if (r := observed.centre.units.get(u)) is not None]
    links = {link.name: observed.centre.links.get(link.name) for link in resource.links}
    owners = sorted({r.owner for r in links.values() if r is not None and r.owner})
    last_ms = max((r.last_record_ms for r in links.values() if r is not None), default=0)
    last = _instant(last_ms) or before.get("lastRecordTime")  # a unit that is away told it before
    made |= {
        "owner": ",".join(owners),
        "version": ",".join(sorted({r.version for r in reports if r.version})),
        "lastRecordTime": last,
        "backlogAge": _worst(reports, lambda r: r.backlog_age_s(observed.now), span),
        "backlogRecords": _sum(r.backlog_records for r in reports),
        "receivedThrough": _sum(r.received_through for r in reports),
        "storedThrough": _sum(r.stored_through for r in reports),
        "gaps": _sum(r.gaps for r in reports),
        "clockSkewMilliseconds": max((r.clock_skew_ms for r in reports), key=abs, default=None),
        "bufferDaysLeft": _days([r.days_left for r in reports if r.days_left is not None]),
        "units": [
            _unit(resource, unit, observed)
            for unit in (*resource.units, *leaving(resource, observed.centre))
        ],
        "links": [_link(resource, link, observed) for link in resource.links],
    }
    return {name: value for name, value in made.items() if value is not None}


def _unit(resource: RemoteUnit, name: str, observed: Observed) -> dict[str, Any]:
    before = entry_of(resource.status, "units", name)
    report = observed.centre.units.get(name) or UnitReport(name, "undeclared")
    age_s = report.backlog_age_s(observed.now)
    waits = token_waits(resource, report, observed.now)
    made = {
        "name": name,
        "state": report.state,
        "version": report.version or None,
        "clockSkewMilliseconds": report.clock_skew_ms if report.state == "connected" else None,
        "journalPercent": round(report.journal_ratio * 100)
        if report.state == "connected"
        else None,
        "backlogRecords": report.backlog_records,
        "backlogAge": None if age_s is None else span(age_s),
        "bufferDaysLeft": _days([] if report.days_left is None else [report.days_left]),
        "gaps": report.gaps,
        "certificateNotAfter": _instant(report.certificate_not_after_ms),
        "tokenExpires": before.get("tokenExpires") if waits else None,
    }
    return {key: value for key, value in made.items() if value is not None}


def token_waits(resource: RemoteUnit, report: UnitReport, now: datetime) -> bool:
    """Say whether a token of the status is still for use: not before its unit got a certificate.

    A unit that lost its volume is enrolled again while its old certificate is known: what
    counts is another one than the one that the status knew.
    """
    before = entry_of(resource.status, "units", report.name)
    expires = before.get("tokenExpires")
    if expires is None:
        return False
    if not report.certificate_not_after_ms:
        return True
    known = before.get("certificateNotAfter") == _instant(report.certificate_not_after_ms)
    return known and now < datetime.fromisoformat(expires)


def entry_of(status: Mapping[str, Any], part: str, name: str) -> Mapping[str, Any]:
    """Give what the status says of one unit or link; {} = nothing."""
    return next((entry for entry in status.get(part, ()) if entry["name"] == name), {})


def _link(resource: RemoteUnit, link: Link, observed: Observed) -> dict[str, Any]:
    report = observed.centre.links.get(link.name)
    before = entry_of(resource.status, "links", link.name)
    last = _instant(report.last_record_ms) if report else None
    made = {
        "name": link.name,
        "owner": report.owner if report else None,
        "state": (report.state or None) if report else None,
        "lastRecordTime": last or before.get("lastRecordTime"),
        "address": _address(resource, link, observed),
    }
    return {key: value for key, value in made.items() if value is not None}


def _address(resource: RemoteUnit, link: Link, observed: Observed) -> str | None:
    """Say where a PBX finds a link; None where it does not come to us, or that is not known yet."""
    if not (link.listens and resource.in_cluster):
        return None
    if resource.reach.type == "HostPort":
        hosts = sorted({p.host_address for p in observed.pods.values() if p.host_address})
        return ", ".join(f"{host}:{link.port}" for host in hosts) or None
    found = next(
        (
            child
            for name, child in observed.children.items()
            if name.kind == "Service" and name.name == service_name(link)
        ),
        None,
    )
    if found is None:
        return None
    if resource.reach.type == "LoadBalancer":
        given = found.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
        host = given[0].get("ip") or given[0].get("hostname")
        return f"{host}:{link.port}" if host else None
    if resource.reach.type == "NodePort":
        port = found["spec"]["ports"][0].get("nodePort")
        return f"any node:{port}" if port else None
    return f"{service_name(link)}.{resource.namespace}.svc:{link.port}"


def _instant(clock_ms: int) -> str | None:
    return instant(datetime.fromtimestamp(clock_ms / 1000, UTC)) if clock_ms else None


def _sum(values: Iterable[int | None]) -> int | None:
    """Add; None if one is not known, since a part would look like the whole."""
    found = list(values)
    if not found or any(value is None for value in found):
        return None
    return sum(value for value in found if value is not None)


def _worst(
    reports: list[UnitReport],
    read: Callable[[UnitReport], float | None],
    show: Callable[[float], str],
) -> str | None:
    values = [value for r in reports if (value := read(r)) is not None]
    return show(max(values)) if values else None


def _days(values: list[float]) -> str | None:
    return f"{min(values):.1f}" if values else None
