"""Shapes of Remote Units: who reads what, and what is wrong."""

from __future__ import annotations

from bluewhale.webapi.shapes import Instant, Name, Shape, Whole


class UnitLink(Shape):
    """A link that a unit may read."""

    link_uid: str
    stream_id: Whole
    state: str | None
    last_received_at: Instant | None
    records_lost: int


class Instance(Shape):
    """A running copy of a unit, as it reported last."""

    session: str
    peer: str
    release: str
    connected_at: Instant | None
    reported_at: Instant | None
    clock_skew_ms: int
    journal_usage_ratio: float
    journal_days_left: float | None
    backlog_records: int | None
    oldest_waiting_at: Instant | None
    configuration_error: str | None


class Condition(Shape):
    """One thing that is well or not, with what to do about it."""

    name: str
    good: bool
    message: str


class Unit(Shape):
    """A Remote Unit."""

    unit_uid: str
    state: str
    site: Name | None
    links: list[UnitLink]
    instances: list[Instance]
    certificate_until: Instant | None
    desired_version: int
    conditions: list[Condition]
    revoked_at: Instant | None


class Units(Shape):
    """All units that the reader may see, the worst first; problems of the configuration beside."""

    items: list[Unit]
    configuration_problems: list[str]
