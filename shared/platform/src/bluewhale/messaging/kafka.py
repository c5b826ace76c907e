"""The log on Kafka: what producers, consumers and topics are there.

Owns the settings of kafka-python 3.0 and the translation of its errors. Consumers
are in `kafka_consumer.py`. Does not own partitioning, retries or what is sent.

Idempotent producers, acks=all, no transactions: a repeated message changes
nothing further on. Values are zstd frames already, so batches are not compressed
again unless `compression` says so.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.messaging.exceptions import LogError, LogUnavailableError, TopicShapeError
from bluewhale.messaging.kafka_connection import BATCH_BYTES_MAX, Connection
from bluewhale.messaging.kafka_consumer import KafkaLogConsumer
from bluewhale.messaging.kafka_security import PLAINTEXT, KafkaSecurity
from bluewhale.messaging.memory import (
    check_size,
    missing_text,
    over_text,
    partition_text,
    shape_text,
)
from bluewhale.messaging.port import (
    TOPICS,
    AssignmentListener,
    Headers,
    Log,
    Producer,
)
from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors
from typing_extensions import override

LINGER_MS = 20
BATCH_BYTES = 131_072
METADATA_TIMEOUT_MS = 5_000
DELIVERY_TIMEOUT_MS = 30_000
REST_S = 1.0
CLOSE_S = 5
STUCK_S = DELIVERY_TIMEOUT_MS / 1000 + 10
# errors of one message, after which the others go on
_HARMLESS = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.AuthorizationError,
)
_MISSING = kafka_errors.UnknownTopicOrPartitionError.errno


class KafkaLog(Log):
    """Topics, producers and consumers of one installation on a Kafka cluster.

    `bootstrap`: `host:port,host:port`. Names of topics and groups get `prefix`, so
    that installations share a cluster. `security`: how it is connected to.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        prefix: str = "",
        linger_ms: int = LINGER_MS,
        compression: str | None = None,
        session_timeout_ms: int = 8_000,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self.bootstrap = bootstrap
        self.client_id = client_id
        self.prefix = prefix
        self._linger_ms = linger_ms
        self._compression = compression
        self._session_timeout_ms = session_timeout_ms
        self.connection = Connection(bootstrap, client_id, security)
        self._lock = threading.Lock()
        self._admin: KafkaAdminClient | None = None

    @override
    def ensure_topics(
        self, partitions: int, replication: int, names: Sequence[str] = TOPICS
    ) -> None:
        found = self._describe(names)
        absent = [name for name in names if name not in found]
        if absent:
            settings = {
                "max.message.bytes": str(BATCH_BYTES_MAX),
                "min.insync.replicas": "2" if replication >= 3 else "1",
            }
            made = {
                self.prefix + name: {
                    "num_partitions": partitions,
                    "replication_factor": replication,
                    "configs": settings,
                }
                for name in absent
            }
            with self._asking() as admin:
                # another role of the installation may be quicker
                with contextlib.suppress(kafka_errors.TopicAlreadyExistsError):
                    admin.create_topics(made)
                admin.wait_for_topics(list(made))
            found = self._describe(names)
        for name, topic in found.items():
            if (count := len(topic["partitions"])) != partitions:
                raise TopicShapeError(shape_text(name, count, partitions))

    @override
    def topic_id(self, name: str) -> str:
        return str(self._topic(name)["topic_id"])

    @override
    def partitions(self, name: str) -> int:
        return len(self._topic(name)["partitions"])

    @override
    def producer(self, *, renewing: bool = True) -> Producer:
        return KafkaLogProducer(self, renewing=renewing)

    @override
    def consumer(
        self, group: str, topics: Sequence[str], listener: AssignmentListener
    ) -> KafkaLogConsumer:
        for topic in topics:
            self._topic(topic)
        return KafkaLogConsumer(
            self.connection,
            self.prefix,
            group,
            tuple(topics),
            listener,
            self.ids_now,
            session_timeout_ms=self._session_timeout_ms,
        )

    @override
    def close(self) -> None:
        with self._lock:
            self._let_go()

    def open_producer(self) -> KafkaProducer:
        """Give a producer of the library with our settings; `LogUnavailableError`."""
        return self.connection.open(
            KafkaProducer,
            acks="all",
            enable_idempotence=True,
            compression_type=self._compression,
            linger_ms=self._linger_ms,
            batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES_MAX,
            max_block_ms=METADATA_TIMEOUT_MS,
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            metadata_max_age_ms=30_000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def ids_now(self, names: Iterable[str]) -> dict[str, str]:
        """Give the ids of topics as the cluster has them now; those that do not exist are left out."""
        return {n: str(t["topic_id"]) for n, t in self._describe(list(names)).items()}

    def _topic(self, name: str) -> dict[str, Any]:
        topic = self._describe([name]).get(name)
        if topic is None:
            raise TopicShapeError(missing_text(name))
        return topic

    def _describe(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Describe topics by their name without prefix; those that do not exist are left out."""
        with self._asking() as admin:
            described = admin.describe_topics([self.prefix + name for name in names])
        found = {}
        for topic in described:
            code = topic["error_code"]
            if code == _MISSING:
                continue
            if code:
                raise self.connection.error(kafka_errors.for_code(code)(topic["name"]))
            found[topic["name"].removeprefix(self.prefix)] = topic
        return found

    @contextlib.contextmanager
    def _asking(self) -> Iterator[KafkaAdminClient]:
        """Lend the one admin client; it is made anew after a failure."""
        with self._lock, self.connection.translated():
            try:
                if self._admin is None:
                    self._admin = self.connection.open(KafkaAdminClient)
                yield self._admin
            except BaseException:
                self._let_go()
                raise

    def _let_go(self) -> None:
        if self._admin is not None:
            admin, self._admin = self._admin, None
            with contextlib.suppress(kafka_errors.KafkaError, OSError):
                admin.close()


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A message on its way, and the future that its sender holds."""

    topic: str
    partition: int
    value: bytes
    key: bytes | None
    headers: Headers
    done: Future[int]


class KafkaLogProducer(Producer):
    """An idempotent producer that never makes its caller wait for the network.

    What needs the network first (a topic whose partitions are not known, a
    producer to be made anew after an error that ended its sequence) is done by a
    thread of its own; until that is done, later messages queue behind it, so
    that their order stays.
    """

    def __init__(self, log: KafkaLog, *, renewing: bool = True) -> None:
        self._log = log
        self._renewing = renewing
        self._over = False
        self._lock = threading.Lock()
        self._inner: Any = log.open_producer()  # None while it has to be made anew
        self._closed = False
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="log-producer")
        self._queued = 0
        self._counting = threading.Lock()
        self._under_way = 0
        self._moved_at = 0.0
        self._rest_until = float("-inf")  # after a failure nothing waits for a while
        self._rest_reason = ""

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
        done.set_running_or_notify_cancel()
        message = _Outgoing(topic, partition, value, key, headers, done)
        try:
            check_size(topic, value, key, headers)
            with self._lock:
                if self._closed:
                    raise LogError("this producer was closed: get another one from the log")
                self._refuse_if_over()
                inner = self._inner
                if inner is not None and self._stuck():
                    self._give_up(inner)
                    inner = None
                if self._queued == 0 and inner is not None and self._knows(inner, topic):
                    self._hand_over(inner, message)
                else:
                    self._queued += 1
                    self._preparing.submit(self._prepare, message)
        except BluewhaleError as error:
            done.set_exception(error)
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
        deadline = time.monotonic() + timeout_s
        while self._queued and time.monotonic() < deadline:
            time.sleep(0.005)
        inner = self._inner
        if inner is not None:
            with self._log.connection.translated():
                inner.flush(max(0.0, deadline - time.monotonic()))

    @override
    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._preparing.shutdown(wait=True)
        inner, self._inner = self._inner, None
        if inner is not None:
            try:
                inner.close(timeout=CLOSE_S)
            except kafka_errors.KafkaError:
                abandon(inner)

    def _knows(self, inner: Any, topic: str) -> bool:
        known = inner._metadata.partitions_for_topic(self._log.prefix + topic)  # noqa: SLF001 - the public way waits
        return known is not None

    def _prepare(self, message: _Outgoing) -> None:
        """Get what a message needs and send it; on the thread for that."""
        try:
            inner = self._ready()
            if not self._knows(inner, message.topic):
                self._learn(inner, message.topic)
            self._hand_over(inner, message)
        except BluewhaleError as error:
            if isinstance(error, LogUnavailableError) and time.monotonic() >= self._rest_until:
                self._rest_until, self._rest_reason = time.monotonic() + REST_S, str(error)
            message.done.set_exception(error)
        except Exception as error:  # noqa: BLE001 - a sender must hear of it, not this thread
            message.done.set_exception(error)
        finally:
            with self._lock:
                self._queued -= 1

    def _ready(self) -> Any:
        self._refuse_if_over()
        if time.monotonic() < self._rest_until:
            raise LogUnavailableError(self._rest_reason)
        inner = self._inner
        if inner is None:
            self._inner = inner = self._log.open_producer()
        return inner

    def _learn(self, inner: Any, topic: str) -> None:
        try:
            inner.partitions_for(self._log.prefix + topic)
        except kafka_errors.KafkaError as error:
            # the library waits in vain for a topic that does not exist: ask what is so
            self._log.partitions(topic)
            raise self._log.connection.error(error) from error

    def _hand_over(self, inner: Any, message: _Outgoing) -> None:
        name = self._log.prefix + message.topic
        known = inner._metadata.partitions_for_topic(name)  # noqa: SLF001 - the public way waits
        if known is not None and message.partition not in known:
            raise TopicShapeError(partition_text(message.topic, message.partition))
        try:
            sent = inner.send(
                name,
                message.value,
                key=message.key,
                headers=list(message.headers),
                partition=message.partition,
                timestamp_ms=time.time_ns() // 1_000_000,
            )
        except kafka_errors.KafkaError as error:
            if not isinstance(error, _HARMLESS):
                self._give_up(inner)
            raise self._log.connection.error(error) from error

        def succeeded(record: Any) -> None:
            self._moved(-1)
            message.done.set_result(record.offset)

        def failed(error: Exception) -> None:
            self._moved(-1)
            if not isinstance(error, _HARMLESS):
                self._give_up(inner)
            message.done.set_exception(self._log.connection.error(error))

        self._moved(+1)
        sent.add_callback(succeeded)
        sent.add_errback(failed)

    def _moved(self, change: int) -> None:
        with self._counting:
            if self._under_way == 0 or change < 0:
                self._moved_at = time.monotonic()
            self._under_way += change

    def _stuck(self) -> bool:
        """Tell whether nothing was answered for longer than the library says it takes."""
        with self._counting:
            now = time.monotonic()
            stuck = self._under_way > 0 and now - self._moved_at > STUCK_S
            if stuck:
                self._moved_at = now  # said once; the next producer has its own time
            return stuck

    def _give_up(self, inner: Any) -> None:
        """Drop a producer and fail what it holds; the next message gets another one.

        After a message was given up the library (3.0.12) sends nothing more of
        that partition for ever: the sequence has a gap. A new producer begins anew.
        """
        if self._inner is inner:
            self._over = not self._renewing  # before anything could ask for another one
            self._inner = None
            abandon(inner)


def abandon(inner: Any) -> None:
    """End a producer without waiting; what it holds fails. Also from its own thread."""
    inner._closed = True  # noqa: SLF001 - `close` would wait for what cannot be sent
    inner._sender.force_close()  # noqa: SLF001
