"""Finding calls: every filter gives the same answer over hot and sealed rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from bluewhale.database import Batch, CallFilter, NotFoundError, Store, page_key
from bluewhale.database.columns import rows_table
from bluewhale.database.index_file import IndexFile, index_pieces
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import SegmentFolder
from bluewhale.records.batches import Proposals

from tests.spec.database.build import (
    START_MS,
    leg_id,
    leg_row,
    legs,
    proposals,
)
from tests.support.stores import StoreFactory

# number, facts of its call; started_at is 10:00 UTC plus a minute per number
CALLS = {
    1: {"person_uid": "ada", "department_uid": "sales"},
    2: {"person_uid": "bob", "department_uid": "sales", "site_uid": "sydney", "site_zone": "Australia/Sydney"},
    3: {"person_uid": "eve", "department_uid": "legal", "direction": "inbound", "calling": "+49 30 23125 042"},
    4: {"trunk_in": "T1", "disposition": "busy", "talk_ms": 0},
    5: {"trunk_out": "T1", "account_code": "4711", "extension": "305"},
    6: {"class": "mobile", "called_e164": 49_175_000_0001, "called": "0175 0000001",
        "first_destination": "0175 0000001", "final_destination": "0175 0000001"},
}  # fmt: skip


WHERE = ("hot", "sealed", "half", "moved")


@pytest.fixture(params=WHERE)
def store(request: pytest.FixtureRequest, store_factory: StoreFactory):
    """Store six calls: hot, in a segment, half of them each, or hot and sealed later."""
    where = request.param
    with store_factory() as opened:
        for part in ((1, 2, 3), (4, 5, 6)):
            rows = [leg_row(n, at=60 * n) for n in part]
            made = proposals(*((row,) for row in rows))
            calls = [call | CALLS[n] for n, call in zip(part, made.calls.to_pylist(), strict=True)]
            charges = [
                charge | {"amount_nanos": charge["amount_nanos"] * n}
                for n, pair in zip(part, _pairs(made.charges.to_pylist()), strict=True)
                for charge in pair
            ]
            offered = Proposals(
                pa.Table.from_pylist(calls, schema=made.calls.schema),
                pa.Table.from_pylist(charges, schema=made.charges.schema),
                made.members,
            )
            seal = where == "sealed" or (where == "half" and part[0] == 1)
            opened.commit(Batch(now_ms=part[0], legs=legs(*rows), proposals=offered), seal=seal)
        if where == "moved":
            done = opened.seal(before_ms=2**50, now_ms=9, limit=4)
            assert (done.legs, done.calls, done.charges) == (4, 4, 8)
        yield opened


def _pairs(rows: list) -> list:
    return [rows[i : i + 2] for i in range(0, len(rows), 2)]


def at(minute: int) -> datetime:
    """Give 10:00 UTC plus minutes."""
    return datetime.fromtimestamp(START_MS / 1000 + 60 * minute, UTC)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"from_at": at(3)}, [6, 5, 4, 3]),
        ({"until_at": at(3)}, [2, 1]),
        ({"from_at": at(2), "until_at": at(4)}, [3, 2]),
        ({"number": "030 1234"}, [5, 4, 3, 2, 1]),
        ({"number": "+49 30 1234"}, [5, 4, 3, 2, 1]),
        ({"number": "+493023125042"}, [3]),
        ({"number": "0175/0000001"}, [6]),
        ({"number": "00491750000001"}, [6]),
        ({"number": "999"}, []),
        ({"number": "nobody"}, []),
        ({"number": "0301234", "person": "bob"}, [2]),
        ({"number": "0301234", "from_at": at(4)}, [5, 4]),
        ({"person": "eve"}, [3]),
        ({"departments": ["sales", "none"]}, [6, 5, 4, 2, 1]),
        ({"departments": ["legal"]}, [3]),
        ({"departments": []}, []),
        ({"site": "sydney"}, [2]),
        ({"trunk": "T1"}, [5, 4]),
        ({"extension": "305"}, [5]),
        ({"direction": "inbound"}, [3]),
        ({"call_class": "mobile"}, [6]),
        ({"disposition": "busy"}, [4]),
        ({"account_code": "4711"}, [5]),
        ({"cost_min_nanos": 500, "price_list": "carrier"}, [6, 5]),
        ({"cost_max_nanos": 400, "price_list": "internal"}, [2, 1]),
        ({"cost_min_nanos": 900, "cost_max_nanos": 1200}, [4, 3]),  # 3 x 300, 4 x 300
        ({"text": "EVE"}, [3]),
        ({"text": "4711"}, [5]),
        ({"text": "100%"}, []),
        ({"unrated_only": True}, []),
    ],
)
def test_a_filter_finds_exactly_its_calls_newest_first(
    store: Store, asked: dict, found: list[int]
) -> None:
    """The expected calls are read off the table above; a walk finds them, and sums count them."""
    wanted, calls = CallFilter(**asked), [leg_id(n) for n in found]
    assert store.search_calls(wanted, limit=10).column("call_id").to_pylist() == calls
    walked = [t.column("call_id").to_pylist() for t in store.walk_calls(wanted, ["call_id"])]
    assert [call for part in walked for call in part] == calls
    for by in ("direction", "person"):  # of kept cells, and of rows
        rows = store.report(by, wanted).to_pylist()
        assert sum({r["name"]: r["calls"] for r in rows}.values()) == len(calls)


def test_a_segment_of_an_earlier_release_is_searched_by_person_too(store: Store) -> None:
    """Its postings know numbers alone."""
    for path in store.files.folder.glob("*.index"):
        index = IndexFile(path)
        arrays = {n: index.array(n) for n in ("number", "number_row", "call_started")}
        path.unlink()  # the file that is mapped stays as it is
        path.write_bytes(b"".join(index_pieces(arrays, index.facts)))
    store.files = SegmentFolder(store.files.folder)
    found = store.search_calls(CallFilter(person="eve"), limit=10)
    assert found.column("call_id").to_pylist() == [leg_id(3)]


def test_many_rows_at_once_are_the_rows_one_by_one(store_factory: StoreFactory) -> None:
    """Bytes, lists, what is not known, the largest integer and signs that JSON escapes."""
    names = [f'"{name}"' for name in STORED_CALL_SCHEMA.names]
    source = "FROM call_version ORDER BY call_id, version"
    sign = '"\\\x1f\u2028é'
    odd = pa.schema([("text", pa.string()), ("most", pa.int64()), ("none", pa.binary(16))])
    a, b, c = leg_row(1, key=5), leg_row(2, key=5, at=10), leg_row(3, at=20)
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(a, b, c), proposals=proposals((a, b), (c,))))
        with store.db.read() as tx:
            rows = tx.rows(f"SELECT {', '.join(names)} {source}")
            assert len(rows) == 2
            at_once = tx.table(names, source, (), STORED_CALL_SCHEMA)
            assert at_once.equals(rows_table(rows, STORED_CALL_SCHEMA))
            none = tx.table(names, "FROM call_version WHERE live = 7", (), STORED_CALL_SCHEMA)
            assert none.equals(STORED_CALL_SCHEMA.empty_table())
            found = tx.table(["CAST(? AS TEXT)", str(2**63 - 1), "NULL"], "", [sign], odd)
            assert found.to_pylist() == [{"text": sign, "most": 2**63 - 1, "none": None}]


def test_a_time_without_calls_has_empty_sums(store: Store) -> None:
    """Neither hot nor sealed calls are of the year 2001."""
    nothing = CallFilter(
        from_at=datetime(2001, 1, 1, tzinfo=UTC), until_at=datetime(2002, 1, 1, tzinfo=UTC)
    )
    assert [t.num_rows for t in store.reports(["direction", "person"], nothing)] == [0, 0]
    assert store.report("site", nothing).num_rows == 0


def test_calls_laid_out_by_rows_are_the_same_calls(store: Store) -> None:
    """Every list and every detail, before and after; files that are gone are not missed."""
    asked = (CallFilter(), CallFilter(number="0301234"), CallFilter(person="eve"))
    columns = ["totals", "call_id", "person_uid", "started_at", "trunk_in", "superseded_by"]

    def shown() -> list[object]:
        lists = [store.search_calls(f, limit=10, columns=columns) for f in asked]
        calls = [store.get_call(leg_id(n)) for n in CALLS]
        tables = [t for c in calls for t in (c.call, c.versions, c.legs, c.charges)]
        return [[t.schema, t.to_pylist()] for t in (*lists, *tables)]

    before = shown()
    segments = store.run_read(store.files.live)
    assert store.files.lay_out(segments, 10) == len(segments)
    assert store.files.lay_out(segments, 10) == 0
    assert shown() == before
    store.files = SegmentFolder(store.files.folder)
    parquet = [p for s in segments for p in store.files.folder.glob(f"{s.name}.*.parquet")]
    hidden = [path.rename(path.with_suffix(".hidden")) for path in parquet]
    assert shown() == before  # Parquet is not read where rows are laid out
    for path in hidden:
        path.rename(path.with_suffix(".parquet"))
    for path in store.files.folder.glob("*.rows"):
        path.unlink()
    store.files = SegmentFolder(store.files.folder)
    assert shown() == before


def test_words_of_a_call_are_its_own(store: Store) -> None:
    """A file by rows has the words of all its calls; an answer is sent with those it shows."""
    store.files.lay_out(store.run_read(store.files.live), 10)
    for n in CALLS:
        call = store.get_call(leg_id(n))
        for table in (call.legs, call.charges):
            for column in table.combine_chunks().columns:
                if pa.types.is_dictionary(column.type):
                    words = column.chunk(0).dictionary.to_pylist()
                    assert set(words) == set(column.to_pylist()) - {None}


def test_many_who_open_the_same_pages_at_once_get_the_same_calls(store: Store) -> None:
    """Whoever is first reads the words of the file for all."""
    segments = store.run_read(store.files.live)
    store.files.lay_out(segments, 10)
    columns = ["call_id", "direction", "site_uid", "class"]
    wanted = store.search_calls(CallFilter(), limit=10, columns=columns)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(40):
            store.files = SegmentFolder(store.files.folder)
            ask = [
                pool.submit(store.search_calls, CallFilter(), limit=10, columns=columns)
                for _ in range(8)
            ]
            assert all(asked.result().equals(wanted) for asked in ask)


def test_pages_follow_each_other_without_overlap(store: Store) -> None:
    """Two by two, with and without postings."""
    for asked in (CallFilter(), CallFilter(number="0301234")):
        pages, after = [], None
        while True:
            page = store.search_calls(asked, limit=2, after=after)
            if page.num_rows == 0:
                break
            pages += page.column("call_id").to_pylist()
            after = page_key(page)
        wanted = store.search_calls(asked, limit=10).column("call_id").to_pylist()
        assert pages == wanted


def test_a_call_carries_its_totals_per_price_list(store: Store) -> None:
    """Call 3: 3 x 100 and 3 x 200 nanos."""
    call = store.search_calls(CallFilter(person="eve")).to_pylist()[0]
    assert [(t["price_list"], t["currency"], t["amount_nanos"]) for t in call["totals"]] == [
        ("carrier", "EUR", 300),
        ("internal", "EUR", 600),
    ]


def test_a_grown_call_replaces_its_sealed_version(store: Store) -> None:
    """Call 1 grows by leg 7: found once, with two legs."""
    a, b = leg_row(1, at=60), leg_row(7, at=65)
    store.commit(Batch(now_ms=20, legs=legs(b), proposals=proposals((a, b))))
    calls = store.search_calls(CallFilter(number="0301234"), limit=10)
    assert calls.column("leg_count").to_pylist().count(2) == 1
    assert calls.num_rows == 5
    assert store.search_calls(CallFilter(), limit=10).num_rows == 6
    total = sum(
        r["calls"] for r in store.report("site").to_pylist() if r["price_list"] == "carrier"
    )
    assert total == 6
    assert store.charges(from_ms=0, until_ms=2**45).num_rows == 12


def test_reports_add_up(store: Store) -> None:
    """Carrier: 1..6 x 100 nanos = 2100; internal twice that; by hour of the site's clock."""
    rows = store.report("department").to_pylist()
    found = {(r["name"], r["price_list"]): (r["calls"], r["amount_nanos"]) for r in rows}
    assert found == {
        ("sales", "carrier"): (5, 1800),  # 1 + 2 + 4 + 5 + 6
        ("sales", "internal"): (5, 3600),
        ("legal", "carrier"): (1, 300),
        ("legal", "internal"): (1, 600),
    }
    hours = store.report("hour", CallFilter(price_list="carrier")).to_pylist()
    assert {(r["name"], r["calls"]) for r in hours} == {("12", 5), ("20", 1)}  # Berlin, Sydney
    people = store.report("person", CallFilter(number="0301234"), limit=1).to_pylist()
    assert (people[0]["name"], people[0]["price_list"]) == ("ada", "internal")
    trunks = store.report("trunk", CallFilter(trunk="T1")).to_pylist()
    assert {(r["name"], r["calls"], r["answered"]) for r in trunks} == {("T1", 2, 1)}


def test_a_call_that_was_never_stored_is_not_found(store: Store) -> None:
    """A clear message, no empty answer."""
    with pytest.raises(NotFoundError, match="there is no call"):
        store.get_call(leg_id(99))


def test_detail_of_a_sealed_call_is_that_of_a_hot_one(store: Store) -> None:
    """Legs with raw bytes, ledger, one version."""
    detail = store.get_call(leg_id(2))
    assert detail.legs.column("raw").to_pylist() == [b"line 2"]
    assert detail.charges.column("amount_nanos").to_pylist() == [200, 400]
    assert detail.call.column("site_uid").to_pylist() == ["sydney"]
    assert (detail.versions.num_rows, detail.contexts) == (1, {})
