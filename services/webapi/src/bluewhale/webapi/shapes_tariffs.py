"""Shapes of tariffs: versions, what is wrong with one, what it would change, what it costs."""

from __future__ import annotations

from typing import Annotated, Literal

from bluewhale.webapi.shapes import Body, Instant, Money, Shape, Step, TariffVersion
from pydantic import Field

FileName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", examples=["carrier.yaml"])
]


class Tariff(Shape):
    """One stored version of a tariff."""

    uid: str
    version: int
    name: str
    price_list: str
    currency: str
    effective_from: Annotated[Instant | None, Field(description="calls answered at or after")]
    effective_until: Instant | None
    zone: Annotated[
        str | None,
        Field(description="by whose clock it comes into force", examples=["Europe/Berlin"]),
    ]
    state: Annotated[str, Field(examples=["validated"])]
    rates: int
    checksum: str
    created_at: Instant | None
    created_by: str
    activated_at: Instant | None
    activated_by: str | None
    may_activate: Annotated[bool, Field(description="whether this reader may activate it now")]
    why_not: Literal["not_permitted", "four_eyes", "active"] | None


class Tariffs(Shape):
    """All stored versions, by name and number."""

    items: list[Tariff]


class FileBody(Body):
    """One file; the YAML document names its decks by these names."""

    name: FileName
    content: Annotated[
        str,
        Field(max_length=24 << 20, description="base64", json_schema_extra={"format": "byte"}),
    ]


class FilesBody(Body):
    """One YAML document and the decks that it names."""

    files: Annotated[list[FileBody], Field(min_length=1, max_length=50)]


class Finding(Shape):
    """One thing that is wrong, or perhaps not as it was meant."""

    file: str
    line: Annotated[int | None, Field(description="from 1; null = the file as a whole")]
    field: str
    value: str | None
    problem: str
    remedy: str
    text: str


class Change(Shape):
    """What a version changes, in lines of prefix x rate label."""

    against: TariffVersion
    added: int
    removed: int
    dearer: int
    cheaper: int
    other_terms: int
    same: int
    heading: list[str]


class Check(Shape):
    """Everything that is wrong with a tariff, at once, and what it would change."""

    good: bool
    mistakes: Annotated[list[Finding], Field(description="the first 1,000")]
    mistake_count: int
    warnings: list[Finding]
    draft: Annotated[Tariff | None, Field(description="version 0 = not stored")]
    change: Change | None


class PreviewBody(Body):
    """Of which calls: started in a half-open period of the grammar, e.g. last-month."""

    filter: Annotated[str, Field(max_length=256, examples=["period=last-month"])]
    differences: Annotated[int, Field(ge=1, le=1_000)] = 20


class Progress(Shape):
    """How far a preview is."""

    calls: int
    changed: int
    reached: Instant | None


class Sum(Shape):
    """What one currency comes to before and after."""

    before: Money | None
    after: Money | None
    difference: Money | None
    unpriced_before: int
    unpriced_after: int


class Difference(Shape):
    """One call that would cost something else."""

    call_id: str
    started_at: Instant | None
    called: str
    before: Money | None
    after: Money | None
    difference: Money | None
    reason: str


class PreviewSummary(Shape):
    """What the stored calls of a period would have cost."""

    price_list: str
    calls: int
    changed: int
    sums: list[Sum]
    differences: list[Difference]


class PreviewLine(Shape):
    """One line of a preview as it runs; the last one has the summary, or a problem."""

    progress: Progress | None = None
    summary: PreviewSummary | None = None
    problem: str | None = None


class TryBody(Body):
    """One call, as it might be; a version, else what is in force."""

    number: Annotated[str, Field(max_length=64, examples=["+34 915 550 100"])]
    at: Annotated[str | None, Field(max_length=40, examples=["2026-11-21T13:03:01Z"])] = None
    talk_ms: Annotated[int | None, Field(ge=0, le=30 * 86_400_000)] = None
    direction: Literal["inbound", "outbound", "internal", "tandem"] | None = None
    tariff_uid: Annotated[str | None, Field(max_length=64)] = None
    version: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None


class Trial(Shape):
    """What it would cost on one price list."""

    price_list: str
    status: str
    reason: str | None
    money: Money | None
    exact: str
    tariff: TariffVersion | None
    prefix: str | None
    text: str
    steps: list[Step]


class Trials(Shape):
    """What it would cost on every price list."""

    trials: list[Trial]
