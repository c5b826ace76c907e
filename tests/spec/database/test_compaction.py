"""Small segments become one and no answer changes; sealing gives way to calls that grow."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest
from bluewhale.database import Batch, CallFilter, Store, sealing

from tests.spec.database.build import leg_id, leg_row, legs, proposals
from tests.support.stores import StoreFactory

HOUR_MS = 3_600_000


def answers(store: Store) -> list:
    """Give what a person can see of six calls."""
    return [
        store.search_calls(CallFilter(), limit=100).to_pylist(),
        store.search_calls(CallFilter(number="0301234"), limit=100).to_pylist(),
        store.report("person").to_pylist(),
        store.completeness().days.to_pylist(),
        [store.get_call(leg_id(n)).charges.to_pylist() for n in range(1, 6)],
        [store.get_call(leg_id(n)).versions.to_pylist() for n in range(1, 6)],
        [store.get_call(leg_id(n)).legs.to_pylist() for n in range(1, 6)],
    ]


def sealed(store: Store, count: int) -> None:
    """Seal calls of one leg each, a segment for each."""
    for n in range(1, count + 1):
        row = leg_row(n, key=n, at=60 * n)
        store.commit(Batch(now_ms=n, legs=legs(row), proposals=proposals((row,))), seal=True)


def segment_files(folder: Path) -> set[str]:
    """Give the names of segments that have files."""
    return {p.name.split(".")[0] for p in (folder / "segments").glob("*.index")}


def open_segments() -> set[str]:
    """Give the names of segments of which this process has a file open or mapped."""
    handles = [str(p.readlink()) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()]
    lines = [*handles, *Path("/proc/self/maps").read_text("utf-8").splitlines()]
    return {found[1] for line in lines if (found := re.search(r"/segments/([^/]+?)\.", line))}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc of Linux")
def test_of_a_replaced_segment_nothing_stays_open(store_factory: StoreFactory) -> None:
    """It may hold what somebody had erased: its files leave memory with the next question."""
    with store_factory() as store:
        sealed(store, 5)
        answers(store)  # of Parquet
        store.files.lay_out(store.run_read(store.files.live), 5)
        answers(store)
        done = store.compact(now_ms=1_000)
        assert set(done.replaced) <= open_segments()
        answers(store)
        gc.collect()
        assert open_segments() & set(done.replaced) == set()


def test_answers_are_the_same_after_compaction(store_factory: StoreFactory, tmp_path: Path) -> None:
    """Five segments become one; their files go an hour later."""
    with store_factory() as store:
        sealed(store, 5)
        before = answers(store)
        done = store.compact(now_ms=1_000)
        assert (len(done.replaced), done.legs) == (5, 5)
        assert answers(store) == before
        with store.db.read() as tx:
            assert tx.rows("SELECT name FROM segment WHERE replaced_by IS NULL") == [
                (done.segment,)
            ]
        store.sweep(now_ms=1_000 + HOUR_MS - 1)
        assert segment_files(tmp_path) == {done.segment, *done.replaced}
        assert store.compact(now_ms=2_000).segment == ""
    with store_factory() as again:
        assert answers(again) == before
        again.files.sweep({done.segment})
        assert segment_files(tmp_path) == {done.segment}
        assert answers(again) == before


def test_a_compacted_call_still_grows_and_knows_its_legs(store_factory: StoreFactory) -> None:
    """The same lines again are replays; a new leg of call 1 makes version 2."""
    with store_factory() as store:
        sealed(store, 4)
        store.compact(now_ms=1_000)
        again = [leg_row(n, key=n, at=60 * n) for n in range(1, 5)]
        assert store.commit(Batch(now_ms=5, legs=legs(*again))).replayed == 4
        elsewhere = [row | {"stream_id": 99} for row in again]
        assert store.commit(Batch(now_ms=6, legs=legs(*elsewhere))).duplicate == 4
        late = leg_row(9, key=1, at=70, seq=5)
        store.commit(Batch(now_ms=7, legs=legs(late)))
        work = store.rejoin_work()
        assert work.legs.column("cdr_id").to_pylist() == [leg_id(1), leg_id(9)]
        grown = proposals((again[0], late))
        assert store.commit(Batch(now_ms=8, proposals=grown, cleared_marks=work.marks)).grown == 1
        assert store.search_calls(CallFilter(), limit=10).num_rows == 4
        assert store.completeness().complete


def test_two_versions_of_a_call_never_share_a_segment(store_factory: StoreFactory) -> None:
    """Call 1 was sealed, grew, and was sealed again: its second segment is left alone."""
    with store_factory() as store:
        sealed(store, 5)
        late = leg_row(9, key=1, at=70)
        store.commit(Batch(now_ms=7, legs=legs(late), proposals=proposals((leg_row(1), late))))
        store.seal(before_ms=2**50, now_ms=8)
        before = answers(store)
        assert [v["version"] for v in before[5][0]] == [1, 2]
        assert len(store.compact(now_ms=9).replaced) == 5
        assert answers(store) == before


def test_a_call_that_grows_while_its_files_are_written_stays_hot(
    store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is moved, no file is left; the next sealing takes both legs."""
    a, b = leg_row(1, key=5), leg_row(2, key=5, at=10)
    with store_factory() as store, store_factory() as other:
        store.commit(Batch(now_ms=1, legs=legs(a), proposals=proposals((a,))))
        choose = sealing.choose

        def meanwhile(tx, **more):
            chosen = choose(tx, **more)
            monkeypatch.undo()
            if store.db.dialect == "sqlite":
                tx.connection.rollback()
            other.commit(Batch(now_ms=2, legs=legs(b), proposals=proposals((a, b))))
            return chosen

        monkeypatch.setattr(sealing, "choose", meanwhile)
        assert store.seal(before_ms=2**50, now_ms=3) == sealing.NOTHING
        assert segment_files(tmp_path) == set()
        assert store.seal(before_ms=2**50, now_ms=4).legs == 2
        assert store.completeness().complete


def test_a_segment_whose_files_were_swept_before_its_commit_is_written_again(
    store_factory: StoreFactory,
) -> None:
    """The commit notices and asks for a repeat; nothing points at files that are gone."""
    batch = Batch(now_ms=1, legs=legs(leg_row(1)), proposals=proposals((leg_row(1),)))
    with store_factory() as store:
        prepared = store.prepare(batch)
        store.files.remove(prepared.entry["name"])
        with pytest.raises(Exception, match="repeat"):
            store.commit_prepared(prepared)
        assert store.commit(batch, seal=True).accepted == 1
        assert store.search_calls(CallFilter()).num_rows == 1
