"""What callers of a store may count on, whichever engine keeps it."""

from __future__ import annotations

import pytest
from bluewhale.database import Batch, CallFilter, ClaimLostError, ClaimStep, Mark

from tests.spec.database.build import leg_row, legs, proposals
from tests.support.stores import StoreFactory


def test_parsed_and_rated_records_share_a_transaction(store_factory: StoreFactory) -> None:
    """Two claims move together; the data time is that of the batch."""
    a = leg_row(1)
    with store_factory() as store:
        parsed, rated = store.claim("storage", "parsed", 2), store.claim("storage", "rated", 2)
        steps = [ClaimStep(parsed, 0, 3), ClaimStep(rated, 0, 7)]
        batch = Batch(
            now_ms=1, claims=steps, partition=2, legs=legs(a), proposals=proposals((a,)),
            data_time_ms=500,
        )  # fmt: skip
        assert store.commit(batch).created == 1
        assert store.data_time_ms() == 500
        assert store.claim("storage", "parsed", 2).next_offset == 3
        assert store.claim("storage", "rated", 2).next_offset == 7


def test_one_lost_claim_of_two_undoes_everything(store_factory: StoreFactory) -> None:
    """The rated partition was taken over: the parsed records are not stored either."""
    with store_factory() as store:
        parsed, rated = store.claim("storage", "parsed", 0), store.claim("storage", "rated", 0)
        store.claim("storage", "rated", 0)
        steps = [ClaimStep(parsed, 0, 1), ClaimStep(rated, 0, 1)]
        with pytest.raises(ClaimLostError, match="rated/0"):
            store.commit(Batch(now_ms=1, claims=steps, partition=0, legs=legs(leg_row(1))))
        assert store.marks() == []
        assert store.claim("storage", "parsed", 0).next_offset == 0


def test_a_topic_made_anew_does_not_hold_back_the_data_time(store_factory: StoreFactory) -> None:
    """The old topic's last data time is forgotten once its partition is claimed by the new one."""
    with store_factory() as store:
        for topic, data_time in (("old", 100), ("new", 900)):
            claim = store.claim("storage", topic, 0)
            step = [ClaimStep(claim, 0, 1)]
            store.commit(Batch(now_ms=1, claims=step, partition=0, data_time_ms=data_time))
        assert store.data_time_ms() == 900


def test_changed_marks_are_given_once_and_none_is_missed(store_factory: StoreFactory) -> None:
    """Asking with the stamp of the last answer gives what changed since."""
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(leg_row(1), leg_row(2, stream=8))))
        stamp, marks = store.marks_changed(0)
        assert marks == [Mark(7, 11, 1, 1001), Mark(8, 11, 0, None)]
        assert store.marks_changed(stamp) == (stamp, [])
        store.commit(Batch(now_ms=2, legs=legs(leg_row(3, seq=2))))
        assert store.marks_changed(stamp) == (stamp + 1, [Mark(7, 11, 2, 1003)])


def test_texts_with_unusual_signs_are_found_again(store_factory: StoreFactory) -> None:
    """Quotes, backslashes, emoji; a NUL inside a name becomes the replacement sign or stays."""
    a = leg_row(1, calling_name='O\'Neil "x" \\ 🐋', called_name="a\0b")
    made = proposals((a,))
    with store_factory() as store:
        store.commit(Batch(now_ms=1, legs=legs(a), proposals=made))
        row = store.legs([a["cdr_id"]]).to_pylist()[0]
        assert row["calling_name"] == 'O\'Neil "x" \\ 🐋'
        assert row["called_name"] in {"a\0b", "a\N{REPLACEMENT CHARACTER}b"}
        assert store.search_calls(CallFilter()).num_rows == 1


def test_many_streams_and_wide_batches_are_stored_whole(store_factory: StoreFactory) -> None:
    """Two thousand legs of forty streams in two commits; the same again changes nothing."""
    rows = [leg_row(n, key=n, stream=100 + n % 40, seq=n // 40 + 1) for n in range(2000)]
    with store_factory() as store:
        for part in (rows[:1000], rows[1000:]):
            batch = Batch(now_ms=1, legs=legs(*part), proposals=proposals(*((r,) for r in part)))
            assert (store.commit(batch).created, store.commit(batch).replayed) == (1000, 1000)
        assert store.search_calls(CallFilter(), limit=5000).num_rows == 2000
        assert len(store.marks()) == 40
        assert store.completeness().complete
