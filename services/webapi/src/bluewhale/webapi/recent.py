"""Answers that many ask for at the same time: asked once, kept for some seconds.

    recent = Recent(keep_s=3.0)
    rows = recent.get(("report", "site", question), lambda: ask())

Whoever comes while an answer is being made waits for it. Owns nothing that must not be lost;
what is kept is never changed by its readers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
ANSWERS_MAX = 256


@dataclass(slots=True)
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_s: float = float("-inf")
    value: Any = None


class Recent:
    """Keeps answers; any thread."""

    def __init__(self, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _Answer] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Give the answer of a key, made now or some seconds ago; an error is not kept."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                self._forget()
                answer = self._answers[key] = _Answer()
        asked_s = self._clock()
        with answer.lock:
            if asked_s - answer.at_s >= self._keep_s:
                answer.value = make()
                answer.at_s = self._clock()
            value: T = answer.value
            return value

    def _forget(self) -> None:
        """Make room: what is too old goes, then the first that came."""
        if len(self._answers) < ANSWERS_MAX:
            return
        since = self._clock() - self._keep_s
        self._answers = {k: a for k, a in self._answers.items() if a.at_s >= since}
        while len(self._answers) >= ANSWERS_MAX:
            self._answers.pop(next(iter(self._answers)))
