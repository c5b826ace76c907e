"""Records that wait: who may do what to them, and what comes of it."""

from __future__ import annotations

import pytest
from bluewhale.database import Batch, CallFilter, NotFoundError, StateError, Store, SuspenseFilter
from bluewhale.records.enums import Flag

from tests.spec.database.build import (
    INCARNATION,
    STREAM,
    leg_id,
    leg_row,
    legs,
    proposals,
    rejects,
)
from tests.support.stores import StoreFactory


@pytest.fixture
def store(store_factory: StoreFactory):
    """Open a store with two waiting records, 1 and 2."""
    with store_factory() as opened:
        opened.declare_links([("hq-1", STREAM, "hq", "berlin", "avaya_cm")])
        opened.commit(
            Batch(now_ms=1, rejects=rejects(leg_row(1, raw_context_id=5), leg_row(2)),
                  contexts={5: b"header"})
        )  # fmt: skip
        yield opened


def states(store: Store) -> list[str]:
    """Give states by suspense id."""
    return store.suspense_list().column("state").to_pylist()


def test_a_repaired_record_becomes_a_leg_and_by_rejoin_a_call(store: Store) -> None:
    """Waiting -> repaired -> applied; totals move from suspended to parsed."""
    shown = store.suspense_show(1)
    assert (shown["raw"], shown["context"], shown["site_uid"]) == (b"line 1", b"header", "berlin")
    store.suspense_repair(1, who="ada", why="a digit was missing", raw=b"line one", now_ms=5)
    assert states(store) == ["repaired", "waiting"]
    leg = leg_row(1, raw=b"line one")
    assert store.suspense_apply([1], legs(leg), who="ada", now_ms=6) == 1
    assert states(store) == ["applied", "waiting"]
    work = store.legs_without_call(6)
    store.commit(Batch(now_ms=7, proposals=proposals((work.legs.to_pylist()[0],))))
    assert store.search_calls(CallFilter()).column("call_id").to_pylist() == [leg_id(1)]
    day = store.completeness().days.to_pylist()[0]
    assert (day["received"], day["parsed"], day["suspended"], day["balanced"]) == (2, 1, 1, True)
    assert [a[2] for a in store.audit()] == ["suspense_apply", "suspense_repair"]
    assert "bytes before: b'line 1'" in store.audit()[1][4]


def test_a_repaired_record_that_was_stored_meanwhile_is_a_duplicate(store: Store) -> None:
    """Its id came under another capture key; one call, not two."""
    store.commit(Batch(now_ms=2, legs=legs(leg_row(1, stream=9))))
    assert store.suspense_apply([1], legs(leg_row(1)), who="job", now_ms=6) == 0
    assert store.duplicates().column("cdr_id").to_pylist() == [leg_id(1)]
    assert store.completeness().complete


def test_a_replay_that_still_fails_counts_the_attempt(store: Store) -> None:
    """Reason and detail are those of the newest attempt."""
    row = leg_row(1) | {"detail": "x"}
    store.suspense_failed([1], rejects(row), now_ms=9)
    shown = store.suspense_show(1)
    assert (shown["state"], shown["attempts"], shown["reason"]) == ("waiting", 2, "field_malformed")


def test_dismissed_is_final(store: Store) -> None:
    """Who and why stay; nothing leads out of it."""
    store.suspense_dismiss([2], who="bob", why="page header", now_ms=5)
    shown = store.suspense_show(2)
    assert (shown["state"], shown["who"], shown["why"]) == ("dismissed", "bob", "page header")
    for change in (
        lambda: store.suspense_dismiss([2], who="bob", why="again", now_ms=6),
        lambda: store.suspense_repair(2, who="bob", why="again", now_ms=6),
        lambda: store.suspense_apply([2], legs(leg_row(2)), who="bob", now_ms=6),
    ):
        with pytest.raises(StateError, match="dismissed"):
            change()
    assert store.completeness().complete


def test_a_conflict_can_be_applied_beside_the_record_that_holds_its_key(store: Store) -> None:
    """It gets a capture key below zero, which nobody acknowledges."""
    store.commit(Batch(now_ms=2, legs=legs(leg_row(3))))
    store.commit(Batch(now_ms=3, legs=legs(leg_row(8, seq=3, crc=99))))
    waiting = store.suspense_list(SuspenseFilter(reason="capture_conflict")).to_pylist()[0]
    number = waiting["suspense_id"]
    assert store.suspense_apply([number], legs(leg_row(8, seq=3, crc=99)), who="a", now_ms=4) == 1
    assert store.marks(STREAM)[0].stored_through == 3
    assert store.completeness().days.column("stored").to_pylist() == [2]


def test_filters_and_unknown_rows(store: Store) -> None:
    """By state, link and site; a row that is not there is said so."""
    assert store.suspense_list(SuspenseFilter(state="applied")).num_rows == 0
    assert store.suspense_list(SuspenseFilter(site_uid="berlin", link_uid="hq-1")).num_rows == 2
    with pytest.raises(NotFoundError, match="no suspense row 77"):
        store.suspense_show(77)


def test_a_duplicate_can_be_a_call_of_its_own(store: Store) -> None:
    """A person says: two calls. The new leg joins nothing and keeps its own capture key."""
    a = leg_row(4, key=5)
    store.commit(Batch(now_ms=2, legs=legs(a, leg_row(4, key=5, seq=6)), proposals=proposals((a,))))
    capture = (STREAM, INCARNATION, 6)
    made = store.two_calls(capture, who="ada", why="two people called", now_ms=3)
    assert made[:3] == leg_id(4)[:3]
    assert made != leg_id(4)
    leg = store.legs_without_call(3).legs.to_pylist()[0]
    assert (leg["seq"], leg["join_keys"], leg["flags"]) == (6, [], int(Flag.TWO_CALLS))
    assert store.duplicates(state="counted").num_rows == 0
    assert store.duplicates().column("made_cdr_id").to_pylist() == [made]
    assert store.rejoin_work() is None
    assert store.completeness().days.column("balanced").to_pylist() == [True]
    with pytest.raises(StateError, match="already"):
        store.two_calls(capture, who="ada", why="again", now_ms=4)
    with pytest.raises(NotFoundError, match="no duplicate"):
        store.two_calls((1, 2, 3), who="ada", why="none", now_ms=4)
