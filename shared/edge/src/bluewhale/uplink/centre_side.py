"""The centre's half of the uplink, for one connection: a function of messages and time.

Owns the welcome, what is received without a gap, marks down, the window, and
refusing one stream without disturbing the others. Does not own sockets, the log,
the database, certificates, or which unit may send which stream: the host says so.

Example
-------
::

    side = CentreSide("depot-1", {7, 8}, release="0.1.0", log_id="Ab3...")
    for action in side.received(up, now):      # SendDown, Append, Opened, Reported, Disconnect
        ...
    for action in side.appended(append.number, now): ...
    for action in side.stored([StoredMark(7, 4711, 500, 0x1234)], now): ...
    for action in side.tick(now): ...          # every 50 ms or so
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink.shapes import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Append,
    CentreAction,
    CentreLimits,
    Disconnect,
    LaneKey,
    Moment,
    Opened,
    Reported,
    SendDown,
    StoredMark,
)


@dataclass(slots=True)
class _Pending:
    """A frame that the host is putting into the log."""

    number: int
    first_seq: int
    last_seq: int
    done: bool = False


@dataclass(slots=True)
class _CentreLane:
    """Marks of one lane on this connection."""

    received_through: int
    deleted_through: int  # as the unit says: it cannot send this again
    expected_seq: int | None = None  # of the next frame; None = whatever comes
    stored_through: int = 0
    record_crc: int | None = None
    pending: deque[_Pending] = field(default_factory=deque)
    gap: bool = False  # asked to be sent again from expected_seq, not there yet

    def forget_from(self, first_seq: int) -> None:
        """Take back frames under way: they will be sent again from here."""
        while self.pending and self.pending[-1].last_seq >= first_seq:
            self.pending.pop()
        self.expected_seq, self.gap = first_seq, True

    def advance(self) -> None:
        """Count what is in the log without a gap."""
        while self.pending and self.pending[0].done:
            self.received_through = max(self.received_through, self.pending.popleft().last_seq)


class CentreSide:
    """One connection of one unit, seen from the centre."""

    def __init__(
        self,
        unit_uid: str,
        streams: Collection[int],
        *,
        release: str,
        log_id: str,
        limits: CentreLimits | None = None,
        protocol_min: int = PROTOCOL_MIN,
        protocol_max: int = PROTOCOL_MAX,
    ) -> None:
        self.unit_uid = unit_uid
        self._streams = frozenset(streams)
        self._release, self._log_id = release, log_id
        self._limits = limits or CentreLimits()
        self._protocol_min, self._protocol_max = protocol_min, protocol_max
        self.protocol = 0  # 0 until the unit said Hello
        self._lanes: dict[LaneKey, _CentreLane] = {}
        self._under_way: dict[int, tuple[LaneKey, int]] = {}  # number -> lane, size
        self._numbers = 0
        self._released_bytes = 0
        self._told_released = 0
        self._changed: dict[LaneKey, None] = {}
        self._tell_log_id = False
        self._marks_at_ms = 0
        self._heard_at_ms: int | None = None
        self._configured_hash = ""

    # ---- what the unit says -------------------------------------------------------------

    def received(self, up: pb.Up, now: Moment) -> list[CentreAction]:
        """Take one message of the unit; an unknown kind is ignored (a newer unit)."""
        self._heard_at_ms = now.steady_ms
        kind = up.WhichOneof("message")
        if self.protocol == 0:
            if kind != "hello":
                return [Disconnect("not_hello", f"the first message was {kind}, not hello")]
            return self._greeted(up.hello, now)
        match kind:
            case "frame":
                return [*self._framed(up.frame), *self._marks(now)]
            case "heartbeat":
                return self._beaten(up.heartbeat, now)
            case "hello":
                return [Disconnect("malformed", "hello came twice")]
            case _:
                return []

    # ---- what the host says ----------------------------------------------------------------

    def appended(self, number: int, now: Moment) -> list[CentreAction]:
        """Take that a frame is in the log, durably."""
        key, lane = self._done(number)
        pending = next((p for p in lane.pending if p.number == number), None)
        if pending is not None:  # else it was taken back: it will come again
            pending.done = True
            lane.advance()
            self._changed[key] = None
        return self._marks(now)

    def not_appended(self, number: int, retry_after_ms: int, now: Moment) -> list[CentreAction]:
        """Take that the log refused a frame for now: its stream waits and sends it again."""
        key, lane = self._done(number)
        first_seq = next((p.first_seq for p in lane.pending if p.number == number), None)
        if first_seq is None:
            return self._marks(now)  # it was taken back before
        lane.forget_from(first_seq)
        return [
            *self.throttle(key.stream_id, retry_after_ms),
            _send_again(key, first_seq),
            *self._marks(now),
        ]

    def rejected(self, number: int, code: str, message: str, now: Moment) -> list[CentreAction]:
        """Take that the host finds a frame unfit for the log: its stream is refused."""
        key, lane = self._done(number)
        first_seq = next((p.first_seq for p in lane.pending if p.number == number), None)
        if first_seq is not None:
            lane.forget_from(first_seq)
        return [*self.refuse(key.stream_id, code, message), *self._marks(now)]

    def stored(self, marks: Iterable[StoredMark], now: Moment) -> list[CentreAction]:
        """Take marks of the main database; lanes of other units are passed over."""
        for mark in marks:
            key = LaneKey(mark.stream_id, mark.incarnation)
            lane = self._lanes.get(key)
            if lane is not None and mark.stored_through > lane.stored_through:
                lane.stored_through, lane.record_crc = mark.stored_through, mark.record_crc
                self._changed[key] = None
        return self._marks(now)

    def log_changed(self, log_id: str, now: Moment) -> list[CentreAction]:
        """Take that the log is another one (wiped, created anew): received falls back.

        What the unit still has is asked for, also what the main database has under
        the same numbers: until the unit has compared its record with the mark, that
        may be a record of another copy of it.
        """
        if log_id == self._log_id:
            return []
        self._log_id, self._tell_log_id = log_id, True
        again: list[CentreAction] = []
        for key, lane in self._lanes.items():
            first_seq = lane.deleted_through + 1
            lane.pending.clear()
            lane.received_through = lane.stored_through
            # A mark that was never told cannot be seen to fall back: ask for what was sent.
            lane.gap = lane.expected_seq is not None and lane.expected_seq > first_seq
            lane.expected_seq = first_seq
            if lane.gap:
                again.append(_send_again(key, first_seq))
            self._changed[key] = None
        return [*self._marks(now, at_once=True), *again]

    def allow(self, streams: Collection[int]) -> None:
        """Take which streams the unit may send from now on."""
        self._streams = frozenset(streams)

    def configure(self, version: int, digest: str, document: bytes) -> list[CentreAction]:
        """Send a document, once per connection, unless the unit has it in effect."""
        if self.protocol == 0 or digest == self._configured_hash:
            return []
        self._configured_hash = digest
        sent = pb.Configuration(version=version, hash=digest, document=document)
        return [SendDown(pb.Down(configuration=sent))]

    def command(self, command: pb.Command) -> list[CentreAction]:
        """Send a command: drain, send again, log level."""
        return [SendDown(pb.Down(command=command))] if self.protocol else []

    def throttle(self, stream_id: int, retry_after_ms: int) -> list[CentreAction]:
        """Let one stream wait."""
        sent = pb.Throttle(stream_id=stream_id, retry_after_ms=retry_after_ms)
        return [SendDown(pb.Down(throttle=sent))]

    def refuse(self, stream_id: int, code: str, message: str) -> list[CentreAction]:
        """Refuse one stream; the unit keeps its records and asks again after a minute."""
        sent = pb.Refusal(stream_id=stream_id, code=code, message=message)
        return [SendDown(pb.Down(refusal=sent))]

    @property
    def under_way(self) -> int:
        """Frames that the host was given and has not answered."""
        return len(self._under_way)

    def lanes(self) -> list[LaneKey]:
        """Give the lanes that this connection speaks of."""
        return list(self._lanes)

    def received_through(self, key: LaneKey) -> int:
        """Give the mark of the log for a lane, 0 if it is not known here."""
        lane = self._lanes.get(key)
        return lane.received_through if lane else 0

    # ---- time --------------------------------------------------------------------------------

    def tick(self, now: Moment) -> list[CentreAction]:
        """Do what is due: marks, giving up a silent unit."""
        if self._heard_at_ms is None:
            self._heard_at_ms = now.steady_ms
        quiet_ms = now.steady_ms - self._heard_at_ms
        if quiet_ms >= self._limits.silence_ms:
            return [Disconnect("silent", f"{self.unit_uid} said nothing for {quiet_ms} ms")]
        return self._marks(now)

    # ---- inside ------------------------------------------------------------------------------

    def _greeted(self, hello: pb.Hello, now: Moment) -> list[CentreAction]:
        if hello.unit_uid != self.unit_uid:
            return [
                Disconnect(
                    "unit_mismatch",
                    f"the certificate is of {self.unit_uid}, the hello of {hello.unit_uid}",
                )
            ]
        protocol = min(hello.protocol_max, self._protocol_max)
        if protocol < max(hello.protocol_min, self._protocol_min):
            return [
                Disconnect(
                    "protocol_version",
                    f"the unit speaks protocol {hello.protocol_min} to {hello.protocol_max}, the "
                    f"centre {self._protocol_min} to {self._protocol_max}; update the older of both",
                )
            ]
        self.protocol = protocol
        self._configured_hash = hello.configuration_hash
        self._know(hello.streams)
        limits = self._limits
        welcome = pb.Welcome(
            protocol=protocol,
            clock_ms=now.clock_ms,
            heartbeat_ms=limits.heartbeat_ms,
            window_bytes=limits.window_bytes,
            resend_after_ms=limits.resend_after_ms,
            log_id=self._log_id,
            release=self._release,
            echo_ms=hello.clock_ms,
        )
        self._marks_at_ms = now.steady_ms
        return [SendDown(pb.Down(welcome=welcome)), Opened(hello, protocol)]

    def _know(self, lanes: Iterable[pb.Lane]) -> None:
        """Learn lanes of a hello or a heartbeat, of own streams alone, up to a limit."""
        for told in lanes:
            key = LaneKey(told.stream_id, told.incarnation)
            lane = self._lanes.get(key)
            if lane is not None:
                lane.deleted_through = max(lane.deleted_through, told.stored_through)
            elif key.stream_id in self._streams and len(self._lanes) < self._limits.streams_max:
                # What the unit knows as stored it cannot send again: the base of this lane.
                self._lanes[key] = _CentreLane(
                    received_through=told.stored_through,
                    deleted_through=told.stored_through,
                    stored_through=told.stored_through,
                )

    def _forget_all_but(self, told: set[LaneKey]) -> None:
        """Forget lanes that the unit does not have any more; it tells all of them each time."""
        busy = {key for key, _ in self._under_way.values()}
        for key in [k for k in self._lanes if k not in told and k not in busy]:
            del self._lanes[key]
            self._changed.pop(key, None)

    def _framed(self, frame: pb.FrameUp) -> list[CentreAction]:
        size = len(frame.packed)
        key = LaneKey(frame.stream_id, frame.incarnation)
        problem = self._problem(frame, size)
        if problem is not None:
            self._released_bytes += size
            return self.refuse(key.stream_id, *problem)
        if key not in self._lanes:
            self._know([pb.Lane(stream_id=key.stream_id, incarnation=key.incarnation)])
            if key not in self._lanes:
                self._released_bytes += size
                return self.refuse(key.stream_id, "too_many_streams", "too many incarnations")
        lane = self._lanes[key]
        lane.deleted_through = max(lane.deleted_through, frame.stored_through)
        expected = lane.expected_seq
        if expected is not None and frame.first_seq > expected:
            if frame.first_seq > frame.stored_through + 1:
                # A gap that the unit can close. What is under way behind it comes again.
                self._released_bytes += size
                asked, lane.gap = lane.gap, True
                return [] if asked else [_send_again(key, expected)]
            lane.pending.clear()  # it cannot go back further: completeness will name the gap
        if lane.expected_seq is None and frame.first_seq > lane.received_through + 1:
            lane.received_through = frame.first_seq - 1
        lane.gap = False
        lane.expected_seq = max(lane.expected_seq or 0, frame.last_seq + 1)
        self._numbers += 1
        lane.pending.append(_Pending(self._numbers, frame.first_seq, frame.last_seq))
        self._under_way[self._numbers] = (key, size)
        return [Append(self._numbers, frame, size)]

    def _problem(self, frame: pb.FrameUp, size: int) -> tuple[str, str] | None:
        if frame.stream_id not in self._streams:
            return (
                "stream_not_yours",
                f"stream {frame.stream_id} is not configured for unit {self.unit_uid}",
            )
        limits = self._limits
        if size > limits.packed_bytes_max or frame.raw_bytes > limits.raw_bytes_max:
            return (
                "frame_too_big",
                f"{size} bytes packed, {frame.raw_bytes} unpacked is over the limit of this centre",
            )
        if not 1 <= frame.first_seq <= frame.last_seq or frame.incarnation <= 0:
            return ("frame_corrupt", f"sequence {frame.first_seq} to {frame.last_seq}")
        return None

    def _done(self, number: int) -> tuple[LaneKey, _CentreLane]:
        key, size = self._under_way.pop(number)
        self._released_bytes += size
        return key, self._lanes[key]

    def _beaten(self, beat: pb.Heartbeat, now: Moment) -> list[CentreAction]:
        if beat.streams:
            self._forget_all_but({LaneKey(s.stream_id, s.incarnation) for s in beat.streams})
        self._know(beat.streams)
        answer = pb.Beat(clock_ms=now.clock_ms, echo_ms=beat.clock_ms)
        return [SendDown(pb.Down(beat=answer)), Reported(beat), *self._marks(now)]

    def _marks(self, now: Moment, *, at_once: bool = False) -> list[CentreAction]:
        """Tell what changed, not more often than it matters."""
        untold = self._released_bytes - self._told_released
        if self.protocol == 0 or not (self._changed or untold or self._tell_log_id):
            return []
        due = now.steady_ms - self._marks_at_ms >= self._limits.marks_interval_ms
        if not (due or at_once or untold >= self._limits.window_bytes // 4):
            return []
        marks = pb.Marks(
            released_bytes=self._released_bytes if self.protocol >= 2 else 0,
            log_id=self._log_id if self._tell_log_id else "",
        )
        for key in self._changed:
            lane = self._lanes[key]
            mark = marks.marks.add(
                stream_id=key.stream_id,
                incarnation=key.incarnation,
                received_through=max(lane.received_through, lane.stored_through),
                stored_through=lane.stored_through,
            )
            if lane.record_crc is not None:
                mark.record_crc = lane.record_crc
        self._changed.clear()
        self._tell_log_id = False
        self._told_released = self._released_bytes
        self._marks_at_ms = now.steady_ms
        return [SendDown(pb.Down(marks=marks))]


def _send_again(key: LaneKey, from_seq: int) -> SendDown:
    again = pb.SendAgain(stream_id=key.stream_id, incarnation=key.incarnation, from_seq=from_seq)
    return SendDown(pb.Down(command=pb.Command(send_again=again)))
