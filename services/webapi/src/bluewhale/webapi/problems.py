"""Errors as `application/problem+json`: code, what it was about, remedy, trace id.

Owns how each error is said over HTTP; nothing of ours that failed tells its
insides. Does not own the codes (`exceptions`).
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.telemetry import get_logger
from bluewhale.webapi.exceptions import KINDS, Code, RefusedError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
FIELDS_MAX = 50
_STATUS: dict[int, Code] = {
    404: "not_found", 405: "method_not_allowed", 408: "too_slow", 413: "too_large",
    400: "body_invalid",
}  # fmt: skip
_log = get_logger("webapi")


def said(error: RefusedError, trace_id: str) -> Response:
    """Give a problem as an answer."""
    kind = KINDS[error.code]
    body = {
        "type": f"urn:bluewhale:problem:{error.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail or kind.title,
        "code": error.code,
        "params": error.params,
        "remedy": kind.remedy,
        "trace_id": trace_id,
    }
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return Response(
        json.dumps(body, ensure_ascii=False),
        status_code=kind.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def trace_of(request: Request) -> str:
    """Give the trace id of a request; it has one also where it is not traced."""
    return str(getattr(request.state, "trace_id", ""))


def register(app: FastAPI) -> None:
    """Say every error of an application as a problem."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return said(error, trace_of(request))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return said(_invalid(error), trace_of(request))

    async def by_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _STATUS.get(error.status_code, "internal")
        plain = HTTPStatus(error.status_code).phrase
        detail = "" if error.detail == plain else str(error.detail)
        return said(RefusedError(code, detail), trace_of(request))

    async def away(request: Request, error: Exception) -> Response:
        assert isinstance(error, TemporaryError)
        _log.warning("Request waits for a part", error=str(error), error_code=error.code)
        seconds = max(1, round(error.retry_after_s))
        return said(RefusedError("away", retry_after_s=seconds), trace_of(request))

    async def failed(request: Request, error: Exception) -> Response:
        return said(RefusedError("internal"), trace_of(request))

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, by_status)
    app.add_exception_handler(TemporaryError, away)
    app.add_exception_handler(Exception, failed)


def _invalid(error: RequestValidationError) -> RefusedError:
    """Say which fields are wrong; never the values: a password may be among them."""
    found: list[dict[str, Any]] = [
        {
            "field": ".".join(str(p) for p in e["loc"] if p not in {"body", "query", "path"}),
            "problem": str(e["msg"]),
        }
        for e in error.errors()[:FIELDS_MAX]
    ]
    detail = "; ".join(f"{x['field'] or 'body'}: {x['problem']}" for x in found)
    return RefusedError("body_invalid", detail, params={"fields": found})
