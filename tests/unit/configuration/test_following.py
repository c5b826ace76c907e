"""The configuration in force follows its files: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Configuration, ConfigurationError, Following, stream_id

from tests.support.roles_world import with_roles, world_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give three PBXs."""
    return world_of(tmp_path, calls=3)


@pytest.fixture
def configuration(world: World) -> Configuration:
    """Let the unit east read the first PBX."""
    return with_roles(world, {"east": [0]})


def test_a_unit_that_is_added_to_the_file_is_in_force_with_its_streams(world, configuration):
    """Nothing changed: nothing is loaded; west is added: its stream is known."""
    following = Following(configuration)
    assert not following.refresh()
    assert following.configuration is configuration
    west = stream_id(world.pbxs[1].link_uid, "west")
    with_roles(world, {"east": [0], "west": [1]})
    assert following.refresh()
    assert following.configuration.streams[west].link_uid == world.pbxs[1].link_uid
    assert following.told == ""
    assert not following.refresh()


def test_a_mistake_is_told_with_file_line_field_and_remedy_and_changes_nothing(
    world, configuration
):
    """A link that does not exist, then no YAML at all, then the file as it was."""
    following = Following(configuration)
    path = configuration.path
    good = path.read_text("utf-8")
    line = next(i for i, text in enumerate(good.splitlines(), 1) if "unit_uid: east" in text)
    path.write_text(good + "- unit_uid: west\n  links: [nowhere]\n", "utf-8")
    document = yaml.safe_load(good)
    document["units"].append({"unit_uid": "west", "links": ["nowhere"]})
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    assert not following.refresh()
    assert f"{path}:{line + 3}: units.1 (west): links: 'nowhere' is no link" in following.problem
    assert "add it to links, or use one of" in following.problem
    assert following.configuration is configuration
    path.write_text("links: [", "utf-8")
    assert not following.refresh()
    assert f"{path}:1: not YAML" in following.problem
    path.write_text(good, "utf-8")
    assert following.refresh()
    assert following.problem == ""


def test_a_file_that_only_the_refused_configuration_names_is_watched_too(world, configuration):
    """Its mistake is mended in that file alone; the configuration is in force then."""
    following = Following(configuration)
    folder = configuration.path.parent
    more = folder / "more.yaml"
    more.write_text("sites: 7\n", "utf-8")
    document = yaml.safe_load(configuration.path.read_text("utf-8"))
    document["directory"].append("more.yaml")
    configuration.path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    assert not following.refresh()
    assert "more.yaml" in following.problem
    more.write_text("sites: []\n", "utf-8")
    assert following.refresh()
    assert following.problem == ""


def test_a_deck_of_a_tariff_is_watched(world, configuration):
    """Prices stand beside the document of a tariff; a wrong one is refused with its place."""
    following = Following(configuration)
    deck = min((configuration.path.parent / "tariffs").glob("*.csv"))
    good = deck.read_bytes()
    deck.write_bytes(good + b"nonsense\n")
    assert not following.refresh()
    assert deck.name in following.problem
    deck.write_bytes(good)
    assert following.refresh()
    assert following.problem == ""
    rows = [version.deck.num_rows for version in following.configuration.tariffs]
    assert rows == [version.deck.num_rows for version in configuration.tariffs]


def test_what_holds_until_a_restart_is_told_and_the_rest_is_in_force(world, configuration):
    """Another Kafka and another link list: the links are followed, Kafka is not."""
    following = Following(configuration)
    document = yaml.safe_load(configuration.path.read_text("utf-8"))
    document["cluster"]["kafka"] = {"bootstrap": "elsewhere:9092"}
    document["units"][0]["links"] = [world.pbxs[2].link_uid]
    configuration.path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    assert following.refresh()
    now = following.configuration
    assert [u.links for u in now.settings.units] == [[world.pbxs[2].link_uid]]
    assert now.cluster.kafka.bootstrap == configuration.cluster.kafka.bootstrap
    assert following.told == f"{now.path}: cluster changed; restart this role to use it"


def test_another_count_of_partitions_is_refused_while_a_role_runs(world, configuration):
    """Streams would go to other partitions than their records before."""
    following = Following(configuration)
    with_roles(world, {"east": [0]}, {"kafka": {"partitions": 9}})
    assert not following.refresh()
    assert "cluster.kafka.partitions was 4 when this role started and is 9" in following.problem


def test_what_a_role_cannot_use_is_refused_before_it_is_in_force(world, configuration):
    """The role's own check comes before the swap."""

    def refuses(fresh: Configuration) -> None:
        raise ConfigurationError([f"{fresh.path}: not with me"])

    following = Following(configuration, before=refuses)
    with_roles(world, {"east": [0], "west": [1]})
    assert not following.refresh()
    assert following.problem.endswith("not with me")
    assert following.configuration is configuration
