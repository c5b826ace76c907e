"""RemoteUnits as text for a terminal. Pure functions.

Owns the layout: one line per resource, then what is not well with its remedy.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bluewhale.kubectl.resources import FENCED, SWITCHOVER, Condition, Resource, age

GAP = "   "
MARGIN = 4
NAMES_MAX = 5  # of resources that have the same to say
WIDTH_MIN = 60
LEASE_LATE_S = 30  # an operator renews its Lease every 2 s


class OperatorSeen(NamedTuple):
    """The operator, as its Lease shows it."""

    name: str  # namespace/name of the Lease
    holder: str
    renewed: str


def overview(
    resources: Sequence[Resource],
    operators: Sequence[OperatorSeen] | None,
    *,
    now: datetime,
    width: int = 120,
) -> str:
    """Give the dashboard; operators None = they could not be asked for."""
    lines = [_operator_line(operators, now), ""]
    if not resources:
        lines.append("No RemoteUnits here. Other namespaces: -A. One to begin with:")
        lines.append("charts/bluewhale/examples/remoteunit.yaml")
        return "\n".join(lines)
    lines += table([_row(r, now) for r in resources])
    unwell = [r for r in resources if r.not_well]
    well = len(resources) - len(unwell)
    lines += ["", f"{well} of {len(resources)} well." + (" Not well:" if unwell else "")]
    lines += _told([(r, r.not_well) for r in unwell], width)
    if noted := [(r, r.worth_a_look) for r in resources if r.worth_a_look]:
        lines += ["", "Worth a look:", *_told(noted, width)]
    orders = [line for r in resources for line in _orders(r)]
    return "\n".join(lines + (["", *orders] if orders else []))


def detail(resource: Resource, *, now: datetime) -> str:
    """Give units and links of one resource."""
    units = [
        {
            "UNIT": u.name,
            "STATE": u.state,
            "NOT STORED": _waiting(u.backlog_records, u.backlog_age),
            "JOURNAL": "-" if u.journal_percent is None else f"{u.journal_percent}%",
            "ROOM": f"{u.buffer_days}d" if u.buffer_days else "-",
            "LOST": "-" if u.gaps is None else f"{u.gaps:,}",
            "CERTIFICATE UNTIL": u.certificate_until or "-",
            "TOKEN UNTIL": u.token_expires or "-",
            "VERSION": u.version or "-",
        }
        for u in map(resource.unit, _all_units(resource))
    ]
    known = {link.name: link for link in resource.links}
    links = [
        {
            "LINK": name,
            "READ BY": (known[name].owner if name in known else "") or "nobody",
            "STATE": (known[name].state if name in known else "") or "-",
            "LAST RECORD": age(known[name].last_record if name in known else "", now),
            "THE PBX SENDS TO": (known[name].address if name in known else "") or "-",
        }
        for name in resource.link_names
    ]
    return "\n".join([*table(units), "", *table(links)])


def table(rows: Sequence[dict[str, str]]) -> list[str]:
    """Give rows under their headings, columns as wide as they must be."""
    heads = list(rows[0])
    widths = [max(len(head), *(len(row[head]) for row in rows)) for head in heads]
    lines = [heads, *([row[head] for head in heads] for row in rows)]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _row(resource: Resource, now: datetime) -> dict[str, str]:
    status = resource.status
    connected = sum(u.state == "connected" for u in map(resource.unit, resource.declared))
    ready = resource.conditions.get("Ready")
    return {
        "NAMESPACE": resource.namespace,
        "NAME": resource.name,
        "READY": ready.status if ready else "Unknown",
        "REASON": ready.reason if ready else "NotSeen",
        "OWNER": status.get("owner") or "nobody",
        "UNITS": f"{connected}/{len(resource.declared)}",
        "LAST RECORD": age(status.get("lastRecordTime", ""), now),
        "BACKLOG": _waiting(status.get("backlogRecords"), status.get("backlogAge", "")),
        "BUFFER": f"{status['bufferDaysLeft']}d" if "bufferDaysLeft" in status else "-",
        "VERSION": status.get("version") or "-",
        "AGE": age(resource.created, now),
    }


def _waiting(records: int | None, oldest: str) -> str:
    if records is None:
        return "-"
    return f"{records:,} ({oldest})" if oldest and records else f"{records:,}"


def _all_units(resource: Resource) -> list[str]:
    return list(dict.fromkeys([*resource.declared, *(u.name for u in resource.units)]))


def _orders(resource: Resource) -> list[str]:
    """Give what persons ordered and what is still in force."""
    found = []
    if resource.annotations.get(FENCED) == "true":
        found.append(
            f"{resource.name} is fenced: kubectl bluewhale unfence {resource.name}"
            f" -n {resource.namespace}"
        )
    if to := resource.annotations.get(SWITCHOVER):
        found.append(f"{resource.name} is being switched over to {to}")
    return found


def _operator_line(operators: Sequence[OperatorSeen] | None, now: datetime) -> str:
    if operators is None:
        return "Operator: not seen from here (no right to list Deployments and Leases there)"
    if not operators:
        return "Operator: none; what stands below is what one said last (operator.enabled)"
    parts = []
    for seen in operators:
        if not seen.holder:
            parts.append(f"{seen.name} has no leader: look at its pods")
            continue
        text = f"{seen.holder} leads, renewed {age(seen.renewed, now)} ago"
        silent = (now - datetime.fromisoformat(seen.renewed)).total_seconds() > LEASE_LATE_S
        if silent:
            text += "; it is silent, what stands below is old: look at its pods"
        parts.append(text)
    return "Operator: " + "; ".join(parts)


def _told(found: Sequence[tuple[Resource, Sequence[Condition]]], width: int) -> Iterator[str]:
    """Tell conditions with their remedies; what many resources have alike is told once."""
    alike: dict[tuple[Condition, ...], list[str]] = {}
    for resource, conditions in found:
        name = f"{resource.namespace}/{resource.name}"
        alike.setdefault(tuple(conditions), []).append(name)
    for conditions, names in alike.items():
        more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
        yield from ("", ", ".join(names[:NAMES_MAX]) + more)
        for condition in conditions:
            yield f"  {condition.type}: {condition.reason}"
            yield from _wrapped(condition.message, width)


def _wrapped(message: str, width: int) -> list[str]:
    return textwrap.wrap(
        message,
        max(width - MARGIN, WIDTH_MIN),
        initial_indent=" " * MARGIN,
        subsequent_indent=" " * MARGIN,
        break_long_words=False,
        break_on_hyphens=False,
    )
