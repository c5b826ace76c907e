"""The workshop: formats of PBXs, and lines tried with the parser that reads the links."""

from __future__ import annotations

import base64
import binascii
import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from bluewhale.dialects import DIALECTS
from bluewhale.dialects.engine.trying import Tried, tried
from bluewhale.records.directory import Site
from bluewhale.webapi import shapes_dialects as shapes
from bluewhale.webapi.access import Reader, outside_of
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.filters import SITE_ZONE, zone_mistake
from bluewhale.webapi.raw_records import field_of
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs
from fastapi import APIRouter, Path
from starlette.responses import Response

if TYPE_CHECKING:
    from bluewhale.dialects.engine.dialect import Dialect
    from bluewhale.records.batches import LinkProfile

router = APIRouter(tags=["workshop"])
DialectId = Annotated[str, Path(max_length=64, examples=["avaya_cm"])]
RECORDS_MAX = 200
NOWHERE = Site("tried", "tried", "UTC", "US")


@router.get("/dialects", response_model=shapes.Dialects, **needs("suspense.see"))
def dialects(reader: Asks, parts: Has) -> Response:
    """List the formats that this release reads, with the links that print them."""
    links = _links(reader, parts)
    return answer(shapes.Dialects(items=[_dialect(d, links) for d in DIALECTS.values()]))


@router.post(
    "/dialects/{dialect_id}/try", response_model=shapes.TriedLines, **needs("suspense.see")
)
def try_lines(dialect_id: DialectId, body: shapes.TryBody, reader: Asks, parts: Has) -> Response:
    """Say what lines become: framed and read as those of a link are; nothing is stored."""
    dialect = DIALECTS.get(dialect_id)
    if dialect is None:
        raise RefusedError("not_found", f"this release has no dialect {dialect_id}")
    options, site = _as_of_link(dialect, body, reader, parts)
    if body.options is not None:
        options = body.options
    wrong = [{"field": "options", "problem": text} for text in dialect.mistakes(options)]
    if body.zone is not None and (body.zone == SITE_ZONE or zone_mistake(body.zone)):
        wrong.append({"field": "zone", "problem": "UTC, or a zone such as Europe/Berlin"})
    if wrong:
        raise RefusedError("body_invalid", params={"fields": wrong})
    site = replace(site, zone=body.zone or site.zone, country=body.country or site.country)
    found = tried(dialect, options, site, _bytes(body.raw), now_ms=int(time.time() * 1000))
    records = list(itertools.islice(found, RECORDS_MAX + 1))
    return answer(
        shapes.TriedLines(
            records=[_record(r) for r in records[:RECORDS_MAX]], whole=len(records) <= RECORDS_MAX
        )
    )


def _links(reader: Reader, parts: Parts) -> list[LinkProfile]:
    sites = reader.branch.sites
    profiles = parts.configuration().profiles.values()
    return [p for p in profiles if sites is None or p.site.site_uid in sites]


def _as_of_link(
    dialect: Dialect, body: shapes.TryBody, reader: Reader, parts: Parts
) -> tuple[Any, Site]:
    """Give options and site of the link that was named; none = the usual ones."""
    if body.link_uid is None:
        return {}, NOWHERE
    profile = parts.configuration().profiles.get(body.link_uid)
    if profile is None or profile.dialect_id != dialect.dialect_id:
        raise RefusedError("not_found", f"no link {body.link_uid} prints {dialect.dialect_id}")
    sites = reader.branch.sites
    if sites is not None and profile.site.site_uid not in sites:
        raise outside_of("links", [body.link_uid])
    return profile.options, profile.site


def _dialect(d: Dialect, links: list[LinkProfile]) -> shapes.Dialect:
    return shapes.Dialect(
        dialect_id=d.dialect_id,
        title=d.title,
        version=d.version,
        options=[
            shapes.DialectOption(
                name=o.name,
                kind=o.kind,
                default=o.default,
                choices=list(o.choices),
                meaning=o.meaning,
            )
            for o in d.options
        ],
        links=[
            shapes.DialectLink(link_uid=p.link_uid, options=dict(p.options))
            for p in links
            if p.dialect_id == d.dialect_id
        ],
    )


def _record(one: Tried) -> shapes.TriedRecord:
    return shapes.TriedRecord(
        bytes=base64.b64encode(one.record).decode(),
        context=None if one.context is None else base64.b64encode(one.context).decode(),
        fields=[field_of(f) for f in one.fields],
        leg=[
            shapes.LegField(name=name, value=_text(value))
            for name, value in one.leg.items()
            if value is not None
        ],
        reason=str(one.reject.reason) if one.reject else None,
        detail=one.reject.detail if one.reject else "",
        note=one.note,
    )


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(v) for v in value)
    return str(value)


def _bytes(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        fields = [{"field": "raw", "problem": "is no base64"}]
        raise RefusedError("body_invalid", params={"fields": fields}) from error
    if not found:
        fields = [{"field": "raw", "problem": "is empty: give at least one line"}]
        raise RefusedError("body_invalid", params={"fields": fields})
    return found
