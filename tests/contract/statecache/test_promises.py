"""What every state cache promises, and how the one on Redis degrades."""

from __future__ import annotations

import threading
import time

import pytest
from bluewhale.statecache import Event, MemoryStateCache, RedisStateCache, StateCache

from tests.support.services import RedisServer


@pytest.fixture(
    params=["memory", pytest.param("redis", marks=pytest.mark.services(shared="redis"))]
)
def cache(request) -> StateCache:
    """Give an empty cache."""
    if request.param == "memory":
        yield MemoryStateCache()
        return
    url = request.getfixturevalue("redis_url")
    made = RedisStateCache(url, prefix=request.getfixturevalue("redis_prefix"), timeout_s=5)
    yield made
    made.close()


def test_a_value_is_kept_until_it_expires_or_is_forgotten(cache: StateCache):
    """Put, get, put over it, forget; a short life ends by itself."""
    assert cache.get("a") is None
    cache.put("a", b"\x00one", expires_ms=60_000)
    assert cache.get("a") == b"\x00one"
    cache.put("a", b"", expires_ms=60_000)
    assert cache.get("a") == b""
    cache.forget("a")
    cache.forget("a")
    assert cache.get("a") is None
    cache.put("b", b"x", expires_ms=30)
    time.sleep(0.06)
    assert cache.get("b") is None


def test_counts_begin_anew_when_their_window_is_over(cache: StateCache):
    """1, 2, 3 within the window of the first; then 1 again; keys count apart from values."""
    assert [cache.count("k", window_ms=60_000) for _ in range(3)] == [1, 2, 3]
    assert cache.count("other", window_ms=60_000) == 1
    assert cache.get("k") is None
    assert cache.count("short", window_ms=40) == 1
    assert cache.count("short", window_ms=40) == 2
    time.sleep(0.08)
    assert cache.count("short", window_ms=40) == 1


def test_many_threads_count_every_one(cache: StateCache):
    """Four threads with fifty counts each end at two hundred."""
    threads = [
        threading.Thread(target=lambda: [cache.count("k", window_ms=60_000) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.count("k", window_ms=60_000) == 201


def test_everybody_who_listens_hears_an_event(cache: StateCache):
    """Two subscribers hear it, in order; another channel, and events of before, are not heard."""
    cache.publish("live", b"before")
    one, two = cache.subscribe(["live", "more"]), cache.subscribe(["live"])
    cache.publish("live", b"1")
    cache.publish("more", b"2")
    cache.publish("elsewhere", b"3")
    cache.publish("live", b"\xff")
    got = [one.next(5) for _ in range(3)]
    assert got == [Event("live", b"1"), Event("more", b"2"), Event("live", b"\xff")]
    assert [two.next(5) for _ in range(2)] == [Event("live", b"1"), Event("live", b"\xff")]
    assert one.next(0.05) is None
    one.close()
    two.close()
    assert one.next(0.05) is None
    assert cache.trouble() == ""


def test_an_unreachable_redis_is_not_known_and_costs_nothing():
    """No server at all: every question has an answer, a thousand of them take no time."""
    cache = RedisStateCache("redis://127.0.0.1:1/0", timeout_s=0.2)
    began = time.monotonic()
    for _ in range(1000):
        assert cache.get("a") is None
        assert cache.count("a", window_ms=1000) is None
        cache.put("a", b"", expires_ms=1)
        cache.publish("c", b"")
    subscription = cache.subscribe(["c"])
    assert subscription.next(0.05) is None
    assert time.monotonic() - began < 60  # 3,000 waits of 0.2 s were ten minutes
    assert "does not answer" in cache.trouble()
    subscription.close()
    cache.close()


@pytest.mark.services("redis")
def test_a_redis_that_stops_is_missed_by_nobody(capsys):
    """Stopped, frozen, flushed, back: work goes on; it is said once that it went and once that it is back."""
    with RedisServer() as server:
        cache = RedisStateCache(server.url, retry_after_s=0.1)
        listening = cache.subscribe(["live"])
        cache.put("a", b"1", expires_ms=60_000)
        assert cache.count("k", window_ms=60_000) == 1
        server.halt()
        for _ in range(30):
            assert cache.get("a") is None
            assert cache.count("k", window_ms=60_000) is None
            cache.publish("live", b"lost")
            time.sleep(0.01)
        assert listening.next(0.2) is None
        assert "does not answer" in cache.trouble()
        server.start()
        _until(lambda: cache.count("k", window_ms=60_000) is not None)
        assert cache.get("a") is None
        assert cache.trouble() == ""
        _until(lambda: listening.next(0.1) is None and (cache.publish("live", b"x") or True)
               and listening.next(0.3) == Event("live", b"x"))  # fmt: skip
        said = capsys.readouterr().out
        assert said.count("Redis is away") == 1
        assert said.count("Redis is back") == 1
        server.flush()
        assert cache.count("k", window_ms=60_000) == 1
        server.pause()
        began = time.monotonic()
        for _ in range(100):
            assert cache.get("a") is None
        # the first question waits 0.25 s, the pause of 0.1 s spares some of the others
        assert time.monotonic() - began < 15  # a hundred waits were 25 s
        server.resume()
        _until(lambda: cache.count("k", window_ms=60_000) is not None)
        listening.close()
        cache.close()


def _until(claim, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
