"""What is wrong with a unit, in words that a person can act on. A pure function.

Owns the list of conditions of a unit and when each is bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bluewhale.api.units.v1 import units_pb2 as pb

if TYPE_CHECKING:
    from bluewhale.database.units import UnitRow

SKEW_MAX_MS = 60_000
JOURNAL_RATIO_MAX = 0.7
RENEWAL_LATE_MS = 7 * 86_400_000  # renewed at half of 30 days, so a week left is late


def conditions_of(
    unit: pb.Unit, reports: Sequence[Mapping[str, Any]], row: UnitRow | None, *, now_ms: int
) -> list[pb.Condition]:
    """Give every condition of a unit, well or not.

    reports: of the running copies of the unit, as `fleet.report_of` makes them.
    """
    found = [
        _admission(unit, row),
        _certificate(unit, now_ms),
        _connection(unit),
        _copies(unit, reports),
        _clock(reports),
        _journal(unit, reports),
        _configuration(unit, reports),
    ]
    found.extend(
        pb.Condition(name="stream", good=False, message=f"stream {stream} is refused: {why}")
        for report in reports
        for stream, why in report["refusals"].items()
    )
    found.extend(
        pb.Condition(
            name="link",
            good=False,
            message=f"link {link_uid}: {link['last_error']}",
        )
        for report in reports
        for link_uid, link in report["links"].items()
        if link["last_error"] and not link["connected"]
    )
    return found


def _condition(name: str, problem: str) -> pb.Condition:
    return pb.Condition(name=name, good=not problem, message=problem)


def _admission(unit: pb.Unit, row: UnitRow | None) -> pb.Condition:
    problem = ""
    if unit.state == "revoked":
        reason = row.reason if row is not None and row.reason else "no reason given"
        problem = f"revoked ({reason}); to admit it again: bluewhale unit token {unit.unit_uid}"
    elif unit.state == "undeclared":
        problem = "not in the configuration; add it to `units`, or revoke it"
    return _condition("admission", problem)


def _certificate(unit: pb.Unit, now_ms: int) -> pb.Condition:
    valid = [c for c in unit.certificates if not c.revoked_at_ms]
    if not valid:
        return _condition(
            "certificate", f"none that is valid; mint a token: bluewhale unit token {unit.unit_uid}"
        )
    left_ms = max(c.not_after_ms for c in valid) - now_ms
    problem = ""
    if left_ms <= 0:
        problem = (
            "expired; let it renew with its known key: "
            f"bluewhale unit token {unit.unit_uid} --approve-expired"
        )
    elif left_ms < RENEWAL_LATE_MS:
        problem = f"ends in {left_ms // 3_600_000} hours and was not renewed; look at its log"
    return _condition("certificate", problem)


def _connection(unit: pb.Unit) -> pb.Condition:
    problem = (
        ""
        if unit.instances
        else "not connected; its log says why, and on its machine: bluewhale unit check unit.yaml"
    )
    return _condition("connection", problem)


def _copies(unit: pb.Unit, reports: Sequence[Mapping[str, Any]]) -> pb.Condition:
    if len(unit.instances) < 2:
        return _condition("copies", "")
    peers = ", ".join(sorted(str(r["peer"]) for r in reports))
    return _condition(
        "copies",
        f"runs {len(unit.instances)} times ({peers}); all records are taken, but end all copies"
        " but one",
    )


def _clock(reports: Sequence[Mapping[str, Any]]) -> pb.Condition:
    skew_ms = max((int(r["clock_skew_ms"]) for r in reports), key=abs, default=0)
    problem = ""
    if abs(skew_ms) > SKEW_MAX_MS:
        side = "ahead of" if skew_ms > 0 else "behind"
        problem = (
            f"its clock is {abs(skew_ms) // 1000} s {side} the centre's; set it (NTP); nothing is"
            " corrected, and calls keep the switch's own times"
        )
    return _condition("clock", problem)


def _journal(unit: pb.Unit, reports: Sequence[Mapping[str, Any]]) -> pb.Condition:
    ratio = max((float(r["journal_usage_ratio"]) for r in reports), default=0.0)
    problem = ""
    if ratio > JOURNAL_RATIO_MAX:
        problem = (
            f"its journal is {ratio:.0%} full; records are not being stored: look at storage, or"
            f" give it more: bluewhale unit configure {unit.unit_uid} journal_quota_mib=..."
        )
    return _condition("journal", problem)


def _configuration(unit: pb.Unit, reports: Sequence[Mapping[str, Any]]) -> pb.Condition:
    for report in reports:
        if report["configuration_error"]:
            state = report["configuration_state"] or "refused"
            if state == "effective":
                state = "in effect, but for links that are tried again"
            return _condition("configuration", f"{state}: {report['configuration_error']}")
        wanted = unit.configuration.desired_hash
        if wanted and report["configuration_hash"] and report["configuration_hash"] != wanted:
            return _condition("configuration", "the desired document is not in effect yet")
    return _condition("configuration", "")
