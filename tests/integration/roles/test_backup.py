"""The main database goes back in time while units and Kafka have gone on: nothing is lost or double."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import yaml
from bluewhale.cli.backups.making import complete
from bluewhale.cli.simulate.installation import ROLES
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import Store
from bluewhale.database.dumping import TERMS_PASSED_OVER
from kafka import KafkaAdminClient

from tests.integration.cli.door import bluewhale
from tests.integration.roles.places import installation
from tests.support.feeding import Feeder
from tests.support.roles_world import world_of

CALLS = 300
SHARES = 90
PATIENCE_S = 120


def stored(store: Store) -> tuple[int, int]:
    """Count the records that came, and those of them without a call."""
    days = store.completeness().days.to_pylist()
    return sum(d["received"] for d in days), sum(d["open"] for d in days)


def still(store: Store) -> bool:
    """Say whether every record is in a call and for two seconds no more came."""
    before = stored(store)
    time.sleep(2)
    return before[1] == 0 and stored(store) == before


def dropped_and_made(url: str) -> None:
    """Lose the database, and make it anew."""
    parts = urlsplit(url)
    server = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{parts.path[1:]}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{parts.path[1:]}" TEMPLATE template0')


def committed_by_storage(bootstrap: str, prefix: str) -> int:
    """Add up the offsets that the group of storage committed to Kafka."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        group = f"{prefix}storage"
        return sum(o.offset for o in admin.list_group_offsets({group: None})[group].values())
    finally:
        admin.close()


def claimed(store: Store) -> int:
    """Add up where storage goes on by the main database."""
    ask = "SELECT next_offset FROM claim WHERE consumer = 'storage'"
    return sum(row[0] for row in store.run_read(lambda tx: tx.rows(ask)))


@pytest.mark.slow
@pytest.mark.services
def test_a_restored_main_database_reads_again_from_kafka_what_came_since(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str, record_property
):
    """A third before the backup, a third between it and the loss, a third after the restore."""
    world = world_of(tmp_path, calls=CALLS)
    path = tmp_path / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"] = {"window_ms": 500}  # a call without a leg more is soon whole
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    feeder = Feeder(world, SHARES)
    backups = tmp_path / "backups"
    segments = tmp_path / "segments"
    with installation(
        world, tmp_path, kafka=kafka_bootstrap, prefix=kafka_prefix, database=postgres_url
    ) as it:
        it.start_roles()
        for unit_uid in it.units:
            it.start_unit(unit_uid)
        for unit_uid in it.units:
            it.wait_ready(f"unit-{unit_uid}")
        with Store.open(postgres_url, segments=segments) as store:
            feeder.feed(SHARES // 3)
            it.wait_until(lambda: stored(store)[0] > 50, "some records", patience_s=PATIENCE_S)
            now_ms = 2**42
            assert store.seal(before_ms=now_ms, now_ms=now_ms).legs > 0
            made = bluewhale("backup", backups, "--json", "--config", tmp_path).rows()
            term = store.terms.read().term
            assert [row["files"] > 20 for row in made] == [True]
            feeder.feed(2 * SHARES // 3)
            it.wait_until(lambda: still(store), "the second third", patience_s=PATIENCE_S)
            records, calls = stored(store)[0], len(world.truth)
        for role in reversed(ROLES):
            it.fleet.stop(role)
        committed = committed_by_storage(kafka_bootstrap, kafka_prefix)
        dropped_and_made(postgres_url)
        shutil.rmtree(segments)
        answer = bluewhale("restore", complete(backups)[0][0], "--config", tmp_path)
        assert answer.code == 0, answer.err
        with Store.open(postgres_url, segments=segments) as store:
            assert stored(store)[0] < records
            assert store.terms.read().term == term + TERMS_PASSED_OVER
            behind = committed - claimed(store)
            assert behind > 0  # Kafka's group is ahead: it must not be believed
            for role in ROLES:
                it.fleet.again(role)
            for role in ROLES:
                it.wait_ready(role)
            it.wait_until(
                lambda: stored(store)[0] >= records, "what Kafka holds", patience_s=PATIENCE_S
            )
            feeder.rest()
            it.wait_until(
                lambda: not compare(world.truth, store, {p.pbx_uid for p in world.pbxs}),
                "every call", patience_s=PATIENCE_S,
            )  # fmt: skip
            found = store.completeness()
            assert store.duplicates().num_rows == 0
            it.fleet.check()
    assert found.gaps.to_pylist() == []
    assert [d["difference"] for d in found.days.to_pylist() if not d["balanced"]] == []
    assert calls == CALLS
    record_property(
        "figure",
        f"restore with roles: Kafka's group was {behind} messages ahead of the database;"
        f" {records} records then, {CALLS} calls in the end, none lost, none double",
    )
