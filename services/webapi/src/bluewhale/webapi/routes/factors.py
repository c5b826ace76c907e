"""The second factor: asked for at sign-in, set up and taken away by oneself, reset by an owner."""

from __future__ import annotations

from bluewhale.database import NotFoundError
from bluewhale.webapi import shapes_people as shapes
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.routes.needing import Asks, Has, address_of, answer, anybody, needs, signed_in
from bluewhale.webapi.routes.people import UserId, signed_answer
from fastapi import APIRouter, Request
from starlette.responses import Response

router = APIRouter(tags=["people"])


@router.post("/session/totp", response_model=shapes.Me, **anybody())
def sign_in_code(body: shapes.CodeOfChallengeBody, request: Request, parts: Has) -> Response:
    """Finish a sign-in with a code of the device, or a recovery code."""
    parts.cookies.check_origin(request)
    signed = parts.second_factor.finish(body.challenge, body.code, address_of(request))
    return signed_answer(request, parts, signed, 200)


@router.post(
    "/me/totp", status_code=201, response_model=shapes.Offered, **needs("self", shown_once=True)
)
def offer(body: shapes.OwnPasswordBody, _reader: Asks, request: Request, parts: Has) -> Response:
    """Begin to set up a second factor; what held before holds until the new one is confirmed."""
    secret, uri = parts.second_factor.start(signed_in(request, parts), body.password)
    return answer(shapes.Offered(secret=secret, uri=uri), 201)


@router.put("/me/totp", response_model=shapes.Recovery, **needs("self", shown_once=True))
def confirm(body: shapes.CodeBody, _reader: Asks, request: Request, parts: Has) -> Response:
    """Confirm a second factor with a code of the device."""
    codes = parts.second_factor.confirm(signed_in(request, parts), body.code)
    return answer(shapes.Recovery(recovery_codes=codes))


@router.post("/me/totp/removal", status_code=204, **needs("self"))
def take_away(body: shapes.ProofBody, _reader: Asks, request: Request, parts: Has) -> Response:
    """Take one's own second factor away."""
    parts.second_factor.off(signed_in(request, parts), body.password, body.code)
    return Response(status_code=204)


@router.delete("/users/{user_id}/totp", status_code=204, **needs("users.manage"))
def reset(user_id: UserId, reader: Asks, parts: Has) -> Response:
    """Take the second factor of somebody away, who lost device and recovery codes."""
    if user_id == reader.user.user_id:
        raise RefusedError("state_conflict", "take your own away with a code, or ask another owner")
    try:
        user = parts.sign_in.users.get(user_id)
    except NotFoundError as error:
        raise RefusedError("not_found", "there is no such person") from error
    parts.second_factor.reset(user, who=reader.user)
    return Response(status_code=204)
