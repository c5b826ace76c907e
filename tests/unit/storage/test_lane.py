"""What of a partition goes into the next transaction."""

from __future__ import annotations

from dataclasses import replace

from bluewhale.database import Claim
from bluewhale.messaging import PARSED, RATED
from bluewhale.records.batches import StreamLoss, StreamTally
from bluewhale.storage.lane import Lane, Limits

from tests.support.legs import leg
from tests.support.parsed import parsed, rated


def lane(limits: Limits | None = None) -> Lane:
    """Make a lane that owns both topics, from offset 0."""
    made = Lane(0, limits or Limits())
    made.claimed(PARSED, Claim("storage", "p", 0, 1, 0))
    made.claimed(RATED, Claim("storage", "r", 0, 1, 0))
    return made


def bulk() -> Limits:
    """Give limits under which two legs are a load."""
    return Limits(
        few_rows=0, bulk_rows=2, seal_rows=4, held_rows_max=6, seal_age_s=1.0, patience_s=10.0
    )


def test_a_quiet_lane_stores_legs_at_once():
    """One leg, no call yet: it goes as a hot row, and its offset is passed."""
    it = lane()
    it.take_parsed(0, parsed(leg(1)), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert (made.legs, made.seal, made.batch.proposals) == (1, False, None)
    assert made.after == {PARSED: 1, RATED: 0}
    it.done(made)
    assert it.idle
    assert it.due(0.0, 5) is None


def test_all_that_came_with_legs_goes_with_them_once():
    """Losses, contexts and counts of the edge travel in the first round of their message."""
    it = lane()
    message = parsed(
        leg(1), losses=(StreamLoss(1, 1, 7, 9, "disk"),), contexts={4: b"head"},
        tallies=(StreamTally(1, 20_000, 3, 2),), traceparents=("t",),
    )  # fmt: skip
    it.take_parsed(0, message, 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert list(made.batch.losses) == [StreamLoss(1, 1, 7, 9, "disk")]
    assert made.batch.contexts == {4: b"head"}
    assert [(h.stream_id, h.day, h.heard, h.journaled) for h in made.batch.heard] == [
        (1, 20_000, 3, 2)
    ]
    assert made.traceparents == ("t",)


def test_calls_wait_for_legs_that_were_not_read():
    """A proposal of data time 9 waits while legs were read up to 5, and no longer."""
    it = lane()
    it.take_parsed(0, parsed(leg(1), time_ms=5), 0.0)
    it.take_rated(0, rated(leg(2), time_ms=9), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.batch.proposals is None
    it.done(made)
    assert it.due(0.0, 5) is None
    it.take_parsed(1, parsed(leg(2), time_ms=9), 0.1)
    made = it.due(0.1, 5)
    assert made is not None
    assert made.batch.proposals is not None
    assert made.after == {PARSED: 2, RATED: 1}


def test_calls_do_not_wait_for_ever():
    """Legs that never come (their log was wiped) do not hold proposals back."""
    it = lane(Limits(patience_s=3.0))
    it.take_rated(0, rated(leg(2), time_ms=9), 0.0)
    assert it.due(2.9, 5) is None
    made = it.due(3.1, 5)
    assert made is not None
    assert made.after[RATED] == 1


def test_under_load_legs_go_with_their_calls_into_one_segment():
    """Four legs of which all calls are here are sealed together; the fifth waits, its offset too."""
    it = lane(bulk())
    it.take_parsed(0, parsed(leg(1), leg(2), time_ms=1), 0.0)
    it.take_parsed(1, parsed(leg(3), leg(4), leg(5), time_ms=2), 0.0)
    assert it.due(0.0, 5) is None
    it.take_rated(0, rated(leg(1), leg(2), leg(3), leg(4), labels=[0, 0, 1, 1], time_ms=2), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.seal
    assert made.legs == 4
    assert made.batch.proposals is not None
    assert made.batch.proposals.calls.num_rows == 2
    assert made.after == {PARSED: 1, RATED: 1}
    it.done(made)
    assert it.rows == 1


def test_a_call_waits_until_all_its_legs_are_here():
    """A message of two calls: the one that is complete goes, the other one stays."""
    it = lane(bulk())
    it.take_parsed(0, parsed(leg(1), leg(2), leg(3), leg(4), time_ms=4), 0.0)
    first = rated(leg(1), leg(2), leg(3), leg(4), leg(6), labels=[0, 0, 1, 1, 1], time_ms=4)
    it.take_rated(0, first, 0.0)
    made = it.due(1.5, 5)  # the age of a segment is over
    assert made is not None
    assert made.legs == 2
    assert made.batch.proposals is not None
    assert made.batch.proposals.members.column("call_row").to_pylist() == [0, 0]
    assert made.after == {PARSED: 0, RATED: 0}
    it.done(made)
    it.take_parsed(1, parsed(leg(6), time_ms=4), 1.6)
    made = it.due(3.0, 5)
    assert made is not None
    assert made.after == {PARSED: 2, RATED: 1}
    assert made.legs == 3


def test_a_lane_that_is_full_reads_no_more():
    """Six waiting legs are enough; memory stays bounded."""
    it = lane(bulk())
    it.take_parsed(0, parsed(*(leg(n) for n in range(1, 7))), 0.0)
    assert (it.full(PARSED), it.full(RATED)) == (True, False)
    assert it.due(1.5, 5) is None


def test_once_the_load_is_over_a_leg_and_its_call_are_stored_at_once():
    """Behind a sealed segment one leg came: it waits for its call, and for nothing else."""
    it = lane(replace(bulk(), few_rows=1))
    it.take_parsed(0, parsed(*(leg(n) for n in range(1, 5))), 0.0)
    it.take_rated(0, rated(*(leg(n) for n in range(1, 5))), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.seal
    it.done(made)
    it.take_parsed(1, parsed(leg(5)), 0.1)
    assert it.due(0.1, 5) is None
    it.take_rated(1, rated(leg(5)), 0.3)
    made = it.due(0.3, 5)
    assert made is not None
    assert (made.legs, made.seal, made.batch.proposals.calls.num_rows) == (1, False, 1)


def test_calls_that_wait_are_bounded_too():
    """Calls of six legs that were not read: no more calls are read; their legs may come."""
    it = lane(bulk())
    it.take_rated(0, rated(*(leg(n) for n in range(1, 7))), 0.0)
    assert (it.full(PARSED), it.full(RATED)) == (False, True)
    assert it.due(1.5, 5) is None
    it.take_parsed(0, parsed(*(leg(n) for n in range(1, 6))), 1.6)
    made = it.due(1.6, 5)
    assert made is not None
    assert (made.legs, made.batch.proposals.calls.num_rows) == (5, 5)
    it.done(made)
    assert (it.call_rows, it.full(RATED)) == (1, False)


def test_legs_and_calls_never_wait_for_each_other():
    """Both are full, and none belongs to another: legs go, sealed, and make room."""
    it = lane(bulk())
    it.take_rated(0, rated(*(leg(n) for n in range(11, 17))), 0.0)
    it.take_parsed(0, parsed(*(leg(n) for n in range(1, 7))), 0.0)
    assert (it.full(PARSED), it.full(RATED)) == (True, True)
    made = it.due(0.0, 5)
    assert made is not None
    assert (made.legs, made.seal, made.batch.proposals) == (6, True, None)
    it.done(made)
    assert not it.full(PARSED)


def test_calls_go_once_everything_that_billing_had_read_is_read():
    """Their legs were stored before a restart: nothing is known of them, and nothing waited for."""
    it = lane()
    it.take_rated(0, replace(rated(leg(2), time_ms=9), legs_before=2), 0.0)
    it.take_parsed(0, parsed(leg(1)), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.batch.proposals is None
    it.done(made)
    it.take_parsed(1, parsed(leg(3)), 0.1)
    made = it.due(0.1, 5)
    assert made is not None
    assert made.batch.proposals is not None
    assert made.after == {PARSED: 2, RATED: 1}


def test_legs_go_alone_when_billing_stands_still():
    """After ten seconds without a word of billing legs are stored as they are."""
    it = lane(bulk())
    it.take_parsed(0, parsed(leg(1), leg(2), leg(3)), 0.0)
    assert it.due(9.0, 5) is None
    made = it.due(10.5, 5)
    assert made is not None
    assert made.legs == 3


def test_legs_wait_as_long_as_billing_moves_towards_them():
    """Billing is behind, but works: legs wait; once its data time is past them, they go."""
    it = lane(bulk())
    it.take_parsed(0, parsed(leg(1), leg(2), leg(3), time_ms=100_000), 0.0)
    it.take_rated(0, rated(time_ms=50_000), 19.0)
    made = it.due(20.0, 5)
    assert made is not None
    assert made.legs == 0
    it.done(made)
    it.take_rated(1, rated(time_ms=110_001), 21.0)
    made = it.due(21.0, 5)
    assert made is not None
    assert made.legs == 3


def test_of_two_proposals_of_one_call_the_larger_stays():
    """A call that grew within a round is charged once, as it is in the end."""
    it = lane()
    it.take_parsed(0, parsed(leg(1), leg(2), time_ms=2), 0.0)
    it.take_rated(0, rated(leg(1), time_ms=1), 0.0)
    it.take_rated(1, rated(leg(1), leg(2), labels=[0, 0], time_ms=2), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.batch.proposals is not None
    assert made.batch.proposals.calls.column("leg_count").to_pylist() == [2]
    assert made.batch.proposals.charges.num_rows == 1
    assert made.after[RATED] == 2


def test_a_round_that_failed_is_the_same_again():
    """Nothing is taken away before `done`."""
    it = lane()
    it.take_parsed(0, parsed(leg(1)), 0.0)
    first, second = it.due(0.0, 5), it.due(9.0, 5)
    assert first is not None
    assert second is not None
    assert first.batch.legs.equals(second.batch.legs)
    assert first.after == second.after


def test_data_time_is_told_once_its_moment_is_over():
    """Billing splits what one moment brought: only a later message says that 7 is complete."""
    it = lane()
    it.take_rated(0, rated(time_ms=7), 0.0)
    it.take_parsed(0, parsed(time_ms=7), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.batch.data_time_ms is None
    assert made.after == {PARSED: 1, RATED: 1}
    it.done(made)
    it.take_rated(1, rated(time_ms=9), 0.0)
    it.take_parsed(1, parsed(time_ms=9), 0.0)
    made = it.due(0.0, 5)
    assert made is not None
    assert made.batch.data_time_ms == 7


def test_proposals_wait_as_long_as_legs_come():
    """Legs are behind, but come: offering calls before them would only be refused."""
    it = lane(Limits(patience_s=3.0))
    it.take_rated(0, rated(leg(2), time_ms=9), 0.0)
    it.take_parsed(0, parsed(leg(1), time_ms=5), 4.0)
    made = it.due(4.1, 5)
    assert made is not None
    assert made.batch.proposals is None
