"""One member of a consumer group on Kafka.

Owns what kafka-python leaves to its user: the library calls its rebalance
listener on its own I/O thread, where nothing may be asked of the consumer, so
what it tells is queued and passed on inside `poll`, in the thread that owns the
consumer. Positions carry the topic id, in the metadata of each commit and in
memory: a topic that was made again is read from its beginning.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from bluewhale.messaging.exceptions import (
    CommitRefusedError,
    LogUnavailableError,
    TopicShapeError,
)
from bluewhale.messaging.kafka_connection import Connection
from bluewhale.messaging.memory import refused_text, shape_text
from bluewhale.messaging.port import AssignmentListener, Consumer, Message, Place
from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata
from typing_extensions import override

HEARTBEAT_MS = 2_000
ASK_TIMEOUT_MS = 5_000
METADATA_AGE_MS = 3_000  # so soon a topic that was made again is noticed
# one turn of the library's loop; what it told meanwhile is passed on behind it
SLICE_MS = 50
# What was fetched of one partition is given out before that of the next: with more of
# each the partitions of a backlog move in turns so long that who reads two topics waits.
PARTITION_FETCH_BYTES = 1 << 20
FETCH_BYTES = 16 << 20
_REFUSED = (
    kafka_errors.CommitFailedError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.RebalanceInProgressError,
)


class KafkaLogConsumer(Consumer):
    """Reads topics as one member of a group; cooperative-sticky, offsets committed by us."""

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        group: str,
        topics: tuple[str, ...],
        listener: AssignmentListener,
        ids_now: Callable[[Iterable[str]], dict[str, str]],
        *,
        session_timeout_ms: int,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._group = group
        self._topics = topics
        self._listener = listener
        self._ids_now = ids_now
        self._events: deque[tuple[str, list[Place]]] = deque()
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._ids: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._unanswered_since: float | None = None
        self._inner = connection.open(
            KafkaConsumer,
            group_id=prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=HEARTBEAT_MS,
            metadata_max_age_ms=METADATA_AGE_MS,
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=250,
            metrics_enabled=False,
        )
        self._inner.subscribe([prefix + t for t in topics], listener=_Queue(self))
        self._learn_topics()

    @override
    def poll(self, timeout_ms: int, max_messages: int) -> dict[Place, list[Message]]:
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            left_ms = max(0, int((deadline - time.monotonic()) * 1000))
            self._finish_join()
            self._free_line()
            # at least some milliseconds, or joining a group never gets anywhere
            records = self._ask(
                lambda ms=left_ms: self._inner.poll(max(5, min(ms, SLICE_MS)), max_messages)
            )
            fetched = {self._place(tp): found for tp, found in records.items()}
            try:
                changed = self._pass_on() | self._replaced(fetched)
            except BaseException:
                # the library has moved on past what we do not deliver now
                for place in fetched.keys() & self._positions.keys():
                    self.seek(place, self._positions[place])
                raise
            untouched = {p: found for p, found in fetched.items() if p not in changed}
            if found := self._messages(untouched):
                return found
            if left_ms <= 0:
                return {}

    @override
    def position(self, place: Place) -> int:
        return self._positions[place]

    @override
    def seek(self, place: Place, offset: int) -> None:
        assert place in self._positions, "only an assigned place has a position"
        self._positions[place] = offset
        with contextlib.suppress(AssertionError, kafka_errors.IllegalStateError):
            self._inner.seek(self._partition(place), offset)

    @override
    def pause(self, places: Iterable[Place]) -> None:
        ours = [p for p in places if p in self._positions and p not in self._paused]
        self._paused.update(ours)
        with contextlib.suppress(AssertionError, KeyError, kafka_errors.IllegalStateError):
            self._inner.pause(*map(self._partition, ours))

    @override
    def resume(self, places: Iterable[Place]) -> None:
        ours = [p for p in places if p in self._positions and p in self._paused]
        self._paused.difference_update(ours)
        with contextlib.suppress(AssertionError, KeyError, kafka_errors.IllegalStateError):
            self._inner.resume(*map(self._partition, ours))

    @override
    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        for place in offsets:
            if place not in self._positions:
                raise CommitRefusedError(refused_text(self._group, place))
        told = {
            self._partition(p): OffsetAndMetadata(offset, f"{self._ids[p[0]]} {metadata}", -1)
            for p, (offset, metadata) in offsets.items()
        }
        try:
            self._inner.commit(told, timeout_ms=ASK_TIMEOUT_MS)
        except _REFUSED as error:
            raise CommitRefusedError(refused_text(self._group, next(iter(offsets)))) from error
        except kafka_errors.KafkaError as error:
            raise self._connection.error(error) from error

    @override
    def committed(self, place: Place) -> tuple[int, str] | None:
        found = self._ask(
            lambda: self._inner.committed(
                self._partition(place), metadata=True, timeout_ms=ASK_TIMEOUT_MS
            )
        )
        if found is None or found.offset is None or found.offset < 0:
            return None
        topic_id, _, metadata = (found.metadata or "").partition(" ")
        return (found.offset, metadata) if topic_id == self.topic_id(place[0]) else None

    @override
    def end_offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        wanted = [self._partition(p) for p in places]

        def ends() -> dict[TopicPartition, int]:
            try:
                return self._inner.end_offsets(wanted, timeout_ms=ASK_TIMEOUT_MS) if wanted else {}
            except KeyError as error:  # so the library says that a topic was just deleted
                raise kafka_errors.UnknownTopicOrPartitionError(str(error)) from error

        return {self._place(tp): offset for tp, offset in self._ask(ends).items()}

    @override
    def topic_id(self, topic: str) -> str:
        return self._ids.get(topic) or self._existing([topic])[topic]

    @override
    def assignment(self) -> frozenset[Place]:
        return frozenset(self._positions)

    @override
    def close(self) -> None:
        places = sorted(self._positions)
        if places:
            self._listener.revoked(places)
        self._positions.clear()
        with self._connection.translated():
            self._inner.close(timeout_ms=ASK_TIMEOUT_MS)

    # ---- what the library told

    def note(self, kind: str, partitions: Iterable[TopicPartition]) -> None:
        """Queue what happened; called on the library's thread."""
        self._events.append((kind, sorted(map(self._place, partitions))))

    def _pass_on(self) -> set[Place]:
        """Tell the listener what was queued; gives the places that it was about."""
        about: set[Place] = set()
        while self._events:
            kind, places = self._events.popleft()
            about.update(places)
            if kind in {"assigned", "anew"}:
                self._begin(kind, [p for p in places if p not in self._positions])
                continue
            gone = [p for p in places if p in self._positions]
            if kind == "revoked" and gone:
                self._listener.revoked(gone)
            for place in gone:
                self._positions.pop(place, None)
                self._paused.discard(place)
            if kind == "lost" and gone:
                self._listener.lost(gone)
        return about

    def _begin(self, kind: str, places: list[Place]) -> None:
        """Start places at their commit, or `anew` at the beginning, and tell the listener."""
        if not places:
            return
        started = dict.fromkeys(places, 0)
        try:
            topics = {p[0] for p in places}
            self._ids |= self._existing(topics)
            for topic in topics:
                self._check_shape(topic)
            for place in places if kind == "assigned" else ():
                kept = self.committed(place)
                started[place] = kept[0] if kept else 0
        except LogUnavailableError:
            # tried again at the next poll; nothing is delivered from these places until then
            self._events.appendleft((kind, places))
            raise
        for place, offset in started.items():
            self._positions[place] = offset
            self.seek(place, offset)
        self._listener.assigned(self, places)

    def _replaced(self, records: Mapping[Place, Sequence[Any]]) -> set[Place]:
        """Find places whose topic is another one by now, and begin them anew.

        The library fetches by name, reads on in whatever topic has it, and learns of
        another id late. So the cluster is asked after each fetch that brought something
        (a millisecond): if the id is still ours, so are the messages. A broker
        knows of a new topic before it gives messages of it.
        """
        asked = {p[0] for p in records if p in self._positions}
        for topic in {p[0] for p in self._positions}:
            current = self._cluster_id(topic)
            if current and current != self._ids.get(topic):
                asked.add(topic)
            elif current:
                self._check_shape(topic)
        current_ids = self._existing(asked) if asked else {}
        replaced = {t for t, current in current_ids.items() if current != self._ids.get(t)}
        if replaced:
            self._inner._cluster.request_update()  # noqa: SLF001 - no public way in 3.0
        places = [p for p in self._positions if p[0] in replaced]
        # the log lost its end under the same id: an offset below the one asked for
        places += [
            p
            for p, found in records.items()
            if p in self._positions and p not in places and found[0].offset < self._positions[p]
        ]
        if not places:
            return set()
        for place in places:
            self.resume([place])
            del self._positions[place]
        self._events.appendleft(("anew", places))
        self._listener.lost(places)
        return set(places) | self._pass_on()

    # ---- topics as the library's metadata has them

    def _learn_topics(self) -> None:
        """Wait until the library knows the topics: a join without them assigns nothing."""
        cluster = self._inner._cluster  # noqa: SLF001 - no public way in 3.0
        deadline = time.monotonic() + ASK_TIMEOUT_MS / 1000
        while any(cluster.partitions_for_topic(self._prefix + t) is None for t in self._topics):
            if time.monotonic() > deadline:
                self._inner.close(timeout_ms=0)
                raise LogUnavailableError(
                    f"Kafka at {self._connection.bootstrap} did not tell its topics in {ASK_TIMEOUT_MS} ms"
                )
            cluster.request_update()
            time.sleep(0.02)

    def _finish_join(self) -> None:
        """Make the library end a join that outlasted the poll in which it began.

        Since kafka-python 3.0 it forgets such a join if the metadata of a topic
        was its reason, and this member then owns nothing for ever.
        """
        coordinator = self._inner._coordinator  # noqa: SLF001 - no public way in 3.0
        if coordinator._join_task is not None:  # noqa: SLF001
            coordinator.request_rejoin()

    def _free_line(self) -> None:
        """Make the library give out again what it put aside for a place that was paused.

        kafka-python 3.0 does so only while no fetched part is its next one, and takes
        a part that is used up for one: the place was then never fetched again.
        """
        fetcher = self._inner._fetcher  # noqa: SLF001 - no public way in 3.0
        if not fetcher._next_partition_records:  # noqa: SLF001
            fetcher._next_partition_records = None  # noqa: SLF001

    def _cluster_id(self, topic: str) -> str:
        """Give the id of a topic; "" = not known now (the topic is being made again)."""
        found = self._inner._cluster.topic_id(self._prefix + topic)  # noqa: SLF001 - no public way in 3.0
        return str(found) if found is not None else ""

    def _existing(self, topics: Collection[str]) -> dict[str, str]:
        """Ask the cluster for the ids of topics; `LogUnavailableError` if one does not exist."""
        found = self._ids_now(topics)
        for topic in topics:
            if topic not in found:
                raise LogUnavailableError(
                    f"Kafka at {self._connection.bootstrap} has no topic {topic} now; it may be being "
                    "made again"
                )
        return found

    def _check_shape(self, topic: str) -> None:
        count = len(self._inner._cluster.partitions_for_topic(self._prefix + topic) or ())  # noqa: SLF001
        if count and self._counts.setdefault(topic, count) != count:
            raise TopicShapeError(shape_text(topic, count, self._counts[topic]))

    # ---- the library

    def _messages(self, records: Mapping[Place, Sequence[Any]]) -> dict[Place, list[Message]]:
        found: dict[Place, list[Message]] = {}
        for place, given in records.items():
            if place not in self._positions or not given:
                continue
            topic, partition = place
            found[place] = [
                Message(
                    topic,
                    partition,
                    r.offset,
                    r.key,
                    r.value or b"",
                    tuple(r.headers),
                    r.timestamp,
                )
                for r in given
            ]
            self._positions[place] = given[-1].offset + 1
        return found

    def _ask(self, question: Any) -> Any:
        with self._connection.translated():
            return question()

    def _partition(self, place: Place) -> TopicPartition:
        return TopicPartition(self._prefix + place[0], place[1])

    def _place(self, partition: TopicPartition) -> Place:
        return partition.topic.removeprefix(self._prefix), partition.partition


class _Queue(ConsumerRebalanceListener):
    """Takes what the library tells on its own thread."""

    def __init__(self, consumer: KafkaLogConsumer) -> None:
        self._consumer = consumer

    @override
    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.note("assigned", assigned)

    @override
    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._consumer.note("revoked", revoked)

    @override
    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._consumer.note("lost", lost)
