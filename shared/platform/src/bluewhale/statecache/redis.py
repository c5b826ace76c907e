"""The state cache on Redis: answers "not known" while Redis is away.

Owns settings, key prefix and degrading. An error opens a pause in which nothing
is asked, so that a frozen server costs one short time-out per pause and not one
per question.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bluewhale.statecache.port import Event, StateCache, Subscription
from bluewhale.telemetry import get_logger
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from typing_extensions import override

TIMEOUT_S = 0.25
RETRY_AFTER_S = 2.0
# counts and expiry in one step: a crash between two would leave a count for ever
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n
"""

_T = TypeVar("_T")


class RedisStateCache(StateCache):
    """Values, counts and events on one Redis; every key and channel gets `prefix`."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "bluewhale:",
        timeout_s: float = TIMEOUT_S,
        retry_after_s: float = RETRY_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._logger = get_logger("statecache")
        self._lock = threading.Lock()
        self._trouble = ""
        self._ask_again_at = float("-inf")
        # no retries inside: a repeated INCR counts twice, and the pause is ours
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            client_name="bluewhale",
        )

    @override
    def get(self, key: str) -> bytes | None:
        return self._asked(lambda: self._redis.get(self._prefix + key), None)

    @override
    def put(self, key: str, value: bytes, *, expires_ms: int) -> None:
        assert expires_ms >= 1
        self._asked(lambda: self._redis.set(self._prefix + key, value, px=expires_ms), None)

    @override
    def forget(self, key: str) -> None:
        self._asked(lambda: self._redis.delete(self._prefix + key), None)

    @override
    def count(self, key: str, *, window_ms: int) -> int | None:
        return self._asked(
            lambda: int(self._redis.eval(_COUNT, 1, f"{self._prefix}count:{key}", window_ms)), None
        )

    @override
    def publish(self, channel: str, payload: bytes) -> None:
        self._asked(lambda: self._redis.publish(self._prefix + channel, payload), None)

    @override
    def subscribe(self, channels: Sequence[str]) -> Subscription:
        return _RedisSubscription(self, self._redis, self._prefix, channels)

    @override
    def trouble(self) -> str:
        with self._lock:
            return self._trouble

    @override
    def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            self._redis.close()

    def resting(self) -> bool:
        """Tell whether Redis failed a moment ago and is not asked now."""
        with self._lock:
            return self._clock() < self._ask_again_at

    def failed(self, error: Exception) -> None:
        """Note that Redis is away; said once."""
        with self._lock:
            known, self._trouble = bool(self._trouble), f"Redis does not answer: {error}"
            self._ask_again_at = self._clock() + self._retry_after_s
        if not known:
            self._logger.warning(
                "Redis is away: limits count per copy, live events pause",
                error=str(error),
                retry_after_ms=int(self._retry_after_s * 1000),
            )

    def answered(self) -> None:
        """Note that Redis is there; said once after it was away."""
        with self._lock:
            was, self._trouble = bool(self._trouble), ""
        if was:
            self._logger.info("Redis is back")

    def _asked(self, question: Callable[[], _T], not_known: _T) -> _T:
        if self.resting():
            return not_known
        try:
            answer = question()
        except (RedisError, OSError) as error:
            self.failed(error)
            return not_known
        self.answered()
        return answer


class _RedisSubscription(Subscription):
    def __init__(
        self, cache: RedisStateCache, redis: Any, prefix: str, channels: Sequence[str]
    ) -> None:
        self._cache = cache
        self._redis = redis
        self._prefix = prefix
        self._channels = [prefix + c for c in channels]
        self._events: Any = None
        self._closed = threading.Event()
        self._listen()

    @override
    def next(self, timeout_s: float) -> Event | None:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0 and not self._closed.is_set():
            if self._events is None and not self._listen():
                self._closed.wait(min(left_s, 0.1))
                continue
            try:
                found = self._events.get_message(
                    ignore_subscribe_messages=True, timeout=min(left_s, 0.5)
                )
            except (RedisError, OSError) as error:
                self._cache.failed(error)
                self._drop()
                continue
            if found is not None and found["type"] == "message":
                channel = found["channel"].decode().removeprefix(self._prefix)
                return Event(channel, found["data"])
        return None

    @override
    def close(self) -> None:
        self._closed.set()
        self._drop()

    def _listen(self) -> bool:
        if self._cache.resting():
            return False
        events = self._redis.pubsub()
        try:
            events.subscribe(*self._channels)
            # the confirmations: from here on nothing is missed
            for _ in self._channels:
                events.get_message(timeout=TIMEOUT_S)
        except (RedisError, OSError) as error:
            self._cache.failed(error)
            with contextlib.suppress(RedisError, OSError):
                events.close()
            return False
        self._cache.answered()
        self._events = events
        return True

    def _drop(self) -> None:
        if self._events is not None:
            events, self._events = self._events, None
            with contextlib.suppress(RedisError, OSError):
                events.close()
