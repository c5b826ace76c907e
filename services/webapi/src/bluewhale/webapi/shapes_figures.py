"""Shapes of figures: sums, the dashboard, completeness; each with the scope that it counts."""

from __future__ import annotations

from typing import Annotated, Literal

from bluewhale.webapi.shapes import Day, Instant, Money, Name, Period, Price, Scope, Shape, Whole
from pydantic import ConfigDict, Field


class CompletenessLine(Shape):
    """Is everything in? The sums of the days that were asked about, in one line."""

    complete: Annotated[bool | None, Field(description="null = nothing came on these days")]
    sites: int
    received: int
    parsed: int
    suspended: int
    open: Annotated[int, Field(description="records stored that are in no call yet")]
    unrated: int
    gaps: int
    last_day: Day | None


class Aggregate(Shape):
    """Sums over the calls of one scope."""

    scope: Scope
    period: Period
    calls: int
    answered: int
    talk_ms: int
    unpriced: int
    money: list[Price]
    completeness: CompletenessLine


class Figure(Shape):
    """One number and the calls behind it."""

    name: Literal["calls", "answered", "talk_ms", "unpriced"]
    value: int
    scope: Scope


class Cost(Shape):
    """What one price list comes to, and the calls behind it."""

    price_list: str
    money: Money | None
    unpriced: int
    scope: Scope


class Slot(Shape):
    """An hour (`"14"`) or a day (`"2026-11-21"`) of the site's clock; scope null = not sayable."""

    name: str
    calls: int
    answered: int
    scope: Scope | None


class Times(Shape):
    """Calls over time."""

    by: Literal["hour", "day"]
    rows: list[Slot]


class Group(Shape):
    """Calls of one site, department or class; scope null = it cannot be said by a filter."""

    name: Name | None
    calls: int
    answered: int
    talk_ms: int
    money: list[Price]
    scope: Scope | None


class Summary(Shape):
    """The dashboard: every figure with its scope."""

    scope: Scope
    period: Period
    as_of: Instant
    completeness: CompletenessLine
    figures: list[Figure]
    cost: list[Cost]
    times: Times
    sites: list[Group]
    departments: list[Group]
    classes: list[Group]


class ReportKind(Shape):
    """One way of grouping calls."""

    by: str


class ReportKinds(Shape):
    """All ways of grouping calls."""

    items: list[ReportKind]


class Report(Shape):
    """Sums per group, the dearest first; times in order."""

    by: str
    scope: Scope
    period: Period
    rows: list[Group]
    total: Annotated[
        Group, Field(description="of all calls, whatever rows there are; name is null")
    ]
    whole: Annotated[bool, Field(description="false: there are more groups than rows")]
    completeness: CompletenessLine


class CompletenessDay(Shape):
    """One site and UTC day of receipt; heard and journaled are null for imports."""

    site: Name
    day: Day
    heard: int | None
    journaled: int | None
    received: int
    parsed: int
    suspended: int
    duplicate: int
    merged: int
    rated: int
    unrated: int
    stored: int
    open: int
    balanced: bool
    difference: str


class Gap(Shape):
    """Records that are not there: lost = the edge named them, missing = nobody did yet."""

    link_uid: str
    site: Name | None
    stream_id: Whole
    incarnation: Whole
    first_seq: Whole
    last_seq: Whole
    records: int
    state: str
    reason: str


class DayScope(Shape):
    """Days that were asked about, both inclusive; sites null = all."""

    from_: Annotated[Day | None, Field(alias="from", serialization_alias="from")]
    to: Day | None
    sites: list[str] | None

    model_config = ConfigDict(populate_by_name=True, extra="forbid", frozen=True)


class Completeness(Shape):
    """Is everything that was heard also stored and priced?"""

    complete: bool
    scope: DayScope
    days: list[CompletenessDay]
    gaps: list[Gap]


class SiteChoice(Shape):
    """A site that can be chosen."""

    uid: str
    name: str
    zone: str


class DepartmentChoice(Shape):
    """A department that can be chosen."""

    uid: str
    name: str
    parent_uid: str | None


class PriceListChoice(Shape):
    """A price list that can be chosen."""

    name: str
    currency: str


class Choices(Shape):
    """What filters can be set to, within the reader's branch."""

    sites: list[SiteChoice]
    departments: list[DepartmentChoice]
    price_lists: list[PriceListChoice]
    directions: list[str]
    classes: list[str]
    dispositions: list[str]
    periods: list[str]
