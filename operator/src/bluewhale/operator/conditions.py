"""The seven conditions of a RemoteUnit, what each is now, and what changed. Pure functions.

Owns their names, reasons and remedies: a message says what is wrong and what to do.
Does not own what is done about it (`decide`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from bluewhale.operator.draining import is_empty, was_revoked_before
from bluewhale.operator.observed import Centre, Observed, UnitReport
from bluewhale.operator.resource import ENROL, FENCED, FORCE_DELETE, RemoteUnit, instant, span
from bluewhale.operator.specs import fragment_name, token_name

Status = Literal["True", "False", "Unknown"]
TYPES = (
    "Ready", "Enrolled", "Connected", "ConfigSynced", "Owned", "SpoolHealthy", "CertificateValid",
)  # fmt: skip
JOURNAL_RATIO_MAX = 0.7
BACKLOG_AGE_MAX_S = 300.0
DAYS_LEFT_MIN = 1.0


class Finding(NamedTuple):
    """What one condition is."""

    type: str
    status: Status
    reason: str
    message: str = ""


def findings(resource: RemoteUnit, observed: Observed) -> dict[str, Finding]:
    """Give all seven conditions, by type."""
    if observed.centre.problem:
        parts = _unreachable(observed)
    else:
        units = [observed.centre.units.get(unit) or _unheard(unit) for unit in resource.units]
        parts = [
            _enrolled(resource, units),
            _connected(units, observed),
            _config_synced(resource, units, observed),
            _owned(resource, observed),
            _spool(units, observed),
            _certificate(units),
        ]
    if observed.conflicts:
        parts = [_conflict(observed) if f.type == "ConfigSynced" else f for f in parts]
    elif observed.refused:
        parts = [_refused(observed) if f.type == "ConfigSynced" else f for f in parts]
    found = {finding.type: finding for finding in parts}
    return {"Ready": _ready(resource, observed, found)} | found


def merged(
    before: Sequence[Mapping[str, Any]],
    found: Mapping[str, Finding],
    *,
    generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """Give conditions as the status holds them; the time is that of the last change of status."""
    known = {condition["type"]: condition for condition in before}
    made = []
    for name in TYPES:
        finding, old = found[name], known.get(name, {})
        same = old.get("status") == finding.status and "lastTransitionTime" in old
        made.append({
            "type": name,
            "status": finding.status,
            "observedGeneration": generation,
            "lastTransitionTime": old["lastTransitionTime"] if same else instant(now),
            "reason": finding.reason,
            "message": finding.message,
        })  # fmt: skip
    return made


def turned(before: Sequence[Mapping[str, Any]], found: Mapping[str, Finding]) -> list[Finding]:
    """Give the conditions whose status or reason is another one than before."""
    known = {c["type"]: (c.get("status"), c.get("reason")) for c in before}
    return [found[n] for n in TYPES if known.get(n) != (found[n].status, found[n].reason)]


def wrong_with(resource: RemoteUnit, centre: Centre) -> tuple[str, ...]:
    """Give what ingest says against the links of a resource: field, mistake, remedy."""
    place = f"/{fragment_name(resource.key)}:"  # then the line, which a person never sees
    said = (text.partition(place)[2] for text in centre.wrong)
    return tuple(text.partition(": ")[2] for text in said if text)


def names(units: Iterable[UnitReport | str]) -> str:
    """List units as a sentence has them."""
    return ", ".join(unit if isinstance(unit, str) else unit.name for unit in units)


def _unheard(unit: str) -> UnitReport:
    """A unit that ingest does not know: it follows the configuration within seconds."""
    return UnitReport(unit, "undeclared")


def _unreachable(observed: Observed) -> list[Finding]:
    text = (
        f"ingest does not answer ({observed.centre.problem}); units go on collecting. Look at"
        " the pods of ingest and at the operator's certificate"
    )
    return [Finding(name, "Unknown", "CentreUnreachable", text) for name in TYPES[1:]]


def _conflict(observed: Observed) -> Finding:
    first = observed.conflicts[0]
    return Finding(
        "ConfigSynced",
        "False",
        first.reason,
        "; ".join(conflict.message for conflict in observed.conflicts)
        + ". What was in force before stays",
    )


def _refused(observed: Observed) -> Finding:
    text = f"the API server refused what follows from the spec: {observed.refused}"
    return Finding("ConfigSynced", "False", "Refused", text)


def _enrolled(resource: RemoteUnit, units: list[UnitReport]) -> Finding:
    revoked = [u for u in units if u.state == "revoked" and not was_revoked_before(resource, u)]
    if revoked:
        return Finding(
            "Enrolled",
            "False",
            "Revoked",
            f"{names(revoked)} was revoked; to admit it again: kubectl annotate ru"
            f" {resource.name} {ENROL}={revoked[0].name}",
        )
    unknown = [u for u in units if u.state == "undeclared"]
    if unknown:
        return Finding(
            "Enrolled",
            "False",
            "NotDeclaredYet",
            f"ingest does not know {names(unknown)} yet; it follows within seconds",
        )
    waiting = [u for u in units if not u.certificate_not_after_ms]
    if not waiting:
        return Finding("Enrolled", "True", "Enrolled")
    text = f"no certificate yet: {names(waiting)}"
    if not resource.in_cluster:
        text += (
            f"; its token: kubectl get secret -n {resource.namespace} {token_name(waiting[0].name)}"
            " -o jsonpath='{.data.token}' | base64 -d"
        )
    return Finding("Enrolled", "False", "WaitingForUnit", text)


def _connected(units: list[UnitReport], observed: Observed) -> Finding:
    away = [u for u in units if u.state != "connected"]
    if not away:
        for name, reason in (("copies", "RunsTwice"), ("link", "PbxAway"), ("clock", "ClockWrong")):
            said = [f"{u.name}: {u.wrong[name]}" for u in units if name in u.wrong]
            if said:
                return Finding("Connected", "True", reason, "; ".join(said))
        return Finding("Connected", "True", "Connected")
    why = [
        f"{u.name}: {pod.waiting}"
        for u in away
        if (pod := observed.pods.get(u.name)) is not None and pod.waiting
    ]
    text = f"not connected: {names(away)}"
    text += f" ({'; '.join(why)})" if why else "; its log says why"
    reason = "NotConnected" if len(away) == len(units) else "StandbyMissing"
    return Finding("Connected", "False", reason, text)


def _config_synced(
    resource: RemoteUnit, units: list[UnitReport], observed: Observed
) -> Finding:  # the conflict is put in by the caller
    if wrong := wrong_with(resource, observed.centre):
        text = f"{'; '.join(wrong)}. The roles go on with what they had"
        return Finding("ConfigSynced", "False", "Invalid", text)
    wanted = {link.name for link in resource.links}
    behind = [u for u in units if set(u.links) != wanted]
    if behind:
        return Finding(
            "ConfigSynced",
            "False",
            "RolesBehind",
            f"ingest has another set of links for {names(behind)}; it follows within seconds. If it"
            " does not, its log names the mistake: `configuration`",
        )
    for unit in units:
        if said := unit.wrong.get("configuration"):
            reason = "RolledBack" if said.startswith("rolled_back") else "NotInEffect"
            return Finding("ConfigSynced", "False", reason, f"{unit.name}: {said}")
    asked = resource.failover
    wanted_s = (asked.lease_s, asked.renew_deadline_s, asked.retry_s) if asked else None
    late = [u for u in units if u.failover != wanted_s]
    text = f"ingest follows spec.failover of {names(late)} within seconds" if late else ""
    return Finding("ConfigSynced", "True", "InEffect", text)


def _owned(resource: RemoteUnit, observed: Observed) -> Finding:
    if resource.fenced:
        return Finding(
            "Owned",
            "False",
            "Fenced",
            f"nobody reads, as ordered; to go on: kubectl annotate ru {resource.name} {FENCED}-",
        )
    links = observed.centre.links
    free = [x.name for x in resource.links if x.name not in links or not links[x.name].owner]
    if not free:
        return Finding("Owned", "True", "Owned", _elsewhere(resource, observed))
    shown = ", ".join(free[:5]) + (", ..." if len(free) > 5 else "")
    return Finding(
        "Owned", "False", "NoOwner", f"nobody reads {shown}; a unit of it must be connected"
    )


def _elsewhere(resource: RemoteUnit, observed: Observed) -> str:
    """Say which links another unit reads than the preferred one, and when they go back."""
    links = observed.centre.links
    away = [
        f"{link.name} is read by {links[link.name].owner}, not {resource.preferred_of(link)}"
        for link in resource.links
        if links[link.name].owner != resource.preferred_of(link)
    ]
    if not away:
        return ""
    back = resource.failback
    if back is None:
        when = "as the installation has it (failback_hold_s)"
    elif back.automatic:
        when = f"after {back.hold_s} s of presence"
    else:
        when = "by order alone"
    return f"{'; '.join(away[:5])}{'; ...' if len(away) > 5 else ''}. Each goes back {when}"


def _spool(units: list[UnitReport], observed: Observed) -> Finding:
    heard = [u for u in units if u.state == "connected"]
    if not heard:
        return Finding("SpoolHealthy", "Unknown", "NotReported", "no unit is connected")
    worst = max(heard, key=lambda u: u.journal_ratio)
    if worst.journal_ratio > JOURNAL_RATIO_MAX:
        return Finding(
            "SpoolHealthy",
            "False",
            "FillingUp",
            f"the journal of {worst.name} is {worst.journal_ratio:.0%} full{_room(worst)}: records"
            " are not being stored. Look at storage, or raise spec.buffer.quotaMiB",
        )
    ages = {u.name: u.backlog_age_s(observed.now) or 0.0 for u in heard}
    late = max(heard, key=lambda u: ages[u.name])
    if ages[late.name] > BACKLOG_AGE_MAX_S:
        return Finding(
            "SpoolHealthy",
            "False",
            "NotStored",
            f"{late.name} holds {late.backlog_records} records that are not stored, the oldest for"
            f" {span(ages[late.name])}{_room(late)}. Look at storage, then at parser and billing",
        )
    if lost := sum(u.gaps or 0 for u in units):
        text = f"{lost} records will never come; `bluewhale completeness` names them"
        return Finding("SpoolHealthy", "True", "RecordsLost", text)
    small = [u for u in heard if u.days_left is not None and u.days_left < DAYS_LEFT_MIN]
    if small:
        return Finding(
            "SpoolHealthy",
            "True",
            "SmallBuffer",
            f"the journal of {small[0].name} lasts {small[0].days_left:.1f} days without the"
            " centre; raise spec.buffer.quotaMiB to outlast a longer outage",
        )
    return Finding("SpoolHealthy", "True", "Healthy")


def _room(unit: UnitReport) -> str:
    return "" if unit.days_left is None else f", with room for {unit.days_left:.1f} days"


def _certificate(units: list[UnitReport]) -> Finding:
    wrong = [u for u in units if "certificate" in u.wrong and u.certificate_not_after_ms]
    if wrong:
        first = wrong[0]
        return Finding(
            "CertificateValid", "False", "Ending", f"{first.name}: {first.wrong['certificate']}"
        )
    if all(u.certificate_not_after_ms for u in units):
        return Finding("CertificateValid", "True", "Valid")
    return Finding("CertificateValid", "False", "None", "a unit has none yet, see Enrolled")


def _draining(resource: RemoteUnit, observed: Observed) -> Finding:
    """Say what a deletion waits for."""
    waits = []
    for unit in resource.units:
        report = observed.centre.units.get(unit)
        if report is None or is_empty(resource, report):
            continue
        if report.state != "connected":
            waits.append(f"{unit} is {report.state}, not connected")
        elif report.backlog_records is None:
            waits.append(f"{unit} does not say what it holds")
        else:
            waits.append(f"{unit} holds {report.backlog_records} records")
    text = "deleted when every record of its journals is stored"
    text += f" ({'; '.join(waits)})" if waits else ""
    text += f"; without them: kubectl annotate ru {resource.name} {FORCE_DELETE}=true"
    return Finding("Ready", "False", "Draining", text)


def _ready(resource: RemoteUnit, observed: Observed, found: Mapping[str, Finding]) -> Finding:
    """Summarise: records of every link arrive, as the spec wants it."""
    if resource.deleting:
        return _draining(resource, observed)
    for name in ("ConfigSynced", "Enrolled", "Owned", "Connected"):
        finding = found[name]
        if finding.status != "True" and finding.reason != "StandbyMissing":
            return Finding("Ready", finding.status, finding.reason, finding.message)
    for name in ("SpoolHealthy", "CertificateValid"):
        if found[name].status == "False":
            return Finding("Ready", "False", found[name].reason, found[name].message)
    for name in ("Connected", "SpoolHealthy"):  # records arrive, and somebody should look
        if found[name].message:
            return Finding("Ready", "True", found[name].reason, found[name].message)
    return Finding("Ready", "True", "Ready")
