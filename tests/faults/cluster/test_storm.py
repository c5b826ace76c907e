"""Every role and unit killed and frozen, brokers and database too: nothing lost, nothing double."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from bluewhale.cli.simulate.installation import Endpoints, Installation
from bluewhale.cli.simulate.session import DIALECTS, World
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import Store

from tests.support.cutting_door import Cut, CuttingDoor
from tests.support.feeding import Feeder
from tests.support.forked_roles import ForkedRoles
from tests.support.journals import not_stored
from tests.support.services import KafkaCluster, PostgresServer, RedisServer

ROUNDS = 110
CALLS = 3_000
SEED = 2
SHARES = 3_000
FREEZE_EVERY = 4  # so many of the rounds freeze instead of kill
FREEZE_S = (0.5, 3.0)
LONG_FREEZE_EVERY = 20  # longer than a session of the log: the partition is given away meanwhile
LONG_FREEZE_S = 14.0
# what becomes of the first COMMITs of records, by whichever process: the database gets it or not
CUTS: tuple[Cut | None, ...] = ("before", "after", None) * 8
PATIENCE_S = 240.0


@dataclass
class Storm:
    """What happens to an installation, and when; all from one seed."""

    installation: Installation
    kafka: KafkaCluster
    postgres: PostgresServer
    redis: RedisServer
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    frozen_until: dict[str, float] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """One fault, and what the one before left behind."""
        self._thaw()
        self._raise_dead()
        special = self.specials().get(number)
        if special is not None:
            special()
            return
        fleet = self.installation.fleet
        name = self.random.choice([n for n in fleet.names() if n not in self.frozen_until])
        if number % FREEZE_EVERY == 0:
            long = number % LONG_FREEZE_EVERY == 0
            fleet.freeze(name)
            seconds = LONG_FREEZE_S if long else self.random.uniform(*FREEZE_S)
            self.frozen_until[name] = time.monotonic() + seconds
            self.done["frozen for long" if long else "frozen"] += 1
        elif fleet.alive(name):
            fleet.kill(name)
            self.done[f"kill {name}"] += 1

    def specials(self) -> dict[int, Callable[[], None]]:
        """What happens besides, by number of the round."""
        return {
            15: lambda: self._told("broker killed", lambda: self.kafka.kill(2)),
            22: lambda: self._told("broker revived", lambda: self.kafka.revive(2)),
            35: lambda: self._told("database restarted", lambda: self.postgres.restart(immediate=True)),
            45: lambda: self._told("cache flushed", self.redis.flush),
            55: lambda: self._told("log wiped", self.kafka.wipe_and_recreate),
            70: lambda: self._told("cache gone", self.redis.halt),
            80: lambda: self._told("database restarted", lambda: self.postgres.restart(immediate=True)),
            90: lambda: self._told("broker killed", lambda: self.kafka.kill(1)),
            97: lambda: self._told("broker revived", lambda: self.kafka.revive(1)),
        }  # fmt: skip

    def over(self) -> None:
        """Let everything live again."""
        for name in list(self.frozen_until):
            self.installation.fleet.thaw(name)
        self.frozen_until.clear()
        self._raise_dead()

    def _told(self, what: str, happens: Callable[[], None]) -> None:
        self.done[what] += 1
        happens()

    def _thaw(self) -> None:
        for name, until in list(self.frozen_until.items()):
            if time.monotonic() >= until:
                self.installation.fleet.thaw(name)
                del self.frozen_until[name]

    def _raise_dead(self) -> None:
        fleet = self.installation.fleet
        for name in fleet.names():
            if not fleet.alive(name):
                fleet.again(name)


def _not_stored(installation: Installation, store: Store) -> list[str]:
    """List every lane of the units' journals that the main database is behind of."""
    return [
        lane
        for unit_uid in installation.units
        for lane in not_stored(installation.unit_folder(unit_uid) / "data" / "journal.db", store)
    ]


