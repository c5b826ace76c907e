"""What a unit tells about its own journal."""

from __future__ import annotations

from bluewhale.journal import Tally
from bluewhale.remoteunit.reporting import bytes_per_day


def test_the_pace_of_a_journal_is_its_fullest_day_of_a_week():
    """All streams of a day together; a month ago says nothing about today."""
    today = 20_000
    tallies = [
        Tally(1, today, heard=10, journaled=10, bytes=1_000),
        Tally(2, today, heard=5, journaled=5, bytes=500),
        Tally(1, today - 6, heard=100, journaled=100, bytes=8_000),
        Tally(1, today - 7, heard=900, journaled=900, bytes=90_000),
    ]
    assert bytes_per_day(tallies, today) == 8_000 + 100 * 60
    assert bytes_per_day(tallies[:2], today) == 1_500 + 15 * 60
    assert bytes_per_day([], today) == 0
