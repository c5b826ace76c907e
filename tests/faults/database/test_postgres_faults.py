"""PostgreSQL restarted, connections cut inside COMMIT, zombies, partitions side by side: exact counts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.database import Batch, CallFilter, ClaimLostError, ClaimStep, Store

from tests.spec.database.build import leg_id, leg_row, legs, proposals
from tests.support.cutting_door import CuttingDoor
from tests.support.services.postgres import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]

BATCH = 10  # legs of one batch, each a call of its own with two charges


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of our own, to be restarted."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """A database of this test on it."""
    name = f"f{abs(hash(request.node.name)):x}"
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return f"{server.url.rsplit('/', 1)[0]}/{name}"


def batch_of(partition: int, at: int) -> dict:
    """Give the records of one offset: PBX lines of stream `partition`, all of one site."""
    first = partition * 1_000_000 + at * BATCH
    rows = [
        leg_row(
            first + n, key=first + n, at=60 * (at * BATCH + n), stream=100 + partition,
            seq=at * BATCH + n + 1,
        )
        for n in range(BATCH)
    ]  # fmt: skip
    return {
        "legs": legs(*rows),
        "proposals": proposals(*((row,) for row in rows)),
        "contexts": {n: b"header %d" % n for n in range(5)},
    }


class Worker:
    """One storage worker: commits offsets of a partition, repeats, claims anew when it must."""

    def __init__(self, store: Store, partition: int, offsets: int, seed: int = 0) -> None:
        self.store = store
        self.partition = partition
        self.offsets = offsets
        self.random = random.Random(seed)
        self.away = 0
        self.lost = 0
        self.committed = 0
        self.deadline = 0.0

    def run(self) -> None:
        """Commit until every offset is stored, however often that takes."""
        self.deadline = time.monotonic() + 90
        while time.monotonic() < self.deadline:
            try:
                claim = self.store.claim("storage", "topic", self.partition)
                at = claim.next_offset
                while at < self.offsets:
                    step = ClaimStep(claim, at, at + 1)
                    self._commit(step, batch_of(self.partition, at))
                    at += 1
                    self.committed += 1
            except ClaimLostError:
                self.lost += 1
                time.sleep(self.random.uniform(0, 0.05))
            except TemporaryError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the worker did not come to its end")

    def _commit(self, step: ClaimStep, records: dict) -> None:
        batch = Batch(now_ms=1, claims=[step], partition=self.partition, **records)
        while time.monotonic() < self.deadline:
            try:
                self.store.commit(batch)
            except TemporaryError:
                self.away += 1
                time.sleep(0.02)
            else:
                return


def assert_exact(url: str, folder: Path, partitions: int, offsets: int) -> None:
    """Every leg, call and charge is there once; sums balance; nothing is left to re-join."""
    count = partitions * offsets * BATCH
    with Store.open(url, segments=folder) as store:
        assert store.search_calls(CallFilter(), limit=count + 1).num_rows == count
        with store.db.read() as tx:
            assert tx.one("SELECT COUNT(*) FROM charge") == (2 * count,)
            assert tx.one("SELECT COUNT(*), COUNT(DISTINCT cdr_id) FROM leg") == (count, count)
            assert tx.one("SELECT COUNT(*) FROM duplicate") == (0,)
            assert tx.one("SELECT COUNT(*) FROM orphan") == (0,)
        assert store.completeness().complete
        marks = {m.stream_id: m.stored_through for m in store.marks()}
        assert marks == {100 + p: offsets * BATCH for p in range(partitions)}


def test_a_server_restarted_at_once_during_commits_loses_and_doubles_nothing(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    """Three immediate restarts while two partitions commit; the store finds its connections again."""
    with Store.open(url, segments=tmp_path) as store:
        workers = [Worker(store, p, 60, seed=p) for p in range(2)]
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(w.run) for w in workers]
            for _ in range(3):
                time.sleep(0.4)
                server.restart(immediate=True)
            for one in running:
                one.result(timeout=120)
        assert sum(w.away for w in workers) > 0
    assert_exact(url, tmp_path, 2, 60)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_cut_inside_commit_is_settled_by_the_claim(
    server: PostgresServer, url: str, tmp_path: Path, when: str
) -> None:
    """Nobody knows whether it was applied; repeated, it is stored once, either way."""
    with CuttingDoor(server.port) as door:
        through = url.replace(f":{server.port}/", f":{door.port}/")
        with Store.open(through, segments=tmp_path) as store:
            worker = Worker(store, 0, 30)
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(worker.run)
                while not running.done() and door.cuts < 6:
                    door.cut(when)
                    time.sleep(0.2)
                door.cut(None)
                running.result(timeout=100)
        assert door.cuts >= 2
        assert worker.away >= 1
    assert_exact(url, tmp_path, 1, 30)


def test_a_commit_that_was_applied_though_its_answer_was_lost_is_a_lost_claim(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    """The repeat changes nothing; a new claim says that the offset is stored."""
    with CuttingDoor(server.port) as door:
        through = url.replace(f":{server.port}/", f":{door.port}/")
        with Store.open(through, segments=tmp_path) as store:
            claim = store.claim("storage", "topic", 0)
            batch = Batch(now_ms=1, claims=[ClaimStep(claim, 0, 1)], partition=0, **batch_of(0, 0))
            door.cut("after")
            with pytest.raises(TemporaryError, match="cannot be reached"):
                store.commit(batch)
            with pytest.raises(ClaimLostError):
                store.commit(batch)
            assert store.claim("storage", "topic", 0).next_offset == 1
    assert_exact(url, tmp_path, 1, 1)


def test_two_workers_that_take_a_partition_from_each_other_store_everything_once(
    url: str, tmp_path: Path
) -> None:
    """Each claims anew whenever it lost the claim; of the zombie nothing is stored."""
    with Store.open(url, segments=tmp_path) as one, Store.open(url, segments=tmp_path) as two:
        workers = [Worker(store, 0, 40, seed=n) for n, store in enumerate((one, two))]
        with ThreadPoolExecutor(2) as pool:
            for running in [pool.submit(w.run) for w in workers]:
                running.result(timeout=120)
        assert sum(w.committed for w in workers) == 40
        assert sum(w.lost for w in workers) > 0
    assert_exact(url, tmp_path, 1, 40)


def test_four_partitions_commit_side_by_side_without_a_deadlock(url: str, tmp_path: Path) -> None:
    """They share a site's totals, contexts and stamps; jobs and sealing run between them."""
    with Store.open(url, segments=tmp_path) as store, Store.open(url, segments=tmp_path) as beside:
        workers = [Worker(store, p, 25, seed=p) for p in range(4)]
        over = threading.Event()

        def jobs() -> int:
            runs = 0
            while not over.is_set():
                beside.save_job("test", "job", "running", {"runs": runs}, now_ms=runs)
                beside.commit(Batch(now_ms=1, contexts={1: b"header 1"}))
                beside.rejoin_work()
                runs += 1
                time.sleep(0.02)
            return runs

        with ThreadPoolExecutor(5) as pool:
            busy = pool.submit(jobs)
            started = time.monotonic()
            for running in [pool.submit(w.run) for w in workers]:
                running.result(timeout=120)
            over.set()
            assert busy.result(timeout=30) > 0
        assert time.monotonic() - started < 100
        assert [w.lost for w in workers] == [0, 0, 0, 0]
        with psycopg.connect(url) as connection:
            found = connection.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
            assert found.fetchone() == (0,)
    assert_exact(url, tmp_path, 4, 25)


