"""Sealing moves rows and changes no answer; a row is in one place."""

from __future__ import annotations

from pathlib import Path

import pytest
from bluewhale.database import Batch, CallFilter, Store, StoreCorruptError

from tests.spec.database.build import DAY, leg_id, leg_row, legs, proposals
from tests.support.stores import StoreFactory


def answers(store: Store) -> list:
    """Give what a person can see."""
    return [
        store.search_calls(CallFilter(), limit=100).to_pylist(),
        store.search_calls(CallFilter(number="0301234"), limit=100).to_pylist(),
        store.report("person").to_pylist(),
        store.completeness().days.to_pylist(),
        [store.get_call(leg_id(n)).charges.to_pylist() for n in (1, 3)],
        [store.get_call(leg_id(n)).legs.to_pylist() for n in (1, 3)],
    ]


def test_answers_are_the_same_before_and_after_sealing(store_factory: StoreFactory) -> None:
    """A call of two legs with a past version, and a plain one."""
    a, b, c = leg_row(1, key=5), leg_row(2, key=5, at=10), leg_row(3, at=20)
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(a, b, c), proposals=proposals((a,), (c,))))
        store.commit(Batch(now_ms=2, proposals=proposals((a, b))))
        before = answers(store)
        done = store.seal(before_ms=2**50, now_ms=3)
        assert (done.legs, done.calls, done.charges) == (3, 2, 4)
        assert answers(store) == before
        with store.db.read() as tx:
            for table in ("leg", "leg_seen", "leg_key", "leg_owner"):
                assert tx.one(f"SELECT COUNT(*) FROM {table}") == (0,)
            assert tx.one("SELECT COUNT(*) FROM charge") == (4,)  # 2 old, 2 reversals: history
            assert tx.rows("SELECT day, generation FROM seal_generation") == [(DAY, 1)]
        assert store.seal(before_ms=2**50, now_ms=4).calls == 0
    with store_factory() as again:
        assert answers(again) == before


def test_a_segment_that_was_removed_is_not_in_memory_any_more(store_factory: StoreFactory) -> None:
    """It may hold what somebody had erased."""
    row = leg_row(1)
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(row), proposals=proposals((row,))), seal=True)
        assert store.get_call(leg_id(1)).legs.num_rows == 1
        (segment,) = store.run_read(store.files.live)
        store.files.remove(segment.name)
        with pytest.raises(StoreCorruptError):
            store.files.take(segment, "leg", [0])


def test_sealed_legs_come_with_the_words_of_their_own_rows(store_factory: StoreFactory) -> None:
    """Whoever hands them on would send the words of a whole file; one call shows the same values."""
    some = [leg_row(n, site_uid=f"site-{n}") for n in range(1, 41)]
    with store_factory() as store:
        store.commit(
            Batch(now_ms=1, legs=legs(*some), proposals=proposals(*((r,) for r in some))), seal=True
        )
        taken = store.legs([leg_id(7), leg_id(3)]).column("site_uid").combine_chunks()
        assert sorted(taken.dictionary.to_pylist()) == ["site-3", "site-7"]
        assert store.get_call(leg_id(7)).legs.column("site_uid").to_pylist() == ["site-7"]
        assert store.get_call(leg_id(7)).call.column("version").to_pylist() == [1]


def test_only_calls_whose_every_leg_is_old_enough_are_sealed(store_factory: StoreFactory) -> None:
    """Leg 2 of call 1 came later than the limit."""
    a, b, c = leg_row(1, key=5), leg_row(2, key=5, at=500), leg_row(3, at=20)
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(a, b, c), proposals=proposals((a, b), (c,))))
        done = store.seal(before_ms=b["ingested_at"], now_ms=2)
        assert (done.legs, done.calls) == (1, 1)
        assert store.search_calls(CallFilter()).num_rows == 2


def test_a_sealed_call_still_grows_and_is_sealed_again(store_factory: StoreFactory) -> None:
    """Version 1 sealed, version 2 hot, sealed with the new leg alone: legs stay in one place."""
    a, b = leg_row(1, key=5), leg_row(2, key=5, at=10)
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(a), proposals=proposals((a,))))
        store.seal(before_ms=2**50, now_ms=2)
        store.commit(Batch(now_ms=3, legs=legs(b)))
        work = store.rejoin_work()
        assert work.legs.column("cdr_id").to_pylist() == [leg_id(1), leg_id(2)]
        store.commit(Batch(now_ms=4, proposals=proposals((a, b)), cleared_marks=work.marks))
        done = store.seal(before_ms=2**50, now_ms=5)
        assert (done.legs, done.calls) == (1, 1)
        call = store.search_calls(CallFilter()).to_pylist()
        assert [(c["version"], c["leg_count"]) for c in call] == [(2, 2)]
        assert store.rejoin_work() is None
        assert store.completeness().complete
        store.commit(Batch(now_ms=6, proposals=proposals((a,))))
        assert store.search_calls(CallFilter()).num_rows == 1


def test_files_that_no_manifest_names_are_swept_at_opening(tmp_path: Path) -> None:
    """What a crash between writing and committing leaves behind."""
    a = leg_row(1)
    with Store.open(tmp_path) as store:
        store.commit(Batch(now_ms=1, legs=legs(a), proposals=proposals((a,))), seal=True)
    stray = tmp_path / "segments" / "0000000000009-deadbeef.leg.parquet"
    half = tmp_path / "segments" / "0000000000009-deadbeef.index.tmp"
    stray.write_bytes(b"x")
    half.write_bytes(b"x")
    with Store.open(tmp_path) as store:
        assert not stray.exists()
        assert not half.exists()
        assert store.search_calls(CallFilter()).num_rows == 1


def test_a_damaged_segment_is_a_clear_error(store_factory: StoreFactory, tmp_path: Path) -> None:
    """The message names the file."""
    a = leg_row(1)
    with store_factory() as store:
        result = store.commit(Batch(now_ms=1, legs=legs(a), proposals=proposals((a,))), seal=True)
    path = tmp_path / "segments" / f"{result.segment}.leg.parquet"
    path.write_bytes(path.read_bytes()[:50])
    with store_factory() as store, pytest.raises(StoreCorruptError, match=result.segment):
        store.get_call(leg_id(1))


def test_import_of_the_same_rows_under_another_stream_is_all_duplicates(
    store_factory: StoreFactory,
) -> None:
    """The day's segments answer by their sorted ids; nothing is charged twice."""
    rows = [leg_row(n) for n in range(1, 50)]
    with store_factory() as store:
        store.commit(
            Batch(now_ms=1, legs=legs(*rows), proposals=proposals(*((r,) for r in rows))), seal=True
        )
        again = [r | {"stream_id": 99} for r in rows]
        result = store.commit(
            Batch(now_ms=2, legs=legs(*again), proposals=proposals(*((r,) for r in again))),
            seal=True,
        )
        assert (result.accepted, result.duplicate, result.created, result.ignored) == (0, 49, 0, 49)
        assert store.search_calls(CallFilter(), limit=100).num_rows == 49
        assert store.completeness().complete
