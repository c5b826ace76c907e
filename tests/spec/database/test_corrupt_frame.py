"""A corrupt frame stands under the key of its first record, and stands for no record."""

from __future__ import annotations

import pyarrow as pa
import pytest
from bluewhale.database import Batch, Store, SuspenseFilter
from bluewhale.database.dismantling import taken_apart
from bluewhale.records.batches import StreamLoss
from bluewhale.records.schemas import SUSPENSE_SCHEMA

from tests.spec.database.build import INCARNATION, STREAM, leg_row, legs
from tests.support.stores import StoreFactory

FRAME = pa.Table.from_pylist(
    [
        {
            "link_uid": "hq-1",
            "stream_id": STREAM,
            "incarnation": INCARNATION,
            "seq": 1,
            "connection": 0,
            "n": 1,
            "raw": b"frame",
            "received_at": leg_row(1)["received_at"],
            "stage": "parse",
            "reason": "frame_corrupt",
            "detail": "records 1 to 3: CRC",
        }
    ],
    schema=SUSPENSE_SCHEMA,
)
LOST = (StreamLoss(STREAM, INCARNATION, 2, 3, "frame_unreadable"),)


@pytest.fixture
def store(store_factory: StoreFactory):
    """Open a store in which a frame of three records waits."""
    with store_factory() as opened:
        opened.declare_links([("hq-1", STREAM, "hq", "berlin", "avaya_cm")])
        opened.commit(Batch(now_ms=1, rejects=FRAME, losses=LOST))
        yield opened


def counted(store: Store, name: str) -> int:
    """Give a control total over all days."""
    return sum(store.completeness().days.column(name).to_pylist())


def test_a_good_copy_is_stored_whole_also_the_record_whose_key_the_frame_has(store: Store) -> None:
    """Three legs, nothing lost; the same once more changes nothing."""
    good = Batch(now_ms=2, legs=legs(*(leg_row(i) for i in (1, 2, 3))))
    assert store.marks()[0].stored_through == 3
    assert not store.completeness().complete
    assert store.commit(good).accepted == 3
    assert store.completeness().complete
    again = store.commit(good)
    assert (again.accepted, again.replayed) == (0, 3)


def test_the_frame_that_comes_again_stays_one_row(store: Store) -> None:
    """It is replayed, before and after a good copy came."""
    assert store.commit(Batch(now_ms=2, rejects=FRAME, losses=LOST)).replayed == 1
    store.commit(Batch(now_ms=3, legs=legs(leg_row(1))))
    store.commit(Batch(now_ms=4, rejects=FRAME, losses=LOST))
    waiting = store.suspense_list(SuspenseFilter(reason="frame_corrupt"))
    assert waiting.column("raw").to_pylist() == [b"frame"]


def test_a_frame_that_is_taken_apart_counts_no_more_and_one_with_a_rest_does(store: Store) -> None:
    """Received and suspended hold the frame until nothing of it is unread."""
    for unread, state, count in (("record 3", "waiting", 1), ("", "applied", 0)):
        store.run_write(
            lambda tx, unread=unread: taken_apart(
                tx, 1, unread=unread, who="ada", why="because", now_ms=5
            )
        )
        assert store.suspense_show(1)["state"] == state
        assert (counted(store, "suspended"), counted(store, "received")) == (count, count)
    assert [(a[1], a[2], a[4]) for a in store.audit()] == [
        ("ada", "suspense_take_apart", "because; left: "),
        ("ada", "suspense_take_apart", "because; left: record 3"),
    ]
