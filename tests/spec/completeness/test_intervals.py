"""What of a stream is stored, lost or missing."""

import random

import pytest
from bluewhale.records.intervals import (
    Interval,
    check,
    gaps,
    holds,
    lost,
    merge,
    merge_all,
    stored_count,
    stored_through,
)


def _text(intervals):
    return " ".join(f"{i.first}-{i.last}{'!' * bool(i.lost_reason)}" for i in intervals)


# what was there, what is added ("!" = lost), what results
CASES = [
    ("", "1-5", "1-5"),
    ("1-5", "6-9", "1-9"),
    ("1-5", "7-9", "1-5 7-9"),
    ("1-5 7-9", "6-6", "1-9"),
    ("1-5", "3-8", "1-8"),
    ("3-8", "1-5", "1-8"),
    ("1-9", "3-4", "1-9"),
    ("1-5", "6-8!", "1-5 6-8!"),
    ("1-5 9-9", "4-10!", "1-5 6-8! 9-9 10-10!"),
    ("1-5 6-8!", "7-7", "1-5 6-6! 7-7 8-8!"),
    ("1-5 6-8!", "6-8", "1-8"),
    ("1-3! 4-5", "1-5", "1-5"),
    ("1-3!", "4-5!", "1-5!"),
]


def _parse(text):
    out = []
    for word in text.split():
        first, last = word.rstrip("!").split("-")
        out.append(Interval(int(first), int(last), "journal_full" if "!" in word else ""))
    return tuple(out)


@pytest.mark.parametrize(("before", "added", "after"), CASES)
def test_ranges_merge_and_stored_beats_lost(before, added, after):
    """A range that arrives after all is stored; a loss never hides what is stored."""
    (new,) = _parse(added)
    result = merge(_parse(before), new.first, new.last, new.lost_reason)
    check(result)
    assert _text(result) == after


@pytest.mark.parametrize(
    ("intervals", "through", "missing"),
    [
        ("", 0, ()),
        ("1-5", 5, ()),
        ("2-5", 0, ((1, 1),)),
        ("1-5 6-8! 9-9", 9, ()),
        ("1-5 7-9 12-12", 5, ((6, 6), (10, 11))),
    ],
)
def test_the_mark_stands_before_the_first_unknown_record(intervals, through, missing):
    """Lost is known; only what nobody explained stops the mark."""
    assert stored_through(_parse(intervals)) == through
    assert gaps(_parse(intervals)) == missing


def test_gaps_reach_to_what_the_unit_has_journaled():
    """With the last sequence number known, what never arrived is a gap too."""
    assert gaps(_parse("1-5 7-9"), 12) == ((6, 6), (10, 12))
    assert gaps(_parse("1-5 7-9"), 6) == ((6, 6),)
    assert gaps((), 3) == ((1, 3),)


def test_counts_and_losses():
    """5 + 1 stored, 3 lost."""
    intervals = _parse("1-5 6-8! 9-9")
    assert stored_count(intervals) == 6
    assert _text(lost(intervals)) == "6-8!"
    assert holds(intervals, 5)
    assert not holds(intervals, 6)
    assert not holds(intervals, 10)


def test_any_order_of_ranges_ends_at_the_same_set():
    """Against a plain set of numbers."""
    chance = random.Random(5)
    for _ in range(200):
        ranges = [(a, a + chance.randint(0, 6)) for a in (chance.randint(1, 40) for _ in range(8))]
        result = merge_all((), ranges)
        check(result)
        numbers = {n for a, b in ranges for n in range(a, b + 1)}
        assert {n for i in result for n in range(i.first, i.last + 1)} == numbers
        assert merge_all((), chance.sample(ranges, len(ranges))) == result
