"""From cdr.parsed to cdr.rated, same partition: the role's handler of messages.

Owns one lane per partition, spans and metrics. Does not own the loop
(`bluewhale.messaging.worker`), what is held (`proposing`) or prices (`prices`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from bluewhale.billing.prices import Prices, now_ms
from bluewhale.billing.proposing import Lane, proposed
from bluewhale.messaging import PARSED, RATED, Message, Place
from bluewhale.messaging.envelopes import ParsedMessage, RatedMessage
from bluewhale.messaging.worker import Handler, Portion
from bluewhale.nexus.verbs import deliver
from bluewhale.telemetry import Metrics, canonical_line, get_logger, tracing
from typing_extensions import override

if TYPE_CHECKING:
    import pyarrow as pa
    from bluewhale.capture.exceptions import PermanentError
    from bluewhale.messaging import Producer
    from bluewhale.records.batches import Proposals
    from bluewhale.stages import Stages

QUIET_S = 0.15  # no legs for so long, and what is held is proposed early
PROPOSE_ROWS = 4_096  # legs of one message


class BillingRelay(Handler):
    """Proposes calls and charges for the legs of each partition."""

    def __init__(
        self,
        prices: Prices,
        producer: Producer,
        metrics: Metrics,
        *,
        window_ms: int,
        rows_max: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prices = prices
        self._producer = producer
        self._metrics = metrics
        self._window_ms = window_ms
        self._rows_max = rows_max
        self._clock = clock
        self._log = get_logger("billing")
        self._lanes: dict[int, Lane] = {}
        self._fed_at: dict[int, float] = {}  # partitions that got legs, until they are quiet

    @override
    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[Any]]:
        stages = self._prices.stages()  # may have to wait: before anything is held
        parsed = [
            ([(m.offset, ParsedMessage.decode(m)) for m in p.messages], p.muted) for p in portions
        ]
        lane = self._lane(partition)
        sent: list[Future[Any]] = []
        for messages, muted in parsed:
            legs = lane.feed(messages, muted=muted)
            if any(m.legs.num_rows for _, m in messages):
                self._fed_at[partition] = self._clock()
            if not muted and (legs is not None or lane.tells_time()):
                sent += self._rate(partition, lane, legs, stages)
        return sent

    @override
    def idle(self) -> Sequence[Future[Any]]:
        """Propose early where nothing comes; once, until something comes again."""
        now = self._clock()
        sent: list[Future[Any]] = []
        for partition in [p for p, at in self._fed_at.items() if now - at >= QUIET_S]:
            stages = self._prices.stages()
            del self._fed_at[partition]
            lane = self._lanes[partition]
            legs = lane.quiet()
            if legs is not None:
                sent += self._rate(partition, lane, legs, stages)
        return sent

    @override
    def low_water(self, place: Place, position: int) -> int:
        lane = self._lanes.get(place[1])
        return position if lane is None else lane.low_water(position)

    @override
    def released(self, place: Place, *, lost: bool) -> None:
        self._lanes.pop(place[1], None)
        self._fed_at.pop(place[1], None)
        self._share()

    @override
    def poisoned(self, message: Message, error: PermanentError) -> None:
        self._metrics.add("bluewhale_batches_total", topic=PARSED, outcome="poisoned")

    @override
    def unmeant(self, place: Place, count: int) -> None:
        self._metrics.add("bluewhale_batches_total", count, topic=PARSED, outcome="unmeant")

    def _lane(self, partition: int) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane(window_ms=self._window_ms, rows_max=self._rows_max)
            self._share()
        return lane

    def _share(self) -> None:
        """Give each lane an equal part of what may be held."""
        for lane in self._lanes.values():
            lane.window.rows_max = self._rows_max // len(self._lanes)

    def _rate(
        self, partition: int, lane: Lane, legs: pa.Table | None, stages: Stages
    ) -> list[Future[Any]]:
        started = self._clock()
        count = 0 if legs is None else legs.num_rows
        charges = calls = 0
        sent = []
        parents = lane.traces() if count else ()
        with tracing.span("process cdr.parsed", kind="consumer", parents=parents) as span:
            span.set("messaging.system", "kafka")
            span.set("messaging.destination.name", PARSED)
            span.set("messaging.destination.partition.id", str(partition))
            for proposals in self._proposed(legs, stages):
                calls += 0 if proposals is None else proposals.calls.num_rows
                charges += 0 if proposals is None else proposals.charges.num_rows
                sent.append(self._send(partition, proposals, lane))
            span.set("bluewhale.legs", count)
            span.set("bluewhale.calls", calls)
            span.set("bluewhale.charges", charges)
        lane.told()
        seconds = self._clock() - started
        self._metrics.add("bluewhale_batches_total", topic=PARSED, outcome="done")
        self._metrics.observe("bluewhale_batch_seconds", seconds, topic=PARSED)
        age_s = max(0.0, time.time() - lane.data_time_ms / 1000)
        self._metrics.set(
            "bluewhale_data_time_age_seconds", age_s, topic=PARSED, partition=str(partition)
        )
        if count:
            canonical_line(
                self._log,
                "Calls proposed",
                records_in=count,
                accepted=count,
                rejected_by_reason={},
                duration_ms=round(seconds * 1000),
                topic=PARSED,
                partition=partition,
                count=calls,
                charges=charges,
                waiting=lane.window.held,
            )
        return sent

    def _proposed(self, legs: pa.Table | None, stages: Stages) -> Iterator[Proposals | None]:
        if legs is None:
            yield None
            return
        yield from proposed(legs, stages, rated_at_ms=now_ms(), rows_max=PROPOSE_ROWS)

    def _send(self, partition: int, proposals: Proposals | None, lane: Lane) -> Future[Any]:
        with tracing.span("send cdr.rated", kind="producer") as span:
            span.set("messaging.destination.name", RATED)
            traces = (span.traceparent,) if span.traceparent else ()
            message = RatedMessage(proposals, lane.data_time_ms, traces, lane.legs_before)
            value, headers = message.encode()
            return deliver(self._producer, RATED, partition, value, headers=headers)
