"""Records that wait: why, what they are, mended, dismissed, parsed again; and duplicates."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from bluewhale.api.query.v1 import query_pb2 as query
from bluewhale.records.enums import RejectReason, SuspenseState
from bluewhale.webapi import access, job_asking
from bluewhale.webapi import shapes_suspense as shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.job_asking import LISTED_MAX
from bluewhale.webapi.raw_records import fields_of
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs
from bluewhale.webapi.shapes_jobs import Job
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

router = APIRouter(tags=["suspense"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
CaptureKey = Annotated[str, Path(pattern=r"^-?\d{1,19}$", examples=["88104"])]
Site = Annotated[str | None, Query(max_length=64)]


@router.get("/suspense", response_model=shapes.SuspenseGroups, **needs("suspense.see"))
def waiting(reader: Asks, parts: Has, site: Site = None) -> Response:
    """Say what waits, by reason and link."""
    rows, whole = _rows(reader, parts, LISTED_MAX, site, state=SuspenseState.WAITING)
    items = job_asking.groups(rows, parts.directories.names())
    return answer(shapes.SuspenseGroups(items=items, count=len(rows), whole=whole))


@router.get("/suspense/records", response_model=shapes.Records, **needs("suspense.see"))
def records(
    reader: Asks,
    parts: Has,
    state: Annotated[SuspenseState | None, Query()] = None,
    reason: Annotated[RejectReason | None, Query()] = None,
    link: Annotated[str | None, Query(max_length=64)] = None,
    site: Site = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> Response:
    """List records, oldest first."""
    rows, whole = _rows(reader, parts, limit + 1, site, state=state, reason=reason, link_uid=link)
    names = parts.directories.names()
    items = [job_asking.record(r, names) for r in rows[:limit]]
    return answer(shapes.Records(items=items, whole=whole and len(rows) <= limit))


@router.get("/suspense/{suspense_id}", response_model=shapes.RecordDetail, **needs("suspense.see"))
def record(suspense_id: Id, reader: Asks, parts: Has) -> Response:
    """Give one record with what its dialect sees in it."""
    return answer(_detail(_held(suspense_id, reader, parts), parts))


@router.post("/suspense/{suspense_id}/repair", response_model=Job, **needs("suspense.repair"))
def repair(suspense_id: Id, body: shapes.RepairBody, reader: Asks, parts: Has) -> Response:
    """Mend a waiting record, or say that it is right as it is, and parse it again as a job."""
    _held(suspense_id, reader, parts)
    who = reader.user.name
    parts.jobs.repair(suspense_id, _bytes(body.raw), why=body.why, who=who)
    return answer(parts.jobs.replay([suspense_id], None, who=who))


@router.post("/suspense/dismiss", status_code=204, **needs("suspense.repair"))
def dismiss(body: shapes.DismissBody, reader: Asks, parts: Has) -> Response:
    """Say that waiting records are no calls; all of them or none."""
    _all_held(body.ids, reader, parts)
    parts.jobs.dismiss(body.ids, why=body.why, who=reader.user.name)
    return Response(status_code=204)


@router.post("/replays", response_model=Job, **needs("suspense.repair"))
def replay(body: shapes.ReplayBody, reader: Asks, parts: Has) -> Response:
    """Parse waiting records again as a job; what fits becomes calls, once."""
    if body.ids is not None:
        _all_held(body.ids, reader, parts)
    elif reader.branch.sites is not None:
        raise RefusedError("out_of_scope", "a replay of all covers all sites: name the records")
    return answer(parts.jobs.replay(body.ids or (), body.reason, who=reader.user.name))


@router.get("/duplicates", response_model=shapes.Duplicates, **needs("suspense.see"))
def duplicates(
    reader: Asks,
    parts: Has,
    state: Annotated[shapes.DuplicateState | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> Response:
    """List records that came twice, oldest first; each with the leg that has its bytes."""
    found = parts.jobs.duplicates(state, LISTED_MAX)
    sites, names = reader.branch.sites, parts.directories.names()
    mine = [d for d in found if sites is None or d.site_uid in sites]
    items = [job_asking.duplicate(d, names) for d in mine[:limit]]
    whole = len(found) < LISTED_MAX and len(mine) <= limit
    return answer(shapes.Duplicates(items=items, whole=whole))


@router.post(
    "/duplicates/{stream_id}/{incarnation}/{seq}/two-calls",
    response_model=shapes.TwoCalls,
    **needs("suspense.repair"),
)
def two_calls(
    stream_id: CaptureKey,
    incarnation: CaptureKey,
    seq: CaptureKey,
    body: shapes.TwoCallsBody,
    reader: Asks,
    parts: Has,
) -> Response:
    """Say that a duplicate is a call of its own; it becomes a leg that joins nothing, once."""
    key = tuple(_whole(text) for text in (stream_id, incarnation, seq))
    listed = parts.jobs.duplicates(None, LISTED_MAX)
    found = next((d for d in listed if (d.stream_id, d.incarnation, d.seq) == key), None)
    if found is None:
        raise RefusedError("not_found", "no duplicate was captured under this key")
    if reader.branch.sites is not None and found.site_uid not in reader.branch.sites:
        raise access.outside_of("duplicates", [f"{stream_id}/{incarnation}/{seq}"])
    made = parts.jobs.two_calls(found, why=body.why, who=reader.user.name)
    return answer(shapes.TwoCalls(cdr_id=made))


def _rows(
    reader: Reader, parts: Parts, limit: int, site: str | None, **wanted: str | None
) -> tuple[list[query.SuspenseRow], bool]:
    """Give records of the branch, and whether these are all."""
    sites = access.sites_of(reader, site)
    if sites is None:
        found = parts.jobs.records(limit=limit, **wanted)
        return found, len(found) < limit
    rows, whole = [], True
    for one in sorted(sites):
        found = parts.jobs.records(limit=limit, site_uid=one, **wanted)
        whole = whole and len(found) < limit
        rows += found
    return sorted(rows, key=lambda r: r.suspense_id)[:limit], whole


def _held(suspense_id: int, reader: Reader, parts: Parts) -> query.SuspenseRow:
    """Give a record, if it is in the branch."""
    found = parts.jobs.record(suspense_id)
    _check(found, reader)
    return found


def _all_held(ids: list[int], reader: Reader, parts: Parts) -> None:
    found = parts.jobs.records(limit=len(ids), suspense_ids=ids)
    missing = set(ids) - {r.suspense_id for r in found}
    if missing:
        raise RefusedError("not_found", f"no record {min(missing)} ever waited")
    for row in found:
        _check(row, reader)


def _check(row: query.SuspenseRow, reader: Reader) -> None:
    sites = reader.branch.sites
    if sites is not None and row.site_uid not in sites:
        raise access.outside_of("records", [str(row.suspense_id)])


def _detail(row: query.SuspenseRow, parts: Parts) -> shapes.RecordDetail:
    fields, note = fields_of(
        row.raw, None, row.link_uid, row.dialect_id, row.dialect_version, parts.configuration()
    )
    said = job_asking.record(row, parts.directories.names())
    return shapes.RecordDetail(record=said, fields=fields, note=note)


def _whole(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise RefusedError("not_found", "no duplicate was captured under this key")
    return number


def _bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        fields = [{"field": "raw", "problem": "is no base64"}]
        raise RefusedError("body_invalid", params={"fields": fields}) from error
