"""`bluewhale roles-demo`: the fleet of the demo through all roles, and one trace.

Owns the story: a simulated world, every role and two units in processes of their
own, real Kafka, PostgreSQL, Redis and Jaeger, the same questions as `bluewhale
demo`, the same truth. Takes a database and a prefix of its own and removes them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.cli.borrowing import borrowed_database, borrowed_prefix
from bluewhale.cli.demo import (
    SEED,
    Expected,
    expected_of,
    judge,
    kept_or_temporary,
    report_sent,
    tell,
)
from bluewhale.cli.exceptions import CheckFailedError, InputError
from bluewhale.cli.output import show_table
from bluewhale.cli.simulate.installation import Endpoints, Installation
from bluewhale.cli.simulate.session import DIALECTS, World, play_all
from bluewhale.cli.traces import Trace, crossing, find_traces

if TYPE_CHECKING:
    from bluewhale.database import Store

GARBAGE = 2
PATIENCE_S = 180.0
TRACE_PATIENCE_S = 30.0
TRACED = ("remoteunit", "ingest", "parser", "billing", "storage")
JAEGER_VARIABLE = "JAEGER_URL"
HELP = """roles-demo needs running services; say where they are, for example:
  export KAFKA_BOOTSTRAP=127.0.0.1:9092
  export POSTGRES_DSN=postgresql://postgres@127.0.0.1:5432/postgres   (may create databases)
  export REDIS_URL=redis://127.0.0.1:6379/0                           (optional)
  export OTLP_GRPC_ENDPOINT=http://127.0.0.1:4317 JAEGER_URL=http://127.0.0.1:16686   (optional: the trace)
`make roles-demo` starts what it can by itself. `bluewhale demo` needs no services."""


def run(folder: Path | None, *, calls: int) -> None:
    """Run the demo in a folder (kept) or a temporary one.

    Raises
    ------
    InputError
        A service is not named or does not answer.
    CheckFailedError
        The main database differs from the truth; the differences are listed.
    """
    endpoints, jaeger = _endpoints()
    started = time.monotonic()
    with (
        kept_or_temporary(folder) as place,
        borrowed_database(endpoints.database) as database,
        borrowed_prefix(endpoints.kafka) as prefix,
    ):
        world = World.of(place, 3, DIALECTS, calls, SEED, GARBAGE)
        world.write()
        here = Endpoints(endpoints.kafka, database, endpoints.redis, endpoints.otlp)
        north, middle, south = (p.link_uid for p in world.pbxs)
        units = {"north": [north, middle], "south": [south]}
        with Installation(place, here, units, prefix, sample_ratio=1.0) as it:
            it.write()
            _start(it, world, units)
            since_us = int(time.time() * 1_000_000)
            sent = play_all(world)
            report_sent(sent)
            expected = expected_of(world, sent)
            with _store(database, place) as store:
                took_s = _wait(it, store, expected)
                tell(store, world)
                judge(store, world, expected)
            print(f"priced {took_s:.1f} s after the last byte was sent, or before")
            if jaeger:
                _show_trace(it, jaeger, since_us)
            else:
                print("no trace: OTLP_GRPC_ENDPOINT and JAEGER_URL are not set")
        print(f"\nall of it took {time.monotonic() - started:.0f} s; equal to the truth")


def _endpoints() -> tuple[Endpoints, str]:
    try:
        endpoints = Endpoints.of_environment()
    except InputError as error:
        raise InputError(f"{error}\n{HELP}") from error
    jaeger = os.environ.get(JAEGER_VARIABLE, "")
    return endpoints, jaeger if endpoints.otlp else ""


def _start(it: Installation, world: World, units: dict[str, list[str]]) -> None:
    print(f"{len(world.truth)} calls of {len(world.pbxs)} PBXs: " + ", ".join(
        f"{p.pbx_uid} ({p.dialect_id}, {p.place.zone})" for p in world.pbxs
    ))  # fmt: skip
    began = time.monotonic()
    it.start_roles()
    for unit_uid in units:
        it.start_unit(unit_uid)
    for unit_uid in units:
        it.wait_ready(f"unit-{unit_uid}")
    print(f"roles and units are ready after {time.monotonic() - began:.1f} s:")
    show_table(
        [
            {"process": name, "pid": it.fleet[name].pid, "health": f"127.0.0.1:{port}"}
            for name, port in it.health_ports.items()
        ],
        title="processes",
    )


def _store(database: str, place: Path) -> Store:
    from bluewhale.database import Store

    return Store.open(database, segments=place / "segments")


def _wait(it: Installation, store: Store, expected: Expected) -> float:
    """Wait until every record is stored and every leg is in a call; gives the seconds."""

    def done() -> bool:
        days = store.completeness().days.to_pylist()
        received = sum(d["received"] for d in days)
        return received >= expected.records and all(not d["open"] for d in days)

    began = time.monotonic()
    it.wait_until(
        done, f"{expected.records} records to be stored and joined", patience_s=PATIENCE_S
    )
    return time.monotonic() - began


def _show_trace(it: Installation, jaeger: str, since_us: int) -> None:
    """Show one trace that crosses unit, ingest, parser, billing and storage."""
    found: list[Trace] = []

    def there() -> bool:
        trace = crossing(find_traces(jaeger, TRACED[0], since_us=since_us), TRACED)
        found.extend([trace] if trace else [])
        return bool(found)

    try:
        it.wait_until(there, "a trace of all roles", patience_s=TRACE_PATIENCE_S)
    except CheckFailedError:
        raise CheckFailedError(
            f"no trace at {jaeger} crosses {', '.join(TRACED)} within {TRACE_PATIENCE_S:.0f} s"
        ) from None
    trace = found[0]
    show_table(
        [
            {
                "service": h.service,
                "hop": "  " * min(h.depth, 8) + h.operation,
                "after ms": f"{h.after_ms:.1f}",
                "took ms": f"{h.duration_ms:.1f}",
            }
            for h in trace.hops
        ],
        title=f"trace {trace.trace_id}",
    )
    print(f"see it: {jaeger.rstrip('/')}/trace/{trace.trace_id}")
