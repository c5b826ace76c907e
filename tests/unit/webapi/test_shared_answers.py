"""Who gets an answer that was made for somebody else."""

from __future__ import annotations

import asyncio
from itertools import count
from types import SimpleNamespace

import httpx
import pytest
from bluewhale.webapi.access import ROLES, Branch, Reader
from bluewhale.webapi.shared_answers import COMPRESS_FROM_BYTES, SharedAnswers
from fastapi import FastAPI, Request

BERLIN, PARIS = (Branch(sites=frozenset({site})) for site in ("berlin", "paris"))
LONG = "x" * COMPRESS_FROM_BYTES


class Asked:
    """An application whose answers are numbered as they are made."""

    def __init__(self, more: str = "") -> None:
        app, shared, made = FastAPI(), SharedAnswers(lambda: 0.0), count(1)

        @app.get("/list")
        def list_(request: Request):
            return shared.give(request, self.reader, "all", lambda: f'"{next(made)}{more}"')

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


@pytest.mark.parametrize(("accepted", "sent"), [("gzip", "gzip"), ("identity", None)])
def test_a_long_answer_is_compressed_for_those_who_take_it_so(accepted, sent):
    """The same text either way."""
    asked = Asked(LONG)
    assert asked.by("owner", BERLIN, **{"accept-encoding": accepted}) == f"1{LONG}"
    answer = asked.asked(**{"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding"), answer.headers["vary"]) == (
        sent,
        "Accept-Encoding",
    )
