"""Sums of sealed hours: counted once, kept beside the segment, and always those of the calls."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bluewhale.database import Batch, CallFilter, Store, hot_cells
from bluewhale.database.cells import Cells
from bluewhale.records.batches import Proposals

from tests.spec.database.build import START_MS, leg_row, legs, proposals
from tests.support.stores import StoreFactory


@pytest.fixture
def store(store_factory: StoreFactory):
    """Store eight calls 40 minutes apart from 10:00 UTC on: six sealed, two hot."""
    with store_factory() as opened:
        for part, seal in (((0, 1, 2), True), ((3, 4, 5), True), ((6, 7), False)):
            rows = [leg_row(n, at=2_400 * n) for n in part]
            made = proposals(*((row,) for row in rows))
            calls = [
                call | ({"site_uid": "nepal", "site_zone": "Asia/Kathmandu"} if n % 2 else {})
                for n, call in zip(part, made.calls.to_pylist(), strict=True)
            ]
            table = pa.Table.from_pylist(calls, schema=made.calls.schema)
            offered = Proposals(table, made.charges, made.members)
            opened.commit(Batch(now_ms=part[0], legs=legs(*rows), proposals=offered), seal=seal)
        yield opened


def at(hour: int, minute: int = 0) -> datetime:
    """Give a time of that day, UTC."""
    return datetime.fromtimestamp(START_MS / 1000, UTC).replace(hour=hour, minute=minute)


def counts(store: Store, by: str, wanted: CallFilter) -> dict[str | None, int]:
    """Give the calls of each group."""
    return {r["name"]: r["calls"] for r in store.report(by, wanted).to_pylist()}


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, {"berlin": 4, "nepal": 4}),
        (at(11), at(14), {"berlin": 2, "nepal": 2}),  # 11:20, 12:40; 12:00, 13:20
        (at(10, 30), at(12, 30), {"berlin": 1, "nepal": 2}),  # 11:20; 10:40, 12:00
        (at(12, 10), at(12, 50), {"berlin": 1}),  # inside one hour
        (at(11, 50), at(12, 10), {"nepal": 1}),  # over the end of an hour, without a whole one
        (at(14, 40), None, {"nepal": 1}),
    ],
)
def test_hours_that_are_cut_are_counted_to_the_minute(
    store: Store, since: datetime | None, until: datetime | None, found: dict
) -> None:
    """Whole hours come from what is kept, their ends from the calls; twice the same."""
    wanted = CallFilter(from_at=since, until_at=until)
    assert counts(store, "site", wanted) == found
    assert counts(store, "site", wanted) == found


def test_an_hour_is_that_of_the_site(store: Store) -> None:
    """Berlin is two hours ahead of UTC, Nepal five and three quarters: 10:40 is 16:25 there."""
    assert counts(store, "hour", CallFilter(site="berlin")) == {"12": 1, "13": 1, "14": 1, "16": 1}
    assert counts(store, "hour", CallFilter(site="nepal")) == {"16": 1, "17": 1, "19": 1, "20": 1}
    assert counts(store, "day", CallFilter()) == {"2024-10-04": 8}


def test_sums_are_kept_beside_a_segment_and_made_again_where_they_are_damaged(
    store: Store,
) -> None:
    """Nothing depends on these files."""
    found = store.report("direction").to_pylist()
    files = sorted(store.files.folder.glob("*.counted.parquet"))
    assert (len(files), len(list(store.files.folder.glob("*.paid.parquet")))) == (2, 2)
    files[0].write_bytes(b"not what was written")
    files[1].unlink()
    store.cells = Cells(store.files, store.columnar)
    assert store.report("direction").to_pylist() == found


def test_cells_of_an_earlier_release_stand_in_no_order(store: Store) -> None:
    """They are cut by the hour all the same."""
    noon = CallFilter(from_at=at(11), until_at=at(14))
    assert counts(store, "site", noon) == {"berlin": 2, "nepal": 2}
    for kind in ("counted", "paid"):
        for path in store.files.folder.glob(f"*.{kind}.parquet"):
            table = pq.read_table(path)
            pq.write_table(table.sort_by([("hour", "descending")]), path)
    store.cells = Cells(store.files, store.columnar)
    assert counts(store, "site", noon) == {"berlin": 2, "nepal": 2}


def test_sums_follow_a_call_that_grew(store: Store) -> None:
    """Its sealed version is counted no more."""
    assert counts(store, "direction", CallFilter()) == {"outbound": 8}
    a, b = leg_row(1, at=2_400), leg_row(9, at=2_405)
    store.commit(Batch(now_ms=20, legs=legs(b), proposals=proposals((a, b))))
    (row,) = [r for r in store.report("direction").to_pylist() if r["price_list"] == "carrier"]
    assert (row["calls"], row["talk_ms"]) == (8, 9 * 60_000)


def test_sums_of_hot_calls_follow_what_comes_grows_and_is_sealed(
    store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of two rows; behind the sealing other calls have the row numbers of those before."""
    monkeypatch.setattr(hot_cells, "_BLOCK_ROWS", 2)

    def stored(now_ms: int, *numbers: int) -> None:
        rows = [leg_row(n, at=2_400 * n) for n in numbers]
        made = proposals(*((row,) for row in rows))
        store.commit(Batch(now_ms=now_ms, legs=legs(*rows), proposals=made))

    def sums() -> tuple[int, int, int]:
        (row,) = [r for r in store.report("site").to_pylist() if r["price_list"] == "carrier"]
        return row["calls"], row["talk_ms"] // 60_000, row["amount_nanos"]

    with store_factory() as store:
        stored(1, 0, 1, 2)
        assert sums() == (3, 3, 300)
        stored(2, 3)
        assert sums() == (4, 4, 400)
        a, b = leg_row(1, at=2_400), leg_row(9, at=2_405)
        store.commit(Batch(now_ms=3, legs=legs(b), proposals=proposals((a, b))))
        assert sums() == (4, 5, 500)
        assert store.seal(before_ms=2**45, now_ms=4).calls == 4
        assert sums() == (4, 5, 500)
        stored(5, 10, 11, 12)
        assert sums() == (7, 8, 800)
        assert counts(store, "hour", CallFilter(from_at=at(16))) == {"18": 1, "19": 1, "20": 1}


