"""From cdr.raw to cdr.parsed, same partition: the role's handler of messages.

Owns how many rows make a message, the pace, spans and metrics. Does not own the
loop (`bluewhale.messaging.worker`) or the stage (`parsing`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from bluewhale.messaging import MESSAGE_BYTES_MAX, PARSED, RAW, Message, Place
from bluewhale.messaging.envelopes import (
    ParsedMessage,
    RawFrame,
    RawTally,
    RawTick,
    decode_raw,
)
from bluewhale.messaging.worker import Handler, Portion
from bluewhale.nexus.verbs import deliver
from bluewhale.parser.parsing import FrameParser, Parsed
from bluewhale.telemetry import Metrics, canonical_line, get_logger, tracing
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.capture.exceptions import PermanentError
    from bluewhale.messaging import Producer

Item = RawFrame | RawTick | RawTally

PACKED_BYTES_MAX = 2 << 20  # compressed bytes of frames that go into one message


class ParserRelay(Handler):
    """Parses what each poll gives; one message per partition and poll, or more if it is large.

    Parameters
    ----------
    rows_max: records of one message.
    linger_ms: a round that gave less than that many rows is followed by a pause
        up to this long after the one before, so that a message has company.
    """

    def __init__(
        self,
        parser: FrameParser,
        producer: Producer,
        metrics: Metrics,
        *,
        rows_max: int,
        linger_ms: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._parser = parser
        self._producer = producer
        self._metrics = metrics
        self._rows_max = rows_max
        self._linger_s = linger_ms / 1000
        self._clock = clock
        self._sleep = sleep
        self._log = get_logger("parser")
        self._rows = 0
        self._round_at = clock()

    @override
    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[Any]]:
        messages = list(chain.from_iterable(p.messages for p in portions if not p.muted))
        sent: list[Future[Any]] = []
        for items, offsets in self._chunks(messages):
            sent += self._relay(partition, items, offsets)
        return sent

    @override
    def idle(self) -> Sequence[Future[Any]]:
        pause_s = self._round_at + self._linger_s - self._clock()
        if self._rows < self._rows_max and pause_s > 0:
            self._sleep(pause_s)
        self._rows, self._round_at = 0, self._clock()
        return ()

    @override
    def assigned(self, place: Place, topic_id: str, committed: int | None) -> int | None:
        return committed or 0  # nothing is held, so there is nothing to read again

    @override
    def released(self, place: Place, *, lost: bool) -> None:
        return  # nothing is held

    @override
    def poisoned(self, message: Message, error: PermanentError) -> None:
        self._metrics.add("bluewhale_batches_total", topic=RAW, outcome="poisoned")

    @override
    def unmeant(self, place: Place, count: int) -> None:
        self._metrics.add("bluewhale_batches_total", count, topic=RAW, outcome="unmeant")

    def _chunks(self, messages: Sequence[Message]) -> Iterator[tuple[list[Item], range]]:
        """Cut a poll into what goes into one message each: by records, by bytes, by log."""
        items: list[Item] = []
        rows = size = 0
        log_id = ""
        first = messages[0].offset if messages else 0
        for message in messages:
            item = decode_raw(message)
            count = item.last_seq - item.first_seq + 1 if isinstance(item, RawFrame) else 0
            if rows and (
                rows + count > self._rows_max
                or size + len(message.value) > PACKED_BYTES_MAX
                or (isinstance(item, RawFrame) and item.log_id != log_id)
            ):
                yield items, range(first, message.offset)
                items, rows, size, first = [], 0, 0, message.offset
            if isinstance(item, RawFrame):
                log_id = item.log_id
            items.append(item)
            rows += count
            size += len(message.value)
        if items:
            yield items, range(first, messages[-1].offset + 1)

    def _relay(
        self, partition: int, items: Sequence[Item], offsets: range
    ) -> Iterator[Future[Any]] | list[Future[Any]]:
        started = self._clock()
        parents = [item.traceparent for item in items if item.traceparent]
        with tracing.span("process cdr.raw", kind="consumer", parents=parents) as span:
            done = self._parser.parse(items)
            span.set("messaging.system", "kafka")
            span.set("messaging.destination.name", RAW)
            span.set("messaging.destination.partition.id", str(partition))
            span.set("messaging.batch.message_count", len(items))
            span.set("bluewhale.legs", done.message.legs.num_rows)
            span.set("bluewhale.rejects", done.message.rejects.num_rows)
            log_id = next((item.log_id for item in items if isinstance(item, RawFrame)), "")
            sent = self._send(partition, done, span.traceparent, log_id)
        self._told(partition, offsets, done, self._clock() - started)
        return sent

    def _send(
        self, partition: int, done: Parsed, traceparent: str, log_id: str
    ) -> list[Future[Any]]:
        force = bool(done.rejected) and not traceparent  # rejected records are always traced
        with tracing.span("send cdr.parsed", kind="producer", force=force) as span:
            span.set("messaging.destination.name", PARSED)
            traces = (span.traceparent,) if span.traceparent else ()
            if force:
                for (link_uid, reason), count in done.rejected.items():
                    span.set("bluewhale.link_uid", link_uid)
                    span.set("bluewhale.reason", reason)
                    span.set("bluewhale.rejects", count)
            return [
                deliver(self._producer, PARSED, partition, value, headers=headers)
                for value, headers in _encoded(replace(done.message, log_id=log_id), traces)
            ]

    def _told(self, partition: int, offsets: range, done: Parsed, seconds: float) -> None:
        self._rows += done.records
        self._metrics.add("bluewhale_batches_total", topic=RAW, outcome="done")
        self._metrics.observe("bluewhale_batch_seconds", seconds, topic=RAW)
        age_s = max(0.0, time.time() - done.message.data_time_ms / 1000)
        self._metrics.set(
            "bluewhale_data_time_age_seconds", age_s, topic=RAW, partition=str(partition)
        )
        for (link_uid, reason), count in done.rejected.items():
            self._metrics.add(
                "bluewhale_records_rejected_total", count, link_uid=link_uid, reason=reason
            )
        if done.records:
            canonical_line(
                self._log,
                "Batch parsed",
                records_in=done.records,
                accepted=done.message.legs.num_rows,
                rejected_by_reason=done.reasons(),
                duration_ms=round(seconds * 1000),
                topic=RAW,
                partition=partition,
                offset=offsets.start,
                count=len(offsets),
            )


def _encoded(message: ParsedMessage, traces: tuple[str, ...]) -> Iterator[tuple[bytes, Any]]:
    """Encode; what is larger than a message may be goes in halves."""
    value, headers = replace(message, traceparents=traces).encode()
    rows = message.legs.num_rows + message.rejects.num_rows
    if len(value) < MESSAGE_BYTES_MAX // 2 or rows < 2:
        yield value, headers
        return
    legs, rejects = message.legs.num_rows // 2, (message.rejects.num_rows + 1) // 2
    first = replace(
        message, legs=message.legs.slice(0, legs), rejects=message.rejects.slice(0, rejects)
    )
    second = replace(
        message,
        legs=message.legs.slice(legs),
        rejects=message.rejects.slice(rejects),
        losses=(),
        tallies=(),
    )
    yield from _encoded(first, traces)
    yield from _encoded(second, traces)
