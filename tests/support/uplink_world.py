"""A world for the two sides of the uplink: journals, a log, a database, and a bad network, from one seed.

The unit's journal is a plain model with the rules of `bluewhale.journal`: keys per
incarnation, deletion only up to a stored mark whose CRC is ours, else the records
move to a new incarnation. Time is simulated. Messages are encoded and decoded.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink import (
    Acknowledge,
    Append,
    CentreLimits,
    CentreSide,
    Disconnect,
    LaneKey,
    Moment,
    Opened,
    PackedFrame,
    SendDown,
    SendUp,
    UnitLimits,
    UnitSide,
)

from tests.support.uplink_pipeline import Centre, Ingest, crc_of

STREAMS = (1, 2, 3)
RECORD_BYTES = 40


@dataclass
class Lane:
    """What a journal keeps of one (stream, incarnation)."""

    records: dict[int, str] = field(default_factory=dict)
    journaled: int = 0
    stored: int = 0


class ModelJournal:
    """The journal's rules in thirty lines."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lanes: dict[LaneKey, Lane] = {}
        self.current: dict[int, int] = {}

    def restarted(self) -> ModelJournal:
        self.current.clear()
        return self

    def append(self, stream: int, record: str) -> None:
        key = LaneKey(stream, self.current.setdefault(stream, self.rng.getrandbits(60) + 1))
        lane = self.lanes.setdefault(key, Lane())
        lane.journaled += 1
        lane.records[lane.journaled] = record

    def acknowledge(self, key: LaneKey, through: int, crc: int | None) -> list[str]:
        """Delete, or move to a new incarnation; gives what was deleted."""
        lane = self.lanes.get(key)
        if lane is None or through <= lane.stored:
            return []
        own = lane.records.get(through)
        if through > lane.journaled or (own is not None and crc is not None and crc_of(own) != crc):
            new = LaneKey(key.stream_id, self.rng.getrandbits(60) + 1)
            if self.current.get(key.stream_id) == key.incarnation:
                self.current[key.stream_id] = new.incarnation
            kept = [lane.records[seq] for seq in sorted(lane.records)]
            self.lanes[new] = Lane(dict(enumerate(kept, 1)), len(kept))
            del self.lanes[key]
            return []
        lane.stored = through
        return [lane.records.pop(seq) for seq in [s for s in lane.records if s <= through]]

    def infos(self) -> list[pb.Lane]:
        living = [
            (key, lane)
            for key, lane in self.lanes.items()
            if lane.stored < lane.journaled or self.current.get(key.stream_id) == key.incarnation
        ]
        return [
            pb.Lane(
                stream_id=key.stream_id,
                incarnation=key.incarnation,
                journaled_through=lane.journaled,
                stored_through=lane.stored,
            )
            for key, lane in living
        ]


class Connection:
    """One connection: two ordered pipes with delays, cut at any moment."""

    def __init__(self, world: World, unit: Unit) -> None:
        self.world, self.unit = world, unit
        self.ingest: Ingest = world.rng.choice(world.centre.ingests)
        self.side = CentreSide(
            "u", STREAMS, release="t", log_id=self.ingest.log_id, limits=world.centre_limits
        )
        self.up: list[tuple[int, bytes]] = []
        self.down: list[tuple[int, bytes]] = []
        self.appending: list[tuple[Append, str]] = []  # and the log that they are meant for
        self.unit_open = self.centre_open = True

    def send_up(self, message: pb.Up) -> None:
        if self.unit_open:
            self.up.append((self._at(self.up), message.SerializeToString()))

    def send_down(self, message: pb.Down) -> None:
        if self.centre_open:
            self.down.append((self._at(self.down), message.SerializeToString()))

    def _at(self, pipe: list[tuple[int, bytes]]) -> int:
        at = self.world.now_ms + self.world.rng.randint(1, self.world.delay_ms)
        return max(at, pipe[-1][0]) if pipe else at

    def do(self, actions) -> None:
        for action in actions:
            match action:
                case SendDown():
                    self.send_down(action.message)
                case Append():
                    self.appending.append((action, self.ingest.log_id))
                case Opened():
                    self.do(self.side.stored(self.world.centre.marks(), self.world.moment))
                case Disconnect():
                    self.cut()

    def cut(self) -> None:
        """Both ends end, what is under way is lost, or, upwards, may still arrive."""
        self.unit_open = False
        self.down.clear()
        if self.world.rng.random() < 0.5:
            self.up.clear()
            self.centre_open = False
        if self.unit.connection is self:
            self.unit.side.disconnected()
            self.unit.connection = None
            self.unit.connect_at_ms = self.world.now_ms + self.world.rng.randint(100, 3_000)


