"""Sign-in, one's own account, and the accounts of others."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from bluewhale.database import NotFoundError
from bluewhale.database.users import User as Stored
from bluewhale.webapi import shapes_people as shapes
from bluewhale.webapi.access import Reader, reader_of
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.filters import zone_mistake
from bluewhale.webapi.routes.needing import (
    Asks,
    Has,
    Parts,
    answer,
    anybody,
    needs,
    signed_in,
)
from bluewhale.webapi.saying import instant
from bluewhale.webapi.sign_in import SignedIn
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

router = APIRouter(tags=["people"])


@router.get("/session", response_model=shapes.SessionState, **anybody())
def session(request: Request, parts: Has) -> Response:
    """Say whether anybody may sign in yet, and whether this browser is signed in."""
    token = parts.cookies.token(request)
    here = token is not None and parts.sign_in.of_token(token) is not None
    first = not here and not parts.sign_in.users.exist()
    return answer(shapes.SessionState(first_start=first, signed_in=here))


@router.post("/welcome", status_code=201, response_model=shapes.Me, **anybody())
def welcome(body: shapes.WelcomeBody, request: Request, parts: Has) -> Response:
    """Make the first owner with the link that the server printed, and sign in."""
    parts.cookies.check_origin(request)
    signed = parts.sign_in.welcome(body.token, body.name, body.password, body.display_name)
    return _signed(request, parts, signed, 201)


@router.post("/session", response_model=shapes.Me, **anybody())
def sign_in(body: shapes.SignInBody, request: Request, parts: Has) -> Response:
    """Sign in with name and password."""
    parts.cookies.check_origin(request)
    address = request.client.host if request.client else ""
    signed = parts.sign_in.sign_in(body.name, body.password, address)
    return _signed(request, parts, signed, 200)


@router.delete("/session", status_code=204, **needs("self"))
def sign_out(reader: Asks, request: Request, parts: Has) -> Response:
    """End this session."""
    parts.sign_in.users.end_session(reader.session.session_id)
    request.state.set_cookie = parts.cookies.text(None)
    return Response(status_code=204)


@router.get("/me", response_model=shapes.Me, **needs("self"))
def me(reader: Asks, parts: Has) -> Response:
    """Say who is signed in, and what the page may show."""
    return answer(_me(reader, parts))


@router.put("/me/password", status_code=204, **needs("self"))
def password(body: shapes.PasswordBody, _reader: Asks, request: Request, parts: Has) -> Response:
    """Replace one's own password; all other sessions end."""
    parts.sign_in.change_password(signed_in(request, parts), body.old, body.new)
    return Response(status_code=204)


@router.patch("/me", response_model=shapes.Me, **needs("self"))
def prefer(body: shapes.PreferencesBody, reader: Asks, parts: Has) -> Response:
    """Choose one's own name to show, clock zone and language."""
    changes = body.model_dump(exclude_none=True)
    if zone_mistake(changes.get("zone", "UTC")):
        fields = [{"field": "zone", "problem": zone_mistake(changes["zone"])}]
        raise RefusedError("body_invalid", params={"fields": fields})
    user = parts.sign_in.change(replace(reader.user, **changes), who=reader.user)
    return answer(_me(replace(reader, user=user), parts))


@router.get("/audit", response_model=shapes.Audit, **needs("audit.see"))
def audit(
    _reader: Asks, parts: Has, limit: Annotated[int, Query(ge=1, le=1_000)] = 200
) -> Response:
    """List what was done, the newest first."""
    return answer(
        shapes.Audit(
            items=[
                shapes.Entry(at=instant(at), who=who, action=action, subject=subject, detail=detail)
                for at, who, action, subject, detail in parts.sign_in.users.trail(limit)
            ]
        )
    )


@router.get("/users", response_model=shapes.Users, **needs("users.manage"))
def users(_reader: Asks, parts: Has) -> Response:
    """List everybody who may sign in."""
    return answer(shapes.Users(items=[_user(u) for u in parts.sign_in.users.listed()]))


@router.post("/users", status_code=201, response_model=shapes.User, **needs("users.manage"))
def add_user(body: shapes.NewUserBody, reader: Asks, parts: Has) -> Response:
    """Let somebody sign in."""
    from bluewhale.webapi.passwords import check_strength

    check_strength(body.password, body.name)
    made = parts.sign_in.made(body.name, body.password, body.display_name, body.role)
    sites, departments = _branch(body.branch)
    made = replace(made, sites=sites, departments=departments)
    parts.sign_in.add(made, who=reader.user)
    return answer(_user(made), 201)


@router.patch("/users/{user_id}", response_model=shapes.User, **needs("users.manage"))
def change_user(user_id: str, body: shapes.UserChangeBody, reader: Asks, parts: Has) -> Response:
    """Change role, branch, state, name to show or password of somebody else."""
    try:
        user = parts.sign_in.users.get(user_id)
    except NotFoundError as error:
        raise RefusedError("not_found", "there is no such person") from error
    own = user.user_id == reader.user.user_id
    if own and (body.role is not None or body.state is not None or body.branch is not None):
        raise RefusedError("state_conflict", "nobody changes the own role, branch or state")
    changes: dict[str, Any] = {
        name: value
        for name in ("display_name", "role", "state")
        if (value := getattr(body, name)) is not None
    }
    if body.branch is not None:
        changes["sites"], changes["departments"] = _branch(body.branch)
    if changes:
        user = parts.sign_in.change(replace(user, **changes), who=reader.user)
    if body.password is not None:
        keep = reader.session.session_id if own else ""
        parts.sign_in.replace_password(user, body.password, keep=keep, who=reader.user)
    return answer(_user(user))


def _signed(request: Request, parts: Parts, signed: SignedIn, status: int) -> Response:
    request.state.set_cookie = parts.cookies.text(signed.token)
    reader = reader_of(signed.user, signed.session, parts.directories.names().below)
    return answer(_me(reader, parts), status)


def _me(reader: Reader, parts: Parts) -> shapes.Me:
    user = reader.user
    return shapes.Me(
        user_id=user.user_id,
        name=user.name,
        display_name=user.display_name,
        role=user.role,
        branch=_branch_of(user),
        permissions=sorted(reader.permissions),
        zone=user.zone,
        language=user.language,
        csrf=reader.session.csrf,
        expires_at=instant(reader.session.expires_at_ms) or "",
        features=parts.features,
    )


def _user(user: Stored) -> shapes.User:
    return shapes.User(
        user_id=user.user_id,
        name=user.name,
        display_name=user.display_name,
        role=user.role,
        branch=_branch_of(user),
        state="active" if user.state == "active" else "disabled",
        locked_until=instant(user.locked_until_ms or None),
        last_seen_at=instant(user.seen_at_ms or None),
    )


def _branch_of(user: Stored) -> shapes.BranchShape:
    return shapes.BranchShape(
        sites=None if user.sites is None else list(user.sites),
        departments=None if user.departments is None else list(user.departments),
    )


def _branch(body: shapes.BranchBody) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    return (
        None if body.sites is None else tuple(body.sites),
        None if body.departments is None else tuple(body.departments),
    )
