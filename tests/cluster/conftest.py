"""What the cluster tests share: one cluster, one installation at a time, and what is left out."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluewhale.cli.borrowing import borrowed_database, borrowed_prefix
from bluewhale.cli.simulate.session import World

from tests.cluster import places, standard, surroundings
from tests.cluster.hands import Hands
from tests.cluster.kube import Kube
from tests.support.helm import CHART

PREFIX = "t-"
HERE = Path(__file__).parent
# installations are made once, and used by these in turn
ORDER = (
    "test_single_node", "test_skaffold", "test_bad_installs", "test_standard", "test_bad_input", "test_people", "test_faults",
    "test_the_end",
)  # fmt: skip


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these tests alone unless somebody asks for them: `-m cluster`."""
    return None if config.option.markexpr == "cluster" else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bring the tests into order; leave out what the surroundings do not have, and say so."""
    ours = [item for item in items if item.path.parent == HERE]
    if not ours:
        return
    for item in ours:
        item.add_marker(pytest.mark.cluster)
    ours.sort(key=lambda item: ORDER.index(item.path.stem))
    without = {item: why for item in ours if (why := _lacking(item))}
    reasons = [why for found in without.values() for why in found]
    told = [f"{reasons.count(why)} tests: {why}" for why in dict.fromkeys(reasons)]
    if told and surroundings.given("BLUEWHALE_REQUIRE_CLUSTER") == "1":
        raise pytest.UsageError("\n- ".join(["the cluster tests lack", *told]))
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for text in told:
        reporter.write_line(f"left out {text}")
    items[:] = [i for i in items if i not in ours] + [i for i in ours if i not in without]
    if without:
        config.hook.pytest_deselected(items=list(without))


def _lacking(item: pytest.Item) -> list[str]:
    """Say what a test lacks."""
    needs = [need for mark in item.iter_markers("needs") for need in mark.args]
    lacks = filter(None, map(surroundings.missing_for, needs))
    return list(dict.fromkeys([*surroundings.missing_for_all(), *lacks]))


@pytest.fixture(scope="session")
def image() -> str:
    """Give the name of the image, which is in the nodes."""
    return surroundings.image()


@pytest.fixture(scope="session")
def cluster() -> Kube:
    """Give the cluster, in the namespace `default`."""
    return Kube(surroundings.program("kubectl"), "default")


@pytest.fixture(scope="session")
def nodes(cluster: Kube) -> list[str]:
    """Give the names of the nodes; the first is where all but units runs."""
    return [node["metadata"]["name"] for node in cluster.list("nodes")]


@pytest.fixture(scope="session")
def hands(cluster: Kube, image: str, nodes: list[str]) -> Iterator[Hands]:
    """Give a hand on each node, for signals."""
    made = Hands(Kube(cluster.kubectl, f"{PREFIX}hands"), image, nodes)
    made.start()
    yield made
    made.end()


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the chart as it is handed out."""
    folder = tmp_path_factory.mktemp("chart")
    subprocess.run(
        [surroundings.program("helm"), "package", CHART, "-d", folder],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.tgz"))


@pytest.fixture(scope="session")
def world() -> World:
    """Give the PBXs and the truth of their calls."""
    return places.world()


@contextlib.contextmanager
def place_in(
    namespace: str, cluster: Kube, packaged: Path, image: str, world: World, home: str
) -> Iterator[places.Place]:
    """Make a namespace for an installation; it goes with the block."""
    kube = Kube(cluster.kubectl, PREFIX + namespace)
    kube.made()
    helm = places.Helm(surroundings.program("helm"), kube.namespace)
    try:
        yield places.Place(kube, helm, packaged, image, world, home)
    finally:
        helm.tried("uninstall", places.RELEASE, "--wait", "--timeout", "60s")
        kube.gone()


@pytest.fixture(scope="module")
def single(cluster, packaged, image, world, nodes) -> Iterator[places.Place]:
    """Give a namespace for the profile single-node."""
    with place_in("single", cluster, packaged, image, world, nodes[0]) as place:
        yield place


@pytest.fixture(scope="session")
def roles(cluster, packaged, image, world, nodes) -> Iterator[standard.Standard]:
    """Give the profile standard, installed, with a database and topics of its own."""
    with (
        borrowed_database(surroundings.given("POSTGRES_DSN")) as database,
        borrowed_prefix(surroundings.given("KAFKA_BOOTSTRAP")) as prefix,
        place_in("standard", cluster, packaged, image, world, nodes[0]) as place,
    ):
        made = standard.Standard(place, database, prefix)
        made.install()
        yield made
