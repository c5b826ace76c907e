"""The main database goes back in time while units and Kafka have gone on: nothing is lost or double."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import yaml
from bluewhale.cli.backups.making import complete
from bluewhale.cli.simulate.installation import ROLES, Installation
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import Store
from bluewhale.database.dumping import TERMS_PASSED_OVER

from tests.integration.cli.door import bluewhale
from tests.integration.roles.places import installation
from tests.support.embedded import marks_of_journal
from tests.support.feeding import Feeder
from tests.support.roles_world import world_of
from tests.support.services.topics import administrator

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
    with administrator(bootstrap) as admin:
        group = f"{prefix}storage"
        return sum(o.offset for o in admin.list_group_offsets({group: None})[group].values())


def claimed(store: Store) -> int:
    """Add up where storage goes on by the main database."""
    ask = "SELECT next_offset FROM claim WHERE consumer = 'storage'"
    return sum(row[0] for row in store.run_read(lambda tx: tx.rows(ask)))


def topics_lost(bootstrap: str, prefix: str) -> None:
    """Lose the log, too."""
    with administrator(bootstrap) as admin:
        admin.delete_topics([t for t in admin.list_topics() if t.startswith(prefix)])


@dataclass
class Restored:
    """An installation whose main database went back in time; its roles run again."""

    it: Installation
    store: Store
    feeder: Feeder
    records: int  # that the lost database had
    behind: int  # messages that Kafka's group is ahead of the restored one


@contextlib.contextmanager
def gone_back(
    folder: Path, kafka: str, prefix: str, database: str, *, lose_log: bool
) -> Iterator[Restored]:
    """A third of the calls before the backup, a third between it and the loss; then restore."""
    world = world_of(folder, calls=CALLS)
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"] = {"window_ms": 500}  # a call without a leg more is soon whole
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    feeder = Feeder(world, SHARES)
    segments = folder / "segments"
    with installation(world, folder, kafka=kafka, prefix=prefix, database=database) as it:
        it.start_roles()
        for unit_uid in it.units:
            it.start_unit(unit_uid)
        for unit_uid in it.units:
            it.wait_ready(f"unit-{unit_uid}")
        with Store.open(database, segments=segments) as store:
            feeder.feed(SHARES // 3)
            it.wait_until(lambda: stored(store)[0] > 50, "some records", patience_s=PATIENCE_S)
            now_ms = 2**42
            it.wait_until(
                lambda: store.seal(before_ms=now_ms, now_ms=now_ms).legs > 0,
                "the first whole calls",
                patience_s=PATIENCE_S,
            )
            answer = bluewhale("backup", folder / "backups", "--config", folder)
            assert answer.code == 0, answer.err
            term = store.terms.read().term
            kept = stored(store)[0]
            feeder.feed(2 * SHARES // 3)
            it.wait_until(
                lambda: stored(store)[0] > kept and still(store),
                "the second third",
                patience_s=PATIENCE_S,
            )
            records = stored(store)[0]
        for role in reversed(ROLES):
            it.fleet.stop(role)
        committed = committed_by_storage(kafka, prefix)
        if lose_log:
            topics_lost(kafka, prefix)
        dropped_and_made(database)
        shutil.rmtree(segments)
        answer = bluewhale("restore", complete(folder / "backups")[0][0], "--config", folder)
        assert answer.code == 0, answer.err
        with Store.open(database, segments=segments) as store:
            assert stored(store)[0] < records
            assert store.terms.read().term == term + TERMS_PASSED_OVER
            behind = committed - claimed(store)
            for role in ROLES:
                it.fleet.again(role)
            for role in ROLES:
                it.wait_ready(role)
            yield Restored(it, store, feeder, records, behind)
            it.fleet.check()


@pytest.mark.slow
@pytest.mark.services
def test_a_restored_main_database_reads_again_from_kafka_what_came_since(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str, record_property
):
    """Kafka's group is ahead of it and not believed; then a third of the calls comes new."""
    with gone_back(
        tmp_path, kafka_bootstrap, kafka_prefix, postgres_url, lose_log=False
    ) as after:  # fmt: skip
        assert after.behind > 0
        world, store = after.feeder.world, after.store
        after.it.wait_until(
            lambda: stored(store)[0] >= after.records, "what Kafka holds", patience_s=PATIENCE_S
        )
        after.feeder.rest()
        after.it.wait_until(
            lambda: not compare(world.truth, store, {p.pbx_uid for p in world.pbxs}),
            "every call", patience_s=PATIENCE_S,
        )  # fmt: skip
        after.it.wait_until(  # units tell by heartbeat what they journaled
            lambda: all(store.completeness().days.column("balanced").to_pylist()),
            "balanced days", patience_s=PATIENCE_S,
        )  # fmt: skip
        found = store.completeness()
        assert store.duplicates().num_rows == 0
    assert found.gaps.to_pylist() == []
    assert len(world.truth) == CALLS
    record_property(
        "figure",
        f"restore with roles: Kafka's group was {after.behind} messages ahead of the database;"
        f" {after.records} records then, {CALLS} calls in the end, none lost, none double",
    )


@pytest.mark.slow
@pytest.mark.services
def test_what_neither_backup_nor_log_nor_unit_has_is_named_and_holds_up_nothing(
    tmp_path: Path, kafka_bootstrap: str, kafka_prefix: str, postgres_url: str
):
    """The log was lost with the database: each gap has its reason, and units deliver and delete."""
    with gone_back(
        tmp_path, kafka_bootstrap, kafka_prefix, postgres_url, lose_log=True
    ) as after:  # fmt: skip
        here = stored(after.store)[0]
        after.feeder.rest()
        restored = {("lost", "database_restored")}
        after.it.wait_until(
            lambda: {(g["state"], g["reason"]) for g in gaps_of(after.store)} == restored,
            "names of the gaps", patience_s=PATIENCE_S,
        )  # fmt: skip
        after.it.wait_until(lambda: still(after.store), "calls", patience_s=PATIENCE_S)
        assert stored(after.store)[0] > here
        after.it.wait_until(
            lambda: all(not held(after.it.unit_folder(u)) for u in after.it.units),
            "units to have delivered all", patience_s=PATIENCE_S,
        )  # fmt: skip
        gaps = gaps_of(after.store)
        assert after.store.duplicates().num_rows == 0
    assert sum(g["records"] for g in gaps) == after.records - here


def gaps_of(store: Store) -> list[dict]:
    """Give what is named as missing or lost."""
    return store.completeness().gaps.to_pylist()


def held(unit: Path) -> int:
    """Count the records that a unit holds."""
    return marks_of_journal(unit, "journaled_through - deleted_through")
