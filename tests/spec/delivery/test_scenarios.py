"""The smallest scenario for each delivery rule: what happens, and where it ends.

Legs 1, 2, 3 share a join key unless said otherwise and last 1, 2, 3 seconds.
A call costs 7 x tariff + seconds x (3 + tariff): {1,2} under tariff 1 costs
7 + 3 x 4 = 19, {1,2,3} costs 7 + 6 x 4 = 31, {1} costs 7 + 1 x 4 = 11.
"""

from __future__ import annotations

from typing import Any

import pytest
from bluewhale.database import Batch, ClaimLostError, ClaimStep

from tests.support.delivery import Delivery, reject
from tests.support.legs import leg, leg_table

KEY = 77


def legs(count: int, **columns: Any) -> list[dict[str, Any]]:
    """Make legs 1..count of one call."""
    return [leg(n, seconds=n, **{"join": KEY, **columns}) for n in range(1, count + 1)]


def test_s01_a_leg_offered_again_alone_changes_nothing(world: Delivery) -> None:
    """Billing forgot {1,2} and offers the re-sent leg 2 alone: a live call has it already."""
    a, b = legs(2)
    world.put(a, b)
    assert world.offer(a, b) == "created"
    assert world.offer(b) == "ignored"
    world.settle()
    assert world.calls() == {1: {1, 2}}
    assert world.amounts() == {1: 19}


def test_s02_an_overlapping_offer_of_equal_size_becomes_the_union(world: Delivery) -> None:
    """Stored {1,2}, a restarted billing offers {1,3}: neither contains the other, re-join."""
    a, b, c = legs(3)
    world.put(a, b, c)
    assert world.offer(a, b) == "created"
    assert world.offer(a, c) == "rejoin"
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 31}


def test_s03_a_leg_absorbed_elsewhere_is_not_taken_back(world: Delivery) -> None:
    """2 went into {1,2}; a late offer {2,3} under the old call id 2 does not split it."""
    a, b, c = legs(3)
    world.put(a, b)
    assert world.offer(b) == "created"
    assert world.offer(a, b) == "grown"  # call 1; call 2 is superseded by it
    assert world.calls() == {1: {1, 2}}
    world.put(c)
    assert world.offer(b, c) == "rejoin"
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 31}


def test_s04_legs_whose_call_was_never_emitted_are_work(world: Delivery) -> None:
    """Legs stored and acknowledged, the log wiped before the call came: the store asks itself."""
    world.put(*legs(2))
    assert world.calls() == {}
    world.settle()
    assert world.calls() == {1: {1, 2}}
    assert world.amounts() == {1: 19}


def test_s05_calls_of_two_partitions_grow_together(world: Delivery) -> None:
    """Both legs stored while both calls were open, then {1} and {2} are emitted."""
    a, b = legs(2)
    world.put(a)
    world.put(b)
    assert world.offer(a) == "created"
    assert world.offer(b) == "created"
    world.settle()
    assert world.calls() == {1: {1, 2}}
    assert world.amounts() == {1: 19}


def test_s06_a_late_smaller_leg_renames_the_call(world: Delivery) -> None:
    """{2,3} is stored; {1,2,3} contains it and takes its place under the smallest id."""
    a, b, c = legs(3)
    world.put(a, b, c)
    assert world.offer(b, c) == "created"
    assert world.calls() == {2: {2, 3}}
    assert world.offer(a, b, c) == "grown"
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 31}


def test_s07_the_id_stored_first_wins_over_a_mended_dialect(world: Delivery) -> None:
    """Same capture key read again under id 9: a replay; a call of id 9 is refused, 1 stays."""
    (a,) = legs(1)
    again = {**a, "cdr_id": leg(9)["cdr_id"]}
    world.put(a)
    assert world.offer(a) == "created"
    assert world.put(again).replayed == 1
    assert world.offer(again) == "refused"
    world.settle()
    assert world.calls() == {1: {1}}
    assert world.amounts() == {1: 11}


def test_s08_two_workers_that_decide_at_once_still_agree(world: Delivery) -> None:
    """{1,2} and {2,3} were both made from one view; the second decides on what is there now."""
    a, b, c = legs(3)
    world.put(a, b, c)
    assert [world.offer(a, b), world.offer(b, c)] == ["created", "rejoin"]
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}


def test_s09_a_key_used_again_much_later_does_not_join(world: Delivery) -> None:
    """Legs 13 hours apart share a key; the gap is 12 hours."""
    a = leg(1, seconds=1, join=KEY)
    b = leg(2, seconds=2, join=KEY, at=13 * 3600)
    world.put(a)
    world.offer(a)
    world.put(b)
    world.settle()
    assert world.calls() == {1: {1}, 2: {2}}
    assert world.amounts() == {1: 11, 2: 7 + 2 * 4}


