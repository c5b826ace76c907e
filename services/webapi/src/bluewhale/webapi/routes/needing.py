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
from bluewhale.webapi.limits import network_of
from bluewhale.webapi.masking import Masker
from bluewhale.webapi.saying import Saying
from bluewhale.webapi.shapes import Problem
from bluewhale.webapi.sign_in import SignedIn
from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from bluewhale.configuration import Configuration
    from bluewhale.database.repeats import Repeats
    from bluewhale.webapi.alert_asking import AlertQuestions
    from bluewhale.webapi.asking import Questions
    from bluewhale.webapi.cookies import Cookies
    from bluewhale.webapi.idempotency import Pending
    from bluewhale.webapi.job_asking import JobQuestions
    from bluewhale.webapi.keys import Keys
    from bluewhale.webapi.live import Live
    from bluewhale.webapi.names import Directories
    from bluewhale.webapi.oidc import Oidc
    from bluewhale.webapi.page import Page
    from bluewhale.webapi.processes import Processes
    from bluewhale.webapi.recent import Recent
    from bluewhale.webapi.second_factor import SecondFactor
    from bluewhale.webapi.shared_answers import SharedAnswers
    from bluewhale.webapi.sign_in import SignIn
    from bluewhale.webapi.tariff_asking import TariffQuestions

PERMISSION = "x-permission"
SHOWN_ONCE = "x-shown-once"
SHARED = "x-shared"
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
    second_factor: SecondFactor
    keys: Keys
    repeats: Repeats
    chain: Recent
    cookies: Cookies
    directories: Directories
    configuration: Callable[[], Configuration]
    tariffs: TariffQuestions
    jobs: JobQuestions
    alerts: AlertQuestions
    processes: Processes
    live: Live
    shared: SharedAnswers
    page: Page
    oidc: Oidc | None
    peer: Callable[[str], Any]
    features: dict[str, bool]
    four_eyes: bool = True

    def signed_in(self, cookies: str) -> bool:
        """Say whether a Cookie header holds a session, without touching it."""
        token = cookie_parser(cookies).get(self.cookies.name)
        return bool(token) and self.sign_in.known(token or "")


async def has(request: Request) -> Parts:  # a plain function would cost the hop to a thread
    """Give the parts of the application."""
    parts: Parts = request.app.state.parts
    return parts


Has = Annotated[Parts, Depends(has)]


def needs(
    permission: Permission, *, shown_once: bool = False, shared: bool = False
) -> dict[str, Any]:
    """Give what a route is declared with, so that only readers with a permission reach it.

    `shown_once`: the answer tells a secret, and is not given again for the same Idempotency-Key.
    `shared`: the answer is one that was made for others a moment before (`shared_answers`).
    """
    extra: dict[str, Any] = {PERMISSION: permission}
    if shown_once:
        extra[SHOWN_ONCE] = True
    if shared:
        extra[SHARED] = True
    return {"openapi_extra": extra, "responses": RESPONSES}


def anybody() -> dict[str, Any]:
    """Give what a route is declared with that answers before sign-in, within a rate."""
    return {"responses": RESPONSES, "dependencies": [Depends(_stranger)]}


def address_of(request: Request) -> str:
    """Give where a request came from, as it counts for limits."""
    return network_of(request.client.host) if request.client else ""


def _stranger(request: Request, parts: Has) -> None:
    parts.sign_in.limits.asked("address", address_of(request))


def signed_in(request: Request, parts: Has) -> SignedIn:
    """Give the session of a request.

    Raises
    ------
    RefusedError
        `not_signed_in`; `csrf` where a change lacks the token of the session; `too_many`.
    """
    known: SignedIn | None = getattr(request.state, "signed_in", None)
    if known is None:
        known = request.state.signed_in = _signed_in(request, parts)
    return known


def _signed_in(request: Request, parts: Parts) -> SignedIn:
    bearer, limits = _bearer(request), parts.sign_in.limits
    if bearer is not None:  # sent on purpose, never by a browser on its own
        held = parts.keys.of_token(bearer)
        if held is None:
            limits.asked("address", address_of(request))
            raise RefusedError("not_signed_in", "this key does not hold, or not any more")
        limits.asked("person", held.user.user_id)
        return held
    token = parts.cookies.token(request)
    found = (parts.sign_in.kept(token) or parts.sign_in.of_token(token)) if token else None
    if found is None:
        limits.asked("address", address_of(request))
        raise RefusedError("not_signed_in")
    limits.asked("person", found.user.user_id)
    parts.cookies.check_csrf(request, found.session.csrf)
    if found.token is not None:
        request.state.set_cookie = parts.cookies.text(found.token)
    return found


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def asks(request: Request, parts: Has) -> Reader:
    """Give who asks, if the role may do what the route needs.

    Raises
    ------
    RefusedError
        `not_signed_in`, `csrf`, `not_permitted`, `too_many`; `key_reused` where an
        Idempotency-Key belongs to another request.
    RepeatedError
        The request has an Idempotency-Key and was answered before.
    """
    if _known_at_once(request, parts):
        return _asks(request, parts)  # the hop to a thread costs more
    return await run_in_threadpool(_asks, request, parts)


def _known_at_once(request: Request, parts: Parts) -> bool:
    """Say whether who asks is found out without waiting for a database or a cache."""
    if not parts.sign_in.limits.in_memory or hasattr(request.state, "idempotency"):
        return False
    token = None if _bearer(request) is not None else parts.cookies.token(request)
    return token is not None and parts.sign_in.kept(token) is not None


def _asks(request: Request, parts: Parts) -> Reader:
    signed = signed_in(request, parts)
    reader = reader_of(signed.user, signed.session, parts.directories.names().below)
    extra = request.scope["route"].openapi_extra
    permission: Permission = extra[PERMISSION]
    reader.need(permission)
    pending: Pending | None = getattr(request.state, "idempotency", None)
    if pending is not None:
        secret = bool(extra.get(SHOWN_ONCE))
        pending.claim(request, parts.repeats, reader.user.user_id, secret=secret)
    return reader


Asks = Annotated[Reader, Depends(asks)]


def saying_to(reader: Reader, parts: Parts) -> Saying:
    """Give how answers are said to somebody."""
    return Saying(parts.directories.names(), Masker(masks=not reader.may("numbers.see")))


def answer(shape: BaseModel, status: int = 200) -> Response:
    """Give a shape as JSON; it was checked when it was made."""
    return Response(said(shape), status_code=status, media_type="application/json")


def said(shape: BaseModel) -> str:
    """Give a shape as the text of an answer."""
    return shape.model_dump_json(by_alias=True)
