"""Reading `cdr.raw` in tests, through the log port."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bluewhale.messaging import RAW, Consumer, Log, Place
from bluewhale.messaging.envelopes import RawFrame, RawTally, RawTick, decode_raw


class Nothing:
    """A listener that needs to do nothing."""

    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        pass

    def revoked(self, places: Sequence[Place]) -> None:
        pass

    def lost(self, places: Sequence[Place]) -> None:
        pass


class RawReader:
    """Everything that is in the raw topic, partition by partition, as it comes."""

    def __init__(self, log: Log, group: str = "reader") -> None:
        self._consumer = log.consumer(group, [RAW], Nothing())
        self.frames: list[RawFrame] = []
        self.ticks: dict[int, list[RawTick]] = {}
        self.tallies: list[RawTally] = []
        self.partitions: dict[int, set[int]] = {}  # stream -> partitions

    def read(self, frames: int, timeout_s: float = 90.0) -> list[RawFrame]:
        """Read until so many frames were seen in all; give them."""
        deadline = time.monotonic() + timeout_s
        while len(self.frames) < frames:
            assert time.monotonic() < deadline, f"{len(self.frames)} of {frames} frames came"
            self.poll()
        return self.frames

    def poll(self) -> None:
        """Read what is there, or wait a moment."""
        for (_, partition), messages in self._consumer.poll(200, 1_000).items():
            for message in messages:
                match decode_raw(message):
                    case RawFrame() as frame:
                        self.frames.append(frame)
                        self.partitions.setdefault(frame.stream_id, set()).add(partition)
                    case RawTick() as tick:
                        self.ticks.setdefault(partition, []).append(tick)
                    case RawTally() as tally:
                        self.tallies.append(tally)

    def close(self) -> None:
        self._consumer.close()
