"""The monitoring layer: rate, errors, duration of every method, and the trace that it belongs to.

Owns the counting (kept in plain numbers, told to the metrics of the process when
they are read) and the spans of requests. Only requests of a traced work get spans. A
request within the process is counted once, where it is answered.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from bluewhale.nexus.governance.invocation import Invocation, serving
from bluewhale.nexus.governance.layer import Answer, Ask, Form, Layer, Method
from bluewhale.telemetry import Metrics, tracing
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

BOUNDS_S = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_OK = "OK"
NOTED_MAX = 4096


class MonitoringSettings(BaseModel):
    """What is counted and traced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    traces: bool = Field(default=True, description="spans for requests of a traced work")


class Counted:
    """What was seen of one method on one side.

    What went well is only noted (`fine`, seconds each) and sorted into buckets
    some thousands at a time, or when somebody looks: noting needs no lock.
    """

    __slots__ = ("_buckets", "_codes", "_lock", "_seconds", "fine")

    def __init__(self) -> None:
        self.fine: deque[float] = deque()
        self._lock = threading.Lock()
        self._codes: dict[str, int] = {}
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._seconds = 0.0

    def add(self, code: str, seconds: float) -> None:
        """Count one request that ended."""
        if code == _OK:
            self.fine.append(seconds)
            if len(self.fine) > NOTED_MAX:
                self.fold()
            return
        with self._lock:
            self._buckets[bisect_left(BOUNDS_S, seconds)] += 1
            self._seconds += seconds
            self._codes[code] = self._codes.get(code, 0) + 1

    def fold(self) -> None:
        """Sort what was noted into buckets."""
        with self._lock:
            noted = sorted(self.fine.popleft() for _ in range(len(self.fine)))
            before = 0
            for at, bound in enumerate(BOUNDS_S):
                upto = bisect_right(noted, bound)
                self._buckets[at] += upto - before
                before = upto
            self._buckets[-1] += len(noted) - before
            self._seconds += sum(noted)

    def seen(self) -> tuple[dict[str, int], list[int], float]:
        """Give counts per code, counts per bucket and seconds, of one moment."""
        self.fold()
        with self._lock:
            fine = sum(self._buckets) - sum(self._codes.values())
            return {_OK: fine, **self._codes}, list(self._buckets), self._seconds


class Requests(Collector):
    """Tells Prometheus what all methods of a process counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: dict[tuple[str, str, str], Counted] = {}

    def of(self, side: str, method: Method) -> Counted:
        """Give the counts of one method; `side` is `asked` or `answered`."""
        with self._lock:
            return self._methods.setdefault((side, method.service, method.name), Counted())

    @override
    def collect(self) -> Iterable[Metric]:
        labels = ["side", "service", "method"]
        totals = CounterMetricFamily(
            "bluewhale_requests", "requests between parts, by outcome", labels=[*labels, "code"]
        )
        seconds = HistogramMetricFamily(
            "bluewhale_request_seconds", "time of a request between parts", labels=labels
        )
        with self._lock:
            methods = sorted(self._methods.items())
        for key, counted in methods:
            codes, buckets, total = counted.seen()
            for code, count in codes.items():
                totals.add_metric([*key, code], count)
            running, told = 0, []
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
                running += count
                told.append((bound, running))
            seconds.add_metric(key, told, total)
        return [totals, seconds]


class MonitoringLayer(Layer):
    """Counts and traces; one per process."""

    name = "monitoring"

    def __init__(self, settings: MonitoringSettings, metrics: Metrics | None = None) -> None:
        self.requests = Requests()
        self._traces = settings.traces
        if metrics is not None:
            metrics.registry.register(self.requests)

    @override
    def ask(self, method: Method, proceed: Ask) -> Ask:
        if method.local:  # counted and traced where it is answered, in this process
            return proceed
        add, now, traces = self.requests.of("asked", method).add, time.perf_counter, self._traces
        traced = tracing.current
        told = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}

        def count(request: Any, invocation: Invocation) -> Any:
            if traces and traced():
                return follow(request, invocation)
            began = now()
            try:
                reply = proceed(request, invocation)
            except BaseException as error:
                add(code_of(error), now() - began)
                raise
            add(_OK, now() - began)
            return reply

        def follow(request: Any, invocation: Invocation) -> Any:
            began = now()
            with tracing.span(f"ask {method.name}", kind="client", attributes=told) as span:
                invocation.traceparent = span.traceparent
                try:
                    reply = proceed(request, invocation)
                except grpc.RpcError as error:
                    code = code_of(error)
                    span.set("rpc.response.status_code", code)
                    add(code, now() - began)
                    raise
            add(_OK, now() - began)
            return reply

        def count_call(request: Any, invocation: Invocation) -> Any:
            began = now()
            if traces and not invocation.traceparent:
                invocation.traceparent = traced()
            try:
                call = proceed(request, invocation)
            except BaseException as error:
                add(code_of(error), now() - began)
                raise
            call.add_done_callback(lambda ended: add(code_of(ended), now() - began))
            return call

        return count_call if method.form is Form.CALL else count

    @override
    def answer(self, method: Method, proceed: Answer) -> Answer:
        counted = self.requests.of("answered", method)
        add, note, noted, fold = counted.add, counted.fine.append, counted.fine, counted.fold
        received, traces, now = serving.get, self._traces, time.perf_counter
        traced, local = tracing.current, method.local
        told = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}

        def count(request: Any, context: Any) -> Any:
            # within the process the span of the caller is at hand
            if traces and (traced() or (not local and received().traceparent)):
                return follow(request, context)
            began = now()
            try:
                reply = proceed(request, context)
            except BaseException:
                add(ended_with(context), now() - began)
                raise
            if context.code() is None:
                note(now() - began)
                if len(noted) > NOTED_MAX:
                    fold()
            else:
                add(ended_with(context), now() - began)
            return reply

        def follow(request: Any, context: Any) -> Any:
            began, came = now(), received().traceparent
            parents = (came,) if came else ()
            try:
                with tracing.span(
                    f"answer {method.name}", kind="server", parents=parents, attributes=told
                ) as span:
                    reply = proceed(request, context)
                    if context.code() is not None:
                        span.set("rpc.response.status_code", ended_with(context))
            except BaseException:
                add(ended_with(context), now() - began)
                raise
            add(ended_with(context, _OK), now() - began)
            return reply

        def count_stream(request: Any, context: Any) -> Iterator[Any]:
            began, came = now(), received().traceparent
            try:
                if traces and (came or traced()):
                    parents = (came,) if came else ()
                    with tracing.span(
                        f"answer {method.name}", kind="server", parents=parents, attributes=told
                    ):
                        yield from proceed(request, context)
                else:
                    yield from proceed(request, context)
            except BaseException:
                add(ended_with(context), now() - began)
                raise
            add(ended_with(context, _OK), now() - began)

        return count_stream if method.reply_streams else count


def code_of(ended: Any) -> str:
    """Give the name of the status with which a request ended."""
    code = getattr(ended, "code", None)
    found = code() if callable(code) else None
    return found.name if isinstance(found, grpc.StatusCode) else "UNKNOWN"


def ended_with(context: Any, otherwise: str = "UNKNOWN") -> str:
    """Give the name of the status that a servicer set."""
    code = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else otherwise
