"""The unit's half of the uplink: a function of messages and time.

Owns what is sent next, how much may be under way, when something is sent again,
heartbeats, the measured clock skew, and what an answer of the centre means. Does
not own sockets, threads, clocks or the journal: the host reads and sends.

Example
-------
::

    side = UnitSide("depot-1", release="0.1.0")
    side.lanes(journal_lanes, now)
    for action in side.connect(session, now): ...        # SendUp(Hello)
    for action in side.received(down, now): ...          # Acknowledge, Configure ...
    while (read := side.next_read(now)) is not None:
        send(side.frame(read, packed, now).message)
    for action in side.tick(now): ...                    # SendUp(Heartbeat), Disconnect
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink.lanes import Lanes, UnitLane
from bluewhale.uplink.pacing import Pacing
from bluewhale.uplink.shapes import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Acknowledge,
    Configure,
    Disconnect,
    LaneKey,
    Moment,
    PackedFrame,
    ReadWanted,
    SendUp,
    SetLogLevel,
    UnitAction,
    UnitLimits,
)

RECORDS_MAX = 500
_SKEW_SAMPLES_MAX = 16
_REFUSED_RETRY_MS = 60_000


@dataclass(frozen=True, slots=True)
class UnitReport:
    """What a heartbeat tells besides the core's own knowledge."""

    journal: pb.JournalUsage | None = None
    tallies: tuple[pb.Tally, ...] = ()
    links: tuple[pb.LinkReport, ...] = ()
    configuration: pb.ConfigurationReport | None = None
    certificate_expires_at_ms: int = 0


