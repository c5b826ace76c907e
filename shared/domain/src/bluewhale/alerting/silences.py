"""A PBX that says nothing while it usually does.

Owns what "usual" means and when silence is worth a word. Knows no clock and no
database: they are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from bluewhale.alerting.rules import SilentPbxRule
from bluewhale.records.findings import Finding

HOUR_MS = 3_600_000
WEEK_HOURS = 7 * 24
WEEKS = 4  # before now that say what is usual


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of one PBX: when it was heard last, and its records per hour.

    `hours` maps hours since 1970 (UTC) to records; an hour without any is not in it.
    """

    pbx_uid: str
    site_uid: str | None
    last_at_ms: int
    hours: Mapping[int, int]


def usual_records(hours: Mapping[int, int], now_ms: int) -> float | None:
    """Give the records that are usual in this hour of the week; None = nobody knows yet.

    The median of up to four weeks before that lie behind the first record.
    """
    if not hours:
        return None
    hour, first = now_ms // HOUR_MS, min(hours)
    before = [hour - n * WEEK_HOURS for n in range(1, WEEKS + 1)]
    known = [hours.get(h, 0) for h in before if h >= first]
    return float(median(known)) if known else None


def silence(rule: SilentPbxRule, heard: Heard, now_ms: int) -> Finding | None:
    """Say whether a PBX has been silent for too long at `now_ms`; None = no, or not judged."""
    if rule.pbxs and heard.pbx_uid not in rule.pbxs:
        return None
    if rule.sites and heard.site_uid not in rule.sites:
        return None
    quiet_ms = now_ms - heard.last_at_ms
    if quiet_ms < rule.silent_ms:
        return None
    usual = rule.usual_per_hour
    if usual is None:
        usual = usual_records(heard.hours, now_ms)
    if usual is None or usual * rule.silent_ms / HOUR_MS < rule.records_min:
        return None
    return Finding(
        rule_uid=rule.rule_uid,
        name=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        object_kind="pbx",
        object_uid=heard.pbx_uid,
        site_uid=heard.site_uid,
        window=str(heard.last_at_ms),  # one silence is one alert, however long it lasts
        at_ms=heard.last_at_ms,
        measured={
            "last_at_ms": str(heard.last_at_ms),
            "silent_ms": str(rule.silent_ms),
            "usual_per_hour": f"{usual:g}",
        },
        to=rule.to,
    )
