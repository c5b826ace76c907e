"""The term, wherever it is kept: one winner, renewals that count, a clean end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from bluewhale.ingest.lease_api import LeaseApi
from bluewhale.ingest.ownership_term import Terms
from bluewhale.ingest.term_lease import TermLease
from bluewhale.ingest.term_witnesses import TermWitnesses
from bluewhale.ownership import TermRow

from tests.support.leases import NAMESPACE, LeaseServer
from tests.support.stores import ENGINES, factory_of

Copies = Callable[[], Terms]  # the same term each time, as another copy of ingest has it


def _said(row: TermRow | None) -> tuple[int, str, str, int, float] | None:
    return row and (row.term, row.holder, row.address, row.renewals, row.lease_s)


@pytest.fixture(params=["row alone", "row and Lease"])
def place(request: pytest.FixtureRequest) -> str:
    """Name where the term is kept."""
    return request.param


@pytest.fixture(params=ENGINES)
def copies(request: pytest.FixtureRequest, place: str, tmp_path: Path) -> Iterator[Copies]:
    """Give what opens the term of this test; nobody led it."""
    store = factory_of(request, request.param, tmp_path)()
    with ExitStack() as opened:
        opened.callback(store.close)
        if place == "row alone":
            yield lambda: store.terms
            return
        folder = tmp_path / "account"
        folder.mkdir()
        server = opened.enter_context(LeaseServer(folder))

        def copy() -> Terms:
            api = LeaseApi(
                "term", namespace=NAMESPACE, url=server.url, credentials=folder, timeout_s=5
            )
            lease = TermLease(api, instance="ingest-0")
            made = TermWitnesses(lambda: store.terms, lease, patience_s=5)
            opened.callback(made.close)
            return made

        yield copy


def test_the_first_term_is_won_once(copies: Copies):
    """Nothing there: one of two takers wins term 1, the other gets nothing."""
    a, b = copies(), copies()
    assert a.read() is None
    assert _said(a.take(None, holder="x", address="a:1", lease_s=6.0)) == (1, "x", "a:1", 0, 6.0)
    assert b.take(None, holder="y", address="b:1", lease_s=6.0) is None
    assert _said(b.read()) == (1, "x", "a:1", 0, 6.0)


def test_a_term_is_taken_only_as_it_was_seen(copies: Copies):
    """Renewed since it was seen: nothing; as it is now: the next term."""
    a, b = copies(), copies()
    a.take(None, holder="x", address="a:1", lease_s=6.0)
    seen = b.read()
    assert a.renew(1, "x", count=1, lease_s=9.0) == 9.0
    now = b.read()
    assert _said(now) == (1, "x", "a:1", 1, 9.0)
    assert now != seen
    assert b.take(seen, holder="y", address="b:1", lease_s=15.0) is None
    now = b.read()
    taken = b.take(now, holder="y", address="b:1", lease_s=15.0)
    assert taken is not None
    assert _said(taken)[1:] == ("y", "b:1", 0, 15.0)
    assert taken.term >= 2
    assert a.renew(1, "x", count=2, lease_s=6.0) is None
    assert b.renew(taken.term, "y", count=1, lease_s=15.0) == 15.0


def test_a_renewal_that_arrives_behind_a_later_one_takes_no_lease_back(copies: Copies):
    """The second one said 9 s, units count on them; the first, 6 s, comes late."""
    a, b = copies(), copies()
    a.take(None, holder="x", address="a:1", lease_s=6.0)
    assert a.renew(1, "x", count=2, lease_s=9.0)
    a.renew(1, "x", count=1, lease_s=6.0)
    row = b.read()
    assert row is not None
    assert (row.lease_s, row.renewals) == (9.0, 2)


def test_a_term_that_was_given_up_has_no_holder_and_keeps_its_lease(copies: Copies):
    """The lease stays: units may still count on it. Another's resignation is nothing."""
    a, b = copies(), copies()
    a.take(None, holder="x", address="a:1", lease_s=6.0)
    b.resign(1, "y")
    assert _said(b.read()) == (1, "x", "a:1", 0, 6.0)
    a.resign(1, "x")
    assert _said(b.read()) == (1, "", "", 0, 6.0)
    assert a.renew(1, "x", count=1, lease_s=6.0) is None
    assert b.take(b.read(), holder="y", address="b:1", lease_s=6.0).term == 2


def test_of_many_takers_at_once_one_wins_each_term(copies: Copies):
    """Eight takers, ten terms: ten winners, terms 1 to 10 without a gap."""
    takers = [copies() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for term in range(1, 11):
            seen = [taker.read() for taker in takers]
            won = [
                row
                for row in pool.map(
                    lambda n, seen=seen: takers[n].take(
                        seen[n], holder=f"h{n}", address="a:1", lease_s=6.0
                    ),
                    range(8),
                )
                if row is not None
            ]
            assert [row.term for row in won] == [term]