def test_s10_a_record_in_suspense_is_not_accepted_by_a_replay(world: Delivery) -> None:
    """Suspended at first; a mended dialect accepts the replay: only a repair brings it in."""
    (a,) = legs(1)
    assert world.put(rejects=[reject(a)]).suspended == 1
    assert world.put(a).replayed == 1
    assert world.offer(a) == "refused"
    world.settle()
    assert world.calls() == {}


def test_s11_a_sealed_leg_is_known(world: Delivery) -> None:
    """The day was sealed; the same call heard by another unit is a duplicate, not a second leg."""
    (a,) = legs(1)
    world.put(a)
    world.offer(a)
    world.store.seal(before_ms=2**50, now_ms=world.now)
    assert world.put({**a, "stream_id": 2}).duplicate == 1
    world.settle()
    assert world.calls() == {1: {1}}
    assert world.amounts() == {1: 11}


def test_s12_a_call_of_a_leg_that_never_came_is_refused(world: Delivery) -> None:
    """Rated ran ahead of parsed, parsed was wiped, the unit's disk is lost: no leg, no charge."""
    a, b = legs(2)
    world.put(b)
    assert world.offer(a, b) == "refused"
    world.settle()
    assert world.calls() == {2: {2}}
    assert world.amounts() == {2: 7 + 2 * 4}


def test_s13_a_rejoin_that_crashed_is_done_again(world: Delivery) -> None:
    """The job read its work and died before offering: the mark still stands."""
    a, b = legs(2)
    world.put(a)
    world.offer(a)
    world.put(b)
    assert world.store.rejoin_work(10) is not None  # read, then the process ends
    world.settle()
    assert world.calls() == {1: {1, 2}}


def test_s14_a_rerating_of_an_older_version_is_stale(world: Delivery) -> None:
    """It read {1,2}; the stream grew the call to {1,2,3} before it wrote. It asks again."""
    a, b, c = legs(3)
    world.put(a, b, c)
    world.offer(a, b)
    read = (a["cdr_id"], world.versions()[1])
    assert world.offer(a, b, c) == "grown"
    assert world.offer(a, b, tariff=2, rerates=(read,)) == "stale"
    read = (a["cdr_id"], world.versions()[1])
    assert world.offer(a, b, c, tariff=2, rerates=(read,)) == "grown"
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 2 * 7 + 6 * 5}  # tariff 2: 14 + 6 s x 5 = 44


def test_s15_equal_legs_are_never_priced_again_by_the_stream(world: Delivery) -> None:
    """A zombie offers {1} under tariff 1 after the re-rating to tariff 2: ignored."""
    (a,) = legs(1)
    world.put(a)
    world.offer(a)
    assert world.offer(a, tariff=2, rerates=((a["cdr_id"], 1),)) == "grown"
    assert world.offer(a, tariff=1) == "ignored"
    assert world.amounts() == {1: 2 * 7 + 1 * 5}
    assert world.versions() == {1: 2}


# --- the rules one by one ---------------------------------------------------------------


def test_rule_order_rated_before_parsed_ends_the_same(world: Delivery) -> None:
    """The offer comes before its legs: refused, and made once they are stored."""
    a, b = legs(2)
    assert world.offer(a, b) == "refused"
    world.put(a, b)
    world.settle()
    assert world.calls() == {1: {1, 2}}


def test_rule_closure_a_leg_with_two_keys_connects_two_groups(world: Delivery) -> None:
    """1 has key 5, 3 has key 6, 2 has both; the re-join follows keys, not one key."""
    a, b, c = leg(1, seconds=1, join=5), leg(2, seconds=2, join=[5, 6]), leg(3, seconds=3, join=6)
    world.put(a, c)
    world.offer(a)
    world.offer(c)
    world.put(b)
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 31}


def test_rule_weak_a_second_key_asks_for_a_rejoin_as_well(world: Delivery) -> None:
    """Two closed calls share only their second keys; storing the later call marks them."""
    a, b = leg(1, seconds=1, join=[5, 9]), leg(2, seconds=2, join=[6, 9])
    world.put(a, b)
    world.offer(a)
    world.offer(b)
    assert world.store.rejoin_work(10) is not None
    world.settle()
    assert world.calls() == {1: {1, 2}}


def test_rule_gate_the_same_capture_key_counts_once(world: Delivery) -> None:
    """A frame sent twice changes nothing the second time."""
    a, b = legs(2)
    assert world.put(a, b).accepted == 2
    again = world.put(a, b)
    assert (again.accepted, again.replayed, again.duplicate) == (0, 2, 0)


def test_rule_clone_same_capture_key_other_record_is_a_conflict(world: Delivery) -> None:
    """A cloned unit gives seq 1 to another record: it waits in suspense, nothing is overwritten."""
    a = leg(1, seconds=1)
    clone = {**leg(2, seconds=2), "seq": 1, "record_crc": 999}
    world.put(a)
    assert world.put(clone).conflicts == 1
    world.settle()
    assert world.calls() == {1: {1}}


