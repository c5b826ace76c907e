"""`kubectl bluewhale` with the real kubectl: from a command to the API server and back."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import sys
import tarfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from bluewhale.kubectl import orders

from tests.support.apiserver import VERBS, api_server
from tests.support.kubectl import RU, ForKubectl, Hand, Plugin, Said
from tests.support.remoteunits import body, centre, well

PAIR = {"units": {"preferred": "berlin-1", "standby": ["berlin-2"]}}
OPERATOR = {
    "app.kubernetes.io/part-of": "bluewhale",
    "app.kubernetes.io/component": "operator",
}
INGEST = {"app.kubernetes.io/part-of": "bluewhale", "app.kubernetes.io/component": "ingest"}
PLANTED = "hunter2-PLANTED"
# tests that run in the background have Ctrl-C taken from them, and so have their programs
WITH_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("bluewhale.kubectl.main", run_name="__main__")
"""
pytestmark = pytest.mark.usefixtures("kubectl")


class World:
    """An API server, an operator by hand and the plugin."""

    def __init__(self, server: ForKubectl, kubeconfig: Path) -> None:
        self.server, self.hand, self.plugin = server, Hand(server), Plugin(kubeconfig)

    async def run(self, *words: str) -> Said:
        """Run a command in the namespace of the resources."""
        return await asyncio.to_thread(self.plugin.run, *words)

    def annotations(self) -> dict[str, str]:
        """What is ordered now."""
        return self.server.found(RU, "berlin")["metadata"]["annotations"]


@contextlib.asynccontextmanager
async def world(folder: Path, **spec: Any) -> AsyncIterator[World]:
    """Everything around a resource `berlin`."""
    async with api_server(folder, ForKubectl) as (server, kubeconfig):
        server.resources["apps/v1/deployments"] = {
            "kind": "Deployment",
            "verbs": VERBS,
            "namespaced": True,
            "subresources": [],
        }
        made = World(server, kubeconfig)
        server.put(RU, body(**{**PAIR, **spec}))

        async def hand() -> None:
            while True:
                made.hand.look()
                await asyncio.sleep(0.05)

        task = asyncio.create_task(hand())
        try:
            await asyncio.sleep(0.1)
            yield made
        finally:
            task.cancel()


def live(scenario: Callable[[World], Any], folder: Path, **spec: Any) -> None:
    """Run a scenario."""

    async def whole() -> None:
        async with world(folder, **spec) as made:
            await scenario(made)

    asyncio.run(whole())


def test_the_dashboard_shows_owner_and_operator_and_ends_with_0(tmp_path: Path):
    """Everything is well: that is what a script can ask for."""

    async def scenario(world: World) -> None:
        world.server.put(
            "apps/v1/deployments",
            {"metadata": {"name": "b-operator", "namespace": "bluewhale", "labels": OPERATOR}},
        )
        said = await world.run("status", "-A")
        assert said.code == 0, said
        assert "pbx         berlin   True    Ready    berlin-1   2/2" in said.out
        assert "1 of 1 well." in said.out
        one = await world.run("status", "berlin", "-n", "pbx")
        assert "hq-avaya   berlin-1   connected" in one.out

    live(scenario, tmp_path)


def test_a_watch_goes_on_while_the_cluster_is_away_and_ends_by_ctrl_c(tmp_path: Path):
    """Look after look; an API server that does not answer is told, and looked for again."""

    async def scenario(world: World) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WITH_CTRL_C, "status", "-A", "--watch", "--every", "1",
            "--kubeconfig", str(tmp_path / "moving"), stdout=-1,
        )  # fmt: skip

        async def told(text: str) -> None:
            async with asyncio.timeout(20):
                while text not in (line := (await process.stdout.readline()).decode()):
                    assert line, f"it ended with {await process.wait()} before it said {text!r}"

        await told("the cluster does not answer")  # there is no such file yet
        (tmp_path / "moving").symlink_to(tmp_path / "kubeconfig")
        for _ in range(2):
            await told("1 of 1 well.")
        (tmp_path / "moving").unlink()
        await told("the cluster does not answer")
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 130

    live(scenario, tmp_path)


