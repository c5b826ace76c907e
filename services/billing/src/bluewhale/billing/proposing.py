"""One partition of cdr.parsed: hold legs for their window, propose their calls.

Owns what is held of one partition and which traces belong to it. It may forget
at any time: the main database finds what was forgotten. Does not own the join,
prices, or the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from bluewhale.merge import MergeWindow, components
from bluewhale.messaging.envelopes import ParsedMessage
from bluewhale.records.batches import Proposals
from bluewhale.stages import Stages, propose

TRACES_MAX = 256  # of messages whose legs are held; more are forgotten, oldest first
LOOKS_PER_WINDOW = 6  # a call is proposed up to a sixth of its window late; each look costs
DATA_TIME_STEP_MS = 1_000  # a message of nothing but data time goes this often at most


@dataclass(slots=True)
class Lane:
    """One partition, from its low water on; one thread owns it.

    Parameters
    ----------
    window_ms: a call is proposed when its newest leg was ingested this long ago.
    rows_max: legs held; more, and all are proposed and forgotten.
    """

    window_ms: int
    rows_max: int
    window: MergeWindow = field(init=False)
    data_time_ms: int = 0
    legs_before: int = 0  # everything proposed so far is in messages before this offset
    muted: bool = False  # still reading what was handled before a restart
    _told_ms: int = 0
    _traces: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.window = MergeWindow(
            window_ms=self.window_ms,
            rows_max=self.rows_max,
            look_ms=self.window_ms // LOOKS_PER_WINDOW,
        )

    def feed(
        self, messages: Iterable[tuple[int, ParsedMessage]], *, muted: bool
    ) -> pa.Table | None:
        """Take messages with their offsets, in order; give the legs to propose, if any.

        muted: rebuild what was held before a restart, propose nothing.
        """
        offered = []
        self.muted = muted
        for offset, message in messages:
            self.data_time_ms = max(self.data_time_ms, message.data_time_ms)
            self.legs_before = max(self.legs_before, offset + 1)
            legs = self.window.feed(
                message.legs if message.legs.num_rows else None,
                message.data_time_ms,
                position=offset,
                muted=muted,
            )
            if legs is not None:
                offered.append(legs)
            if message.legs.num_rows:
                self._traces += [(offset, trace) for trace in message.traceparents]
        if muted:
            self._told_ms = self.data_time_ms
        del self._traces[:-TRACES_MAX]
        return pa.concat_tables(offered) if offered else None

    def quiet(self) -> pa.Table | None:
        """Give the legs of calls that grew since they were proposed: nothing else comes now.

        They stay held: a call that grows is proposed again.
        """
        return None if self.muted else self.window.offer_held()

    def tells_time(self) -> bool:
        """Tell whether data time has moved enough to be said without proposals."""
        return self.data_time_ms >= self._told_ms + DATA_TIME_STEP_MS

    def told(self) -> None:
        """Note that a message with the data time of now went out."""
        self._told_ms = self.data_time_ms

    def traces(self) -> list[str]:
        """Take the traces of messages whose legs are all proposed."""
        low = self.window.offered_below()
        done = [trace for offset, trace in self._traces if offset < low]
        self._traces = [(offset, trace) for offset, trace in self._traces if offset >= low]
        return done

    def low_water(self, position: int) -> int:
        """Give the lowest offset whose legs may still make a call; `position` = none."""
        return min(position, self.window.low_water().position)


def proposed(
    legs: pa.Table, stages: Stages, *, rated_at_ms: int, rows_max: int
) -> Iterator[Proposals]:
    """Price legs in portions of whole calls, of about `rows_max` legs each.

    legs: LEG_SCHEMA, whole components; not modified. A call of more legs than
    that is a portion of its own.
    """
    if legs.num_rows <= rows_max:
        yield propose(legs, stages, rated_at_ms=rated_at_ms)
        return
    labels = components(legs)
    order = np.argsort(labels, kind="stable")
    labels, legs = labels[order], legs.take(pa.array(order))
    starts = np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))
    begin = 0
    while begin < legs.num_rows:
        later = starts[starts >= begin + rows_max]
        end = int(later[0]) if len(later) else legs.num_rows
        yield propose(legs.slice(begin, end - begin), stages, rated_at_ms=rated_at_ms)
        begin = end
