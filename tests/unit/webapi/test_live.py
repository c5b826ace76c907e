"""What open pages are told, and when."""

from __future__ import annotations

import asyncio

import pytest
from bluewhale.webapi import live
from bluewhale.webapi.live import Live


def event(frame: str) -> str:
    """Give the name of a frame's event."""
    return frame.partition("\n")[0]


def test_an_alert_is_told_at_once_where_news_of_calls_wait_for_their_turn(monkeypatch):
    """So many pages are open that a turn is hours away; nobody waits for an alert."""
    monkeypatch.setattr(live, "TOLD_PER_S", 0.000_01)
    calls, alerts, looks = {(b"a", 1)}, [0], []

    async def told() -> list[str]:
        loop, looked = asyncio.get_running_loop(), asyncio.Event()

        def newest():
            looks.append(len(calls))
            if looks.count(2) == 3:  # the call was seen, and told to whose turn it is
                loop.call_soon_threadsafe(looked.set)
            return list(calls)

        frames = Live(newest, lambda: alerts[0], look_s=0.01).listen(None)
        first = [await anext(frames), await anext(frames)]
        calls.add((b"b", 1))
        later = asyncio.ensure_future(anext(frames))
        await looked.wait()
        assert not later.done()
        alerts[0] += 1
        heard = [event(f) for f in (*first, await later, await anext(frames))]
        await frames.aclose()
        return heard

    assert asyncio.run(asyncio.wait_for(told(), 60)) == [
        "retry: 2000", "event: reset", "event: calls", "event: alerts",
    ]  # fmt: skip


@pytest.mark.parametrize("change", ["a call", "an alert"])
def test_news_come_by_themselves_to_a_page_that_is_alone(change):
    """One call, or one alert."""
    calls, alerts = {(b"a", 1)}, [0]

    async def told() -> str:
        frames = Live(lambda: list(calls), lambda: alerts[0], look_s=0.01).listen(None)
        await anext(frames), await anext(frames)
        if change == "a call":
            calls.add((b"b", 1))
        else:
            alerts[0] += 1
        heard = event(await anext(frames))
        await frames.aclose()
        return heard

    expected = {"a call": "event: calls", "an alert": "event: alerts"}
    assert asyncio.run(asyncio.wait_for(told(), 60)) == expected[change]
