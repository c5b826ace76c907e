"""The log in memory: for tests, and for stages that run in one process.

Owns a small broker: topics, groups, offsets. Keeps every promise of the port
but durability. `wipe`, `expel` and `stop_answering` do to it what happens to real
brokers and members, so that users can be tested against it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from bluewhale.messaging.exceptions import (
    CommitRefusedError,
    LogUnavailableError,
    MessageTooLargeError,
    TopicShapeError,
)
from bluewhale.messaging.port import (
    MESSAGE_BYTES_MAX,
    TOPICS,
    AssignmentListener,
    Consumer,
    Headers,
    Log,
    Message,
    Place,
    Producer,
)
from typing_extensions import override


@dataclass(slots=True)
class _Topic:
    topic_id: str
    partitions: list[list[Message]]


@dataclass(slots=True)
class _Group:
    members: list[MemoryConsumer] = field(default_factory=list)
    owners: dict[Place, MemoryConsumer] = field(default_factory=dict)
    # by topic id, so that a topic made again knows nothing of the one before
    commits: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)


class MemoryLog(Log):
    """A log without disk and network; all of its producers and consumers share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, _Group] = {}
        self._away = ""

    @override
    def ensure_topics(
        self, partitions: int, replication: int, names: Sequence[str] = TOPICS
    ) -> None:
        with self._changed:
            self._answer()
            for name in names:
                topic = self._topics.get(name)
                if topic is None:
                    self._topics[name] = _new_topic(partitions)
                elif len(topic.partitions) != partitions:
                    raise TopicShapeError(shape_text(name, len(topic.partitions), partitions))
            self._changed.notify_all()

    @override
    def topic_id(self, name: str) -> str:
        with self._changed:
            self._answer()
            return self._topic(name).topic_id

    @override
    def partitions(self, name: str) -> int:
        with self._changed:
            self._answer()
            return len(self._topic(name).partitions)

    @override
    def producer(self, *, renewing: bool = True) -> Producer:
        return MemoryProducer(self, renewing=renewing)

    @override
    def consumer(
        self, group: str, topics: Sequence[str], listener: AssignmentListener
    ) -> MemoryConsumer:
        with self._changed:
            for topic in topics:
                self._topic(topic)
            made = MemoryConsumer(self, group, tuple(topics), listener)
            self._groups.setdefault(group, _Group()).members.append(made)
            self._changed.notify_all()
            return made

    @override
    def close(self) -> None:
        pass

    def wipe(self, name: str, partitions: int | None = None) -> None:
        """Delete a topic and make it again, empty, with another id."""
        with self._changed:
            count = len(self._topic(name).partitions) if partitions is None else partitions
            self._topics[name] = _new_topic(count)
            self._changed.notify_all()

    def expel(self, consumer: Consumer) -> None:
        """Give a member's places to the others at once, as a broker does with a silent one."""
        assert isinstance(consumer, MemoryConsumer)
        with self._changed:
            group = self._groups[consumer.group]
            for place in [p for p, owner in group.owners.items() if owner is consumer]:
                del group.owners[place]
            if consumer in group.members:
                group.members.remove(consumer)
            self._changed.notify_all()

    def stop_answering(self, why: str) -> None:
        """Fail every call with `LogUnavailableError` until `answer_again`."""
        with self._changed:
            self._away = why

    def answer_again(self) -> None:
        """End what `stop_answering` began."""
        with self._changed:
            self._away = ""
            self._changed.notify_all()

    def _answer(self) -> None:
        if self._away:
            raise LogUnavailableError(self._away)

    def _topic(self, name: str) -> _Topic:
        topic = self._topics.get(name)
        if topic is None:
            raise TopicShapeError(missing_text(name))
        return topic

    def _targets(self, group: _Group) -> dict[Place, MemoryConsumer]:
        """Share places evenly, leaving each where it is as far as that stays even."""
        target: dict[Place, MemoryConsumer] = {}
        for name in sorted({t for m in group.members for t in m.topics}):
            readers = [m for m in group.members if name in m.topics]
            count = len(self._topic(name).partitions)
            most, bigger = divmod(count, len(readers))
            held = dict.fromkeys(map(id, readers), 0)
            waiting = []
            for place in [(name, i) for i in range(count)]:
                owner = group.owners.get(place)
                if owner in readers and owner is not None:
                    limit = most + (1 if bigger > 0 else 0)
                    if held[id(owner)] < limit:
                        held[id(owner)] += 1
                        if held[id(owner)] == most + 1:
                            bigger -= 1
                        target[place] = owner
                        continue
                waiting.append(place)
            for place in waiting:
                reader = min(readers, key=lambda m: held[id(m)])
                held[id(reader)] += 1
                target[place] = reader
        return target


