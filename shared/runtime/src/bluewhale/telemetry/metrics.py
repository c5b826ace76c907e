"""The closed list of metrics, each with its kind, unit and what a bad value means.

Owns the list and one registry per process. Labels are uids of links and sites
and reason codes alone: never numbers, codes or names of people.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Kind = Literal["counter", "gauge", "histogram"]
MetricName = Literal[
    "bluewhale_records_received_total",
    "bluewhale_records_journaled_total",
    "bluewhale_journal_bytes",
    "bluewhale_journal_usage_ratio",
    "bluewhale_connections",
    "bluewhale_link_silence_seconds",
    "bluewhale_legs_stored_total",
    "bluewhale_records_rejected_total",
    "bluewhale_records_replayed_total",
    "bluewhale_duplicates_total",
    "bluewhale_records_lost_total",
    "bluewhale_calls_stored_total",
    "bluewhale_charges_total",
    "bluewhale_charges_unrated_total",
    "bluewhale_suspense_waiting",
    "bluewhale_rejoin_marks",
    "bluewhale_legs_without_call",
    "bluewhale_store_lag_seconds",
    "bluewhale_commit_seconds",
    "bluewhale_hot_legs",
    "bluewhale_sealed_segments",
    "bluewhale_requests_total",
    "bluewhale_request_seconds",
    "bluewhale_batches_total",
    "bluewhale_batch_seconds",
    "bluewhale_log_lag_messages",
    "bluewhale_data_time_age_seconds",
    "bluewhale_configuration_refused",
    "bluewhale_alerts_told_total",
    "bluewhale_units_connected",
    "bluewhale_unit_skew_seconds",
    "bluewhale_frames_total",
    "bluewhale_frame_bytes_total",
    "bluewhale_frames_refused_total",
    "bluewhale_ownership_leading",
    "bluewhale_ownership_term",
    "bluewhale_ownership_links",
    "bluewhale_ownership_moves_total",
    "bluewhale_ownership_unowned_seconds",
    "bluewhale_lease_renew_seconds",
    "bluewhale_lease_left_seconds",
    "bluewhale_spans_dropped_total",
    "bluewhale_operator_leading",
    "bluewhale_operator_resources",
    "bluewhale_operator_looks_total",
    "bluewhale_operator_look_seconds",
    "bluewhale_operator_api_requests_total",
    "bluewhale_operator_watch_age_seconds",
    "bluewhale_operator_ingest_answers",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `bad` says what value is bad and what it means."""

    name: MetricName
    kind: Kind
    unit: str
    meaning: str
    bad: str
    labels: tuple[str, ...] = ()
    collected: bool = False  # a collector of its own room tells it, not `Metrics`
    buckets: tuple[float, ...] = Histogram.DEFAULT_BUCKETS  # upper bounds, of a histogram


_LINK = ("link_uid",)
_LEASE_S = (
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    9.0,
    12.0,
    15.0,
    20.0,
    35.0,
    60.0,
    float("inf"),
)

