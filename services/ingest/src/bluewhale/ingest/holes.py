"""What a unit deleted and the main database does not have: it was restored from a backup.

A unit deletes what the main database said is stored. So where a unit knows more
as stored than the main database says, the database went back in time. What the
log still holds stands there before what is named here, and stored beats lost:
nothing that comes again is called lost. Unnamed, a hole would hold the mark of
its stream for ever, and the unit would delete nothing more.

Owns the comparison and the frame that names a hole. Does not own marks or the log.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import CaptureLoss, Frame
from bluewhale.messaging.envelopes import RawFrame
from bluewhale.records.enums import LossReason
from bluewhale.uplink import LaneKey, Packer, StoredMark

HOLD_MS = 5_000  # a mark that another copy of ingest told is here by then
AGAIN_MS = 60_000  # named again, should it not have got into the main database
KEPT_MAX = 10_000


class Holes:
    """Compares what units say with what the main database says; remembers when to name what."""

    def __init__(self) -> None:
        self._due: dict[tuple[LaneKey, int], int] = {}  # with the first number that is missing
        self._packer = Packer()

    def found(
        self,
        told: Iterable[pb.Lane],
        own: Container[int],
        marks: Iterable[StoredMark],
        now_ms: int,
    ) -> list[RawFrame]:
        """Give a frame per hole that is to be named now.

        told: lanes as a unit tells them; own: its streams; marks: all of these
        streams that the main database has.
        """
        stored = {LaneKey(m.stream_id, m.incarnation): m.stored_through for m in marks}
        frames = []
        for lane in told:
            key = LaneKey(lane.stream_id, lane.incarnation)
            first = stored.get(key, 0) + 1
            if key.stream_id not in own or lane.stored_through < first:
                continue
            if len(self._due) >= KEPT_MAX:
                self._due.clear()
            if now_ms >= self._due.setdefault((key, first), now_ms + HOLD_MS):
                self._due[key, first] = now_ms + AGAIN_MS
                frames.append(self._frame(key, first, lane.stored_through, now_ms))
        return frames

    def _frame(self, key: LaneKey, first: int, last: int, now_ms: int) -> RawFrame:
        loss = CaptureLoss(first, last, LossReason.DATABASE_RESTORED)
        packed = self._packer.pack(Frame(*key, first, 1, (), None, (loss,)))
        return RawFrame(*key, first, last, packed.packed, now_ms)
