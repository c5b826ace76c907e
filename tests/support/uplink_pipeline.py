"""The centre behind its doors, in simulated time: ingest's view of the log, two topics, a database.

Raw and parsed may each be wiped and made again at any moment. Producers write to
whatever topic has the name; ingest notices late, each copy of it at another
moment; readers know which topic they read.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

from bluewhale.messaging import PARSED, RAW
from bluewhale.messaging.log_id import meant_for
from bluewhale.uplink import LaneKey, StoredMark

NOTICED_WITHIN_MS = 2_000


def crc_of(record: str) -> int:
    """Give the CRC that a mark carries for a record."""
    return zlib.crc32(record.encode())


@dataclass(frozen=True, slots=True)
class Entry:
    """One record in a topic, and the log that ingest took it for."""

    log_id: str
    key: LaneKey
    seq: int
    record: str


class Topic:
    """Records in order, until they are wiped."""

    def __init__(self, name: str) -> None:
        self.name, self.number = name, 0
        self.entries: list[Entry] = []

    @property
    def topic_id(self) -> str:
        return f"{self.name}-{self.number}"

    def wipe(self) -> None:
        self.entries.clear()
        self.number += 1


class Reader:
    """The place of one stage in one topic."""

    def __init__(self, topic: Topic) -> None:
        self.topic, self.topic_id, self.position = topic, topic.topic_id, 0

    def look(self) -> None:
        """Learn which topic this is, before anything of it is believed; another one: from its beginning."""
        if self.topic.topic_id != self.topic_id:
            self.topic_id, self.position = self.topic.topic_id, 0

    def believes(self, entry: Entry) -> bool:
        return meant_for(entry.log_id, self.topic.name, self.topic_id)

    def take(self, count: int) -> list[Entry]:
        self.look()
        found = self.topic.entries[self.position : self.position + count]
        self.position += len(found)
        return [entry for entry in found if self.believes(entry)]


class Ingest:
    """What one process of ingest believes the log to be."""

    def __init__(self, log_id: str) -> None:
        self.log_id = log_id
        self.notices_at_ms: int | None = None

    def noticed(self, log_id: str, now_ms: int, rng: random.Random) -> bool:
        """Look at the log; gives whether it is seen to be another one now."""
        if log_id == self.log_id:
            self.notices_at_ms = None
        elif self.notices_at_ms is None:
            self.notices_at_ms = now_ms + rng.randint(0, NOTICED_WITHIN_MS)
        elif now_ms >= self.notices_at_ms:
            self.log_id, self.notices_at_ms = log_id, None
            return True
        return False


class Centre:
    """Topics, parser and database: at-least-once, contiguous marks per lane."""

    def __init__(self) -> None:
        self.raw, self.parsed = Topic(RAW), Topic(PARSED)
        self.parser, self.storage = Reader(self.raw), Reader(self.parsed)
        self.stored: dict[LaneKey, dict[int, str]] = {}
        self.kept: set[str] = set()
        self.base: dict[LaneKey, int] = {}
        self.ingests = [Ingest(self.log_id), Ingest(self.log_id)]

    @property
    def log_id(self) -> str:
        return f"{self.raw.topic_id}/{self.parsed.topic_id}"

    def append(self, log_id: str, key: LaneKey, first_seq: int, records: list[str]) -> None:
        self.raw.entries += [
            Entry(log_id, key, seq, record) for seq, record in enumerate(records, first_seq)
        ]

    def parse(self, count: int) -> None:
        self.parsed.entries += self.parser.take(count)

    def store(self, count: int) -> None:
        for entry in self.storage.take(count):
            # the same key with another record is kept aside (capture_conflict), never dropped
            self.stored.setdefault(entry.key, {}).setdefault(entry.seq, entry.record)
            self.kept.add(entry.record)

    def parse_again(self, count: int) -> None:
        """A parser starts again at an older commit."""
        self.parser.position = max(0, self.parser.position - count)

    def lose_unread(self, topic: Topic) -> None:
        """Let a topic lose what was not read, under the same id: nobody is told."""
        reader = self.parser if topic is self.raw else self.storage
        del topic.entries[reader.position :]

    def restart_ingest(self) -> None:
        self.ingests = [Ingest(self.log_id), Ingest(self.log_id)]

    def marks(self) -> list[StoredMark]:
        found = []
        for key, records in self.stored.items():
            through = self.base.get(key, 0)
            while through + 1 in records:
                through += 1
            self.base[key] = through
            if through:
                found.append(StoredMark(*key, through, crc_of(records[through])))
        return found
