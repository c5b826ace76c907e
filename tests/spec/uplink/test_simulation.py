"""The two sides under everything that networks, disks and brokers do; seeded."""

import pytest
from bluewhale.messaging import PARSED, RAW
from bluewhale.uplink import LaneKey

from tests.support.uplink_pipeline import Centre, crc_of
from tests.support.uplink_world import STREAMS, Unit, World

SEEDS = 60
SEEDS_SLOW = 400
COPIES = 400
COPIES_SLOW = 4_000


def run(seed: int) -> World:
    """Hear records while things go wrong, then let everything settle."""
    world = World(seed)
    rng = world.rng
    backup = None
    for _ in range(rng.randint(150, 400)):
        for unit in world.units:
            if unit.alive and rng.random() < 0.6:
                for _ in range(rng.randint(1, 8)):
                    world.hear(unit, rng.choice(STREAMS))
        event = rng.random()
        unit = rng.choice(world.units)
        if event < 0.03 and unit.connection is not None:
            unit.connection.cut()
        elif event < 0.04:
            unit.restart()
        elif event < 0.05:
            world.crash_centre()
        elif event < 0.06:
            world.centre_up = not world.centre_up
        elif event < 0.075:
            world.storage_up = not world.storage_up
        elif event < 0.08:
            world.wipe_log()
        elif event < 0.09:
            backup = world.backup(unit)
        elif event < 0.095 and backup is not None:
            lost = {r for lane in unit.journal.lanes.values() for r in lane.records.values()}
            unit.restart(backup)  # what came after the copy is gone with the disk
            kept = {r for lane in backup.lanes.values() for r in lane.records.values()}
            world.heard -= lost - kept - world.centre.kept
            backup = None
        elif event < 0.098 and len(world.units) < 3:
            twin = Unit(world, world.backup(unit))  # a snapshot that runs: same incarnations
            world.units.append(twin)
        elif 0.1 < event < 0.12:
            world.lose_unread()
        elif 0.12 < event < 0.13:
            world.centre.parse_again(rng.randint(1, 100))
        elif 0.13 < event < 0.145:
            world.parser_up = not world.parser_up
        world.step(rng.choice([20, 50, 200, 1_000]))
    settle(world)
    return world


def run_copies(seed: int) -> World:
    """Let two running copies of one unit send different records under the same keys; wipe topics."""
    world = World(seed)
    world.delay_ms = world.rng.choice([2, 50, 400])
    rng, unit = world.rng, world.units[0]
    for _ in range(rng.randint(0, 3)):
        world.hear(unit, 1)
    world.units.append(Unit(world, world.backup(unit)))
    for _ in range(rng.randint(20, 60)):
        for unit in world.units:
            if rng.random() < 0.4:
                world.hear(unit, 1)
        event, unit = rng.random(), rng.choice(world.units)
        if event < 0.1 and unit.connection is not None:
            unit.connection.cut()
        elif event < 0.2:
            world.wipe_log()
        elif event < 0.25:
            world.storage_up = not world.storage_up
        elif event < 0.3:
            world.parser_up = not world.parser_up
        elif event < 0.32:
            world.crash_centre()
        elif event < 0.35:
            world.centre.parse_again(rng.randint(1, 10))
        world.step(rng.choice([20, 50, 200, 1_000]))
    settle(world)
    return world


def settle(world: World) -> None:
    """Let everything work and wait until nothing is left to send."""
    world.centre_up = world.parser_up = world.storage_up = True
    for _ in range(6_000):
        world.step(200)
        if world.waiting() == 0:
            return


def check(world: World) -> None:
    """Hold the promise: all is stored, and the units know."""
    missing = world.heard - world.centre.kept
    assert not missing, f"{len(missing)} records never arrived, such as {min(missing)}"
    assert world.waiting() == 0, "the unit keeps records that are stored"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_everything_arrives_and_nothing_is_deleted_before_it_is_stored(seed):
    """Cuts, restarts, wiped logs, restored disks and cloned units lose no record."""
    check(run(seed))


@pytest.mark.parametrize("block", range(COPIES // 100))
def test_copies_of_one_unit_lose_nothing_while_topics_are_wiped_unnoticed(block):
    """Each copy has its own records under the same keys; no mark speaks for what a hole hides."""
    for seed in range(block * 100, block * 100 + 100):
        check(run_copies(seed))


@pytest.mark.parametrize("name", [RAW, PARSED])
def test_a_record_behind_a_hole_is_not_stored_before_the_hole_is_closed(name):
    """B's 1 is wiped, its 2 goes into the new topic unnoticed, A's 1 comes: the mark is A's, at 1."""
    centre, key = Centre(), LaneKey(1, 7)
    before = centre.log_id
    centre.append(before, key, 1, ["B1"])
    if name == RAW:
        centre.raw.wipe()
    else:
        centre.parse(9)
        centre.parsed.wipe()
    centre.append(before, key, 2, ["B2"])
    centre.append(centre.log_id, key, 1, ["A1"])
    centre.parse(9)
    centre.store(9)
    assert centre.kept == {"A1"}
    assert [(m.stored_through, m.record_crc) for m in centre.marks()] == [(1, crc_of("A1"))]
    centre.append(centre.log_id, key, 1, ["B1", "B2"])  # asked again
    centre.parse(9)
    centre.store(9)
    assert centre.kept == {"A1", "B1", "B2"}


@pytest.mark.slow
@pytest.mark.parametrize("block", range(SEEDS_SLOW // 100))
def test_everything_arrives_in_many_more_worlds(block):
    """The same, over hundreds of seeds."""
    for seed in range(10_000 + block * 100, 10_100 + block * 100):
        check(run(seed))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(COPIES_SLOW // 1_000))
def test_copies_lose_nothing_in_many_more_worlds(block):
    """The same, over thousands of seeds."""
    for seed in range(100_000 + block * 1_000, 101_000 + block * 1_000):
        check(run_copies(seed))


def test_a_huge_backlog_never_starves_a_quiet_stream():
    """A stream with ten thousand records waiting leaves every other turn to one with a few."""
    world = World(7)
    world.delay_ms = 2
    unit = world.units[0]
    for _ in range(10_000):
        world.hear(unit, 1)
    for _ in range(20):
        world.step()
    for _ in range(30):
        world.hear(unit, 2)
    quiet = {r for r in world.heard if r.startswith("2/")}
    steps = 0
    while not quiet <= world.centre.kept:
        world.step()
        steps += 1
        assert steps < 60
    assert len(world.centre.kept) < 10_000
