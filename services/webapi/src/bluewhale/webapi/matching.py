"""Changes of what somebody else changed meanwhile are refused (ETag, If-Match).

    tag = etag(user.role, user.state)
    check_match(request, tag, current=shape)      # 412 with what stands now

Owns the tag and the comparison. The store compares again in its transaction, where
two may come in the same moment.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from bluewhale.webapi.exceptions import RefusedError

if TYPE_CHECKING:
    from fastapi import Request
    from pydantic import BaseModel


def etag(*facts: Any) -> str:
    """Give the tag of a state, from all of it that a change may replace."""
    said = json.dumps(facts, sort_keys=True, default=list)
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:16]}"'


def check_match(request: Request, tag: str, current: BaseModel) -> None:
    """Go on only if the caller saw the state that stands; without If-Match go on.

    Raises
    ------
    RefusedError
        `changed_meanwhile`, with what stands in `params.current`.
    """
    seen = request.headers.get("if-match")
    if seen is None or seen.strip() == "*":
        return
    if tag not in {one.strip() for one in seen.split(",")}:
        raise changed(current)


def changed(current: BaseModel) -> RefusedError:
    """Give the refusal that shows what stands now."""
    return RefusedError("changed_meanwhile", params={"current": current.model_dump(mode="json")})