def _lines_of_legs(url: str, pbx_uid: str) -> Counter[bytes]:
    """Give the printed line of every stored leg; none is sealed in a run this small."""
    with psycopg.connect(url) as main:
        return Counter(
            bytes(row[0])
            for row in main.execute("SELECT raw FROM leg WHERE pbx_uid = %s", (pbx_uid,))
        )


@pytest.mark.slow
@pytest.mark.services("kafka", "postgres", "redis")
def test_a_storm_over_every_role_unit_broker_and_database_loses_and_doubles_nothing(
    tmp_path: Path, record_property
):
    """A hundred kills and freezes, a broker and the log gone, the database restarted, COMMITs cut."""
    world = World.of(tmp_path, 3, DIALECTS, CALLS, SEED, 3)
    world.write()
    links = [p.link_uid for p in world.pbxs]
    units = {"north": links[:1], "south": links[1:]}
    with (
        KafkaCluster(brokers=3) as kafka,
        PostgresServer() as postgres,
        CuttingDoor(postgres.port, plan=CUTS) as door,
        RedisServer() as redis,
        ForkedRoles() as roles,
        Installation(
            tmp_path,
            Endpoints(
                kafka.bootstrap,
                postgres.url.replace(f":{postgres.port}/", f":{door.port}/"),
                redis.url,
            ),
            units,
            prefix="storm.",
            replication=3,
            settings={"kafka": {"replication": 3}},
            spawn=roles.spawn,
        ) as installation,
    ):
        installation.write()
        installation.start_roles()
        for role in ("parser", "billing", "storage"):
            installation.start_role(role, copy=2)
        for unit_uid in units:
            installation.wait_ready(installation.start_unit(unit_uid))
        feeder = Feeder(world, SHARES)
        storm = Storm(installation, kafka, postgres, redis, random.Random(SEED))
        with feeder.feeding():
            for number in range(1, ROUNDS + 1):
                storm.round(number)
                time.sleep(storm.random.uniform(0.2, 1.2))
        storm.over()
        fed = feeder.steps
        feeder.rest()
        kills = sum(n for what, n in storm.done.items() if what.startswith("kill"))
        assert kills + storm.done["frozen"] + storm.done["frozen for long"] >= 90
        with Store.open(postgres.url, segments=tmp_path / "segments") as store:
            _judge(world, feeder, installation, store, postgres.url)
        record_property(
            "figure",
            f"{kills} kill -9, {dict(storm.done)}, of {door.seen} COMMITs of records cut {dict(door.done)};"
            f" {fed} of {SHARES} shares fed meanwhile",
        )
        assert min(door.done["before"], door.done["after"]) >= 2


def _judge(
    world: World, feeder: Feeder, installation: Installation, store: Store, url: str
) -> None:
    """Compare all with the truth when all is still."""
    avaya, *folders = (p.pbx_uid for p in world.pbxs)
    installation.wait_until(
        lambda: not compare(world.truth, store, set(folders)),
        "every call of the folders",
        patience_s=PATIENCE_S,
    )
    installation.wait_until(
        lambda: (
            not _not_stored(installation, store)
            and not any(store.completeness().days.column("open").to_pylist())
        ),
        "every journaled record",
        patience_s=PATIENCE_S,
    )
    # what a unit journaled is told by its heartbeats, which come behind the records
    installation.wait_until(
        lambda: all(store.completeness().days.column("balanced").to_pylist()),
        "every day to balance",
        patience_s=PATIENCE_S,
    )
    legs = _lines_of_legs(url, avaya)
    more_than_sent = {line: n for line, n in legs.items() if n > feeder.sent[line]}
    arrived = [
        call
        for call in world.truth
        if call.pbx_uid == avaya
        and all(x.data.rstrip(b"\r\n") in legs for x in feeder.lines_of(call.number))
    ]
    assert compare(world.truth, store, set(folders)) == []
    missing = [d for d in compare(arrived, store, {avaya}) if d.startswith("missing")]
    found = store.completeness()
    assert more_than_sent == {}
    assert missing == []
    assert arrived
    assert found.gaps.to_pylist() == []
    assert [d["difference"] for d in found.days.to_pylist() if not d["balanced"]] == []
