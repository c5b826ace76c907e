"""The processes of the installation: how they are, their logs, their end."""

from __future__ import annotations

import time
from typing import cast

from bluewhale.webapi import shapes_server as shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.processes import Found, named
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs
from bluewhale.webapi.saying import instant, known
from bluewhale.webapi.shapes_units import Condition
from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(tags=["server"])
MINUTE_MS = 60_000


@router.get("/server", response_model=shapes.Server, **needs("server.see"))
def server(_reader: Asks, parts: Has) -> Response:
    """Say how every process of the installation is, in the order of the data."""
    items = [_said(found) for found in parts.processes.states()]
    return answer(shapes.Server(as_of=instant(_now_ms()) or "", items=items))


@router.post("/server/log-level", response_model=shapes.Process, **needs("server.steer"))
def log_level(body: shapes.LogLevelBody, reader: Asks, parts: Has) -> Response:
    """Change what a process writes into its log; the level before returns by itself."""
    found = named(parts.processes.states(), body.instance)
    parts.processes.set_log_level(found, body.level, for_ms=body.minutes * MINUTE_MS)
    _kept(parts, reader, "log level", found, f"{body.level} for {body.minutes} min")
    return answer(_said(named(parts.processes.states(), body.instance)))


@router.post(
    "/server/drain", status_code=202, response_model=shapes.Process, **needs("server.steer")
)
def drain(body: shapes.DrainBody, reader: Asks, parts: Has) -> Response:
    """Let a process finish what is begun and end; who supervises it starts it again."""
    states = parts.processes.states()
    found = named(states, body.instance)
    unwell = [
        f.instance
        for f in states
        if f.instance != body.instance
        and (f.state is None or f.state.draining or not f.state.ready)
    ]
    if unwell and not body.although:
        raise RefusedError(
            "state_conflict",
            f"{', '.join(unwell)} is not ready: with both away records wait longer",
            params={"instances": unwell},
        )
    # kept first: the process may be this one
    _kept(parts, reader, "drain", found, "although others are not ready" if unwell else "")
    parts.processes.drain(found)
    return answer(_said(found), 202)


def _kept(parts: Parts, reader: Reader, action: str, found: Found, detail: str) -> None:
    parts.sign_in.users.audited(
        who=reader.user.name,
        action=action,
        subject=f"{found.place.role} {found.instance}",
        detail=detail,
        now_ms=_now_ms(),
    )


def _now_ms() -> int:
    return int(time.time() * 1000)


def _said(found: Found) -> shapes.Process:
    state = found.state
    if state is None:
        return _away(found)
    until = state.log_level_until_ms or None
    return shapes.Process(
        role=state.role,
        instance=state.instance,
        address=found.place.address,
        state="draining" if state.draining else "ready" if state.ready else "not_ready",
        version=state.version,
        started_at=instant(state.started_at_ms or None),
        conditions=[
            Condition(name=c.name, good=c.good, message=c.message) for c in state.conditions
        ],
        load_ratio=state.load_ratio,
        memory_bytes=state.memory_bytes or None,
        lag=_lag(found),
        log_level=cast("shapes.LogLevel", state.log_level) if state.log_level else None,
        log_level_until=instant(until),
        last_error=shapes.LastError(at=instant(state.last_error_at_ms) or "", text=state.last_error)
        if state.last_error
        else None,
    )


def _lag(found: Found) -> shapes.Lag | None:
    if found.state is None or not found.state.HasField("lag"):
        return None
    lag = found.state.lag
    oldest = known(lag, "oldest_ms")
    waits = known(lag, "count") != 0
    return shapes.Lag(
        count=known(lag, "count"),
        unit=lag.unit,
        behind_ms=(None if oldest is None else max(0, _now_ms() - oldest)) if waits else 0,
        oldest_at=instant(oldest) if waits else None,
    )


def _away(found: Found) -> shapes.Process:
    return shapes.Process(
        role=found.place.role,
        instance=found.instance,
        address=found.place.address,
        state="away",
        version="",
        started_at=None,
        conditions=[Condition(name="control", good=False, message=found.error)],
        load_ratio=None,
        memory_bytes=None,
        lag=None,
        log_level=None,
        log_level_until=None,
        last_error=None,
    )
