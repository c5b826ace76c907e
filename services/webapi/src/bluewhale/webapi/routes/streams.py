"""Answers that stream: calls as a file, and what just happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any

import pyarrow as pa
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.export_columns import STORED
from bluewhale.webapi.exporting import MEDIA_TYPES, Form, problem_line, written
from bluewhale.webapi.live import EVENTS
from bluewhale.webapi.routes.needing import Asks, Has, needs, saying_to
from bluewhale.webapi.scoping import scoped
from bluewhale.webapi.shapes import Body
from fastapi import APIRouter, Header
from pydantic import Field
from starlette.responses import Response, StreamingResponse

router = APIRouter(tags=["streams"])
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {t.partition(";")[0]: {} for t in MEDIA_TYPES.values()},
    }
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "events "
        + ", ".join(f"`{event}` ({says})" for event, says in EVENTS.items()),
        "content": {"text/event-stream": {}},
    }
}


class ExportBody(Body):
    """Which calls, in which form."""

    filter: Annotated[str, Field(max_length=4_096, examples=["period=last-month"])]
    form: Form = "csv"


def _needs(permission: Any, answers: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
    needed = needs(permission)
    return {**needed, "responses": {**needed["responses"], **answers}}


@router.post("/calls/export", response_class=Response, **_needs("calls.export", _EXPORTED))
def export(body: ExportBody, reader: Asks, parts: Has) -> Response:
    """Give all calls of a scope as a file, newest first."""
    asked = scoped(body.filter, reader, parts.directories.names())
    tables = _at_once(parts.questions.walk(asked.question, STORED))
    lists = sorted({t.price_list for t in parts.configuration().tariffs})
    pieces = written(tables, saying_to(reader, parts), body.form, lists)
    parts.sign_in.note(reader.user, "export", body.form, asked.scope)
    name = f"calls-{datetime.now(UTC):%Y%m%d-%H%M%S}.{body.form}"
    return StreamingResponse(
        _whole(pieces),
        media_type=MEDIA_TYPES[body.form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/events", response_class=Response, **_needs("calls.see", _EVENTS))
async def events(
    _reader: Asks,
    parts: Has,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    after: Annotated[str | None, Field(max_length=64)] = None,
) -> Response:
    """Say when calls or alerts are new, as server-sent events; with the last id it goes on."""
    frames = parts.live.listen(last_event_id or after)
    return StreamingResponse(
        frames, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


def _at_once(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Ask for the first table now: what is refused is refused as a problem, not in the file."""
    first = next(tables, None)
    return tables if first is None else chain([first], tables)


def _whole(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except RefusedError as error:
        yield problem_line(error.code)
