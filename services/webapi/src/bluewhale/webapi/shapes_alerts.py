"""Shapes of alerts: what rules found, the rules, and rules tried on stored calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from bluewhale.records.findings import ObjectKind, RuleKind, Severity
from bluewhale.webapi.shapes import Body, Call, Instant, Money, Name, Scope, Shape
from pydantic import Field

AlertState = Literal["open", "acknowledged", "snoozed", "closed"]
RuleUid = Annotated[str, Field(examples=["night-premium"])]


class AlertObject(Shape):
    """What an alert is about."""

    kind: ObjectKind
    uid: Annotated[str, Field(examples=["214"])]
    name: str | None


class Measured(Shape):
    """What was found last and against what; null = this rule does not look at it."""

    talk_ms: int | None = None
    talk_min_ms: int | None = None
    money: Money | None = None
    least: Annotated[Money | None, Field(description="from which amount on a call is told")] = None
    price_list: str | None = None
    side: Annotated[
        str | None, Field(description="whose number is listed", examples=["called"])
    ] = None
    last_at: Annotated[Instant | None, Field(description="last record of a silent PBX")] = None
    silent_ms: int | None = None
    usual_per_hour: float | None = None


class Alert(Shape):
    """One rule, one object, one window of time; `scope` opens the calls that did it."""

    alert_id: Annotated[str, Field(examples=["ce7o4qlzvv6s2lhg4zjd6vrmyq"])]
    rule: RuleUid
    name: str
    kind: RuleKind
    severity: Severity
    object: AlertObject
    site: Name | None
    zone: str | None
    opened_at: Instant | None
    first_at: Instant | None
    last_at: Instant | None
    calls: int
    measured: Measured
    state: AlertState
    until: Annotated[Instant | None, Field(description="end of a snooze")]
    openings: Annotated[int, Field(description="a call more opens what was closed")]
    changed_at: Instant | None
    changed_by: str | None


class AlertPage(Shape):
    """Alerts, those that opened last first; `open` counts all that nobody has seen."""

    items: list[Alert]
    next: str | None
    prev: str | None
    open: int


class Delivery(Shape):
    """What was sent to one channel, or will be."""

    channel: str
    opening: int
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    changed_at: Instant | None
    error: str | None


class AlertDetail(Shape):
    """One alert with its calls; scope null = there are none, or more than a filter can name."""

    alert: Alert
    scope: Scope | None
    calls: Annotated[list[Call], Field(description="the latest, at most 50")]
    deliveries: list[Delivery]


class SnoozeBody(Body):
    """Until when nobody wants to hear of it."""

    until: Annotated[Instant, Field(max_length=40, description="within the next 31 days")]


class Rule(Shape):
    """One rule of the file; numbers of phones are counted, not said."""

    rule: RuleUid
    name: str
    kind: RuleKind
    severity: Severity
    sites: list[Name]
    to: list[str]
    live: bool
    settings: Annotated[dict[str, Any], Field(examples=[{"talk_minutes_min": 120}])]


class Channel(Shape):
    """Where alerts are told; its address stays in the file."""

    channel: str
    type: Literal["webhook", "alertmanager", "mail"]
    numbers: Literal["masked", "full"]


class Rules(Shape):
    """Rules and channels in force; file null = none is declared."""

    items: list[Rule]
    channels: list[Channel]
    file: str | None


class RulesBody(Body):
    """A file of rules."""

    content: Annotated[str, Field(max_length=200_000, description="YAML")]


class RuleMistake(Shape):
    """One thing wrong with a file of rules, and what to do."""

    line: int
    field: str
    problem: str
    remedy: str


class RulesCheck(Shape):
    """What a file of rules says, or everything that is wrong with it."""

    good: bool
    mistakes: list[RuleMistake]
    rules: list[Rule]


class BacktestBody(Body):
    """Which calls a rule is tried on: time, sites and departments; `content` = rules not in force."""

    filter: Annotated[str, Field(max_length=4_096, examples=["period=last-month"])] = (
        "period=last-30d"
    )
    content: Annotated[str | None, Field(max_length=200_000, description="YAML")] = None


class BacktestProgress(Shape):
    """How far it is; calls are read newest first."""

    calls: int
    alerts: int
    reached: Instant | None


class WouldBe(Shape):
    """One alert that would have opened, with the calls that would have done it."""

    alert: Alert
    call_ids: list[str]
    scope: Scope | None


class Backtested(Shape):
    """What a rule would have done; `found` are the latest, at most 200."""

    calls: int
    alerts: int
    found: list[WouldBe]


class BacktestLine(Shape):
    """One line of the answer: progress, or the result, or the code of a problem."""

    progress: BacktestProgress | None = None
    result: Backtested | None = None
    problem: str | None = None


assert BacktestLine.model_fields.keys() == {"progress", "result", "problem"}
