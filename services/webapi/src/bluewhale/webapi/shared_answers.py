"""Whole answers that many ask for: made once for all who may see the same, and compressed once.

    return parts.shared.give(request, reader, body.filter, lambda: text)

A thousand pages hear of the same news and ask for the same lists. An answer is given for
`KEPT_S` at most, never one that was begun before the last news, and none that was begun before
somebody asked who says `Cache-Control: no-cache`: the page does, after a change of its own.
Whoever sees something else has another branch, or masks, and so another answer. Owns that rule;
does not own what is answered.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from bluewhale.webapi.recent import Recent
from starlette.responses import Response

if TYPE_CHECKING:
    from bluewhale.webapi.access import Reader
    from starlette.requests import Request

KEPT_S = 1.0
COMPRESS_FROM_BYTES = 1_024
COMPRESS_LEVEL = 1  # of 1 to 9: a file of a million calls is made as fast as this lets it


class SharedAnswers:
    """Keeps answers in JSON; any thread. `news_s` gives when something last happened."""

    def __init__(self, news_s: Callable[[], float]) -> None:
        self._recent = Recent(KEPT_S, news_s)

    def give(
        self, request: Request, reader: Reader, asked: Hashable, make: Callable[[], str]
    ) -> Response:
        """Answer a request of somebody; `asked` is all that the answer depends on beside them."""
        route: str = request.scope["route"].name
        key = (route, asked, reader.branch, reader.may("numbers.see"))
        fresh = "no-cache" in request.headers.get("cache-control", "")
        packed = self._recent.get(key, lambda: _packed(make()), fresh=fresh)
        if isinstance(packed, str):
            return Response(packed, media_type="application/json")
        headers = {"vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(gzip.decompress(packed), headers=headers, media_type="application/json")
        headers["content-encoding"] = "gzip"
        return Response(packed, headers=headers, media_type="application/json")


def _packed(text: str) -> str | bytes:
    """Compress what is long enough to gain by it."""
    data = text.encode()
    return text if len(data) < COMPRESS_FROM_BYTES else gzip.compress(data, COMPRESS_LEVEL)
