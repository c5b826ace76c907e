"""Shapes of the workshop: formats of PBXs, and what pasted lines become."""

from __future__ import annotations

from typing import Annotated, Any

from bluewhale.webapi.shapes import Body, RawField, Shape
from pydantic import Field


class DialectOption(Shape):
    """One setting of a format."""

    name: str
    kind: Annotated[str, Field(examples=["choice", "flag", "integer", "text", "list"])]
    default: Any
    choices: list[str]
    meaning: str


class DialectLink(Shape):
    """A link that prints this format, and its settings."""

    link_uid: str
    options: dict[str, Any]


class Dialect(Shape):
    """A format that this release reads."""

    dialect_id: str
    title: str
    version: int
    options: list[DialectOption]
    links: list[DialectLink]


class Dialects(Shape):
    """All formats."""

    items: list[Dialect]


class TryBody(Body):
    """Lines as a PBX prints them; read as those of a link, or with settings of their own."""

    raw: Annotated[str, Field(max_length=200_000, json_schema_extra={"format": "byte"})]
    link_uid: Annotated[str | None, Field(max_length=64)] = None
    options: dict[str, Any] | None = None
    zone: Annotated[str | None, Field(max_length=64, examples=["Europe/Berlin"])] = None
    country: Annotated[str | None, Field(pattern=r"^[A-Z]{2}$", examples=["DE"])] = None


class LegField(Shape):
    """One column of the leg that a record becomes, in words."""

    name: str
    value: str


class TriedRecord(Shape):
    """What one record became; `reason` null = it is a leg."""

    bytes: Annotated[str, Field(description="base64", json_schema_extra={"format": "byte"})]
    context: Annotated[str | None, Field(json_schema_extra={"format": "byte"})]
    fields: list[RawField]
    leg: list[LegField]
    reason: str | None
    detail: str
    note: str


class TriedLines(Shape):
    """What the lines became, in their order; not whole = there were more."""

    records: list[TriedRecord]
    whole: bool
