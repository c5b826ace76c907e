"""Erasure of a person: what would go, and the job that takes it away. Nothing gives it back."""

from __future__ import annotations

from bluewhale.webapi import access
from bluewhale.webapi import shapes_jobs as shapes
from bluewhale.webapi.routes.needing import Asks, Has, answer, needs
from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(tags=["jobs"])


@router.post("/erasures/preview", response_model=shapes.ErasurePreview, **needs("people.erase"))
def preview_erasure(body: shapes.ErasurePreviewBody, reader: Asks, parts: Has) -> Response:
    """Say what would go, and which files of the directory have to let the person go first."""
    access.whole(reader)
    return answer(parts.jobs.preview_erasure(body.person_uid))


@router.post("/erasures", response_model=shapes.Job, status_code=202, **needs("people.erase"))
def erase(body: shapes.ErasureBody, reader: Asks, parts: Has) -> Response:
    """Erase a person, as a job; asked again while it runs, it gives the same job."""
    access.whole(reader)
    made = parts.jobs.erase(body.person_uid, body.confirmation, who=reader.user.name)
    return answer(made, 202)