METRICS: tuple[Metric, ...] = (
    Metric("bluewhale_records_received_total", "counter", "records", "raw records framed",
           "flat in working hours: the PBX is silent or the link is down", _LINK),
    Metric("bluewhale_records_journaled_total", "counter", "records", "records committed to the journal",
           "below received: the journal is full or its disk is slow", _LINK),
    Metric("bluewhale_journal_bytes", "gauge", "bytes", "size of the journal",
           "growing for hours: nothing is stored"),
    Metric("bluewhale_journal_usage_ratio", "gauge", "ratio", "share of the journal's quota in use",
           "above 0.8: reading will stop at 1.0"),
    Metric("bluewhale_connections", "gauge", "connections", "open connections",
           "0: nobody delivers", _LINK),
    Metric("bluewhale_link_silence_seconds", "gauge", "seconds", "time since the last record",
           "above the usual pause of that link: look at the PBX", _LINK),
    Metric("bluewhale_legs_stored_total", "counter", "legs", "legs accepted by the main database",
           "flat while records come in: parsing or storage stands", _LINK),
    Metric("bluewhale_records_rejected_total", "counter", "records", "records that went to suspense",
           "more than a few per thousand: wrong dialect or layout", ("link_uid", "reason")),
    Metric("bluewhale_records_replayed_total", "counter", "records", "records that were stored before",
           "steadily high: marks do not reach the edge"),
    Metric("bluewhale_duplicates_total", "counter", "legs", "legs sent twice",
           "steadily high: two units read one PBX"),
    Metric("bluewhale_records_lost_total", "counter", "records", "capture keys that will never come",
           "above 0: completeness names the gap", ("reason",)),
    Metric("bluewhale_calls_stored_total", "counter", "versions", "call versions stored",
           "far above legs: calls grow over and over; look at join keys", ("kind",)),
    Metric("bluewhale_charges_total", "counter", "entries", "ledger entries", "none: no tariff in force", ("entry",)),
    Metric("bluewhale_charges_unrated_total", "counter", "charges", "charges without a price",
           "above 0: a work item; the reason says which", ("reason",)),
    Metric("bluewhale_suspense_waiting", "gauge", "records", "records waiting in suspense",
           "growing: nobody repairs"),
    Metric("bluewhale_rejoin_marks", "gauge", "legs", "legs marked for re-join",
           "growing: the re-join job stands"),
    Metric("bluewhale_legs_without_call", "gauge", "legs", "legs in no call",
           "growing: merging stands"),
    Metric("bluewhale_store_lag_seconds", "gauge", "seconds", "age of the oldest record not stored",
           "above a minute: storage is too slow or stands"),
    Metric("bluewhale_commit_seconds", "histogram", "seconds", "duration of a commit",
           "above 1 s for small batches: slow disk"),
    Metric("bluewhale_hot_legs", "gauge", "legs", "legs not sealed yet",
           "above a few million: the sealer stands"),
    Metric("bluewhale_sealed_segments", "gauge", "segments", "live sealed segments",
           "above some thousand: searches slow down"),
    Metric("bluewhale_requests_total", "counter", "requests", "requests between parts, by outcome; side: asked or answered",
           "codes other than OK rising: look at the log of the role that answers",
           ("side", "service", "method", "code"), collected=True),
    Metric("bluewhale_request_seconds", "histogram", "seconds", "time of a request between parts",
           "near the caller's deadline: requests will fail", ("side", "service", "method"), collected=True),
    Metric("bluewhale_batches_total", "counter", "batches", "batches of the log that were worked on, by outcome",
           "outcome retried rising: what the role needs is away", ("topic", "outcome")),
    Metric("bluewhale_batch_seconds", "histogram", "seconds", "time to work on one batch of the log",
           "above a second: the role is too slow or waits", ("topic",)),
    Metric("bluewhale_log_lag_messages", "gauge", "messages", "messages of a partition not worked on yet",
           "growing: the role is too slow or stands", ("topic", "partition")),
    Metric("bluewhale_data_time_age_seconds", "gauge", "seconds", "age of the newest data seen in a partition",
           "above a minute: nothing arrives, not even ticks", ("topic", "partition")),
    Metric("bluewhale_configuration_refused", "gauge", "1 or 0",
           "whether the files of the configuration are not, or not all, in force",
           "1: the log and the condition `configuration` of the role say file, line, field and remedy"),
    Metric("bluewhale_alerts_told_total", "counter", "messages", "messages of alerts to channels, by outcome",
           "outcome retried or given_up rising: a channel does not take them; the page says why", ("outcome",)),
    Metric("bluewhale_units_connected", "gauge", "units", "units connected to this copy of ingest",
           "below the number of units over all copies: some are cut off"),
    Metric("bluewhale_unit_skew_seconds", "gauge", "seconds", "clock of a unit minus the centre's",
           "beyond a minute: set the unit's clock; nothing is corrected", ("unit_uid",)),
    Metric("bluewhale_frames_total", "counter", "frames", "frames taken into the raw log", "flat in working hours",
           ("unit_uid",)),
    Metric("bluewhale_frame_bytes_total", "counter", "bytes", "compressed bytes of those frames",
           "far above usual: look at the link's records", ("unit_uid",)),
    Metric("bluewhale_frames_refused_total", "counter", "frames", "frames that were not taken",
           "above 0: the reason says which unit to look at", ("unit_uid", "reason")),
    Metric("bluewhale_ownership_leading", "gauge", "boolean", "1 = this copy of ingest decides who reads shared links",
           "sum over all copies not 1 for longer than a lease: nobody decides, look at the main database"),
    Metric("bluewhale_ownership_term", "gauge", "term", "term of ownership, as this copy or unit knows it",
           "growing by itself: the leader loses the main database again and again"),
    Metric("bluewhale_ownership_links", "gauge", "links",
           "shared links by state (owner, waiting, told_to_leave, out_of_contact); of a unit: its own part in them, "
           "of the leading ingest: all of them, waiting = nobody owns it",
           "on ingest waiting above 0 for long: no unit reads it; told_to_leave for long: a connector does not stop",
           ("state",)),
    Metric("bluewhale_ownership_moves_total", "counter", "links",
           "links that went to another unit: ordered by a person, moved back to the preferred unit or by configuration, "
           "released by the unit itself, expired = failover, new_term = while nobody led",
           "expired rising: units crash, freeze or lose the centre", ("cause",)),
    Metric("bluewhale_ownership_unowned_seconds", "histogram", "seconds",
           "time without an owner that was heard of, from its last word or release to the next grant",
           "above the budget of the profile: nobody stood ready, or the leader was lost as well", ("cause",),
           buckets=_LEASE_S),
    Metric("bluewhale_lease_renew_seconds", "histogram", "seconds",
           "time that a renewal took: lease link = of a unit with ingest, term = of the leading ingest with the main database",
           "near the retry time of the profile: leases will be lost", ("lease",)),
    Metric("bluewhale_lease_left_seconds", "histogram", "seconds", "what was left of the lease when it was renewed",
           "near 0: the next delay loses it; usual is the lease less one retry", ("lease",), buckets=_LEASE_S),
    Metric("bluewhale_spans_dropped_total", "counter", "spans", "spans that no collector took",
           "above 0: the collector is away; calls are not affected"),
    Metric("bluewhale_operator_leading", "gauge", "boolean", "1 = this replica of the operator works",
           "sum over all replicas not 1 for half a minute: nobody follows RemoteUnits; units go on as they are"),
    Metric("bluewhale_operator_resources", "gauge", "resources", "RemoteUnits by their condition Ready",
           "ready False above 0: `kubectl get ru` says which and why", ("ready",)),
    Metric("bluewhale_operator_looks_total", "counter", "looks", "looks at a RemoteUnit, by outcome: done or failed",
           "failed rising: the log of the operator says why", ("outcome",)),
    Metric("bluewhale_operator_look_seconds", "histogram", "seconds", "time of one look, with everything that it did",
           "above 10 s: the API server or ingest is slow"),
    Metric("bluewhale_operator_api_requests_total", "counter", "requests", "requests of looks and of the election to the API server",
           "codes of 400 and above rising: the log says what was refused; far above one a minute and resource: "
           "somebody else changes the same objects", ("method", "code")),
    Metric("bluewhale_operator_watch_age_seconds", "gauge", "seconds", "time since the API server told of any change",
           "above some minutes where records arrive (figures are written once a minute): watches hang"),
    Metric("bluewhale_operator_ingest_answers", "gauge", "1 or 0", "whether ingest answered the operator last",
           "0: conditions say CentreUnreachable and why; units go on collecting"),
)  # fmt: skip

