"""What tracing costs: two installations side by side, one without, one with a collector.

Both run all the time on the same Kafka and PostgreSQL; they are flooded in turns,
the order changing from round to round, so that what else the machine does meets
both alike. Counted are the calls per second of each round and the processor time
of units and roles. OTLP_GRPC_ENDPOINT names the collector (Jaeger).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from bluewhale.cli.simulate.installation import Endpoints
from bluewhale.telemetry import tracing

from bench.__main__ import Figure
from bench.cluster import PBXS, ROLES, Cluster, option, pour, running
from bench.report import give, short

SPANS = 20_000
SPAN_ROUNDS = 11
SAMPLE_RATIO = 0.01
COST_MAX = "<= 3"
ATTRIBUTES = (
    "messaging.system",
    "messaging.destination.name",
    "messaging.batch.message_count",
    "bluewhale.legs",
    "bluewhale.rejects",
)


def round_of(cluster: Cluster, records: int, turn: int) -> tuple[float, float]:
    """Flood once; gives calls per second and CPU seconds of units and roles."""
    before = cluster.cpu_s()
    took_s = pour(cluster, records, skip=turn * (records // PBXS))
    after = cluster.cpu_s()
    used_s = sum(after[name] - before[name] for name in ("unit", *ROLES))
    return records / took_s, used_s


def paired(plain: Cluster, traced: Cluster, records: int, rounds: int) -> list[Figure]:
    """Flood both in turns; a first round warms each up and is not counted."""
    rates: dict[str, list[float]] = {"off": [], "on": []}
    used: dict[str, list[float]] = {"off": [], "on": []}
    for turn in range(rounds + 1):
        order = [("off", plain), ("on", traced)]
        for name, cluster in order if turn % 2 else reversed(order):
            rate, cpu_s = round_of(cluster, records, turn)
            if turn:
                rates[name].append(rate)
                used[name].append(cpu_s)
    slower = [100 * (1 - on / off) for off, on in zip(rates["off"], rates["on"], strict=True)]
    more = [100 * (on / off - 1) for off, on in zip(used["off"], used["on"], strict=True)]
    off, on = statistics.median(rates["off"]), statistics.median(rates["on"])
    method = (
        f"{records:,} lines per round, {rounds} rounds each in turns, two installations; tracing"
        f" off {off:,.0f} calls/s, {SAMPLE_RATIO:.0%} sampled to the collector {on:,.0f} calls/s;"
        f" single pairs {min(slower):+.1f} to {max(slower):+.1f} %"
    )
    cpu = (
        "the same rounds: processor time of units and roles, pair by pair;"
        f" {min(more):+.1f} to {max(more):+.1f} %"
    )
    return [
        Figure("telemetry_cost_of_throughput_percent", statistics.median(slower), "%", COST_MAX,
               "median over the pairs; " + method),
        Figure("telemetry_cost_of_cpu_percent", statistics.median(more), "%", COST_MAX, cpu),
    ]  # fmt: skip


def span_us() -> float:
    """Give microseconds of one span with five attributes, the first of its trace."""
    started = time.perf_counter()
    for _ in range(SPANS):
        with tracing.span("process cdr.raw", kind="consumer") as span:
            for name in ATTRIBUTES:
                span.set(name, 1)
    return (time.perf_counter() - started) / SPANS * 1e6


def spans(otlp: str) -> list[Figure]:
    """Measure one span, alone in this process: not configured, and at the sampling ratio."""

    def median(prepare: Callable[[], None]) -> float:
        prepare()
        return statistics.median(span_us() for _ in range(SPAN_ROUNDS))

    off = median(tracing.shutdown)
    on = median(lambda: tracing.configure("bench", otlp_endpoint=otlp, sample_ratio=SAMPLE_RATIO))
    tracing.shutdown()
    method = f"one span, five attributes, median of {SPAN_ROUNDS} x {SPANS:,}; a batch makes three"
    return [
        Figure("telemetry_span_us_off", off, "us", "", method),
        Figure("telemetry_span_us_on", on, "us", "", f"{method}; {SAMPLE_RATIO:.0%} sampled"),
    ]


def main() -> None:
    records = option("--records", 30_000 if short() else 120_000)
    rounds = option("--rounds", 3 if short() else 11)
    with_collector = Endpoints.of_environment()
    if not with_collector.otlp:
        raise SystemExit("set OTLP_GRPC_ENDPOINT to a collector (http://host:4317)")
    figures = spans(with_collector.otlp)
    lines = records * (rounds + 1)
    with (
        running(replace(with_collector, otlp=None), lines) as plain,
        running(with_collector, lines) as traced,
    ):
        figures += paired(plain, traced, records, rounds)
    give(figures)


if __name__ == "__main__":
    main()
