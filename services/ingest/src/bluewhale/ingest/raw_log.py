"""The raw log as ingest writes it: frames verbatim, a tick per idle partition, tallies.

Owns opening the log when it can be reached (and again, as often as it takes),
noticing that a topic was made anew which records pass, marking frames with the
log that they are meant for, and a bound on bytes under way. Does not
own what a frame must look like (`inspection`) or who may send it.

All methods belong to the event loop, but for the futures that the producer
completes; blocking calls run in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.messaging import RAW, Log, LogUnavailableError, Producer
from bluewhale.messaging.envelopes import Envelope, RawFrame, RawTally, RawTick
from bluewhale.messaging.log_id import log_id_of
from bluewhale.records.batches import StreamTally
from bluewhale.telemetry import get_logger

RETRY_S = 1.0
LOOK_INTERVAL_S = 2.0
UNDER_WAY_BYTES_MAX = 256 << 20
FLUSH_S = 5.0
TALLIES_MAX = 100_000


class RawLog:
    """The producer side of `cdr.raw`.

    `open_log` makes the connection and may block or raise `TemporaryError`;
    `changed(log_id)` is called on the loop when the log is there for the first
    time or is another one; `told(problem)` when it comes or goes, "" = well.
    """

    def __init__(
        self,
        open_log: Callable[[], Log],
        *,
        partitions: int,
        replication: int,
        clock_ms: Callable[[], int],
        changed: Callable[[str], None],
        told: Callable[[str], None],
        tick_ms: int = 1_000,
    ) -> None:
        self._open_log = open_log
        self._partitions, self._replication = partitions, replication
        self._clock_ms, self._changed, self._told = clock_ms, changed, told
        self._tick_ms = tick_ms
        self._log = get_logger("ingest")
        self._port: Log | None = None
        self._producer: Producer | None = None
        self._sent_ms = [0] * partitions
        self._ticking = [False] * partitions
        self._tallies: dict[tuple[int, int], tuple[int, StreamTally]] = {}
        self.log_id = ""
        self.problem = "the log was not reached yet"
        self.under_way_bytes = 0
        self._answered = asyncio.Event()  # nothing is under way
        self._answered.set()

    # ---- writing -----------------------------------------------------------------------

    def append(self, raw: RawFrame, partition: int | None) -> Future[int]:
        """Send a frame; the future gives its offset when it is durable.

        It fails with `LogUnavailableError` at once while the log is away or too
        many bytes are under way: nothing is buffered without bound. `released`
        must follow, also then.
        """
        self.under_way_bytes += len(raw.packed)
        self._answered.clear()
        if self._producer is None:
            return _failed(self.problem or "the log is being opened anew")
        if partition is None:
            return _failed("the configuration changed just now")
        if self.under_way_bytes > UNDER_WAY_BYTES_MAX:
            return _failed("too many bytes are on their way into the log")
        # the log that every connection counts for now: `changed` comes in the same turn of the loop
        return self._send(partition, replace(raw, log_id=self.log_id).encode())

    def note(self, raw: RawFrame, partition: int | None) -> None:
        """Send a frame of our own; whoever wants it in the log notes it again."""
        loop = asyncio.get_running_loop()

        def answered(_: Future[int]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop ended
                loop.call_soon_threadsafe(self.released, len(raw.packed))

        self.append(raw, partition).add_done_callback(answered)

    def released(self, size_bytes: int) -> None:
        """Take that a frame given to `append`, of that packed size, was answered."""
        self.under_way_bytes -= size_bytes
        if not self.under_way_bytes:
            self._answered.set()

    def tally(self, tallies: Iterable[tuple[int, StreamTally]]) -> None:
        """Take edge counts (partition, tally); the newest of a stream and day goes out.

        Beyond a bound new ones are passed over; units tell their totals again.
        """
        for partition, tally in tallies:
            if len(self._tallies) >= TALLIES_MAX:
                return
            self._tallies[tally.stream_id, tally.day] = (partition, tally)

    def _send(self, partition: int, envelope: Envelope) -> Future[int]:
        assert self._producer is not None
        self._sent_ms[partition] = self._clock_ms()
        return self._producer.send(RAW, partition, envelope.value, headers=envelope.headers)

    # ---- life ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the log open, tick, tell counts, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep())
            tasks.create_task(self._tick())

    async def close(self) -> None:
        """Send what is queued, as far as time allows, and let go."""
        producer, port = self._producer, self._port
        self._producer = self._port = None
        if producer is not None:
            with contextlib.suppress(BluewhaleError):
                await asyncio.to_thread(producer.flush, FLUSH_S)
            await asyncio.to_thread(producer.close)
        if port is not None:
            await asyncio.to_thread(port.close)

    async def _keep(self) -> None:
        while True:
            try:
                await self._look()
            except BluewhaleError as error:
                self._say(str(error))
            await asyncio.sleep(RETRY_S if self.problem else LOOK_INTERVAL_S)

    async def _look(self) -> None:
        if self._port is None:
            self._port = await asyncio.to_thread(self._open_log)
        port = self._port
        if self.problem:
            # also looks at the count of partitions: another one is refused with the remedy
            await asyncio.to_thread(port.ensure_topics, self._partitions, self._replication)
        log_id = await asyncio.to_thread(log_id_of, port)
        if log_id != self.log_id:
            await asyncio.to_thread(port.ensure_topics, self._partitions, self._replication)
            if self.log_id:
                self._log.warning(
                    "Log was made anew, units send again what is not stored", topic_id=log_id
                )
                await self._drop_producer()  # its sequences belong to the topic that is gone
            self.log_id = log_id
            self._changed(log_id)
        if self._producer is not None and self._producer.over:
            await self._drop_producer()
        if self._producer is None:
            # Not before every frame of the one before is answered: what followed a frame
            # that failed would get into the log without it.
            await self._answered.wait()
            producer = await asyncio.to_thread(port.producer, renewing=False)
            self._producer = producer
        self._say("")

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.to_thread(producer.close)

    def _say(self, problem: str) -> None:
        if problem == self.problem:
            return
        if problem:
            self._log.warning("Raw log is away, units keep their records", error=problem)
        else:
            self._log.info("Raw log is there", topic_id=self.log_id)
        self.problem = problem
        self._told(problem)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_ms / 1000 / 4)
            if self._producer is None or self.problem:
                continue
            self._send_tallies()
            now_ms = self._clock_ms()
            for partition, sent_ms in enumerate(self._sent_ms):
                # a clock that was set back ticks at once
                idle = now_ms - sent_ms >= self._tick_ms or now_ms < sent_ms
                if idle and not self._ticking[partition]:
                    self._ticking[partition] = True
                    future = self._send(partition, RawTick(now_ms).encode())
                    asyncio.wrap_future(future).add_done_callback(self._ticked(partition))

    def _ticked(self, partition: int) -> Callable[[asyncio.Future[int]], None]:
        def done(future: asyncio.Future[int]) -> None:
            self._ticking[partition] = False
            if not future.cancelled():
                future.exception()  # a tick that was lost is followed by the next

        return done

    def _send_tallies(self) -> None:
        if not self._tallies:
            return
        taken, self._tallies = self._tallies, {}
        by_partition: dict[int, list[StreamTally]] = {}
        for partition, tally in taken.values():
            by_partition.setdefault(partition, []).append(tally)
        for partition, tallies in by_partition.items():
            future = self._send(partition, RawTally(tuple(tallies), self._clock_ms()).encode())
            asyncio.wrap_future(future).add_done_callback(self._tallied(partition, tallies))

    def _tallied(
        self, partition: int, tallies: list[StreamTally]
    ) -> Callable[[asyncio.Future[int]], None]:
        def done(future: asyncio.Future[int]) -> None:
            if future.cancelled() or future.exception() is None:
                return
            for tally in tallies:  # once more, unless a newer one came
                self._tallies.setdefault((tally.stream_id, tally.day), (partition, tally))

        return done


def _failed(problem: str) -> Future[int]:
    future: Future[int] = Future()
    future.set_exception(LogUnavailableError(problem))
    return future
