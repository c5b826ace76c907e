"""The delivery rules on the real store, hot and sealed, against the rules in memory."""

from __future__ import annotations

import random

import numpy as np
import pytest
from bluewhale.database import Batch, ClaimLostError, ClaimStep
from bluewhale.merge import near

from tests.support.delivery import Delivery, ReferenceStore, propose_labelled, reject
from tests.support.legs import leg, leg_table
from tests.support.stores import StoreFactory


@pytest.fixture(params=["hot", "sealed"])
def delivery(request: pytest.FixtureRequest, store_factory: StoreFactory):
    """Drive a store; "sealed" puts every stored leg into a segment at once."""
    with store_factory() as store:
        driver = Delivery(store)
        if request.param == "sealed":
            put = driver.put
            driver.put = lambda *legs, **more: put(*legs, **({"seal": True} | more))
        yield driver


def test_a_leg_offered_again_alone_changes_nothing(delivery: Delivery) -> None:
    """S1: {1,2} is stored; billing, which forgot it, offers {2}."""
    a, b = leg(1, join=5, seconds=1), leg(2, join=5, seconds=2)
    delivery.put(a, b)
    assert delivery.offer(a, b) == "created"
    assert delivery.offer(b) == "ignored"
    delivery.settle()
    assert delivery.calls() == {1: {1, 2}}
    assert delivery.amounts() == {1: 7 + 3 * 4}  # a fee of 7, three seconds at 3 + 1


def test_an_overlapping_offer_of_equal_size_ends_in_the_union(delivery: Delivery) -> None:
    """S2: {1,2} is stored; billing, restarted, offers {1,3}."""
    a, b, c = (leg(n, join=5, seconds=1) for n in (1, 2, 3))
    delivery.put(a, b, c)
    delivery.offer(a, b)
    assert delivery.offer(a, c) == "rejoin"
    delivery.settle()
    assert delivery.calls() == {1: {1, 2, 3}}
    assert delivery.amounts() == {1: 7 + 3 * 4}


def test_an_offer_under_the_id_of_an_absorbed_call_does_not_revive_it(delivery: Delivery) -> None:
    """S3: 2 was absorbed by {1,2}; then {2,3} is offered late."""
    a, b, c = (leg(n, join=5, seconds=1) for n in (1, 2, 3))
    delivery.put(a, b)
    delivery.offer(b)
    assert delivery.offer(a, b) == "grown"
    delivery.put(c)
    delivery.offer(b, c)
    delivery.settle()
    assert delivery.calls() == {1: {1, 2, 3}}
    assert delivery.amounts() == {1: 7 + 3 * 4}


def test_legs_that_nobody_offered_become_calls(delivery: Delivery) -> None:
    """S4: legs stored and acknowledged, the log wiped before the call was emitted."""
    delivery.put(leg(1, join=5), leg(2, join=5))
    delivery.settle()
    assert delivery.calls() == {1: {1, 2}}


def test_two_open_calls_that_belong_together_are_joined(delivery: Delivery) -> None:
    """S5: both legs stored, {1} and {2} emitted by two partitions."""
    a, b = leg(1, join=5), leg(2, join=5)
    delivery.put(a)
    delivery.put(b)
    delivery.offer(a)
    delivery.offer(b)
    delivery.settle()
    assert delivery.calls() == {1: {1, 2}}


def test_a_smaller_leg_that_comes_late_takes_the_call_over(delivery: Delivery) -> None:
    """S6: {2,3} is stored, {1,2,3} offered without naming it."""
    a, b, c = (leg(n, join=5, seconds=1) for n in (1, 2, 3))
    delivery.put(a, b, c)
    delivery.offer(b, c)
    assert delivery.offer(a, b, c) == "grown"
    delivery.settle()
    assert delivery.calls() == {1: {1, 2, 3}}
    assert delivery.amounts() == {1: 7 + 3 * 4}


def test_a_capture_key_stored_under_another_id_refuses_the_offer(delivery: Delivery) -> None:
    """S7: a mended dialect gives the stored record another id."""
    first = leg(1, join=5)
    again = leg(9, join=5, seq=1, record_crc=1)
    delivery.put(first)
    delivery.offer(first)
    assert delivery.put(again).replayed == 1
    assert delivery.offer(again) == "refused"
    delivery.settle()
    assert delivery.calls() == {1: {1}}


