"""Billing over the log: proposes early, again when a call grows, and reads again from its low water."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluewhale.billing.prices import Prices, PricesMissingError
from bluewhale.billing.proposing import proposed
from bluewhale.billing.relay import QUIET_S, BillingRelay
from bluewhale.database import Store
from bluewhale.messaging import PARSED, RATED, LowWater, MemoryLog, Worker
from bluewhale.messaging.envelopes import RatedMessage
from bluewhale.records.directory import Directory
from bluewhale.stages import Stages
from bluewhale.telemetry import Metrics

from tests.support.legs import leg, leg_id, leg_table
from tests.support.parsed import parsed, send

T0 = 1_772_700_000_000
WINDOW_MS = 3_000
DIRECTORY = b"""
sites: [{site_uid: berlin, name: Berlin, zone: Europe/Berlin, country: DE}]
pbxs: [{pbx_uid: berlin, site_uid: berlin, name: one}]
"""


class Billing:
    """A log, a main database, and billing over them."""

    def __init__(self, folder: Path) -> None:
        self.log = MemoryLog()
        self.log.ensure_topics(1, 1)
        self.store = Store.open(folder / "store")
        self.prices = Prices(self.store, "dialled_out")
        self.worker = self.new_worker()

    def new_worker(self) -> Worker:
        relay = BillingRelay(
            self.prices, self.log.producer(), Metrics(), window_ms=WINDOW_MS, rows_max=1_000
        )
        settings = {"poll_ms": 5, "commit_interval_s": 0.0}
        return Worker(self.log, "billing", [PARSED], relay, **settings)

    def directory(self) -> None:
        self.store.put_directory({"000/directory.yaml": DIRECTORY}, who="test", now_ms=1)
        self.prices.look()

    def rated(self) -> list[RatedMessage]:
        """Give everything that was written to cdr.rated."""
        found = []
        reader = self.log.consumer(f"reader-{time.monotonic_ns()}", [RATED], _Anybody())
        while polled := reader.poll(5, 100):
            found += [RatedMessage.decode(m) for ms in polled.values() for m in ms]
        reader.close()
        return found

    def calls(self) -> list[list[int]]:
        """Give the leg numbers of each proposal, in the order of proposing."""
        tables = [m.proposals.members for m in self.rated() if m.proposals is not None]
        return [sorted(int.from_bytes(i[3:], "big") for i in ids(t)) for t in tables]


def ids(table) -> list[bytes]:
    """Give the ids of legs."""
    return table.column("cdr_id").to_pylist()


class _Anybody:
    def assigned(self, consumer, places) -> None: ...
    def revoked(self, places) -> None: ...
    def lost(self, places) -> None: ...


@pytest.fixture
def billing(tmp_path: Path) -> Iterator[Billing]:
    """Give billing with prices."""
    it = Billing(tmp_path)
    it.directory()
    yield it
    it.worker.close()
    it.store.close()


def at(number: int, ingested_ms: int, join: int = 7):
    """Give a leg that may join others."""
    return leg(number, seconds=1, join=join, ingested_at=ingested_ms)


def test_a_quiet_partition_is_proposed_early_and_again_when_the_call_grows(billing: Billing):
    """{1} after a moment without legs; {1,2} whole when leg 2 comes; nothing a third time."""
    send(billing.log, parsed(at(1, T0), time_ms=T0))
    billing.worker.step()
    assert billing.calls() == []
    time.sleep(QUIET_S)
    billing.worker.step()
    assert billing.calls() == [[1]]
    send(billing.log, parsed(at(2, T0 + 500), time_ms=T0 + 500))
    billing.worker.step()
    time.sleep(QUIET_S)
    for _ in range(3):
        billing.worker.step()
    assert billing.calls() == [[1], [1, 2]]


def test_data_time_travels_on_once_a_second_and_never_goes_back(billing: Billing):
    """Ticks each 250 ms give a message each second."""
    for ms in range(0, 3_000, 250):
        send(billing.log, parsed(time_ms=T0 + ms))
        billing.worker.step()
    send(billing.log, parsed(time_ms=T0 - 5_000))
    billing.worker.step()
    assert [m.data_time_ms - T0 for m in billing.rated()] == [0, 1_000, 2_000]


def test_a_restart_reads_from_the_low_water_and_repeats_nothing(billing: Billing):
    """Leg 2 is held at the end: its offset is the low water; after the restart it is proposed."""
    send(billing.log, parsed(at(1, T0), time_ms=T0))
    billing.worker.step()
    send(billing.log, parsed(time_ms=T0 + WINDOW_MS))
    billing.worker.step()
    assert billing.calls() == [[1]]
    late = T0 + WINDOW_MS + 10
    send(billing.log, parsed(at(2, late, join=8), time_ms=late))
    billing.worker.step()
    billing.worker.close()
    reader = billing.log.consumer("billing", [PARSED], _Anybody())
    reader.poll(5, 1)
    assert reader.committed((PARSED, 0)) == (3, LowWater(2).encode())
    reader.close()
    billing.worker = billing.new_worker()
    billing.worker.step()
    send(billing.log, parsed(time_ms=late + WINDOW_MS))
    billing.worker.step()
    assert billing.calls() == [[1], [2]]


def test_without_a_directory_it_waits_and_loses_nothing(tmp_path: Path):
    """Storage puts the directory there when it starts; until then nothing is held or passed."""
    billing = Billing(tmp_path)
    billing.prices.try_look()
    with pytest.raises(PricesMissingError, match="the storage role puts it there"):
        billing.prices.stages()
    assert "no directory" in billing.prices.error
    billing.directory()
    billing.prices.try_look()
    assert billing.prices.error == ""
    send(billing.log, parsed(leg(1, seconds=1), time_ms=T0))
    billing.worker.step()
    assert billing.calls() == [[1]]
    billing.worker.close()
    billing.store.close()


def test_portions_hold_whole_calls():
    """Legs 0..9 in pairs, at most 3 of a portion: 4, 4, 2."""
    legs = leg_table(*[leg(n, seconds=1, join=n // 2) for n in range(10)])
    stages = Stages.of(Directory(version=1), [], "dialled_out")
    portions = [sorted(ids(p.members)) for p in proposed(legs, stages, rated_at_ms=1, rows_max=3)]
    assert portions == [[leg_id(n) for n in part] for part in (range(4), range(4, 8), (8, 9))]
