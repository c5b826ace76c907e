"""Long works: how far they are; paused, resumed, cancelled."""

from __future__ import annotations

from typing import Annotated, get_args

from bluewhale.webapi import shapes_jobs as shapes
from bluewhale.webapi.job_asking import Turn
from bluewhale.webapi.routes.needing import Asks, Has, answer, needs
from fastapi import APIRouter, Path
from starlette.responses import Response

router = APIRouter(tags=["jobs"])
JobName = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/jobs", response_model=shapes.Jobs, **needs("jobs.see"))
def jobs(_reader: Asks, parts: Has) -> Response:
    """List long works, the one that changed last first."""
    return answer(shapes.Jobs(items=parts.jobs.jobs()))


@router.get("/jobs/{name}", response_model=shapes.JobDetail, **needs("jobs.see"))
def job(name: JobName, _reader: Asks, parts: Has) -> Response:
    """Say how far one long work is, and what it found."""
    return answer(parts.jobs.job(name))


@router.post("/jobs/{name}/{turn}", response_model=shapes.Job, **needs("jobs.steer"))
def turn(name: JobName, turn: Turn, reader: Asks, parts: Has) -> Response:
    """Pause, resume or cancel a long work; what is done stays done."""
    return answer(parts.jobs.turn(turn, name, who=reader.user.name))


assert get_args(Turn) == ("pause", "resume", "cancel")
