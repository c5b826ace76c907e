"""Alerts, rules and mistakes as messages of the Alerts service.

Owns how each is said on the wire. Numbers of phones in a rule are counted, never
said: who may see a rule need not see whom it is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bluewhale.api.alerts.v1 import alerts_pb2 as api
from bluewhale.records.ids import id_text

if TYPE_CHECKING:
    from bluewhale.configuration.alerting import Alerting, AnyRule, Channel, Mistake
    from bluewhale.database.alerts import StoredAlert

_HEAD = frozenset({"rule", "name", "kind", "severity", "sites", "to", "live"})
_NUMBERS = frozenset({"numbers", "prefixes"})


def alert(stored: StoredAlert) -> api.Alert:
    """Say one alert."""
    return api.Alert(
        alert_id=id_text(stored.alert_id),
        rule_uid=stored.rule_uid,
        name=stored.name,
        kind=stored.kind,
        severity=stored.severity,
        object_kind=stored.object_kind,
        object_uid=stored.object_uid,
        site_uid=stored.site_uid,
        department_uid=stored.department_uid,
        opened_at_ms=stored.opened_at_ms,
        first_at_ms=stored.first_at_ms,
        last_at_ms=stored.last_at_ms,
        calls=stored.calls,
        measured=stored.measured,
        state=stored.state,
        until_ms=stored.until_ms,
        openings=stored.openings,
        changed_at_ms=stored.changed_at_ms,
        changed_by=stored.changed_by,
    )


def deliveries(rows: Iterable[tuple[str, int, str, int, int, str]]) -> list[api.Delivery]:
    """Say what was sent."""
    return [
        api.Delivery(
            channel=channel, opening=opening, state=state, attempts=attempts,
            changed_at_ms=changed_at, error=error,
        )
        for channel, opening, state, attempts, changed_at, error in rows
    ]  # fmt: skip


def rules(alerting: Alerting) -> list[api.Rule]:
    """Say the rules of a file, in its order."""
    return [_rule(rule) for rule in alerting.settings.rules]


def _rule(rule: AnyRule) -> api.Rule:
    said = rule.model_dump(mode="json", exclude=set(_HEAD))
    counted = {
        name: len(value) if name in _NUMBERS else value
        for name, value in said.items()
        if value not in (None, [])
    }
    return api.Rule(
        rule_uid=rule.rule,
        name=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        sites=rule.sites,
        to=rule.to,
        live=rule.live,
        settings=json.dumps(counted),
    )


def channels(found: Iterable[Channel]) -> list[api.Channel]:
    """Say channels, without where they lead."""
    return [api.Channel(channel=c.channel, type=c.type, numbers=c.numbers) for c in found]


def mistakes(found: Iterable[Mistake]) -> list[api.Mistake]:
    """Say what is wrong with a file of rules."""
    return [
        api.Mistake(line=m.line, field=m.field, problem=m.problem, remedy=m.remedy) for m in found
    ]
