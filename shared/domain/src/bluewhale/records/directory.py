"""Who and what exists: sites, PBXs, trunks, people, departments.

Owns the frozen objects and the as-of lookup; loading and validation of files is
`bluewhale.records.directory_files`. Everything is effective-dated: an entry
holds in the half-open interval [active_from, active_until); a call is
attributed as of its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Site:
    """A place with one clock zone and one way of dialling.

    `country` is ISO 3166 alpha-2, `area_code` the national destination code
    without trunk prefix ("30"), `access_codes` what is dialled to seize a
    public line ("0", "9"), empty where the PBX prints numbers without it.
    `extension_lengths` and `extension_ranges` say what an own extension looks
    like; `short_codes` maps own codes to the number they stand for.
    """

    site_uid: str
    name: str
    zone: str
    country: str
    area_code: str = ""
    access_codes: tuple[str, ...] = ()
    extension_lengths: tuple[int, ...] = (3, 4, 5)
    extension_ranges: tuple[tuple[int, int], ...] = ()
    short_codes: Mapping[str, str] = field(default_factory=dict)
    main_number: str = ""  # E.164 digits in front of a direct-dial extension, without "+"


@dataclass(frozen=True, slots=True)
class Pbx:
    """One switch; `pbx_uid` never changes, `name` may."""

    pbx_uid: str
    site_uid: str
    name: str


@dataclass(frozen=True, slots=True)
class Trunk:
    """A line or trunk group member towards a carrier."""

    pbx_uid: str
    trunk: str
    trunk_group: str = ""
    carrier: str = ""
    direction: str = "both"
    grace_ms: int = 0  # no answer supervision: shorter calls count as unanswered
    active_from: datetime | None = None
    active_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Department:
    """A node of the tree; `parent_uid` empty for the root."""

    department_uid: str
    name: str
    parent_uid: str = ""
    cost_center_uid: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone (or a room, a fax) that extensions belong to."""

    person_uid: str
    name: str
    department_uid: str = ""
    cost_center_uid: str = ""
    active_from: datetime | None = None
    active_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension of one site, whose it is, and from when to when."""

    site_uid: str
    extension: str
    person_uid: str = ""
    department_uid: str = ""
    subscriber_group: str = ""  # selector value for price lists
    active_from: datetime | None = None
    active_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountCode:
    """A dialled code that names who pays: a department or a cost centre."""

    account_code: str
    name: str = ""
    department_uid: str = ""
    cost_center_uid: str = ""
    active_from: datetime | None = None
    active_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """One validated version of everything; immutable."""

    version: int
    sites: tuple[Site, ...] = ()
    pbxs: tuple[Pbx, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    departments: tuple[Department, ...] = ()
    persons: tuple[Person, ...] = ()
    extensions: tuple[Extension, ...] = ()
    cost_centers: tuple[tuple[str, str], ...] = ()  # (cost_center_uid, name)
    account_codes: tuple[AccountCode, ...] = ()
