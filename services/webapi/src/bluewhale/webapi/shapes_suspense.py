"""Shapes of suspense: records that wait, and records that came twice."""

from __future__ import annotations

from typing import Annotated, Literal

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


DuplicateState = Literal["counted", "two_calls"]


class Duplicate(Shape):
    """A record that came again: the bytes of a stored leg under another capture key."""

    stream_id: Whole
    incarnation: Whole
    seq: Whole
    twin_cdr_id: Annotated[str, Field(description="the stored leg with the same bytes")]
    pbx: Name
    site: Name | None
    link_uid: str | None
    raw: Annotated[str, Field(description="base64", json_schema_extra={"format": "byte"})]
    received_at: Instant | None
    state: DuplicateState
    made_cdr_id: Annotated[str | None, Field(description="the leg that was made of it")]


class Duplicates(Shape):
    """Records that came twice, oldest first; not whole = there are more."""

    items: list[Duplicate]
    whole: bool


class TwoCallsBody(Body):
    """Why a record that came twice is two calls."""

    why: Why


class TwoCalls(Shape):
    """The leg that was made of a duplicate."""

    cdr_id: str
