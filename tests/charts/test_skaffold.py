"""skaffold.yaml: of the documented schema, and naming only what is in the tree.

The commands that it stands for are run on a cluster by tests/cluster.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import ROOT, Helm
from tests.support.skaffold import builds, deploys, image_of, mistakes, read, with_profiles

SKAFFOLD = read()
# the ways that the head of the file names
WAYS = [(), ("kind",), ("standard",), ("custom",), ("standard", "custom-standard")]
MEMBERS = {p.stem for p in (ROOT / "images" / "members").glob("*.txt")}


def named(way: tuple[str, ...]) -> str:
    """Name a way as a person types it."""
    return ",".join(way) or "default"


@pytest.fixture(params=WAYS, ids=named)
def way(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """One way of calling Skaffold."""
    return request.param


def releases(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a part of the file hands to Helm."""
    return part["deploy"]["helm"]["releases"]


def test_the_file_is_of_the_schema_that_knows_helm_4():
    """Older programs would fail inside Helm; this one is refused by them at once."""
    assert SKAFFOLD["apiVersion"] == "skaffold/v4beta14"
    assert SKAFFOLD["kind"] == "Config"
    assert list(mistakes(SKAFFOLD)) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("build", "artefacts"), [], ".build.artefacts: unknown"),
        (("build", "local", "push"), "false", ".build.local.push: 'false' is of another type"),
        (("build", "cluster"), {}, ".build: one of cluster, local"),
        (("build", "artifacts", 0, "custom"), {}, ".build.artifacts[0]: one of custom, docker"),
        (("build", "tagPolicy", "gitCommit", "variant"), "Short", "'Short' is none of"),
        (("deploy", "helm", "releases", 0, "name"), None, ".deploy.helm.releases[0].name"),
        (("deploy", "helm", "releases", 0, "artifactOverrides"), {}, "artifactOverrides: unknown"),
        (("profiles", 0, "activation"), {}, ".profiles[0].activation: must be a list"),
        (("deploy", "helm", "releases", 0, "remoteChart"), "x", "one of chartPath, remoteChart"),
        (("portForward",), [], ".portForward: known, but its keys are not in this table yet"),
    ],
)
def test_what_the_schema_refuses_is_found(place: tuple[Any, ...], value: Any, said: str):
    """The table refuses what the program would: a mistake of each kind is told with its place."""
    document = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    at = document
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    assert [x for x in mistakes(document) if said in x] != []


def test_the_head_of_the_file_names_ways_that_exist():
    """What a person reads first can be typed."""
    head = (ROOT / "skaffold.yaml").read_text().partition("apiVersion")[0]
    profiles = {p["name"] for p in SKAFFOLD["profiles"]}
    typed = {name for words in re.findall(r"-p ([\w,-]+)", head) for name in words.split(",")}
    assert typed == profiles - {"kind"}  # that one is chosen by its context
    assert {name for one in WAYS for name in one} == profiles


def test_every_image_is_built_of_our_one_dockerfile_for_its_member(way):
    """The image is called after the member that the build argument names, whoever builds."""
    for artifact in with_profiles(*way)["build"]["artifacts"]:
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
    assert re.search(r"^ARG MEMBER\b", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_every_release_names_a_chart_values_and_images_that_exist(way):
    """What Skaffold hands to Helm are keys that the values of the chart have, of images that it built."""
    whole = with_profiles(*way)
    built = {a["image"] for a in whole["build"]["artifacts"]}
    for release in releases(whole):
        chart = ROOT / release["chartPath"]
        values = yaml.safe_load((chart / "values.yaml").read_text())
        assert [v for v in release["valuesFiles"] if not (ROOT / v).exists()] == []
        told = set()
        for key, template in release["setValueTemplates"].items():
            top, member, field = key.split(".")
            assert field in values[top][member], key
            kind, image = re.fullmatch(r"\{\{\.IMAGE_(REPO|TAG)_(\w+)\}\}", template).groups()
            assert {"repository": "REPO", "tag": "TAG"}[field] == kind
            assert image == f"bluewhale_{member}"
            told.add((member, field))
        # an image that is built and not handed over would run as an older one
        assert told == {
            (b.removeprefix("bluewhale/"), f) for b in built for f in ("repository", "tag")
        }


def test_what_is_not_pushed_is_built_by_docker_alone(way):
    """Skaffold looks for an image that stays here in Docker's store, and finds no other builder's."""
    build = with_profiles(*way)["build"]
    custom = ["custom" in a for a in build["artifacts"]]
    assert build["local"]["push"] is all(custom)
    assert all(custom) or not any(custom)


def test_the_values_that_skaffold_hands_over_reach_the_pods(way, helm: Helm):
    """The releases render with the images of a build, and with no others."""
    tag, repository = "abc123", "registry.test:5000"
    for command in deploys(*way, tag=tag, repository=repository, namespace="calls"):
        at = command.words.index("--namespace")
        assert command.words[1:4] == ["upgrade", "--install", "bluewhale"]
        rest = [w for w in command.words[at + 2 :] if w not in {"--create-namespace", "--wait"}]
        text = helm.render(Path(command.words[4]), *rest)
        images = set(re.findall(r'^\s+image: "?([^\s"]+)"?$', text, re.MULTILINE))
        built = {a["image"] for a in with_profiles(*way)["build"]["artifacts"]}
        assert images <= {image_of(b, repository, tag) for b in built}
        assert images != set()


def test_docker_is_told_file_member_name_and_folder():
    """The command of one artifact, word by word."""
    (command,) = builds(tag="abc123")
    words = ["docker", "build", "-f", f"{ROOT}/Dockerfile", "--build-arg", "MEMBER=cli"]
    assert command.words == [*words, "-t", "bluewhale/cli:abc123", str(ROOT)]


def test_custom_commands_build_and_push_what_skaffold_asks_for():
    """Every command runs as it stands, with a builder that tells what it was given."""
    told = []
    for command in builds("standard", "custom-standard", tag="1", repository="registry.test"):
        told_by = {"BLUEWHALE_BUILD": "echo build", "BLUEWHALE_PUSH": "echo push"}
        done = subprocess.run(
            command.words, cwd=ROOT, env=os.environ | command.environment | told_by,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        told += done.stdout.splitlines()
    expected = []
    for member in ("cli", "ingest", "parser", "billing", "storage", "webapi"):
        image = f"registry.test/bluewhale/{member}:1"
        given = f"--build-arg MEMBER={member} -t {image} -f {ROOT}/Dockerfile {ROOT}"
        expected += [f"build {given}", f"push {image}"]
    assert told == expected


def test_the_custom_builder_builds_for_the_platforms_that_are_asked_for():
    """Of another machine, as one argument."""
    environment = os.environ | {
        "MEMBER": "parser", "IMAGE": "registry.test/bluewhale/parser:1",
        "BUILD_CONTEXT": str(ROOT), "PLATFORMS": "linux/arm64", "PUSH_IMAGE": "false",
        "BLUEWHALE_BUILD": "echo build", "BLUEWHALE_PUSH": "echo push",
    }  # fmt: skip
    done = subprocess.run(
        ["sh", Path("images/build")], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    (built,) = done.stdout.splitlines()
    assert built.startswith("build --platform linux/arm64 --build-arg MEMBER=parser -t ")
