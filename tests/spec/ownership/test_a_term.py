"""Winning and losing the term: compare-and-set, seen by one's own clock."""

from __future__ import annotations

from bluewhale.ownership import FAST, Profile, TermCandidate, TermRow

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
    assert candidate.lease_to_renew_s(115.29, 6.0) == 15.0
    assert candidate.lease_to_renew_s(115.31, 6.0) == 6.0
    assert candidate.lease_to_renew_s(115.31, 12.0) == 12.0  # of a unit of ours


def test_a_long_lease_of_a_unit_delays_grants_and_not_the_next_leader():
    """A unit has 300 s: the row is free after 15 s * 1.02, the hold-off lasts 300 s * 1.02.

    Whoever leads stops before that: 15 s * 0.98 after the last renewal, or sooner.
    """
    candidate = TermCandidate(FAST)
    row = TermRow(3, "x", "ingest-0:50051", 8, 300.0)
    assert not candidate.may_take(row, 10.0)
    assert not candidate.may_take(row, 25.29)
    assert candidate.may_take(row, 25.31)
    assert candidate.won(4, row, 25.31, 25.4) == 300.0 * 1.02
    patient = TermCandidate(Profile(lease_s=60.0, deadline_s=40.0, retry_s=2.0))
    patient.won(4, row, 0.0, 0.1)
    assert patient.leading(14.69)
    assert not patient.leading(14.71)
