"""The closed list of log attributes: no line carries another one.

Owns names and meanings. An attribute is added here first, then used; the
reference page is generated from this list.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that a log line may carry; `kind` is what its value is."""

    name: str
    kind: str
    meaning: str


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("event", "text", "what happened, a short constant sentence"),
    Attribute("level", "text", "debug, info, warning, error or critical"),
    Attribute("timestamp", "instant", "when, UTC, ISO 8601"),
    Attribute("room", "text", "which part speaks, e.g. database, journal"),
    Attribute("exception", "text", "traceback, on our own failures only"),
    Attribute("error", "text", "what went wrong, in words"),
    Attribute("error_code", "text", "stable code of the error"),
    Attribute("reason", "text", "a code of a closed list: reject, loss, unrated"),
    Attribute("remedy", "text", "what a person can do about it"),
    Attribute("site_uid", "text", "site"),
    Attribute("pbx_uid", "text", "PBX"),
    Attribute("links", "count", "links of the configuration"),
    Attribute("link_uid", "text", "link: one connector reading one PBX"),
    Attribute("dialect_id", "text", "PBX dialect"),
    Attribute("dialect_version", "count", "its version"),
    Attribute("stream_id", "id", "stream of capture keys"),
    Attribute("incarnation", "id", "start of the unit that gave the capture keys"),
    Attribute("connection", "id", "connection or file"),
    Attribute("first_seq", "count", "first sequence number meant"),
    Attribute("last_seq", "count", "last sequence number meant"),
    Attribute("stored_through", "count", "everything up to this sequence number is committed"),
    Attribute("consumer", "text", "who holds the claim"),
    Attribute("topic_id", "text", "log that the claim is on"),
    Attribute("partition", "count", "partition of that log"),
    Attribute("generation", "count", "generation of the claim or of a seal"),
    Attribute("offset", "count", "position in the log"),
    Attribute("peer", "text", "address of the other side, without credentials"),
    Attribute("host", "text", "address listened on"),
    Attribute("port", "count", "TCP port"),
    Attribute("path", "text", "file or folder"),
    Attribute("file_bytes", "bytes", "size of it"),
    Attribute("records_in", "count", "records given to the batch"),
    Attribute("accepted", "count", "legs stored"),
    Attribute("rejected", "count", "records that went to suspense"),
    Attribute("rejected_by_reason", "map", "the same, per reason code"),
    Attribute("replayed", "count", "records stored before and ignored"),
    Attribute("duplicate", "count", "legs whose id was stored under another capture key"),
    Attribute("conflicts", "count", "records whose capture key belongs to another record"),
    Attribute("lost", "count", "sequence numbers newly named as lost"),
    Attribute("calls_created", "count", "calls stored for the first time"),
    Attribute("calls_grown", "count", "new versions of calls"),
    Attribute("calls_ignored", "count", "proposals that some call contained already"),
    Attribute("calls_refused", "count", "proposals about legs that are not stored so"),
    Attribute("charges", "count", "ledger entries of new versions"),
    Attribute("reversals", "count", "ledger entries taking charges back"),
    Attribute("unrated", "count", "charges without a price"),
    Attribute("marked", "count", "legs marked for re-join"),
    Attribute("waiting", "count", "things not done yet"),
    Attribute("segment", "text", "sealed segment"),
    Attribute("tariff_uid", "text", "tariff"),
    Attribute("tariff_version", "count", "its version"),
    Attribute("price_list", "text", "price list"),
    Attribute("job", "text", "name of a job"),
    Attribute("attempt", "count", "how often it was tried"),
    Attribute("retry_after_ms", "ms", "wait before the next attempt"),
    Attribute("duration_ms", "ms", "how long it took"),
    Attribute("lag_ms", "ms", "age of the oldest record not stored"),
    Attribute("usage_ratio", "ratio", "share of a quota that is used, 0..1"),
    Attribute("number", "masked number", "a phone number, only its ends readable"),
    Attribute("call_id", "id", "call, 26 characters"),
    Attribute("cdr_id", "id", "leg, 26 characters"),
    Attribute("version", "text", "release of the product"),
    Attribute("state", "text", "state of a state machine"),
    Attribute("count", "count", "how many, where the event says of what"),
    Attribute("role", "text", "role of the process: ingest, parser, billing, storage ..."),
    Attribute("instance", "text", "which copy of the role"),
    Attribute("unit_uid", "text", "Remote Unit"),
    Attribute("session", "id", "one connection of a unit to the centre"),
    Attribute("topic", "text", "topic of the log"),
    Attribute(
        "received_through", "count", "everything up to this sequence number is in the raw log"
    ),
    Attribute("term", "count", "term of the ownership service"),
    Attribute(
        "caller", "text", "who asks, as its certificate or the process proves: role, unit, plugin"
    ),
    Attribute("method", "text", "what is asked: Service/Method"),
    Attribute("plugin", "text", "symbolic name of a plugin"),
    Attribute("skew_ms", "ms", "clock of a unit minus the centre's"),
    Attribute("trace_id", "id", "trace that this line belongs to, if it is traced"),
    Attribute("span_id", "id", "span of that trace"),
)

NAMES = frozenset(a.name for a in ATTRIBUTES)

# What a span may carry: the names of the OpenTelemetry conventions, and ours for the rest.
# Never a phone number, an account code or the name of a person.
SPAN_NAMES = frozenset({
    "messaging.system", "messaging.operation.type", "messaging.destination.name",
    "messaging.destination.partition.id", "messaging.batch.message_count",
    "messaging.consumer.group.name", "messaging.kafka.offset", "rpc.system", "rpc.service",
    "rpc.method", "rpc.response.status_code", "db.system.name", "db.operation.name", "error.type",
    "bluewhale.unit_uid", "bluewhale.link_uid", "bluewhale.stream_id", "bluewhale.first_seq",
    "bluewhale.last_seq", "bluewhale.records", "bluewhale.legs", "bluewhale.rejects",
    "bluewhale.reason", "bluewhale.calls", "bluewhale.charges", "bluewhale.job",
    "bluewhale.sealed", "http.request.method", "http.route", "http.response.status_code",
})  # fmt: skip


def reference_page() -> str:
    """Give docs/reference/log-attributes.md."""
    rows = "\n".join(f"| `{a.name}` | {a.kind} | {a.meaning} |" for a in ATTRIBUTES)
    return (
        "# Log attributes\n\n"
        "Every log line is one JSON object on stdout; it carries these attributes and no others.\n"
        "Phone numbers are masked. Generated from `bluewhale.telemetry.attributes`.\n\n"
        "| attribute | kind | meaning |\n|---|---|---|\n" + rows + "\n"
    )
