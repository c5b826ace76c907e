"""Questions to the service `alerts`, and its answers as shapes.

Owns how alerts and rules are said to one reader. Does not own which of them
somebody may see (`access`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bluewhale.api.alerts.v1 import alerts_pb2 as api
from bluewhale.records.ids import ID_TEXT_LENGTH
from bluewhale.webapi import filters
from bluewhale.webapi import shapes_alerts as shapes
from bluewhale.webapi.asking import TIMEOUT_S, told
from bluewhale.webapi.saying import instant, known, money
from bluewhale.webapi.shapes import Name

if TYPE_CHECKING:
    from bluewhale.webapi.names import Names
    from bluewhale.webapi.saying import Saying

BACKTEST_TIMEOUT_S = 300.0
CALLS_IN_SCOPE_MAX = 140  # of 26 letters each: a filter has 4,096
_UTC = ZoneInfo("UTC")
_WHOLE = ("talk_ms", "talk_min_ms", "silent_ms")


class AlertQuestions:
    """The service `alerts`, wherever it is. Any thread."""

    def __init__(self, peer: Callable[[str], Any]) -> None:
        self._peer = peer

    def page(
        self,
        *,
        states: Sequence[str],
        sites: Iterable[str] | None,
        departments: Iterable[str] | None,
        rule: str | None,
        limit: int,
        after: str,
    ) -> api.ListReply:
        """Give alerts; sites and departments None = all."""
        request = api.ListRequest(
            states=states, site_uids=sites, department_uids=departments, rule_uid=rule or "",
            limit=limit, after=after,
        )  # fmt: skip
        with told():
            found: api.ListReply = self._peer("alerts").List(request, timeout=TIMEOUT_S)
        return found

    def get(self, alert_id: str) -> api.AlertDetail:
        """Give one alert."""
        with told():
            found: api.AlertDetail = self._peer("alerts").Get(
                api.GetRequest(alert_id=alert_id), timeout=TIMEOUT_S
            )
        return found

    def change(
        self, alert_id: str, state: str, *, who: str, until_ms: int | None = None
    ) -> api.Alert:
        """Move an alert to another state."""
        request = api.ChangeRequest(alert_id=alert_id, state=state, until_ms=until_ms, who=who)
        with told():
            found: api.Alert = self._peer("alerts").Change(request, timeout=TIMEOUT_S)
        return found

    def stamp(self) -> int:
        """Give a number that grows with every change of any alert."""
        with told():
            return int(self._peer("alerts").Stamp(api.StampRequest(), timeout=TIMEOUT_S).stamp)

    def rules(self) -> api.RulesReply:
        """Give the rules in force."""
        with told():
            found: api.RulesReply = self._peer("alerts").Rules(
                api.RulesRequest(), timeout=TIMEOUT_S
            )
        return found

    def check(self, content: str) -> api.CheckReply:
        """Read rules without using them."""
        with told():
            found: api.CheckReply = self._peer("alerts").Check(
                api.CheckRequest(content=content), timeout=TIMEOUT_S
            )
        return found

    def backtest(self, request: api.BacktestRequest) -> Iterator[api.BacktestReply]:
        """Try a rule on stored calls; ends with the reader."""
        with told():
            replies = self._peer("alerts").Backtest(request, timeout=BACKTEST_TIMEOUT_S)
        try:
            while True:
                with told():
                    reply = next(replies, None)
                if reply is None:
                    return
                yield reply
        finally:
            replies.cancel()


def alert(found: api.Alert, saying: Saying) -> shapes.Alert:
    """Say one alert."""
    names, site = saying.names, known(found, "site_uid")
    return shapes.Alert(
        alert_id=found.alert_id,
        rule=found.rule_uid,
        name=found.name,
        kind=found.kind,  # type: ignore[arg-type]  # the closed list of the same release
        severity=found.severity,  # type: ignore[arg-type]  # the same
        object=_object(found, saying),
        site=names.site(site),
        zone=names.sites[site].zone if site in names.sites else None,
        opened_at=instant(found.opened_at_ms),
        first_at=instant(found.first_at_ms),
        last_at=instant(found.last_at_ms),
        calls=found.calls,
        measured=_measured(found.measured),
        state=found.state,  # type: ignore[arg-type]  # the same
        until=instant(known(found, "until_ms")),
        openings=found.openings,
        changed_at=instant(found.changed_at_ms),
        changed_by=found.changed_by or None,
    )


def _object(found: api.Alert, saying: Saying) -> shapes.AlertObject:
    names, named = saying.names, None
    if found.object_kind == "pbx":
        named = names.pbx(found.object_uid)
    elif found.object_kind == "site":
        named = names.site(found.object_uid or None)
    return shapes.AlertObject(
        kind=found.object_kind,  # type: ignore[arg-type]  # the same
        uid=saying.masker.text(found.object_uid),  # an extension may be a whole number
        name=None if named is None else named.name,
    )


def _measured(found: Mapping[str, str]) -> shapes.Measured:
    currency = found.get("currency")
    last_at = found.get("last_at_ms")
    usual = found.get("usual_per_hour")
    return shapes.Measured(
        money=_amount(found.get("amount_nanos"), currency),
        least=_amount(found.get("cost_min_nanos"), currency),
        price_list=found.get("price_list"),
        side=found.get("side"),
        last_at=None if last_at is None else instant(int(last_at)),
        usual_per_hour=None if usual is None else float(usual),
        **{name: int(found[name]) for name in _WHOLE if name in found},
    )


def _amount(nanos: str | None, currency: str | None) -> Any:
    if nanos is None:
        return None
    return money(f"{Decimal(nanos).scaleb(-9).normalize():f}", currency)


def scope_of(found: api.Alert, call_ids: Sequence[str]) -> str | None:
    """Give the filter that opens exactly the calls of an alert; None = it cannot be said."""
    if not call_ids or len(call_ids) > CALLS_IN_SCOPE_MAX:
        return None
    since, until = (
        (datetime.fromtimestamp(ms / 1000, UTC) + timedelta(milliseconds=more)).isoformat()
        for ms, more in ((found.first_at_ms, 0), (found.last_at_ms, 1))
    )
    wanted = filters.parse(f"from={since}&to={until}&call={','.join(sorted(call_ids))}")
    return str(wanted.fixed(datetime.now(UTC), _UTC))


def deliveries(found: Iterable[api.Delivery]) -> list[shapes.Delivery]:
    """Say what was sent."""
    return [
        shapes.Delivery(
            channel=d.channel,
            opening=d.opening,
            state=d.state,  # type: ignore[arg-type]  # the closed list of the same release
            attempts=d.attempts,
            changed_at=instant(d.changed_at_ms),
            error=d.error or None,
        )
        for d in found
    ]


def rules(found: Iterable[api.Rule], names: Names) -> list[shapes.Rule]:
    """Say rules."""
    return [
        shapes.Rule(
            rule=r.rule_uid,
            name=r.name,
            kind=r.kind,  # type: ignore[arg-type]  # the closed list of the same release
            severity=r.severity,  # type: ignore[arg-type]  # the same
            sites=[names.site(uid) or Name(uid=uid, name=None) for uid in r.sites],
            to=list(r.to),
            live=r.live,
            settings=json.loads(r.settings or "{}"),
        )
        for r in found
    ]


assert ID_TEXT_LENGTH * CALLS_IN_SCOPE_MAX < filters.LETTERS_MAX