class Unit:
    """A unit's process over one journal."""

    def __init__(self, world: World, journal: ModelJournal) -> None:
        self.world, self.journal = world, journal
        self.connection: Connection | None = None
        self.connect_at_ms = world.now_ms
        self.alive = True
        self._begin()

    def _begin(self) -> None:
        self.side = UnitSide("u", release="t", limits=UnitLimits(flight_bytes_begin=2_000))
        self.side.lanes(self.journal.infos(), self.world.moment)

    def restart(self, journal: ModelJournal | None = None) -> None:
        if self.connection is not None:
            self.connection.cut()
        self.journal = (journal or self.journal).restarted()
        self._begin()

    def hear(self, stream: int, record: str) -> None:
        self.journal.append(stream, record)
        self.side.lanes(self.journal.infos(), self.world.moment)

    def step(self) -> None:
        world = self.world
        if not self.alive:
            return
        if self.connection is None:
            if world.now_ms < self.connect_at_ms or not world.centre_up:
                return
            self.connection = Connection(world, self)
            world.sides.append(self.connection)
            self.side.lanes(self.journal.infos(), world.moment)
            self.do(self.side.connect(world.rng.getrandbits(60), world.moment))
        self.do(self.side.tick(world.moment))
        while self.connection and (read := self.side.next_read(world.moment)) is not None:
            lane = self.journal.lanes.get(LaneKey(read.stream_id, read.incarnation))
            last = read.after_seq
            records = []
            while lane and len(records) < min(read.records_max, 20) and (last + 1) in lane.records:
                last += 1
                records.append(lane.records[last])
            if not records:
                self.side.nothing_there(read)
                continue
            packed = "\n".join(records).encode()
            self.do(
                [
                    self.side.frame(
                        read,
                        PackedFrame(read.after_seq + 1, last, len(records), packed, len(packed)),
                        world.moment,
                    )
                ]
            )
            world.sent[read.stream_id] = world.sent.get(read.stream_id, 0) + 1

    def take(self, down: pb.Down) -> None:
        self.do(self.side.received(down, self.world.moment))

    def do(self, actions) -> None:
        for action in actions:
            match action:
                case SendUp():
                    if self.connection is not None:
                        self.connection.send_up(action.message)
                case Acknowledge():
                    key = LaneKey(action.stream_id, action.incarnation)
                    deleted = self.journal.acknowledge(
                        key, action.stored_through, action.record_crc
                    )
                    stored = self.world.centre.kept
                    for record in deleted:
                        assert record in stored, f"{record} was deleted before it was stored"
                    self.side.lanes(self.journal.infos(), self.world.moment)
                case Disconnect():
                    if self.connection is not None:
                        self.connection.cut()


