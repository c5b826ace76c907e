"""What is traced, whose child it is, and that tracing never disturbs."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from bluewhale.telemetry import configure_logs, get_logger, tracing
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TRACED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ANOTHER = "00-11111111111111111111111111111111-2222222222222222-01"
UNTRACED = "00-33333333333333333333333333333333-4444444444444444-00"


@pytest.fixture
def exported():
    """Give the spans that this process exports; nothing of its own is sampled."""
    exporter = InMemorySpanExporter()
    tracing.configure("storage", exporter=exporter, sample_ratio=0.0)

    def finished():
        tracing.shutdown()
        return {s.name: s for s in exporter.get_finished_spans()}

    yield finished
    tracing.shutdown()


def test_without_configuration_nothing_is_traced_or_loaded():
    """The SDK is not even imported, a span has no context, and facts go nowhere."""
    code = (
        "import sys\n"
        "from bluewhale.telemetry import tracing\n"
        "with tracing.span('work', force=True) as span:\n"
        "    span.set('bluewhale.records', 1)\n"
        "    print([span.traceparent, tracing.current()])\n"
        "print(any(m.startswith('opentelemetry') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['', '']\nFalse\n"


def test_work_on_a_traced_message_belongs_to_its_trace_and_links_the_others(exported):
    """Three messages, two traced: the first is the parent, the second a link, the third no matter."""
    parents = [UNTRACED, TRACED, ANOTHER]
    with tracing.span("process cdr.parsed", kind="consumer", parents=parents) as span:
        assert span.traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert tracing.current() == span.traceparent
    made = exported()["process cdr.parsed"]
    assert made.parent.span_id == 0xB7AD6B7169203331
    assert [link.context.trace_id for link in made.links] == [0x11111111111111111111111111111111]
    assert made.kind.name == "CONSUMER"
    assert made.resource.attributes["service.name"] == "storage"


def test_work_inside_traced_work_is_its_child_and_inside_untraced_work_nothing(exported):
    """Children follow the decision that was made for the work around them."""
    with tracing.span("outer", parents=[TRACED]), tracing.span("commit", kind="client"):
        pass
    with tracing.span("quiet"), tracing.span("quiet child"):
        assert tracing.current() == ""
    spans = exported()
    assert sorted(spans) == ["commit", "outer"]
    assert spans["commit"].parent.span_id == spans["outer"].context.span_id


def test_work_on_messages_that_nobody_traced_begins_no_trace():
    """Whether a frame is traced is decided at the unit: a tick makes no trace, even at a share of all."""
    exporter = InMemorySpanExporter()
    tracing.configure("parser", exporter=exporter, sample_ratio=1.0)
    with tracing.span("process cdr.raw", parents=[]), tracing.span("send cdr.parsed"):
        pass
    with tracing.span("send frame"):
        pass
    tracing.shutdown()
    assert [s.name for s in exporter.get_finished_spans()] == ["send frame"]


def test_forced_work_is_traced_at_a_share_of_nothing(exported):
    """Rejected records and flagged units are always seen."""
    with tracing.span("rejected records", force=True) as span:
        span.set("bluewhale.rejects", 3)
    made = exported()["rejected records"]
    assert made.parent is None
    assert made.attributes["bluewhale.rejects"] == 3


def test_a_malformed_context_never_stops_the_work(exported):
    """Garbage where a context should be is ignored."""
    for garbage in ("-01", "00-zz-zz-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
        with tracing.span("work", parents=[garbage]):
            pass
    assert exported()["work"].parent is None


def test_failed_work_carries_the_code_of_its_error_and_no_text(exported):
    """The message of an error may hold a number; its code cannot."""
    with (
        pytest.raises(ValueError, match="555"),
        tracing.span("work", parents=[TRACED]),
    ):
        raise ValueError("+1 212 555 0100 is no number")
    made = exported()["work"]
    assert (made.status.description, made.events) == ("ValueError", ())


def test_an_attribute_outside_the_closed_list_is_a_programmers_error(exported):
    """A phone number has no name to travel under."""
    with (
        pytest.raises(AssertionError, match="calling_number"),
        tracing.span("work", parents=[TRACED]) as span,
    ):
        span.set("calling_number", "+12125550100")


def test_a_log_line_of_traced_work_names_its_trace(exported):
    """From a line of the log one finds the trace."""
    out = io.StringIO()
    configure_logs(stream=out, pretty=False)
    with tracing.span("work", parents=[TRACED]):
        get_logger("storage").info("Committed", accepted=2)
    line = json.loads(out.getvalue())
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert len(line["span_id"]) == 16


def test_a_collector_that_is_away_costs_a_count_and_nothing_else():
    """Nobody listens: work goes on, the span is counted as dropped."""
    before = tracing.dropped_spans[0]
    tracing.configure("storage", otlp_endpoint="http://127.0.0.1:9", sample_ratio=1.0)
    with tracing.span("work"):
        pass
    tracing.shutdown()
    assert tracing.dropped_spans[0] == before + 1
