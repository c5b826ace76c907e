"""The simulation finds each rule that is left out: so it can find a mistake, too."""

import pytest
from bluewhale.messaging import PARSED, RAW
from bluewhale.uplink import CentreSide
from bluewhale.uplink.lanes import Lanes

from tests.spec.uplink import test_simulation
from tests.support.uplink_pipeline import Reader
from tests.support.uplink_world import ModelJournal, World

SEEDS = 80
WORLDS = 200
acknowledge = ModelJournal.acknowledge
believes, look, log_changed = Reader.believes, Reader.look, CentreSide.log_changed


def _whatever_the_crc(self, key, through, crc):
    known = self.lanes[key].journaled if key in self.lanes else through
    return acknowledge(self, key, min(through, known), None)


def _keep_what_was_sent(self, now_ms):
    for turns in self._streams.values():
        turns.wait_until_ms = 0


def _everything(_reader, _entry):
    return True


def _everything_raw(self, entry):
    return self.topic.name == RAW or believes(self, entry)


def _everything_parsed(self, entry):
    return self.topic.name == PARSED or believes(self, entry)


def _look_later(self):
    """Read on in whatever topic has the name, and learn a while later that it is another one."""
    self.looks = getattr(self, "looks", 0) + 1
    if self.looks % 20 == 0:
        look(self)


def _from_the_mark(self, log_id, now):
    for lane in self._lanes.values():
        lane.deleted_through = lane.stored_through
    return log_changed(self, log_id, now)


LEFT_OUT = [
    (Lanes, "send_stalled_again", lambda *_: []),
    (Lanes, "send_again", lambda *_: None),
    (Lanes, "restart", _keep_what_was_sent),
    (ModelJournal, "acknowledge", _whatever_the_crc),
]


def _settle_soon(world: World) -> None:
    world.centre_up = world.parser_up = world.storage_up = True
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


COPIES_LEFT_OUT = [
    (Reader, "believes", _everything, 0),
    (Reader, "believes", _everything_raw, 200),
    (Reader, "believes", _everything_parsed, 0),
    (Reader, "look", _look_later, 0),
    (CentreSide, "log_changed", _from_the_mark, 2_800),
]


@pytest.mark.parametrize(
    ("where", "rule", "instead", "first"),
    COPIES_LEFT_OUT,
    ids=["nothing", "not_raw", "not_parsed", "stale_id", "from_the_mark"],
)
def test_without_the_rule_copies_over_a_wiped_log_lose_records(
    monkeypatch, where, rule, instead, first
):
    """Passing over what was meant for another topic, of both; a true id; asking for all again."""
    monkeypatch.setattr(where, rule, instead)
    with pytest.raises(AssertionError, match="was deleted before it was stored"):
        _check_copies(range(first, first + WORLDS))


def _check_copies(seeds: range) -> None:
    for seed in seeds:
        test_simulation.check(test_simulation.run_copies(seed))
