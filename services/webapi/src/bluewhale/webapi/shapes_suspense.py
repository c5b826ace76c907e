"""Shapes of suspense and jobs: records that wait, and long works."""

from __future__ import annotations

from typing import Annotated

from bluewhale.webapi.shapes import Body, Instant, Name, RawField, Shape, Whole
from pydantic import Field

RecordId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Why = Annotated[str, Field(min_length=3, max_length=500, description="kept in the audit trail")]


class SuspenseGroup(Shape):
    """Records that wait for one reason, of one link."""

    reason: str
    dialect_id: str | None
    site: Name | None
    link_uid: str | None
    count: int
    oldest_at: Instant | None


class SuspenseGroups(Shape):
    """What waits, the most first; not whole = more wait than were counted."""

    items: list[SuspenseGroup]
    count: int
    whole: bool


class Record(Shape):
    """One record that waits, or did."""

    suspense_id: int
    link_uid: str | None
    site: Name | None
    stream_id: Whole
    incarnation: Whole
    seq: Whole
    raw: Annotated[str, Field(description="base64", json_schema_extra={"format": "byte"})]
    received_at: Instant | None
    stage: str
    reason: str
    detail: str | None
    dialect_id: str | None
    dialect_version: int | None
    state: str
    attempts: int
    first_at: Instant | None
    changed_at: Instant | None
    who: str | None
    why: str | None
    applied_cdr_id: str | None


class Records(Shape):
    """Records, oldest first; not whole = there are more."""

    items: list[Record]
    whole: bool


class RecordDetail(Shape):
    """One record with what its dialect sees in it."""

    record: Record
    fields: list[RawField]
    note: str


class RepairBody(Body):
    """The mended record, or null where it is right as it is."""

    raw: Annotated[str | None, Field(max_length=1 << 20, json_schema_extra={"format": "byte"})] = (
        None
    )
    why: Why


class DismissBody(Body):
    """Records that are no calls."""

    ids: Annotated[list[RecordId], Field(min_length=1, max_length=1_000)]
    why: Why


class ReplayBody(Body):
    """Which records are parsed again: these, or all of a reason (null = all that wait)."""

    ids: Annotated[list[RecordId] | None, Field(min_length=1, max_length=10_000)] = None
    reason: Annotated[str | None, Field(max_length=64)] = None


class Job(Shape):
    """One long work; total 0 = not known yet."""

    name: str
    kind: str
    state: Annotated[str, Field(examples=["running"])]
    done: int
    total: int
    message: str
    changed_at: Instant | None


class Jobs(Shape):
    """All jobs."""

    items: list[Job]
