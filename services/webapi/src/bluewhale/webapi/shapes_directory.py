"""Shapes of the directory: who and what there was on a day."""

from __future__ import annotations

from typing import Annotated

from bluewhale.webapi.shapes import Body, Day, Instant, Name, Shape
from pydantic import Field


class DirectoryDepartment(Shape):
    """A node of the tree; `people` are those of the day in it alone, not below."""

    uid: str
    name: str
    parent_uid: str | None
    cost_center: Name | None
    people: int


class DirectoryPlace(Shape):
    """An extension of a site."""

    site: Name
    extension: str


class DirectoryPerson(Shape):
    """Somebody, or a room or a fax, as of the day."""

    uid: str
    name: str
    department: Name | None
    cost_center: Name | None
    extensions: list[DirectoryPlace]
    zone: Annotated[str, Field(examples=["Europe/Berlin"], description="that days are meant in")]
    since: Annotated[Instant | None, Field(description="null = from the beginning")]
    until: Annotated[Instant | None, Field(description="null = without end")]


class DirectoryExtension(Shape):
    """An extension, and whose it was on the day."""

    site: Name
    extension: str
    person: Name | None
    department: Name | None
    subscriber_group: str | None
    zone: str
    since: Instant | None
    until: Instant | None


class Directory(Shape):
    """The tree of departments on a day, and where changes are made."""

    as_of: Day
    version: int
    departments: list[DirectoryDepartment]
    people: int
    extensions: int
    files: Annotated[list[str], Field(description="names of the files that hold it")]


class DirectoryFound(Shape):
    """People by name and extensions by number, of a day; not whole = there are more."""

    people: list[DirectoryPerson]
    people_whole: bool
    extensions: list[DirectoryExtension]
    extensions_whole: bool


class DirectorySearchBody(Body):
    """Whom to look for: a day (null = today), a department with all below it, part of a name."""

    at: Day | None = None
    department: Annotated[str | None, Field(max_length=64)] = None
    site: Annotated[str | None, Field(max_length=64)] = None
    text: Annotated[
        str, Field(max_length=100, description="part of a name, or how an extension begins")
    ] = ""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 200


class DirectoryMoment(Shape):
    """Whose an extension was for a time."""

    person: Name | None
    department: Name | None
    since: Instant | None
    until: Instant | None


class DirectoryHistory(Shape):
    """Whose an extension was, the earliest first."""

    site: Name
    extension: str
    zone: str
    items: list[DirectoryMoment]
