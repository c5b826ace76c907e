"""Sign-in by a provider: the browser goes there, and comes back with an answer."""

from __future__ import annotations

from typing import Annotated, Any

from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.oidc import Answer, Oidc
from bluewhale.webapi.routes.needing import Has, Parts, anybody
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

router = APIRouter(tags=["people"])
Given = Annotated[str, Query(max_length=4_096)]
_THERE: dict[str, Any] = {
    **anybody(),
    "status_code": 303,
    "response_class": Response,
    "responses": {**anybody()["responses"], 303: {"description": "the browser goes elsewhere"}},
}


@router.get("/session/oidc", **_THERE)
def to_provider(request: Request, parts: Has) -> Response:
    """Send a browser to the provider; not_found where none is configured."""
    url, browser = _oidc(parts).begin()
    request.state.set_cookie = parts.cookies.passing_text(browser)
    return RedirectResponse(url, 303)


@router.get("/session/oidc/callback", **_THERE)
def from_provider(
    request: Request,
    parts: Has,
    state: Given = "",
    code: Given = "",
    error: Given = "",
    iss: Given = "",
) -> Response:
    """Sign in whom the provider vouches for, and lead to the page; a refusal is said there."""
    answer = Answer(state=state, code=code, error=error, issuer=iss)
    try:
        signed = _oidc(parts).finish(answer, parts.cookies.passing(request))
    except RefusedError as refused:
        return RedirectResponse(f"/sign-in?problem={refused.code}", 303)
    request.state.set_cookie = parts.cookies.text(signed.token)
    return RedirectResponse("/", 303)


def _oidc(parts: Parts) -> Oidc:
    if parts.oidc is None:
        raise RefusedError("not_found", "no provider of sign-ins is configured")
    return parts.oidc
