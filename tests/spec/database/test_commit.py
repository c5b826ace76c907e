"""What one transaction does with records: gate, identity, losses, marks, totals."""

from __future__ import annotations

import pytest
from bluewhale.database import Batch, CallFilter, Heard, Store
from bluewhale.records.batches import StreamLoss

from tests.spec.database.build import (
    DAY,
    INCARNATION,
    STREAM,
    leg_id,
    leg_row,
    legs,
    proposals,
    rejects,
)
from tests.support.stores import StoreFactory


@pytest.fixture(params=[False, True], ids=["hot", "sealed"])
def seal(request: pytest.FixtureRequest) -> bool:
    """Say whether batches are sealed at once."""
    return request.param


@pytest.fixture
def store(store_factory: StoreFactory):
    """Open a new store with one declared link."""
    with store_factory() as opened:
        opened.declare_links([("hq-1", STREAM, "hq", "berlin", "avaya_cm")])
        yield opened


def everything(store: Store) -> list:
    """Give all that a repeat must not change."""
    return [
        store.search_calls(CallFilter(), limit=100).to_pylist(),
        store.suspense_list().to_pylist(),
        store.duplicates().to_pylist(),
        store.completeness().days.to_pylist(),
        store.marks(),
        store.charges(from_ms=0, until_ms=2**45).num_rows,
    ]


def test_the_same_batch_twice_changes_nothing(store: Store, seal: bool) -> None:
    """Replayed records and proposals are ignored, whatever they were."""
    a, b, c = leg_row(1), leg_row(2), leg_row(3)
    twin = leg_row(1, stream=8, seq=1)
    batch = Batch(
        now_ms=1,
        legs=legs(a, b, c, twin),
        rejects=rejects(leg_row(4)),
        losses=[StreamLoss(STREAM, INCARNATION, 5, 6, "journal_full")],
        proposals=proposals((a,), (b,), (c,)),
        contexts={77: b"date 04.10."},
        heard=[Heard(STREAM, INCARNATION, DAY, 6, 4)],
    )
    first = store.commit(batch, seal=seal)
    assert (first.accepted, first.duplicate, first.suspended, first.lost) == (3, 1, 1, 2)
    assert (first.created, first.charges) == (3, 6)
    before = everything(store)
    second = store.commit(batch, seal=seal)
    assert second.replayed == 5  # 4 legs and a reject
    assert (second.accepted, second.duplicate, second.suspended, second.lost) == (0, 0, 0, 0)
    assert (second.created, second.ignored) == (0, 3)
    assert everything(store) == before


def test_one_capture_key_with_other_bytes_waits_in_suspense(store: Store, seal: bool) -> None:
    """A cloned unit reuses a sequence number: nothing is overwritten, nothing dropped."""
    a = leg_row(1)
    store.commit(Batch(now_ms=1, legs=legs(a), proposals=proposals((a,))), seal=seal)
    clone = leg_row(9, seq=1, crc=4711, raw=b"another line")
    assert store.commit(Batch(now_ms=2, legs=legs(clone)), seal=seal).conflicts == 1
    row = store.suspense_list().to_pylist()[0]
    assert (row["reason"], row["seq"], row["raw"]) == ("capture_conflict", 1, b"another line")
    assert store.commit(Batch(now_ms=3, legs=legs(clone)), seal=seal).conflicts == 1
    assert store.suspense_list().num_rows == 1


def test_two_records_of_one_batch_under_one_capture_key_conflict(store: Store, seal: bool) -> None:
    """The first one wins; an equal copy is a replay, another one is a conflict."""
    a = leg_row(1)
    result = store.commit(Batch(now_ms=1, legs=legs(a, a, leg_row(2, seq=1, crc=4711))), seal=seal)
    assert (result.accepted, result.replayed, result.conflicts) == (1, 1, 1)


def test_a_leg_sent_twice_in_one_batch_is_one_leg_and_one_duplicate(
    store: Store, seal: bool
) -> None:
    """Same id, other capture key: kept beside its twin, never charged."""
    result = store.commit(Batch(now_ms=1, legs=legs(leg_row(1), leg_row(1, seq=2))), seal=seal)
    assert (result.accepted, result.duplicate) == (1, 1)
    assert store.duplicates().column("cdr_id").to_pylist() == [leg_id(1)]


