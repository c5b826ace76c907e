"""Do the windows of a timing hold at every instant, each without doubt?

Owns the check of gaps, of windows that could both hold, and of windows that
never hold. Every real day from the start of the tariff on is matched against
every window (weekday, day of month, month, year, calendar), days with the same
set of windows are looked at once, and the 24 hours of such a day are cut where
any window starts or ends. So leap days, holidays and year limits are covered
without a rule for each.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from bluewhale.rating.tariff import Timing, Window

OPEN_YEARS = 28
"""A tariff without end is looked at so far: all pairs of weekday and date occur."""

LONGEST_CALL_DAYS = 31
"""A call keeps its tariff past the tariff's end, so windows must hold a while longer."""

DAYS_MAX = 366 * 200
DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one day, and a day on which it occurs."""

    day: date
    from_second: int
    to_second: int

    def text(self) -> str:
        """Give the span as people write it."""
        return (
            f"{self.day:%A} {self.day} from {clock_text(self.from_second)} "
            f"to {clock_text(self.to_second)}"
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the check of one timing found; windows are indices.

    `gaps`: one span for each kind of day and hole. `doubts`: two windows and a
    span where both could hold. `idle`: windows that never hold.
    """

    gaps: tuple[Span, ...]
    doubts: tuple[tuple[int, int, Span], ...]
    idle: tuple[int, ...]


def check_timing(
    timing: Timing,
    calendars: Mapping[str, frozenset[date]],
    first: date,
    last: date | None,
) -> Coverage:
    """Look at every kind of day from `first` to `last` (local days of the tariff).

    A window with an unknown calendar matches no day; that mistake is reported
    where the document is read.
    """
    days = _days(timing, calendars, first, last)
    matches = np.stack([_matches(window, calendars, days) for window in timing.windows])
    packed = np.packbits(matches, axis=0)
    _, examples = np.unique(packed, axis=1, return_index=True)
    gaps: list[Span] = []
    doubts: dict[tuple[int, int], Span] = {}
    winners: set[int] = set()
    for example in sorted(int(index) for index in examples):
        day = _EPOCH + timedelta(days=int(days[example].astype("datetime64[D]").astype(np.int64)))
        holding = [int(index) for index in np.flatnonzero(matches[:, example])]
        _check_day(timing, holding, day, gaps, doubts, winners)
    idle = tuple(index for index in range(len(timing.windows)) if index not in winners)
    return Coverage(
        gaps=tuple(gaps),
        doubts=tuple((one, other, span) for (one, other), span in sorted(doubts.items())),
        idle=idle,
    )


def _check_day(
    timing: Timing,
    holding: list[int],
    day: date,
    gaps: list[Span],
    doubts: dict[tuple[int, int], Span],
    winners: set[int],
) -> None:
    """Walk the 24 hours of one day over the windows that match it."""
    windows = timing.windows
    cuts = {0, DAY_SECONDS}
    for index in holding:
        cuts.update((windows[index].start_second, windows[index].end_second))
    edges = sorted(cut for cut in cuts if 0 <= cut <= DAY_SECONDS)
    hole: int | None = None
    for begin, end in itertools.pairwise(edges):
        live = [
            index
            for index in holding
            if windows[index].start_second <= begin and end <= windows[index].end_second
        ]
        if not live:
            hole = begin if hole is None else hole
            continue
        if hole is not None:
            gaps.append(Span(day, hole, begin))
            hole = None
        best = max((windows[index].priority, windows[index].start_second) for index in live)
        top = [
            index
            for index in live
            if (windows[index].priority, windows[index].start_second) == best
        ]
        winners.update(top)
        if len(top) > 1:
            doubts.setdefault((top[0], top[1]), Span(day, begin, end))
    if hole is not None:
        gaps.append(Span(day, hole, DAY_SECONDS))


def _days(
    timing: Timing,
    calendars: Mapping[str, frozenset[date]],
    first: date,
    last: date | None,
) -> npt.NDArray[np.datetime64]:
    """Give every day that may look different from the others."""
    end = first + timedelta(days=366 * OPEN_YEARS) if last is None else last
    if last is None:
        for window in timing.windows:
            if window.years:
                year = min(max(window.years) + 1, 9_000)
                end = max(end, date(year, 12, 31))
            named = calendars.get(window.calendar or "", frozenset())
            if named:
                end = max(end, *named)
    begin = np.datetime64(first, "D")
    count = min((end - first).days + 1 + LONGEST_CALL_DAYS, DAYS_MAX)
    return begin + np.arange(max(count, 1), dtype=np.int64).astype("timedelta64[D]")


def _matches(
    window: Window, calendars: Mapping[str, frozenset[date]], days: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.bool_]:
    """Tell for each day whether every condition of the window holds."""
    numbers = days.astype("datetime64[D]").astype(np.int64)
    months = days.astype("datetime64[M]")
    held = np.full(len(days), window.start_second < window.end_second)
    if window.weekdays is not None:
        # 1970-01-01 was a Thursday, which is day 4
        held &= np.isin((numbers + 3) % 7 + 1, list(window.weekdays))
    if window.monthdays is not None:
        held &= np.isin((days - months).astype(np.int64) + 1, list(window.monthdays))
    if window.months is not None:
        held &= np.isin(months.astype(np.int64) % 12 + 1, list(window.months))
    if window.years is not None:
        held &= np.isin(days.astype("datetime64[Y]").astype(np.int64) + 1970, list(window.years))
    if window.calendar is not None:
        named = [(day - _EPOCH).days for day in calendars.get(window.calendar, frozenset())]
        held &= np.isin(numbers, np.array(named, dtype=np.int64))
    return held


def clock_text(second: int) -> str:
    """Give a second of the day as hh:mm, with seconds where they are not 0."""
    hours, rest = divmod(second, 3_600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")
