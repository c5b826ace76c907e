"""What happens to brokers under load loses nothing that was acknowledged.

Each test starts brokers of its own, so it takes tens of seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Self

import pytest
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.messaging import Handler, KafkaLog, LogUnavailableError, Place, Portion, Worker

from tests.support.services import KafkaCluster, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.services("kafka")]


class Collector(Handler):
    """Keeps the values it was given, and the places it was told of."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.ids: list[str] = []

    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[int]]:
        self.seen += [m.value for p in portions for m in p.messages if not p.muted]
        return ()

    def assigned(self, place: Place, topic_id: str, committed: int | None) -> int | None:
        self.ids.append(topic_id)
        return None


class Load:
    """Sends numbered values and sends again what failed, as ingest does; knows what is acknowledged."""

    def __init__(self, log: KafkaLog, partitions: int, rate: int = 400) -> None:
        self.acknowledged: set[bytes] = set()
        self.failures = 0
        self._log = log
        self._partitions = partitions
        self._rate = rate
        self._patience = 3000  # turns of 20 ms after the end, for what is under way
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        producer = self._log.producer()
        waiting: list[tuple[bytes, Future[int]]] = []
        number = 0
        while not self._stopping.is_set() or waiting:
            if self._stopping.is_set():
                self._patience -= 1
                assert self._patience, f"{len(waiting)} messages were never answered"
            if not self._stopping.is_set() and len(waiting) < 2000:
                for _ in range(self._rate // 50):
                    number += 1
                    waiting.append(self._send(producer, b"%d" % number))
            time.sleep(0.02)
            again = []
            for value, sent in waiting:
                if not sent.done():
                    again.append((value, sent))
                elif sent.exception() is None:
                    self.acknowledged.add(value)
                else:
                    assert isinstance(sent.exception(), TemporaryError), sent.exception()
                    self.failures += 1
                    again.append(self._send(producer, value))
            waiting = again
        producer.close()

    def _send(self, producer, value: bytes) -> tuple[bytes, Future[int]]:
        return value, producer.send("in", int(value) % self._partitions, value)


class Reading:
    """A worker in a thread."""

    def __init__(self, log: KafkaLog) -> None:
        self.handler = Collector()
        self.worker = Worker(log, "g", ["in"], self.handler, commit_interval_s=0.2)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def has_read(self, values: set[bytes]) -> bool:
        """Tell whether all of it was read; a worker that ended says why at once."""
        if self.failure is not None:
            raise self.failure
        return values <= set(self.handler.seen)

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.failure = error


def until(claim, timeout_s: float = 60.0) -> float:
    """Wait until a claim holds; gives how long it took, seconds."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < timeout_s, "it never came to that"
        time.sleep(0.05)
    return time.monotonic() - began


def test_one_of_three_brokers_killed_under_load_loses_nothing(record_property):
    """Kill -9 of a broker, then of another after the first is back: every acknowledged value is read."""
    with KafkaCluster(brokers=3) as kafka:
        log = KafkaLog(kafka.bootstrap, client_id="fault", session_timeout_ms=6000)
        until(lambda: _ensured(log, 4, 3))
        with Reading(log) as reading:
            with Load(log, 4) as load:
                until(lambda: len(reading.handler.seen) > 500)
                kafka.kill(2)
                here = len(load.acknowledged)
                pause = until(lambda: len(load.acknowledged) > here + 600)
                kafka.revive(2)
                time.sleep(3)  # the revived one catches up before the next is killed
                kafka.kill(1)
                here = len(load.acknowledged)
                until(lambda: len(load.acknowledged) > here + 600)
            until(lambda: reading.has_read(load.acknowledged))
        assert reading.failure is None
        log.close()
    twice = len(reading.handler.seen) - len(set(reading.handler.seen))
    record_property(
        "figure",
        f"broker of three killed twice: {len(load.acknowledged):,} acknowledged, 0 lost, "
        f"{twice} read twice, {load.failures} sent again, flowing again after {pause:.1f} s",
    )


def test_a_frozen_broker_holds_and_loses_nothing(record_property):
    """SIGSTOP for 10 s: nobody fails for good; afterwards everything acknowledged is read."""
    with KafkaCluster() as kafka:
        log = KafkaLog(kafka.bootstrap, client_id="fault", session_timeout_ms=6000)
        until(lambda: _ensured(log, 2, 1))
        with Reading(log) as reading:
            with Load(log, 2) as load:
                until(lambda: len(reading.handler.seen) > 300)
                kafka.pause(1)
                time.sleep(10)
                kafka.resume(1)
                here = len(load.acknowledged)
                pause = until(lambda: len(load.acknowledged) > here + 600)
            until(lambda: reading.has_read(load.acknowledged))
        assert reading.failure is None
        log.close()
    record_property(
        "figure",
        f"broker frozen 10 s: {len(load.acknowledged):,} acknowledged, 0 lost, flowing again "
        f"{pause:.1f} s after it went on",
    )


def test_a_broker_away_beyond_the_delivery_time_is_survived(record_property):
    """Away for 33 s: longer than a message is tried, and than a reader may be silent; none lost.

    What was sent meanwhile fails and is sent again by a new producer; the reader
    that finds messages there again goes on instead of ending as stalled.
    """
    with KafkaCluster() as kafka:
        log = KafkaLog(kafka.bootstrap, client_id="fault", session_timeout_ms=6000)
        until(lambda: _ensured(log, 2, 1))
        with Reading(log) as reading:
            with Load(log, 2) as load:
                until(lambda: len(reading.handler.seen) > 300)
                kafka.kill(1)
                time.sleep(33)
                kafka.revive(1)
                here = len(load.acknowledged)
                pause = until(lambda: len(load.acknowledged) > here + 600)
                assert load.failures
            until(lambda: reading.has_read(load.acknowledged))
        assert reading.failure is None
        log.close()
    record_property(
        "figure",
        f"broker away 33 s: {len(load.acknowledged):,} acknowledged, 0 lost, {load.failures} sent "
        f"again, flowing again {pause:.1f} s after it was back",
    )


def test_a_wiped_cluster_is_read_from_its_beginning(record_property):
    """Everything deleted mid-run: the reader hears another topic id and misses nothing of the new log."""
    with KafkaCluster() as kafka:
        log = KafkaLog(kafka.bootstrap, client_id="fault", session_timeout_ms=6000)
        until(lambda: _ensured(log, 2, 1))
        with Reading(log) as reading:
            with Load(log, 2) as load:
                until(lambda: len(reading.handler.seen) > 300)
                before = set(reading.handler.ids)
                kafka.wipe_and_recreate()
                until(lambda: _ensured(log, 2, 1))
                load.acknowledged.clear()  # what the wiped log had acknowledged, units send again
                pause = until(lambda: len(load.acknowledged) > 600)
                until(lambda: set(reading.handler.ids) - before)
            # values in flight at the wipe may have been acknowledged by the log that is gone
            until(lambda: reading.has_read(load.acknowledged))
        assert reading.failure is None
        log.close()
    record_property("figure", f"Kafka wiped: reading the new log {pause:.1f} s after it was made")


def test_brokers_that_are_away_at_the_start_are_waited_for():
    """Nobody listens: a temporary error with the address; when a broker comes up work begins."""
    (port,) = free_ports(1)
    log = KafkaLog(f"127.0.0.1:{port}", client_id="fault")
    with pytest.raises(LogUnavailableError, match=f"Kafka at 127.0.0.1:{port} does not answer"):
        log.topic_id("in")
    with pytest.raises(LogUnavailableError, match="does not answer"):
        log.producer()
    with Reading(log) as reading:
        until(lambda: "does not answer" in reading.worker.error)
        assert reading.worker.watchdog.waiting()
    assert reading.failure is None
    log.close()


def test_nothing_passes_by_a_message_that_a_broker_did_not_take():
    """The broker is away until a message is given up: what is sent later fails too, also when it is back."""
    with KafkaCluster() as kafka:
        log = KafkaLog(kafka.bootstrap, client_id="fault")
        until(lambda: _ensured(log, 1, 1))
        producer = log.producer(renewing=False)
        assert producer.send("in", 0, b"1").result(30) == 0
        kafka.kill(1)
        assert isinstance(producer.send("in", 0, b"2").exception(60), LogUnavailableError)
        kafka.revive(1)
        until(lambda: _ensured(log, 1, 1))
        assert isinstance(producer.send("in", 0, b"3").exception(1), LogUnavailableError)
        assert producer.over
        producer.close()
        producer = log.producer(renewing=False)
        assert producer.send("in", 0, b"2").result(30) == 1
        producer.close()
        log.close()


def _ensured(log: KafkaLog, partitions: int, replication: int) -> bool:
    try:
        log.ensure_topics(partitions, replication, ["in"])
    except TemporaryError:
        return False
    return True
