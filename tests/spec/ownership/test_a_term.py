"""Winning and losing the term: compare-and-set, seen by one's own clock."""

from __future__ import annotations

from bluewhale.ownership import FAST, TermCandidate, TermRow

ROW = TermRow(term=3, holder="x", address="ingest-0:50051", renewals=8, lease_s=6.0)


def test_a_term_is_free_when_nobody_ever_held_it_or_its_holder_resigned():
    """No row, or a row without a holder: take it at once."""
    assert TermCandidate(FAST).may_take(None, 0.0)
    assert TermCandidate(FAST).may_take(TermRow(3, "", "", 9, 6.0), 0.0)


def test_a_term_is_taken_after_its_row_stood_still_for_lease_and_margin():
    """Seen first at 10 s; 6 s * 1.02: free at 16.12 s by the own clock."""
    candidate = TermCandidate(FAST)
    assert not candidate.may_take(ROW, 10.0)
    assert not candidate.may_take(ROW, 16.11)
    assert candidate.may_take(ROW, 16.121)


def test_a_renewal_begins_the_wait_anew():
    """The count of renewals moved at 15 s: not free before 21.12 s."""
    candidate = TermCandidate(FAST)
    candidate.may_take(ROW, 10.0)
    renewed = TermRow(3, "x", "ingest-0:50051", 9, 6.0)
    assert not candidate.may_take(renewed, 15.0)
    assert not candidate.may_take(renewed, 21.0)
    assert candidate.may_take(renewed, 21.13)


def test_a_leader_stops_at_its_deadline_before_another_may_begin():
    """Renewed by a request of 10 s: leads until 14 s; another may begin at 16.12 s."""
    candidate = TermCandidate(FAST)
    candidate.won(4, ROW, 9.0, 9.1)
    candidate.renewed(10.0)
    assert candidate.leading(13.99)
    assert not candidate.leading(14.0)


def test_a_new_term_holds_off_for_the_lease_of_the_one_before():
    """The predecessor gave 6 s: 6.12 s; the very first term holds off for nothing."""
    assert TermCandidate(FAST).won(4, ROW, 0.0, 0.1) == 6.0 * 1.02
    assert TermCandidate(FAST).won(1, None, 0.0, 0.1) == 0.0


def test_a_lost_term_is_lost_at_once():
    """The row is another's: not leading, whatever time was left."""
    candidate = TermCandidate(FAST)
    candidate.won(4, ROW, 0.0, 0.1)
    candidate.lost()
    assert not candidate.leading(0.1)


def test_longer_leases_of_a_predecessor_stay_in_the_row_until_they_are_over():
    """It gave 15 s, we give 6 s: 15 s are written until 15 s * 1.02 after the term was won.

    Whoever follows us meanwhile must hold off for units that still count on 15 s.
    """
    candidate = TermCandidate(FAST)
    before = TermRow(3, "x", "ingest-0:50051", 8, 15.0)
    assert candidate.lease_to_take_s(before) == 15.0
    assert candidate.won(4, before, 99.9, 100.0) == 15.0 * 1.02
    assert candidate.lease_to_renew_s(115.29) == 15.0
    assert candidate.lease_to_renew_s(115.31) == 6.0
