"""The loop that parser, billing and storage share: poll, handle, settle, commit.

Owns the order in which things happen: nothing is committed before its effect is
durable; what passes by itself is tried again while the membership is kept alive;
a partition that was taken away is dropped; a restart reads again from the low
water, muted up to the committed offset. Does not own any effect: a `Handler` does.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from bluewhale.capture.exceptions import FrameCorruptError, PermanentError, TemporaryError
from bluewhale.messaging.exceptions import (
    CommitRefusedError,
    ConsumerStalledError,
    EnvelopeCorruptError,
)
from bluewhale.messaging.log_id import is_meant
from bluewhale.messaging.low_water import LowWater
from bluewhale.messaging.port import AssignmentListener, Consumer, Log, Message, Place
from bluewhale.messaging.watchdog import WAITING, Watchdog
from bluewhale.telemetry import get_logger
from typing_extensions import override

RETRY_WAIT_MAX_S = 3.0
_POISON = (EnvelopeCorruptError, FrameCorruptError)


@dataclass(frozen=True, slots=True)
class Portion:
    """Consecutive messages of one place.

    `muted`: they were handled before a restart and are read again to fill memory;
    what they cause was sent then.
    """

    place: Place
    messages: Sequence[Message]
    muted: bool = False


class Handler(Protocol):
    """What a role does with messages; the worker's thread alone calls it.

    `handle` and `idle` may be called again with the same messages: after a
    `TemporaryError` they must have changed nothing that a repeat would do twice.
    """

    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[Any]]:
        """Handle what one poll gave of one partition, of all topics read, in order.

        Gives what must succeed before it counts as done (usually sends);
        nothing, if the effect is durable on return.
        """
        ...

    def assigned(self, place: Place, topic_id: str, committed: int | None) -> int | None:
        """Hear that a place is ours. Give the offset to read from; None = the low water.

        Comes again for the same place if the log went away meanwhile.
        """
        return None

    def idle(self) -> Sequence[Future[Any]]:
        """Do what time alone asks for; called once a round, so at least every `poll_ms`."""
        return ()

    def low_water(self, place: Place, position: int) -> int:
        """Give the lowest offset of `place` that is still held in memory; `position` = none."""
        return position

    def released(self, place: Place, *, lost: bool) -> None:
        """Hear that a place is not ours any more: forget what is held of it.

        lost: somebody else may work on it already; nothing more may be sent.
        """

    def poisoned(self, message: Message, error: PermanentError) -> None:
        """Hear that a message cannot be read and is passed over; it was logged.

        The frames in it are sent again by their unit, since they are never stored.
        """

    def unmeant(self, place: Place, count: int) -> None:
        """Hear that messages meant for a log that was wiped are passed over; it was logged.

        Ingest asks their units again for them.
        """


@dataclass(slots=True)
class _State:
    """One place that is ours."""

    topic_id: str
    start: int
    done: int  # everything below is durable
    muted_until: int
    committed: tuple[int, str] | None
    handled: int = 0
    moved_at: float = 0.0


@dataclass(slots=True)
class _Pending:
    """Handled, but not durable yet."""

    reached: dict[Place, tuple[_State, int]]
    waits: Sequence[Future[Any]]
    rest: list[Future[Any]] = field(default_factory=list)


class Worker:
    """One consumer of one group, its handler, and one thread that calls `run`."""

    def __init__(
        self,
        log: Log,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        *,
        max_messages: int = 500,
        poll_ms: int = 100,
        commit_interval_s: float = 1.0,
        rounds_in_flight: int = 2,
        stall_limit_s: float = 30.0,
        watchdog: Watchdog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._group = group
        self._topics = tuple(topics)
        self._handler = handler
        self._max_messages = max_messages
        self._poll_ms = poll_ms
        self._commit_interval_s = commit_interval_s
        self._rounds_in_flight = rounds_in_flight
        self._stall_limit_s = stall_limit_s
        self.watchdog = watchdog or Watchdog(group)
        self._clock = clock
        self._logger = get_logger("messaging")
        self._places: dict[Place, _State] = {}
        self._pending: deque[_Pending] = deque()
        self._stopping = threading.Event()
        self._committed_at = self._looked_at = clock()
        self._lag: dict[Place, int] = {}
        self._consumer: Consumer | None = None
        self._held = False  # waiting: nothing may be delivered
        self.error = ""  # what the loop waits for; "" = it goes round

    def stop(self) -> None:
        """Ask `run` to drain and end; safe from any thread and signal handler."""
        self._stopping.set()

    def lag(self) -> Mapping[Place, int]:
        """Give, per place of ours, how many messages were not handled some seconds ago."""
        return dict(self._lag)

    def assignment(self) -> frozenset[Place]:
        """Give the places that this worker owns; safe from any thread."""
        return frozenset(self._places.copy())

    def run(self) -> None:
        """Go round until `stop`; then settle, commit, leave the group.

        Raises what repeating does not mend; the process should end with it.
        """
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    self.step()
                    failures, self.error = 0, ""
                except TemporaryError as error:
                    failures += 1
                    self._wait_out(error, failures, "the log")
                    self._begin_silence()
            self._drain()
        finally:
            self.close()

    def step(self) -> int:
        """Go round once; gives the count of messages handled."""
        consumer = self._open()
        self.watchdog.alive("polling")
        # the log went away while a place was begun: the group has given it, we have not taken it
        if untaken := sorted(consumer.assignment() - self._places.keys()):
            self.assigned(consumer, untaken)
        polled = consumer.poll(self._poll_ms, self._max_messages)
        polled_at = self._clock()
        count = 0
        for partition, portions in self._by_partition(polled):
            count += sum(len(p.messages) for p in portions)
            self._handle(partition, portions)
        self.watchdog.alive("looking after time")
        waits = self._tried("idle work", self._handler.idle)
        if waits:
            everything = {p: (s, s.handled) for p, s in self._places.items()}
            self._pending.append(_Pending(everything, waits))
        self._settle(self._rounds_in_flight)
        now = self._clock()
        for state in self._places.values():  # a place is not silent while we work on others
            state.moved_at = min(now, state.moved_at + now - polled_at)
        if now - self._committed_at >= self._commit_interval_s:
            self._committed_at = now
            self._commit(self._places)
            self._look_at_lag(consumer, now)
        return count

    def close(self) -> None:
        """Leave the group without further ado."""
        self.watchdog.stop()
        if self._consumer is not None:
            try:
                self._consumer.close()  # tells `revoked`, which commits with this very consumer
            except TemporaryError as error:
                self._logger.warning("Log was away while leaving", error=str(error))
            finally:
                self._consumer = None

    # ---- one round

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._log.consumer(self._group, self._topics, _Listener(self))
        return self._consumer

    def _by_partition(
        self, polled: Mapping[Place, Sequence[Message]]
    ) -> Iterable[tuple[int, list[Portion]]]:
        rank = {topic: i for i, topic in enumerate(self._topics)}
        partitions: dict[int, list[Portion]] = {}
        for place in sorted(polled, key=lambda p: (p[1], rank[p[0]])):
            state = self._places.get(place)
            if state is None:
                continue
            portions = partitions.setdefault(place[1], [])
            messages = polled[place]
            split = sum(m.offset < state.muted_until for m in messages)
            if split:
                portions.append(Portion(place, messages[:split], muted=True))
            if split < len(messages):
                portions.append(Portion(place, messages[split:]))
        return partitions.items()

    def _handle(self, partition: int, portions: list[Portion]) -> None:
        states = {p.place: self._places[p.place] for p in portions if p.place in self._places}
        meant = [self._meant(p) for p in portions if p.place in states]

        def attempt() -> Sequence[Future[Any]]:
            # a place may go while we wait for what it needs
            ours = [p for p in meant if p.messages and self._places.get(p.place) is states[p.place]]
            return self._guarded(partition, ours) if ours else ()

        waits = self._tried(f"partition {partition}", attempt)
        reached = {}
        for portion in portions:
            state = self._places.get(portion.place)
            if state is not None and state is states.get(portion.place):
                state.handled = portion.messages[-1].offset + 1
                state.moved_at = self._clock()
                reached[portion.place] = (state, state.handled)
        self._pending.append(_Pending(reached, waits))

    def _meant(self, portion: Portion) -> Portion:
        """Leave out what was meant for another log than the one that is read."""
        topic_id = self._places[portion.place].topic_id
        kept = [m for m in portion.messages if is_meant(m, topic_id)]
        count = len(portion.messages) - len(kept)
        if not count:
            return portion
        self._logger.warning(
            "Messages passed over: meant for a log that was wiped, their units send them again",
            topic=portion.place[0],
            partition=portion.place[1],
            offset=portion.messages[0].offset,
            topic_id=topic_id,
            count=count,
        )
        self._handler.unmeant(portion.place, count)
        return Portion(portion.place, kept, muted=portion.muted)

    def _guarded(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[Any]]:
        """Handle; if a message is unreadable, handle one by one and pass over that one."""
        self.watchdog.alive(f"handling partition {partition}")
        try:
            return self._handler.handle(partition, portions)
        except _POISON:
            waits: list[Future[Any]] = []
            for portion in portions:
                for message in portion.messages:
                    alone = Portion(portion.place, [message], muted=portion.muted)
                    try:
                        waits += self._handler.handle(partition, [alone])
                    except _POISON as error:
                        self._logger.error(  # noqa: TRY400 - bad bytes are somebody's data, not our failure
                            "Message passed over: it cannot be read",
                            topic=message.topic,
                            partition=message.partition,
                            offset=message.offset,
                            error=str(error),
                            error_code=error.code,
                        )
                        self._handler.poisoned(message, error)
            return waits

    def _tried(
        self, what: str, attempt: Callable[[], Sequence[Future[Any]]]
    ) -> Sequence[Future[Any]]:
        """Call until it does not fail with a temporary error, staying in the group."""
        failures = 0
        while True:
            try:
                waits = attempt()
            except TemporaryError as error:
                if self._stopping.is_set():
                    raise
                failures += 1
                self._wait_out(error, failures, f"what {what} needs")
            else:
                if failures:
                    self.error = ""
                return waits

    def _wait_out(self, error: TemporaryError, failures: int, what: str) -> None:
        """Wait with growing, random pauses; poll with everything paused meanwhile."""
        self.watchdog.alive(f"{WAITING}{what}: {error}")
        self.error = f"{WAITING}{what}: {error}"
        wait_s = min(RETRY_WAIT_MAX_S, error.retry_after_s * 2 ** min(failures - 1, 10))
        wait_s *= random.uniform(0.5, 1.0)
        if failures == 1:
            self._logger.warning(
                "Waiting and trying again",
                error=str(error),
                error_code=error.code,
                retry_after_ms=int(wait_s * 1000),
            )
        self._held = True
        until = self._clock() + wait_s
        while (left := until - self._clock()) > 0 and not self._stopping.is_set():
            self.watchdog.alive(self.error)
            try:
                consumer = self._open()
                consumer.pause(self._places)
                polled = consumer.poll(0, 1)
                assert not polled, "nothing is delivered while everything is paused"
            except TemporaryError:
                pass  # both are away; the wait goes on
            self._stopping.wait(min(left, 0.2))
        self._held = False
        if self._consumer is not None:
            self._consumer.resume(self._places)

    # ---- durability

    def _settle(self, rounds_left: int) -> None:
        """Take what is durable; wait until at most `rounds_left` rounds are not."""
        while self._pending:
            first = self._pending[0]
            if len(self._pending) <= rounds_left and not all(w.done() for w in first.waits):
                return
            try:
                self._wait_for(first.waits)
            except TemporaryError as error:
                self._begin_again(first, error)
                return
            self._pending.popleft()
            for state, reached in first.reached.values():
                state.done = max(state.done, reached)

    def _begin_silence(self) -> None:
        """Count a place's silence from now: while the log was away nothing could come.

        Without this a log that is away for longer than `stall_limit_s` ends the
        process at the very moment it is back: by then messages lie there, and
        the last one came before it went.
        """
        now = self._clock()
        for state in self._places.values():
            state.moved_at = now

    def _wait_for(self, waits: Sequence[Future[Any]]) -> None:
        for wait in waits:
            while True:
                self.watchdog.alive(f"{WAITING}the log to take messages")
                try:
                    wait.result(timeout=1.0)
                    break
                except TimeoutError:
                    if wait.done():
                        raise
            self.watchdog.alive("settling")

    def _begin_again(self, failed: _Pending, error: TemporaryError) -> None:
        """A send failed for good: its places are read again from their low water."""
        self._logger.warning(
            "Sending failed, reading again", error=str(error), error_code=error.code
        )
        behind = [failed, *self._pending]  # rounds behind it are not durable in order either
        self._pending.clear()
        states = {p: state for round_ in behind for p, (state, _) in round_.reached.items()}
        again = [p for p, state in states.items() if self._places.get(p) is state]
        self.lost(again)
        self.assigned(self._open(), again)

    def _commit(self, places: Iterable[Place]) -> None:
        offsets: dict[Place, tuple[int, str]] = {}
        for place in places:
            state = self._places[place]
            if state.done < state.muted_until:
                continue  # still replaying: the commit of before stands
            if state.committed is None and state.done == state.start:
                continue  # nothing done yet, nothing to say
            low = min(state.done, self._handler.low_water(place, state.done))
            wanted = (state.done, LowWater(low).encode())
            if wanted != state.committed:
                offsets[place] = wanted
        if not offsets:
            return
        try:
            self._open().commit(offsets)
        except CommitRefusedError as error:
            # the next poll tells which places went; nothing is lost, some is done twice
            self._logger.warning("Commit refused", error=str(error), error_code=error.code)
            return
        for place, wanted in offsets.items():
            self._places[place].committed = wanted

    def _drain(self) -> None:
        self.watchdog.alive("draining")
        self._settle(0)
        self._commit(self._places)

    def _look_at_lag(self, consumer: Consumer, now: float) -> None:
        """Take the lag; stop if messages lie there and none comes."""
        if now - self._looked_at < min(5.0, self._stall_limit_s / 3):
            return
        self._looked_at = now
        ends = consumer.end_offsets(self._places)
        self._lag = {p: max(0, ends[p] - s.handled) for p, s in self._places.items()}
        for place, lag in self._lag.items():
            state = self._places[place]
            if lag == 0:
                state.moved_at = now
            elif now - state.moved_at > self._stall_limit_s:
                raise ConsumerStalledError(
                    f"partition {place[1]} of {place[0]} has {lag} messages behind offset "
                    f"{state.handled} and gave none for {now - state.moved_at:.0f} s: starting again"
                )

    # ---- places come and go, inside poll or close

    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        """Find where to read from; called by the consumer."""
        for place in places:
            topic_id = consumer.topic_id(place[0])
            kept = consumer.committed(place)
            committed = kept[0] if kept else None
            start = self._handler.assigned(place, topic_id, committed)
            muted_until = 0
            if start is None and kept is not None:
                start = LowWater.decode(kept[1], committed=kept[0]).offset
                muted_until = kept[0]
            start = start or 0
            consumer.seek(place, start)
            if self._held:
                consumer.pause([place])
            now = self._clock()
            self._places[place] = _State(topic_id, start, start, muted_until, kept, start, now)
            self._logger.info(
                "Partition assigned",
                topic=place[0],
                partition=place[1],
                topic_id=topic_id,
                offset=start,
            )

    def revoked(self, places: Sequence[Place]) -> None:
        """Finish and commit; called by the consumer."""
        try:
            self._settle(0)
            self._commit([p for p in places if p in self._places])
        except TemporaryError as error:
            self._logger.warning(
                "Partition leaves unfinished, it is done again there", error=str(error)
            )
        self._release(places, lost=False)

    def lost(self, places: Sequence[Place]) -> None:
        """Drop the work; called by the consumer."""
        self._release(places, lost=True)

    def _release(self, places: Sequence[Place], *, lost: bool) -> None:
        for place in places:
            if self._places.pop(place, None) is not None:
                self._lag.pop(place, None)
                self._handler.released(place, lost=lost)
                self._logger.info("Partition released", topic=place[0], partition=place[1])


class _Listener(AssignmentListener):
    """Passes on to the worker what a consumer tells."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    @override
    def assigned(self, consumer: Consumer, places: Sequence[Place]) -> None:
        self._worker.assigned(consumer, places)

    @override
    def revoked(self, places: Sequence[Place]) -> None:
        self._worker.revoked(places)

    @override
    def lost(self, places: Sequence[Place]) -> None:
        self._worker.lost(places)
