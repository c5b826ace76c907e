"""From the journal to the main database: the embedded consumer.

Owns the loop of records.md's embedded column: read frames behind each stream's
mark, run the stages, commit everything of one round in one transaction, then
let the journal delete. It keeps no truth of its own: after a crash it starts
from the marks of the main database, reads again, and the repeat is a no-op.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
from bluewhale.capture import context_id
from bluewhale.database import Batch, ClaimStep, Heard
from bluewhale.merge import MergeWindow
from bluewhale.records.batches import StreamLoss
from bluewhale.stages import Stages, parse_stage, propose, raw_batch

if TYPE_CHECKING:
    from bluewhale.capture import Frame
    from bluewhale.cli.monitoring import Monitor
    from bluewhale.database import Store
    from bluewhale.journal import Journal
    from bluewhale.records.batches import LinkProfile

QUIET_S = 0.05  # no record for so long, and what is held is offered


@dataclass(slots=True)
class _Round:
    """What one pass over the journal collected."""

    legs: list[pa.Table] = field(default_factory=list)
    rejects: list[pa.Table] = field(default_factory=list)
    losses: list[StreamLoss] = field(default_factory=list)
    contexts: dict[int, bytes] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    records: int = 0
    reached: dict[tuple[int, int], int] = field(default_factory=dict)


class Processor:
    """Moves journaled records into the main database; one thread calls it."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        stages: Callable[[], Stages],
        profiles: Iterable[LinkProfile],
        *,
        monitor: Monitor,
        window_ms: int,
        batch_records_max: int,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._journal = journal
        self._store = store
        self._stages = stages
        self._profiles = {p.stream_id: p for p in profiles}
        self._monitor = monitor
        self._window = MergeWindow(window_ms=window_ms)
        self._batch_records_max = batch_records_max
        self._clock_ms = clock_ms
        self._claim = store.claim("embedded", "journal", 0)
        self._offset = self._claim.next_offset
        self._after = {(m.stream_id, m.incarnation): m.stored_through for m in store.marks()}
        # a crash between commit and acknowledgement: nothing more comes of such a lane
        self._acknowledge(
            {
                key: lane.journaled_through
                for lane in journal.streams()
                if self._after.get(key := (lane.stream_id, lane.incarnation))
                == lane.journaled_through
            }
        )
        self._tallied: dict[tuple[int, int], tuple[int, int]] = {}
        self._quiet_at_s = math.inf
        self.busy = False  # the last round was full: more waits

    def step(self) -> int:
        """Process one round; gives the count of records taken from the journal."""
        stages = self._stages()  # may fail: before anything is held
        now_ms, started_s = self._clock_ms(), time.monotonic()
        work = self._collect(now_ms)
        self.busy = work.records >= self._batch_records_max
        legs = pa.concat_tables(work.legs) if work.legs else None
        closed = self._window.feed(legs, now_ms)
        if work.records:
            self._quiet_at_s = started_s + QUIET_S
        elif closed is None and started_s >= self._quiet_at_s:
            # nobody talks: calls are offered early, and again if they grow after all
            closed = self._window.offer_held()
            self._quiet_at_s = math.inf
        proposals = None
        if closed is not None and closed.num_rows:
            proposals = propose(closed, stages, rated_at_ms=now_ms)
        heard = self._heard()
        if not (work.records or work.losses or proposals or heard):
            return 0
        result = self._store.commit(
            Batch(
                now_ms=now_ms,
                claims=[ClaimStep(self._claim, self._offset, self._offset + 1)],
                legs=legs,
                rejects=pa.concat_tables(work.rejects) if work.rejects else None,
                losses=work.losses,
                proposals=proposals,
                contexts=work.contexts,
                heard=heard,
                data_time_ms=now_ms,
            )
        )
        self._offset += 1
        self._after.update(work.reached)
        self._acknowledge(work.reached)
        if work.records or proposals is not None:
            self._monitor.committed(work.records, result, work.reasons, started_s)
        return work.records

    def _collect(self, now_ms: int) -> _Round:
        work = _Round()
        for stream in self._journal.streams():
            profile = self._profiles.get(stream.stream_id)
            if profile is None:
                continue  # a link that was taken out of the configuration keeps its records
            key = (stream.stream_id, stream.incarnation)
            after = self._after.get(key, 0)
            while after < stream.journaled_through and work.records < self._batch_records_max:
                frame = self._journal.read(*key, after_seq=after)
                if frame is None:
                    break
                self._take(frame, profile, work, now_ms)
                after = frame.last_seq
                work.reached[key] = after
        return work

    def _take(self, frame: Frame, profile: LinkProfile, work: _Round, now_ms: int) -> None:
        work.losses += [
            StreamLoss(frame.stream_id, frame.incarnation, x.first_seq, x.last_seq, x.reason)
            for x in frame.losses
        ]
        if not frame.records:
            return
        outcome = parse_stage(raw_batch(frame, now_ms), profile)
        work.legs.append(outcome.accepted)
        work.rejects.append(outcome.rejected)
        work.records += len(frame.records)
        reasons = Counter(outcome.rejected.column("reason").to_pylist())
        work.reasons += reasons
        self._monitor.stored(profile.link_uid, outcome.accepted.num_rows, reasons)
        if frame.context is not None:
            work.contexts[context_id(frame.context)] = frame.context

    def _heard(self) -> list[Heard]:
        """Give the counts of the edge that changed since the last commit."""
        changed = []
        for t in self._journal.tallies():
            key, counts = (t.stream_id, t.day), (t.heard, t.journaled)
            if t.stream_id in self._profiles and self._tallied.get(key) != counts:
                self._tallied[key] = counts
                changed.append(Heard(t.stream_id, 0, t.day, t.heard, t.journaled))
        return changed

    def _acknowledge(self, reached: Mapping[tuple[int, int], int]) -> None:
        for stream_id in {stream_id for stream_id, _ in reached}:
            for mark in self._store.marks(stream_id):
                if (mark.stream_id, mark.incarnation) in reached:
                    self._journal.acknowledge(
                        mark.stream_id, mark.incarnation, mark.stored_through, mark.record_crc
                    )
