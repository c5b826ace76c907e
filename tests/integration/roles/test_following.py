"""The roles follow the configuration while they run; nothing that came too early is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import SuspenseFilter
from bluewhale.jobs.current import CurrentStages
from bluewhale.jobs.rejoining import join_everything
from bluewhale.jobs.replaying import replay_known

from tests.integration.roles.in_memory import Installation
from tests.support.roles_world import with_roles, world_of

BEFORE, AFTER = {"east": [0, 1]}, {"east": [0, 1], "west": [2]}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Give three PBXs, two of which are read by the unit east; the third by nobody yet."""
    world = world_of(tmp_path, calls=240, garbage=2)
    it = Installation(world, with_roles(world, BEFORE), tmp_path)
    it.send(world.pbxs[0].pbx_uid, "east")
    it.send(world.pbxs[1].pbx_uid, "east")
    yield it
    it.close()


def send_of_west(it: Installation) -> int:
    """Send the third PBX as the unit west does, whether the roles know of it or not."""
    before = it.following.configuration.path.read_bytes()
    it.configuration = with_roles(it.world, AFTER)
    count = it.send(it.world.pbxs[2].pbx_uid, "west")
    it.following.configuration.path.write_bytes(before)
    return count


def waiting(it: Installation) -> Counter[str]:
    """Count what waits, by reason."""
    found = it.store.suspense_list(SuspenseFilter(state="waiting"), limit=10_000)
    return Counter(found.column("reason").to_pylist())


def differences(it: Installation) -> list[str]:
    """Give what the store says otherwise than the truth."""
    return compare(it.world.truth, it.store, {p.pbx_uid for p in it.world.pbxs})


def test_a_link_added_while_the_roles_run_is_parsed_without_a_restart(installation: Installation):
    """The parser meets a stream that it does not know, looks at the file, and knows it."""
    installation.settle()
    installation.configuration = with_roles(installation.world, AFTER)
    sent = installation.send(installation.world.pbxs[2].pbx_uid, "west")
    assert sent > 50
    installation.settle()
    assert differences(installation) == []
    assert waiting(installation)["link_unknown"] == 0
    assert installation.following.configuration.unit("west") is not None


def test_frames_of_a_link_that_the_parser_does_not_know_wait_and_become_calls_once(
    installation: Installation,
):
    """Its file comes late: every record waits; then all are parsed, and a second look finds none."""
    sent = send_of_west(installation)
    installation.settle()
    assert waiting(installation)["link_unknown"] == sent
    assert replay_known(installation.following.configuration, installation.store, limit=9).text() == (
        "0 applied, 0 still wait"
    )  # fmt: skip
    with_roles(installation.world, AFTER)
    assert installation.following.refresh()
    store, now = installation.store, installation.following.configuration
    first = replay_known(now, store, limit=9)
    rest = replay_known(now, store, limit=10_000)
    assert first.applied + first.waiting == 9
    assert first.applied + rest.applied == sent - 2
    assert first.waiting + rest.waiting == 2  # lines of garbage wait on, under their own reason
    assert replay_known(now, store, limit=10_000).applied == 0
    join_everything(store, installation.stages, installation.now_ms)
    assert differences(installation) == []
    assert waiting(installation)["link_unknown"] == 0
    found = store.completeness().days.to_pylist()
    assert sum(d["suspended"] for d in found) == 6


def test_a_unit_that_sends_again_what_was_suspended_and_parsed_later_makes_no_call_twice(
    installation: Installation,
):
    """The log was wiped meanwhile: the same frames come once more, after their replay."""
    send_of_west(installation)
    installation.settle()
    with_roles(installation.world, AFTER)
    assert installation.following.refresh()
    replay_known(installation.following.configuration, installation.store, limit=10_000)
    send_of_west(installation)
    with_roles(installation.world, AFTER)
    installation.settle()
    join_everything(installation.store, installation.stages, installation.now_ms)
    assert differences(installation) == []


def test_a_changed_directory_reaches_prices_by_the_database_and_a_bad_one_does_not(
    installation: Installation,
):
    """Storage stores the next version; billing finds it; a mistake leaves both as they were."""
    it = installation
    current = CurrentStages(it.following, it.store, look_s=0.0)
    first = current.get().index.directory.version
    assert it.prices.look() is False
    path = it.following.configuration.settings.directory[0]
    if path.is_dir():
        path = min(path.glob("*.yaml"))
    good = path.read_text("utf-8")
    document = yaml.safe_load(good)
    document["sites"][0]["name"] = "Renamed"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    assert it.following.refresh()
    assert current.get().index.directory.version == first + 1
    assert it.prices.look() is True
    assert it.prices.stages().index.directory.sites[0].name == "Renamed"
    path.write_text(good.replace("sites:", "sights:", 1), "utf-8")
    assert not it.following.refresh()
    assert path.name in it.following.problem
    assert current.get().index.directory.version == first + 1


def test_a_file_that_goes_between_loading_and_storing_leaves_the_stages_that_there_are(
    installation: Installation,
):
    """It is told and tried again: the file is back, and the next directory version is in use."""
    it = installation
    current = CurrentStages(it.following, it.store, look_s=0.0)
    before = current.get()
    more = it.following.configuration.path.parent / "more.yaml"
    more.write_text("sites: []\n", "utf-8")
    document = yaml.safe_load(it.following.configuration.path.read_text("utf-8"))
    document["directory"].append("more.yaml")
    it.following.configuration.path.write_text(yaml.safe_dump(document), "utf-8")
    assert it.following.refresh()
    more.rename(more.with_suffix(".aside"))
    assert current.get() is before
    assert "more.yaml" in it.following.told
    more.with_suffix(".aside").rename(more)
    now = current.get()
    assert now.index.directory.version == before.index.directory.version + 1
    assert it.following.told == ""