def test_another_call_with_the_row_number_and_moment_of_a_sealed_one_is_added_up(
    store_factory: StoreFactory,
) -> None:
    """Nobody asked while the row was away: as many rows, numbers and moments as before."""
    with store_factory() as store:
        for n, nanos in ((1, 100), (2, 700)):
            row = leg_row(n, at=60)
            made = proposals((row,), nanos=nanos)
            store.commit(Batch(now_ms=n, legs=legs(row), proposals=made))
            if n == 1:
                assert counts(store, "site", CallFilter()) == {"berlin": 1}
                assert store.seal(before_ms=2**45, now_ms=n).calls == 1
        (row,) = [r for r in store.report("site").to_pylist() if r["price_list"] == "carrier"]
        assert (row["calls"], row["amount_nanos"]) == (2, 800)


@pytest.mark.parametrize("seal", [True, False])
@pytest.mark.parametrize("by", ["site", "person", "month"])
def test_a_sum_beyond_64_bits_is_exact(store_factory: StoreFactory, by: str, seal: bool) -> None:
    """Three calls of 4 * 10^9 each, in a currency where that is a month of an office."""
    with store_factory() as store:
        for n in range(3):
            row = leg_row(n, at=4_000 * n)
            made = proposals((row,), nanos=4 * 10**18)
            store.commit(Batch(now_ms=n, legs=legs(row), proposals=made), seal=seal)
        assert {r["price_list"]: r["amount_nanos"] for r in store.report(by).to_pylist()} == {
            "carrier": 12 * 10**18,
            "internal": 24 * 10**18,
        }


def test_the_newest_segments_are_counted_ahead_first(store: Store) -> None:
    """One at a time, until nothing is left."""
    segments = store.run_read(store.files.live)
    newest = max(segments, key=lambda s: s.started or (0, 0))
    assert store.cells.ahead(segments, 1) == 1
    assert [f.name.split(".")[0] for f in store.files.folder.glob("*.paid.parquet")] == [
        newest.name
    ]
    assert [store.cells.ahead(segments, 1), store.cells.ahead(segments, 1)] == [1, 0]
