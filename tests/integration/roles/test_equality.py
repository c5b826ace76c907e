"""The same simulated day, embedded and through the roles: the same calls, the same prices."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bluewhale.cli.simulate.session import World, play_all
from bluewhale.database import CallFilter, Store

from tests.integration.roles.places import installation
from tests.support.roles_world import world_of
from tests.support.running import Cold

CALLS = 600
PATIENCE_S = 180
# what may differ: how often a call grew, and the moments of our own doing
OF_CALLS = {"version"}
OF_CHARGES = {"charge_id", "call_version", "rated_at"}


def plain(value: Any) -> Any:
    """Give a value that can be compared and counted."""
    if isinstance(value, dict):
        return tuple((k, plain(v)) for k, v in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    return value


def rows(table: Any, without: set[str]) -> Counter[Any]:
    """Count the rows of a table without some columns."""
    return Counter(
        plain({k: v for k, v in row.items() if k not in without}) for row in table.to_pylist()
    )


def facts(store: Store) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Give live calls, live charges and waiting records, each with its count."""
    calls = store.search_calls(CallFilter(), limit=1_000_000)
    charges = store.charges(from_ms=0, until_ms=2**42)
    waiting = Counter((w["raw"], w["reason"]) for w in store.suspense_list().to_pylist())
    return rows(calls, OF_CALLS), rows(charges, OF_CHARGES), waiting


def wait(store: Store, records: int) -> None:
    """Wait until all records are stored and every leg is in a call."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        days = store.completeness().days.to_pylist()
        if sum(d["received"] for d in days) >= records and not any(d["open"] for d in days):
            return
        assert time.monotonic() < deadline, days
        time.sleep(0.25)


def play(world: World) -> int:
    """Send all of a world; give the count of records."""
    return sum(s.records + s.repeated + s.garbage for s in play_all(world).values())


@pytest.mark.slow
@pytest.mark.services
def test_embedded_and_roles_end_at_the_same_calls_and_prices(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str, record_property
):
    """Every column of every call and charge, but versions and our own moments; SQLite or PostgreSQL."""
    one = world_of(tmp_path / "embedded", calls=CALLS)
    up = Cold().start(one.folder, "up")
    try:
        records = play(one)
        with Store.open(one.folder / "data" / "store") as store:
            wait(store, records)
            embedded = facts(store)
    finally:
        up.stop()
    other = world_of(tmp_path / "roles", calls=CALLS)
    with installation(
        other, other.folder, kafka=kafka_bootstrap, prefix=kafka_prefix, database=postgres_url
    ) as it:
        it.start_roles()
        for unit_uid in it.units:
            it.start_unit(unit_uid)
        for unit_uid in it.units:
            it.wait_ready(f"unit-{unit_uid}")
        assert play(other) == records
        with Store.open(postgres_url, segments=other.folder / "segments") as store:
            wait(store, records)
            clustered = facts(store)
    for mine, theirs in zip(embedded, clustered, strict=True):
        assert mine - theirs == Counter()
        assert theirs - mine == Counter()
    calls, charges, waiting = embedded
    assert calls.total() == CALLS
    assert charges.total() > CALLS
    assert waiting.total() == 6
    record_property(
        "figure",
        f"equality: {calls.total()} calls and {charges.total()} charges are the same to the last digit",
    )
