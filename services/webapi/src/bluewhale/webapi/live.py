"""What just happened, for pages that are open: one look a second for all of them together.

    live = Live(newest, stamp)           # (call_id, version) of the newest calls; grows with alerts
    async for frame in live.listen(last_id): ...

A frame says that there are new calls, or that alerts changed, never which: the page asks for them with the
rights of its reader. Ids are `epoch-number`; whoever comes back with the last id of
this process hears at once whether something happened meanwhile. With another one, with
none, or where nobody listened, all may have changed (`reset`): what happened between the
first answers of a page and its listening is told nowhere else. Owns nothing that must not be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.telemetry import get_logger

LOOK_S = 1.0
TOLD_PER_S = 50
HEARTBEAT_S = 15.0
LIFE_S = 300.0  # then the browser comes again, with a session that still holds
Newest = Callable[[], list[tuple[str, int]]]
CALLS, ALERTS, RESET = "calls", "alerts", "reset"
EVENTS = {CALLS: "there are new ones", ALERTS: "some changed", RESET: "all may have changed"}


class Live:
    """Fans out; on the loop of the server alone."""

    def __init__(self, newest: Newest, stamp: Callable[[], int], *, look_s: float = LOOK_S) -> None:
        self._asked: dict[str, Callable[[], Any]] = {CALLS: lambda: set(newest()), ALERTS: stamp}
        self._look_s = look_s
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._bells: dict[str, asyncio.Future[None]] = {}  # rung once, with the next news of a kind
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()  # from here on every change is news
        self._seen: dict[str, Any] = {}
        self._away: set[str] = set()  # said once, not each second
        self._moved_at = {CALLS: 0, ALERTS: 0}  # the number of the last news of each kind
        self._news_s = float("-inf")
        self._log = get_logger("webapi")

    async def listen(
        self, last_id: str | None, *, heartbeat_s: float = HEARTBEAT_S, life_s: float = LIFE_S
    ) -> AsyncIterator[str]:
        """Give frames of server-sent events until the life of the stream is over."""
        until = time.monotonic() + life_s
        self._listeners += 1
        alone = self._looking is None or self._looking.done()
        if alone:
            self._looked.clear()
            self._looking = asyncio.create_task(self._look())
        try:
            told = self._number
            yield f"retry: 2000\nid: {self._id()}\n\n"
            epoch, _, number = (last_id or "").partition("-")
            if alone or epoch != self._epoch:
                with contextlib.suppress(TimeoutError):  # what is away is news when it is back
                    await asyncio.wait_for(self._looked.wait(), heartbeat_s)
                yield self._frame(RESET)
            elif number != str(self._number):
                for event in self._news(int(number) if number.isdecimal() else 0):
                    yield self._frame(event)
            while time.monotonic() < until:
                await self._wait(told, heartbeat_s, (CALLS, ALERTS))
                if not self._news(told):
                    yield ": still here\n\n"
                    continue
                # each list asks anew when it hears of calls: a thousand do so one after the other
                pause_s = random.random() * self._listeners / TOLD_PER_S
                await self._wait(told, pause_s, (ALERTS,))
                news, told = self._news(told), self._number
                for event in news:
                    yield self._frame(event)
        finally:
            self._listeners -= 1

    def news_s(self) -> float:
        """Give when something was last found to have happened, by the monotonic clock."""
        return self._news_s

    def _news(self, told: int) -> list[str]:
        return [event for event, number in self._moved_at.items() if number > told]

    def _id(self) -> str:
        return f"{self._epoch}-{self._number}"

    def _frame(self, event: str) -> str:
        return f"event: {event}\nid: {self._id()}\ndata: {{}}\n\n"

    async def _wait(self, told: int, wait_s: float, events: Collection[str]) -> None:
        """Wait so long for news of these kinds that were not told yet; nobody else is woken."""
        if any(self._moved_at[event] > told for event in events):
            return
        make = asyncio.get_running_loop().create_future
        bells = [self._bells.setdefault(event, make()) for event in events]
        await asyncio.wait(bells, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)

    async def _look(self) -> None:
        """Look as long as anybody listens; what is away is looked for again."""
        self._seen = {}
        while self._listeners:
            for event, ask in self._asked.items():
                await self._look_at(event, ask)
            self._looked.set()
            await asyncio.sleep(self._look_s)

    async def _look_at(self, event: str, ask: Callable[[], Any]) -> None:
        try:
            found = await asyncio.to_thread(ask)
        except BluewhaleError as error:
            if event not in self._away:
                self._log.warning(
                    "News cannot be read, trying again", error=str(error), topic=event
                )
            self._away.add(event)
            return
        was_away = event in self._away
        self._away.discard(event)
        before = self._seen.get(event)
        # of calls a page moves on: that some are gone from it is no news
        new = found - before if isinstance(before, set) else found != before
        if was_away or (before is not None and new):
            self._news_s = time.monotonic()  # what was asked before may lack it
            self._number += 1
            self._moved_at[event] = self._number
            if event in self._bells:
                self._bells.pop(event).set_result(None)
        self._seen[event] = found