class World:
    """Everything, stepped in simulated time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 1_000_000
        self.delay_ms = self.rng.choice([2, 50, 800, 2_000])
        self.centre_limits = CentreLimits(
            heartbeat_ms=2_000,
            silence_ms=60_000,
            window_bytes=self.rng.choice([500, 4_000, 1 << 20]),
            resend_after_ms=5_000,
            marks_interval_ms=100,
        )
        self.centre = Centre()
        self.sides: list[Connection] = []
        self.centre_up = True
        self.parser_up = self.storage_up = True
        self.sent: dict[int, int] = {}
        self.heard: set[str] = set()
        self.count = 0
        self.units = [Unit(self, ModelJournal(random.Random(seed + 1)))]

    @property
    def moment(self) -> Moment:
        return Moment(self.now_ms, self.now_ms)

    def hear(self, unit: Unit, stream: int) -> None:
        self.count += 1
        record = f"{stream}/{self.count}".ljust(RECORD_BYTES, ".")
        self.heard.add(record)
        unit.hear(stream, record)

    def step(self, ms: int = 50) -> None:
        """Let time pass: deliver, append, store, tick."""
        self.now_ms += ms
        for unit in self.units:
            unit.step()
        for connection in list(self.sides):
            self._serve(connection)
        if self.parser_up:
            self.centre.parse(self.rng.choice([0, 5, 200]))
        if self.storage_up:
            self.centre.store(self.rng.choice([0, 5, 200]))
        marks = self.centre.marks()
        changed = [
            ingest
            for ingest in self.centre.ingests
            if ingest.noticed(self.centre.log_id, self.now_ms, self.rng)
        ]
        for connection in self.sides:
            if connection.ingest in changed:
                self._log_changed(connection)
            connection.do(connection.side.stored(marks, self.moment))
            connection.do(connection.side.tick(self.moment))

    def _log_changed(self, connection: Connection) -> None:
        """Tell that the log is another one; what was under way may still get into it."""
        connection.do(connection.side.log_changed(connection.ingest.log_id, self.moment))
        waiting, connection.appending = connection.appending, []
        taken = self.rng.randint(0, len(waiting))
        for append, log_id in waiting[:taken]:
            self._into_log(connection, append, log_id)
        for append, _ in waiting[taken:]:
            connection.do(connection.side.not_appended(append.number, 200, self.moment))

    def _into_log(self, connection: Connection, append: Append, log_id: str) -> None:
        frame = append.frame
        key = LaneKey(frame.stream_id, frame.incarnation)
        self.centre.append(log_id, key, frame.first_seq, frame.packed.decode().split("\n"))
        connection.do(connection.side.appended(append.number, self.moment))

    def _serve(self, connection: Connection) -> None:
        while connection.up and connection.up[0][0] <= self.now_ms and connection.centre_open:
            _, data = connection.up.pop(0)
            connection.do(connection.side.received(pb.Up.FromString(data), self.moment))
        while connection.down and connection.down[0][0] <= self.now_ms and connection.unit_open:
            _, data = connection.down.pop(0)
            connection.unit.take(pb.Down.FromString(data))
        self._append(connection)
        if not connection.unit_open and not connection.up and not connection.appending:
            self.sides.remove(connection)

    def _append(self, connection: Connection) -> None:
        """Put frames into the log; those of one lane in order, as an idempotent producer does."""
        waiting, connection.appending = connection.appending, []
        slow: set[LaneKey] = set()
        refused: set[LaneKey] = set()
        for append, log_id in waiting:
            key = LaneKey(append.frame.stream_id, append.frame.incarnation)
            chance = self.rng.random()
            if key not in refused and (key in slow or chance < 0.2):
                slow.add(key)
                connection.appending.append((append, log_id))
            elif key in refused or chance < 0.23:
                refused.add(key)
                connection.do(connection.side.not_appended(append.number, 200, self.moment))
            else:
                self._into_log(connection, append, log_id)

    def wipe_log(self) -> None:
        """Wipe a topic or both; every ingest hears of it a moment later, and appends meanwhile."""
        topics = (self.centre.raw, self.centre.parsed)
        for topic in self.rng.choice([topics, topics[:1], topics[1:]]):
            topic.wipe()

    def lose_unread(self) -> None:
        """Let a topic lose what was not read, and nobody is told.

        Not while copies of one unit run (docs/reference/guarantees.md).
        """
        if len(self.units) == 1:
            self.centre.lose_unread(self.rng.choice([self.centre.raw, self.centre.parsed]))

    def crash_centre(self) -> None:
        """Ingest dies: connections and what it had not answered are gone."""
        for connection in list(self.sides):
            connection.centre_open = False
            connection.up.clear()
            connection.appending.clear()
            connection.cut()
        self.sides.clear()
        self.centre.restart_ingest()

    def backup(self, unit: Unit) -> ModelJournal:
        return copy.deepcopy(unit.journal)

    def waiting(self) -> int:
        return sum(len(lane.records) for u in self.units for lane in u.journal.lanes.values())
