"""The application: routes put together, around them the envelope.

    app = make_app(parts, settings)

Owns the order of routes and what is outside of `/api/v1`. Does not own the server
that runs it (`server`).
"""

from __future__ import annotations

from typing import Any

from bluewhale.configuration.web import WebSettings
from bluewhale.webapi import contract, problems
from bluewhale.webapi.compression import Compression
from bluewhale.webapi.envelope import Envelope
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.idempotency import Idempotency, RepeatedError
from bluewhale.webapi.routes import (
    alerts,
    calls,
    dialects,
    directory,
    erasures,
    factors,
    figures,
    jobs,
    keys,
    people,
    provider,
    server,
    streams,
    suspense,
    tariffs,
    units,
)
from bluewhale.webapi.routes.needing import Parts
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response
from typing_extensions import override

PREFIX = "/api/v1"
VERSION = "1.0.0"
_ROUTERS = (
    people.router,
    factors.router,
    provider.router,
    keys.router,
    calls.router,
    figures.router,
    tariffs.router,
    streams.router,
    suspense.router,
    jobs.router,
    dialects.router,
    directory.router,
    erasures.router,
    units.router,
    alerts.router,
    server.router,
)


class _App(FastAPI):
    """The application, whose contract says what its types do not."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = contract.told(super().openapi())
        return self.openapi_schema


def make_app(parts: Parts | None, settings: WebSettings) -> FastAPI:
    """Make the application; without parts it can only say what it is (OpenAPI)."""
    app = _App(
        title="Bluewhale",
        version=VERSION,
        summary="Call accounting: calls, what they cost and why, and whether all of them are in.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    app.state.parts = parts
    problems.register(app)
    app.add_exception_handler(RepeatedError, _repeated)
    for router in _ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_route(f"{PREFIX}/{{rest:path}}", _no_such_route, include_in_schema=False)
    app.add_route("/{path:path}", _page, methods=["GET"], include_in_schema=False)
    app.add_middleware(Idempotency)
    app.add_middleware(Compression)
    app.add_middleware(
        Envelope,
        body_bytes_max=settings.body_kib_max << 10,
        larger={f"{PREFIX}/tariffs": settings.tariff_mib_max << 20},
        signed_in=parts.signed_in if parts is not None else lambda _cookies: False,
        secure=settings.secure,
    )
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _repeated(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RepeatedError)
    return error.answer


def _healthz() -> JSONResponse:
    """Say that the server answers."""
    return JSONResponse({"status": "ok"})


async def _no_such_route(request: Request) -> Response:
    raise RefusedError("not_found", "the API has no such address")


async def _page(request: Request) -> Response:
    """Give a file of the page, or the page itself for any other path."""
    parts: Any = request.app.state.parts
    path = request.path_params["path"]
    found = parts.page.asset(path, request)
    if found is not None:
        return found
    if path.startswith("assets/"):
        raise RefusedError("not_found", "there is no such file")
    answer: Response = parts.page.index()
    return answer
