"""The logs that the contract runs over, and a listener that writes down what it hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest
from bluewhale.messaging import Consumer, Log, MemoryLog, Message, Place
from bluewhale.messaging.kafka import KafkaLog

from tests.support.services.topics import remake

PATIENCE_S = 120.0  # of a group whose members are kept from their heartbeats by other tests


class Heard:
    """A listener that keeps what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Place, ...]]] = []

    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        self.told.append(("assigned", tuple(sorted(places))))

    def revoked(self, places: Sequence[Place]) -> None:
        self.told.append(("revoked", tuple(sorted(places))))

    def lost(self, places: Sequence[Place]) -> None:
        self.told.append(("lost", tuple(sorted(places))))


class Bench:
    """A log under test, and how to do to it what the port cannot."""

    def __init__(self, log: Log, wipe: Callable[[str, int], None]) -> None:
        self._open: list = []
        self.log = log
        self.wipe = wipe
        self._count = 0

    def producer(self):
        made = self.log.producer()
        self._open.append(made)
        return made

    def consumer(self, group: str, *topics: str, listener: Heard | None = None) -> Consumer:
        made = self.log.consumer(group, topics, listener or Heard())
        self._open.append(made)
        return made

    def topic(self, partitions: int = 1) -> str:
        """Give a new topic."""
        self._count += 1
        name = f"topic{self._count}"
        self.log.ensure_topics(partitions, 1, [name])
        return name

    def close(self) -> None:
        for made in reversed(self._open):
            made.close()
        self.log.close()


def read(consumer: Consumer, count: int, *, timeout_s: float = PATIENCE_S) -> list[Message]:
    """Poll until `count` messages came; places in order, messages of a place in order."""
    found: list[Message] = []
    deadline = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < deadline:
        for messages in consumer.poll(100, 1000).values():
            found += messages
    return found


def poll_until(
    claim: Callable[[], bool], *consumers: Consumer, timeout_s: float = PATIENCE_S
) -> list:
    """Poll the consumers in turn until a claim holds; gives the messages that came."""
    found: list[Message] = []
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "it never came to that"
        for consumer in consumers:
            for messages in consumer.poll(20, 1000).values():
                found += messages
    return found


@pytest.fixture(
    params=["memory", pytest.param("kafka", marks=pytest.mark.services(shared="kafka"))]
)
def bench(request):
    """One log, closed behind the test."""
    if request.param == "memory":
        memory = MemoryLog()
        made = Bench(memory, memory.wipe)
    else:
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        prefix = request.getfixturevalue("kafka_prefix")
        log = KafkaLog(bootstrap, client_id="contract", prefix=prefix, linger_ms=0)

        def wipe(topic: str, partitions: int) -> None:
            remake(bootstrap, prefix + topic, partitions)

        made = Bench(log, wipe)
    yield made
    made.close()
