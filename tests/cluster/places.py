"""An installation of the chart in a namespace of its own, and its simulated PBXs as pods."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.setup import OPTIONS, write_configuration
from bluewhale.cli.simulate.switch import calls_of
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import Store

from tests.cluster.kube import Kube, KubeError

RELEASE = "bluewhale"
DIALECT, SEED, CALLS, PBXS = "asterisk_csv", 5, 24_000, 3
CALLS_PER_S = float(os.environ.get("BLUEWHALE_CLUSTER_CALLS_PER_S", "3"))
SENT_AGAIN = 600  # calls: three minutes of 3 a second
PBX_PORT, OTHER_PORT, DOOR = 9100, 9101, 8080
LISTENED = 9001  # where units listen to the PBX that connects
SMALL = {"requests": {"cpu": "20m", "memory": "96Mi"}}
DEMO = {
    "link_uid": "demo-avaya-cdr",
    "pbx_uid": "demo-avaya",
    "dialect": "avaya_cm",
    "options": {"layout": "custom-114"},
    "connector": {"type": "tcp_server", "host": "0.0.0.0", "port": 9000},
}
DEMO_PARTS: Mapping[str, list[dict[str, Any]]] = {
    "sites": [
        {
            "site_uid": "demo", "name": "Demonstration", "zone": "Etc/UTC", "country": "DE", "area_code": "30",
            "access_codes": ["0"], "extension_ranges": ["200-299"],
        },
    ],
    "pbxs": [{"pbx_uid": "demo-avaya", "site_uid": "demo", "name": "Simulated Avaya"}],
    "departments": [{"department_uid": "demo", "name": "Demonstration"}],
    "persons": [{"person_uid": "ada", "name": "Ada Example", "department_uid": "demo"}],
    "extensions": [{"site_uid": "demo", "extension": "201", "person_uid": "ada"}],
}  # fmt: skip


def world() -> World:
    """Three PBXs; everything follows from the seed, also in their pods."""
    return World.of(Path(), PBXS, (DIALECT,), CALLS, SEED, 0)


def files(made: World, links: Sequence[dict[str, Any]], more: Mapping[str, Any]) -> dict[str, str]:
    """Give the files of the installation, for values `installation.files`."""
    with tempfile.TemporaryDirectory() as folder:
        document = yaml.safe_load(write_configuration(Path(folder), made.pbxs).read_text())
        texts = {p.name: p.read_text() for p in Path(folder, "tariffs").iterdir()}
        directory = yaml.safe_load(Path(folder, "directory.yaml").read_text())
    for part, rows in DEMO_PARTS.items():
        directory[part] += rows
    document |= {"links": list(links), "tariffs": [n for n in texts if n.endswith(".yaml")], **more}
    del document["monitor"]
    return {
        "bluewhale.yaml": yaml.safe_dump(document, sort_keys=False),
        "directory.yaml": yaml.safe_dump(directory, sort_keys=False),
        **texts,
    }


def link_of(made: World, pbx: int, connector: Mapping[str, Any]) -> dict[str, Any]:
    """Give a link of a PBX as bluewhale.yaml has it."""
    one = made.pbxs[pbx]
    return {
        "link_uid": one.link_uid,
        "pbx_uid": one.pbx_uid,
        "dialect": DIALECT,
        "options": OPTIONS[DIALECT],
        "connector": dict(connector),
    }


class Helm:
    """Helm against a cluster."""

    def __init__(self, path: str, namespace: str) -> None:
        self.path, self.namespace = path, namespace

    def run(self, *words: str, timeout_s: float = 600) -> str:
        """Run Helm; gives its output, fails with what it said."""
        done = self.tried(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def tried(self, *words: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run Helm, whatever becomes of it."""
        return subprocess.run(
            [self.path, "--namespace", self.namespace, *words],
            capture_output=True, text=True, check=False, timeout=timeout_s,
        )  # fmt: skip


