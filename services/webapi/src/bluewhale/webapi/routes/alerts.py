"""Alerts: what needs somebody, why, and by which calls; rules tried before they are in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from bluewhale.api.alerts.v1 import alerts_pb2 as api
from bluewhale.webapi import access, alert_asking
from bluewhale.webapi import shapes_alerts as shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.export_columns import STORED, Calls
from bluewhale.webapi.exporting import json_objects
from bluewhale.webapi.paging import Pages
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs, saying_to
from bluewhale.webapi.routes.tariffs import Lines
from bluewhale.webapi.saying import Saying, instant, known
from bluewhale.webapi.scoping import scoped
from bluewhale.webapi.shapes import Call
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

router = APIRouter(tags=["alerts"])
CALLS_SHOWN = 50
AlertId = Annotated[str, Path(pattern=r"^[a-z2-7]{26}$")]
RuleUid = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_ONLY = frozenset({"period", "since", "until", "tz", "sites", "departments"})


@router.get("/alerts", response_model=shapes.AlertPage, **needs("alerts.see"))
def alerts(
    reader: Asks,
    parts: Has,
    state: Annotated[list[shapes.AlertState] | None, Query(max_length=4)] = None,
    rule: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[str | None, Query(max_length=8_000)] = None,
) -> Response:
    """List alerts, those that opened last first."""
    pages = Pages.read(after)
    found = parts.alerts.page(
        states=state or (),
        sites=_branch(reader.branch.sites),
        departments=_branch(reader.branch.departments),
        rule=rule,
        limit=limit,
        after=pages.place,
    )
    saying = saying_to(reader, parts)
    return answer(
        shapes.AlertPage(
            items=[alert_asking.alert(a, saying) for a in found.alerts],
            next=pages.next(found.next),
            prev=pages.prev(),
            open=found.open,
        )
    )


@router.get("/alerts/{alert_id}", response_model=shapes.AlertDetail, **needs("alerts.see"))
def alert(alert_id: AlertId, reader: Asks, parts: Has) -> Response:
    """Give one alert with the calls that did it."""
    found = _held(alert_id, reader, parts)
    saying = saying_to(reader, parts)
    scope = alert_asking.scope_of(found.alert, found.call_ids)
    calls = []
    if scope is not None:
        asked = scoped(scope, reader, saying.names)
        listed, _ = parts.questions.search(asked.question, STORED, limit=CALLS_SHOWN)
        objects = json_objects(Calls(listed, saying.names, saying.masker))
        calls = [Call.model_validate_json(said) for said in objects.to_pylist()]
    return answer(
        shapes.AlertDetail(
            alert=alert_asking.alert(found.alert, saying),
            scope=scope,
            calls=calls,
            deliveries=alert_asking.deliveries(found.deliveries),
        )
    )


@router.post("/alerts/{alert_id}/ack", response_model=shapes.Alert, **needs("alerts.handle"))
def acknowledge(alert_id: AlertId, reader: Asks, parts: Has) -> Response:
    """Say that somebody looks after it."""
    return _changed(alert_id, "acknowledged", reader, parts)


@router.post("/alerts/{alert_id}/snooze", response_model=shapes.Alert, **needs("alerts.handle"))
def snooze(alert_id: AlertId, body: shapes.SnoozeBody, reader: Asks, parts: Has) -> Response:
    """Put it off; a snooze has an end."""
    return _changed(alert_id, "snoozed", reader, parts, until_ms=_milliseconds(body.until))


@router.post("/alerts/{alert_id}/close", response_model=shapes.Alert, **needs("alerts.handle"))
def close(alert_id: AlertId, reader: Asks, parts: Has) -> Response:
    """Close it; a call more opens it again."""
    return _changed(alert_id, "closed", reader, parts)


@router.get("/alert-rules", response_model=shapes.Rules, **needs("alerts.see"))
def alert_rules(_reader: Asks, parts: Has) -> Response:
    """List the rules in force, and the channels that they tell."""
    found = parts.alerts.rules()
    return answer(
        shapes.Rules(
            items=alert_asking.rules(found.rules, parts.directories.names()),
            channels=[
                shapes.Channel(
                    channel=c.channel,
                    type=c.type,  # type: ignore[arg-type]  # the closed list of the same release
                    numbers=c.numbers,  # type: ignore[arg-type]  # the same
                )
                for c in found.channels
            ],
            file=found.file or None,
        )
    )


@router.post("/alert-rules/check", response_model=shapes.RulesCheck, **needs("alerts.see"))
def check_alert_rules(body: shapes.RulesBody, _reader: Asks, parts: Has) -> Response:
    """Read a file of rules, and say everything that is wrong with it; nothing is stored."""
    found = parts.alerts.check(body.content)
    return answer(
        shapes.RulesCheck(
            good=not found.mistakes,
            mistakes=[
                shapes.RuleMistake(line=m.line, field=m.field, problem=m.problem, remedy=m.remedy)
                for m in found.mistakes
            ],
            rules=alert_asking.rules(found.rules, parts.directories.names()),
        )
    )


@router.post(
    "/alert-rules/{rule_uid}/backtest",
    response_model=shapes.BacktestLine,
    response_class=Lines,
    **needs("alerts.see"),
)
def backtest(rule_uid: RuleUid, body: shapes.BacktestBody, reader: Asks, parts: Has) -> Response:
    """Say what a rule would have told of stored calls: a JSON object a line, as it runs.

    Lines of progress, then one with the result.
    """
    if body.content is not None and not reader.may("numbers.see"):
        # digits that are masked could be found by prefixes of a rule
        raise RefusedError("numbers_masked", params={"fields": ["content"]})
    saying = saying_to(reader, parts)
    asked = scoped(body.filter, reader, saying.names, default="period=last-30d")
    named = {f for f in asked.fixed.__slots__ if getattr(asked.fixed, f) is not None}
    if named - _ONLY:
        raise RefusedError("filter_invalid", "a rule is tried by time, site and department alone")
    question = asked.question
    if not question.HasField("from_ms") or not question.HasField("until_ms"):
        raise RefusedError("filter_invalid", "say a period, or from and to")
    request = api.BacktestRequest(
        rule_uid=rule_uid,
        content=body.content or "",
        from_ms=question.from_ms,
        until_ms=question.until_ms,
        site_uids=question.site_uids,
        department_uids=question.department_uids,
    )
    replies = parts.alerts.backtest(request)
    first = next(replies)  # what is refused is refused as a problem, before the first line
    return Lines(_lines(first, replies, saying))


def _lines(
    first: api.BacktestReply, replies: Iterator[api.BacktestReply], saying: Saying
) -> Iterator[str]:
    try:
        yield _line(first, saying)
        for reply in replies:
            yield _line(reply, saying)
    except RefusedError as error:
        yield shapes.BacktestLine(problem=error.code).model_dump_json(exclude_none=True) + "\n"


def _line(reply: api.BacktestReply, saying: Saying) -> str:
    if not reply.done:
        progress = shapes.BacktestProgress(
            calls=reply.calls, alerts=reply.alerts, reached=instant(reply.reached_ms or None)
        )
        return shapes.BacktestLine(progress=progress).model_dump_json(exclude_none=True) + "\n"
    result = shapes.Backtested(
        calls=reply.calls,
        alerts=reply.alerts,
        found=[
            shapes.WouldBe(
                alert=alert_asking.alert(f.alert, saying),
                call_ids=list(f.call_ids),
                scope=alert_asking.scope_of(f.alert, f.call_ids)
                if len(f.call_ids) == f.alert.calls
                else None,
            )
            for f in reply.found
        ],
    )
    return shapes.BacktestLine(result=result).model_dump_json() + "\n"


def _changed(
    alert_id: str, state: str, reader: Reader, parts: Parts, until_ms: int | None = None
) -> Response:
    _held(alert_id, reader, parts)
    found = parts.alerts.change(alert_id, state, who=reader.user.name, until_ms=until_ms)
    return answer(alert_asking.alert(found, saying_to(reader, parts)))


def _held(alert_id: str, reader: Reader, parts: Parts) -> api.AlertDetail:
    """Give an alert, if it is in the branch."""
    found = parts.alerts.get(alert_id)
    for allowed, name in (
        (reader.branch.sites, "site_uid"),
        (reader.branch.departments, "department_uid"),
    ):
        if allowed is not None and known(found.alert, name) not in allowed:
            raise access.outside_of("alerts", [alert_id])
    return found


def _branch(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names) or [access.NOWHERE]


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return round(moment.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    fields = [{"field": "until", "problem": "an instant such as 2026-11-21T13:03:01Z"}]
    raise RefusedError("body_invalid", params={"fields": fields})
