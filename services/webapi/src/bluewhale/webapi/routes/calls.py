"""Calls: found, and one of them with its legs, receipt and raw lines."""

from __future__ import annotations

from typing import Annotated

from bluewhale.api.query.v1 import query_pb2 as query
from bluewhale.webapi import access, shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.export_columns import STORED, Calls
from bluewhale.webapi.exporting import json_objects
from bluewhale.webapi.paging import Pages
from bluewhale.webapi.raw_records import raw
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs, saying_to
from bluewhale.webapi.scoping import scoped
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

router = APIRouter(tags=["calls"])
LIMIT_DEFAULT, LIMIT_MAX = 200, 1_000
_NO_ITEMS = '"items":[]'  # within a text its quotes would be escaped
_OWN = ("limit", "after")  # beside the grammar, in an address
CallId = Annotated[
    str,
    Path(
        pattern=r"^[a-z2-7]{6,26}$",
        description="its id, or the first six letters or more where one call has them",
        examples=["ce7o4qlzvv6s2lhg4zjd6vrmyq"],
    ),
]


@router.get("/calls", response_model=shapes.CallPage, **needs("calls.see", shared=True))
async def calls(
    request: Request,
    reader: Asks,
    parts: Has,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    after: Annotated[str | None, Query(max_length=8_000)] = None,
) -> Response:
    """Find calls, newest first; the address holds the filter grammar beside limit and after."""
    return await _page(request, grammar_of(request), limit, after, reader, parts)


@router.post("/calls/search", response_model=shapes.CallPage, **needs("calls.see", shared=True))
async def search(request: Request, body: shapes.SearchBody, reader: Asks, parts: Has) -> Response:
    """Find calls, newest first; the filter stays out of every log."""
    return await _page(request, body.filter, body.limit, body.after, reader, parts)


@router.get("/calls/{call_id}", response_model=shapes.CallDetail, **needs("calls.see"))
def call(call_id: CallId, reader: Asks, parts: Has) -> Response:
    """Give everything stored about one call."""
    found = _found(call_id, reader, parts)
    return answer(saying_to(reader, parts).about([found.call]).detail(found))


@router.get("/calls/{call_id}/receipt", response_model=shapes.Receipt, **needs("calls.see"))
def receipt(call_id: CallId, reader: Asks, parts: Has) -> Response:
    """Say why a call costs what it costs, step by step."""
    explained = parts.questions.explain(call_id)
    access.holds(reader, explained)
    return answer(saying_to(reader, parts).receipt(explained))


@router.get("/calls/{call_id}/raw", response_model=shapes.Raw, **needs("raw.see"))
def raw_lines(call_id: CallId, reader: Asks, parts: Has) -> Response:
    """Give what the PBXs printed, with the place of every field."""
    found = _found(call_id, reader, parts)
    return answer(raw(found, parts.configuration(), parts.directories.names()))


def grammar_of(request: Request, own: tuple[str, ...] = _OWN) -> str:
    """Give the filter grammar of an address: all of its query but what the route takes itself."""
    given = request.scope["query_string"].decode("ascii", "replace")
    return "&".join(p for p in given.split("&") if p.partition("=")[0] not in own)


def _found(call_id: str, reader: Reader, parts: Parts) -> query.CallDetail:
    found = parts.questions.call(call_id)
    access.holds(reader, found.call)
    return found


async def _page(
    request: Request, text: str, limit: int, after: str | None, reader: Reader, parts: Parts
) -> Response:
    return await parts.shared.give(
        request, reader, (text, limit, after), lambda: _listed(text, limit, after, reader, parts)
    )


def _listed(text: str, limit: int, after: str | None, reader: Reader, parts: Parts) -> str:
    asked = scoped(text, reader, parts.directories.names())
    pages = Pages.read(after)
    found, place = parts.questions.search(asked.question, STORED, limit=limit, after=pages.place)
    saying = saying_to(reader, parts)
    items = json_objects(Calls(found, saying.names, saying.masker)).to_pylist()
    page = shapes.CallPage(
        scope=asked.scope,
        period=asked.period,
        items=[],
        next=pages.next(place),
        prev=pages.prev(),
        total=shapes.Total(count=len(items), exact=not place and not pages.place),
    )
    # two hundred calls as JSON out of columns: their objects would cost ten times as much
    return page.model_dump_json(by_alias=True).replace(_NO_ITEMS, f'"items":[{",".join(items)}]', 1)
