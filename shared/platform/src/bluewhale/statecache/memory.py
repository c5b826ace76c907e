"""The state cache of one process: for the embedded runtime and for tests."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from bluewhale.statecache.port import Event, StateCache, Subscription
from typing_extensions import override

ENTRIES_MAX = 100_000  # beyond it what expired is swept, then the oldest goes
EVENTS_MAX = 10_000  # a reader that is further behind loses the oldest


class MemoryStateCache(StateCache):
    """Keeps everything in a dictionary; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, bytes]] = {}
        self._counts: dict[str, tuple[float, int]] = {}
        self._listening: list[_MemorySubscription] = []

    @override
    def get(self, key: str) -> bytes | None:
        with self._lock:
            until, value = self._values.get(key, (0.0, b""))
            return value if self._clock() < until else None

    @override
    def put(self, key: str, value: bytes, *, expires_ms: int) -> None:
        assert expires_ms >= 1
        with self._lock:
            self._values[key] = (self._clock() + expires_ms / 1000, bytes(value))
            self._sweep(self._values)

    @override
    def forget(self, key: str) -> None:
        with self._lock:
            self._values.pop(key, None)

    @override
    def count(self, key: str, *, window_ms: int) -> int | None:
        with self._lock:
            now = self._clock()
            until, found = self._counts.get(key, (0.0, 0))
            if now >= until:
                until, found = now + window_ms / 1000, 0
            self._counts[key] = (until, found + 1)
            self._sweep(self._counts)
            return found + 1

    @override
    def publish(self, channel: str, payload: bytes) -> None:
        with self._lock:
            listening = [s for s in self._listening if channel in s.channels]
        for subscription in listening:
            subscription.tell(Event(channel, bytes(payload)))

    @override
    def subscribe(self, channels: Sequence[str]) -> Subscription:
        made = _MemorySubscription(self, frozenset(channels))
        with self._lock:
            self._listening.append(made)
        return made

    @override
    def trouble(self) -> str:
        return ""

    @override
    def close(self) -> None:
        pass

    def flush(self) -> None:
        """Forget everything, as an operator's FLUSHALL does."""
        with self._lock:
            self._values.clear()
            self._counts.clear()

    def leave(self, subscription: _MemorySubscription) -> None:
        """Stop telling a subscription."""
        with self._lock:
            if subscription in self._listening:
                self._listening.remove(subscription)

    def _sweep(
        self, entries: dict[str, tuple[float, bytes]] | dict[str, tuple[float, int]]
    ) -> None:
        if len(entries) <= ENTRIES_MAX:
            return
        now = self._clock()
        for key in [k for k, entry in entries.items() if entry[0] <= now]:
            del entries[key]
        while len(entries) > ENTRIES_MAX:
            del entries[next(iter(entries))]


class _MemorySubscription(Subscription):
    def __init__(self, cache: MemoryStateCache, channels: frozenset[str]) -> None:
        self.channels = channels
        self._cache = cache
        self._events: queue.Queue[Event] = queue.Queue(EVENTS_MAX)

    def tell(self, event: Event) -> None:
        while True:
            try:
                self._events.put_nowait(event)
            except queue.Full:
                try:
                    self._events.get_nowait()
                except queue.Empty:
                    continue
            else:
                return

    @override
    def next(self, timeout_s: float) -> Event | None:
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @override
    def close(self) -> None:
        self._cache.leave(self)
