"""Rests between rounds: a line alone waits little, many small rounds make room for one another."""

from __future__ import annotations

from bluewhale.cli.pace import Pace


class _Rounds:
    """Rounds that each work and rest as they are told, on a clock of their own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pace = Pace(0.05, clock=lambda: self.now_s)

    def round(self, worked_s: float) -> float:
        """Work; then rest, and say how long."""
        self.now_s += worked_s
        rest_s = self.pace.rest_s(worked_s)
        self.now_s += rest_s
        return rest_s


def test_a_line_alone_is_not_rested_for():
    """Two rounds of it: one takes it, one prices its call."""
    rounds = _Rounds()
    assert [round(rounds.round(s), 3) for s in (0.0, 0.02, 0.016, 0.0)] == [0.05] * 4


def test_rounds_that_follow_one_another_rest_until_a_sixth_of_the_time_is_worked():
    """As with fifty lines a second."""
    rounds = _Rounds()
    rests = [rounds.round(0.025) for _ in range(100)]
    assert rests[0] < rests[10] < rests[50]
    assert round(0.025 / (0.025 + rests[-1]), 2) == 0.16


def test_after_some_seconds_of_nothing_a_line_is_alone_again():
    """What was worked is forgotten."""
    rounds = _Rounds()
    for _ in range(100):
        rounds.round(0.025)
    for _ in range(60):
        rests_s = rounds.round(0.0)
    assert rests_s == 0.05


def test_long_rounds_never_rest_longer_than_a_second():
    """A share of all is the most."""
    rounds = _Rounds()
    assert [round(rounds.round(5.0), 3) for _ in range(3)] == [0.95, 0.95, 0.95]