def test_stored_beats_lost_in_any_order(store: Store) -> None:
    """A record named lost that comes after all is stored; a stored one is never lost."""
    store.commit(Batch(now_ms=1, losses=[StreamLoss(STREAM, INCARNATION, 1, 3, "journal_full")]))
    store.commit(Batch(now_ms=1, legs=legs(leg_row(2))))
    result = store.commit(
        Batch(now_ms=1, losses=[StreamLoss(STREAM, INCARNATION, 2, 2, "journal_full")])
    )
    assert result.lost == 0
    gaps = store.completeness().gaps.select(["first_seq", "last_seq", "state"]).to_pylist()
    assert gaps == [
        {"first_seq": 1, "last_seq": 1, "state": "lost"},
        {"first_seq": 3, "last_seq": 3, "state": "lost"},
    ]


def test_what_is_stored_is_counted_from_the_rows_themselves(store: Store) -> None:
    """A leg that somebody takes out of the database is missed, whatever was counted before."""

    def stored() -> list[tuple[int, bool]]:
        days = store.completeness().days.to_pylist()
        return [(day["stored"], day["balanced"]) for day in days]

    store.commit(Batch(now_ms=1, legs=legs(leg_row(1), leg_row(2))))
    assert stored() == [(2, True)]
    store.commit(Batch(now_ms=2, legs=legs(leg_row(3))))
    assert stored() == [(3, True)]
    store.run_write(lambda tx: tx.run("DELETE FROM leg WHERE cdr_id = ?", (leg_id(1),)))
    assert stored() == [(2, False)]
    store.commit(Batch(now_ms=3, legs=legs(leg_row(4))))
    assert stored() == [(3, False)]


def test_the_mark_carries_the_checksum_of_its_record(store: Store, seal: bool) -> None:
    """It stands still at a hole, moves on when the hole is filled, and is None at a loss."""
    store.commit(Batch(now_ms=1, legs=legs(leg_row(1), leg_row(3))), seal=seal)
    mark = store.marks(STREAM)[0]
    assert (mark.stored_through, mark.record_crc) == (1, 1001)
    store.commit(Batch(now_ms=1, legs=legs(leg_row(2))), seal=seal)
    mark = store.marks(STREAM)[0]
    assert (mark.stored_through, mark.record_crc) == (3, 1003)
    store.commit(Batch(now_ms=1, losses=[StreamLoss(STREAM, INCARNATION, 4, 4, "journal_full")]))
    mark = store.marks(STREAM)[0]
    assert (mark.stored_through, mark.record_crc) == (4, None)


def test_a_hole_that_nobody_named_is_shown_as_missing(store: Store, seal: bool) -> None:
    """Sequence numbers 2..4 never came: stream, incarnation and range are named."""
    store.commit(Batch(now_ms=1, legs=legs(leg_row(1), leg_row(5))), seal=seal)
    gap = store.completeness().gaps.to_pylist()[0]
    assert (gap["link_uid"], gap["stream_id"], gap["incarnation"]) == ("hq-1", STREAM, INCARNATION)
    assert (gap["first_seq"], gap["last_seq"], gap["records"], gap["state"]) == (2, 4, 3, "missing")


def test_control_totals_balance_and_show_what_does_not(store: Store, seal: bool) -> None:
    """4 heard = 2 parsed + 1 suspended + 1 duplicate; the fifth heard one is the difference."""
    a, b = leg_row(1), leg_row(2)
    batch = Batch(
        now_ms=1,
        legs=legs(a, b, leg_row(1, seq=3)),
        rejects=rejects(leg_row(4)),
        proposals=proposals((a,)),
        heard=[Heard(STREAM, INCARNATION, DAY, 4, 4)],
    )
    store.commit(batch, seal=seal)
    done = store.completeness(site="berlin")
    day = done.days.to_pylist()[0]
    wanted = {
        "heard": 4, "journaled": 4, "received": 4, "parsed": 2, "suspended": 1, "duplicate": 1,
        "merged": 1, "rated": 1, "unrated": 0, "stored": 2, "open": 1, "balanced": True,
    }  # fmt: skip
    assert {name: day[name] for name in wanted} == wanted
    assert done.complete
    store.commit(Batch(now_ms=2, heard=[Heard(STREAM, INCARNATION, DAY, 5, 4)]))
    day = store.completeness().days.to_pylist()[0]
    assert (day["balanced"], day["difference"]) == (False, "heard = journaled: 5 against 4")


