"""Marks as they move: one reader of the database, any number of listeners.

Owns how soon a change is told (within `POLL_S`, whichever replica committed it)
and that none is missed: now and then all marks are compared anew. Does not own
the marks (`bluewhale.database`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.database import Mark
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.database import Store

POLL_S = 0.1
WHOLE_S = 5.0
ALIVE_S = 5.0
LOOK_S = 0.25  # a listener looks so often whether the role drains

Key = tuple[int, int]


class MarksFeed:
    """Follows the marks of the main database; `start` before the first listener."""

    def __init__(
        self, store: Store, *, poll_s: float = POLL_S, ending: Callable[[], bool] = lambda: False
    ) -> None:
        self._store = store
        self._poll_s = poll_s
        self._ending = ending  # the role drains: listeners end, so that the door can close
        self._log = get_logger("storage.marks")
        self._changed = threading.Condition()
        self._marks: dict[Key, tuple[int, Mark]] = {}  # with the turn of its last change
        self._turn = 0
        self._reads = 0  # how often the database was asked
        self._stamp = 0
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="marks", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End all listeners and the reader."""
        self._stopping.set()
        self._hurry.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def committed(self) -> None:
        """Say that this process just committed: marks are read at once."""
        self._hurry.set()

    def listen(
        self, streams: Iterable[int] = (), *, alive_s: float = ALIVE_S
    ) -> Iterator[list[Mark]]:
        """Give all marks, then each change; an empty list after `alive_s` without one.

        Ends when the feed stops. A listener that is slow skips nothing: it gets
        the latest mark of each stream that moved meanwhile.
        """
        wanted = frozenset(streams)
        seen = -1
        # what was committed before the listener came is in its first answer: the reading that is
        # under way may have begun before, the next one did not
        reads = self._reads + 2
        told_s = time.monotonic()
        while True:
            with self._changed:
                self._await_turn(seen, reads)
                if self._stopping.is_set() or self._ending():
                    return
                first = seen < 0
                if self._reads < reads:
                    continue
                found = [
                    mark for turn, mark in self._marks.values()
                    if turn > seen and (not wanted or mark.stream_id in wanted)
                ]  # fmt: skip
                seen = self._turn
            now_s = time.monotonic()
            if found or first or now_s - told_s >= alive_s:
                told_s = now_s
                yield found

    def _await_turn(self, seen: int, reads: int) -> None:
        if self._reads < reads:
            self._hurry.set()
        self._changed.wait_for(
            lambda: self._stopping.is_set() or (self._reads >= reads and self._turn > seen),
            LOOK_S,
        )

    def _follow(self) -> None:
        whole_at = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            try:
                if now >= whole_at:
                    stamp, _ = self._store.marks_changed(self._stamp)
                    found = self._store.marks()
                    whole_at = now + WHOLE_S
                else:
                    stamp, found = self._store.marks_changed(self._stamp)
            except TemporaryError as error:
                self._log.warning("Marks cannot be read, trying again", error=str(error))
                self._stopping.wait(1.0)
                continue
            self._stamp = stamp
            self._tell(found)
            self._hurry.wait(self._poll_s)
            self._hurry.clear()

    def _tell(self, found: Iterable[Mark]) -> None:
        with self._changed:
            moved = [
                m for m in found
                if self._marks.get((m.stream_id, m.incarnation), (0, None))[1] != m
            ]  # fmt: skip
            if moved:
                self._turn += 1
                for mark in moved:
                    self._marks[mark.stream_id, mark.incarnation] = (self._turn, mark)
            self._reads += 1
            self._changed.notify_all()
