"""Traces as Jaeger keeps them: find one that crosses the roles, and its hops.

Owns asking Jaeger's API and the shape of a hop. Does not own how spans are made.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bluewhale.cli.exceptions import InputError

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Hop:
    """One span: where, what, how long, and how far from the start of its trace."""

    service: str
    operation: str
    after_ms: float
    duration_ms: float
    depth: int


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace with its hops, in the order of their starts."""

    trace_id: str
    hops: tuple[Hop, ...]

    @property
    def services(self) -> frozenset[str]:
        """Give the services that it crosses."""
        return frozenset(h.service for h in self.hops)


def find_traces(jaeger: str, service: str, *, limit: int = 100, since_us: int = 0) -> list[Trace]:
    """Give the latest traces of the last hour that a service took part in.

    jaeger: base URL of the query API; `since_us`: none that began before, in
    microseconds since 1970.

    Raises
    ------
    InputError
        Jaeger does not answer.
    """
    query = {"service": service, "limit": limit, "lookback": "1h"}
    url = f"{jaeger.rstrip('/')}/api/traces?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - a person gave it
            found = json.load(answer)
    except (OSError, ValueError) as error:
        raise InputError(f"Jaeger at {jaeger} does not answer: {error}") from error
    return [
        _trace(item)
        for item in found["data"] or ()
        if min(s["startTime"] for s in item["spans"]) >= since_us
    ]


def crossing(traces: Collection[Trace], services: Collection[str]) -> Trace | None:
    """Give the trace that crosses all of these services with the fewest hops, if there is one."""
    whole = [t for t in traces if t.services >= set(services)]
    return min(whole, key=lambda t: len(t.hops), default=None)


def _trace(item: Mapping[str, Any]) -> Trace:
    services = {key: p["serviceName"] for key, p in item["processes"].items()}
    spans = sorted(item["spans"], key=lambda s: s["startTime"])
    parents = {
        s["spanID"]: next(
            (r["spanID"] for r in s.get("references", ()) if r["refType"] == "CHILD_OF"), None
        )
        for s in spans
    }
    first = spans[0]["startTime"]
    hops = [
        Hop(
            services[s["processID"]],
            s["operationName"],
            (s["startTime"] - first) / 1000,
            s["duration"] / 1000,
            _depth(s["spanID"], parents),
        )
        for s in spans
    ]
    return Trace(item["traceID"], tuple(hops))


def _depth(span_id: str, parents: Mapping[str, str | None]) -> int:
    depth, above = 0, parents.get(span_id)
    while above is not None and depth < len(parents):
        depth, above = depth + 1, parents.get(above)
    return depth
