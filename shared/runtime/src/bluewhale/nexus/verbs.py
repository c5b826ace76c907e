"""The three verbs between parts, and what each promises.

`call`: the method of a stub: a reply or an error; at most once, so repeat only
what may be done twice. `call_async`: a job is started under a name, then watched
to its end, also past restarts of the peer; starting it again by the same name
gives the job that has it. `deliver`: put into the log: at least once after the
log has it, in order per partition; `carried` is its other end.

Owns the shape of the two that are more than a stub. Does not own jobs or the log.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

import grpc
from bluewhale.nexus.exceptions import PeerSilentError
from bluewhale.nexus.governance.invocation import HEADER, Invocation, current, serving

PATIENCE_S = 60.0
RETRY_S = (0.2, 0.5, 1.0, 2.0)  # the last one again and again
# a peer that stops before its streams have ended cancels them; we never do
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

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
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> Future[int]:
        """Send; the future is the offset once the log has it."""


class Started(Generic[Accepted, News]):
    """A job that a peer accepted; `accepted` is its first answer."""

    def __init__(
        self,
        accepted: Accepted,
        watch: Callable[[], Iterator[News]],
        ended: Callable[[News], bool],
        patience_s: float,
    ) -> None:
        self.accepted = accepted
        self._watch, self._ended, self._patience_s = watch, ended, patience_s

    def news(self) -> Iterator[News]:
        """Give each change until the job ends; a watch that breaks off is begun again.

        Raises
        ------
        PeerSilentError
            there was none to watch for `patience_s`.
        grpc.RpcError
            the peer refuses: there is no such job any more.
        """
        last: News | None = None
        waiting = _Waiting(self._patience_s)
        while True:
            try:
                for change in self._watch():
                    waiting.over()
                    if change != last:
                        last = change
                        yield change
                    if self._ended(change):
                        return
            except grpc.RpcError as error:
                waiting.once_more(error)
            else:
                waiting.once_more(None)  # the peer ended the watch, not the job: it drains

    def result(self) -> News:
        """Wait for the end; gives the last change."""
        last: News | None = None
        for change in self.news():
            last = change
        assert last is not None
        return last


def call_async(
    start: Callable[[Any], Accepted],
    request: Any,
    watch: Callable[[Any], Iterator[News]],
    follow: Callable[[Accepted], Any],
    *,
    ended: Callable[[News], bool],
    patience_s: float = PATIENCE_S,
) -> Started[Accepted, News]:
    """Start a job at a peer and give what watches it.

    Parameters
    ----------
    start, watch
        methods of the peer's stub, e.g. `jobs.Start` and `jobs.Watch`.
    follow
        from the answer of `start` to the request of `watch`, whose first message
        is the present state.
    ended
        whether a change is the last one.
    patience_s
        how long the peer may be away while it is watched.

    Raises
    ------
    grpc.RpcError
        the peer did not accept it, or nobody knows: ask again by the same name.
    """
    accepted = start(request)
    return Started(accepted, lambda: iter(watch(follow(accepted))), ended, patience_s)


def deliver(
    producer: Producer,
    topic: str,
    partition: int,
    value: bytes,
    *,
    key: bytes | None = None,
    headers: tuple[tuple[str, bytes], ...] = (),
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


@contextlib.contextmanager
def carried(headers: Iterable[tuple[str, bytes]]) -> Iterator[Invocation]:
    """Go on with what a delivered message carries: requests made inside pass it on.

    Raises
    ------
    ValueError
        the header is none, or too long.
    """
    packed = next((value for name, value in headers if name == HEADER), b"")
    inside = Invocation.received(packed)
    token = serving.set(inside)
    try:
        yield inside
    finally:
        serving.reset(token)


class _Waiting:
    """How long a peer was away, and the pauses between asking."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self.over()

    def over(self) -> None:
        """The peer answered."""
        self._since = time.monotonic()
        self._tries = 0

    def once_more(self, error: Any) -> None:
        """Pause; raises what does not pass by itself, and what has lasted too long."""
        if error is not None and error.code() not in AWAY:
            raise error
        pause_s = RETRY_S[min(self._tries, len(RETRY_S) - 1)]
        if time.monotonic() + pause_s - self._since > self._patience_s:
            why = "it ends every watch" if error is None else error.details()
            raise PeerSilentError(
                f"the peer did not answer for {self._patience_s:g} s: {why}; "
                "start it, then ask again by the same name"
            ) from error
        self._tries += 1
        time.sleep(pause_s)
