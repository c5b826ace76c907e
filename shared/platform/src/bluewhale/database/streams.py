"""The capture-key gate, and what of each stream is stored or lost.

The intervals are the acknowledgement and the completeness proof in one: a
sequence number in a stored interval is a leg, a duplicate or a suspense row,
so the gate needs no row per record. Does not own what happens to a record that
passes (`commit`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.database import counters, keys
from bluewhale.database.batch import Mark
from bluewhale.database.engine import Transaction
from bluewhale.database.lookup import Lookup
from bluewhale.records.batches import StreamLoss

NEW, REPLAYED, CONFLICT = 0, 1, 2
Range = tuple[int, int]


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Give the fewest closed ranges that cover the same numbers, ascending."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def without(ranges: Iterable[Range], holes: Sequence[Range]) -> list[Range]:
    """Give `ranges` minus `holes`; holes are merged and ascending."""
    left: list[Range] = []
    for first, last in ranges:
        at = first
        for hole_first, hole_last in holes:
            if hole_last < at:
                continue
            if hole_first > last:
                break
            if hole_first > at:
                left.append((at, hole_first - 1))
            at = hole_last + 1
        if at <= last:
            left.append((at, last))
    return left


def ranges_of(seqs: npt.NDArray[np.int64]) -> list[Range]:
    """Give the closed ranges of ascending sequence numbers."""
    if not len(seqs):
        return []
    breaks = np.flatnonzero(np.diff(seqs) > 1)
    firsts = seqs[np.concatenate([[0], breaks + 1])]
    lasts = seqs[np.concatenate([breaks, [len(seqs) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


@dataclass(slots=True)
class StreamState:
    """Intervals of one (stream, incarnation); stored beats lost."""

    stream_id: int
    incarnation: int
    stored: list[Range] = field(default_factory=list)
    lost: dict[str, list[Range]] = field(default_factory=dict)
    changed: bool = False

    def add_stored(self, seqs: npt.NDArray[np.int64]) -> None:
        """Note ascending sequence numbers as stored."""
        if not len(seqs):
            return
        self.stored = merge_ranges([*self.stored, *ranges_of(seqs)])
        self.lost = {r: without(lost, self.stored) for r, lost in self.lost.items()}
        self.changed = True

    def add_lost(self, first: int, last: int, reason: str) -> int:
        """Note a range as lost where nothing is stored; give how many numbers are new."""
        known = merge_ranges([*self.stored, *(r for lost in self.lost.values() for r in lost)])
        fresh = without([(first, last)], known)
        if fresh:
            self.lost[reason] = merge_ranges([*self.lost.get(reason, []), *fresh])
            self.changed = True
        return sum(b - a + 1 for a, b in fresh)

    def stored_through(self) -> int:
        """Give the last number up to which every one from 1 is stored or lost."""
        known = merge_ranges([*self.stored, *(r for lost in self.lost.values() for r in lost)])
        return known[0][1] if known and known[0][0] <= 1 else 0

    def holds(self, seqs: npt.NDArray[np.int64]) -> keys.Bools:
        """Say which sequence numbers are stored."""
        if not self.stored or not len(seqs):
            return np.zeros(len(seqs), np.bool_)
        firsts = np.array([a for a, _ in self.stored], np.int64)
        lasts = np.array([b for _, b in self.stored], np.int64)
        at = np.searchsorted(firsts, seqs, "right") - 1
        return (at >= 0) & (seqs <= lasts[np.maximum(at, 0)])


def load_states(
    tx: Transaction, wanted: Collection[tuple[int, int]]
) -> dict[tuple[int, int], StreamState]:
    """Read the intervals of streams and incarnations."""
    states = {key: StreamState(*key) for key in wanted}
    for stream, incarnation, first, last, kind, reason in tx.rows_in(
        "SELECT stream_id, incarnation, first_seq, last_seq, state, reason FROM stream_interval"
        " WHERE stream_id IN ({marks}) ORDER BY stream_id, incarnation, first_seq",
        sorted({stream for stream, _ in wanted}),
    ):
        state = states.get((stream, incarnation))
        if state is None:
            continue
        if kind == "stored":
            state.stored.append((first, last))
        else:
            state.lost.setdefault(reason, []).append((first, last))
    return states


def save_states(tx: Transaction, states: Iterable[StreamState]) -> None:
    """Write the intervals of streams and incarnations."""
    rows: list[tuple[int, int, int, int, str, str]] = []
    keys_: list[tuple[int, int]] = []
    for state in sorted(states, key=lambda s: (s.stream_id, s.incarnation)):
        key = (state.stream_id, state.incarnation)
        keys_.append(key)
        rows += [(*key, a, b, "stored", "") for a, b in state.stored]
        rows += [
            (*key, a, b, "lost", reason) for reason, lost in state.lost.items() for a, b in lost
        ]
    tx.many("DELETE FROM stream_interval WHERE stream_id = ? AND incarnation = ?", keys_)
    tx.many("INSERT INTO stream_interval VALUES (?, ?, ?, ?, ?, ?)", rows)


@dataclass(slots=True)
class Records:
    """Capture keys and CRCs of the records of a batch: legs first, then rejects."""

    stream: keys.Ints
    incarnation: keys.Ints
    seq: keys.Ints
    crc: keys.Ints

    def __len__(self) -> int:
        """Count of records."""
        return len(self.seq)


def record_keys(tables: Sequence[pa.Table]) -> Records:
    """Give the capture keys and CRCs of all rows of `tables`, one table after the other."""
    names = ("stream_id", "incarnation", "seq", "record_crc")
    return Records(*(np.concatenate([keys.integers(t.column(n)) for t in tables]) for n in names))


class Gate:
    """Decides per record: new, replayed, or in conflict; keeps the states it read."""

    def __init__(self, tx: Transaction, lookup: Lookup) -> None:
        self._tx = tx
        self._lookup = lookup
        self.states: dict[tuple[int, int], StreamState] = {}
        self._crc_at: dict[tuple[int, int], dict[int, int]] = {}

    def state(self, stream_id: int, incarnation: int) -> StreamState:
        """Give the state of a stream and incarnation, read once."""
        key = (stream_id, incarnation)
        if key not in self.states:
            self.states |= load_states(self._tx, {key})
        return self.states[key]

    def judge(self, records: Records) -> npt.NDArray[np.int8]:
        """Give NEW, REPLAYED or CONFLICT per record, and note the new ones as stored."""
        verdict = np.zeros(len(records), np.int8)
        if not len(records):
            return verdict
        order = np.lexsort((records.seq, records.incarnation, records.stream))
        stream, incarnation, seq, crc = (
            a[order] for a in (records.stream, records.incarnation, records.seq, records.crc)
        )
        starts = keys.run_starts(stream, incarnation)
        ends = np.append(starts[1:], len(order))
        named = set(zip(stream[starts].tolist(), incarnation[starts].tolist(), strict=True))
        self.states |= load_states(self._tx, named - self.states.keys())
        judged = np.zeros(len(order), np.int8)
        again = np.zeros(len(order), np.bool_)  # same capture key twice in this batch
        again[1:] = (
            (seq[1:] == seq[:-1]) & (stream[1:] == stream[:-1])
            & (incarnation[1:] == incarnation[:-1])
        )  # fmt: skip
        if bool(again.any()):
            leader = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
            judged[again] = np.where(crc[again] == crc[leader[again]], REPLAYED, CONFLICT)
        for first, after in zip(starts.tolist(), ends.tolist(), strict=True):
            part = slice(first, after)
            state = self.state(int(stream[first]), int(incarnation[first]))
            known = state.holds(seq[part])
            if bool(known.any()):
                self._judge_known(state, seq[part], crc[part], known, judged[part])
            state.add_stored(seq[part][~known])
            self._crc_at[state.stream_id, state.incarnation] = {}
            self._note_last(state, seq[part], crc[part], judged[part])
        verdict[order] = judged
        return verdict

    def _judge_known(
        self,
        state: StreamState,
        seq: keys.Ints,
        crc: keys.Ints,
        known: keys.Bools,
        judged: npt.NDArray[np.int8],
    ) -> None:
        have = self._lookup.crcs(state.stream_id, state.incarnation, seq[known].tolist())
        stored = np.array([have.get(s, -1) for s in seq[known].tolist()], np.int64)
        same = (stored < 0) | (stored == crc[known])
        judged[known] = np.where(same, REPLAYED, CONFLICT)
        # a corrupt frame waits under the key of its first record, which is not stored by that
        frames = self._frames(state, [s for s in seq[known].tolist() if s not in have])
        judged[known & np.isin(seq, frames) & (crc != 0)] = NEW

    def _frames(self, state: StreamState, seqs: Sequence[int]) -> list[int]:
        """Give those of the sequence numbers that stand for a frame alone."""
        if not seqs:
            return []
        rows = self._tx.rows_in(
            "SELECT seq FROM suspense WHERE stream_id = ? AND incarnation = ?"
            " AND reason = 'frame_corrupt' AND seq IN ({marks})",
            seqs,
            (state.stream_id, state.incarnation),
        )
        return [row[0] for row in rows]

    def _note_last(
        self, state: StreamState, seq: keys.Ints, crc: keys.Ints, judged: npt.NDArray[np.int8]
    ) -> None:
        through = state.stored_through()
        at = int(np.searchsorted(seq, through))
        if at < len(seq) and seq[at] == through and judged[at] == NEW:
            self._crc_at[state.stream_id, state.incarnation][through] = int(crc[at])

    def lose(self, loss: StreamLoss) -> int:
        """Note a loss; give how many capture keys are newly lost."""
        state = self.state(loss.stream_id, loss.incarnation)
        return state.add_lost(loss.first_seq, loss.last_seq, loss.reason)

    def save(self) -> None:
        """Write intervals and marks of every stream that changed."""
        marks: list[tuple[int, int, int, int | None]] = []
        changed = {key: state for key, state in self.states.items() if state.changed}
        save_states(self._tx, changed.values())
        for key, state in changed.items():
            through = state.stored_through()
            crc = self._crc_at.get(key, {}).get(through)
            if crc is None and through:
                crc = self._lookup.crcs(*key, [through]).get(through)
            marks.append((*key, through, crc))
        if not marks:
            return
        # Last of all: the counter's row is held until the commit, so stamps become
        # visible in their order and a reader that asks "after N" misses none.
        stamp = counters.next_value(self._tx, "mark_stamp")
        self._tx.many(
            "INSERT INTO stream_mark (stream_id, incarnation, stored_through, record_crc, stamp)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (stream_id, incarnation)"
            " DO UPDATE SET stored_through = excluded.stored_through,"
            " record_crc = excluded.record_crc, stamp = excluded.stamp",
            [(*mark, stamp) for mark in sorted(marks, key=lambda m: m[:2])],
        )


def read_marks(tx: Transaction, stream_id: int | None = None) -> list[Mark]:
    """Give the marks of one stream, or of all."""
    where, values = ("", ()) if stream_id is None else (" WHERE stream_id = ?", (stream_id,))
    return [
        Mark(*r)
        for r in tx.rows(
            "SELECT stream_id, incarnation, stored_through, record_crc FROM stream_mark"
            f"{where} ORDER BY stream_id, incarnation",
            values,
        )
    ]


def read_changed(tx: Transaction, after: int) -> tuple[int, list[Mark]]:
    """Give the marks changed since stamp `after`, and the stamp to ask with next."""
    rows = tx.rows(
        "SELECT stream_id, incarnation, stored_through, record_crc, stamp FROM stream_mark"
        " WHERE stamp > ? ORDER BY stamp, stream_id, incarnation",
        (after,),
    )
    return (rows[-1][4] if rows else after), [Mark(*r[:4]) for r in rows]
