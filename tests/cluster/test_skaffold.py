"""skaffold.yaml on a cluster: what it names is built, pushed, installed, and prices a call.

Skaffold itself where it is on the PATH, else the very commands that it would run.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.cluster import surroundings
from tests.cluster.kube import Kube
from tests.cluster.places import RELEASE, Helm
from tests.support.helm import ROOT
from tests.support.skaffold import Command, builds, deploys, with_profiles

PROFILE = "custom"


@pytest.fixture
def kube(cluster: Kube) -> Iterator[Kube]:
    """Give the namespace that the file names; it is made by the release and goes with the test."""
    (release,) = with_profiles(PROFILE)["deploy"]["helm"]["releases"]
    made = Kube(cluster.kubectl, release["namespace"])
    assert not made.exists("namespace", made.namespace), "the namespace is somebody's already"
    yield made
    Helm(surroundings.program("helm"), made.namespace).tried("uninstall", RELEASE, "--wait")
    made.gone()


def commands(tag: str, registry: str) -> Iterator[Command]:
    """Give what a person types, or what Skaffold makes of it."""
    if skaffold := shutil.which("skaffold"):
        words = ["run", "-p", PROFILE, "--tag", tag]
        words += ["--default-repo", registry, "--insecure-registry", registry]
        yield Command([skaffold, *words], {})
        return
    yield from builds(PROFILE, tag=tag, repository=registry)
    helm = surroundings.program("helm")
    yield from deploys(PROFILE, tag=tag, repository=registry, helm=helm)


@pytest.mark.needs("registry")
def test_what_skaffold_is_told_builds_pushes_installs_and_prices_a_call(kube, record_property):
    """The profile without Docker: images/build makes the image, the nodes pull it."""
    registry, tag = surroundings.given("BLUEWHALE_REGISTRY"), secrets.token_hex(4)
    began = time.monotonic()
    for command in commands(tag, registry):
        done = subprocess.run(
            command.words, cwd=ROOT, env=os.environ | command.environment,
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{command.words}: {done.stderr[-3000:]}"
    took = time.monotonic() - began
    (pod,) = kube.pods(f"app.kubernetes.io/instance={RELEASE}")
    assert pod["spec"]["containers"][0]["image"] == f"{registry}/bluewhale/cli:{tag}"
    Helm(surroundings.program("helm"), kube.namespace).run("test", RELEASE)
    record_property("figure", f"skaffold.yaml, profile {PROFILE}: built and ready {took:.0f} s")
