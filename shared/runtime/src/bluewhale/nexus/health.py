"""How a role is: conditions, start-up, readiness, liveness.

Owns what the three questions mean.
Started: every plugin is active. Ready: started, not draining, every gating
condition good. Live: no watched loop is stuck; a bad condition (the broker is away) is no
reason to kill a process. Does not own the door (`bluewhale.telemetry.Endpoint`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is well or not, in words a person can act on; `since_ms` is UTC."""

    name: str
    good: bool
    message: str
    since_ms: int
    gates: bool = True


class Health:
    """The health of one process; any thread may write and ask."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: int(time.time() * 1000)) -> None:
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._conditions: dict[str, Condition] = {}
        self._watched: dict[str, Callable[[], str]] = {}
        self._inquiries: list[Callable[[], Mapping[str, str]]] = []
        self.started = False
        self.draining = False

    def condition(self, name: str, *, good: bool, message: str = "", gates: bool = True) -> None:
        """Say how one thing is; `since_ms` moves only when good becomes bad or bad good.

        gates: whether the role should get no work while this is bad; otherwise it
        is told to operators and nothing else.
        """
        with self._lock:
            before = self._conditions.get(name)
            same = before is not None and before.good == good
            since_ms = before.since_ms if same and before is not None else self._clock_ms()
            self._conditions[name] = Condition(name, good, message, since_ms, gates)

    def inquire(self, look: Callable[[], Mapping[str, str]]) -> None:
        """Ask `look` at each look at readiness: part -> what is wrong with it, {} = well."""
        with self._lock:
            self._inquiries.append(look)

    def drop(self, name: str) -> None:
        """Forget a condition and a watched loop of that name."""
        with self._lock:
            self._conditions.pop(name, None)
            self._watched.pop(name, None)

    def watch(self, name: str, stuck: Callable[[], str]) -> None:
        """Ask `stuck` at each look at liveness; it gives "" or what the loop hangs in."""
        with self._lock:
            self._watched[name] = stuck

    def conditions(self) -> list[Condition]:
        """Give all conditions, in the order of their names."""
        with self._lock:
            return sorted(self._conditions.values(), key=lambda c: c.name)

    def stuck(self) -> dict[str, str]:
        """Give what is not live; empty = live."""
        with self._lock:
            watched = dict(self._watched)
        return {name: text for name, look in watched.items() if (text := look())}

    def unready(self) -> dict[str, str]:
        """Give why the role should get no work; empty = ready."""
        wrong = {
            c.name: c.message or "not good" for c in self.conditions() if c.gates and not c.good
        }
        with self._lock:
            inquiries = list(self._inquiries)
        for look in inquiries:
            wrong |= look()
        if self.draining:
            wrong["drain"] = "the role is about to end"
        return self.starting() | wrong

    def starting(self) -> dict[str, str]:
        """Give {} once every plugin is active."""
        return {} if self.started else {"start": "plugins are starting"}
