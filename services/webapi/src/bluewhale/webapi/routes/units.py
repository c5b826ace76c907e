"""Remote Units: who reads what, read only. An installation of one process has none to list."""

from __future__ import annotations

from typing import Annotated, Any

from bluewhale.api.units.v1 import units_pb2 as api
from bluewhale.nexus import PeerUnknownError
from bluewhale.webapi import access
from bluewhale.webapi import shapes_units as shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.asking import TIMEOUT_S, told
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.names import Names
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs
from bluewhale.webapi.saying import instant, known
from fastapi import APIRouter, Path
from starlette.responses import Response

router = APIRouter(tags=["units"])
PAGE = 1_000
Uid = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["berlin-1"])]


@router.get("/units", response_model=shapes.Units, **needs("units.see"))
def units(reader: Asks, parts: Has) -> Response:
    """List the units, those with something wrong first."""
    found: list[api.Unit] = []
    problems: list[str] = []
    service, token = _service(parts), ""
    while service is not None:
        with told():
            request = api.ListRequest(page_size=PAGE, page_token=token)
            reply = service.List(request, timeout=TIMEOUT_S)
        found += reply.units
        problems = list(reply.configuration_problems)
        token = reply.next_page_token
        if not token:
            break
    names = parts.directories.names()
    mine = [_said(u, names) for u in found if _sees(reader, u)]
    mine.sort(key=lambda u: (sum(c.good for c in u.conditions) == len(u.conditions), u.unit_uid))
    whole = reader.branch.sites is None
    return answer(shapes.Units(items=mine, configuration_problems=problems if whole else []))


@router.get("/units/{unit_uid}", response_model=shapes.Unit, **needs("units.see"))
def unit(unit_uid: Uid, reader: Asks, parts: Has) -> Response:
    """Give one unit."""
    service = _service(parts)
    if service is None:
        raise RefusedError("not_found", "this installation has no Remote Units")
    with told():
        found = service.Get(api.GetRequest(unit_uid=unit_uid), timeout=TIMEOUT_S)
    if not _sees(reader, found):
        raise access.outside_of("units", [unit_uid])
    return answer(_said(found, parts.directories.names()))


def _service(parts: Parts) -> Any:
    """Give the stub of the service; None = one process reads its PBXs itself."""
    try:
        return parts.peer("units")
    except PeerUnknownError:
        return None


def _sees(reader: Reader, u: api.Unit) -> bool:
    return reader.branch.sites is None or u.site_uid in reader.branch.sites


def _said(u: api.Unit, names: Names) -> shapes.Unit:
    return shapes.Unit(
        unit_uid=u.unit_uid,
        state=u.state,
        site=names.site(u.site_uid or None),
        links=[
            shapes.UnitLink(
                link_uid=x.link_uid,
                stream_id=str(x.stream_id),
                state=x.state or None,
                last_received_at=instant(x.last_received_at_ms or None),
                records_lost=x.records_lost,
            )
            for x in u.links
        ],
        instances=[_instance(i) for i in u.instances],
        certificate_until=instant(
            max((c.not_after_ms for c in u.certificates if not c.revoked_at_ms), default=None)
        ),
        desired_version=u.configuration.desired_version,
        conditions=[
            shapes.Condition(name=c.name, good=c.good, message=c.message) for c in u.conditions
        ],
        revoked_at=instant(u.revoked_at_ms or None),
    )


def _instance(i: api.Instance) -> shapes.Instance:
    return shapes.Instance(
        session=i.session,
        peer=i.peer,
        release=i.release,
        connected_at=instant(i.connected_at_ms or None),
        reported_at=instant(i.reported_at_ms or None),
        clock_skew_ms=i.clock_skew_ms,
        journal_usage_ratio=i.journal_usage_ratio,
        journal_days_left=known(i, "journal_days_left"),
        backlog_records=known(i, "backlog_records"),
        oldest_waiting_at=instant(known(i, "oldest_waiting_at_ms")),
        configuration_error=i.configuration_error or None,
    )
