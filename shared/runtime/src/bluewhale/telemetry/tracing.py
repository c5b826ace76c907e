"""One trace from the byte of a PBX to the row of the database.

Owns the decision what is traced (made before any span object exists, so that
untraced work costs next to nothing), parents and links of batches, and the way
to a collector. Does not own where spans are made, nor storage of traces.

A context travels as W3C `traceparent` text: in frames, in message headers, in
the header of calls. A batch has many origins and one parent: the first traced
origin is the parent, so that one trace crosses all roles; the others are links.

::

    tracing.configure("parser", otlp_endpoint="http://127.0.0.1:4317", sample_ratio=0.01)
    with tracing.span("process cdr.raw", kind="consumer", parents=message_contexts) as span:
        span.set("messaging.batch.message_count", 12)
        send(..., traceparent=span.traceparent)
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bluewhale.telemetry.attributes import SPAN_NAMES
from typing_extensions import override

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | bool | int | float

LINKS_MAX = 128  # what the SDK keeps of one span
QUEUE_SPANS_MAX = 16_384
EXPORT_INTERVAL_MS = 1_000
EXPORT_TIMEOUT_MS = 2_000
_SAMPLED = "-01"


class Span:
    """What work may say about itself; the same whether it is traced or not."""

    traceparent: str = ""

    def set(self, name: str, value: Value) -> None:
        """Note a fact; `name` is of the closed list in `attributes`."""
        assert name in SPAN_NAMES, f"{name} is not in the closed list of span attributes"

    def failed(self, code: str) -> None:
        """Say that the work failed, by its stable error code: never text with numbers in it."""


class _Traced(Span):
    """A span that will be exported."""

    def __init__(self, made: Any) -> None:
        self.made = made
        context = made.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}{_SAMPLED}"

    @override
    def set(self, name: str, value: Value) -> None:
        super().set(name, value)
        self.made.set_attribute(name, value)

    @override
    def failed(self, code: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self.made.set_status(Status(StatusCode.ERROR, code))


@dataclass(slots=True)
class _Tracing:
    """What one process traces with."""

    provider: TracerProvider
    tracer: Any
    sample_ratio: float


_UNTRACED = Span()
_current: ContextVar[Span | None] = ContextVar("span", default=None)
_state: list[_Tracing] = []  # empty = tracing is off
dropped_spans = [0]  # read by metrics; a list, so that it needs no lock


def configure(
    service: str,
    *,
    otlp_endpoint: str | None = None,
    sample_ratio: float = 0.01,
    instance: str = "",
    exporter: SpanExporter | None = None,
) -> None:
    """Start tracing this process; without endpoint and exporter nothing is traced.

    Parameters
    ----------
    service
        Name of the role, shown as the service of its spans.
    otlp_endpoint
        OTLP over gRPC, such as `http://127.0.0.1:4317`.
    sample_ratio
        Share of new traces that are kept, 0..1; work that carries a traced
        context is always traced, forced work too.
    instance
        Which copy of the role this is.
    """
    shutdown()
    if otlp_endpoint is None and exporter is None:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        assert otlp_endpoint is not None
        exporter = OTLPSpanExporter(
            endpoint=otlp_endpoint,
            insecure=otlp_endpoint.startswith("http://"),
            timeout=EXPORT_TIMEOUT_MS / 1000,
        )
        # a collector that is away is counted, not written line by line
        for name in ("opentelemetry.exporter", "opentelemetry.sdk"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    facts = {"service.name": service, "service.namespace": "bluewhale"}
    if instance:
        facts["service.instance.id"] = instance
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # what is not sampled never reaches the SDK
        resource=Resource.create(facts),
        span_limits=SpanLimits(max_links=LINKS_MAX),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            _counting(exporter),
            max_queue_size=QUEUE_SPANS_MAX,
            schedule_delay_millis=EXPORT_INTERVAL_MS,
            export_timeout_millis=EXPORT_TIMEOUT_MS,
        )
    )
    _state[:] = [_Tracing(provider, provider.get_tracer("bluewhale"), sample_ratio)]


def shutdown() -> None:
    """Send what is waiting, as far as the time limit allows, and stop tracing."""
    for state in _state:
        state.provider.shutdown()
    _state.clear()


@contextmanager
def span(
    name: str,
    *,
    kind: Kind = "internal",
    parents: Iterable[str] | None = None,
    attributes: Mapping[str, Value] | None = None,
    force: bool = False,
) -> Iterator[Span]:
    """Trace the work inside, if it is to be traced.

    Parameters
    ----------
    name
        A constant: operation and what it is done to. Never a value.
    parents
        `traceparent` texts of what is worked on. Work on messages of which none is
        traced is not traced either: the decision was made where they began. None
        = no messages: the work around this, or a new trace by the share.
        Malformed ones are ignored: a wrong context must never stop the work.
    force
        Trace it whatever the share: rejected records, flagged units.
    """
    if not _state:
        yield _UNTRACED
        return
    origins = [p for p in parents or () if p.endswith(_SAMPLED)]
    around = _current.get()
    begins = parents is None and around is None
    if origins or force or (begins and _chosen(_state[0].sample_ratio)):
        made = _start(_state[0], name, kind, origins, around, attributes)
    elif around is not None and around.traceparent:
        made = _start(_state[0], name, kind, [around.traceparent], None, attributes)
    else:
        made = _UNTRACED
    token = _current.set(made)
    try:
        yield made
    except BaseException as error:
        code = getattr(error, "code", "")  # a method, where it is an error of gRPC
        made.failed(code if code and isinstance(code, str) else type(error).__name__)
        raise
    finally:
        _current.reset(token)
        if isinstance(made, _Traced):
            made.made.end()


def current() -> str:
    """Give the `traceparent` of the work around this; empty = it is not traced."""
    around = _current.get()
    return "" if around is None else around.traceparent


def ids_of(traceparent: str) -> tuple[str, str]:
    """Give trace id and span id as hexadecimal text; two empty texts where there are none."""
    parts = traceparent.split("-")
    return (parts[1], parts[2]) if len(parts) == 4 else ("", "")


def _chosen(ratio: float) -> bool:
    return ratio >= 1 or random.random() < ratio


def _start(
    state: _Tracing,
    name: str,
    kind: Kind,
    origins: Sequence[str],
    around: Span | None,
    attributes: Mapping[str, Value] | None,
) -> Span:
    from opentelemetry import trace
    from opentelemetry.trace import Link, SpanKind

    contexts = [c for c in (_context(o) for o in dict.fromkeys(origins[: LINKS_MAX + 1])) if c]
    if not contexts and around is not None and around.traceparent:
        contexts = [_context(around.traceparent)]
    parent = trace.set_span_in_context(trace.NonRecordingSpan(contexts[0])) if contexts else None
    assert not attributes or attributes.keys() <= SPAN_NAMES, sorted(attributes.keys() - SPAN_NAMES)
    made = state.tracer.start_span(
        name,
        # an empty context, since the SDK would take its own current one for None
        context=parent if parent is not None else trace.set_span_in_context(trace.INVALID_SPAN),
        kind=SpanKind[kind.upper()],
        links=[Link(c) for c in contexts[1:]],
        attributes=attributes,
    )
    return _Traced(made)


def _context(traceparent: str) -> Any:
    """Read a W3C traceparent; None = malformed."""
    from opentelemetry.trace import SpanContext, TraceFlags

    parts = traceparent.split("-")
    try:
        if len(parts) != 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
            return None
        made = SpanContext(int(parts[1], 16), int(parts[2], 16), True, TraceFlags(1))
    except ValueError:
        return None
    return made if made.is_valid else None


def _counting(exporter: SpanExporter) -> SpanExporter:
    """Count what a collector did not take, and never raise."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Counting(SpanExporter):
        @override
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            if result is not SpanExportResult.SUCCESS:
                dropped_spans[0] += len(spans)
            return result

        @override
        def shutdown(self) -> None:
            exporter.shutdown()

        @override
        def force_flush(self, timeout_millis: int = EXPORT_TIMEOUT_MS) -> bool:
            return bool(exporter.force_flush(timeout_millis))

    return Counting()
