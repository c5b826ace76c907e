"""A journal seen as the raw topic: one process reads on this side of any network.

Owns the mapping of capture keys to offsets. Partition i is the i-th stream named
to it. A message is a frame as a unit would send it. Its offset is made of the
ordinal of its incarnation (in the order in which this log met them, kept as a
note in the journal) and its first sequence number, 40 bits; so offsets rise and
have gaps. Commits are notes in the journal and delete nothing: only
`Journal.acknowledge` does, with what the main database has stored.

What of the port it keeps: order per partition, at-least-once from the committed
offset, commit with metadata, pause, seek, limits, the topic id (made with the
file). What it cannot: there is no producer (connectors write), a group has one
member, a topic is not made again under a reader, records that were acknowledged
are gone.
"""

from __future__ import annotations

import json
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bluewhale.capture import Frame, pack_frame
from bluewhale.messaging.envelopes import RawFrame, compress_frame
from bluewhale.messaging.exceptions import CommitRefusedError, LogError, TopicShapeError
from bluewhale.messaging.memory import missing_text, refused_text
from bluewhale.messaging.port import (
    RAW,
    AssignmentListener,
    Consumer,
    Log,
    Message,
    Place,
    Producer,
)
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.journal import Journal

_SEQ_BITS = 40
_SEQ_MASK = (1 << _SEQ_BITS) - 1
_TOPIC_NOTE = "log.topic"
_LANES = struct.Struct("<q")
WAIT_S = 0.02  # between two looks for new records