BACKUPS = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "backups"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@dataclass
class Place:
    """A namespace, the release in it, and PBXs that talk to it."""

    kube: Kube
    helm: Helm
    chart: Path  # a packaged chart
    image: str
    world: World
    home: str  # the node of all but units
    values: dict[str, Any] = field(default_factory=dict)
    switches: dict[int, str] = field(default_factory=dict)  # PBX -> its pod

    # ---- the release -----------------------------------------------------------------------

    @property
    def image_values(self) -> dict[str, str]:
        """Give the values of the image."""
        name, _, tag = self.image.rpartition(":")
        return {"all": name, "tag": tag, "pullPolicy": "IfNotPresent"}

    def put(self, verb: str, *words: str, patience: str = "300s") -> float:
        """Install or upgrade with the values; gives the seconds until all was ready."""
        began = time.monotonic()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(self.values, file)
            file.flush()
            try:
                self.helm.run(
                    verb, RELEASE, str(self.chart), "--values", file.name, "--wait", "--timeout",
                    patience, *words,
                )  # fmt: skip
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.kube.story()}") from None
        return time.monotonic() - began

    def tested(self) -> float:
        """Run `helm test`; gives the seconds."""
        began = time.monotonic()
        done = self.helm.tried("test", RELEASE, "--logs", "--timeout", "300s")
        assert done.returncode == 0, f"{done.stderr}{done.stdout}\n{self.kube.story()}"
        assert "priced" in done.stdout, done.stdout
        return time.monotonic() - began

    def component(self, name: str) -> str:
        """Give the selector of a component's pods."""
        return f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={name}"

    def backup_job(
        self, name: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> str:
        """Run the job of the CronJob once, with other arguments if given; gives what it said.

        environment: instead of the database's address.
        """
        made = ["create", "job", f"--from=cronjob/{RELEASE}-backup", name]
        job = json.loads(self.kube.run(*made, "--dry-run=client", "-o", "json"))
        pod = job["spec"]["template"]["spec"]
        if arguments:
            pod["containers"][0]["args"] = list(arguments)
            pod.pop("affinity", None)  # the pod that has the volume may be gone
        if environment:
            kept = [e for e in pod["containers"][0]["env"] if "DATABASE" not in e["name"]]
            more = [{"name": key, "value": value} for key, value in environment.items()]
            pod["containers"][0]["env"] = kept + more
        self.kube.apply(job)
        self.kube.until(
            f"the job {name}",
            lambda: self.kube.get("job", name)["status"].get("succeeded") == 1,
            120,
        )
        return self.kube.run("logs", f"job/{name}")

    # ---- PBXs --------------------------------------------------------------------------------

    def start_switch(self, pbx: int, *, connect: str = "", rate: float = CALLS_PER_S) -> None:
        """Let a PBX print; with `connect` it calls for its reader, else readers come."""
        name = f"pbx-{pbx}"
        way = ["--connect", connect] if connect else ["--listen", str(PBX_PORT)]
        ports = [{"name": "records", "port": PBX_PORT}]
        ports.append({"name": "other", "port": OTHER_PORT, "targetPort": PBX_PORT})
        self.kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": ports},
            },
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": name, "role": "pbx"}},
                "spec": {
                    "nodeSelector": {"kubernetes.io/hostname": self.home},
                    "restartPolicy": "Never",  # its memory is the truth
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {
                            "name": "pbx",
                            "image": self.image,
                            "imagePullPolicy": "IfNotPresent",
                            "command": [
                                "/opt/bluewhale/bin/python", "-m", "bluewhale.cli.simulate.switch",
                                "--pbxs", str(PBXS), "--pbx", str(pbx), "--calls", str(CALLS), "--seed", str(SEED),
                                "--dialect", DIALECT, "--lines-per-s", str(rate), "--sent-again", str(SENT_AGAIN),
                                "--door", str(DOOR), *way,
                            ],
                            "readinessProbe": {"httpGet": {"path": "/state", "port": DOOR}, "periodSeconds": 1},
                            "resources": SMALL,
                        }
                    ],
                },
            },
        )  # fmt: skip
        self.switches[pbx] = name
        self.kube.until(f"{name}", lambda: self.kube.ready(f"app={name}"))

    def state(self, pbx: int) -> dict[str, Any]:
        """Give what a PBX knows: how much it printed, and who reads or read it."""
        return json.loads(self.kube.door(self.switches[pbx], DOOR, "/state"))

    def readers(self, pbx: int) -> list[str]:
        """Give the addresses of who reads a PBX now."""
        return [r["address"] for r in self.state(pbx)["readers"] if r["until"] is None]

    def stop_switches(self) -> dict[str, int]:
        """Let no PBX print any more; gives by PBX how many calls there are."""
        printed = {}
        for pbx, pod in self.switches.items():
            path = f"/api/v1/namespaces/{self.kube.namespace}/pods/{pod}:{DOOR}/proxy/stop"
            said = json.loads(self.kube.post(path))
            printed[self.world.pbxs[pbx].pbx_uid] = said["printed"]
        return printed

    def true_calls(self, printed: Mapping[str, int]) -> list[Any]:
        """Give the calls that PBXs printed, as they must be found."""
        numbers: set[int] = set()
        for index, pbx in enumerate(self.world.pbxs):
            first = calls_of(self.world, index)[: printed.get(pbx.pbx_uid, 0)]
            numbers |= {number for number, _ in first}
        return [call for call in self.world.truth if call.number in numbers]


# ---- the main database -----------------------------------------------------------------------


def stored_legs(url: str) -> int:
    """Count legs in the main database."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM leg").fetchone()[0]


def charges(url: str) -> int:
    """Count charges in the main database."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM charge").fetchone()[0]


def doubled_legs(url: str) -> int:
    """Count legs that are stored more than once."""
    with psycopg.connect(url) as connection:
        sql = "SELECT count(*) - count(DISTINCT cdr_id) FROM leg"
        return connection.execute(sql).fetchone()[0]


def differences(place: Place, url: str, printed: Mapping[str, int], folder: Path) -> list[str]:
    """List what differs between what PBXs printed and what is stored and priced."""
    with Store.open(url, segments=folder / "segments") as store:
        return compare(place.true_calls(printed), store, set(printed))


def unready(kube: Kube) -> list[str]:
    """Name pods that are not well."""
    try:
        found = kube.list("pods")
    except KubeError as error:
        return [str(error)]
    return [
        p["metadata"]["name"] for p in found if p["status"]["phase"] not in {"Running", "Succeeded"}
    ]
