"""Tariffs: looked at, checked, stored, previewed over real calls, activated, tried.

Owns who may activate: not whoever stored the version, unless `web.four_eyes` is off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.webapi import shapes_tariffs as shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.masking import Masker
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs
from bluewhale.webapi.saying import instant, known
from bluewhale.webapi.scoping import scoped
from bluewhale.webapi.tariff_asking import Say, packed
from fastapi import APIRouter, Path
from starlette.responses import Response, StreamingResponse

router = APIRouter(tags=["tariffs"])
Uid = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", examples=["carriers-2025"])
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
_ZONED = re.compile(r".*(Z|[+-]\d\d:\d\d)")


class Lines(StreamingResponse):
    """A JSON object a line."""

    media_type = "application/x-ndjson"


@router.get("/tariffs", response_model=shapes.Tariffs, **needs("tariffs.see"))
def tariffs(reader: Asks, parts: Has) -> Response:
    """List all stored versions."""
    say = _saying(reader, parts)
    return answer(shapes.Tariffs(items=[say(v) for v in parts.tariffs.listed()]))


@router.post("/tariffs/check", response_model=shapes.Check, **needs("tariffs.see"))
def check(body: shapes.FilesBody, reader: Asks, parts: Has) -> Response:
    """Say everything that is wrong with a tariff, and what it would change; stores nothing."""
    return answer(parts.tariffs.check(packed(body), _saying(reader, parts)))


@router.post("/tariffs", status_code=201, response_model=shapes.Tariff, **needs("tariffs.change"))
def keep(body: shapes.FilesBody, reader: Asks, parts: Has) -> Response:
    """Store a tariff as a version that waits; the same files again are the version they were."""
    kept = parts.tariffs.keep(packed(body), reader.user.name)
    return answer(_saying(reader, parts)(kept), 201)


@router.post("/tariffs/try", response_model=shapes.Trials, **needs("tariffs.see"))
def attempt(body: shapes.TryBody, _reader: Asks, parts: Has) -> Response:
    """Say what one call would cost on every price list, and why."""
    request = api.TryRequest(number=body.number)
    if body.at is not None:
        request.at_ms = _milliseconds(body.at)
    if body.talk_ms is not None:
        request.connected_ms = body.talk_ms
    if body.direction is not None:
        request.direction = body.direction
    if body.tariff_uid is not None:
        request.stored.tariff_uid = body.tariff_uid
        request.stored.version = body.version or 0
    return answer(parts.tariffs.attempt(request))


@router.get("/tariffs/{uid}/{number}", response_model=shapes.Tariff, **needs("tariffs.see"))
def tariff(uid: Uid, number: Number, reader: Asks, parts: Has) -> Response:
    """Give one stored version."""
    return answer(_saying(reader, parts)(parts.tariffs.version(uid, number)))


@router.get("/tariffs/{uid}/{number}/check", response_model=shapes.Check, **needs("tariffs.see"))
def check_stored(uid: Uid, number: Number, reader: Asks, parts: Has) -> Response:
    """Say what a stored version changes against the one in force."""
    name = api.VersionName(tariff_uid=uid, version=number)
    return answer(parts.tariffs.check(name, _saying(reader, parts)))


@router.post(
    "/tariffs/{uid}/{number}/preview",
    response_model=shapes.PreviewLine,
    response_class=Lines,
    **needs("tariffs.see"),
)
def preview(
    uid: Uid, number: Number, body: shapes.PreviewBody, reader: Asks, parts: Has
) -> Response:
    """Say what the stored calls of a period would have cost: a JSON object a line, as it runs.

    Lines of progress, then one with the summary. It covers all sites: a person with
    a branch is refused.
    """
    if reader.branch.sites is not None or reader.branch.departments is not None:
        raise RefusedError("out_of_scope", "a preview covers all sites and departments")
    asked = scoped(body.filter, reader, parts.directories.names(), default="period=last-30d")
    question = asked.question
    if not question.HasField("from_ms") or not question.HasField("until_ms"):
        raise RefusedError("filter_invalid", "say a period, or from and to")
    lines = parts.tariffs.preview(
        uid, number, question.from_ms, question.until_ms, body.differences
    )
    masker = Masker(masks=not reader.may("numbers.see"))
    first = next(lines)  # what is refused is refused as a problem, before the first line
    return Lines(_lines(first, lines, masker))


@router.post(
    "/tariffs/{uid}/{number}/activation", response_model=shapes.Tariff, **needs("tariffs.change")
)
def activate(uid: Uid, number: Number, reader: Asks, parts: Has) -> Response:
    """Price by this version from its effective date on; an earlier one undoes a later one."""
    found = parts.tariffs.version(uid, number)
    if _why_not(found, reader, parts) == "four_eyes":
        raise RefusedError("four_eyes", params={"created_by": found.created_by})
    return answer(_saying(reader, parts)(parts.tariffs.activate(uid, number, reader.user.name)))


def _lines(
    first: shapes.PreviewLine, lines: Iterator[shapes.PreviewLine], masker: Masker
) -> Iterator[str]:
    try:
        yield _line(first, masker)
        for line in lines:
            yield _line(line, masker)
    except RefusedError as error:
        yield shapes.PreviewLine(problem=error.code).model_dump_json() + "\n"


def _line(line: shapes.PreviewLine, masker: Masker) -> str:
    if line.summary is not None and masker.masks:
        shown = [
            d.model_copy(update={"called": masker.text(d.called), "reason": masker.text(d.reason)})
            for d in line.summary.differences
        ]
        line = shapes.PreviewLine(summary=line.summary.model_copy(update={"differences": shown}))
    return line.model_dump_json(exclude_none=True) + "\n"


def _milliseconds(text: str) -> int:
    try:
        if _ZONED.fullmatch(text):
            return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    fields = [{"field": "at", "problem": "an instant such as 2026-11-21T13:03:01Z"}]
    raise RefusedError("body_invalid", params={"fields": fields})


def _why_not(found: api.Version, reader: Reader, parts: Parts) -> str | None:
    if not reader.may("tariffs.change"):
        return "not_permitted"
    if found.state == "active":
        return "active"
    own = found.created_by == reader.user.name and not known(found, "activated_by")
    return "four_eyes" if own and parts.four_eyes else None


def _saying(reader: Reader, parts: Parts) -> Say:
    def say(v: api.Version) -> shapes.Tariff:
        why_not = _why_not(v, reader, parts)
        return shapes.Tariff(
            uid=v.tariff_uid,
            version=v.version,
            effective_from=instant(known(v, "effective_from_ms")),
            effective_until=instant(known(v, "effective_until_ms")),
            zone=known(v, "zone"),
            created_at=instant(v.created_at_ms or None),
            activated_at=instant(known(v, "activated_at_ms")),
            activated_by=known(v, "activated_by"),
            may_activate=why_not is None and v.version > 0,
            why_not=why_not,  # type: ignore[arg-type]  # the closed list of `_why_not`
            **{
                name: getattr(v, name)
                for name in (
                    "name", "price_list", "currency", "state", "rates", "checksum", "created_by",
                )
            },
        )  # fmt: skip

    return say
