"""The profile standard with its RemoteUnits: what tests do to it and ask of it."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bluewhale.cli.simulate.setup import OPTIONS

from tests.cluster import places, surroundings
from tests.cluster.kube import condition, is_ready
from tests.cluster.places import DIALECT, LISTENED, PBX_PORT, SMALL, Place
from tests.support.helm import CRDS_CHART

FAST = {"leaseSeconds": 6, "renewDeadlineSeconds": 4, "retrySeconds": 1}
DEFAULT = {"leaseSeconds": 15, "renewDeadlineSeconds": 10, "retrySeconds": 2}
NORTH, SOUTH = "north", "south"
SECRET = "bluewhale-services"
DEFINITION = "remoteunits.bluewhale.dev"
PATIENCE_S = 90.0
# of an order, and of a unit that dies, stands or is cut off, in seconds
LIMITS = {
    "planned": 3.0, "crash": 9.0, "freeze": 9.0, "node killed": 9.0, "node cut": 9.0,
    "default: planned": 3.0, "default: crash": 20.0, "default: freeze": 20.0,
}  # fmt: skip
# how many times as long they may take, where other suites have the processors meanwhile
SLACK = float(os.environ.get("BLUEWHALE_CLUSTER_SLACK", "1"))


@dataclass
class Standard:
    """Roles, operator, two RemoteUnits of two units each, two PBXs."""

    place: Place
    database: str
    prefix: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    installed_s: float = 0.0

    @property
    def kube(self) -> Any:
        """Give the namespace."""
        return self.place.kube

    # ---- installing ------------------------------------------------------------------------

    def install(self) -> None:
        """Install; what there is of services is used."""
        self.kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET},
                "stringData": {"url": self.database, "redis": surroundings.given("REDIS_URL")},
            }
        )
        if (
            self.kube.exists("crd", DEFINITION)
            and not json.loads(self.kube.run("get", "ru", "-A", "-o", "json"))["items"]
        ):  # an earlier release left it; it would stay as that one wanted it
            self.kube.run("delete", "crd", DEFINITION)
        self.place.values = self.values()
        self.installed_s = self.place.put("install", patience="600s")

    def take_definition(self) -> None:
        """Remove the definition of RemoteUnits that another release left; in use, bring it up to date."""
        if not self.kube.exists("crd", DEFINITION):
            return
        if self.kube.run("get", "ru", "-A", "-o", "name").strip():
            path = str(CRDS_CHART / "files" / f"{DEFINITION}.yaml")
            self.kube.run("apply", "--server-side", "--force-conflicts", "-f", path)
        else:
            self.kube.run("delete", "crd", DEFINITION)

    def values(self) -> dict[str, Any]:
        """Give the values: every role, small."""
        unit = {"unit_uid": "helm-test", "links": [places.DEMO["link_uid"]]}
        texts = places.files(self.place.world, [places.DEMO], {"units": [unit]})
        small = {"replicas": 1, "resources": SMALL}
        made: dict[str, Any] = {
            "profile": "standard",
            "image": self.place.image_values,
            "installation": {"files": texts},
            "kafka": {
                "bootstrap": surroundings.given("KAFKA_BOOTSTRAP"),
                "prefix": self.prefix,
                "partitions": 2,
                "replication": 1,
            },
            "database": {"existingSecret": SECRET},
            "pod": {"nodeSelector": {"kubernetes.io/hostname": self.place.home}},
            "ingest": {
                "replicas": 2,
                "resources": SMALL,
                "failoverProfile": "fast",
                "service": {"type": "NodePort"},
            },
            "parser": small,
            "billing": small,
            "webapi": small,
            "storage": small | {"segments": {"size": "1Gi"}},
            "operator": {"enabled": True, "resources": SMALL},
            "test": {"pbx": "127.0.0.1:9000", "unit": "helm-test", "resources": SMALL},
            "migrations": {"resources": SMALL},
        }
        if surroundings.given("REDIS_URL"):
            made["redis"] = {"existingSecret": SECRET, "secretKey": "redis"}
        if not surroundings.missing_for("traces"):
            endpoint = surroundings.given("OTLP_GRPC_ENDPOINT")
            made["telemetry"] = {"otlpEndpoint": endpoint, "sampleRatio": 0.01}
        return made

    # ---- RemoteUnits -----------------------------------------------------------------------

    def north(self, **more: Any) -> dict[str, Any]:
        """Two units that connect to PBX 0."""
        address = f"pbx-0.{self.kube.namespace}.svc"
        connector = {"type": "tcp_client", "address": address, "port": PBX_PORT}
        return self._resource(NORTH, 0, connector, **{"trace": True, **more})

    def south(self, **more: Any) -> dict[str, Any]:
        """Two units to which PBX 1 connects."""
        return self._resource(SOUTH, 1, {"type": "tcp_server", "port": LISTENED}, **more)

    def _resource(
        self, name: str, pbx: int, connector: Mapping[str, Any], **more: Any
    ) -> dict[str, Any]:
        one = self.place.world.pbxs[pbx]
        link = {"name": one.link_uid, "pbx": one.pbx_uid, "dialect": DIALECT}
        return {
            "apiVersion": "bluewhale.dev/v1alpha1",
            "kind": "RemoteUnit",
            "metadata": {"name": name, "namespace": self.kube.namespace},
            "spec": {
                "site": one.site_uid,
                "units": {"preferred": f"{name}-1", "standby": [f"{name}-2"]},
                "links": [link | {"options": OPTIONS[DIALECT], "connector": dict(connector)}],
                "failover": FAST,
                "failback": {"mode": "Manual"},
                "buffer": {"quotaMiB": 64, "storage": "128Mi"},
                "pod": {"resources": SMALL},
                **more,
            },
        }

    def units(self) -> None:
        """Declare both and let their PBXs talk; once."""
        if self.place.switches:
            return
        self.place.start_switch(0)
        self.kube.apply(self.north(), self.south())
        self.place.start_switch(1, connect=f"{self.south_service()}:{LISTENED}")
        for name in (NORTH, SOUTH):
            self.wait_ready(name)

    def south_service(self) -> str:
        """Give the name under which PBX 1 finds the entitled unit."""
        return f"link-{self.place.world.pbxs[1].link_uid}.{self.kube.namespace}.svc"

    def resource(self, name: str) -> dict[str, Any]:
        """Give a RemoteUnit."""
        return self.kube.get("ru", name)

    def told(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """Give a condition of a RemoteUnit."""
        return condition(self.resource(name), kind)

    def wait_ready(self, name: str, patience_s: float = PATIENCE_S) -> float:
        """Wait until a RemoteUnit is ready with all its units."""
        return self.kube.until(
            f"{name} to be ready", lambda: self.told(name)["reason"] == "Ready", patience_s
        )

    # ---- who reads PBX 0 -------------------------------------------------------------------

    def unit_pod(self, unit: str) -> dict[str, Any]:
        """Give the pod of a unit."""
        return self.kube.get("pod", f"{unit}-0")

    def owner(self) -> str:
        """Give the unit that alone reads PBX 0 while the other stands ready; "" = not settled."""
        resource = self.resource(NORTH)
        if condition(resource, "Ready")["reason"] != "Ready":
            return ""
        owner = resource["status"].get("owner", "")
        pods = {unit: self.unit_pod(unit) for unit in (f"{NORTH}-1", f"{NORTH}-2")}
        if not all(is_ready(pod) for pod in pods.values()) or owner not in pods:
            return ""
        return owner if self.place.readers(0) == [pods[owner]["status"]["podIP"]] else ""

    def settled(self) -> str:
        """Wait until one unit reads PBX 0 and the other stands ready; gives the first."""
        self.kube.until("a settled state", self.owner, PATIENCE_S)
        return self.owner() or self.settled()

    @staticmethod
    def other(unit: str) -> str:
        """Give the other unit of the two."""
        return f"{NORTH}-2" if unit == f"{NORTH}-1" else f"{NORTH}-1"

    def read_after(self, began: float, address: str = "") -> float:
        """Wait until PBX 0 has a new reader; gives the seconds since the fault, by its clock."""
        found: list[float] = []

        def happens() -> bool:
            found[:] = [
                r["since"] - began
                for r in self.place.state(0)["readers"]
                if r["since"] > began and (not address or r["address"] == address)
            ]
            return bool(found)

        self.kube.until(f"a reader {address}", happens, PATIENCE_S)
        return min(found)

    def order(self, unit: str) -> float:
        """Order that a unit reads PBX 0; gives the seconds until it does."""
        address = self.unit_pod(unit)["status"]["podIP"]
        began = time.time()
        self.kube.run("annotate", "ru", NORTH, f"bluewhale.dev/switchover-to={unit}")
        took = self.read_after(began, address)
        self.kube.until("the order to be done", lambda: self.owner() == unit, PATIENCE_S)
        return took

    def note(self, kind: str, seconds: float) -> None:
        """Note the seconds of a round."""
        self.seconds.setdefault(kind, []).append(seconds)

    # ---- what arrives ----------------------------------------------------------------------

    def grows(self, by: float = 7 * places.CALLS_PER_S, patience_s: float = PATIENCE_S) -> float:
        """Wait until more legs are stored; gives the seconds."""
        before, began = places.stored_legs(self.database), time.monotonic()
        while places.stored_legs(self.database) < before + by:
            if time.monotonic() - began > patience_s:
                raise AssertionError(f"no {by} legs within {patience_s:.0f} s\n{self.kube.story()}")
            time.sleep(0.5)
        return time.monotonic() - began

    def truth(self, folder: Path, printed: Mapping[str, int], patience_s: float = 240) -> float:
        """Wait until what is stored equals what PBXs printed; gives the seconds."""
        began = time.monotonic()
        while found := places.differences(self.place, self.database, printed, folder):
            if time.monotonic() - began > patience_s:
                shown = "\n".join(found[:20])
                raise AssertionError(f"{len(found)} differences:\n{shown}\n{self.kube.story()}")
            time.sleep(2)
        assert places.doubled_legs(self.database) == 0
        return time.monotonic() - began

    def secret(self, name: str, key: str) -> str:
        """Give a word of a Secret."""
        return base64.b64decode(self.kube.get("secret", name)["data"][key]).decode()

    def evict(self, pod: str) -> float:
        """Evict a pod as a drained node does; gives when."""
        path = f"/api/v1/namespaces/{self.kube.namespace}/pods/{pod}/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.kube.namespace},
        }
        began = time.time()
        self.kube.run("create", "--raw", path, "-f", "-", given=json.dumps(body))
        return began
