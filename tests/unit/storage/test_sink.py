"""From the log to the main database, with a log in memory and a store of SQLite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bluewhale.database import CallFilter, Store, StoreBusyError
from bluewhale.messaging import PARSED, RATED, MemoryLog, Watchdog
from bluewhale.nexus import Health
from bluewhale.storage.aside import Aside
from bluewhale.storage.lane import Limits
from bluewhale.storage.sink import Sink
from bluewhale.telemetry import Metrics

from tests.support.legs import leg
from tests.support.parsed import parsed, rated, send


class World:
    """A log, a store, and sinks over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryLog()
        self.log.ensure_topics(2, 1)
        self.store = Store.open(folder / "store")
        self.health = Health()
        self.sinks: list[Sink] = []

    def sink(self, limits: Limits | None = None, store: Store | None = None) -> Sink:
        made = Sink(
            self.log, store or self.store, aside=Aside(self.folder / "aside"),
            watchdog=Watchdog("storage"), health=self.health, metrics=Metrics(), limits=limits,
        )  # fmt: skip
        self.sinks.append(made)
        return made

    def calls(self) -> list[int]:
        """Give the sizes of all live calls."""
        found = self.store.search_calls(CallFilter(), limit=100)
        return sorted(found.column("leg_count").to_pylist())

    def legs(self) -> int:
        return len(self.store.legs([leg(n)["cdr_id"] for n in range(1, 50)]))

    def files(self) -> list[Path]:
        return sorted((self.folder / "aside").glob("*"))


@pytest.fixture
def world(tmp_path: Path):
    """Give an empty world; end what the test made of it."""
    it = World(tmp_path)
    yield it
    for sink in it.sinks:
        sink.close()
    it.store.close()


def settle(*sinks: Sink, rounds: int = 6) -> None:
    """Let sinks work until nothing can be left."""
    for _ in range(rounds):
        for sink in sinks:
            sink.step()


def test_legs_and_calls_of_the_log_are_stored(world: World):
    """Two legs and their call, each in a message of its own, become one call."""
    send(world.log, parsed(leg(1), leg(2)))
    send(world.log, rated(leg(1), leg(2), labels=[0, 0]))
    settle(world.sink())
    assert world.calls() == [2]
    marks = {(m.stream_id, m.incarnation): m.stored_through for m in world.store.marks()}
    assert marks == {(1, 1): 2}


def test_a_restart_goes_on_behind_the_claim(world: World):
    """What is stored is not read again; what came meanwhile is."""
    send(world.log, parsed(leg(1)))
    first = world.sink()
    settle(first)
    first.close()
    world.sinks.clear()
    send(world.log, parsed(leg(2)))
    second = world.sink()
    settle(second)
    assert world.legs() == 2
    assert second.consumer.position((PARSED, 0)) == 2


def test_a_log_made_again_is_read_from_its_beginning(world: World):
    """The claim names the topic by its id: offsets of a topic that is gone mean nothing."""
    for n in (1, 2, 3):
        send(world.log, parsed(leg(n)))
    sink = world.sink()
    settle(sink)
    world.log.wipe(PARSED)
    send(world.log, parsed(leg(4)))
    settle(sink)
    assert world.legs() == 4


def test_a_zombie_stores_nothing(world: World):
    """A sink whose partition was given to another cannot commit, and drops its work."""
    zombie, heir = world.sink(), None
    settle(zombie)
    world.store.claim("storage", world.log.topic_id(PARSED), 0)  # another one took over
    send(world.log, parsed(leg(1)))
    zombie.step()
    assert world.legs() == 0
    assert heir is None


def test_a_claim_that_was_lost_is_taken_again_if_the_group_says_so(world: World, monkeypatch):
    """After a commit of unknown end the partition goes on, from what is stored."""
    monkeypatch.setattr("bluewhale.storage.sink.RECLAIM_S", 0.0)
    sink = world.sink()
    settle(sink)
    world.store.claim("storage", world.log.topic_id(PARSED), 0)
    send(world.log, parsed(leg(1)))
    settle(sink)
    assert world.legs() == 1