assert {m.name for m in METRICS} == set(get_args(MetricName))


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        self._gauged: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, float]] = {}
        for metric in METRICS:
            if metric.collected:
                continue
            self._made[metric.name] = _made(metric, self.registry)

    def add(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Raise a counter."""
        made = self._made[name]
        assert isinstance(made, Counter)
        (made.labels(**labels) if labels else made).inc(amount)

    def set(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        made = self._made[name]
        assert isinstance(made, Gauge)
        (made.labels(**labels) if labels else made).set(value)
        self._gauged[name, tuple(sorted(labels.items()))] = (value, time.monotonic())

    def recent(
        self, name: MetricName, within_s: float
    ) -> dict[tuple[tuple[str, str], ...], tuple[float, float]]:
        """Give a gauge as it was set of late: labels by name -> (value, seconds since then).

        What was set longer ago is of something that is not ours any more.
        """
        now = time.monotonic()
        return {
            labels: (value, now - at)
            for (of, labels), (value, at) in list(self._gauged.items())
            if of == name and now - at <= within_s
        }

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        """Add an observation to a histogram."""
        made = self._made[name]
        assert isinstance(made, Histogram)
        (made.labels(**labels) if labels else made).observe(value)

    def text(self) -> bytes:
        """Give all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def _made(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name, meaning, labels = metric.name, metric.meaning, metric.labels
    if metric.kind == "histogram":
        return Histogram(name, meaning, labels, registry=registry, buckets=metric.buckets)
    return {"counter": Counter, "gauge": Gauge}[metric.kind](
        name, meaning, labels, registry=registry
    )


def reference_page() -> str:
    """Give docs/reference/metrics.md."""
    rows = "\n".join(
        f"| `{m.name}` | {m.kind} | {m.unit} | {', '.join(m.labels) or '-'} | {m.meaning} | {m.bad} |"
        for m in METRICS
    )
    return (
        "# Metrics\n\n"
        "Served as Prometheus text on `/metrics`. Labels never carry numbers, codes or names.\n"
        "Generated from `bluewhale.telemetry.metrics`.\n\n"
        "| metric | kind | unit | labels | meaning | a bad value means |\n|---|---|---|---|---|---|\n"
        + rows
        + "\n"
    )