def test_offers_that_share_a_leg_are_decided_one_after_the_other(delivery: Delivery) -> None:
    """S8: {1,2} and {2,3}."""
    a, b, c = (leg(n, join=5) for n in (1, 2, 3))
    delivery.put(a, b, c)
    delivery.offer(a, b)
    delivery.offer(b, c)
    delivery.settle()
    assert delivery.calls() == {1: {1, 2, 3}}


def test_a_key_used_again_much_later_joins_nothing(delivery: Delivery) -> None:
    """S9: the same key, 500 minutes later than the gap of 12 hours allows."""
    a, b = leg(1, join=5), leg(2, join=5, at=13 * 3600)
    delivery.put(a)
    delivery.offer(a)
    delivery.put(b)
    delivery.offer(b)
    delivery.settle()
    assert delivery.calls() == {1: {1}, 2: {2}}


def test_a_record_in_suspense_is_not_accepted_by_a_replay(delivery: Delivery) -> None:
    """S10: suspended at first, parsed on replay: only a repair job may apply it."""
    record = leg(1)
    delivery.put(rejects=[reject(record)])
    assert delivery.put(record).replayed == 1
    assert delivery.offer(record) == "refused"
    delivery.settle()
    assert delivery.calls() == {}
    assert delivery.store.suspense_list().column("state").to_pylist() == ["waiting"]


def test_a_leg_sealed_meanwhile_is_known_as_a_duplicate(delivery: Delivery) -> None:
    """S11: the day was sealed; then the same leg comes under another capture key."""
    a = leg(1)
    delivery.put(a)
    delivery.offer(a)
    delivery.store.seal(before_ms=2**50, now_ms=delivery.now)
    assert delivery.put(leg(1, stream_id=9)).duplicate == 1
    delivery.settle()
    assert delivery.calls() == {1: {1}}


def test_an_offer_for_a_leg_that_is_not_stored_is_refused(delivery: Delivery) -> None:
    """S12: rated ahead of parsed."""
    assert delivery.offer(leg(1)) == "refused"
    delivery.settle()
    assert delivery.calls() == {}


def test_offers_ahead_of_their_legs_are_refused_and_leave_the_others_alone(
    delivery: Delivery,
) -> None:
    """Of three calls in one batch: one is stored, two miss a leg; what they have is marked."""
    a, b, c = (leg(n, join=n) for n in (1, 2, 3))
    delivery.put(a, b, c)
    labels = np.array([0, 1, 1, 2, 2])
    table = leg_table(a, b, leg(8, join=2), leg(9, seq=3, record_crc=3), leg(7, join=3))
    delivery.now += 1
    result = delivery.store.commit(
        Batch(now_ms=delivery.now, proposals=propose_labelled(table, labels, 1))
    )
    assert (result.created, result.refused, result.marked) == (1, 2, 2)
    work = delivery.store.rejoin_work(10)
    assert work is not None
    assert sorted(i for i, _ in work.marks) == [leg(2)["cdr_id"], leg(3)["cdr_id"]]


def test_a_rejoin_that_crashes_before_offering_is_repeated(delivery: Delivery) -> None:
    """S13: reading work takes no mark away."""
    a, b = leg(1, join=5), leg(2, join=5)
    delivery.put(a)
    delivery.offer(a)
    delivery.put(b)
    delivery.offer(b)
    assert delivery.store.rejoin_work(10) is not None
    delivery.settle()
    assert delivery.calls() == {1: {1, 2}}


def test_a_rerating_that_read_an_older_version_is_stale(delivery: Delivery) -> None:
    """S14: re-rating read {1,2}; the stream grew it to {1,2,3} meanwhile."""
    a, b, c = (leg(n, join=5, seconds=1) for n in (1, 2, 3))
    delivery.put(a, b, c)
    delivery.offer(a, b)
    delivery.offer(a, b, c)
    assert delivery.offer(a, b, tariff=2, rerates=((a["cdr_id"], 1),)) == "stale"
    assert delivery.offer(a, b, c, tariff=2, rerates=((a["cdr_id"], 2),)) == "grown"
    assert delivery.versions() == {1: 3}
    assert delivery.amounts() == {1: 7 * 2 + 3 * 5}


