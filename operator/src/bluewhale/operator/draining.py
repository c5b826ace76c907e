"""Whether a unit has delivered everything, and which units are on their way out. Pure functions.

Owns the one question that deletion waits for. What is not known is not delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bluewhale.operator.observed import Centre, UnitReport
from bluewhale.operator.resource import RemoteUnit

SECOND_MS = 1_000  # the age of a resource has whole seconds


def overrides_of(resource: RemoteUnit, *, paused: bool) -> dict[str, Any]:
    """Give what units run by beside their links; the resource owns all of it."""
    made: dict[str, Any] = {
        "log_level": resource.log_level,
        "journal_quota_mib": resource.buffer.quota_mib,
    }
    if paused:
        made["paused_links"] = sorted(link.name for link in resource.links)
    return made


def was_revoked_before(resource: RemoteUnit, report: UnitReport) -> bool:
    """Say whether a unit was revoked before its resource was made: with another of that name."""
    return report.state == "revoked" and (
        0 < report.revoked_at_ms < resource.created_ms + SECOND_MS
    )


def never_ran(resource: RemoteUnit, report: UnitReport) -> bool:
    """Say whether a unit was never admitted under this resource."""
    new = report.state in {"declared", "undeclared"} and not report.certificate_not_after_ms
    return new or was_revoked_before(resource, report)


def is_empty(resource: RemoteUnit, report: UnitReport | None) -> bool:
    """Say whether a unit holds nothing that the main database has not."""
    if report is None:
        return False
    stored = report.state == "connected" and report.backlog_records == 0
    return stored or never_ran(resource, report)


def is_drained(resource: RemoteUnit, report: UnitReport | None, paused: Mapping[str, Any]) -> bool:
    """Say whether a unit reads nothing more and holds nothing."""
    if report is None or not is_empty(resource, report):
        return False
    if report.state != "connected":
        return True
    return dict(report.overrides) == dict(paused) and "configuration" not in report.wrong


def former(resource: RemoteUnit) -> tuple[str, ...]:
    """Give the units that the status still has and the spec names no more."""
    told = (str(entry["name"]) for entry in resource.status.get("units", ()))
    return tuple(unit for unit in told if unit not in resource.units)


def leaving(resource: RemoteUnit, centre: Centre) -> tuple[str, ...]:
    """Give the former units that still hold records: they stay declared, paused, until then."""
    paused = overrides_of(resource, paused=True)
    return tuple(
        unit
        for unit in former(resource)
        if centre.problem or not is_drained(resource, centre.units.get(unit), paused)
    )
