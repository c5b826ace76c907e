"""Bulk batches: files first, without a lock; the transaction makes them live or they go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bluewhale.database import Batch, CallFilter, Store, keys
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.database.build import leg_row, legs, proposals
from tests.support.stores import StoreFactory


def bulk(*numbers: int, stream: int = 7, now_ms: int = 1) -> Batch:
    """Give a batch of one call per leg."""
    rows = [leg_row(n, stream=stream) for n in numbers]
    return Batch(now_ms=now_ms, legs=legs(*rows), proposals=proposals(*((r,) for r in rows)))


def files(folder: Path) -> set[str]:
    """Give the segments that have files."""
    return {p.name.split(".")[0] for p in (folder / "segments").iterdir() if p.name[0] != "e"}


def test_a_prepared_batch_is_stored_by_its_commit_alone(
    store_factory: StoreFactory, tmp_path: Path
) -> None:
    """Preparing shows nothing to anybody; the commit makes the prepared files live."""
    with store_factory() as store:
        prepared = store.prepare(bulk(1, 2, 3))
        assert len(files(tmp_path)) == 1
        assert store.search_calls(CallFilter()).num_rows == 0
        result = store.commit_prepared(prepared)
        assert (result.accepted, result.created, result.sealed_legs) == (3, 3, 3)
        assert files(tmp_path) == {result.segment}
        assert store.search_calls(CallFilter()).num_rows == 3
        assert store.completeness().complete


def test_a_prepared_batch_does_not_hold_the_write_lock(store_factory: StoreFactory) -> None:
    """Another writer commits between preparing and committing."""
    with store_factory() as store, store_factory() as other:
        prepared = store.prepare(bulk(1))
        assert other.commit(bulk(2)).accepted == 1
        assert store.commit_prepared(prepared).accepted == 1
        assert store.search_calls(CallFilter()).num_rows == 2


def test_legs_stored_since_preparing_are_replays_or_duplicates(
    store_factory: StoreFactory, tmp_path: Path
) -> None:
    """Two of three legs came first, one of them by another stream: one new leg is left."""
    with store_factory() as store:
        prepared = store.prepare(bulk(1, 2, 3))
        store.commit(bulk(1))
        store.commit(bulk(2, stream=8), seal=True)
        result = store.commit_prepared(prepared)
        assert (result.replayed, result.duplicate, result.accepted, result.created) == (1, 1, 1, 1)
        assert store.search_calls(CallFilter()).num_rows == 3
        with store.db.read() as tx:
            assert files(tmp_path) == {r[0] for r in tx.rows("SELECT name FROM segment")}


def test_of_two_equal_prepared_batches_one_is_stored(
    store_factory: StoreFactory, tmp_path: Path
) -> None:
    """Both saw an empty store; the second finds every record stored."""
    with store_factory() as store:
        first, second = store.prepare(bulk(1, 2)), store.prepare(bulk(1, 2))
        assert store.commit_prepared(first).accepted == 2
        again = store.commit_prepared(second)
        assert (again.accepted, again.replayed, again.ignored) == (0, 2, 2)
        assert len(files(tmp_path)) == 1


def test_the_sweep_of_another_process_spares_files_being_prepared(tmp_path: Path) -> None:
    """Opening sweeps only while nobody writes; given up files are gone at once."""
    with Store.open(tmp_path) as store:
        prepared, given_up = store.prepare(bulk(1)), store.prepare(bulk(2))
        stray = tmp_path / "segments" / "0000000000009-deadbeef.leg.parquet"
        stray.write_bytes(b"x")
        Store.open(tmp_path).close()
        assert stray.exists()
        assert len(files(tmp_path)) == 3
        store.discard(given_up)
        assert store.commit_prepared(prepared).accepted == 1
        Store.open(tmp_path).close()
        assert len(files(tmp_path)) == 1


ID = st.tuples(st.integers(0, 5), st.integers(0, 5))


@settings(max_examples=200, deadline=None)
@given(st.sets(ID), st.sets(ID))
def test_common_ids_are_those_that_binary_search_finds(have: set, want: set) -> None:
    """The one-pass kernel and its twin agree, with equal high words and empty sides."""
    sides = []
    for ids in (have, want):
        pairs = np.array(sorted(ids), np.uint64).reshape(-1, 2)
        sides += [np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])]
    found = np.zeros(len(want), np.bool_)
    keys.mark_common(*sides, found)
    assert found.tolist() == [i in have for i in sorted(want)]
