"""The Alerts service: requests in, messages out.

A thin door: the main database knows alerts, `bluewhale.configuration` reads rules,
`backtest` tries them, `alert_answers` says it. Runs in any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bluewhale.api.alerts.v1 import alerts_pb2 as api
from bluewhale.api.alerts.v1 import alerts_pb2_grpc as doors
from bluewhale.billing import alert_answers as answers
from bluewhale.billing.backtest import Backtest, Found
from bluewhale.capture.exceptions import InputError, TemporaryError
from bluewhale.configuration.alerting import AlertingError, parse_alerting
from bluewhale.database import CallFilter
from bluewhale.database.alerts import STATES, AlertFilter, Alerts, AlertState, StoredAlert
from bluewhale.nexus.governance import current
from bluewhale.records.exceptions import IdTextError
from bluewhale.records.ids import id_text, parse_id_text
from typing_extensions import override

if TYPE_CHECKING:
    import grpc
    from bluewhale.configuration.alerting import Alerting
    from bluewhale.database import Store
    from bluewhale.database.alerts import PageKey

LIST_DEFAULT, LIST_MAX = 100, 1_000
FOUND_MAX = 200
CALLS_SHOWN = 100  # of one alert that would have been
BACKTESTS_MAX = 2  # at once: each reads all calls of its period
SNOOZE_MAX_MS = 31 * 86_400_000
WORD_LETTERS_MAX = 200
_YEAR_3000_MS = 32_503_680_000_000


class Judging(Protocol):
    """What this process judges with."""

    @property
    def store(self) -> Store:
        """The main database."""
        ...

    @property
    def alerting(self) -> Alerting:
        """Rules and channels in force."""
        ...

    @property
    def rules_file(self) -> Path | None:
        """Where they are declared."""
        ...


class BacktestsBusyError(TemporaryError):
    """As many rules are being tried as may be at once."""

    code = "backtests_busy"


class AlertsDoor(doors.AlertsServicer):
    """Serves bluewhale.api.alerts.v1.Alerts."""

    def __init__(self, judging: Judging) -> None:
        self._judging = judging
        self._backtests = threading.BoundedSemaphore(BACKTESTS_MAX)

    @property
    def _alerts(self) -> Alerts:
        return Alerts(self._judging.store.db)

    @override
    def List(self, request: api.ListRequest, context: grpc.ServicerContext) -> api.ListReply:
        if not 0 <= request.limit <= LIST_MAX:
            raise InputError(f"limit = {request.limit}: 1 to {LIST_MAX:,}, or 0 for 100")
        limit, now_ms = request.limit or LIST_DEFAULT, _now_ms()
        sites = frozenset(request.site_uids) or None
        departments = frozenset(request.department_uids) or None
        wanted = AlertFilter(
            states=frozenset(map(_state, request.states)) or None,
            sites=sites,
            departments=departments,
            rule_uid=request.rule_uid or None,
        )
        found = self._alerts.listed(
            wanted, limit=limit + 1, now_ms=now_ms, after=_place(request.after)
        )
        waiting = AlertFilter(states=frozenset({"open"}), sites=sites, departments=departments)
        last = found[limit - 1] if len(found) > limit else None
        return api.ListReply(
            alerts=[answers.alert(a) for a in found[:limit]],
            next="" if last is None else f"{last.opened_at_ms}:{id_text(last.alert_id)}",
            open=self._alerts.count(waiting, now_ms=now_ms),
        )

    @override
    def Get(self, request: api.GetRequest, context: grpc.ServicerContext) -> api.AlertDetail:
        alerts, alert_id = self._alerts, _id(request.alert_id)
        return api.AlertDetail(
            alert=answers.alert(alerts.get(alert_id, now_ms=_now_ms())),
            call_ids=[id_text(c) for c in alerts.calls_of(alert_id)],
            deliveries=answers.deliveries(alerts.deliveries(alert_id)),
        )

    @override
    def Change(self, request: api.ChangeRequest, context: grpc.ServicerContext) -> api.Alert:
        state, now_ms = _state(request.state), _now_ms()
        until = request.until_ms if request.HasField("until_ms") else None
        if (state == "snoozed") != (until is not None):
            raise InputError("until_ms: a snooze has an end, and nothing else has one")
        if until is not None and not now_ms < until <= now_ms + SNOOZE_MAX_MS:
            raise InputError("until_ms: within the next 31 days")
        if state == "open":
            raise InputError("state: acknowledged, snoozed or closed")
        who = request.who.strip()[:WORD_LETTERS_MAX] or current().identity or "unknown"
        changed = self._alerts.change(
            _id(request.alert_id), state, who=who, now_ms=now_ms, until_ms=until
        )
        return answers.alert(changed)

    @override
    def Stamp(self, request: api.StampRequest, context: grpc.ServicerContext) -> api.StampReply:
        return api.StampReply(stamp=self._alerts.stamp())

    @override
    def Rules(self, request: api.RulesRequest, context: grpc.ServicerContext) -> api.RulesReply:
        alerting, file = self._judging.alerting, self._judging.rules_file
        return api.RulesReply(
            rules=answers.rules(alerting),
            channels=answers.channels(alerting.channels.values()),
            file="" if file is None else file.name,
        )

    @override
    def Check(self, request: api.CheckRequest, context: grpc.ServicerContext) -> api.CheckReply:
        try:
            read = parse_alerting(request.content, "alerts.yaml", Path())
        except AlertingError as error:
            return api.CheckReply(mistakes=answers.mistakes(error.found))
        return api.CheckReply(rules=answers.rules(read))

    @override
    def Backtest(
        self, request: api.BacktestRequest, context: grpc.ServicerContext
    ) -> Iterator[api.BacktestReply]:
        if not 0 <= request.from_ms < request.until_ms <= _YEAR_3000_MS:
            raise InputError("from_ms must be 0 or more and before until_ms")
        read = self._judging.alerting
        if request.content:
            try:
                read = parse_alerting(request.content, "alerts.yaml", Path())
            except AlertingError as error:
                raise InputError(f"content: {error}") from None
        rule = read.rules.get(request.rule_uid)
        if rule is None:
            known = ", ".join(r.rule_uid for r in read.rules.all) or "none"
            raise InputError(
                f"rule_uid = {request.rule_uid[:64]!r}: no such rule; there are {known}"
            )
        wanted = CallFilter(
            from_at=_moment(request.from_ms),
            until_at=_moment(request.until_ms),
            sites=list(request.site_uids) or None,
            departments=list(request.department_uids) or None,
        )
        if not self._backtests.acquire(blocking=False):
            raise BacktestsBusyError(f"{BACKTESTS_MAX} rules are being tried already; try again")
        try:
            test = Backtest(self._judging.store, rule, wanted)
            while test.step():
                if not context.is_active():
                    return
                yield api.BacktestReply(
                    calls=test.calls, reached_ms=test.reached_ms or 0, alerts=test.alerts
                )
            yield api.BacktestReply(
                calls=test.calls,
                reached_ms=request.from_ms,
                done=True,
                alerts=test.alerts,
                found=[_would_be(found) for found in test.latest(FOUND_MAX)],
            )
        finally:
            self._backtests.release()


def _would_be(found: Found) -> api.Found:
    first, last = found.first, found.last
    stored = StoredAlert(
        alert_id=last.alert_id, rule_uid=last.rule_uid, name=last.name, kind=last.kind,
        severity=last.severity, object_kind=last.object_kind, object_uid=last.object_uid,
        site_uid=last.site_uid, department_uid=last.department_uid, opened_at_ms=first.at_ms,
        first_at_ms=first.at_ms, last_at_ms=last.at_ms, calls=len(found.call_ids),
        measured=last.measured, state="open", until_ms=None, openings=1,
        changed_at_ms=first.at_ms, changed_by="", stamp=0,
    )  # fmt: skip
    calls = sorted(found.call_ids, reverse=True)[:CALLS_SHOWN]
    return api.Found(alert=answers.alert(stored), call_ids=[id_text(c) for c in calls])


def _state(text: str) -> AlertState:
    if text not in STATES:
        raise InputError(f"state = {text[:60]!r}: one of {', '.join(STATES)}")
    return text


def _id(text: str) -> bytes:
    try:
        return parse_id_text(text)
    except IdTextError as error:
        raise InputError(f"alert_id: {error}") from None


def _place(text: str) -> PageKey | None:
    if not text:
        return None
    moment, _, name = text.partition(":")
    if not moment.isdecimal() or len(moment) > 15:
        raise InputError(f"after = {text[:60]!r}: hand in `next` of a page as it is")
    return int(moment), _id(name)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _now_ms() -> int:
    return int(time.time() * 1000)
