"""Shapes of people: who is signed in, who may sign in."""

from __future__ import annotations

from typing import Annotated, Literal

from bluewhale.webapi.access import Permission, Role
from bluewhale.webapi.shapes import Body, Instant, Shape
from pydantic import Field


class BranchShape(Shape):
    """Sites and departments that somebody sees; null = all."""

    sites: list[str] | None
    departments: list[str] | None


class Me(Shape):
    """Who is signed in, and what the page may show and do."""

    user_id: str
    name: str
    display_name: str
    role: str
    branch: BranchShape
    permissions: list[Permission]
    zone: Annotated[str, Field(examples=["site"])]
    language: Annotated[str, Field(examples=["en"])]
    csrf: Annotated[str, Field(description="goes into the header X-CSRF-Token of every write")]
    expires_at: Instant
    features: dict[str, bool]


class SessionState(Shape):
    """What the sign-in page needs to know."""

    first_start: bool
    signed_in: bool


class User(Shape):
    """Somebody who may sign in."""

    user_id: str
    name: str
    display_name: str
    role: str
    branch: BranchShape
    state: Literal["active", "disabled"]
    locked_until: Instant | None
    last_seen_at: Instant | None


class Users(Shape):
    """Everybody, by name."""

    items: list[User]


UserName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$", examples=["ana"], description="signs in")
]
Secret = Annotated[str, Field(min_length=1, max_length=256, json_schema_extra={"writeOnly": True})]
Shown = Annotated[str, Field(max_length=100, examples=["Ana Ruiz"])]


class SignInBody(Body):
    """Name and password."""

    name: Annotated[str, Field(max_length=64)]
    password: Secret


class WelcomeBody(Body):
    """What makes the first owner."""

    token: Annotated[str, Field(max_length=200)]
    name: UserName
    password: Secret
    display_name: Shown = ""


class PasswordBody(Body):
    """The old password and the new one."""

    old: Secret
    new: Secret


class BranchBody(Body):
    """Sites and departments that somebody sees; null = all."""

    sites: Annotated[list[str] | None, Field(max_length=1_000)] = None
    departments: Annotated[list[str] | None, Field(max_length=1_000)] = None


class Key(Shape):
    """A key of a program."""

    key_id: str
    name: str
    role: str
    branch: BranchShape
    created_by: str
    created_at: Instant
    expires_at: Instant
    ended_at: Instant | None
    used_at: Annotated[Instant | None, Field(description="to the minute")]


class Keys(Shape):
    """All keys, the newest first."""

    items: list[Key]


class NewKey(Shape):
    """A key that was just made; the token goes into `Authorization: Bearer`."""

    key: Key
    token: Annotated[str, Field(description="shown once", examples=["bwk_..."])]


class KeyBody(Body):
    """A key: what it is for, what it may, for how long. No key is an owner."""

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["nightly export"])]
    role: Literal["viewer", "analyst", "finance", "telecom_admin", "security"]
    branch: BranchBody = BranchBody()
    days: Annotated[int, Field(ge=1, le=366)] = 90


class PreferencesBody(Body):
    """What somebody chooses for themselves; absent = it stays."""

    display_name: Shown | None = None
    zone: Annotated[str | None, Field(max_length=64, examples=["site", "UTC", "Europe/Berlin"])] = (
        None
    )
    language: Annotated[str | None, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = None


class Entry(Shape):
    """Who did what."""

    at: Instant | None
    who: str
    action: Annotated[str, Field(examples=["sign-in"])]
    subject: str
    detail: str


class Audit(Shape):
    """What was done, the newest first."""

    items: list[Entry]


class NewUserBody(Body):
    """Somebody new."""

    name: UserName
    password: Secret
    display_name: Shown = ""
    role: Role
    branch: BranchBody = BranchBody()


class UserChangeBody(Body):
    """What changes; absent = it stays."""

    display_name: Shown | None = None
    role: Role | None = None
    branch: BranchBody | None = None
    state: Literal["active", "disabled"] | None = None
    password: Secret | None = None
