"""Ownership's metrics on the leading ingest: literal times, the real leader, no clock."""

from __future__ import annotations

from bluewhale.ingest.ownership_metrics import OwnershipMetrics
from bluewhale.ownership import FAST, Batch, HandOver, Leader, Rules, UnitSide
from bluewhale.telemetry import Metrics

HOLD_OFF_S = 6.12
UNITS = ("unit-a", "unit-b")


class Told:
    """One leader and what is told of it, as the door does."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.follower = OwnershipMetrics(self.metrics)
        self.leader = self.lead(1, 0.0, 0.0)

    def lead(self, term: int, now: float, hold_off_s: float) -> Leader:
        self.leader = Leader(term=term, profile=FAST, now=now, hold_off_s=hold_off_s)
        self.leader.configure(Rules({"smdr": UNITS}), now)
        return self.leader

    def pass_to(self, now: float) -> None:
        self.leader.advance(now)
        self.follower.decided(self.leader, self.leader.take_events(), now)
        self.follower.look(self.leader, self.leader.term, now)

    def turn(self, side: UnitSide, now: float) -> None:
        self.pass_to(now)
        for uid in side.leaving():
            side.left(uid, now)
        side.next_at = now
        batch = side.request(now)
        assert batch is not None
        self.say(batch, now, side)

    def say(self, batch: Batch, now: float, side: UnitSide | None = None) -> None:
        answer = self.leader.batch(batch, now)
        self.follower.asked(self.leader, batch, answer, now)
        self.follower.decided(self.leader, self.leader.take_events(), now)
        if side is not None:
            side.answered(batch, answer, now)

    def value(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(f"bluewhale_{name}", labels)
        return 0.0 if found is None else found


def two_units() -> tuple[Told, UnitSide, UnitSide]:
    """Give a leader, the owner a and b that waits, all at 1.0."""
    told = Told()
    a, b = (UnitSide(uid, 7, ["smdr"], profile=FAST) for uid in UNITS)
    told.turn(a, 1.0)
    told.turn(b, 1.0)
    return told, a, b


def test_a_failover_counts_from_the_last_word_of_the_owner():
    """A's last renewal at 3.0, its lease over at 9.12, b granted at 9.2: 6.2 s, one expired."""
    told, a, b = two_units()
    for now in (2.0, 3.0):
        told.turn(a, now)
    for now in (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0):
        told.turn(b, now)
    assert told.value("ownership_links", state="out_of_contact") == 1.0
    told.pass_to(9.2)
    assert told.value("ownership_moves_total", cause="expired") == 1.0
    assert round(told.value("ownership_unowned_seconds_sum", cause="expired"), 3) == 6.2
    told.turn(b, 10.1)
    assert told.value("ownership_links", state="owner") == 1.0
    assert told.value("ownership_links", state="out_of_contact") == 0.0


def test_an_order_of_a_person_is_told_from_the_way_back_to_the_preferred_unit():
    """Ordered to b at 2.0: ordered. Back to a after 300 s of presence: moved."""
    told, a, b = two_units()
    told.say(Batch("", 0, (HandOver("smdr", "unit-b"),)), 2.0)
    told.pass_to(2.5)
    assert told.value("ownership_links", state="told_to_leave") == 1.0
    told.turn(a, 3.0)
    told.turn(a, 3.1)
    assert told.value("ownership_moves_total", cause="ordered") == 1.0
    for second in range(4, 320):
        told.turn(b, float(second))
        told.turn(a, float(second))
    assert told.value("ownership_moves_total", cause="moved") == 1.0
    assert told.value("ownership_moves_total", cause="ordered") == 1.0


def test_an_order_that_was_taken_back_leaves_no_cause_behind():
    """Ordered to b, then back to a; a gives the link back by itself: released."""
    told, a, _ = two_units()
    told.say(Batch("", 0, (HandOver("smdr", "unit-b"),)), 2.0)
    told.say(Batch("", 0, (HandOver("smdr", "unit-a"),)), 2.1)
    told.pass_to(3.0)
    told.say(a.give_up(3.5), 3.5)
    assert told.value("ownership_moves_total", cause="released") == 1.0
    assert told.value("ownership_moves_total", cause="ordered") == 0.0


def test_a_restart_of_the_owner_is_no_move():
    """Another process of a speaks; the lease of the first ends; a gets the link again."""
    told, a, b = two_units()
    again = UnitSide("unit-a", 8, ["smdr"], profile=FAST)
    for tenth in range(20, 120):
        told.turn(again, tenth / 10)
    assert again.token("smdr").sequence == 2
    assert told.value("ownership_unowned_seconds_count", cause="expired") == 1.0
    assert told.value("ownership_moves_total", cause="expired") == 0.0
    assert (a.session, b.owner("smdr")) == (7, "unit-a")


def test_what_an_owner_keeps_over_a_new_term_was_never_unowned():
    """A tells the next leader what it holds: confirmed after the hold-off, nothing counted."""
    told, a, b = two_units()
    told.lead(2, 2.0, HOLD_OFF_S)
    for second in range(3, 12):
        for side in (a, b):
            told.turn(side, float(second))
            told.turn(side, second + 0.01)  # `session_unknown`, then open
    assert a.token("smdr").term == 2
    assert told.value("ownership_term") == 2.0
    assert told.value("ownership_links", state="owner") == 1.0
    for cause in ("new_term", "expired", "released"):
        assert told.value("ownership_unowned_seconds_count", cause=cause) == 0.0


def test_a_new_term_without_the_owner_counts_the_hold_off():
    """B alone asks the next leader, at 3.0; seen to wait at 4.1, it is granted at 8.2: 4.1 s."""
    told, _, b = two_units()
    told.lead(2, 2.0, HOLD_OFF_S)
    for now in (3.0, 3.01, 4.1, 5.2, 6.3, 7.4):
        told.turn(b, now)
    told.pass_to(8.2)
    assert told.value("ownership_unowned_seconds_count", cause="new_term") == 1.0
    assert told.value("ownership_moves_total", cause="new_term") == 1.0
    since_s = told.value("ownership_unowned_seconds_sum", cause="new_term")
    assert round(since_s, 3) == 4.1


def test_a_copy_that_does_not_lead_tells_the_term_alone():
    """Leading 0, the term as the row says, no links."""
    told, _, _ = two_units()
    told.pass_to(5.0)
    assert told.value("ownership_leading") == 1.0
    told.follower.look(None, 2, 6.1)
    assert told.value("ownership_leading") == 0.0
    assert told.value("ownership_term") == 2.0
    assert told.value("ownership_links", state="owner") == 0.0


def test_a_renewal_of_the_term_tells_how_long_it_took_and_what_was_left():
    """0.25 s for the row, 2.5 s left of the deadline; a late one leaves 0, not less."""
    told = Told()
    told.follower.renewed_term(0.25, 2.5)
    told.follower.renewed_term(5.0, -1.0)
    assert told.value("lease_renew_seconds_sum", lease="term") == 5.25
    assert told.value("lease_left_seconds_sum", lease="term") == 2.5
    assert told.value("lease_left_seconds_count", lease="term") == 2.0
