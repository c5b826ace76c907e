"""The sink under random faults: whatever breaks when, everything is stored once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bluewhale.database import Batch, CallFilter, Store, StoreBusyError
from bluewhale.messaging import MemoryLog, Watchdog
from bluewhale.nexus import Health
from bluewhale.storage import sink as sinks
from bluewhale.storage.aside import Aside
from bluewhale.storage.lane import Limits
from bluewhale.storage.sink import Sink
from bluewhale.telemetry import Metrics

from tests.support.delivery import propose_labelled
from tests.support.legs import leg
from tests.support.parsed import parsed, rated, send

PARTITIONS = 2
ROUNDS = 40


class FaultyStore:
    """A store that is away now and then, and at times before it could say that it committed."""

    def __init__(self, store: Store, random_: random.Random) -> None:
        self._store = store
        self._random = random_
        self.calm = False

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def claim(self, *where):
        if not self.calm and self._random.random() < 0.1:
            raise StoreBusyError("away")
        return self._store.claim(*where)

    def commit(self, batch, *, seal: bool = False):
        fate = 1.0 if self.calm else self._random.random()
        if fate < 0.1:
            raise StoreBusyError("away before the commit")
        result = self._store.commit(batch, seal=seal)
        if fate < 0.2:
            raise StoreBusyError("away inside the commit")
        return result


def heal(store: Store) -> None:
    """Do what housekeeping does: calls that were proposed before their legs were there."""
    while work := store.rejoin_work() or store.legs_without_call(2**60):
        proposals = None
        if work.legs.num_rows:
            proposals = propose_labelled(work.legs, work.labels(), 1)
        store.commit(Batch(now_ms=1, proposals=proposals, cleared_marks=work.marks))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_breaks_everything_is_stored_once(seed: int, tmp_path: Path, monkeypatch):
    """Restarts, zombies, repeats, a database that is away, commits of unknown end, any limits."""
    monkeypatch.setattr(sinks, "WAIT_S", 0.0)
    monkeypatch.setattr(sinks, "RECLAIM_S", 0.0)
    monkeypatch.setattr(sinks, "POLL_MS", 1)
    rng = random.Random(seed)
    log = MemoryLog()
    log.ensure_topics(PARTITIONS, 1)
    limits = Limits(
        bulk_rows=rng.choice([2, 5, 1_000]), seal_rows=rng.choice([4, 8]), held_rows_max=12,
        seal_age_s=0.0, patience_s=0.02,
    )  # fmt: skip
    with Store.open(tmp_path / "store") as store:
        faulty = FaultyStore(store, rng)

        def fresh() -> Sink:
            return Sink(
                log, faulty, aside=Aside(tmp_path / "aside"), watchdog=Watchdog("storage"),
                health=Health(), metrics=Metrics(), limits=limits,
            )  # type: ignore[arg-type]  # fmt: skip

        running, number, expected, sent = [fresh()], 0, 0, []
        for _ in range(ROUNDS):
            partition = rng.randrange(PARTITIONS)
            labels = [rng.randint(0, 1) * n for n in range(rng.randint(1, 4))]
            legs = [
                leg(n, seq=n, join=1_000 * len(sent) + label)
                for n, label in enumerate(labels, start=number + 1)
            ]
            number += len(legs)
            expected += len(set(labels))
            time_ms = number
            messages = [
                parsed(*legs, time_ms=time_ms),
                rated(*legs, labels=labels, time_ms=time_ms),
            ]
            if rng.random() < 0.2:
                messages.reverse()  # storage may read calls before their legs
            for message in messages:
                send(log, message, partition)
                sent.append((message, partition))
            if rng.random() < 0.2:  # sent again after a reconnect
                send(log, *rng.choice(sent))
            for sink in running:
                sink.step()
            if rng.random() < 0.15:  # killed: it never says goodbye
                log.expel(running.pop().consumer)
                running.append(fresh())
            if rng.random() < 0.1 and len(running) < 2:
                running.append(fresh())
        faulty.calm = True
        for _ in range(60):
            for sink in running:
                sink.step()
        for sink in running:
            sink.close()
        heal(store)
        stored = store.legs([leg(n + 1)["cdr_id"] for n in range(number)])
        calls = store.search_calls(CallFilter(), limit=10_000)
        assert stored.num_rows == number
        assert sum(calls.column("leg_count").to_pylist()) == number
        assert calls.num_rows == expected
        assert [(m.stored_through) for m in store.marks()] == [number]
        assert store.duplicates().num_rows == 0
        ids = calls.column("call_id").to_pylist()
        ledger = [c for i in ids for c in store.get_call(i).charges.to_pylist()]
        assert sum(c["amount_nanos"] for c in ledger) == 7 * expected  # 7 nanos a call
        assert list((tmp_path / "aside").glob("*")) == []
