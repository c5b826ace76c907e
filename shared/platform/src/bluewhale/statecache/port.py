"""The state cache as its users see it. Every answer may be "not known"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Event(NamedTuple):
    """One published event."""

    channel: str
    payload: bytes


class Subscription(Protocol):
    """Live events of some channels, from now on. One thread reads it."""

    def next(self, timeout_s: float) -> Event | None:
        """Wait for the next event; None = none came, or the cache is away.

        Events that were published while the cache was away are lost.
        """
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class StateCache(Protocol):
    """Shared by all copies of a role; safe for any number of threads; never raises for I/O."""

    def get(self, key: str) -> bytes | None:
        """Give a value; None = there is none, it expired, or it is not known."""
        ...

    def put(self, key: str, value: bytes, *, expires_ms: int) -> None:
        """Keep a value for at most `expires_ms` (>= 1)."""
        ...

    def forget(self, key: str) -> None:
        """Drop a value."""
        ...

    def count(self, key: str, *, window_ms: int) -> int | None:
        """Count one more; give how many since the first one, which is forgotten after `window_ms`.

        None = not known. A count may be lost, or rarely counted twice.
        """
        ...

    def publish(self, channel: str, payload: bytes) -> None:
        """Tell everybody who listens now."""
        ...

    def subscribe(self, channels: Sequence[str]) -> Subscription:
        """Listen to channels."""
        ...

    def trouble(self) -> str:
        """Say what is wrong with the cache; "" = nothing is known to be."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
