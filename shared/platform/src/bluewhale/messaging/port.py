"""The log as its users see it: topics of ordered partitions, read by groups.

Owns the shapes and promises of the port; every driver keeps them, and one
contract suite (tests/contract/log) holds them to it. Does not own what a
message means: `bluewhale.messaging.envelopes`.

Promises: messages of one partition keep the order in which one producer sent
them; a message whose future gave an offset survives the loss of any one broker
(with replication 3); it is delivered **at least once** to each group, from the
committed offset on; a topic that was wiped and made again has another
`topic_id`, what was committed before counts as not committed, and no poll gives
its messages as those of the topic before: what a poll gives is of the topic that
`Consumer.topic_id` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

RAW, PARSED, RATED = "cdr.raw", "cdr.parsed", "cdr.rated"
TOPICS = (RAW, PARSED, RATED)
MESSAGE_BYTES_MAX = 8 << 20  # of value, key and headers together

Place = tuple[str, int]  # (topic, partition)
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as read. `timestamp_ms` is the producer's clock."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp_ms: int

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.topic, self.partition

    def header(self, name: str) -> bytes | None:
        """Give the first header of that name; None = there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Producer(Protocol):
    """Writes messages; safe for any number of threads."""

    def send(
        self,
        topic: str,
        partition: int,
        value: bytes,
        *,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> Future[int]:
        """Queue a message; the future gives its offset once it is durable.

        The future fails with `LogUnavailableError` (send again: a repeat is
        harmless) or a `LogError`. Never blocks for the network.
        """
        ...

    @property
    def over(self) -> bool:
        """Whether it takes no more, see `Log.producer`."""
        ...

    def flush(self, timeout_s: float) -> None:
        """Send what is queued and wait for it; `LogUnavailableError` when time is over."""
        ...

    def close(self) -> None:
        """Flush shortly and let go; what is still queued fails."""
        ...


class Consumer(Protocol):
    """Reads as one member of a group; one thread owns it, from first poll to close."""

    def poll(self, timeout_ms: int, max_messages: int) -> dict[Place, list[Message]]:
        """Give what is there, waiting up to `timeout_ms` for the first message.

        Keeps the membership alive and calls the listener, in this thread. Raises
        `LogUnavailableError`, `TopicShapeError`.
        """
        ...

    def position(self, place: Place) -> int:
        """Give the offset that is read next. The place must be assigned."""
        ...

    def seek(self, place: Place, offset: int) -> None:
        """Read from `offset` next; what was fetched already is dropped."""
        ...

    def pause(self, places: Iterable[Place]) -> None:
        """Deliver nothing of these places until they are resumed."""
        ...

    def resume(self, places: Iterable[Place]) -> None:
        """Deliver again."""
        ...

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        """Remember, per place, the next offset to read and a text of <= 1,024 bytes.

        Raises `CommitRefusedError` if the group has moved on, `LogUnavailableError`.
        """
        ...

    def committed(self, place: Place) -> tuple[int, str] | None:
        """Give what was committed for the topic as it is now; None = nothing."""
        ...

    def end_offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        """Give the offset that the next message of each place will have."""
        ...

    def topic_id(self, topic: str) -> str:
        """Give the id of the topic that this consumer reads."""
        ...

    def assignment(self) -> frozenset[Place]:
        """Give the places that this member owns."""
        ...

    def close(self) -> None:
        """Leave the group; the listener is told `revoked` first."""
        ...


class AssignmentListener(Protocol):
    """Is told which places a consumer owns, inside `poll` or `close`, in its thread."""

    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        """These are ours from now on, at the committed offset or the beginning.

        May seek.
        """
        ...

    def revoked(self, places: Sequence[Place]) -> None:
        """These are still ours and will not be: finish and commit."""
        ...

    def lost(self, places: Sequence[Place]) -> None:
        """These are no longer ours, or their topic is another one now: drop their work.

        May be followed by `assigned` for the same places.
        """
        ...


class Log(Protocol):
    """Topics by name, without the prefix that an installation gives them."""

    def ensure_topics(
        self, partitions: int, replication: int, names: Sequence[str] = TOPICS
    ) -> None:
        """Create what is missing; `TopicShapeError` for another count of partitions."""
        ...

    def topic_id(self, name: str) -> str:
        """Give the id of the topic as it is now; another one after it was made again."""
        ...

    def partitions(self, name: str) -> int:
        """Give the count of partitions of a topic."""
        ...

    def producer(self, *, renewing: bool = True) -> Producer:
        """Give a new producer.

        One that is not `renewing` is over after the first message that it could not
        deliver: nothing that was sent later passes it by. Get another one once
        every future of it is answered.
        """
        ...

    def consumer(self, group: str, topics: Sequence[str], listener: AssignmentListener) -> Consumer:
        """Give a new member of `group` that reads `topics`."""
        ...

    def close(self) -> None:
        """Let go of what the log itself holds; producers and consumers close by themselves."""
        ...