def test_what_is_not_well_ends_with_1_and_its_remedy(tmp_path: Path):
    """The standby unit is away."""

    async def scenario(world: World) -> None:
        world.hand.centre = centre(well("berlin-1"), well("berlin-2", state="enrolled"))
        await asyncio.sleep(0.2)
        said = await world.run("status", "-n", "pbx")
        assert said.code == 1
        assert "Connected: StandbyMissing\n    not connected: berlin-2" in said.out

    live(scenario, tmp_path)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("status", "paris", "-n", "pbx"), "no RemoteUnit paris in pbx; all of them: kubectl bluewhale status -A"),
        (("switchover", "berlin", "rome", "-n", "pbx"), "rome is no unit of berlin; berlin-1, berlin-2 are"),
        (("drain", "rome", "-n", "pbx"), "no RemoteUnit and no unit rome here"),
        (("enrol", "berlin", "rome", "-n", "pbx"), "rome is no unit of berlin"),
        (("status", "--context", "nowhere"), "kubectl config get-contexts"),
        (("diagnose", "--to", "x.zip"), "x.zip must end in .tar.gz"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_2_before_anything_is_ordered(
    words: tuple[str, ...], remedy: str, tmp_path: Path
):
    """A name that is wrong, a cluster that is not there."""

    async def scenario(world: World) -> None:
        said = await world.run(*words)
        assert (said.code, world.annotations()) == (2, {})
        assert remedy in said.err

    live(scenario, tmp_path)


def test_a_cluster_that_is_away_is_told_in_one_line(tmp_path: Path):
    """It logs each of its tries; a person needs the last word and what to do."""
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "x", "user": ""}}
    document = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
    kubeconfig.write_text(
        yaml.safe_dump({**document, "clusters": [cluster], "contexts": [context]})
    )
    said = Plugin(kubeconfig).run("status")
    assert said.code == 2
    assert said.err.startswith("kubectl bluewhale: the cluster does not answer: The connection to")
    assert said.err.count("\n") == 1


def test_a_switchover_waits_until_the_other_unit_reads_and_tells_the_seconds(tmp_path: Path):
    """Ordered, carried out, the annotation is gone; a second one finds it done."""

    async def scenario(world: World) -> None:
        said = await world.run("switchover", "berlin", "berlin-2", "-n", "pbx")
        assert said.code == 0, said
        assert said.out.startswith("berlin-2 reads all links of berlin (")
        assert world.annotations() == {}
        again = await world.run("switchover", "berlin", "berlin-2", "-n", "pbx")
        assert "already" in again.err

    live(scenario, tmp_path)


def test_a_switchover_that_does_not_happen_is_taken_back(tmp_path: Path):
    """It must not happen an hour later, when nobody looks; exit code 1, and who reads now."""

    async def scenario(world: World) -> None:
        world.hand.late = None
        said = await world.run("switchover", "berlin", "berlin-2", "-n", "pbx", "--timeout", "1")
        assert said.code == 1
        assert "the order is taken back. hq-avaya: berlin-1" in said.err
        assert world.annotations() == {}

    live(scenario, tmp_path)


def test_a_unit_that_is_away_is_not_switched_over_to(tmp_path: Path):
    """It could not read; the order would hang."""

    async def scenario(world: World) -> None:
        world.hand.centre = centre(well("berlin-1"), well("berlin-2", state="enrolled"))
        await asyncio.sleep(0.2)
        said = await world.run("switchover", "berlin", "berlin-2", "-n", "pbx")
        assert said.code == 2
        assert "berlin-2 is enrolled, not connected" in said.err

    live(scenario, tmp_path)


def test_a_fence_holds_until_it_is_taken_away(tmp_path: Path):
    """Both wait for what the status says; a switchover is refused meanwhile."""

    async def scenario(world: World) -> None:
        said = await world.run("fence", "berlin", "-n", "pbx")
        assert said.code == 0, said
        assert world.annotations() == {"bluewhale.dev/fenced": "true"}
        refused = await world.run("switchover", "berlin", "berlin-2", "-n", "pbx")
        assert (refused.code, "is fenced" in refused.err) == (2, True)
        said = await world.run("unfence", "berlin", "-n", "pbx")
        assert said.out.startswith("every link of berlin is read (")
        assert world.annotations() == {}

    live(scenario, tmp_path)


