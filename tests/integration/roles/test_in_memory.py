"""The roles over a log in memory: a simulated day ends at the truth, whatever restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import StoredTariff
from bluewhale.jobs.tariffs import StoredVersions
from bluewhale.rating.tariff import TariffVersion

from tests.integration.roles.in_memory import Installation
from tests.support.roles_world import with_roles, world_of


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Give three PBXs read by two units, and the roles."""
    world = world_of(tmp_path, calls=240, garbage=2)
    configuration = with_roles(world, {"east": [0, 1], "west": [2]})
    it = Installation(world, configuration, tmp_path)
    yield it
    it.close()


def differences(it: Installation) -> list[str]:
    """Give what the store says otherwise than the truth."""
    world: World = it.world
    return compare(world.truth, it.store, {p.pbx_uid for p in world.pbxs})


def test_a_day_of_three_pbxs_ends_at_the_truth(installation: Installation):
    """Every call, leg, department and price; what is no record waits in suspense."""
    a, b, c = (p.pbx_uid for p in installation.world.pbxs)
    sent = (
        installation.send(a, "east") + installation.send(b, "east") + installation.send(c, "west")
    )
    installation.settle()
    assert differences(installation) == []
    found = installation.store.completeness().days.to_pylist()
    assert sum(d["received"] for d in found) == sent
    assert sum(d["suspended"] for d in found) == 6
    marks = installation.store.marks()
    assert sum(m.stored_through for m in marks) == sent


def test_billing_that_restarts_in_the_middle_changes_nothing(installation: Installation):
    """It reads from its low water again, muted; the database ignores what it has."""
    a, b, c = (p.pbx_uid for p in installation.world.pbxs)
    installation.send(a, "east")
    installation.send(b, "east")
    for _ in range(2):
        installation.parser.step()
        installation.billing.step()
        installation.sink.step()
    installation.billing.close()
    installation.billing = installation.new_billing()
    installation.parser.close()
    installation.parser = installation.new_parser()
    installation.send(c, "west")
    installation.settle()
    assert differences(installation) == []


def test_two_units_that_read_one_pbx_make_each_call_once(installation: Installation):
    """The second copy of each record is a duplicate, counted and never charged."""
    a, b, c = (p.pbx_uid for p in installation.world.pbxs)
    installation.configuration = with_roles(installation.world, {"east": [0, 1], "west": [2, 0]})
    installation.parser.close()
    installation.parser = installation.new_parser()
    sent = installation.send(a, "east")
    again = installation.send(a, "west", records_max=7)
    installation.send(b, "east")
    installation.send(c, "west")
    installation.settle()
    assert sent == again
    assert differences(installation) == []
    days = installation.store.completeness().days.to_pylist()
    assert sum(d["duplicate"] for d in days) == sent - 2  # two lines of garbage are no legs


def test_a_log_that_is_wiped_and_fed_again_changes_nothing(installation: Installation):
    """Units send again from what is stored; positions of the old topic do not count."""
    a, b, c = (p.pbx_uid for p in installation.world.pbxs)
    for pbx_uid, unit in ((a, "east"), (b, "east")):
        installation.send(pbx_uid, unit)
    for _ in range(2):
        installation.parser.step()
        installation.billing.step()
        installation.sink.step()
    for topic in ("cdr.raw", "cdr.parsed", "cdr.rated"):
        installation.log.wipe(topic)
    for pbx_uid, unit in ((a, "east"), (b, "east"), (c, "west")):
        installation.send(pbx_uid, unit)
    installation.settle(rounds=8)
    assert differences(installation) == []


def test_an_activated_tariff_prices_from_then_on(installation: Installation):
    """No restart: the next look finds it; the same look again finds nothing new."""
    before = installation.prices.stages()
    assert installation.prices.look() is False
    tariff = next(t for t in installation.store.list_tariffs() if t.price_list == "internal")
    files = installation.store.tariff_files(tariff.tariff_uid, tariff.version)
    stored = installation.store.put_tariff(
        tariff_uid=tariff.tariff_uid,
        name=tariff.name,
        price_list=tariff.price_list,
        currency=tariff.currency,
        files={**files, "note.txt": b"another version"},
        rows=tariff.rows,
        who="test",
        now_ms=1,
        effective_from_ms=tariff.effective_from_ms,
        effective_until_ms=tariff.effective_until_ms,
    )
    assert installation.prices.look() is False
    installation.store.activate_tariff(stored.tariff_uid, stored.version, who="test", now_ms=2)
    assert installation.prices.look() is True
    assert installation.prices.stages() is not before


def test_a_stored_version_is_read_once_as_long_as_there_is_room_for_it(installation: Installation):
    """The one that was asked for last stays, however large."""
    internal, *others = installation.store.list_tariffs()
    other = next(t for t in others if t.tariff_uid != internal.tariff_uid)
    roomy, narrow = StoredVersions(), StoredVersions(bytes_max=1)

    def read(versions: StoredVersions, tariff: StoredTariff) -> TariffVersion:
        return versions.get(installation.store, tariff.tariff_uid, tariff.version)

    for versions in (roomy, narrow):
        assert read(versions, internal) is read(versions, internal)
    first = read(roomy, internal), read(narrow, internal)
    assert read(narrow, other).tariff_uid == read(roomy, other).tariff_uid == other.tariff_uid
    assert read(roomy, internal) is first[0]
    again = read(narrow, internal)
    assert again is not first[1]
    assert (again.tariff_uid, again.version) == (internal.tariff_uid, internal.version)
