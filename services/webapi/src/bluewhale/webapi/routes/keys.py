"""Keys of programs: listed, made, ended."""

from __future__ import annotations

from typing import Annotated

from bluewhale.database.api_keys import ApiKey
from bluewhale.webapi import shapes_people as shapes
from bluewhale.webapi.routes.needing import Asks, Has, answer, needs
from bluewhale.webapi.saying import instant
from fastapi import APIRouter, Path
from starlette.responses import Response

router = APIRouter(tags=["keys"])
KeyId = Annotated[str, Path(pattern=r"^k_[0-9a-f]{16}$", examples=["k_0123456789abcdef"])]


@router.get("/keys", response_model=shapes.Keys, **needs("users.manage"))
def keys(_reader: Asks, parts: Has) -> Response:
    """List all keys, ended ones too; never a token."""
    return answer(shapes.Keys(items=[_key(k) for k in parts.keys.listed()]))


@router.post(
    "/keys", status_code=201, response_model=shapes.NewKey, **needs("users.manage", shown_once=True)
)
def make(body: shapes.KeyBody, reader: Asks, parts: Has) -> Response:
    """Make a key for a program; its token is in this answer and nowhere else."""
    key, token = parts.keys.make(
        body.name,
        body.role,
        body.branch.sites,
        body.branch.departments,
        days=body.days,
        who=reader.user,
    )
    return answer(shapes.NewKey(key=_key(key), token=token), 201)


@router.delete("/keys/{key_id}", status_code=204, **needs("users.manage"))
def end(key_id: KeyId, reader: Asks, parts: Has) -> Response:
    """End a key for good."""
    parts.keys.end(key_id, who=reader.user)
    return Response(status_code=204)


def _key(key: ApiKey) -> shapes.Key:
    return shapes.Key(
        key_id=key.key_id,
        name=key.name,
        role=key.role,
        branch=shapes.BranchShape(
            sites=None if key.sites is None else list(key.sites),
            departments=None if key.departments is None else list(key.departments),
        ),
        created_by=key.created_by,
        created_at=instant(key.created_at_ms) or "",
        expires_at=instant(key.expires_at_ms) or "",
        ended_at=instant(key.ended_at_ms or None),
        used_at=instant(key.used_at_ms or None),
    )
