"""Whole answers that many ask for: made once for all who may see the same, and compressed once.

    return await parts.shared.give(request, reader, body.filter, lambda: text)

A thousand pages hear of the same news and ask for the same lists. An answer is given for
`KEPT_S` at most, never one that was begun before the last news, and none that was begun before
somebody asked who says `Cache-Control: no-cache`: the page does, after a change of its own.
Whoever sees something else has another branch, or masks, and so another answer. Who waits for
an answer that is being made takes no thread meanwhile. Owns that rule; does not own what is
answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zstandard
from bluewhale.webapi.compression import FROM_BYTES, packed, takes_zstd
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

if TYPE_CHECKING:
    from bluewhale.webapi.access import Reader
    from starlette.requests import Request

KEPT_S = 1.0
ANSWERS_MAX = 256
Packed = str | bytes  # bytes: one zstd frame


@dataclass(slots=True)
class _Answer:
    began_s: float
    said: asyncio.Future[Packed]
    ended_s: float = float("inf")


class SharedAnswers:
    """Keeps answers in JSON; on the loop of the server alone.

    `news_s` gives when something last happened, by the same clock as `now_s`.
    """

    def __init__(
        self, news_s: Callable[[], float], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._news_s = news_s
        self._now_s = now_s
        self._answers: dict[Hashable, _Answer] = {}  # the one made last stands last

    async def give(
        self, request: Request, reader: Reader, asked: Hashable, make: Callable[[], str]
    ) -> Response:
        """Answer a request of somebody; `asked` is all that the answer depends on beside them."""
        route: str = request.scope["route"].name
        key = (route, asked, reader.branch, reader.may("numbers.see"))
        fresh = "no-cache" in request.headers.get("cache-control", "")
        said = await self._said(key, make, self._now_s() if fresh else self._news_s())
        if isinstance(said, str):
            return Response(said, media_type="application/json")
        if not takes_zstd(request.headers):
            return Response(zstandard.decompress(said), media_type="application/json")
        headers = {"vary": "Accept-Encoding", "content-encoding": "zstd"}
        return Response(said, headers=headers, media_type="application/json")

    async def _said(self, key: Hashable, make: Callable[[], str], since_s: float) -> Packed:
        """Give an answer that was begun since then, by somebody else or now."""
        known = self._answers.get(key)
        if known and known.began_s >= since_s and self._now_s() < known.ended_s + KEPT_S:
            return await asyncio.shield(known.said)
        loop = asyncio.get_running_loop()
        answer = _Answer(self._now_s(), loop.create_task(run_in_threadpool(_packed, make)))
        self._answers.pop(key, None)
        self._answers[key] = answer
        if len(self._answers) > ANSWERS_MAX:
            del self._answers[next(iter(self._answers))]
        try:
            return await asyncio.shield(answer.said)
        except BaseException:
            if self._answers.get(key) is answer:  # a refusal is not kept
                del self._answers[key]
            raise
        finally:
            answer.ended_s = self._now_s()


def _packed(make: Callable[[], str]) -> Packed:
    """Compress what is long enough to gain by it."""
    text = make()
    data = text.encode()
    return text if len(data) < FROM_BYTES else packed(data)
