"""The loop of storage: from the log to the main database.

Owns assignment and claims, rounds, waiting while the database is away, messages
that cannot be stored. A thin loop: `Lane` says what goes into a transaction, the
store decides what becomes of it. Positions are those of the claims, committed
with the rows; what is committed to the log is for its lag alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from bluewhale.capture.exceptions import PermanentError, TemporaryError
from bluewhale.database import ClaimLostError, StoreCorruptError, StoreFullError, StoreVersionError
from bluewhale.messaging import (
    PARSED,
    RATED,
    EnvelopeCorruptError,
    EnvelopeVersionError,
)
from bluewhale.messaging.envelopes import ParsedMessage, RatedMessage
from bluewhale.messaging.log_id import is_meant
from bluewhale.nexus.memory import give_back
from bluewhale.storage.lane import Lane, Limits, Round
from bluewhale.telemetry import get_logger, tracing

if TYPE_CHECKING:
    from bluewhale.database import Claim, CommitResult, Store
    from bluewhale.messaging import AssignmentListener, Consumer, Log, Message, Place, Watchdog
    from bluewhale.storage.aside import Aside
    from bluewhale.telemetry import Metrics

CONSUMER = "storage"
TOPICS = (PARSED, RATED)
POLL_MS = 100
POLL_MESSAGES = 4  # each has up to some thousand rows: what one poll brings is bounded
HELD_ROWS = 48_000  # legs that may wait in all lanes together; legs of calls as many
HELD_ROWS_MIN = 6_000  # of each lane, however many there are
WAIT_S = 0.5  # between two attempts while the database is away
RECLAIM_S = 2.0  # a claim that was lost is taken again if the partition is still ours then
LAG_INTERVAL_S = 2.0
NAMES_MAX = 10  # how often one log may lose its end
# the store as a whole, not the batch, is at fault: nothing is kept aside for these
_STORE_FAULTS = (StoreFullError, StoreCorruptError, StoreVersionError)


class Conditions(Protocol):
    """Where the sink says how it is (`bluewhale.nexus.Health`)."""

    def condition(self, name: str, *, good: bool, message: str = "") -> None:
        """Say how one thing is."""
        ...


@dataclass(slots=True)
class _Owned:
    """A place that the group gave us."""

    place: Place
    claim_at_s: float = 0.0  # not before this moment
    claimed: bool = False
    held_back: bool = False
    messages: list[Message] = field(default_factory=list)  # of the lane, for finding a bad one


class Sink:
    """Moves parsed and rated messages into the main database; one thread runs it."""

    def __init__(
        self,
        log: Log,
        store: Store,
        *,
        aside: Aside,
        watchdog: Watchdog,
        health: Conditions,
        metrics: Metrics,
        committed: Callable[[Round, CommitResult], None] = lambda _made, _result: None,
        limits: Limits | None = None,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._store = store
        self._aside = aside
        self._watchdog = watchdog
        self._health = health
        self._metrics = metrics
        self._committed = committed
        self._limits = limits or Limits()
        self._clock_ms = clock_ms
        self._log = get_logger("storage.sink")
        self._owned: dict[Place, _Owned] = {}
        self._lanes: dict[int, Lane] = {}
        self._away = False
        self._lag_at_s = 0.0
        self._backend = "postgresql" if getattr(store, "url", "") else "sqlite"
        listener: AssignmentListener = self
        self.consumer: Consumer = log.consumer(CONSUMER, TOPICS, listener)

    # ---- life ----------------------------------------------------------------------------

    def run(self, stopping: threading.Event) -> None:
        """Work until told to stop; then store what is held and leave the group."""
        try:
            while not stopping.is_set():
                try:
                    self.step()
                except TemporaryError as error:
                    self._watchdog.alive("waiting for the log")
                    self._health.condition("log", good=False, message=str(error))
                    self._log.warning("Log is away, trying again", error=str(error))
                    stopping.wait(WAIT_S)
        finally:
            self.close()

    def close(self) -> None:
        """Store what is held, if the database is there, and leave the group."""
        self.consumer.close()

    @property
    def keeps_house(self) -> bool:
        """Say whether this replica runs jobs: the one that has the first partition does."""
        owned = self._owned.get((PARSED, 0))
        return owned is not None and owned.claimed

    @property
    def busy(self) -> bool:
        """Say whether so much comes that legs wait for their calls."""
        return any(lane.bulk for lane in list(self._lanes.values()))

    def step(self) -> bool:
        """Poll and store once; says whether anything was stored."""
        self._watchdog.alive("polling")
        waiting = any(not lane.idle for lane in self._lanes.values())
        found = self.consumer.poll(10 if waiting else POLL_MS, POLL_MESSAGES)
        self._health.condition("log", good=True)
        self._claim_owned()
        for place, messages in found.items():
            self._take(place, messages)
        stored = False
        for lane in list(self._lanes.values()):
            stored |= self._store_lane(lane)
        if self._away and all(lane.idle for lane in self._lanes.values()):
            self._probe()  # no round is left that would find out
        self._hold_back()
        self._note_lag()
        return stored

    def _probe(self) -> None:
        try:
            self._store.data_time_ms()
        except TemporaryError as error:
            self._database_away(error)
        else:
            self._database_back()

    def _hold_back(self) -> None:
        """Read no more of what a lane has enough of."""
        if self._away:
            return
        share = max(HELD_ROWS // max(len(self._lanes), 1), HELD_ROWS_MIN)
        limits = replace(self._limits, held_rows_max=min(share, self._limits.held_rows_max))
        for each in self._lanes.values():
            each.limits = limits
        for (topic, partition), owned in self._owned.items():
            lane = self._lanes.get(partition)
            full = lane is not None and lane.full(topic)
            if owned.claimed and full != owned.held_back:
                owned.held_back = full
                (self.consumer.pause if full else self.consumer.resume)([owned.place])

    # ---- assignment ----------------------------------------------------------------------

    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        """Claim what the group gives us; the claim says where to go on."""
        for place in places:
            self._owned[place] = _Owned(place)
        consumer.pause(places)
        self._claim_owned(consumer)

    def revoked(self, places: Sequence[Place]) -> None:
        """Store what is held of places that will not be ours."""
        for partition in {p for _, p in places}:
            lane = self._lanes.get(partition)
            if lane is not None:
                self._store_lane(lane, at_once=True)
        self.lost(places)

    def lost(self, places: Sequence[Place]) -> None:
        """Drop the work of places that are no longer ours."""
        for place in places:
            self._owned.pop(place, None)
            lane = self._lanes.get(place[1])
            if lane is not None:
                lane.drop(place[0])
                if not lane.claims:
                    del self._lanes[place[1]]

    def _claim_owned(self, consumer: Consumer | None = None) -> None:
        using = consumer or self.consumer
        now_s = time.monotonic()
        for place, owned in self._owned.items():
            if owned.claimed or now_s < owned.claim_at_s:
                continue
            topic, partition = place
            try:
                claim = self._claim(using, place)
            except TemporaryError as error:
                self._database_away(error)
                owned.claim_at_s = now_s + WAIT_S
                continue
            lane = self._lanes.setdefault(partition, Lane(partition, self._limits))
            lane.claimed(topic, claim)
            using.seek(place, claim.next_offset)
            lane.read[topic] = lane.stored[topic] = using.position(place)
            using.resume([place])
            owned.claimed, owned.held_back = True, False
            owned.messages.clear()
            self._log.info(
                "Partition claimed", topic=topic, partition=partition,
                generation=claim.generation, offset=claim.next_offset,
            )  # fmt: skip

    def _claim(self, consumer: Consumer, place: Place) -> Claim:
        """Claim a place; a log that lost its end goes by another name, from its beginning."""
        topic, partition = place
        topic_id, end = consumer.topic_id(topic), consumer.end_offsets([place])[place]
        for turn in range(NAMES_MAX):
            name = f"{topic_id}~{turn}" if turn else topic_id
            claim = self._store.claim(CONSUMER, name, partition)
            if claim.next_offset <= end:
                break
            self._log.error(
                "Log ends before what is stored of it; reading it from its beginning",
                topic=topic, partition=partition, offset=claim.next_offset, topic_id=name,
            )  # fmt: skip
        return claim

    # ---- reading -------------------------------------------------------------------------

    def _take(self, place: Place, messages: Sequence[Message]) -> None:
        owned, lane = self._owned.get(place), self._lanes.get(place[1])
        if owned is None or lane is None or not owned.claimed:
            return
        now_s = time.monotonic()
        topic_id, unmeant = self.consumer.topic_id(place[0]), 0
        for message in messages:
            if message.offset < lane.read[place[0]]:
                continue
            if not is_meant(message, topic_id):
                lane.skip(place[0], message.offset)
                unmeant += 1
                continue
            try:
                if place[0] == PARSED:
                    lane.take_parsed(message.offset, ParsedMessage.decode(message), now_s)
                else:
                    lane.take_rated(message.offset, RatedMessage.decode(message), now_s)
            except EnvelopeVersionError as error:
                self._too_new(owned, message, error)
                return
            except EnvelopeCorruptError as error:
                self._keep_aside(lane, message, str(error))
                continue
            owned.messages.append(message)
        if unmeant:
            self._metrics.add("bluewhale_batches_total", unmeant, topic=place[0], outcome="unmeant")
            self._log.warning(
                "Messages passed over: meant for a log that was wiped, their units send them again",
                topic=place[0], partition=place[1], offset=messages[0].offset,
                topic_id=topic_id, count=unmeant,
            )  # fmt: skip

    def _too_new(self, owned: _Owned, message: Message, error: EnvelopeVersionError) -> None:
        """Stop before a message of a newer release: order is kept, nothing is passed over."""
        self._health.condition(f"format {owned.place[0]}", good=False, message=str(error))
        self._log.error("A newer release wrote this message", error=str(error),
                        topic=message.topic, partition=message.partition, offset=message.offset)  # fmt: skip
        self.consumer.pause([owned.place])
        self.consumer.seek(owned.place, message.offset)

    def _keep_aside(self, lane: Lane, message: Message, why: str) -> None:
        path = self._aside.keep(message, self.consumer.topic_id(message.topic), why)
        self._metrics.add("bluewhale_batches_total", topic=message.topic, outcome="aside")
        self._log.error(
            "Message kept aside", error=why, path=str(path), topic=message.topic,
            partition=message.partition, offset=message.offset,
        )  # fmt: skip
        lane.skip(message.topic, message.offset)

    # ---- storing -------------------------------------------------------------------------

    def _store_lane(self, lane: Lane, *, at_once: bool = False) -> bool:
        """Store what is due of a lane; says whether anything was."""
        stored = False
        while (made := lane.due(time.monotonic(), self._clock_ms(), at_once=at_once)) is not None:
            if not self._store_round(lane, made):
                break
            stored = True
        return stored

    def _store_round(self, lane: Lane, made: Round) -> bool:
        self._watchdog.alive("storing")
        try:
            self._apply(lane, made)
        except ClaimLostError as error:
            self._claim_lost(lane, error)
            return False
        except TemporaryError as error:
            self._database_away(error)
            return False
        except _STORE_FAULTS as error:
            self._database_away(error)
            return False
        except (PermanentError, ValueError, TypeError, KeyError, AssertionError) as error:
            self._find_the_bad_one(lane, error)
            return True
        return True

    def _apply(self, lane: Lane, made: Round) -> None:
        started_s = time.monotonic()
        with tracing.span(
            "store", kind="consumer", parents=made.traceparents,
            attributes={
                "messaging.system": "kafka", "messaging.operation.type": "process",
                "messaging.consumer.group.name": CONSUMER,
                "messaging.destination.partition.id": str(lane.partition),
                "messaging.batch.message_count": made.messages, "bluewhale.legs": made.legs,
                "bluewhale.sealed": made.seal,
            },
        ), tracing.span(
            "commit", kind="client",
            attributes={"db.system.name": self._backend, "db.operation.name": "COMMIT"},
        ):  # fmt: skip
            result = self._store.commit(made.batch, seal=made.seal)
        lane.done(made)
        if made.seal:
            give_back()  # what a segment took
        for topic in lane.claims:
            owned = self._owned.get((topic, lane.partition))
            if owned is not None:
                owned.messages = [m for m in owned.messages if m.offset >= lane.stored[topic]]
        self._database_back()
        self._count(lane, made, result, time.monotonic() - started_s)
        self._committed(made, result)

    def _find_the_bad_one(self, lane: Lane, error: Exception) -> None:
        """Store message by message; the one that cannot be stored alone goes aside."""
        self._log.warning("Round cannot be stored, trying each message", error=str(error))
        held = {
            topic: list(self._owned[topic, lane.partition].messages)
            for topic in lane.claims if (topic, lane.partition) in self._owned
        }  # fmt: skip
        alone = Lane(lane.partition, lane.limits)
        for topic in lane.claims:
            alone.claims[topic] = lane.claims[topic]
            alone.stored[topic] = alone.read[topic] = lane.stored[topic]
        alone.parsed_time_ms, alone.rated_time_ms = lane.parsed_time_ms, lane.rated_time_ms
        try:
            for topic in (t for t in TOPICS if t in held):
                for message in held[topic]:
                    self._store_alone(alone, message)
        except ClaimLostError as lost:
            self._claim_lost(lane, lost)
            return
        except (TemporaryError, *_STORE_FAULTS) as away:
            self._database_away(away)
        read = dict(lane.read)
        for topic in list(lane.claims):
            lane.drop(topic)
            lane.claims[topic], lane.stored[topic] = alone.claims[topic], alone.stored[topic]
            lane.read[topic] = alone.stored[topic]
            if read[topic] != alone.stored[topic]:  # the database went away in the middle
                self.consumer.seek((topic, lane.partition), alone.stored[topic])
            self._owned[topic, lane.partition].messages.clear()
        lane.parsed_time_ms, lane.rated_time_ms = alone.parsed_time_ms, alone.rated_time_ms

    def _store_alone(self, alone: Lane, message: Message) -> None:
        if message.offset < alone.stored[message.topic]:
            return
        now_s = time.monotonic()
        self._watchdog.alive("storing")
        if message.topic == PARSED:
            alone.take_parsed(message.offset, ParsedMessage.decode(message), now_s)
        else:
            alone.take_rated(message.offset, RatedMessage.decode(message), now_s)
        try:
            made = alone.due(now_s, self._clock_ms(), at_once=True)
            assert made is not None
            self._store.commit(made.batch)
        except (ClaimLostError, TemporaryError, *_STORE_FAULTS):
            raise
        except (PermanentError, ValueError, TypeError, KeyError, AssertionError) as error:
            claims, stored = dict(alone.claims), dict(alone.stored)
            alone.drop(message.topic)
            alone.claims.update(claims)
            alone.stored.update(stored)
            alone.read[message.topic] = message.offset
            self._keep_aside(alone, message, f"{type(error).__name__}: {error}")
            made = alone.due(now_s, self._clock_ms(), at_once=True)
            assert made is not None
            self._store.commit(made.batch)
        alone.done(made)

    def _claim_lost(self, lane: Lane, error: ClaimLostError) -> None:
        """Drop the partition; if the group still says it is ours, it is claimed again."""
        self._log.warning("Claim lost", error=str(error), partition=lane.partition)
        for topic in list(lane.claims):
            place = (topic, lane.partition)
            lane.drop(topic)
            owned = self._owned.get(place)
            if owned is not None:
                owned.claimed, owned.claim_at_s = False, time.monotonic() + RECLAIM_S
                owned.messages.clear()
                self.consumer.pause([place])
        self._lanes.pop(lane.partition, None)

    # ---- how it is -----------------------------------------------------------------------

    def _database_away(self, error: Exception) -> None:
        self._watchdog.alive("waiting for the database")
        self._health.condition("database", good=False, message=str(error))
        if not self._away:
            self._away = True
            self._log.warning("Database is away, waiting", error=str(error))
            self.consumer.pause(self.consumer.assignment())
        time.sleep(WAIT_S)

    def _database_back(self) -> None:
        self._health.condition("database", good=True)
        if self._away:
            self._away = False
            self._log.info("Database is back")
            self.consumer.resume(
                [p for p, owned in self._owned.items() if owned.claimed and not owned.held_back]
            )

    def _count(self, lane: Lane, made: Round, result: CommitResult, seconds: float) -> None:
        metrics = self._metrics
        metrics.observe("bluewhale_commit_seconds", seconds)
        for topic in lane.claims:
            metrics.add("bluewhale_batches_total", topic=topic, outcome="stored")
        for kind, count in (("created", result.created), ("grown", result.grown)):
            metrics.add("bluewhale_calls_stored_total", count, kind=kind)
        for entry, count in (("charge", result.charges), ("reversal", result.reversals)):
            metrics.add("bluewhale_charges_total", count, entry=entry)
        metrics.add("bluewhale_records_replayed_total", result.replayed)
        metrics.add("bluewhale_duplicates_total", result.duplicate)
        self._log.debug(
            "Round stored", partition=lane.partition, accepted=result.accepted,
            rejected=result.suspended, replayed=result.replayed, duplicate=result.duplicate,
            calls_created=result.created, calls_grown=result.grown, calls_ignored=result.ignored,
            calls_refused=result.refused, charges=result.charges, reversals=result.reversals,
            marked=result.marked, segment=result.segment, duration_ms=round(seconds * 1000),
        )  # fmt: skip

    def _note_lag(self) -> None:
        """Tell the log how far we are, so that its own tools show the lag."""
        now_s = time.monotonic()
        if now_s - self._lag_at_s < LAG_INTERVAL_S:
            return
        self._lag_at_s = now_s
        at = {
            (topic, lane.partition): (lane.stored[topic], "")
            for lane in self._lanes.values() for topic in lane.claims
        }  # fmt: skip
        if not at:
            return
        try:
            ends = self.consumer.end_offsets(at)
            self.consumer.commit(at)
        except TemporaryError as error:
            self._log.warning("Lag cannot be told", error=str(error))
            return
        now_ms = self._clock_ms()
        for (topic, partition), (offset, _) in at.items():
            labels = {"topic": topic, "partition": str(partition)}
            self._metrics.set(
                "bluewhale_log_lag_messages", ends[topic, partition] - offset, **labels
            )
            lane = self._lanes[partition]
            seen = lane.parsed_time_ms if topic == PARSED else lane.rated_time_ms
            if seen:
                self._metrics.set(
                    "bluewhale_data_time_age_seconds", (now_ms - seen) / 1000, **labels
                )
