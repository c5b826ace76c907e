"""How large the images are and how soon a container of each is ready.

    python -m bench.images http://127.0.0.1:5000 0.1.0 [NAMESPACE]

Sizes come from the manifests in a registry: what a node fetches, compressed. With a
NAMESPACE, KUBECONFIG and kubectl: for each role there, from the start of its container
to the readiness of its pod, in the whole seconds in which Kubernetes says both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

from bench.__main__ import Figure
from bench.report import give

MB = 1_000_000
TARGETS_MB = {"remoteunit": 120, "ingest": 250, "parser": 250, "billing": 250, "storage": 250}
MEMBERS = (*TARGETS_MB, "operator", "cli", "all")
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def layers_mb(registry: str, member: str, tag: str) -> list[float]:
    """Give the compressed sizes of an image's layers, the base first; none: not there."""
    asked = urllib.request.Request(
        f"{registry}/v2/bluewhale/{member}/manifests/{tag}",
        headers={"Accept": ", ".join(MANIFESTS)},
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return [layer["size"] / MB for layer in json.load(answer)["layers"]]
    except urllib.error.HTTPError:
        return []


def sizes(registry: str, tag: str) -> list[Figure]:
    """Give the size of every image that is there, and of the layer that each release renews."""
    found = []
    for member in MEMBERS:
        if layers := layers_mb(registry, member, tag):
            target = f"<= {TARGETS_MB[member]}" if member in TARGETS_MB else ""
            found.append(
                Figure(
                    f"image_{member}_mb",
                    sum(layers),
                    "MB",
                    target,
                    f"compressed, tag {tag}; of it our code {layers[-1]:.1f}, kernels {layers[-2]:.1f}, "
                    f"pinned libraries {layers[-3]:.1f}, the base image the rest",
                )
            )
    return found


def starts(namespace: str) -> list[Figure]:
    """Give for each role of a namespace how long its slowest container took to be ready."""
    asked = [os.environ.get("KUBECTL", "kubectl"), "-n", namespace, "get", "pods", "-o", "json"]
    pods = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)
    slowest: dict[str, float] = {}
    for pod in pods["items"]:
        ready = [c for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
        states = pod["status"].get("containerStatuses", ())
        began = [s["state"]["running"]["startedAt"] for s in states if "running" in s["state"]]
        if began and ready and ready[0]["status"] == "True":
            name = pod["metadata"]["labels"].get("app.kubernetes.io/component", "other")
            took_s = (moment(ready[0]["lastTransitionTime"]) - moment(began[0])).total_seconds()
            slowest[name] = max(slowest.get(name, 0.0), took_s)
    method = "container's start to the pod's readiness, whole seconds, slowest copy"
    return [Figure(f"start_{name}_seconds", s, "s", "", method) for name, s in slowest.items()]


def moment(text: Any) -> datetime:
    """Read a time of Kubernetes."""
    return datetime.fromisoformat(str(text))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    figures = sizes(sys.argv[1].rstrip("/"), sys.argv[2])
    if len(sys.argv) > 3:
        figures += starts(sys.argv[3])
    for f in figures:
        print(f"{f.name:34} {f.value:>10,.1f} {f.unit:<4} {f.target:>8} {f.method}")
    give(figures)