def test_a_charge_without_a_price_counts_its_legs_as_unrated(store: Store, seal: bool) -> None:
    """And a re-rating that finds a price moves them over."""
    a = leg_row(1)
    offered = proposals((a,))
    rows = offered.charges.to_pylist()
    rows[0] |= {"status": "unrated", "reason": "no_rate", "amount_nanos": 0}
    charges = type(offered.charges).from_pylist(rows, schema=offered.charges.schema)
    unrated = type(offered)(offered.calls, charges, offered.members)
    store.commit(Batch(now_ms=1, legs=legs(a), proposals=unrated), seal=seal)
    assert store.search_calls(CallFilter(unrated_only=True)).num_rows == 1
    assert store.completeness().days.column("unrated").to_pylist() == [1]
    again = proposals((a,))
    rerated = type(again)(again.calls, again.charges, again.members, ((leg_id(1), 1),))
    store.commit(Batch(now_ms=2, proposals=rerated))
    assert store.completeness().days.select(["rated", "unrated"]).to_pylist() == [
        {"rated": 1, "unrated": 0}
    ]
    assert store.search_calls(CallFilter(unrated_only=True)).num_rows == 0


def test_reversals_take_back_every_charge_of_a_grown_call(store: Store, seal: bool) -> None:
    """Ledger of {1} then {1,2}: 100 + 200, taken back, 200 + 400; sum 600."""
    a, b = leg_row(1, key=5), leg_row(2, key=5, at=10)
    store.commit(Batch(now_ms=1, legs=legs(a, b), proposals=proposals((a,))), seal=seal)
    store.commit(Batch(now_ms=2, proposals=proposals((a, b))))
    detail = store.get_call(leg_id(1))
    ledger = [
        (r["call_version"], r["entry"], r["price_list"], r["amount_nanos"])
        for r in detail.charges.to_pylist()
    ]
    assert ledger == [
        (1, "charge", "carrier", 100),
        (1, "charge", "internal", 200),
        (1, "reversal", "carrier", -100),
        (1, "reversal", "internal", -200),
        (2, "charge", "carrier", 200),
        (2, "charge", "internal", 400),
    ]
    taken_back = {r["reverses"] for r in detail.charges.to_pylist() if r["entry"] == "reversal"}
    assert taken_back == {
        r["charge_id"]
        for r in detail.charges.to_pylist()
        if r["call_version"] == 1 and r["entry"] == "charge"
    }
    assert detail.versions.column("state").to_pylist() == ["superseded", "complete"]
    assert detail.legs.column("raw").to_pylist() == [b"line 1", b"line 2"]


def test_a_leg_in_no_call_is_work_once_its_time_has_come(store: Store, seal: bool) -> None:
    """Leg 2 was in no proposal; its ingest moment decides when it is given out."""
    a, b = leg_row(1), leg_row(2, at=100)
    store.commit(Batch(now_ms=1, legs=legs(a, b), proposals=proposals((a,))), seal=seal)
    moment = b["ingested_at"]
    assert store.legs_without_call(moment - 1) is None
    work = store.legs_without_call(moment)
    assert work.legs.column("cdr_id").to_pylist() == [leg_id(2)]
    store.commit(Batch(now_ms=2, proposals=proposals((b,))))
    assert store.legs_without_call(moment) is None


def test_jobs_and_contexts_are_kept(store: Store) -> None:
    """An import can go on where it stopped; context lines are there for the raw view."""
    store.save_job("import", "file-1", "running", {"offset": 5}, now_ms=1)
    store.save_job("import", "file-1", "done", {"offset": 9}, now_ms=2)
    assert store.job("file-1") == ("done", {"offset": 9})
    assert store.job("file-2") is None
    store.commit(Batch(now_ms=1, contexts={5: b"header"}))
    assert store.contexts([5, 6]) == {5: b"header"}
