"""Shapes of long works."""

from __future__ import annotations

from typing import Annotated, Literal

from bluewhale.webapi.shapes import Instant, Money, Shape
from pydantic import Field

Unit = Literal["records", "legs", "calls"]


class Job(Shape):
    """One long work; `done` and `total` count in `unit`, total 0 = not known yet."""

    name: str
    kind: Annotated[str, Field(examples=["replay"])]
    state: Annotated[str, Field(examples=["running"])]
    unit: Unit
    done: int
    total: int
    message: str
    who: Annotated[str | None, Field(description="null = the installation itself")]
    started_at: Instant | None
    changed_at: Instant | None


class JobDifference(Shape):
    """What a re-rating changes, summed over calls of one price list, department and tariff."""

    price_list: str
    department_uid: str | None
    tariff: Annotated[str | None, Field(examples=["carrier@2"])]
    calls: int
    before: Money
    after: Money
    difference: Money


class JobDetail(Shape):
    """One long work with what it found."""

    job: Job
    report: list[JobDifference]


class Jobs(Shape):
    """All jobs, the one that changed last first."""

    items: list[Job]
