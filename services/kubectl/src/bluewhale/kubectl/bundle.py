"""A bundle for whoever helps: what is, what was said, what runs; no secrets.

Owns what is gathered and how it is laid out. Does not own what is taken out
(`redacting`). What cannot be asked is named in the bundle, and nothing else fails.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bluewhale.kubectl import redacting
from bluewhale.kubectl.asking import REMOTE_UNITS, Kubectl
from bluewhale.kubectl.exceptions import BluewhaleError

PART = "app.kubernetes.io/part-of=bluewhale"
LOG_LINES = 5_000
# kind -> which of them; Secrets are not among them, and nothing asks for one
KINDS = {
    REMOTE_UNITS: "",
    "deployments.apps": PART,
    "statefulsets.apps": PART,
    "jobs.batch": PART,
    "cronjobs.batch": PART,
    "pods": PART,
    "services": PART,
    "endpointslices.discovery.k8s.io": "",
    "configmaps": PART,
    "persistentvolumeclaims": "",
    "leases.coordination.k8s.io": "",
    "poddisruptionbudgets.policy": PART,
    "networkpolicies.networking.k8s.io": "",
    "events": "",
}
CLUSTER = (
    "nodes",
    "storageclasses.storage.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
)
_README = """A bundle of `kubectl bluewhale diagnose`, {at}.

status.txt      the dashboard
versions.json   plugin, kubectl, API server
cluster/        nodes, storage classes, the definition of RemoteUnit
NAMESPACE/      objects with their status, events; logs/POD/CONTAINER[.previous].log, the last {lines} lines

Left out: Secrets (never asked for), directories and tariffs (people and prices), values of variables that are not ours.
Replaced by {gone}: passwords in addresses, private keys, tokens, values of names that end like a secret's.
Look through it before you give it away: what a secret looks like nobody knows in every case.
"""


@dataclass(slots=True)
class Bundle:
    """Files of a bundle by path, and what could not be asked."""

    kubectl: Kubectl
    say: Callable[[str], None]
    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def gather(self, namespaces: Iterable[str], status: str, at: datetime) -> None:
        """Ask for everything."""
        self.files["status.txt"] = redacting.text(status)
        self._try("versions.json", self._versions)
        for kind in CLUSTER:
            self._try(f"cluster/{kind.split('.')[0]}.json", partial(self._cluster, kind))
        for namespace in namespaces:
            self.say(f"asking in {namespace}")
            self._namespace(namespace)
        left_out = "".join(f"  {line}\n" for line in self.missing)
        self.files["README.txt"] = _README.format(
            at=at.isoformat(timespec="seconds"), lines=LOG_LINES, gone=redacting.GONE
        ) + (f"\nCould not be asked:\n{left_out}" if left_out else "")

    def write(self, path: Path, at: datetime) -> None:
        """Write the archive; readable by its owner alone."""
        folder = path.name.removesuffix(".tar.gz")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, text in sorted(self.files.items()):
                data = text.encode()
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode, entry.mtime = len(data), 0o600, int(at.timestamp())
                archive.addfile(entry, io.BytesIO(data))
        path.touch(mode=0o600)
        path.write_bytes(packed.getvalue())

    # ---- inside ------------------------------------------------------------------------

    def _namespace(self, namespace: str) -> None:
        pods: list[dict[str, Any]] = []
        for kind, selector in KINDS.items():
            try:
                found = self.kubectl.objects(kind, selector=selector, namespace=namespace)
            except BluewhaleError as error:
                self._left(f"{kind} in {namespace}", error)
                continue
            if kind == "pods":
                pods = found
            if found:
                self.files[f"{namespace}/{kind.split('.')[0]}.json"] = _json(found)
        for pod in pods:
            self._logs(namespace, pod)

    def _logs(self, namespace: str, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        spec = pod["spec"]
        restarts = {
            s["name"]: s.get("restartCount", 0)
            for s in pod.get("status", {}).get("containerStatuses", ())
        }
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            said = container["name"]
            words = [
                "logs",
                name,
                "-c",
                said,
                "-n",
                namespace,
                "--timestamps",
                f"--tail={LOG_LINES}",
            ]
            path = f"{namespace}/logs/{name}/{said}"
            self._try(f"{path}.log", partial(self.kubectl.text, *words))
            if restarts.get(said):
                self._try(f"{path}.previous.log", partial(self.kubectl.text, *words, "--previous"))

    def _cluster(self, kind: str) -> str:
        found = self.kubectl.objects(kind, namespace="")
        if kind.startswith("custom"):
            found = [x for x in found if x["metadata"]["name"] == REMOTE_UNITS]
        return _json(found)

    def _versions(self) -> str:
        told = json.loads(self.kubectl.text("version", "-o", "json"))
        return json.dumps({"plugin": own_version(), **told}, indent=1)

    def _try(self, path: str, ask: Callable[[], str]) -> None:
        try:
            self.files[path] = redacting.text(ask())
        except BluewhaleError as error:
            self._left(path, error)

    def _left(self, what: str, error: BluewhaleError) -> None:
        self.missing.append(redacting.text(f"{what}: {error}"))


def own_version() -> str:
    """Give the release of this plugin."""
    try:
        return version("bluewhale-kubectl")
    except PackageNotFoundError:  # run from a tree that is not installed
        return "unknown"


def _json(found: list[dict[str, Any]]) -> str:
    return json.dumps([redacting.thing(x) for x in found], indent=1, ensure_ascii=False) + "\n"
