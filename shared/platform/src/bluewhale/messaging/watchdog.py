"""Whether a loop still goes round, and if not, what it hangs on.

Owns one loop's sign of life. A loop that waits for the database or the log says
so and counts as alive: restarting it would not bring the database back. A loop
that says nothing for longer than its limit is stuck: liveness turns false with
the name of what it did last, and a while later the process ends itself with
the stacks of all threads on stderr, even if every thread holds a lock.

Does not own health endpoints: they ask `stuck()`.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

WAITING = "waiting for "


class Watchdog:
    """Watches one loop. Any thread may ask; the loop alone calls `alive`.

    `limit_s` without a sign of life is stuck. A `doing` that begins with
    "waiting for" has `waiting_limit_s`: a wait is made of many short attempts,
    each of which gives a sign. `exit_after_s` behind `limit_s` the process ends;
    None = never (tests, the embedded runtime). One watchdog of a process may
    end it: faulthandler has one timer.
    """

    def __init__(
        self,
        name: str,
        *,
        limit_s: float = 30.0,
        waiting_limit_s: float = 300.0,
        exit_after_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
    ) -> None:
        self.name = name
        self._limit_s = limit_s
        self._waiting_limit_s = waiting_limit_s
        self._exit_after_s = exit_after_s
        self._clock = clock
        self._stream = stream
        self._lock = threading.Lock()
        self._doing = "starting"
        self._since = self._at = clock()
        self._armed_at = float("-inf")

    def alive(self, doing: str) -> None:
        """Say that the loop goes round, and what it does next, e.g. "polling"."""
        now = self._clock()
        with self._lock:
            if doing != self._doing:
                self._doing, self._since = doing, now
            self._at = now
            # the timer is a thread that is started and ended: once a second is enough
            if self._exit_after_s is not None and now - self._armed_at >= 1.0:
                self._armed_at = now
                limit_s = self._limit_of(doing) + self._exit_after_s
                faulthandler.dump_traceback_later(
                    limit_s, exit=True, file=self._stream or sys.stderr
                )

    def doing(self) -> str:
        """Give what the loop said it does, and for how long it has."""
        with self._lock:
            return f"{self.name}: {self._doing} for {self._clock() - self._since:.0f} s"

    def waiting(self) -> bool:
        """Tell whether the loop waits for something outside of it."""
        with self._lock:
            return self._doing.startswith(WAITING)

    def stuck(self) -> str:
        """Say what the loop hangs on; "" = it goes round."""
        with self._lock:
            silent_s = self._clock() - self._at
            limit_s = self._limit_of(self._doing)
            if silent_s <= limit_s:
                return ""
            return (
                f"{self.name} gave no sign of life for {silent_s:.0f} s (limit {limit_s:.0f} s), "
                f"last doing: {self._doing}"
            )

    def stop(self) -> None:
        """End watching: the loop has ended as it should."""
        with self._lock:
            self._limit_s = self._waiting_limit_s = float("inf")
            if self._exit_after_s is not None:
                self._exit_after_s = None
                faulthandler.cancel_dump_traceback_later()

    def _limit_of(self, doing: str) -> float:
        return self._waiting_limit_s if doing.startswith(WAITING) else self._limit_s
