"""Shapes of long works."""

from __future__ import annotations

from typing import Annotated, Literal

from bluewhale.webapi.shapes import Body, Instant, Money, Shape
from pydantic import Field

Unit = Literal["records", "legs", "calls", "steps"]
Stays = Literal["charges", "ids", "waiting", "audit", "logs", "backups", "replaced_files"]
PersonUid = Annotated[str, Field(min_length=1, max_length=200)]


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


class ErasureStay(Shape):
    """What an erasure does not reach; `until` null = as long as whoever runs it keeps it."""

    what: Stays
    until: Instant | None


class Erasure(Shape):
    """The proof of an erasure that ended: counts, and what stays."""

    pseudonym: Annotated[str, Field(description="by which the calls are counted from now on")]
    calls: int
    legs: int
    lines: Annotated[int, Field(description="of others' calls, that named the extension")]
    segments: int
    directory_versions: int
    digest: Annotated[str, Field(description="SHA-256 over the ids of calls and legs, hex")]
    stays: list[ErasureStay]


class JobDetail(Shape):
    """One long work with what it found; `erasure` is null of other kinds, and until it ends."""

    job: Job
    report: list[JobDifference]
    erasure: Erasure | None


class ErasurePreviewBody(Body):
    """Whose data would go."""

    person_uid: PersonUid


class ErasureBody(Body):
    """Whose data goes, and their name as it was typed."""

    person_uid: PersonUid
    confirmation: Annotated[str, Field(min_length=1, max_length=500)]


class ErasurePreview(Shape):
    """What would go; as long as `named_by` is not empty, nothing does."""

    person_uid: str
    name: Annotated[str, Field(description="to be typed; the uid where nothing says a name")]
    calls: int
    legs: int
    segments: Annotated[int, Field(description="sealed files that are written anew")]
    directory_versions: int
    first_at: Instant | None
    last_at: Instant | None
    named_by: Annotated[list[str], Field(description="files in force that name the person")]


class Jobs(Shape):
    """All jobs, the one that changed last first."""

    items: list[Job]
