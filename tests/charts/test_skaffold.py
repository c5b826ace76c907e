"""skaffold.yaml names only what is in the tree: Dockerfile, members, chart, values, images, commands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import ROOT, Helm

SKAFFOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
PARTS = [("default", SKAFFOLD), *((p["name"], p) for p in SKAFFOLD["profiles"])]
MEMBERS = {p.stem for p in (ROOT / "images" / "members").glob("*.txt")}
# of the schema skaffold/v4beta14: what these objects may hold, as far as we use it
RELEASE_KEYS = {
    "name", "chartPath", "namespace", "createNamespace", "wait", "valuesFiles", "setValueTemplates",
}  # fmt: skip


def artifacts(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a part of the file builds."""
    return part.get("build", {}).get("artifacts", [])


def releases(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a part of the file hands to Helm."""
    return part.get("deploy", {}).get("helm", {}).get("releases", [])


def test_the_file_is_of_the_schema_that_knows_helm_4():
    """Older programs would fail inside Helm; this one is refused by them at once."""
    assert SKAFFOLD["apiVersion"] == "skaffold/v4beta14"
    assert SKAFFOLD["kind"] == "Config"


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[n for n, _ in PARTS])
def test_every_artifact_is_built_of_our_one_dockerfile_for_its_member(name, part):
    """The image is called after the member that the build argument names, whoever builds."""
    for artifact in artifacts(part):
        member = artifact["image"].removeprefix("bluewhale/")
        assert member in MEMBERS
        assert artifact["context"] == "."
        if "docker" in artifact:
            assert artifact["docker"] == {
                "dockerfile": "Dockerfile",
                "buildArgs": {"MEMBER": member},
            }
        else:
            assert artifact["custom"]["buildCommand"] == f"MEMBER={member} sh images/build"
            dockerfile = artifact["custom"]["dependencies"]["dockerfile"]
            assert dockerfile == {"path": "Dockerfile", "buildArgs": {"MEMBER": member}}
    assert (ROOT / "Dockerfile").exists()


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[n for n, _ in PARTS])
def test_every_release_names_a_chart_values_and_images_that_exist(name, part):
    """What Skaffold hands to Helm are keys that the values of the chart have."""
    for release in releases(part):
        assert release.keys() <= RELEASE_KEYS
        chart = ROOT / release["chartPath"]
        values = yaml.safe_load((chart / "values.yaml").read_text())
        assert [v for v in release["valuesFiles"] if not (ROOT / v).exists()] == []
        built = {a["image"] for a in artifacts(part) or artifacts(SKAFFOLD)}
        for key, template in release["setValueTemplates"].items():
            top, member, field = key.split(".")
            assert field in values[top][member], key
            kind, image = re.fullmatch(r"\{\{\.IMAGE_(REPO|TAG)_(\w+)\}\}", template).groups()
            assert {"repository": "REPO", "tag": "TAG"}[field] == kind
            assert image == f"bluewhale_{member}"
            assert f"bluewhale/{member}" in built


def test_the_values_that_skaffold_hands_over_reach_the_pods(helm: Helm):
    """The releases render with the images of a build, and with no others."""
    for _, part in PARTS:
        for release in releases(part):
            words = [x for v in release["valuesFiles"] for x in ("--values", str(ROOT / v))]
            for key, template in release["setValueTemplates"].items():
                built = "registry.test/x" if "REPO" in template else "abc123"
                words += ["--set", f"{key}={built}"]
            text = helm.render(ROOT / release["chartPath"], *words)
            assert set(re.findall(r"^\s+image: (\S+)$", text, re.MULTILINE)) == {
                '"registry.test/x:abc123"'
            }


def test_the_custom_builder_builds_and_pushes_what_skaffold_asks_for():
    """images/build hands image, member, platforms and context to the builder; it pushes if told."""
    environment = os.environ | {
        "MEMBER": "parser",
        "IMAGE": "registry.test/bluewhale/parser:1",
        "BUILD_CONTEXT": str(ROOT),
        "PLATFORMS": "linux/arm64",
        "PUSH_IMAGE": "true",
        "BLUEWHALE_BUILD": "echo build",
        "BLUEWHALE_PUSH": "echo push",
    }
    done = subprocess.run(
        ["sh", Path("images/build")], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    built, pushed = done.stdout.splitlines()
    tag = "registry.test/bluewhale/parser:1"
    assert built.startswith(f"build --platform linux/arm64 --build-arg MEMBER=parser -t {tag} -f")
    assert built.endswith(f"{ROOT}/Dockerfile {ROOT}")
    assert pushed == f"push {tag}"
