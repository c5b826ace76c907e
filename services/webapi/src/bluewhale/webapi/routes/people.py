"""Sign-in, one's own account, and the accounts of others."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from bluewhale.database import NotFoundError
from bluewhale.database.users import ChangedError
from bluewhale.database.users import User as Stored
from bluewhale.webapi import shapes_people as shapes
from bluewhale.webapi.access import Reader, reader_of
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.filters import zone_mistake
from bluewhale.webapi.matching import changed, check_match, etag
from bluewhale.webapi.routes.needing import (
    Asks,
    Has,
    Parts,
    address_of,
    answer,
    anybody,
    needs,
    signed_in,
)
from bluewhale.webapi.saying import instant
from bluewhale.webapi.sign_in import Challenged, SignedIn
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

router = APIRouter(tags=["people"])
UserId = Annotated[str, Path(max_length=64, examples=["u_0123456789abcdef"])]
_CHALLENGED: dict[int | str, dict[str, Any]] = {
    202: {"model": shapes.Challenge, "description": "the password is right, a code is owed"}
}


@router.get("/session", response_model=shapes.SessionState, **anybody())
def session(request: Request, parts: Has) -> Response:
    """Say whether anybody may sign in yet, and whether this browser is signed in."""
    token = parts.cookies.token(request)
    here = token is not None and parts.sign_in.of_token(token) is not None
    first = not here and not parts.sign_in.users.exist()
    provider = None if parts.oidc is None else parts.oidc.label
    return answer(shapes.SessionState(first_start=first, signed_in=here, provider=provider))


@router.post("/welcome", status_code=201, response_model=shapes.Me, **anybody())
def welcome(body: shapes.WelcomeBody, request: Request, parts: Has) -> Response:
    """Make the first owner with the link that the server printed, and sign in."""
    parts.cookies.check_origin(request)
    signed = parts.sign_in.welcome(body.token, body.name, body.password, body.display_name)
    return signed_answer(request, parts, signed, 201)


def _also(declared: dict[str, Any], answers: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
    return {**declared, "responses": {**declared["responses"], **answers}}


@router.post("/session", response_model=shapes.Me, **_also(anybody(), _CHALLENGED))
def sign_in(body: shapes.SignInBody, request: Request, parts: Has) -> Response:
    """Sign in with name and password; 202 = a code is owed, POST /session/totp."""
    parts.cookies.check_origin(request)
    found = parts.sign_in.sign_in(body.name, body.password, address_of(request))
    if isinstance(found, Challenged):
        until = instant(found.expires_at_ms) or ""
        return answer(shapes.Challenge(challenge=found.token, expires_at=until), 202)
    return signed_answer(request, parts, found, 200)


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
    mine = replace(reader.user, **changes)
    try:
        user = parts.sign_in.change(mine, before=reader.user, who=reader.user)
    except ChangedError as error:
        raise RefusedError("state_conflict", str(error)) from error
    return answer(_me(replace(reader, user=user), parts))


@router.get("/audit", response_model=shapes.Audit, **needs("audit.see"))
def audit(
    _reader: Asks,
    parts: Has,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    who: Annotated[str, Query(max_length=100, description="the whole name")] = "",
    text: Annotated[
        str, Query(max_length=100, description="stands in action, subject or detail")
    ] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """List what was done, the newest first, and whether the whole trail is unbroken."""
    found = parts.sign_in.users.found_in_trail(limit + 1, who=who, text=text, before=before)
    chain = parts.chain.get("chain", parts.sign_in.users.chain)
    return answer(
        shapes.Audit(
            items=[
                shapes.Entry(
                    position=e.position,
                    at=instant(e.at_ms),
                    who=e.who,
                    action=e.action,
                    subject=e.subject,
                    detail=e.detail,
                )
                for e in found[:limit]
            ],
            next=found[limit - 1].position if len(found) > limit else None,
            chain=shapes.Chain(
                entries=chain.entries,
                unbroken=chain.unbroken,
                broken_at=chain.broken_at,
                head=chain.head,
            ),
        )
    )


@router.get("/users", response_model=shapes.Users, **needs("users.manage"))
def users(_reader: Asks, parts: Has) -> Response:
    """List everybody who may sign in."""
    holders = parts.sign_in.users.factors.holders()
    everybody = parts.sign_in.users.listed()
    return answer(shapes.Users(items=[_user(u, u.user_id in holders) for u in everybody]))


@router.post("/users", status_code=201, response_model=shapes.User, **needs("users.manage"))
def add_user(body: shapes.NewUserBody, reader: Asks, parts: Has) -> Response:
    """Let somebody sign in."""
    from bluewhale.webapi.passwords import check_strength

    check_strength(body.password, body.name)
    made = parts.sign_in.made(body.name, body.password, body.display_name, body.role)
    sites, departments = _branch(body.branch)
    made = replace(made, sites=sites, departments=departments)
    parts.sign_in.add(made, who=reader.user)
    return _tagged(made, parts, 201)


@router.get("/users/{user_id}", response_model=shapes.User, **needs("users.manage"))
def user(user_id: UserId, _reader: Asks, parts: Has) -> Response:
    """Give somebody who may sign in; ETag goes into If-Match of a change."""
    return _tagged(_found(parts, user_id), parts)


@router.patch("/users/{user_id}", response_model=shapes.User, **needs("users.manage"))
def change_user(
    user_id: UserId, body: shapes.UserChangeBody, reader: Asks, request: Request, parts: Has
) -> Response:
    """Change role, branch, state, name to show or password of somebody else.

    With If-Match only what was seen is changed: 412 `changed_meanwhile` shows what stands.
    """
    user = _found(parts, user_id)
    check_match(request, _etag(user), _shown(user, parts))
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
        try:
            user = parts.sign_in.change(replace(user, **changes), before=user, who=reader.user)
        except ChangedError as error:
            raise changed(_shown(_found(parts, user_id), parts)) from error
    if body.password is not None:
        keep = reader.session.session_id if own else ""
        parts.sign_in.replace_password(user, body.password, keep=keep, who=reader.user)
    return _tagged(user, parts)


def _found(parts: Parts, user_id: str) -> Stored:
    try:
        return parts.sign_in.users.get(user_id)
    except NotFoundError as error:
        raise RefusedError("not_found", "there is no such person") from error


def _tagged(user: Stored, parts: Parts, status: int = 200) -> Response:
    made = answer(_shown(user, parts), status)
    made.headers["ETag"] = _etag(user)
    return made


def signed_answer(request: Request, parts: Parts, signed: SignedIn, status: int) -> Response:
    """Give whoever just signed in their cookie, and who they are."""
    request.state.set_cookie = parts.cookies.text(signed.token)
    reader = reader_of(signed.user, signed.session, parts.directories.names().below)
    return answer(_me(reader, parts), status)


def _me(reader: Reader, parts: Parts) -> shapes.Me:
    user = reader.user
    factor = parts.sign_in.users.factors.of(user.user_id)
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
        local=bool(user.password),
        two_factors=factor.secret is not None,
        recovery_left=factor.recovery_left,
    )


def _etag(user: Stored) -> str:
    """Give the tag of what an owner may change of somebody."""
    return etag(user.display_name, user.role, user.sites, user.departments, user.state)


def _shown(user: Stored, parts: Parts) -> shapes.User:
    return _user(user, parts.sign_in.users.factors.of(user.user_id).secret is not None)


def _user(user: Stored, two_factors: bool) -> shapes.User:
    return shapes.User(
        user_id=user.user_id,
        name=user.name,
        display_name=user.display_name,
        role=user.role,
        branch=_branch_of(user),
        state="active" if user.state == "active" else "disabled",
        local=bool(user.password),
        two_factors=two_factors,
        locked_until=instant(user.locked_until_ms or None),
        last_seen_at=instant(user.seen_at_ms or None),
        etag=_etag(user),
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