def test_rule_loss_stored_beats_lost_in_both_orders(world: Delivery) -> None:
    """A record named as lost and then received is stored; one stored is not lost later."""
    a, b = legs(2)
    world.put(lost=[(1, 1, 1, 1, "journal_page_corrupt")])
    assert world.put(a, b).accepted == 2
    assert world.put(lost=[(1, 1, 2, 2, "journal_page_corrupt")]).lost == 0
    world.settle()
    assert world.calls() == {1: {1, 2}}


def test_rule_context_a_record_without_a_date_waits(world: Delivery) -> None:
    """No date line was seen: suspense, never a guessed day, and no call."""
    (a,) = legs(1)
    assert world.put(rejects=[reject(a, "context_missing")]).suspended == 1
    world.settle()
    assert world.calls() == {}


def test_rule_position_a_wiped_log_has_its_own_offsets(world: Delivery) -> None:
    """Offsets carry the name of their log: a new log begins at 0, the old claim says nothing."""
    old = world.store.claim("storage", "log-1", 0)
    world.put(leg(1, seconds=1), claims=[ClaimStep(old, first=0, after=40)])
    new = world.store.claim("storage", "log-2", 0)
    assert new.next_offset == 0
    world.put(leg(2, seconds=2), claims=[ClaimStep(new, first=0, after=1)])
    world.settle()
    assert world.calls() == {1: {1}, 2: {2}}


def test_rule_claim_a_zombie_changes_nothing(world: Delivery) -> None:
    """Another worker took the partition over: the old one's transaction is rolled back whole."""
    mine = world.store.claim("storage", "log-1", 0)
    world.store.claim("storage", "log-1", 0)
    with pytest.raises(ClaimLostError):
        world.put(leg(1, seconds=1), claims=[ClaimStep(mine, first=0, after=1)])
    world.settle()
    assert world.calls() == {}


def test_rule_seal_a_bulk_import_joins_what_was_there(world: Delivery) -> None:
    """Leg 1 is hot in its call; leg 2 comes by import, sealed at once; they become one call."""
    a, b = legs(2)
    world.put(a)
    world.offer(a)
    world.put(b, seal=True)
    world.settle()
    assert world.calls() == {1: {1, 2}}
    assert world.amounts() == {1: 19}


def test_rule_queue_a_mark_renewed_since_stays(world: Delivery) -> None:
    """The job read {1,2}; leg 3 came meanwhile and renewed the marks: 3 is not forgotten."""
    a, b, c = legs(3)
    world.put(a)
    world.offer(a)
    world.put(b)
    work = world.store.rejoin_work(10)
    world.put(c)
    world.answer(work)
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 31}


def test_rule_duplicate_another_unit_heard_the_same_call(world: Delivery) -> None:
    """Same id under another capture key: kept beside its twin, never charged."""
    (a,) = legs(1)
    world.put(a)
    assert world.put({**a, "stream_id": 2}).duplicate == 1
    assert world.offer({**a, "stream_id": 2}) == "created"  # its capture key stands for leg 1
    assert world.offer(a) == "ignored"
    world.settle()
    assert world.amounts() == {1: 11}


def test_rule_two_calls_a_person_frees_a_duplicate(world: Delivery) -> None:
    """A person says "these are two calls": it becomes a leg that joins nothing, charged for itself."""
    (a,) = legs(1)
    world.put(a)
    world.offer(a)
    world.put({**a, "stream_id": 2})
    world.store.two_calls((2, 1, 1), who="anna", why="two fax calls", now_ms=world.now)
    world.settle()
    assert sorted(world.amounts().values()) == [11, 11]
    assert all(len(members) == 1 for members in world.calls().values())


def test_rule_closure_runs_over_sealed_legs(world: Delivery) -> None:
    """{1} was sealed weeks ago in its own call; late leg 2 joins it all the same."""
    a, b = legs(2)
    world.put(a)
    world.offer(a)
    world.store.seal(before_ms=2**50, now_ms=world.now)
    world.put(b)
    world.settle()
    assert world.calls() == {1: {1, 2}}
    assert world.amounts() == {1: 19}


def test_a_call_whose_stored_keys_do_not_join_it_grows_as_a_whole(world: Delivery) -> None:
    """A mended dialect made {1,2} a call; stored are the keys of before. Leg 3 joins leg 1 alone."""
    one, two, three = (
        leg(1, seconds=1, join=1),
        leg(2, seconds=2, join=2),
        leg(3, seconds=3, join=1),
    )
    world.put(one, two)
    assert world.offer(one, two) == "created"
    world.put(three)
    assert world.offer(one, three) == "rejoin"
    world.settle()
    assert world.calls() == {1: {1, 2, 3}}
    assert world.amounts() == {1: 31}


def test_a_batch_of_nothing_changes_nothing(world: Delivery) -> None:
    """An empty batch is allowed: ticks of quiet partitions."""
    world.store.commit(Batch(now_ms=world.now, legs=leg_table(), data_time_ms=5))
    assert world.calls() == {}