def test_a_drain_fences_and_shows_what_is_left_until_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What a deletion would wait for, told before anybody deletes."""
    monkeypatch.setattr(orders, "SETTLED_S", 1.0)

    async def scenario(world: World) -> None:
        world.hand.centre = centre(well("berlin-1", backlog_records=1204), well("berlin-2"))

        async def stored() -> None:
            await asyncio.sleep(3)
            world.hand.centre = centre(well("berlin-1"), well("berlin-2"))

        task = asyncio.create_task(stored())
        said = await world.run("drain", "berlin", "-n", "pbx", "--timeout", "20")
        await task
        assert said.code == 0, said
        assert "berlin-1: 1,204 records that are not stored yet" in said.err
        assert "berlin-1: nothing left" in said.err
        assert world.annotations() == {"bluewhale.dev/fenced": "true"}

    live(scenario, tmp_path)


def test_a_drain_that_does_not_end_says_what_is_left(tmp_path: Path):
    """A unit that is away may hold anything: exit code 1, and why."""

    async def scenario(world: World) -> None:
        world.hand.centre = centre(well("berlin-1", state="enrolled"), well("berlin-2"))
        said = await world.run("drain", "berlin", "-n", "pbx", "--timeout", "3")
        assert said.code == 1
        assert "berlin-1: enrolled, not connected: what it holds is not known" in said.err

    live(scenario, tmp_path)


def test_a_unit_gives_its_links_away_before_it_is_drained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nobody stops reading: the other unit goes on."""
    monkeypatch.setattr(orders, "SETTLED_S", 0.5)

    async def scenario(world: World) -> None:
        said = await world.run("drain", "berlin-1", "-n", "pbx", "--timeout", "20")
        assert said.code == 0, said
        assert "berlin-2 reads now" in said.err
        assert "berlin-1 is the preferred unit" in said.err
        assert world.annotations() == {}

    live(scenario, tmp_path)


def test_a_unit_outside_gets_its_file_with_a_fresh_token(tmp_path: Path):
    """The address is that of the Service; standard output is the file and nothing else."""

    async def scenario(world: World) -> None:
        world.server.put(
            "v1/services",
            {
                "metadata": {"name": "b-ingest", "namespace": "bluewhale", "labels": INGEST},
                "spec": {
                    "type": "LoadBalancer",
                    "ports": [
                        {"name": "uplink", "port": 7440},
                        {"name": "enrolment", "port": 7444},
                    ],
                },
                "status": {"loadBalancer": {"ingress": [{"hostname": "ingest.example.net"}]}},
            },
        )
        threading.Timer(1.5, _mint, [world]).start()
        said = await world.run("enrol", "berlin", "-n", "pbx")
        assert said.code == 0, said
        assert yaml.safe_load(said.out) == {
            "unit_uid": "berlin-1",
            "centre": "ingest.example.net:7440",
            "enrolment": "ingest.example.net:7444",
            "data": "/var/lib/bluewhale",
            "token": f"bw1.berlin-1.{PLANTED}.pin",
        }
        assert "python -m bluewhale.remoteunit" in said.err
        assert PLANTED not in said.err

    live(scenario, tmp_path, runs="Outside")


def test_a_file_with_a_token_is_for_its_owner_alone(tmp_path: Path):
    """--to writes it; --centre says where, and enrolment is its port + 4."""

    async def scenario(world: World) -> None:
        threading.Timer(1.5, _mint, [world]).start()
        path = tmp_path / "unit.yaml"
        words = ["enrol", "berlin", "-n", "pbx", "--centre", "c.example.net:7440"]
        said = await world.run(*words, "--to", str(path))
        assert (said.code, said.out) == (0, ""), said
        assert path.stat().st_mode & 0o777 == 0o600
        assert yaml.safe_load(path.read_text())["enrolment"] == "c.example.net:7444"

    live(scenario, tmp_path, runs="Outside")


def test_no_way_to_ingest_from_outside_is_told_before_a_token_is_made(tmp_path: Path):
    """A token that nobody can use would only grow old."""

    async def scenario(world: World) -> None:
        said = await world.run("enrol", "berlin", "-n", "pbx")
        assert (said.code, world.annotations()) == (2, {})
        assert "set ingest.service.type to NodePort" in said.err

    live(scenario, tmp_path, runs="Outside")


