"""Who may do what, and within which branch: the one place where both are decided.

A role is a set of permissions; every route names the one it needs. A branch is
the sites and departments a person may see: `narrowed` puts it into every
question before it leaves, `holds` looks at everything that was found by its id.
Does not own who somebody is (`sign_in`) or how digits are hidden (`masking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from bluewhale.webapi.exceptions import RefusedError

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2 as api
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as tariffs
    from bluewhale.database.users import Session, User
    from bluewhale.webapi.filters import Filter

Permission = Literal[
    "self",  # whoever is signed in
    "calls.see", "numbers.see", "raw.see", "completeness.see", "reports.see", "calls.export",
    "suspense.see", "suspense.repair", "tariffs.see", "tariffs.change", "units.see",
    "directory.see", "jobs.see", "jobs.steer", "server.see", "server.steer",
    "alerts.see", "alerts.handle", "users.manage", "audit.see", "people.erase",
]  # fmt: skip
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
Role = Literal["viewer", "analyst", "finance", "telecom_admin", "security", "owner"]
ROLE_NAMES: tuple[Role, ...] = get_args(Role)
OWNER: Role = "owner"

_Permissions = frozenset[Permission]
_VIEWER = _Permissions({"self", "calls.see", "completeness.see"})
_ANALYST = _VIEWER | _Permissions({"reports.see", "calls.export", "directory.see"})
_TARIFFS = _Permissions({"tariffs.see", "tariffs.change"})
_SEEING = _Permissions(
    {"numbers.see", "raw.see", "suspense.see", "units.see", "jobs.see", "server.see"}
)
_MENDING = _Permissions({"suspense.repair", "jobs.steer"})
_ALERTS = _Permissions({"alerts.see", "alerts.handle"})
ROLES: Mapping[Role, frozenset[Permission]] = {
    "viewer": _VIEWER,
    "analyst": _ANALYST,
    "finance": _ANALYST | _TARIFFS | _Permissions({"jobs.see", "alerts.see"}),
    "telecom_admin": _ANALYST | _TARIFFS | _SEEING | _MENDING | _ALERTS,
    "security": _ANALYST | _SEEING | _ALERTS | _Permissions({"audit.see", "people.erase"}),
    "owner": _Permissions(PERMISSIONS),
}


# four eyes are two persons' eyes, a key must not make others, and nothing gives erased data back
NEVER_BY_KEY = _Permissions(
    {"users.manage", "audit.see", "tariffs.change", "server.steer", "people.erase"}
)


@dataclass(frozen=True, slots=True)
class Branch:
    """What of the installation somebody sees; None = all. Departments with all below them."""

    sites: frozenset[str] | None = None
    departments: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, in which session, with what."""

    user: User
    session: Session
    permissions: frozenset[Permission]
    branch: Branch

    def may(self, permission: Permission) -> bool:
        """Say whether this person's role has a permission."""
        return permission in self.permissions

    def need(self, permission: Permission) -> None:
        """Go on only with a permission.

        Raises
        ------
        RefusedError
            `not_permitted`, naming the roles that have it.
        """
        if permission not in self.permissions:
            roles = [name for name, has in ROLES.items() if permission in has]
            raise RefusedError(
                "not_permitted",
                f"this needs {permission}: one of the roles {', '.join(roles)}",
                params={"permission": permission, "roles": roles},
            )


def reader_of(user: User, session: Session, below: Callable[[str], Iterable[str]]) -> Reader:
    """Give what somebody may; a role that is not known any more may nothing."""
    role = next((r for r in ROLE_NAMES if r == user.role), None)
    departments = None
    if user.departments is not None:
        departments = frozenset(uid for one in user.departments for uid in below(one))
    sites = None if user.sites is None else frozenset(user.sites)
    granted: frozenset[Permission] = frozenset() if role is None else ROLES[role]
    if not session.session_id:
        granted -= NEVER_BY_KEY
    return Reader(user, session, granted, Branch(sites, departments))


def check(reader: Reader, wanted: Filter) -> None:
    """Refuse a filter that would tell what the role does not show.

    Raises
    ------
    RefusedError
        `numbers_masked`: digits that are masked could be found by searching them.
    """
    private = [n for n in ("number", "text") if getattr(wanted, n) is not None]
    if private and not reader.may("numbers.see"):
        raise RefusedError("numbers_masked", params={"fields": private})


def narrowed(reader: Reader, question: api.CallFilter) -> api.CallFilter:
    """Put the branch of a person into a question; asked beyond it, nothing is dropped silently.

    Raises
    ------
    RefusedError
        `out_of_scope`, naming what lies outside.
    """
    sites, departments = reader.branch.sites, reader.branch.departments
    for names, allowed, kind in (
        (question.site_uids, sites, "sites"),
        (question.department_uids, departments, "departments"),
    ):
        outside = [] if allowed is None else sorted(set(names) - allowed)
        if outside:
            raise outside_of(kind, outside)
    if sites is not None and not question.site_uids:
        question.site_uids.extend(sorted(sites) or [NOWHERE])
    if departments is not None and not question.department_uids:
        question.department_uids.extend(sorted(departments) or [NOWHERE])
    return question


NOWHERE = "-"  # no uid: an empty branch sees nothing, while an empty list would mean all


def outside_of(kind: str, names: Iterable[str]) -> RefusedError:
    """Give the error that says what lies outside a branch."""
    listed = list(names)
    return RefusedError(
        "out_of_scope",
        f"{kind} outside your branch: {', '.join(listed[:20])}",
        params={kind: listed[:100]},
    )


def holds(reader: Reader, call: api.Call | tariffs.ExplainReply) -> None:
    """Refuse a call that was found by its id, where it is outside the branch.

    Raises
    ------
    RefusedError
        `out_of_scope`.
    """
    sites, departments = reader.branch.sites, reader.branch.departments
    if sites is not None and call.site_uid not in sites:
        raise outside_of("calls", [call.call_id])
    if departments is not None and call.department_uid not in departments:
        raise outside_of("calls", [call.call_id])


def whole(reader: Reader) -> None:
    """Go on only where somebody's branch is everything.

    Raises
    ------
    RefusedError
        `out_of_scope`.
    """
    if reader.branch.sites is not None or reader.branch.departments is not None:
        raise RefusedError("out_of_scope", "this reaches every site and department")


def sites_of(reader: Reader, asked: str | None) -> frozenset[str] | None:
    """Give the sites of a question that knows sites alone; None = all.

    Raises
    ------
    RefusedError
        `out_of_scope`.
    """
    allowed = reader.branch.sites
    if asked is None:
        return allowed
    if allowed is not None and asked not in allowed:
        raise outside_of("sites", [asked])
    return frozenset({asked})
