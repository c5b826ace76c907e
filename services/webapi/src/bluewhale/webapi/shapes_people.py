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
    local: Annotated[bool, Field(description="signs in with a password of this installation")]
    two_factors: Annotated[bool, Field(description="a code of a device is asked for at sign-in")]
    recovery_left: Annotated[int, Field(description="recovery codes that are not used up")]


class SessionState(Shape):
    """What the sign-in page needs to know."""

    first_start: bool
    signed_in: bool
    provider: Annotated[
        str | None, Field(description="who signs in by GET /session/oidc, in words; null = nobody")
    ]


class User(Shape):
    """Somebody who may sign in."""

    user_id: str
    name: str
    display_name: str
    role: str
    branch: BranchShape
    state: Literal["active", "disabled"]
    local: Annotated[bool, Field(description="false = a provider signs them in")]
    two_factors: bool
    locked_until: Instant | None
    last_seen_at: Instant | None
    etag: Annotated[str, Field(description="goes into If-Match of a change")]


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


class Challenge(Shape):
    """The password is right; a code of the device is owed."""

    challenge: Annotated[str, Field(description="goes into POST /session/totp with the code")]
    expires_at: Instant


Code = Annotated[str, Field(min_length=1, max_length=40, examples=["123456"])]


class CodeOfChallengeBody(Body):
    """The second half of a sign-in."""

    challenge: Annotated[str, Field(max_length=200)]
    code: Code


class CodeBody(Body):
    """A code of the device."""

    code: Code


class OwnPasswordBody(Body):
    """One's own password, again."""

    password: Secret


class ProofBody(Body):
    """One's own password, and a code of the device or a recovery code."""

    password: Secret
    code: Code


class Offered(Shape):
    """What a device is set up with."""

    secret: Annotated[str, Field(description="shown once; Base32", examples=["JBSWY3DPEHPK3PXP"])]
    uri: Annotated[str, Field(description="the same for a picture", examples=["otpauth://totp/…"])]


class Recovery(Shape):
    """Codes for when the device is lost; each holds once."""

    recovery_codes: Annotated[list[str], Field(description="shown once")]


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
    """Who did what; positions count from 1."""

    position: int
    at: Instant | None
    who: str
    action: Annotated[str, Field(examples=["sign-in"])]
    subject: str
    detail: str


class Chain(Shape):
    """Whether all entries of the trail are there as they were written; at most half a minute old."""

    entries: int
    unbroken: bool
    broken_at: Annotated[int | None, Field(description="place of the first that is not, from 1")]
    head: Annotated[
        str, Field(description="hash of the newest; note it elsewhere to hold it against later")
    ]


class Audit(Shape):
    """What was done, the newest first."""

    items: list[Entry]
    next: Annotated[int | None, Field(description="hand in as `before`; null = none is older")]
    chain: Chain


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
