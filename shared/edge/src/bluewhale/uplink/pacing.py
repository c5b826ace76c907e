"""How many bytes may be under way on a connection whose speed nobody knows.

Owns the measure: the delay that frames see beyond the fastest one. On a good link
the limit grows to the centre's window at once; on a line of 9,600 bit/s it falls
to a few kilobytes, so that heartbeats, other streams and a repeat never wait
behind minutes of queued frames. Does not own who is served: `scheduling`.
"""

from __future__ import annotations

from collections import deque

from bluewhale.uplink.shapes import UnitLimits

_RECORD_BYTES_GUESS = 64.0
_FRAMES_PER_FLIGHT = 4


class Pacing:
    """Bytes under way and their limit, on one connection."""

    def __init__(self, limits: UnitLimits, window_bytes: int) -> None:
        self._limits = limits
        self._window = window_bytes
        self.limit_bytes = min(limits.flight_bytes_begin, window_bytes)
        self._sent = 0
        self._released = 0
        self._marks: deque[tuple[int, int]] = deque()  # (sent in total, when)
        self._fastest_ms: int | None = None
        self._shrunk_at_ms: int | None = None
        self._record_bytes = _RECORD_BYTES_GUESS

    @property
    def under_way(self) -> int:
        """Packed bytes sent and not yet dealt with by the centre."""
        return self._sent - self._released

    @property
    def open(self) -> bool:
        """Whether another frame may be sent; one always may when nothing is under way."""
        return self.under_way < self.limit_bytes

    def records_max(self, most: int) -> int:
        """Give how many records the next frame should have at most."""
        records = int(self.limit_bytes / _FRAMES_PER_FLIGHT / self._record_bytes)
        return max(1, min(most, records))

    def sent(self, size_bytes: int, records: int, now_ms: int) -> None:
        """Count a frame that was sent."""
        self._sent += size_bytes
        self._marks.append((self._sent, now_ms))
        if records:
            self._record_bytes += (size_bytes / records - self._record_bytes) / 8

    def released(self, total_bytes: int, now_ms: int) -> None:
        """Take the centre's total of bytes dealt with; learn from the delay."""
        before = self._released
        self._released = max(before, min(total_bytes, self._sent))
        delay = None
        while self._marks and self._marks[0][0] <= self._released:
            delay = now_ms - self._marks.popleft()[1]
        if delay is None:
            return
        fastest = delay if self._fastest_ms is None else min(self._fastest_ms, delay)
        self._fastest_ms = fastest
        queued = delay - fastest
        if queued < self._limits.queued_ms_low:
            grown = self.limit_bytes + (self._released - before)
            self.limit_bytes = min(self._window, grown)
        elif queued > self._limits.queued_ms_high and not self._shrank_lately(now_ms, delay):
            smaller = self.limit_bytes // 2
            self.limit_bytes = max(self._limits.flight_bytes_min, smaller)
            self._shrunk_at_ms = now_ms

    def _shrank_lately(self, now_ms: int, delay_ms: int) -> bool:
        """Say whether what is heard now was sent before the last step down."""
        return self._shrunk_at_ms is not None and now_ms - delay_ms < self._shrunk_at_ms
