"""The log between stages: Kafka, the journal, in memory.

Owns the port and its drivers. Envelopes are imported by name
(`from bluewhale.messaging import envelopes`), since they load Arrow; so is
`bluewhale.messaging.kafka`.
"""

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
