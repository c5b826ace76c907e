"""The streaming side: hold legs until their call has probably ended, then offer it.

Owns what is held, when it is offered, and from where to read again after a
restart. It keeps no truth: it may forget at any time (window over, row limit,
restart) and offers calls again as they grow; the database decides, and finds by
itself what was forgotten. Does not own the join (`components`) or calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.merge.columns import NULL, int_values, whole
from bluewhale.merge.identity import first_rows
from bluewhale.merge.joining import components
from bluewhale.records.schemas import LEG_SCHEMA

Ints = npt.NDArray[np.int64]

_FAR = 2**62


@dataclass(frozen=True, slots=True)
class LowWater:
    """Where a restarted window must read on, and the data time that held there."""

    position: int
    data_time_ms: int


class MergeWindow:
    """Legs of one partition, held for a window of ingested time.

    Parameters
    ----------
    window_ms: a component is offered when its newest leg was ingested this long
        ago by the partition's own data time; a leg that can join nothing at once.
    keep_ms: an offered component is held this much longer, so that a leg that
        comes late offers the whole call again without a re-join.
    rows_max: more held legs than this, and everything is offered and forgotten; may be
        changed at any time.
    look_ms: under load something is due all the time; held legs are looked
        through this often at most, in data time.

    Notes
    -----
    Feed in log order. `position` is the log position of the batch; a repeated
    one is allowed. After a restart feed from `low_water` of the last commit
    with `muted=True` up to the committed position: the state is rebuilt, so that
    a call that grows is offered whole. What a quiet partition offered early comes
    once more.
    """

    def __init__(
        self,
        *,
        window_ms: int,
        keep_ms: int | None = None,
        rows_max: int = 200_000,
        look_ms: int = 0,
    ) -> None:
        assert window_ms > 0, "a window has a length"
        self._window_ms = window_ms
        self._keep_ms = window_ms if keep_ms is None else keep_ms
        self.rows_max = rows_max
        self._look_ms = look_ms
        self._looked_ms = 0
        self._data_time_ms = 0
        self._next_position = 0
        self._due_ms = _FAR  # before this moment nothing held changes its state
        self._offered_size: Ints
        self._marks: list[LowWater] = []  # data time before each position that legs came at
        self._forget()

    @property
    def held(self) -> int:
        """Count of legs held."""
        return self._legs.num_rows

    def feed(
        self,
        legs: pa.Table | None,
        data_time_ms: int,
        *,
        position: int | None = None,
        muted: bool = False,
    ) -> pa.Table | None:
        """Take a batch (or a tick) and give the legs of calls to offer now.

        Parameters
        ----------
        legs: LEG_SCHEMA, any order, or None for a tick.
        data_time_ms: latest `ingested_at` of the partition; never goes back
            here even if a clock does.
        position: of this batch in the log; None = one after the last.
        muted: rebuild the state, offer nothing.

        Returns
        -------
        LEG_SCHEMA with whole components as far as they are held, or None.
        """
        at = self._next_position if position is None else position
        before = LowWater(at, self._data_time_ms)
        self._data_time_ms = max(self._data_time_ms, data_time_ms)
        self._next_position = at + 1
        offered: list[pa.Table] = []
        if legs is not None and legs.num_rows:
            once = first_rows(legs.column("cdr_id"))
            if len(once) < legs.num_rows:  # two units heard it, in one batch
                legs = legs.take(pa.array(once))
            alone = _joins_nothing(legs)
            if alone.any():
                offered.append(legs.filter(pa.array(alone)))
                legs = legs.filter(pa.array(~alone))
            if legs.num_rows:
                self._hold(legs, before)
        look_at_ms = max(self._due_ms, self._looked_ms + self._look_ms)
        if self._data_time_ms >= look_at_ms or self.held > self.rows_max:
            self._looked_ms = self._data_time_ms
            offered += self._tick()
        if muted or not offered:
            return None
        return pa.concat_tables(offered)

    def offer_held(self) -> pa.Table | None:
        """Give the legs of calls that grew since they were offered, without waiting for the window.

        For a quiet partition: what is held stays held, so a call that grows is
        offered again, whole. None = nothing new is held.
        """
        if not self.held:
            return None
        labels, size, same = self._grown()
        if same.all():
            return None
        offer = ~same
        self._offered_size = np.where(offer, size, self._offered_size)
        newest = self._newest(labels)
        self._due_ms = int(newest.min()) + self._window_ms + self._keep_ms
        return self._legs.filter(pa.array(offer))

    def offered_below(self) -> int:
        """Give the position of the first leg not yet offered."""
        waiting = self._offered_size == 0
        return int(self._position[waiting].min()) if waiting.any() else self._next_position

    def low_water(self) -> LowWater:
        """Give where to read from after a restart: the first leg not yet offered or still in its window."""
        # what was offered early may grow: without it a leg more would be a call of its own
        waiting = (self._offered_size == 0) | (self._arrived + self._window_ms > self._data_time_ms)
        if not waiting.any():
            return LowWater(self._next_position, self._data_time_ms)
        first = int(self._position[waiting].min())
        known = [mark for mark in self._marks if mark.position == first]
        assert known, "every held position has its data time"
        return known[0]

    def _forget(self) -> None:
        """Hold nothing."""
        self._legs = LEG_SCHEMA.empty_table()
        self._arrived = np.empty(0, np.int64)
        self._position = np.empty(0, np.int64)
        self._offered_size = np.empty(0, np.int64)  # legs of its component when last offered
        self._marks = []
        self._due_ms = _FAR

    def _hold(self, legs: pa.Table, before: LowWater) -> None:
        """Add legs; of legs with one id the first stays."""
        count = legs.num_rows
        arrived = int_values(legs.column("ingested_at"))
        arrived = np.where(arrived == NULL, self._data_time_ms, arrived)
        everything = pa.concat_tables([self._legs, legs])
        first = first_rows(everything.column("cdr_id"))
        position = np.concatenate([self._position, np.full(count, before.position)])
        arrived = np.concatenate([self._arrived, arrived])
        offered = np.concatenate([self._offered_size, np.zeros(count, np.int64)])
        if len(first) < everything.num_rows:
            everything = everything.take(pa.array(first))
            position, arrived, offered = position[first], arrived[first], offered[first]
        self._legs, self._position = everything, position
        self._arrived, self._offered_size = arrived, offered
        self._marks.append(before)
        self._due_ms = min(self._due_ms, int(arrived.min()) + self._window_ms)

    def _grown(self) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
        """Give label and size of each leg's component, and whether it was offered as it is."""
        labels = components(self._legs)
        size = np.bincount(labels, minlength=len(labels))[labels]
        same = np.ones(len(labels), np.bool_)
        np.logical_and.at(same, labels, self._offered_size == size)
        return labels, size, same[labels]

    def _newest(self, labels: Ints) -> Ints:
        """Give, per leg, when the newest leg of its component was ingested."""
        newest = np.zeros(len(labels), np.int64)
        np.maximum.at(newest, labels, self._arrived)
        return newest[labels]

    def _tick(self) -> list[pa.Table]:
        """Offer components that rested for a window and changed; drop those offered long ago."""
        legs = self._legs
        labels, size, same = self._grown()
        newest = self._newest(labels)
        full = self.held > self.rows_max
        offer = ~same & ((newest + self._window_ms <= self._data_time_ms) | full)
        out = [legs.filter(pa.array(offer))] if offer.any() else []
        self._offered_size = np.where(offer, size, self._offered_size)
        if full:
            self._forget()
            return out
        drop = (same | offer) & (newest + self._window_ms + self._keep_ms <= self._data_time_ms)
        due = newest + self._window_ms + np.where(same | offer, self._keep_ms, 0)
        stay = ~drop
        if drop.any():
            self._legs = legs.filter(pa.array(stay)).combine_chunks()
            self._arrived, self._position = self._arrived[stay], self._position[stay]
            self._offered_size = self._offered_size[stay]
        used = set(self._position.tolist())
        self._marks = [mark for mark in self._marks if mark.position in used]
        self._due_ms = int(due[stay].min()) if stay.any() else _FAR
        return out


def _joins_nothing(legs: pa.Table) -> npt.NDArray[np.bool_]:
    """Say which legs have no key or no event time: each is a call of its own."""
    keys = whole(legs.column("join_keys"))
    offsets = np.asarray(keys.offsets.to_numpy(zero_copy_only=False))
    none = np.diff(offsets) == 0
    none |= ~np.asarray(keys.is_valid().to_numpy(zero_copy_only=False))
    return np.asarray(none | (int_values(legs.column("join_at")) == NULL))
