"""The configuration in force follows its files: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import (
    Configuration,
    ConfigurationError,
    Following,
    load,
    loading,
    stream_id,
)

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


def include(configuration: Configuration, **parts: dict) -> Path:
    """Let the configuration include a folder with these files; give the folder."""
    folder = configuration.path.parent / "units.d"
    folder.mkdir(exist_ok=True)
    document = yaml.safe_load(configuration.path.read_text("utf-8"))
    if "include" not in document:
        document["include"] = ["units.d"]
        configuration.path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    for name, part in parts.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(part, sort_keys=False), "utf-8")
    return folder


def added(world: World, name: str, index: int = 1) -> dict:
    """A part: a link of its own to a PBX that the directory has, and a unit that reads it."""
    link = {
        "link_uid": f"{name}-link",
        "pbx_uid": world.pbxs[index].pbx_uid,
        "dialect": "asterisk_csv",
        "connector": {"type": "tcp_client", "host": "pbx", "port": 4000},
    }
    return {"links": [link], "units": [{"unit_uid": name, "links": [f"{name}-link"]}]}


def test_files_of_an_included_folder_add_links_and_units(world, configuration):
    """Each as if it stood in the file itself; a file that goes takes them away."""
    folder = include(configuration, west=added(world, "west"))
    loaded = load(configuration.path)
    assert loaded.streams[stream_id("west-link", "west")].link_uid == "west-link"
    following = Following(loaded)
    include(configuration, north=added(world, "north"))
    assert following.refresh()
    assert [u.unit_uid for u in following.configuration.settings.units] == ["east", "north", "west"]
    assert following.told == ""
    (folder / "west.yaml").unlink()
    assert following.refresh()
    assert [u.unit_uid for u in following.configuration.settings.units] == ["east", "north"]


def test_an_included_file_with_a_mistake_is_left_out_whole_and_told(world, configuration):
    """The others hold: one unknown PBX does not keep a hundred links from being changed."""
    wrong = added(world, "west")
    wrong["links"][0]["pbx_uid"] = "nowhere"
    folder = include(configuration, west=wrong, north=added(world, "north"))
    following = Following(load(configuration.path))
    assert [u.unit_uid for u in following.configuration.settings.units] == ["east", "north"]
    assert f"{folder}/west.yaml:2: links.0 (west-link): pbx_uid: 'nowhere'" in following.told
    include(configuration, west=added(world, "west"))
    assert following.refresh()
    assert following.told == ""
    (folder / "west.yaml").write_text("links: [", "utf-8")
    assert following.refresh()
    assert f"{folder}/west.yaml:1: cannot be read" in following.told
    (folder / "west.yaml").write_text("tariffs: []", "utf-8")
    assert following.refresh()
    assert "west.yaml:1: tariffs: Extra inputs are not permitted; remove it" in following.told


def test_what_two_files_claim_belongs_to_the_first_and_never_to_an_included_one(
    world, configuration
):
    """The file itself is first, then names decide."""
    again = added(world, "west")
    again["units"][0]["unit_uid"] = "east"
    include(configuration, west=again, a=added(world, "north"), b=added(world, "north"))
    loaded = load(configuration.path)
    assert [u.unit_uid for u in loaded.settings.units] == ["east", "north"]
    assert len(loaded.refused) == 3
    assert "unit_uid: another unit has this name" in " ".join(loaded.refused)


def test_links_may_all_be_included_but_must_be_somewhere(world, configuration):
    """An installation that starts with no unit yet, and a folder that is not mounted yet."""
    document = yaml.safe_load(configuration.path.read_text("utf-8")) | {"links": [], "units": []}
    configuration.path.write_text(yaml.safe_dump(document), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(configuration.path)
    assert "links: none; add one, or a folder to include" in str(caught.value)
    include(configuration).rmdir()
    following = Following(load(configuration.path))
    assert following.configuration.profiles == {}
    include(configuration, west=added(world, "west"))
    assert following.refresh()
    assert list(following.configuration.profiles) == ["west-link"]


def test_a_mistake_in_an_included_file_takes_nothing_from_those_who_read_its_links(
    world, configuration
):
    """A running role goes on with what it had of that file; a start leaves it out."""
    folder = include(configuration, west=added(world, "west"))
    following = Following(load(configuration.path))
    in_force = following.configuration.settings.links
    wrong = added(world, "west")
    wrong["links"][0]["dialect"] = "asterisk_cvs"
    include(configuration, west=wrong, north=added(world, "north"))
    assert following.refresh()
    assert following.configuration.link("west-link") == in_force[-1]
    assert [u.unit_uid for u in following.configuration.settings.units] == ["east", "north", "west"]
    assert following.problems == [
        text for text in following.problems if text.startswith(f"{folder}/west.yaml:2: links.0")
    ]
    (folder / "west.yaml").write_text("links: [", "utf-8")
    assert following.refresh()
    assert following.configuration.link("west-link") == in_force[-1]
    assert [u.unit_uid for u in load(configuration.path).settings.units] == ["east", "north"]
    (folder / "west.yaml").unlink()
    assert following.refresh()
    assert [u.unit_uid for u in following.configuration.settings.units] == ["east", "north"]
    assert following.told == ""


def test_of_many_included_files_those_alone_are_read_that_changed(
    world, configuration, monkeypatch
):
    """A thousand RemoteUnits, and one of them is edited."""
    names = [f"u{n}" for n in range(20)]
    folder = include(configuration, **{name: added(world, name) for name in names})
    following = Following(load(configuration.path))
    read = []
    parsed = loading._parsed
    monkeypatch.setattr(loading, "_parsed", lambda text: (read.append(text), parsed(text))[1])
    wrong = added(world, "u7")
    wrong["units"][0]["links"] = ["u7-link", "nowhere"]
    include(configuration, u7=wrong)
    assert following.refresh()
    assert [text.count("nowhere") for text in read] == [1]
    (problem,) = following.problems
    assert problem.startswith(f"{folder}/u7.yaml:10: units.0 (u7): links: 'nowhere' is no link")
    assert len(following.configuration.settings.units) == 21
