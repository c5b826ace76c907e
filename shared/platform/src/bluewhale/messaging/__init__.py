"""The log between stages: Kafka, the journal, in memory.

Owns the port and its drivers. Envelopes are imported by name
(`from bluewhale.messaging import envelopes`), since they load Arrow. `KafkaLog`
and `JournalLog` are loaded when they are first asked for: kafka-python takes 0.4 s.
"""

from typing import TYPE_CHECKING

from bluewhale.messaging.exceptions import (
    CommitRefusedError,
    ConsumerStalledError,
    EnvelopeCorruptError,
    EnvelopeVersionError,
    LogError,
    LogUnavailableError,
    MessageTooLargeError,
    TopicShapeError,
)
from bluewhale.messaging.low_water import LowWater
from bluewhale.messaging.memory import MemoryLog
from bluewhale.messaging.partitioning import partition_of
from bluewhale.messaging.port import (
    MESSAGE_BYTES_MAX,
    PARSED,
    RATED,
    RAW,
    TOPICS,
    AssignmentListener,
    Consumer,
    Headers,
    Log,
    Message,
    Place,
    Producer,
)
from bluewhale.messaging.watchdog import Watchdog
from bluewhale.messaging.worker import Handler, Portion, Worker

if TYPE_CHECKING:
    from bluewhale.messaging.journal_log import JournalLog
    from bluewhale.messaging.kafka import KafkaLog

__all__ = [
    "MESSAGE_BYTES_MAX",
    "PARSED",
    "RATED",
    "RAW",
    "TOPICS",
    "AssignmentListener",
    "CommitRefusedError",
    "Consumer",
    "ConsumerStalledError",
    "EnvelopeCorruptError",
    "EnvelopeVersionError",
    "Handler",
    "Headers",
    "JournalLog",
    "KafkaLog",
    "Log",
    "LogError",
    "LogUnavailableError",
    "LowWater",
    "MemoryLog",
    "Message",
    "MessageTooLargeError",
    "Place",
    "Portion",
    "Producer",
    "TopicShapeError",
    "Watchdog",
    "Worker",
    "partition_of",
]


def __getattr__(name: str) -> object:
    if name == "KafkaLog":
        from bluewhale.messaging.kafka import KafkaLog

        return KafkaLog
    if name == "JournalLog":
        from bluewhale.messaging.journal_log import JournalLog

        return JournalLog
    raise AttributeError(f"module {__name__} has no attribute {name}")
