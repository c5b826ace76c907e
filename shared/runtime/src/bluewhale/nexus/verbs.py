"""The three verbs between parts, and what each promises.

`call`: the method of a stub: a reply or an error; at most once, so repeat only
what may be done twice. `call_async`: a job is started under a name, then
watched; starting it again by the same name gives the job that has it. `deliver`:
put into the log: at least once after the log has it, in order per key.

Owns the shape of the two that are more than a stub. Does not own jobs or the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from bluewhale.nexus.governance.invocation import HEADER, Invocation, current

Accepted = TypeVar("Accepted")
News = TypeVar("News")


class Producer(Protocol):
    """The part of a log's producer that `deliver` needs (bluewhale.messaging has it)."""

    def send(
        self,
        topic: str,
        partition: int,
        value: bytes,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Future[int]:
        """Send; the future is the offset once the log has it."""


class Started(Generic[Accepted, News]):
    """A job that a peer accepted; `accepted` is its first answer."""

    def __init__(self, accepted: Accepted, watch: Callable[[], Iterator[News]]) -> None:
        self.accepted = accepted
        self._watch = watch

    def news(self) -> Iterator[News]:
        """Give each change until the job ends; may be asked for again after an error."""
        yield from self._watch()

    def result(self) -> News | Accepted:
        """Wait for the end; gives the last change."""
        last: News | Accepted = self.accepted
        for change in self.news():
            last = change
        return last


def call_async(
    start: Callable[[Any], Accepted],
    request: Any,
    watch: Callable[[Any], Iterator[News]],
    follow: Callable[[Accepted], Any],
) -> Started[Accepted, News]:
    """Start a job at a peer and give what watches it.

    Parameters
    ----------
    start, watch
        methods of the peer's stub, e.g. `jobs.Start` and `jobs.Watch`.
    follow
        from the answer of `start` to the request of `watch`.

    Raises
    ------
    grpc.RpcError
        the peer did not accept it.
    """
    accepted = start(request)
    return Started(accepted, lambda: iter(watch(follow(accepted))))


def deliver(
    producer: Producer,
    topic: str,
    partition: int,
    value: bytes,
    *,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> Future[int]:
    """Put a message into the log; returns at once, the future ends when the log has it.

    What the request that is served now carries (priority, trace, values) goes
    along in the header `bw-ctx-bin`; its limit of time does not: a message
    outlives the request that sent it.
    """
    around = current()
    packed = Invocation(
        priority=around.priority, traceparent=around.traceparent, values=around.values
    ).header()
    more = ((HEADER, packed),) if packed else ()
    return producer.send(topic, partition, value, key=key, headers=(*headers, *more))
