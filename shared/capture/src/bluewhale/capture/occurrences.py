"""How often the same bytes came on one connection: the `n` of a raw record.

Owns the count and its bounds. Does not own identity: the hash that uses `n`
belongs to `bluewhale.records`.
"""

from __future__ import annotations

from collections import deque

WINDOW_MS = 15 * 60 * 1000
OCCURRENCES_MAX = 131_072


class OccurrenceCounter:
    """Count equal records of one connection since its last date line, within 15 minutes.

    A record counts as long as it came less than `window_ms` before the one that
    asks. At most `occurrences_max` records are remembered, the oldest are
    forgotten first (about 130 bytes of memory each). Given the same records with
    the same times, the counts are the same.
    """

    def __init__(
        self, *, window_ms: int = WINDOW_MS, occurrences_max: int = OCCURRENCES_MAX
    ) -> None:
        self._window_ms = window_ms
        self._occurrences_max = occurrences_max
        self._counts: dict[int, int] = {}
        self._keys: deque[int] = deque()  # oldest first
        self._runs: deque[list[int]] = deque()  # [at_ms, how many keys in a row came then]

    def count(self, data: bytes, at_ms: int) -> int:
        """Give n >= 1 for a record that came at `at_ms` (milliseconds, any epoch)."""
        runs = self._runs
        while runs and (
            at_ms - runs[0][0] >= self._window_ms or len(self._keys) >= self._occurrences_max
        ):
            self._forget_oldest()
        key = hash(data)  # 64 bits, keyed per process; the bytes are not kept
        n = self._counts.get(key, 0) + 1
        self._counts[key] = n
        self._keys.append(key)
        if runs and runs[-1][0] == at_ms:
            runs[-1][1] += 1
        else:
            runs.append([at_ms, 1])
        return n

    def reset(self) -> None:
        """Start over: a date line came."""
        self._counts.clear()
        self._keys.clear()
        self._runs.clear()

    def __len__(self) -> int:
        """Count of records remembered."""
        return len(self._keys)

    def _forget_oldest(self) -> None:
        key = self._keys.popleft()
        left = self._counts[key] - 1
        if left:
            self._counts[key] = left
        else:
            del self._counts[key]
        self._runs[0][1] -= 1
        if not self._runs[0][1]:
            self._runs.popleft()