def test_sealing_beside_commits_keeps_every_row_in_one_place(url: str, tmp_path: Path) -> None:
    """Two replicas seal while two partitions commit; then all is sealed and compacted."""
    with Store.open(url, segments=tmp_path) as store, Store.open(url, segments=tmp_path) as other:
        workers = [Worker(store, p, 30, seed=p) for p in range(2)]
        over = threading.Event()

        def seal(by: Store) -> None:
            at = 10
            while not over.is_set():
                at += 1
                by.seal(before_ms=2**50, now_ms=at, limit=50)

        with ThreadPoolExecutor(4) as pool:
            sealers = [pool.submit(seal, s) for s in (store, other)]
            for running in [pool.submit(w.run) for w in workers]:
                running.result(timeout=120)
            over.set()
            for one in sealers:
                one.result(timeout=30)
        while store.seal(before_ms=2**50, now_ms=2**44).legs:
            pass
        assert store.compact(now_ms=2**44).legs > 0
        with store.db.read() as tx:
            assert tx.one("SELECT COUNT(*) FROM leg") == (0,)
            assert tx.one("SELECT COUNT(*) FROM call_version") == (0,)
            rows = tx.one(
                "SELECT CAST(SUM(leg_rows) AS BIGINT), CAST(SUM(charge_rows) AS BIGINT)"
                " FROM segment WHERE replaced_by IS NULL"
            )
        assert rows == (2 * 30 * BATCH, 4 * 30 * BATCH)
        assert store.search_calls(CallFilter(), limit=1000).num_rows == 600
        assert store.legs([leg_id(5)]).num_rows == 1
        assert store.completeness().complete
