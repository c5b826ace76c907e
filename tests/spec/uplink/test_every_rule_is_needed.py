"""The simulation finds each rule that is left out: so it can find a mistake, too."""

import pytest
from bluewhale.uplink.lanes import Lanes

from tests.spec.uplink import test_simulation
from tests.support.uplink_world import ModelJournal, World

SEEDS = 40
acknowledge = ModelJournal.acknowledge


def _whatever_the_crc(self, key, through, crc):
    known = self.lanes[key].journaled if key in self.lanes else through
    return acknowledge(self, key, min(through, known), None)


def _keep_what_was_sent(self, now_ms):
    for turns in self._streams.values():
        turns.wait_until_ms = 0


LEFT_OUT = [
    (Lanes, "send_stalled_again", lambda *_: []),
    (Lanes, "send_again", lambda *_: None),
    (Lanes, "restart", _keep_what_was_sent),
    (ModelJournal, "acknowledge", _whatever_the_crc),
]


def _settle_soon(world: World) -> None:
    world.centre_up = world.storage_up = True
    for _ in range(600):
        world.step(200)
        if world.waiting() == 0:
            return


@pytest.mark.parametrize(
    ("where", "rule", "instead"), LEFT_OUT, ids=[rule for _, rule, _ in LEFT_OUT]
)
def test_without_the_rule_some_world_loses_or_keeps_records(monkeypatch, where, rule, instead):
    """Sending again when nothing moves, on request, on connect; the CRC of the mark."""
    monkeypatch.setattr(where, rule, instead)
    monkeypatch.setattr(test_simulation, "settle", _settle_soon)
    for seed in range(SEEDS):
        try:
            test_simulation.check(test_simulation.run(seed))
        except AssertionError:
            return
    pytest.fail(f"nobody missed {rule} in {SEEDS} worlds")
