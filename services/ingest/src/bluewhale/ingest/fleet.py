"""All connected units of this process: marks, documents, revocations, reports.

Owns what connections have in common. The blocking side (database, files) runs
in threads; everything else on the event loop. Two running copies of one unit are
both taken, since records are never refused by ownership; they are told apart by
session and reported as a condition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.database.units import Desired, Report, Revocations, Units
from bluewhale.ingest.connection import Connection, now
from bluewhale.ingest.current import Current
from bluewhale.ingest.documents import unit_document
from bluewhale.ingest.holes import Holes
from bluewhale.records.batches import StreamTally
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.ingest.marks_feed import MarksFeed
    from bluewhale.ingest.raw_log import RawLog
    from bluewhale.telemetry import Metrics
    from bluewhale.uplink import StoredMark

TICK_S = 0.05
POLL_S = 3.0  # revocations, overrides, files: well within the minute that is promised
RECONNECT_MS = 1_000
REPORT_INTERVAL_MS = 10_000  # how often the database is told of a connected unit
TALLIES_MAX = 10_000  # of one heartbeat
SHOWN_MAX = 500  # characters of what a unit says about itself
COPY_HEARD_MS = 1_000  # messages of the line that broke may still be on their way


class Fleet:
    """The units that are connected here; `say(name, good, message)` takes conditions."""

    def __init__(
        self,
        units: Callable[[], Units],
        current: Current,
        *,
        metrics: Metrics,
        say: Callable[[str, bool, str], None],
        instance: str,
    ) -> None:
        self._units, self.current = units, current
        self._metrics, self._say, self._instance = metrics, say, instance
        self._log = get_logger("ingest")
        self._connections: dict[Connection, None] = {}
        self._by_stream: dict[int, list[Connection]] = {}
        self._overrides: dict[str, Mapping[str, Any]] = {}
        self._desired: dict[str, Desired] = {}
        self._revoked: Revocations | None = None
        self._gone: list[Report] = []
        self._declared: list[str] = []
        self._made_of: tuple[Configuration | None, Mapping[str, Any]] = (None, {})
        self._raw_log: RawLog | None = None
        self._feed: MarksFeed | None = None
        self._holes = Holes()
        self.draining = False
        self._polling = asyncio.Lock()
        self._polls_begun = 0

    def bind(self, raw_log: RawLog, feed: MarksFeed) -> None:
        """Take the two things that know the fleet and that it knows."""
        self._raw_log, self._feed = raw_log, feed

    # ---- admission ---------------------------------------------------------------------

    def refusal(self, unit_uid: str, serial: str) -> tuple[str, str] | None:
        """Say why a unit is not admitted now: a stable code and a message; None = it is.

        serial: of its certificate; "" = none was shown (plaintext).
        """
        if self.draining:
            return "drain", "this copy of ingest is about to end; connect anew"
        if self._revoked is None:
            return "database_unavailable", "the main database was not reached yet; try again"
        if unit_uid in self._revoked.units or serial in self._revoked.serials:
            return (
                "unit_revoked",
                f"unit {unit_uid} was revoked; to admit it again: bluewhale unit token {unit_uid}",
            )
        if not self.current.streams_of(unit_uid):
            return (
                "unit_unknown",
                f"unit {unit_uid} is not in the configuration; add it to `units`",
            )
        return None

    def joined(self, connection: Connection) -> None:
        """Take a connection that was admitted."""
        self._connections[connection] = None
        self._index()

    def left(self, connection: Connection) -> None:
        """Take that a connection ended."""
        if self._connections.pop(connection, False) is None:
            self._index()
            if connection.session:
                self._gone.append(self._report(connection, connected=False))

    def opened(self, connection: Connection, hello: pb.Hello) -> None:
        """Greet a unit: what is stored of its streams, its document, its log level."""
        self._log.info(
            "Unit connected",
            unit_uid=connection.unit_uid,
            session=connection.session,
            version=hello.release,
            skew_ms=connection.clock_skew_ms,
        )
        assert self._feed is not None
        marks = self._feed.of(self.current.streams_of(connection.unit_uid))
        if marks:
            connection.stored(marks)
        self._configure(connection)

    def reported(self, connection: Connection, heartbeat: pb.Heartbeat) -> None:
        """Take a heartbeat: edge counts and holes go into the log, the clock's skew into metrics."""
        own = self.current.streams_of(connection.unit_uid)
        assert self._raw_log is not None
        self._raw_log.tally(
            (partition, StreamTally(t.stream_id, t.day, t.heard, t.journaled))
            for t in heartbeat.tallies[:TALLIES_MAX]
            if t.stream_id in own and (partition := self.current.partition(t.stream_id)) is not None
        )
        self._metrics.set(
            "bluewhale_unit_skew_seconds",
            connection.clock_skew_ms / 1000,
            unit_uid=connection.unit_uid,
        )
        self._name_holes(connection.unit_uid, heartbeat, own)

    def _name_holes(self, unit_uid: str, heartbeat: pb.Heartbeat, own: Mapping[int, str]) -> None:
        """Put into the log what the unit has deleted and a restored main database does not have."""
        assert self._feed is not None
        assert self._raw_log is not None
        if not self._feed.complete:
            return
        for hole in self._holes.found(heartbeat.streams, own, self._feed.of(own), now().clock_ms):
            self._log.error(
                "Main database knows less than its unit was told: it was restored; named as lost"
                " what the log does not have",
                unit_uid=unit_uid,
                stream_id=hole.stream_id,
                incarnation=hole.incarnation,
                first_seq=hole.first_seq,
                last_seq=hole.last_seq,
            )
            self._raw_log.note(hole, self.current.partition(hole.stream_id))

    # ---- what happens to all ---------------------------------------------------------------

    def stored(self, marks: list[StoredMark]) -> None:
        """Pass marks to the connections of their streams."""
        by_connection: dict[Connection, list[StoredMark]] = {}
        for mark in marks:
            for connection in self._by_stream.get(mark.stream_id, ()):
                by_connection.setdefault(connection, []).append(mark)
        for connection, own in by_connection.items():
            connection.stored(own)

    def log_changed(self, log_id: str) -> None:
        """Tell everybody that the log is another one."""
        for connection in list(self._connections):
            connection.log_changed(log_id)

    def drain(self) -> None:
        """Send everybody elsewhere; new connections are not admitted any more."""
        self.draining = True
        command = pb.Command(drain=pb.Drain(reconnect_after_ms=RECONNECT_MS))
        for connection in list(self._connections):
            connection.command(command)
            connection.end("drain", "this copy of ingest is about to end", RECONNECT_MS)

    async def run(self) -> None:
        """Tick, and poll database and files, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            tasks.create_task(self._poll())

    async def poll_now(self) -> None:
        """Look at files and database at once; errors of the database are a condition.

        A look that began after the call serves everybody who waited for it.
        """
        wanted = self._polls_begun + 1
        async with self._polling:
            if self._polls_begun < wanted:
                self._polls_begun += 1
                await self._poll_once()

    async def _poll_once(self) -> None:
        if await asyncio.to_thread(self.current.refresh):
            self._index()
        self._metrics.set("bluewhale_configuration_refused", bool(self.current.problem))
        self._say("configuration", not self.current.problem, self.current.problem)
        try:
            await asyncio.to_thread(self._look)
        except BluewhaleError as error:
            # once units are known, records are taken without the database
            name = "database" if self._revoked is None else "revocations"
            self._say(name, False, f"units are as known before: {error}")
            return
        self._say("database", True, "")
        self._say("revocations", True, "")
        for connection in list(self._connections):
            refused = self.refusal(connection.unit_uid, connection.serial)
            if refused is not None and not self.draining:
                self._log.warning("Unit sent away", unit_uid=connection.unit_uid, reason=refused[0])
                connection.end(*refused)
                continue
            connection.allow(self.current.streams_of(connection.unit_uid))
            if connection.hello is not None:
                self._configure(connection)

    def connections(self, unit_uid: str | None = None) -> list[Connection]:
        """Give the connections of a unit, or of all."""
        return [c for c in self._connections if unit_uid in {None, c.unit_uid}]

    def running(self, unit_uid: str) -> list[Connection]:
        """Give the connections of a unit that are of running copies of it, newest first.

        A connection that was heard after a newer one began is of another copy;
        one that was not is what a broken line left behind, and ends by silence.
        """
        known = sorted(self.connections(unit_uid), key=lambda c: c.connected_at_ms, reverse=True)
        known = [c for c in known if c.hello is not None]
        if not known:
            return []
        since_ms = known[0].connected_at_ms + COPY_HEARD_MS
        return known[:1] + [c for c in known[1:] if c.heard_at_ms > since_ms]

    def desired(self, unit_uid: str) -> Desired | None:
        """Give the document that a unit should run; None while the database was never reached."""
        return self._desired.get(unit_uid)

    # ---- inside ------------------------------------------------------------------------------

    def _index(self) -> None:
        self._by_stream = {}
        for connection in self._connections:
            for stream in self.current.streams_of(connection.unit_uid):
                self._by_stream.setdefault(stream, []).append(connection)
        self._metrics.set("bluewhale_units_connected", len({c.unit_uid for c in self._connections}))

    def _look_for_copies(self) -> None:
        twice = sorted(
            unit_uid
            for unit_uid in {c.unit_uid for c in self._connections}
            if len(self.running(unit_uid)) > 1
        )
        text = f"running more than once: {', '.join(twice)}; end all copies but one of each"
        self._say("unit_copies", not twice, text if twice else "")

    def _configure(self, connection: Connection) -> None:
        desired = self._desired.get(connection.unit_uid)
        if desired is not None:
            connection.configure(desired.version, desired.hash, desired.document.encode())
        level = self._overrides.get(connection.unit_uid, {}).get("log_level")
        if level and connection.log_level != level:
            connection.log_level = level
            connection.command(pb.Command(log_level=pb.SetLogLevel(level=level)))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            moment = now()
            for connection in list(self._connections):
                connection.tick(moment)

    async def _poll(self) -> None:
        while True:
            await self.poll_now()
            self._look_for_copies()
            await asyncio.sleep(POLL_S)

    def _look(self) -> None:
        """Exchange what is known with the database; blocks, runs in a thread."""
        now_ms = now().clock_ms
        declared = self.current.units()
        if declared != self._declared:
            self._units().declare(declared, now_ms)
            self._declared = declared
        self._revoked = self._units().revocations(now_ms)
        self._overrides = {row.unit_uid: row.overrides for row in self._units().all()}
        self._look_at_documents(now_ms)
        gone, self._gone = self._gone, []
        due = [
            c
            for c in list(self._connections)
            if c.session and now_ms - c.told_at_ms >= REPORT_INTERVAL_MS
        ]
        reports = gone + [self._report(c, connected=True) for c in due]
        if not reports:
            return
        try:
            self._units().report(reports, now_ms)
        except BluewhaleError:
            self._gone = gone + self._gone
            raise
        for connection in due:
            connection.told_at_ms = now_ms

    def _look_at_documents(self, now_ms: int) -> None:
        """Make the documents anew where files or overrides changed since."""
        configuration, overrides = self.current.configuration, self._overrides
        same, known = self._made_of[0] is configuration, self._made_of[1]
        changed = {}
        for unit_uid in self.current.units():
            if same and known.get(unit_uid) == overrides.get(unit_uid):
                continue
            made = unit_document(configuration, unit_uid, overrides.get(unit_uid, {}))
            before = self._desired.get(unit_uid)
            if before is None or before.hash != made.hash:
                changed[unit_uid] = (made.hash, made.content.decode())
        if changed:
            self._desired |= self._units().desire(changed, now_ms)
        self._made_of = (configuration, overrides)

    def _report(self, connection: Connection, *, connected: bool) -> Report:
        assert connection.hello is not None
        return Report(
            connection.unit_uid,
            connection.session,
            report_of(connection, self.current.streams_of(connection.unit_uid), self._instance),
            connected,
            now().clock_ms,
        )


def report_of(connection: Connection, own: Mapping[int, str], instance: str) -> dict[str, Any]:
    """Give what is known of a running copy of a unit, as it is kept and shown.

    own: its streams, with their links; what it says of others is left out.
    """
    hello, beat = connection.hello, connection.heartbeat
    assert hello is not None
    journal = beat.journal if beat is not None else pb.JournalUsage()
    configuration = beat.configuration if beat is not None else pb.ConfigurationReport()
    # of links that it lost, too: what it holds is not stored, whoever reads the link now
    lanes = list((hello if beat is None else beat).streams)
    return {
        "peer": connection.peer,
        "release": hello.release[:SHOWN_MAX],
        "protocol": connection.side.protocol,
        "connected_at_ms": connection.connected_at_ms,
        "reported_at_ms": connection.reported_at_ms,
        "clock_skew_ms": connection.clock_skew_ms,
        "journal_usage_ratio": (
            journal.used_bytes / journal.quota_bytes if journal.quota_bytes else 0.0
        ),
        "journal_full": journal.full,
        "backlog_records": sum(
            max(0, lane.journaled_through - lane.stored_through) for lane in lanes
        ),
        "journaled_through": sum(lane.journaled_through for lane in lanes),
        "stored_through": sum(lane.stored_through for lane in lanes),
        # the unit's clock may be wrong, an age must not be
        "oldest_waiting_at_ms": journal.oldest_waiting_at_ms - connection.clock_skew_ms
        if journal.oldest_waiting_at_ms
        else None,
        "journal_days_left": (journal.quota_bytes - journal.used_bytes) / journal.bytes_per_day
        if journal.bytes_per_day
        else None,
        "configuration_hash": (configuration.effective_hash or hello.configuration_hash)[
            :SHOWN_MAX
        ],
        "configuration_state": configuration.state[:SHOWN_MAX],
        "configuration_error": configuration.message[:SHOWN_MAX],
        "certificate_expires_at_ms": beat.certificate_expires_at_ms if beat is not None else 0,
        "links": _links(beat.links if beat is not None else (), set(own.values())),
        "refusals": {
            str(stream): f"{refused.code}: {refused.message}"
            for stream, refused in connection.refusals.items()
        },
        "ingest": instance,
    }


def _links(links: Iterable[pb.LinkReport], own: Container[str]) -> dict[str, dict[str, Any]]:
    return {
        link.link_uid: {
            "connected": link.connected,
            "records": link.records,
            "last_received_at_ms": link.last_received_at_ms,
            "waiting_for_journal": link.waiting_for_journal,
            "last_error": link.last_error[:SHOWN_MAX],
        }
        for link in links
        if link.link_uid in own
    }