class UnitSide:
    """One unit's uplink over all its connections, one after another."""

    def __init__(
        self,
        unit_uid: str,
        *,
        release: str,
        protocol_min: int = PROTOCOL_MIN,
        protocol_max: int = PROTOCOL_MAX,
        limits: UnitLimits | None = None,
    ) -> None:
        self._unit_uid, self._release = unit_uid, release
        self._protocol_min, self._protocol_max = protocol_min, protocol_max
        self._limits = limits or UnitLimits()
        self._lanes = Lanes()
        self._report = UnitReport()
        self._told: dict[tuple[int, int], pb.Tally] = {}
        self._skews: list[tuple[int, int]] = []  # (round trip, skew)
        self._connected_at: Moment | None = None
        self._welcome: pb.Welcome | None = None
        self._pacing = Pacing(self._limits, self._limits.flight_bytes_begin)
        self._beat_at_ms = 0
        self._heard_at_ms = 0
        self._not_released: list[tuple[LaneKey, int, int]] = []  # protocol 1 alone
        self._released_v1 = 0
        self.beats_answered = 0  # on this connection
        self.refusals: dict[int, str] = {}  # stream_id -> why, on this connection

    # ---- what the host knows ----------------------------------------------------------

    def lanes(self, lanes: Iterable[pb.Lane], now: Moment) -> None:
        """Take the journal's lanes: all of them, oldest first. Call after every change."""
        self._lanes.told(lanes, now.steady_ms)

    def tell(self, report: UnitReport) -> None:
        """Take what the next heartbeats say."""
        self._report = report

    @property
    def clock_skew_ms(self) -> int | None:
        """Centre's clock minus ours, by the quickest round trip; None = not measured."""
        return min(self._skews)[1] if self._skews else None

    @property
    def welcome(self) -> pb.Welcome | None:
        """What the centre promised on this connection; None while not welcomed."""
        return self._welcome

    @property
    def lane_marks(self) -> Mapping[LaneKey, UnitLane]:
        """The marks of all lanes, for metrics; do not change."""
        return self._lanes.all()

    @property
    def under_way_bytes(self) -> int:
        """Packed bytes that the centre has not dealt with."""
        return self._pacing.under_way

    # ---- life of a connection ---------------------------------------------------------

    def connect(self, session: int, now: Moment) -> list[UnitAction]:
        """Begin a connection: what is not stored is sent again; gives the Hello."""
        self._connected_at, self._welcome = now, None
        self._heard_at_ms = now.steady_ms
        self._lanes.restart(now.steady_ms)
        self._told.clear()
        self._skews.clear()
        self._not_released.clear()
        self._released_v1 = 0
        self.refusals.clear()
        self.beats_answered = 0
        configuration = self._report.configuration
        hello = pb.Hello(
            unit_uid=self._unit_uid,
            protocol_min=self._protocol_min,
            protocol_max=self._protocol_max,
            release=self._release,
            session=session,
            clock_ms=now.clock_ms,
            streams=list(self._lanes.messages()),
            configuration_hash=configuration.effective_hash if configuration else "",
        )
        return [SendUp(pb.Up(hello=hello))]

    def disconnected(self) -> None:
        """End a connection; what was under way is unknown until the next one."""
        self._connected_at = self._welcome = None

    def received(self, down: pb.Down, now: Moment) -> list[UnitAction]:
        """Take one message of the centre; an unknown kind is ignored (a newer centre)."""
        if self._connected_at is None:
            return []
        self._heard_at_ms = now.steady_ms
        kind = down.WhichOneof("message")
        if kind == "welcome":
            return self._welcomed(down.welcome, now)
        if self._welcome is None:
            return [Disconnect("not_welcome", f"the centre's first message was {kind}")]
        match kind:
            case "marks":
                return self._marked(down.marks, now)
            case "configuration":
                sent = down.configuration
                return [Configure(sent.version, sent.hash, sent.document)]
            case "command":
                return self._commanded(down.command)
            case "throttle":
                self._hold(down.throttle.stream_id, down.throttle.retry_after_ms, now)
            case "refusal":
                refused = down.refusal
                self.refusals[refused.stream_id] = f"{refused.code}: {refused.message}"
                self._lanes.back_to_received(refused.stream_id)
                self._hold(refused.stream_id, _REFUSED_RETRY_MS, now)
            case "beat":
                self.beats_answered += 1
                self._measure(down.beat, now)
            case _:
                pass
        return []

    # ---- frames -----------------------------------------------------------------------

    def next_read(self, now: Moment) -> ReadWanted | None:
        """Give what to read and send next; None: nothing, or enough is under way."""
        if self._welcome is None or not self._pacing.open:
            return None
        key = self._lanes.next(now.steady_ms)
        if key is None:
            return None
        after_seq = self._lanes.all()[key].sent_through
        return ReadWanted(*key, after_seq, self._pacing.records_max(RECORDS_MAX))

    def frame(self, read: ReadWanted, packed: PackedFrame, now: Moment) -> SendUp:
        """Take the frame that was read for `read`; it counts as sent."""
        assert self._welcome is not None
        key = LaneKey(read.stream_id, read.incarnation)
        size = len(packed.packed)
        self._lanes.sent(key, packed.last_seq, size)
        self._pacing.sent(size, packed.records, now.steady_ms)
        if self._welcome.protocol == 1:
            self._not_released.append((key, packed.last_seq, size))
        return SendUp(
            pb.Up(
                frame=pb.FrameUp(
                    stream_id=read.stream_id,
                    incarnation=read.incarnation,
                    first_seq=packed.first_seq,
                    last_seq=packed.last_seq,
                    packed=packed.packed,
                    raw_bytes=packed.raw_bytes,
                    traceparent=packed.traceparent,
                    stored_through=self._lanes.all()[key].stored_through,
                )
            )
        )

    def nothing_there(self, read: ReadWanted) -> None:
        """Say that the journal had nothing to read: `lanes` was out of date."""
        lane = self._lanes.find(LaneKey(read.stream_id, read.incarnation))
        if lane is not None:
            lane.journaled_through = lane.sent_through

    # ---- time -------------------------------------------------------------------------

    def tick(self, now: Moment) -> list[UnitAction]:
        """Do what is due: heartbeat, sending again, giving up a silent centre."""
        if self._connected_at is None:
            return []
        quiet_ms = now.steady_ms - self._heard_at_ms
        if self._welcome is None:
            if quiet_ms >= self._limits.welcome_ms:
                return [Disconnect("silent", f"no welcome within {quiet_ms} ms")]
            return []
        if quiet_ms >= self._limits.silence_beats * self._welcome.heartbeat_ms:
            return [Disconnect("silent", f"the centre said nothing for {quiet_ms} ms")]
        self._lanes.send_stalled_again(
            now.steady_ms, self._welcome.resend_after_ms, self._limits.resend_ms_max
        )
        if now.steady_ms < self._beat_at_ms:
            return []
        self._beat_at_ms = now.steady_ms + self._welcome.heartbeat_ms
        return [SendUp(pb.Up(heartbeat=self._heartbeat(now)))]

    def beat_soon(self) -> None:
        """Send the next heartbeat at the next tick: something is worth telling."""
        self._beat_at_ms = 0

    # ---- inside -----------------------------------------------------------------------

    def _welcomed(self, welcome: pb.Welcome, now: Moment) -> list[UnitAction]:
        if not self._protocol_min <= welcome.protocol <= self._protocol_max:
            return [
                Disconnect(
                    "protocol_version",
                    f"the centre chose protocol {welcome.protocol}, this unit speaks "
                    f"{self._protocol_min} to {self._protocol_max}; update the older of both",
                )
            ]
        assert self._connected_at is not None
        self._welcome = welcome
        self._pacing = Pacing(self._limits, welcome.window_bytes)
        self._beat_at_ms = now.steady_ms
        if welcome.echo_ms:
            self._measure(pb.Beat(clock_ms=welcome.clock_ms, echo_ms=welcome.echo_ms), now)
        return []

    def _marked(self, marks: pb.Marks, now: Moment) -> list[UnitAction]:
        actions: list[UnitAction] = []
        for mark in marks.marks:
            key = LaneKey(mark.stream_id, mark.incarnation)
            lane = self._lanes.find(key)
            if lane is None:
                continue
            if mark.stored_through > lane.stored_through:
                crc = mark.record_crc if mark.HasField("record_crc") else None
                actions.append(Acknowledge(*key, mark.stored_through, crc))
            self._lanes.received(key, mark.received_through, now.steady_ms)
        released = marks.released_bytes
        if self._welcome is not None and self._welcome.protocol == 1:
            released = self._released_by_marks()
        self._pacing.released(released, now.steady_ms)
        return actions

    def _hold(self, stream_id: int, wait_ms: int, now: Moment) -> None:
        """Leave one stream out for a while; protocol 1 counts its frames as dealt with."""
        self._lanes.wait(stream_id, now.steady_ms + wait_ms)
        held = [entry for entry in self._not_released if entry[0].stream_id == stream_id]
        self._released_v1 += sum(size for _, _, size in held)
        self._not_released = [entry for entry in self._not_released if entry not in held]

    def _released_by_marks(self) -> int:
        """Protocol 1 has no total: what is received is dealt with."""
        left = []
        for key, last_seq, size in self._not_released:
            lane = self._lanes.find(key)
            if lane is None or max(lane.received_through, lane.stored_through) >= last_seq:
                self._released_v1 += size
            else:
                left.append((key, last_seq, size))
        self._not_released = left
        return self._released_v1

    def _commanded(self, command: pb.Command) -> list[UnitAction]:
        match command.WhichOneof("command"):
            case "drain":
                wait_ms = command.drain.reconnect_after_ms
                return [Disconnect("drain", "the centre's replica goes away", wait_ms)]
            case "send_again":
                again = command.send_again
                self._lanes.send_again(LaneKey(again.stream_id, again.incarnation), again.from_seq)
            case "log_level":
                return [SetLogLevel(command.log_level.level)]
            case _:
                pass
        return []

    def _measure(self, beat: pb.Beat, now: Moment) -> None:
        """Half of the round trip lies before the centre looked at its clock."""
        round_trip = now.clock_ms - beat.echo_ms
        if round_trip < 0:
            return  # our clock was set back meanwhile
        skew = beat.clock_ms - (beat.echo_ms + now.clock_ms) // 2
        self._skews.append((round_trip, skew))
        del self._skews[:-_SKEW_SAMPLES_MAX]

    def _heartbeat(self, now: Moment) -> pb.Heartbeat:
        report = self._report
        beat = pb.Heartbeat(
            clock_ms=now.clock_ms,
            journal=report.journal,
            links=report.links,
            configuration=report.configuration,
            certificate_expires_at_ms=report.certificate_expires_at_ms,
            streams=list(self._lanes.messages()),
        )
        for tally in report.tallies:
            key = (tally.stream_id, tally.day)
            if self._told.get(key) != tally:
                self._told[key] = tally
                beat.tallies.append(tally)
        if (skew := self.clock_skew_ms) is not None:
            beat.clock_skew_ms = skew
        return beat