def test_equal_legs_are_never_priced_again_by_a_replay(delivery: Delivery) -> None:
    """S15: a zombie offers {1} under tariff 1 after a re-rating to 2."""
    a = leg(1, seconds=1)
    delivery.put(a)
    delivery.offer(a)
    delivery.offer(a, tariff=2, rerates=((a["cdr_id"], 1),))
    assert delivery.offer(a, tariff=1) == "ignored"
    assert delivery.amounts() == {1: 7 * 2 + 5}


def test_a_zombie_commits_nothing(delivery: Delivery) -> None:
    """A claim taken over: the older worker's batch rolls back whole."""
    store = delivery.store
    old = store.claim("billing", "topic", 0)
    new = store.claim("billing", "topic", 0)
    with pytest.raises(ClaimLostError):
        delivery.put(leg(1), claims=[ClaimStep(old, 0, 5)])
    assert delivery.put(leg(2), claims=[ClaimStep(new, 0, 5)]).accepted == 1
    with pytest.raises(ClaimLostError):  # the same batch again is past the offset
        delivery.put(leg(2), claims=[ClaimStep(new, 0, 5)])
    assert store.claim("billing", "topic", 0).next_offset == 5
    assert store.marks(1)[0].stored_through == 0  # leg 1 is still missing


def test_a_mark_renewed_since_it_was_read_stays(delivery: Delivery) -> None:
    """Clearing takes the stamp that was read, not the leg."""
    a, b = leg(1, join=5), leg(2, join=5)
    delivery.put(a)
    delivery.offer(a)
    delivery.put(b)
    delivery.offer(b)
    work = delivery.store.rejoin_work(10)
    delivery.offer(a, leg(7))  # refused: marks leg 1 again
    delivery.store.commit(Batch(now_ms=1, cleared_marks=work.marks))
    left = delivery.store.rejoin_work(10)
    assert [m[0] for m in left.marks] == [a["cdr_id"]]


def _joined(legs: list) -> list:
    """Give those legs that are joined with the first, directly or over each other."""
    found = legs[:1]
    for _ in legs:
        found += [x for x in legs if x not in found and any(near(x, y) for y in found)]
    return found


def _script(seed: int):
    """Give a random course of events over eight legs with few keys, as (what, arguments)."""
    r = random.Random(seed)
    pool = [
        leg(n, join=[r.choice((5, 6, 7))] + ([8] if r.random() < 0.3 else []), seconds=n,
            at=r.choice((0, 3600, 15 * 3600)))
        for n in range(1, 9)
    ]  # fmt: skip
    for _ in range(25):
        some = sorted(r.sample(range(8), r.randint(1, 3)))
        what = r.choice(("put", "put", "seal_put", "offer", "offer", "again", "rejoin", "seal"))
        yield what, [pool[i] for i in some]
    for record in pool:
        yield "put", [record]


@pytest.mark.parametrize("seed", range(12))
def test_random_courses_of_events_end_as_the_rules_say(
    seed: int, store_factory: StoreFactory
) -> None:
    """The real store and the rules in memory end at the same calls, versions apart from order."""
    ends = []
    with store_factory() as store:
        for side in (store, ReferenceStore()):
            delivery = Delivery(side)
            for what, legs in _script(seed):
                if what in {"put", "seal_put"}:
                    delivery.put(*legs, seal=what == "seal_put")
                elif what == "again":
                    delivery.put(*({**row, "stream_id": 9} for row in legs))
                elif what == "offer":
                    delivery.offer(*_joined(legs))
                elif what == "seal":
                    side.seal(before_ms=2**50, now_ms=1)
                else:
                    work = side.rejoin_work(3)
                    if work is not None:
                        delivery.answer(work)
            delivery.settle()
            ends.append((delivery.calls(), delivery.amounts()))
    assert ends[0] == ends[1]
