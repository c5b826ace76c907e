"""Walking over all calls of a filter, in slices of time."""

from __future__ import annotations

import pytest
from bluewhale.database import Batch, CallFilter, Store
from bluewhale.database.walk import Walk

from tests.spec.database.build import leg_id, leg_row, legs, proposals
from tests.support.stores import StoreFactory

MINUTES = {1: 5, 2: 1, 3: 1, 4: 9, 5: 3, 6: 1, 7: 240, 8: 0}  # call -> when it began


@pytest.fixture
def store(store_factory: StoreFactory):
    """Store two segments that lie in the same minutes, and hot calls beside them."""
    with store_factory() as opened:
        for part, seal in (((1, 2, 3), True), ((4, 5, 6), True), ((7, 8), False)):
            rows = [leg_row(n, at=60 * MINUTES[n]) for n in part]
            batch = Batch(
                now_ms=part[0], legs=legs(*rows), proposals=proposals(*((r,) for r in rows))
            )
            opened.commit(batch, seal=seal)
        yield opened


def walk(store: Store, wanted: CallFilter, rows: int):
    """Walk in slices of so few rows."""
    return Walk(
        store.db, store.files, store.columnar, wanted, ["called", "call_id"], slice_rows=rows
    ).batches()


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_a_walk_gives_each_call_once_newest_first(store: Store, rows: int) -> None:
    """Calls of one minute are never torn apart, however small a slice is."""
    batches = list(walk(store, CallFilter(), rows))
    assert {tuple(b.column_names) for b in batches} == {("called", "call_id")}
    found = [i for b in batches for i in b.column("call_id").to_pylist()]
    assert found == [leg_id(n) for n in (7, 4, 1, 5, 6, 3, 2, 8)]
    assert len(batches) == {1: 6, 2: 4, 3: 3, 100: 1}[rows]


def test_calls_that_are_sealed_meanwhile_are_neither_lost_nor_given_twice(store: Store) -> None:
    """Call 8 is hot when the walk begins and in a segment when it comes to it."""
    batches = walk(store, CallFilter(), 1)
    found = next(batches).column("call_id").to_pylist()
    assert store.seal(before_ms=2**50, now_ms=9).calls == 2
    found += [i for b in batches for i in b.column("call_id").to_pylist()]
    assert found == [leg_id(n) for n in (7, 4, 1, 5, 6, 3, 2, 8)]


def test_a_call_that_grew_is_given_as_it_is_now(store: Store) -> None:
    """Call 1 is sealed with one leg and lives with two."""
    a, b = leg_row(1, at=300), leg_row(9, at=305)
    store.commit(Batch(now_ms=20, legs=legs(b), proposals=proposals((a, b))))
    tables = store.walk_calls(CallFilter(), ["call_id", "leg_count"])
    found = {r["call_id"]: r["leg_count"] for t in tables for r in t.to_pylist()}
    assert (len(found), found[leg_id(1)]) == (8, 2)
