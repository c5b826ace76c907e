"""What routes have in common: the parts of the application, who asks, the permission needed.

    @router.get("/calls", **needs("calls.see"))
    def calls(reader: Asks, parts: Has) -> ...:

Owns the check that runs before every route. A route without a permission answers
anybody; the authorisation test lists those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from bluewhale.webapi.access import Permission, Reader, reader_of
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.masking import Masker
from bluewhale.webapi.saying import Saying
from bluewhale.webapi.shapes import Problem
from bluewhale.webapi.sign_in import SignedIn
from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.requests import cookie_parser
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from bluewhale.configuration import Configuration
    from bluewhale.webapi.asking import Questions
    from bluewhale.webapi.cookies import Cookies
    from bluewhale.webapi.job_asking import JobQuestions
    from bluewhale.webapi.keys import Keys
    from bluewhale.webapi.live import Live
    from bluewhale.webapi.names import Directories
    from bluewhale.webapi.page import Page
    from bluewhale.webapi.sign_in import SignIn
    from bluewhale.webapi.tariff_asking import TariffQuestions

PERMISSION = "x-permission"
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": Problem,
        "description": "refused",
        "content": {"application/problem+json": {}},
    },
    "5XX": {"model": Problem, "description": "failed", "content": {"application/problem+json": {}}},
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; made once, by the plugin or a test."""

    questions: Questions
    sign_in: SignIn
    keys: Keys
    cookies: Cookies
    directories: Directories
    configuration: Callable[[], Configuration]
    tariffs: TariffQuestions
    jobs: JobQuestions
    live: Live
    page: Page
    peer: Callable[[str], Any]
    features: dict[str, bool]
    four_eyes: bool = True

    def signed_in(self, cookies: str) -> bool:
        """Say whether a Cookie header holds a session, without touching it."""
        token = cookie_parser(cookies).get(self.cookies.name)
        return bool(token) and self.sign_in.known(token or "")


def has(request: Request) -> Parts:
    """Give the parts of the application."""
    parts: Parts = request.app.state.parts
    return parts


Has = Annotated[Parts, Depends(has)]


def needs(permission: Permission) -> dict[str, Any]:
    """Give what a route is declared with, so that only readers with a permission reach it."""
    return {"openapi_extra": {PERMISSION: permission}, "responses": RESPONSES}


def anybody() -> dict[str, Any]:
    """Give what a route is declared with that answers before sign-in."""
    return {"responses": RESPONSES}


def signed_in(request: Request, parts: Has) -> SignedIn:
    """Give the session of a request.

    Raises
    ------
    RefusedError
        `not_signed_in`; `csrf` where a change lacks the token of the session.
    """
    bearer = _bearer(request)
    if bearer is not None:  # sent on purpose, never by a browser on its own
        held = parts.keys.of_token(bearer)
        if held is None:
            raise RefusedError("not_signed_in", "this key does not hold, or not any more")
        return held
    token = parts.cookies.token(request)
    found = parts.sign_in.of_token(token) if token else None
    if found is None:
        raise RefusedError("not_signed_in")
    parts.cookies.check_csrf(request, found.session.csrf)
    if found.token is not None:
        request.state.set_cookie = parts.cookies.text(found.token)
    return found


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def asks(request: Request, parts: Has) -> Reader:
    """Give who asks, if the role may do what the route needs.

    Raises
    ------
    RefusedError
        `not_signed_in`, `csrf`, `not_permitted`.
    """
    signed = signed_in(request, parts)
    reader = reader_of(signed.user, signed.session, parts.directories.names().below)
    permission: Permission = request.scope["route"].openapi_extra[PERMISSION]
    reader.need(permission)
    return reader


Asks = Annotated[Reader, Depends(asks)]


def saying_to(reader: Reader, parts: Parts) -> Saying:
    """Give how answers are said to somebody."""
    return Saying(parts.directories.names(), Masker(masks=not reader.may("numbers.see")))


def answer(shape: BaseModel, status: int = 200) -> Response:
    """Give a shape as JSON; it was checked when it was made."""
    return Response(
        shape.model_dump_json(by_alias=True), status_code=status, media_type="application/json"
    )
