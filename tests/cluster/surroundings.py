"""What the cluster tests need of their surroundings, by environment; what is missing is named.

| variable | what |
|---|---|
| KUBECONFIG | a cluster on which tests may do as they please |
| KUBECTL, HELM | programs, if they are not on PATH |
| BLUEWHALE_BUILD_IMAGE | builds an image: takes what `docker build` takes |
| BLUEWHALE_LOAD_IMAGE | brings an image into the nodes: `kind load docker-image` |
| BLUEWHALE_IMAGE | instead of both: the nodes have it already, such as bluewhale/all:0.1.0 |
| KAFKA_BOOTSTRAP, POSTGRES_DSN, REDIS_URL | services, as pods and this machine reach them |
| OTLP_GRPC_ENDPOINT, JAEGER_URL | traces, the same |
| BLUEWHALE_REGISTRY, BLUEWHALE_BUILD, _PUSH | a registry; what builds and pushes (images/build) |
| BLUEWHALE_NODE_KILL, _START, _PARTITION, _HEAL | commands that take the name of a node |
| BLUEWHALE_API_STOP, _START | commands that stop and start the API server |
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = "bluewhale/all:cluster-test"  # every member in one
NO_IMAGES = (
    "no images: set BLUEWHALE_BUILD_IMAGE='docker build' and BLUEWHALE_LOAD_IMAGE='kind load"
    " docker-image', or BLUEWHALE_IMAGE that the nodes have"
)

# what a test may need besides a cluster and Helm -> variables, and how to get them
NEEDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "services": (
        ("KAFKA_BOOTSTRAP", "POSTGRES_DSN"),
        "Kafka (host:port), PostgreSQL (postgresql://user@host:port/database), as pods reach them",
    ),
    "traces": (
        ("OTLP_GRPC_ENDPOINT", "JAEGER_URL"),
        "a collector (http://host:4317) as pods reach it, Jaeger (http://host:16686)",
    ),
    "registry": (
        ("BLUEWHALE_REGISTRY", "BLUEWHALE_BUILD", "BLUEWHALE_PUSH"),
        "a registry that this machine and the nodes reach, and what images/build runs",
    ),
    "nodes": (
        tuple(f"BLUEWHALE_NODE_{x}" for x in ("KILL", "START", "PARTITION", "HEAL")),
        "commands that get the name of a node, such as docker kill, docker start",
    ),
    "api": (
        ("BLUEWHALE_API_STOP", "BLUEWHALE_API_START"),
        "commands; kind: move its manifest away in the node kind-control-plane, and back",
    ),
}


def given(variable: str) -> str:
    """Give a variable, "" = not set."""
    return os.environ.get(variable, "")


def program(name: str) -> str | None:
    """Give the path of kubectl or helm."""
    return shutil.which(given(name.upper()) or name)


def missing_for_all() -> list[str]:
    """Name what no cluster test can do without."""
    wanted = [
        (
            given("KUBECONFIG"),
            "KUBECONFIG is not set: name a cluster for tests, for example kind's",
        ),
        (program("kubectl"), "kubectl is not on PATH; or set KUBECTL"),
        (program("helm"), "helm is not on PATH (4, or 3.18 and newer); or set HELM"),
        (
            given("BLUEWHALE_IMAGE")
            or (given("BLUEWHALE_BUILD_IMAGE") and given("BLUEWHALE_LOAD_IMAGE")),
            NO_IMAGES,
        ),
    ]
    return [text for there, text in wanted if not there]


def missing_for(need: str) -> str:
    """Say what a need lacks; "" = nothing."""
    variables, how = NEEDS[need]
    absent = [v for v in variables if not given(v)]
    return f"{', '.join(absent)}: {how}" if absent else ""


def command(variable: str, *words: str, timeout_s: float = 900) -> None:
    """Run a command of the environment."""
    done = subprocess.run(
        [*shlex.split(given(variable)), *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip
    assert done.returncode == 0, f"{variable} {words}: {done.stderr[-3000:]}{done.stdout[-1000:]}"


def build(name: str) -> None:
    """Build the image of all members under a name and bring it into the nodes."""
    command(
        "BLUEWHALE_BUILD_IMAGE", "--build-arg", "MEMBER=all", "-t", name, "-f", "Dockerfile", "."
    )
    command("BLUEWHALE_LOAD_IMAGE", name)


def image() -> str:
    """Give the name of the image that the nodes have; builds it if need be."""
    if not given("BLUEWHALE_IMAGE"):
        build(BUILT)
    return given("BLUEWHALE_IMAGE") or BUILT