class AwayStore:
    """The store behind a door that can be shut."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False

    def __getattr__(self, name: str):
        if self.away:
            raise StoreBusyError("the database is away")
        return getattr(self._store, name)


def test_while_the_database_is_away_the_sink_waits_and_says_so(world: World, monkeypatch):
    """Nothing is lost, nothing is read on, and the role is not ready until it is back."""
    monkeypatch.setattr("bluewhale.storage.sink.WAIT_S", 0.01)
    store = AwayStore(world.store)
    sink = world.sink(store=store)  # type: ignore[arg-type]
    settle(sink)
    store.away = True
    send(world.log, parsed(leg(1)))
    settle(sink)
    assert world.health.unready()["database"] == "the database is away"
    store.away = False
    settle(sink)
    assert world.legs() == 1
    assert "database" not in world.health.unready()


def test_bytes_that_are_no_message_are_kept_aside(world: World):
    """A poison message becomes a file; what stands before and behind it is stored."""
    send(world.log, parsed(leg(1)))
    world.log.producer().send(
        PARSED, 0, b"garbage", headers=(("v", b"1"), ("kind", b"parsed"), ("ingested_at", b"5"))
    )
    send(world.log, parsed(leg(2)))
    settle(world.sink())
    assert world.legs() == 2
    assert [f.name.split("-")[:3] for f in world.files()] == [["cdr.parsed", "0", "1"]]
    assert world.files()[0].read_bytes().endswith(b"\ngarbage")
    assert world.files()[0].stat().st_mode & 0o777 == 0o600


def test_legs_meant_for_a_wiped_topic_are_passed_over(world: World):
    """They stand behind a hole that ingest closes; what is stored begins behind it."""
    here = world.log.topic_id(PARSED)
    for number, log_id in ((1, "r1/gone"), (2, f"r1/{here}"), (3, "r1/gone"), (4, "")):
        send(world.log, replace(parsed(leg(number)), log_id=log_id))
    sink = world.sink()
    settle(sink)
    assert [n for n in range(1, 5) if len(world.store.legs([leg(n)["cdr_id"]]))] == [2, 4]
    assert sink.step() is False
    sink.close()
    again = world.sink()
    assert again.step() is False  # what was passed over is behind the claim, too


def test_a_message_that_cannot_be_stored_is_found_and_kept_aside(world: World):
    """Of a round that fails only the bad message is passed over."""
    send(world.log, parsed(leg(1)))
    send(world.log, parsed(leg(2, cdr_id=None)))  # a store needs the id
    send(world.log, parsed(leg(3)))
    send(world.log, rated(leg(1), leg(3)))
    settle(world.sink())
    assert world.legs() == 2
    assert world.calls() == [1, 1]
    assert len(world.files()) == 1


def test_a_message_of_a_newer_release_stops_its_partition_alone(world: World):
    """Order is kept: the partition waits for the update, others go on, nothing is passed over."""
    world.log.producer().send(
        PARSED, 0, b"?", headers=(("v", b"99"), ("kind", b"parsed"), ("ingested_at", b"5"))
    )
    send(world.log, parsed(leg(1)), 0)
    send(world.log, parsed(leg(2)), 1)
    settle(world.sink())
    assert world.legs() == 1
    assert "update this role" in world.health.unready()["format cdr.parsed"]
    assert world.files() == []


def test_a_big_round_is_sealed_at_once(world: World):
    """Legs and calls that come in bulk become a segment; the calls are found in it."""
    limits = Limits(bulk_rows=10, seal_rows=20, seal_age_s=0.0)
    legs = [leg(n) for n in range(1, 31)]
    send(world.log, parsed(*legs))
    send(world.log, rated(*legs))
    settle(world.sink(limits))
    assert world.calls() == [1] * 30
    assert len(list((world.folder / "store" / "segments").glob("*.parquet"))) > 0


def test_two_sinks_share_partitions_and_store_each_record_once(world: World):
    """A second replica takes a part over; together they store everything once."""
    first = world.sink()
    settle(first)
    second = world.sink()
    for n in range(1, 11):
        send(world.log, parsed(leg(n)), n % 2)
        send(world.log, rated(leg(n)), n % 2)
    settle(first, second, rounds=12)
    assert world.calls() == [1] * 10
    assert {place[0] for place in first.consumer.assignment()} <= {PARSED, RATED}
    assert first.keeps_house != second.keeps_house
