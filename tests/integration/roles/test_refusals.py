"""What a role says when it cannot start, or must wait: a clear message, and it ends when asked."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.setup import free_port
from bluewhale.messaging.kafka import KafkaLog

from tests.support.roles_world import with_roles, world_of
from tests.support.running import Cold, run, wait_until

NOWHERE = "127.0.0.1:1"  # nobody listens there


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a small world."""
    return world_of(tmp_path, calls=30)


def test_a_role_without_its_section_says_what_to_add(world: World):
    """A configuration of the embedded runtime is not enough; exit 2, no traceback."""
    done = run("role", "parser", "--config", world.folder)
    assert done.returncode == 2
    assert "cluster: a role needs this section; add `cluster: {}` at least" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_mistake_of_a_configuration_is_named_at_once(world: World, monkeypatch):
    """Two in the file, one in the environment; exit 2."""
    path = world.folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text())
    document["cluster"] = {"kafka": {"partitions": 0}, "storage": {"lisen": "127.0.0.1:1"}}
    path.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("BLUEWHALE_CLUSTER__TELEMETRY__SAMPLE_RATIO", "2")
    done = run("role", "billing", "--config", world.folder)
    assert done.returncode == 2
    assert "3 mistakes in the configuration" in done.stderr
    assert "cluster.kafka.partitions: Input should be greater than or equal to 1" in done.stderr
    assert "cluster.storage.lisen: Extra inputs are not permitted" in done.stderr
    assert "environment BLUEWHALE_CLUSTER__TELEMETRY__SAMPLE_RATIO" in done.stderr


def test_a_broker_that_is_away_at_the_start_is_waited_for(world: World, monkeypatch):
    """Alive, not ready, saying why; SIGTERM ends it within seconds."""
    with_roles(world, {"east": [0, 1, 2]}, {"kafka": {"bootstrap": NOWHERE}})
    port = free_port()
    monkeypatch.setenv("BLUEWHALE_CLUSTER__HEALTH__PORT", str(port))
    monkeypatch.setenv("BLUEWHALE_CLUSTER__PARSER__LISTEN", f"127.0.0.1:{free_port()}")
    parser = Cold().start(world.folder, "role", "parser")
    try:
        wait_until(lambda: "waiting for the log" in probe(port, "readyz")[1], 60, "the reason")
        assert probe(port, "livez")[0] == 200
    finally:
        parser.stop(30)


@pytest.mark.services
def test_a_topic_with_other_partitions_is_refused_with_the_remedy(
    world: World, kafka_bootstrap: str, kafka_prefix: str
):
    """Made with two, configured with three: the role ends and says what to do."""
    log = KafkaLog(kafka_bootstrap, client_id="test", prefix=kafka_prefix)
    log.ensure_topics(2, 1)
    log.close()
    kafka = {"bootstrap": kafka_bootstrap, "prefix": kafka_prefix, "partitions": 3}
    parser = {"listen": f"127.0.0.1:{free_port()}"}
    with_roles(world, {"east": [0, 1, 2]}, {"kafka": kafka, "parser": parser})
    done = run("role", "parser", "--config", world.folder)
    assert done.returncode == 1
    assert "has 2 partitions, this installation 3: set cluster.kafka.partitions to 2" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def probe(port: int, name: str) -> tuple[int, str]:
    """Ask one health question; gives status and text, 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""
