"""The configuration in force is replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import yaml
from bluewhale.configuration import load
from bluewhale.ingest.current import Current

from tests.integration.ingest.places import AVAYA, OF_SHOP, write_configuration


def test_a_changed_file_takes_effect_and_a_bad_one_leaves_the_old_one_in_force(
    tmp_path: Path,
) -> None:
    """A link is taken away; then a mistake; then it is mended."""
    path = write_configuration(tmp_path)
    current = Current(load(path))
    assert current.units() == ["depot", "shop"]
    assert not current.refresh()
    document = yaml.safe_load(path.read_text("utf-8"))
    document["units"][0]["links"] = ["london-asterisk-cdr"]
    path.write_text(yaml.safe_dump(document), "utf-8")
    assert current.refresh()
    assert AVAYA not in current.streams_of("depot")
    good = path.read_text("utf-8")
    path.write_text(good.replace("avaya_cm", "avaya_xx"), "utf-8")
    assert not current.refresh()
    assert "'avaya_xx' is not known" in current.problem
    assert current.streams_of("shop") == {OF_SHOP: "london-asterisk-cdr"}
    path.write_text(good + "\n", "utf-8")
    assert current.refresh()
    assert current.problem == ""


def test_a_stream_goes_to_the_partition_of_its_pbx_whichever_unit_sends_it(
    tmp_path: Path,
) -> None:
    """Two units of one link meet in one partition; an unknown stream has none."""
    current = Current(load(write_configuration(tmp_path)))
    (depot,) = [s for s, uid in current.streams_of("depot").items() if uid.startswith("london")]
    assert current.partition(depot) == current.partition(OF_SHOP)
    assert current.streams_of("kiosk") == {}
    assert current.partition(1) is None


def test_another_count_of_partitions_is_refused_while_the_role_runs(tmp_path: Path) -> None:
    """Streams would go to other partitions than their records before."""
    path = write_configuration(tmp_path)
    current = Current(load(path))
    path.write_text(path.read_text("utf-8").replace("partitions: 2", "partitions: 3"), "utf-8")
    assert not current.refresh()
    assert "cluster.kafka.partitions was 2 when this role started and is 3 now" in current.problem
