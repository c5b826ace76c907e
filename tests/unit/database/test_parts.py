"""Small parts of the database: ranges, ids as words, number keys, columns as rows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from bluewhale.database import exports, keys, streams
from bluewhale.database.columns import rows_table, table_rows
from bluewhale.database.exceptions import StoreCorruptError, StoreFullError
from bluewhale.database.index_file import IndexFile, index_pieces
from bluewhale.database.lookup import _FEW_IDS, _found
from bluewhale.database.segments import SegmentFolder
from bluewhale.records.schemas import CALL_SCHEMA, CHARGE_SCHEMA, LEG_SCHEMA
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.database.build import call_row, charge_row, leg_id, leg_row, legs

RANGES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)), max_size=8)


def numbers(ranges: list[tuple[int, int]]) -> set[int]:
    """Give every number of closed ranges."""
    return {n for a, b in ranges for n in range(a, b + 1)}


@settings(max_examples=100, deadline=None)
@given(RANGES, RANGES)
def test_ranges_merge_and_subtract_like_sets(one: list, other: list) -> None:
    """Merged ranges hold the same numbers, apart from each other; holes are taken out."""
    first = [(a, a + n) for a, n in one]
    second = streams.merge_ranges((a, a + n) for a, n in other)
    merged = streams.merge_ranges(first)
    assert numbers(merged) == numbers(first)
    assert all(b[0] > a[1] + 1 for a, b in pairwise(merged))
    assert numbers(streams.without(merged, second)) == numbers(merged) - numbers(second)
    assert streams.ranges_of(np.array(sorted(numbers(first)), np.int64)) == merged


def test_stored_through_counts_stored_and_lost_from_one() -> None:
    """1..3 stored, 4 lost, 6 stored: 4. A stream that begins at 2: 0."""
    state = streams.StreamState(1, 1)
    state.add_stored(np.array([2, 3, 6]))
    assert state.stored_through() == 0
    state.add_stored(np.array([1]))
    assert state.add_lost(3, 4, "journal_full") == 1
    assert state.stored_through() == 4
    assert state.holds(np.array([1, 4, 6, 7])).tolist() == [True, False, True, False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=30), st.data())
def test_ids_as_words_sort_and_are_found_like_bytes(ids: list[bytes], data: st.DataObject) -> None:
    """Also where the high words are equal."""
    ids = sorted({i[:8] * 2 for i in ids} | {i[:8] + b"\0" * 8 for i in ids} | set(ids))
    high, low = keys.words_of(data.draw(st.permutations(ids)))
    order = keys.sort_words(high, low)
    high, low = high[order], low[order]
    assert keys.words_bytes(high, low) == ids
    assert keys.words_array(high, low).to_pylist() == ids
    assert keys.find_words(high, low, high, low).tolist() == list(range(len(ids)))
    missing_high, missing_low = keys.words_of([bytes([i[0] ^ 255]) + i[1:] for i in ids])
    found = keys.find_words(high, low, missing_high, missing_low).tolist()
    flipped = [bytes([i[0] ^ 255]) + i[1:] for i in ids]
    assert found == [ids.index(f) if f in ids else -1 for f in flipped]


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_a_place_in_a_mapped_array_is_that_of_any_search(tmp_path: Path, kind: type) -> None:
    """Of values that are there, once and thousands of times, between two, before all, behind all."""
    most = np.iinfo(kind).max
    parts = (np.arange(7, 30_007, 3, kind), np.full(3_000, 9_007, kind), np.array([most], kind))
    values = np.sort(np.concatenate(parts))
    path = tmp_path / "one.index"
    path.write_bytes(b"".join(bytes(p) for p in index_pieces({"v": values}, {})))
    with IndexFile(path) as index:
        for value in (0, 7, 8, 9_006, 9_007, 9_008, 30_003, 30_004, 30_005, most - 1, most):
            spans = {index.span("v", value) for _ in range(2)}
            exactly = kind(value)
            first = int(values.searchsorted(exactly, "left"))
            assert spans == {(first, int(values.searchsorted(exactly, "right")))}
            assert index.place("v", value) == first


def test_few_ids_are_found_as_many_are(tmp_path: Path) -> None:
    """Ids of equal high words, those that are there and their neighbours that are not."""
    rng = np.random.default_rng(7)
    high = np.sort(np.repeat(rng.integers(0, 1 << 62, 3_000, np.uint64), 3))
    low = np.tile(np.array([1, 5, 9], np.uint64), 3_000)
    path = tmp_path / "one.index"
    arrays = {"call_high": high, "call_low": low}
    path.write_bytes(b"".join(bytes(p) for p in index_pieces(arrays, {})))
    wanted = [(int(high[n]), value) for n in (0, 1_500, 4_499, 8_999) for value in (1, 4, 5, 9, 10)]
    words = [np.array(one, np.uint64) for one in zip(*wanted, strict=True)]
    with IndexFile(path) as index:
        many = _found(index, "call", *words)
        few = [int(_found(index, "call", *(w[n : n + 1] for w in words))[0]) for n in range(20)]
    assert len(many) > _FEW_IDS
    assert few == many.tolist()
    assert sum(at >= 0 for at in few) == 12


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("0123456789+ -()./a#", max_size=24)), max_size=20))
def test_number_keys_of_a_column_are_those_of_each_text(texts: list[str | None]) -> None:
    """The kernel and its scalar twin agree, also in a slice of a column."""
    column = pa.array([None, "1", *texts], pa.string())
    expected = [keys.NO_NUMBER if t is None else keys.digits_of(t) for t in texts]
    assert keys.number_keys(column.slice(2)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [("+49 30 23125-042", 493023125042), ("0049 30 23125 042", 493023125042), ("0", -1), ("", -1),
     ("*21#", -1), ("1234567890123456789", -1), ("(030) 12.34/5", 3012345)],
)  # fmt: skip
def test_search_keys_of_numbers(text: str, key: int) -> None:
    """Signs and leading zeros are passed over; more than 18 digits are no number."""
    assert keys.digits_of(text) == key


def test_rows_of_the_database_give_the_same_table_back() -> None:
    """Every column type of legs, calls and charges, with nulls beside values."""
    leg = leg_row(1, key=5, raw_context_id=3, mos=4.1, join_keys=[5, -(2**62)])
    call = call_row(leg, joins=[{"leg": 0, "other": 1, "reason": "linkedid", "confidence": 1.0}])
    segment = {"window": -1, "slot": 0, "from_ms": 0, "to_ms": 60_000, "blocks": 10,
               "price_numerator": 1, "price_denominator": 3}  # fmt: skip
    charge = charge_row(call, 100, segments=[segment], reverses=leg_id(3))
    for schema, row in ((LEG_SCHEMA, leg), (CALL_SCHEMA, call), (CHARGE_SCHEMA, charge)):
        empty = dict.fromkeys(schema.names)
        table = pa.Table.from_pylist([row, empty], schema=schema)
        assert rows_table(table_rows(table), schema).to_pylist() == table.to_pylist()
    assert rows_table([], LEG_SCHEMA).num_rows == 0


def test_an_index_file_gives_its_arrays_and_facts_back(tmp_path: Path) -> None:
    """And anything else is refused."""
    arrays = {"a": np.arange(5, dtype=np.int64), "none": np.empty(0, np.uint32)}
    path = tmp_path / "x.index"
    path.write_bytes(b"".join(bytes(p) for p in index_pieces(arrays, {"k": [1]})))
    with IndexFile(path) as index:
        assert index.array("a").tolist() == [0, 1, 2, 3, 4]
        assert index.array("none").tolist() == []
        assert index.facts == {"k": [1]}
    for wrong in (b"", b"something else entirely"):
        path.write_bytes(wrong)
        with pytest.raises(StoreCorruptError):
            IndexFile(path)


def test_results_are_exported_readable(tmp_path: Path) -> None:
    """CSV: ids as 26 characters, lists as JSON; Parquet: as it is; never half a file."""
    table = legs(leg_row(1, key=5))
    exports.write_csv(table, tmp_path / "legs.csv")
    row = pa_csv.read_csv(tmp_path / "legs.csv").to_pylist()[0]
    assert (row["cdr_id"], row["join_keys"], row["raw"]) == (
        "abhcaaaaaaaaaaaaaaaaaaaaae",
        "[5]",
        "line 1",
    )
    exports.write_parquet(table, tmp_path / "legs.parquet")
    assert pq.read_table(tmp_path / "legs.parquet").to_pylist() == table.to_pylist()
    with pytest.raises(StoreFullError, match="cannot be written"):
        exports.write_csv(table, tmp_path / "none" / "legs.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["legs.csv", "legs.parquet"]


def test_the_first_questions_of_a_new_store_may_come_at_once(tmp_path: Path) -> None:
    """Each thread gets the whole file without rows, and nothing half written is left."""
    asked_at_once = 8
    for n in range(20):
        folder = SegmentFolder(tmp_path / str(n) / "segments")
        start = threading.Barrier(asked_at_once)

        def first(folder: SegmentFolder = folder, start: threading.Barrier = start) -> int:
            start.wait()
            return pq.read_table(folder.empty("call")).num_rows

        with ThreadPoolExecutor(asked_at_once) as pool:
            found = [pool.submit(first) for _ in range(asked_at_once)]
            assert [x.result() for x in found] == [0] * asked_at_once
        assert len(list(folder.folder.iterdir())) == 1
