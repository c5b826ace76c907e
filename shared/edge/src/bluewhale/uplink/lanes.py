"""What the unit knows of each (stream, incarnation), and whose turn it is.

Owns the marks of lanes and fair turns: the stream that was served the fewest
bytes is next, so one huge or stuck backlog never holds up the others. Does not
own the connection: `unit_side`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink.shapes import LaneKey


@dataclass(slots=True)
class UnitLane:
    """Marks of one lane: stored <= sent <= journaled, on this connection."""

    journaled_through: int = 0
    stored_through: int = 0
    sent_through: int = 0
    received_through: int = 0
    waiting_since_ms: int | None = None  # the log has more than the main database since then
    resends: int = 0  # since stored_through last moved

    @property
    def ready(self) -> bool:
        """Whether there is something to send."""
        return self.sent_through < self.journaled_through


@dataclass(slots=True)
class _Turns:
    """How a stream was served; `wait_until_ms` is set by a Throttle or a Refusal."""

    served_bytes: float = 0.0
    wait_until_ms: int = 0
    active: bool = False
    lanes: list[int] = field(default_factory=list)  # incarnations, oldest first


class Lanes:
    """All lanes of a unit."""

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, UnitLane] = {}
        self._streams: dict[int, _Turns] = {}
        self._least_served = 0.0

    def told(self, infos: Iterable[pb.Lane], now_ms: int) -> None:
        """Take the journal's list: oldest first, complete. Lanes that left are forgotten."""
        before, self._lanes = self._lanes, {}
        for turns in self._streams.values():
            turns.lanes.clear()
        for info in infos:
            key = LaneKey(info.stream_id, info.incarnation)
            lane = before.get(key) or UnitLane()
            lane.journaled_through = info.journaled_through
            self._stored(lane, info.stored_through, now_ms)
            self._lanes[key] = lane
            self._streams.setdefault(key.stream_id, _Turns()).lanes.append(key.incarnation)

    def restart(self, now_ms: int) -> None:
        """Begin a connection: everything that is not stored is sent again."""
        for lane in self._lanes.values():
            lane.sent_through = lane.received_through = lane.stored_through
            lane.waiting_since_ms, lane.resends = None, 0
        for turns in self._streams.values():
            turns.served_bytes, turns.wait_until_ms, turns.active = 0.0, 0, False
        self._least_served = 0.0

    def messages(self) -> Iterator[pb.Lane]:
        """Give every lane as it is told to the centre."""
        for key, lane in self._lanes.items():
            yield pb.Lane(
                stream_id=key.stream_id,
                incarnation=key.incarnation,
                journaled_through=lane.journaled_through,
                stored_through=lane.stored_through,
            )

    def find(self, key: LaneKey) -> UnitLane | None:
        """Give one lane."""
        return self._lanes.get(key)

    def all(self) -> Mapping[LaneKey, UnitLane]:
        """Give every lane."""
        return self._lanes

    def next(self, now_ms: int) -> LaneKey | None:
        """Give the lane whose turn it is: of the least served stream its oldest ready lane."""
        best: tuple[float, LaneKey] | None = None
        for stream_id, turns in self._streams.items():
            key = None if turns.wait_until_ms > now_ms else self._ready_of(stream_id, turns)
            if key is None:
                turns.active = False
                continue
            if not turns.active:  # who was idle gets no credit for it
                turns.active = True
                turns.served_bytes = max(turns.served_bytes, self._least_served)
            if best is None or turns.served_bytes < best[0]:
                best = (turns.served_bytes, key)
        if best is None:
            return None
        self._least_served = best[0]
        return best[1]

    def sent(self, key: LaneKey, last_seq: int, size_bytes: int) -> None:
        """Count a frame that was sent."""
        lane = self._lanes[key]
        assert last_seq > lane.sent_through
        lane.sent_through = last_seq
        self._streams[key.stream_id].served_bytes += size_bytes

    def received(self, key: LaneKey, through: int, now_ms: int) -> None:
        """Take the mark of the log; one that falls back sends again from there."""
        lane = self._lanes.get(key)
        if lane is None:
            return
        if through < lane.received_through:
            lane.sent_through = min(lane.sent_through, max(through, lane.stored_through))
        lane.received_through = through
        if through <= lane.stored_through:
            lane.waiting_since_ms = None
        elif lane.waiting_since_ms is None:
            lane.waiting_since_ms = now_ms

    def send_again(self, key: LaneKey, from_seq: int) -> None:
        """Go back, never before what is stored."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.sent_through = min(lane.sent_through, max(from_seq - 1, lane.stored_through))

    def back_to_received(self, stream_id: int) -> None:
        """Go back, in every lane of a stream, to what the log is known to have."""
        for key, lane in self._lanes.items():
            if key.stream_id == stream_id:
                self.send_again(key, lane.received_through + 1)

    def wait(self, stream_id: int, until_ms: int) -> None:
        """Leave one stream out until then."""
        self._streams.setdefault(stream_id, _Turns()).wait_until_ms = until_ms

    def send_stalled_again(self, now_ms: int, after_ms: int, most_ms: int) -> list[LaneKey]:
        """Go back to stored_through where that stood still; each time it waits twice as long.

        Stood still: the log has had more than the main database for `after_ms`.
        """
        again = []
        for key, lane in self._lanes.items():
            wait_ms = min(most_ms, after_ms << min(lane.resends, 16))
            if lane.waiting_since_ms is not None and now_ms - lane.waiting_since_ms >= wait_ms:
                lane.sent_through = lane.stored_through
                lane.waiting_since_ms = now_ms
                lane.resends += 1
                again.append(key)
        return again

    def _ready_of(self, stream_id: int, turns: _Turns) -> LaneKey | None:
        for incarnation in turns.lanes:
            key = LaneKey(stream_id, incarnation)
            if self._lanes[key].ready:
                return key
        return None

    @staticmethod
    def _stored(lane: UnitLane, through: int, now_ms: int) -> None:
        through = min(through, lane.journaled_through)
        if through > lane.stored_through:
            lane.stored_through = through
            lane.sent_through = max(lane.sent_through, through)
            lane.waiting_since_ms = now_ms if lane.received_through > through else None
            lane.resends = 0
