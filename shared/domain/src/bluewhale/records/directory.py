"""Who and what exists: sites, PBXs, trunks, people, departments.

Owns the frozen objects; loading and validation of files is
`bluewhale.records.directory_files`, the as-of lookup over columns
`bluewhale.records.directory_index`. Everything is effective-dated: an entry
holds in the half-open interval [active_from, active_until), None = without
bound; a call is attributed as of its start. The same person, trunk, extension
or account code may stand several times with intervals that do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from typing_extensions import override

if TYPE_CHECKING:
    import pyarrow as pa

Entry = TypeVar("Entry")


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


class EntryTable(Sequence[Entry], Generic[Entry]):
    """A million entries as columns; entry i is made when it is asked for.

    `table` has one column per field of `kind`: text (null = ""), int64, or
    timestamp[ms, UTC].
    """

    __slots__ = ("kind", "table")

    def __init__(self, kind: type[Entry], table: pa.Table) -> None:
        self.kind = kind
        self.table = table

    @override
    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    @override
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row = self.table.slice(index % len(self), 1).to_pylist()[0]
        defaults: dict[str, Any] = {
            f.name: f.default
            for f in fields(self.kind)  # type: ignore[arg-type]  # kinds are dataclasses
        }
        values = {k: defaults.get(k) if v is None else v for k, v in row.items()}
        return self.kind(**values)

    @override
    def __iter__(self) -> Iterator[Entry]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, slots=True)
class DepartmentTree:
    """Parents, paths and subtrees of the departments; built once per directory."""

    parents: Mapping[str, str]  # department_uid -> parent_uid, "" for a root

    @classmethod
    def of(cls, departments: Sequence[Department]) -> DepartmentTree:
        """Build the tree; loops are the loader's business and end a path here."""
        return cls({d.department_uid: d.parent_uid for d in departments})

    def path(self, department_uid: str) -> tuple[str, ...]:
        """Give the uids from the root to this department, itself included."""
        steps: list[str] = []
        while department_uid and department_uid not in steps:
            steps.append(department_uid)
            department_uid = self.parents.get(department_uid, "")
        return tuple(reversed(steps))

    def subtree(self, department_uid: str) -> frozenset[str]:
        """Give this department and all below it."""
        children: dict[str, list[str]] = {}
        for uid, parent in self.parents.items():
            children.setdefault(parent, []).append(uid)
        found = {department_uid}
        stack = [department_uid]
        while stack:
            for child in children.get(stack.pop(), ()):
                if child not in found:
                    found.add(child)
                    stack.append(child)
        return frozenset(found)

    def loop(self) -> tuple[str, ...]:
        """Give one loop as its path (first = last), or () when there is none."""
        done: set[str] = set()
        for start in self.parents:
            seen: dict[str, int] = {}
            uid = start
            while uid and uid in self.parents and uid not in done:
                if uid in seen:
                    steps = [*list(seen)[seen[uid] :], uid]
                    return tuple(steps)
                seen[uid] = len(seen)
                uid = self.parents[uid]
            done.update(seen)
        return ()


@dataclass(frozen=True, slots=True)
class Directory:
    """One validated version of everything; immutable."""

    version: int
    sites: tuple[Site, ...] = ()
    pbxs: tuple[Pbx, ...] = ()
    trunks: Sequence[Trunk] = ()
    departments: tuple[Department, ...] = ()
    persons: Sequence[Person] = ()
    extensions: Sequence[Extension] = ()
    cost_centers: tuple[tuple[str, str], ...] = ()  # (cost_center_uid, name)
    account_codes: Sequence[AccountCode] = ()
    zone: str = "UTC"  # that days of people were meant in; those of a site in its own

    def site(self, site_uid: str) -> Site:
        """Give one site; KeyError if there is none."""
        return next((s for s in self.sites if s.site_uid == site_uid), None) or _missing(site_uid)


def _missing(uid: str) -> Site:
    raise KeyError(uid)
