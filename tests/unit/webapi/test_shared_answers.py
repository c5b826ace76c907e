"""Who gets an answer that was made for somebody else."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import count
from types import SimpleNamespace

import httpx
import pytest
from bluewhale.webapi.access import ROLES, Branch, Reader
from bluewhale.webapi.compression import FROM_BYTES, Compression
from bluewhale.webapi.shared_answers import SharedAnswers
from fastapi import FastAPI, Request

BERLIN, PARIS = (Branch(sites=frozenset({site})) for site in ("berlin", "paris"))
LONG = "x" * FROM_BYTES


class Asked:
    """An application whose answers are numbered as they are made."""

    def __init__(self, more: str = "", fails: int = 0) -> None:
        self.made, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()
        app, made, self.news_s = FastAPI(), count(1), 0.0
        shared = SharedAnswers(lambda: self.news_s)

        def make() -> str:
            number = next(made)
            if number == fails:
                raise ZeroDivisionError
            self.made.set()
            assert self.goes_on.wait(60)
            return f'"{number}{more}"'

        @app.get("/list")
        async def list_(request: Request):
            return await shared.give(request, self.reader, "all", make)

        app.add_middleware(Compression)
        self.app = app
        self.reader = Reader(SimpleNamespace(), SimpleNamespace(), ROLES["owner"], Branch())

    def by(self, role: str, branch: Branch, **headers: str) -> str:
        """Ask as somebody of a role and a branch."""
        self.reader = Reader(SimpleNamespace(), SimpleNamespace(), ROLES[role], branch)
        answer = self.asked(**headers)
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    def asked(self, **headers: str) -> httpx.Response:
        """Ask once more as the same."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.get("/list", headers=headers)

        return asyncio.run(ask())


def test_who_sees_the_same_gets_the_same_answer_and_nobody_else():
    """A branch, and digits that are shown or masked, are what tells readers apart."""
    asked = Asked()
    assert asked.by("owner", BERLIN) == asked.by("security", BERLIN) == "1"
    assert asked.by("owner", PARIS) == "2"
    assert asked.by("viewer", BERLIN) == asked.by("finance", BERLIN) == "3"  # both are masked
    assert asked.by("owner", BERLIN) == "1"


def test_no_cache_asks_for_an_answer_of_now():
    """As the page does after a change of its own; others get that one, too."""
    asked = Asked()
    assert asked.by("owner", BERLIN) == "1"
    assert asked.by("owner", BERLIN, **{"cache-control": "no-cache"}) == "2"
    assert asked.by("owner", BERLIN) == "2"


def test_an_answer_that_was_begun_before_the_last_news_is_made_anew():
    """A call came: whoever hears of it sees it."""
    asked = Asked()
    assert asked.by("owner", BERLIN) == "1"
    asked.news_s = time.monotonic()
    assert asked.by("owner", BERLIN) == asked.by("owner", BERLIN) == "2"


def test_a_thousand_who_wait_for_one_answer_take_one_thread():
    """More than there are threads for: all get the answer that the first one had begun."""
    asked = Asked()
    asked.goes_on.clear()

    async def ask() -> list[str]:
        transport = httpx.ASGITransport(app=asked.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            waiting = [asyncio.ensure_future(client.get("/list")) for _ in range(1_000)]
            await asyncio.to_thread(asked.made.wait, 60)
            free = await asyncio.to_thread(lambda: "a thread for somebody else")
            asked.goes_on.set()
            return [free, *{(await one).json() for one in waiting}]

    assert asyncio.run(ask()) == ["a thread for somebody else", "1"]


def test_a_failure_is_not_kept():
    """The next one asks anew."""
    asked = Asked(fails=1)
    with pytest.raises(ZeroDivisionError):
        asked.by("owner", BERLIN)
    assert asked.by("owner", BERLIN) == "2"


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [("gzip, deflate, br, zstd", "zstd"), ("gzip", "gzip"), ("identity", None)],
)
def test_a_long_answer_is_compressed_for_those_who_take_it_so(accepted, sent):
    """The same text either way."""
    asked = Asked(LONG)
    assert asked.by("owner", BERLIN, **{"accept-encoding": accepted}) == f"1{LONG}"
    answer = asked.asked(**{"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding"), answer.headers["vary"]) == (
        sent,
        "Accept-Encoding",
    )
