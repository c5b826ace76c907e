"""Alerts over the log: billing finds, storage keeps, and nothing is told twice or lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bluewhale.alerting import EmergencyCallRule, Rules
from bluewhale.billing.prices import Prices
from bluewhale.billing.relay import BillingRelay
from bluewhale.database import CallFilter, Store
from bluewhale.database.alerts import AlertFilter, Alerts, StoredAlert
from bluewhale.messaging import PARSED, MemoryLog, Watchdog, Worker
from bluewhale.nexus import Health
from bluewhale.storage.aside import Aside
from bluewhale.storage.sink import Sink
from bluewhale.telemetry import Metrics

from tests.support.legs import leg
from tests.support.parsed import parsed, send
from tests.support.running import wait_until

DIRECTORY = b"""
sites: [{site_uid: berlin, name: Berlin, zone: Europe/Berlin, country: DE}]
pbxs: [{pbx_uid: berlin, site_uid: berlin, name: one}]
"""
HELP = EmergencyCallRule(rule_uid="help", name="Help", to=("soc",))


@dataclass
class Roles:
    """Billing and storage over one log in memory."""

    log: MemoryLog
    store: Store
    prices: Prices
    sink: Sink
    rules: list[Rules]
    billing: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.billing = self.new_billing()

    def new_billing(self) -> Worker:
        """Give another billing of the group."""
        producer = self.log.producer()
        relay = BillingRelay(self.prices, producer, Metrics(), window_ms=3_000, rows_max=1_000)
        return Worker(self.log, "billing", [PARSED], relay, poll_ms=5, commit_interval_s=0.0)

    def alerts(self) -> list[StoredAlert]:
        """Give all alerts."""
        return Alerts(self.store.db).listed(AlertFilter(), limit=10, now_ms=0)

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Work until something is stored."""

        def worked() -> bool:
            self.billing.step()
            self.sink.step()
            return happened()

        wait_until(worked, 60, what)

    def until_stored(self, count: int) -> None:
        """Work until so many alerts are stored."""
        self.until(lambda: len(self.alerts()) == count, f"{count} alerts")

    def legs_of_calls(self) -> list[int]:
        """Give how many legs each stored call has."""
        return self.store.search_calls(CallFilter()).column("leg_count").to_pylist()


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[Roles]:
    """Give roles with one rule."""
    log, store = MemoryLog(), Store.open(tmp_path / "store")
    log.ensure_topics(1, 1)
    store.put_directory({"000/directory.yaml": DIRECTORY}, who="test", now_ms=1)
    rules = [Rules((HELP,))]
    prices = Prices(store, "dialled_out", lambda: rules[-1])
    prices.look()
    sink = Sink(
        log,
        store,
        aside=Aside(tmp_path / "aside"),
        watchdog=Watchdog("storage"),
        health=Health(),
        metrics=Metrics(),
    )
    it = Roles(log, store, prices, sink, rules)
    yield it
    it.billing.close()
    it.sink.close()
    store.close()


def emergency(number: int, **columns: Any) -> dict[str, Any]:
    """Give a leg of a call to 112 that ended a moment ago."""
    now = int(time.time() * 1000)
    moments = dict.fromkeys(("setup_at", "answer_at"), now - 20_000)
    moments |= dict.fromkeys(("release_at", "join_at", "received_at", "ingested_at"), now)
    return leg(
        number,
        seconds=20,
        call_class="emergency",
        direction="outbound",
        called_number="112",
        calling_extension="214",
        **(moments | columns),
    )


def test_what_billing_finds_is_stored_with_its_call(roles: Roles):
    """One call, one alert, one message that waits for its channel."""
    now = int(time.time() * 1000)
    send(roles.log, parsed(emergency(1, join=7), time_ms=now))
    roles.until_stored(1)
    (one,) = roles.alerts()
    assert (one.rule_uid, one.kind, one.calls) == ("help", "emergency_call", 1)
    due = Alerts(roles.store.db).due(now_ms=now + 60_000)
    assert [d.channel for d in due] == ["soc"]


def _second_leg_tells_nobody(roles: Roles, now: int) -> None:
    """Send it 100 ms behind the first: one call of both legs, one alert, one message."""
    send(roles.log, parsed(emergency(1, join=7), time_ms=now + 100))
    roles.until(lambda: roles.legs_of_calls() == [2], "a call of both legs")
    (one,) = roles.alerts()
    calls = Alerts(roles.store.db).calls_of(one.alert_id)
    assert (one.openings, len(calls)) == (1, 1)
    assert roles.store.get_call(calls[0]).call.column("leg_count").to_pylist() == [2]
    assert len(Alerts(roles.store.db).due(now_ms=now + 60_000)) == 1


def test_a_call_that_grows_tells_nobody_again(roles: Roles):
    """A second leg comes, and the call goes by a smaller id: still one alert, one message."""
    now = int(time.time() * 1000)
    send(roles.log, parsed(emergency(2, join=7), time_ms=now))
    roles.until_stored(1)
    _second_leg_tells_nobody(roles, now)


def test_a_call_that_grows_after_a_restart_of_billing_tells_nobody_again(roles: Roles):
    """What was held is read again without a word: the second leg finds the first, and no message goes."""
    now = int(time.time() * 1000)
    send(roles.log, parsed(emergency(2, join=7), time_ms=now))
    roles.until_stored(1)
    roles.billing.close()
    roles.billing = roles.new_billing()
    _second_leg_tells_nobody(roles, now)


def test_rules_that_changed_judge_the_next_calls(roles: Roles):
    """Without the rule nothing is told; the prices stay as they are."""
    stages = roles.prices.stages()
    roles.rules.append(Rules())
    assert roles.prices.look()
    assert roles.prices.stages().book is stages.book
    now = int(time.time() * 1000)
    send(roles.log, parsed(emergency(1, join=7), time_ms=now))
    roles.until(lambda: roles.legs_of_calls() == [1], "the call")
    assert roles.alerts() == []  # it would stand in the transaction of its call
