"""Which records of a stream are stored, which are lost, and what is missing.

Owns the pure algebra over sequence numbers of one stream and incarnation: seq
counts from 1, ranges are closed. It is the acknowledgement and the proof of
completeness at once. Does not own where intervals are kept.

>>> merge(merge((), 1, 5), 6, 9)
(Interval(first=1, last=9, lost_reason=''),)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Records first..last (both included); `lost_reason` "" = stored."""

    first: int
    last: int
    lost_reason: str = ""

    def __len__(self) -> int:
        """Count of records."""
        return self.last - self.first + 1


Intervals = tuple[Interval, ...]


def check(intervals: Sequence[Interval]) -> None:
    """Assert what every function here keeps: rising, disjoint, equal neighbours joined."""
    for interval in intervals:
        assert 1 <= interval.first <= interval.last, interval
    for one, two in pairwise(intervals):
        assert one.last < two.first, (one, two)
        assert one.last + 1 < two.first or one.lost_reason != two.lost_reason, (one, two)


def merge(intervals: Intervals, first: int, last: int, lost_reason: str = "") -> Intervals:
    """Add a range. Stored beats lost: what is stored stays stored, what comes after all counts.

    A lost range never replaces stored records, nor an earlier reason of loss.
    """
    assert 1 <= first <= last, (first, last)
    new = Interval(first, last, lost_reason)
    parts: list[Interval] = []
    if lost_reason:
        parts.extend(intervals)
        parts.extend(_without(new, intervals))
    else:
        for old in intervals:
            parts.extend([old] if not old.lost_reason else _without(old, (new,)))
        parts.extend(_without(new, [p for p in parts if not p.lost_reason]))
    return _joined(parts)


def merge_all(intervals: Intervals, ranges: Iterable[tuple[int, int]]) -> Intervals:
    """Add many stored ranges."""
    for first, last in ranges:
        intervals = merge(intervals, first, last)
    return intervals


def stored_through(intervals: Intervals) -> int:
    """Give the largest seq up to which every record is stored or known to be lost; 0 = none."""
    through = 0
    for interval in intervals:
        if interval.first != through + 1:
            break
        through = interval.last
    return through


def gaps(intervals: Intervals, through: int | None = None) -> tuple[tuple[int, int], ...]:
    """Give the ranges of which nothing is known, up to `through` (None = the last interval)."""
    end = through if through is not None else (intervals[-1].last if intervals else 0)
    found = []
    expected = 1
    for interval in intervals:
        if interval.first > end:
            break
        if interval.first > expected:
            found.append((expected, interval.first - 1))
        expected = interval.last + 1
    if expected <= end:
        found.append((expected, end))
    return tuple(found)


def holds(intervals: Intervals, seq: int) -> bool:
    """Say whether one record is stored."""
    return any(i.first <= seq <= i.last and not i.lost_reason for i in intervals)


def stored_count(intervals: Intervals) -> int:
    """Count the stored records."""
    return sum(len(i) for i in intervals if not i.lost_reason)


def lost(intervals: Intervals) -> Intervals:
    """Give the lost ranges with their reasons."""
    return tuple(i for i in intervals if i.lost_reason)


def _without(interval: Interval, others: Sequence[Interval]) -> list[Interval]:
    """Give the parts of an interval that no other covers."""
    parts = [interval]
    for other in others:
        rest: list[Interval] = []
        for part in parts:
            if other.last < part.first or part.last < other.first:
                rest.append(part)
                continue
            if part.first < other.first:
                rest.append(Interval(part.first, other.first - 1, part.lost_reason))
            if other.last < part.last:
                rest.append(Interval(other.last + 1, part.last, part.lost_reason))
        parts = rest
    return parts


def _joined(parts: list[Interval]) -> Intervals:
    out: list[Interval] = []
    for part in sorted(parts):
        if out and out[-1].last + 1 == part.first and out[-1].lost_reason == part.lost_reason:
            out[-1] = Interval(out[-1].first, part.last, part.lost_reason)
        else:
            out.append(part)
    return tuple(out)