class JournalLog(Log):
    """The raw topic of one journal, for readers in the process that writes it."""

    def __init__(
        self,
        journal: Journal,
        streams: Sequence[int],
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        assert len(set(streams)) == len(streams) > 0
        self.journal = journal
        self.streams = tuple(streams)
        self.clock_ms = clock_ms
        self._lock = threading.Lock()
        self._lanes: dict[int, list[int]] = {}
        self._members: set[str] = set()

    @override
    def ensure_topics(
        self, partitions: int, replication: int, names: Sequence[str] = (RAW,)
    ) -> None:
        for name in names:
            self._only_raw(name)
        if partitions != len(self.streams):
            raise TopicShapeError(
                f"a journal has one partition per stream, {len(self.streams)}, not {partitions}"
            )

    @override
    def topic_id(self, name: str) -> str:
        self._only_raw(name)
        with self._lock:
            kept = self.journal.note(_TOPIC_NOTE)
            if kept is None:
                kept = uuid.uuid4().hex.encode()
                self.keep(0, {_TOPIC_NOTE: kept})
            return kept.decode()

    @override
    def partitions(self, name: str) -> int:
        self._only_raw(name)
        return len(self.streams)

    @override
    def producer(self, *, renewing: bool = True) -> Producer:
        raise LogError("a journal takes records from its connectors, not from a producer")

    @override
    def consumer(self, group: str, topics: Sequence[str], listener: AssignmentListener) -> Consumer:
        for name in topics:
            self._only_raw(name)
        with self._lock:
            if group in self._members:
                raise LogError(f"a journal has one reader per group, and {group} has one already")
            self._members.add(group)
        return _JournalConsumer(self, group, listener)

    @override
    def close(self) -> None:
        """Leave the journal open: it is its owner's."""

    def left(self, group: str) -> None:
        """Note that a group's reader has gone."""
        with self._lock:
            self._members.discard(group)

    def keep(self, partition: int, notes: Mapping[str, bytes]) -> None:
        """Write notes, durable on return."""
        self.journal.append(self.streams[partition], [], notes=dict(notes))

    def lanes(self, partition: int) -> list[int]:
        """Give the incarnations of a stream in the order in which they were met."""
        stream_id = self.streams[partition]
        here = [s.incarnation for s in self.journal.streams() if s.stream_id == stream_id]
        with self._lock:
            key = f"log.lanes.{stream_id}"
            if partition not in self._lanes:
                kept = self.journal.note(key) or b""
                self._lanes[partition] = [x for (x,) in _LANES.iter_unpack(kept)]
            lanes = self._lanes[partition]
            if new := [x for x in here if x not in lanes]:
                lanes += new
                self.keep(partition, {key: b"".join(map(_LANES.pack, lanes))})
            return list(lanes)

    def read(self, partition: int, offset: int) -> tuple[Frame, int] | None:
        """Give the next frame at or behind `offset`, and the offset of it; None = not there yet."""
        lanes = self.lanes(partition)
        ordinal, seq = offset >> _SEQ_BITS, offset & _SEQ_MASK
        for at in range(ordinal, len(lanes)):
            after = max(0, seq - 1) if at == ordinal else 0
            frame = self.journal.read(self.streams[partition], lanes[at], after_seq=after)
            if frame is not None:
                return frame, at << _SEQ_BITS | frame.first_seq
        return None

    def end(self, partition: int) -> int:
        """Give an offset behind everything that is journaled."""
        stream_id, lanes = self.streams[partition], self.lanes(partition)
        ends = [
            lanes.index(s.incarnation) << _SEQ_BITS | (s.journaled_through + 1)
            for s in self.journal.streams()
            if s.stream_id == stream_id and s.incarnation in lanes
        ]
        return max(ends, default=0)

    def _only_raw(self, name: str) -> None:
        if name != RAW:
            raise TopicShapeError(missing_text(name))


class _JournalConsumer(Consumer):
    """The one reader of a group; all partitions are its."""

    def __init__(self, log: JournalLog, group: str, listener: AssignmentListener) -> None:
        self._log = log
        self._group = group
        self._listener = listener
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()

    @override
    def poll(self, timeout_ms: int, max_messages: int) -> dict[Place, list[Message]]:
        if not self._positions:
            places = [(RAW, i) for i in range(len(self._log.streams))]
            for place in places:
                kept = self.committed(place)
                self._positions[place] = kept[0] if kept else 0
            self._listener.assigned(self, places)
        deadline = time.monotonic() + timeout_ms / 1000
        while not (found := self._take(max_messages)):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(WAIT_S, left_s))
        return found

    @override
    def position(self, place: Place) -> int:
        return self._positions[place]

    @override
    def seek(self, place: Place, offset: int) -> None:
        assert place in self._positions, "only an assigned place has a position"
        self._positions[place] = offset

    @override
    def pause(self, places: Iterable[Place]) -> None:
        self._paused.update(places)

    @override
    def resume(self, places: Iterable[Place]) -> None:
        self._paused.difference_update(places)

    @override
    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        for place, (offset, metadata) in offsets.items():
            if place not in self._positions:
                raise CommitRefusedError(refused_text(self._group, place))
            self._log.keep(place[1], {self._note(place): json.dumps([offset, metadata]).encode()})

    @override
    def committed(self, place: Place) -> tuple[int, str] | None:
        kept = self._log.journal.note(self._note(place))
        if kept is None:
            return None
        offset, metadata = json.loads(kept)
        return int(offset), str(metadata)

    @override
    def end_offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        return {p: self._log.end(p[1]) for p in places}

    @override
    def topic_id(self, topic: str) -> str:
        return self._log.topic_id(topic)

    @override
    def assignment(self) -> frozenset[Place]:
        return frozenset(self._positions)

    @override
    def close(self) -> None:
        if self._positions:
            self._listener.revoked(sorted(self._positions))
        self._positions.clear()
        self._log.left(self._group)

    def _note(self, place: Place) -> str:
        return f"log.commit.{self._group}.{self._log.streams[place[1]]}"

    def _take(self, max_messages: int) -> dict[Place, list[Message]]:
        found: dict[Place, list[Message]] = {}
        left = max_messages
        for place in list(self._positions):
            while left > 0 and place not in self._paused:
                read = self._log.read(place[1], self._positions[place])
                if read is None:
                    break
                frame, offset = read
                found.setdefault(place, []).append(self._message(place, frame, offset))
                # behind its last number, in the incarnation that it was read from
                self._positions[place] = (offset & ~_SEQ_MASK) | (frame.last_seq + 1)
                left -= 1
        return found

    def _message(self, place: Place, frame: Frame, offset: int) -> Message:
        now_ms = self._log.clock_ms()
        packed = compress_frame(pack_frame(frame))
        value, headers = RawFrame(
            frame.stream_id, frame.incarnation, frame.first_seq, frame.last_seq, packed, now_ms
        ).encode()
        return Message(*place, offset, None, value, headers, now_ms)