class MemoryProducer(Producer):
    """Appends at once."""

    def __init__(self, log: MemoryLog, *, renewing: bool = True) -> None:
        self._log = log
        self._renewing = renewing
        self._over = False

    @override
    def send(
        self,
        topic: str,
        partition: int,
        value: bytes,
        *,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> Future[int]:
        done: Future[int] = Future()
        log = self._log
        try:
            check_size(topic, value, key, headers)
            with log._changed:  # noqa: SLF001 - one small broker in one module
                self._refuse_if_over()
                log._answer()  # noqa: SLF001
                lane = log._topic(topic).partitions[partition]  # noqa: SLF001
                message = Message(
                    topic,
                    partition,
                    len(lane),
                    key,
                    bytes(value),
                    tuple(headers),
                    time.time_ns() // 1_000_000,
                )
                lane.append(message)
                log._changed.notify_all()  # noqa: SLF001
            done.set_result(message.offset)
        except (LogUnavailableError, TopicShapeError, MessageTooLargeError) as error:
            self._over |= isinstance(error, LogUnavailableError) and not self._renewing
            done.set_exception(error)
        except IndexError:
            done.set_exception(TopicShapeError(partition_text(topic, partition)))
        return done

    @property
    @override
    def over(self) -> bool:
        return self._over

    def _refuse_if_over(self) -> None:
        if self._over:
            raise LogUnavailableError(over_text())

    @override
    def flush(self, timeout_s: float) -> None:
        pass

    @override
    def close(self) -> None:
        pass


class MemoryConsumer(Consumer):
    """One member of a group of a `MemoryLog`."""

    def __init__(
        self,
        log: MemoryLog,
        group: str,
        topics: tuple[str, ...],
        listener: AssignmentListener,
    ) -> None:
        self._log = log
        self.group = group
        self.topics = topics
        self._listener = listener
        self._positions: dict[Place, int] = {}
        self._ids: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._paused: set[Place] = set()

    @override
    def poll(self, timeout_ms: int, max_messages: int) -> dict[Place, list[Message]]:
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            self._rebalance()
            with self._log._changed:  # noqa: SLF001
                self._log._answer()  # noqa: SLF001
                found = self._take(max_messages)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._log._changed.wait(min(left, 0.05))  # noqa: SLF001

    @override
    def position(self, place: Place) -> int:
        return self._positions[place]

    @override
    def seek(self, place: Place, offset: int) -> None:
        assert place in self._positions, "only an assigned place has a position"
        self._positions[place] = offset

    @override
    def pause(self, places: Iterable[Place]) -> None:
        self._paused.update(p for p in places if p in self._positions)

    @override
    def resume(self, places: Iterable[Place]) -> None:
        self._paused.difference_update(places)

    @override
    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        with self._log._changed:  # noqa: SLF001
            self._log._answer()  # noqa: SLF001
            group = self._group()
            for place in offsets:
                if group.owners.get(place) is not self:
                    raise CommitRefusedError(refused_text(self.group, place))
            for place, (offset, metadata) in offsets.items():
                group.commits[self._ids[place[0]], place[1]] = (offset, metadata)

    @override
    def committed(self, place: Place) -> tuple[int, str] | None:
        with self._log._changed:  # noqa: SLF001
            self._log._answer()  # noqa: SLF001
            topic = self._log._topic(place[0])  # noqa: SLF001
            return self._group().commits.get((topic.topic_id, place[1]))

    @override
    def end_offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        with self._log._changed:  # noqa: SLF001
            self._log._answer()  # noqa: SLF001
            topics = self._log._topics  # noqa: SLF001
            return {p: len(topics[p[0]].partitions[p[1]]) for p in places}

    @override
    def topic_id(self, topic: str) -> str:
        return self._ids.get(topic) or self._log.topic_id(topic)

    @override
    def assignment(self) -> frozenset[Place]:
        return frozenset(self._positions)

    @override
    def close(self) -> None:
        places = sorted(self._positions)
        if places:
            self._listener.revoked(places)
        self._positions.clear()
        self._log.expel(self)

    def _group(self) -> _Group:
        return self._log._groups[self.group]  # noqa: SLF001

    def _take(self, max_messages: int) -> dict[Place, list[Message]]:
        found: dict[Place, list[Message]] = {}
        left = max_messages
        # the place that was served first goes last, so that one busy place starves none
        for place in list(self._positions):
            if left <= 0:
                break
            if place in self._paused:
                continue
            if self._log._topic(place[0]).topic_id != self._ids[place[0]]:  # noqa: SLF001
                continue  # wiped just now: the next poll begins it anew
            lane = self._log._topic(place[0]).partitions[place[1]]  # noqa: SLF001
            at = self._positions[place]
            if at > len(lane):  # beyond its end: not the topic it was
                at = 0
            if part := lane[at : at + left]:
                found[place] = part
                left -= len(part)
                del self._positions[place]
                self._positions[place] = at + len(part)
        return found

    def _rebalance(self) -> None:
        """Follow what the group and the topics have become since the last poll."""
        log = self._log
        with log._changed:  # noqa: SLF001
            log._answer()  # noqa: SLF001
            for name in self.topics:
                count = len(log._topic(name).partitions)  # noqa: SLF001
                if self._counts.setdefault(name, count) != count:
                    raise TopicShapeError(shape_text(name, count, self._counts[name]))
            group = self._group()
            if self not in group.members:
                group.members.append(self)
            replaced = {
                name
                for name in self.topics
                if self._ids.get(name, "") != log._topic(name).topic_id  # noqa: SLF001
            }
            lost = sorted(
                p for p in self._positions if group.owners.get(p) is not self or p[0] in replaced
            )
        if lost:
            self._drop(lost)
            self._listener.lost(lost)
        with log._changed:  # noqa: SLF001
            target = log._targets(group)  # noqa: SLF001
            leaving = sorted(p for p in self._positions if target.get(p) is not self)
        if leaving:
            self._listener.revoked(leaving)
        with log._changed:  # noqa: SLF001
            self._drop(leaving)
            # those that were lost with their topic are let go of here too
            freed = [p for p, o in group.owners.items() if o is self and target.get(p) is not self]
            for place in freed:
                del group.owners[place]
            for name in self.topics:
                self._ids[name] = log._topic(name).topic_id  # noqa: SLF001
            fresh = []
            for place in sorted(p for p, member in target.items() if member is self):
                if place not in self._positions and group.owners.get(place, self) is self:
                    group.owners[place] = self
                    kept = group.commits.get((self._ids[place[0]], place[1]))
                    self._positions[place] = kept[0] if kept else 0
                    fresh.append(place)
            if freed:
                log._changed.notify_all()  # noqa: SLF001
        if fresh:
            self._listener.assigned(self, fresh)

    def _drop(self, places: Iterable[Place]) -> None:
        for place in places:
            self._positions.pop(place, None)
            self._paused.discard(place)


def _new_topic(partitions: int) -> _Topic:
    return _Topic(uuid.uuid4().hex, [[] for _ in range(partitions)])


def check_size(topic: str, value: bytes, key: bytes | None, headers: Headers) -> None:
    """Refuse a message that no driver would take."""
    size = len(value) + len(key or b"") + sum(len(k) + len(v) for k, v in headers)
    if size > MESSAGE_BYTES_MAX:
        raise MessageTooLargeError(
            f"a message for {topic} has {size:,} bytes, the log takes {MESSAGE_BYTES_MAX:,}: "
            "send fewer rows in one message"
        )


def missing_text(topic: str) -> str:
    """Say that a topic is not there, and what to do."""
    return f"topic {topic} does not exist: start a role that creates topics, or create it"


def shape_text(topic: str, found: int, wanted: int) -> str:
    """Say that a topic has another count of partitions, and what to do."""
    return (
        f"topic {topic} has {found} partitions, this installation {wanted}: set "
        f"cluster.kafka.partitions to {found}, or drain the roles, delete the topic and start them "
        "again (units send again what the main database does not have)"
    )


def partition_text(topic: str, partition: int) -> str:
    """Say that a partition does not exist."""
    return (
        f"topic {topic} has no partition {partition}: it was made with fewer partitions than "
        "cluster.kafka.partitions says"
    )


def over_text() -> str:
    """Say that a producer takes no more."""
    return "a message before this one could not be delivered"


def refused_text(group: str, place: Place) -> str:
    """Say that a commit came too late."""
    return (
        f"group {group} gave partition {place[1]} of {place[0]} to another member; its work is "
        "done again there"
    )