def test_a_bundle_has_what_helps_and_no_secret(tmp_path: Path):
    """Secrets of every kind are planted where persons put them; none of them is in the archive."""

    async def scenario(world: World) -> None:
        plant(world.server)
        path = tmp_path / "bundle.tar.gz"
        said = await world.run("diagnose", "-n", "pbx", "--to", str(path))
        assert (said.code, said.out) == (0, f"{path}\n"), said
        assert path.stat().st_mode & 0o777 == 0o600
        with tarfile.open(path) as archive:
            files = {
                m.name.removeprefix("bundle/"): archive.extractfile(m).read().decode()
                for m in archive.getmembers()
            }
        assert {n for n, text in files.items() if PLANTED in text} == set()
        encoded = base64.b64encode(PLANTED.encode()).decode()
        assert {n for n, text in files.items() if encoded in text} == set()
        assert "pbx/secrets.json" not in files
        assert "berlin-1" in files["pbx/remoteunits.json"]
        assert "link_uid: hq-avaya" in files["pbx/configmaps.json"]
        assert files["pbx/logs/berlin-1-0/unit.log"].startswith("connected\n")
        assert "pbx/logs/berlin-1-0/unit.previous.log" in files
        assert "1 of 1 well" in files["status.txt"]
        assert '"gitVersion"' in files["versions.json"]
        assert "BackOff" in files["pbx/events.json"]
        # this emulator has no such kinds: named, and nothing else fails
        assert "networkpolicies.networking.k8s.io in pbx" in files["README.txt"]

    live(scenario, tmp_path)


def plant(server: ForKubectl) -> None:
    """Put secrets where they belong, and where they do not."""
    labels = {"app.kubernetes.io/part-of": "bluewhale"}
    url = f"postgresql://bluewhale:{PLANTED}@db/calls"
    server.put(
        "v1/secrets",
        {
            "kind": "Secret",
            "metadata": {"name": "bluewhale-database", "namespace": "pbx", "labels": labels},
            "data": {"url": base64.b64encode(PLANTED.encode()).decode()},
        },
    )
    server.put(
        "v1/configmaps",
        {
            "kind": "ConfigMap",
            "metadata": {"name": "bluewhale-configuration", "namespace": "pbx", "labels": labels},
            "data": {
                "bluewhale.yaml": f"links:\n  - link_uid: hq-avaya\ncluster: {{database: {{url: '{url}'}}}}",
                "directory.yaml": f"people: [{{name: {PLANTED}}}]",
            },
        },
    )
    server.put(
        "v1/pods",
        {
            "kind": "Pod",
            "metadata": {"name": "berlin-1-0", "namespace": "pbx", "labels": labels},
            "spec": {
                "containers": [
                    {
                        "name": "unit",
                        "args": ["--trust", f"--password={PLANTED}"],
                        "env": [
                            {"name": "PROXY", "value": f"http://me:{PLANTED}@proxy:3128"},
                            {"name": "BLUEWHALE_CLUSTER__DATABASE__URL", "value": url},
                        ],
                    }
                ]
            },
            "status": {"containerStatuses": [{"name": "unit", "restartCount": 2}]},
        },
    )
    server.put(
        "v1/events",
        {
            "kind": "Event",
            "metadata": {"name": "berlin.1", "namespace": "pbx"},
            "reason": "BackOff",
            "message": f"exec failed: {url}",
        },
    )
    server.logs = {
        "berlin-1-0": f'connected\n{{"event": "x", "token": "bw1.berlin-1.{PLANTED}.pin"}}\n{url}\n'
    }


def _mint(world: World) -> None:
    """What the operator does for an order: a Secret."""
    world.server.put(
        "v1/secrets",
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "berlin-1-token",
                "namespace": "pbx",
                "resourceVersion": "8",
                "annotations": {"bluewhale.dev/token-expires": "2026-11-22T10:00:00Z"},
            },
            "data": {"token": base64.b64encode(f"bw1.berlin-1.{PLANTED}.pin".encode()).decode()},
        },
    )
