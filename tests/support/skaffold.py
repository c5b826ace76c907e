"""skaffold.yaml as its program reads it: the documented schema, profiles laid over it, the commands it runs.

`python -m tests.support.skaffold -p standard` prints the commands of a profile.

The table of keys is written down by hand from the JSON schema of skaffold/v4beta14, which its
authors publish as docs-v2/content/en/schemas/v4beta14.json; of what we do not use only names are
kept. The variables of a custom build command are those of its page "Custom Build Script".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from tests.support.helm import ROOT

# definition -> key -> kind: a scalar, "strings", "map" (of strings), "any", another definition,
# [definition] for a list, "unused" for what our file must not begin to use without a line here
SCHEMA: dict[str, dict[str, Any]] = {
    "SkaffoldConfig": {
        "apiVersion": str, "kind": str, "metadata": "Metadata", "requires": "unused",
        "build": "BuildConfig", "test": "unused", "manifests": "unused", "deploy": "DeployConfig",
        "portForward": "unused", "resourceSelector": "unused", "verify": "unused",
        "customActions": "unused", "profiles": ["Profile"],
    },
    "Metadata": {"name": str, "labels": "map", "annotations": "map"},
    "Profile": {
        "name": str, "activation": ["Activation"], "requiresAllActivations": bool,
        "patches": "unused", "build": "BuildConfig", "test": "unused", "manifests": "unused",
        "deploy": "DeployConfig", "portForward": "unused", "resourceSelector": "unused",
        "verify": "unused", "customActions": "unused",
    },
    "Activation": {"env": str, "kubeContext": str, "command": str},
    "BuildConfig": {
        "hooks": "unused", "artifacts": ["Artifact"], "insecureRegistries": "strings",
        "tagPolicy": "TagPolicy", "platforms": "strings", "local": "LocalBuild",
        "googleCloudBuild": "unused", "cluster": "unused",
    },
    "TagPolicy": {
        "gitCommit": "GitTagger", "sha256": "unused", "envTemplate": "unused",
        "dateTime": "unused", "customTemplate": "unused", "inputDigest": "unused",
    },
    "GitTagger": {"variant": str, "prefix": str, "ignoreChanges": bool},
    "LocalBuild": {
        "push": bool, "tryImportMissing": bool, "useDockerCLI": bool, "useBuildkit": bool,
        "concurrency": int,
    },
    "Artifact": {
        "image": str, "context": str, "sync": "unused", "requires": "unused", "hooks": "unused",
        "platforms": "strings", "runtimeType": str, "docker": "DockerArtifact",
        "custom": "CustomArtifact",
    },
    "DockerArtifact": {
        "dockerfile": str, "target": str, "buildArgs": "map", "network": str, "addHost": "strings",
        "cacheFrom": "strings", "cliFlags": "strings", "pullParent": bool, "noCache": bool,
        "squash": bool, "secrets": "unused", "ssh": str,
    },
    "CustomArtifact": {"buildCommand": str, "dependencies": "CustomDependencies"},
    "CustomDependencies": {
        "dockerfile": "DockerfileDependency", "command": str, "paths": "strings",
        "ignore": "strings",
    },
    "DockerfileDependency": {"path": str, "buildArgs": "map"},
    "DeployConfig": {
        "docker": "unused", "helm": "LegacyHelmDeploy", "kpt": "unused", "kubectl": "unused",
        "cloudrun": "unused", "statusCheck": bool, "statusCheckDeadlineSeconds": int,
        "tolerateFailuresUntilDeadline": bool, "kubeContext": str, "logs": "unused",
    },
    "LegacyHelmDeploy": {
        "concurrency": int, "releases": ["HelmRelease"], "flags": "unused", "hooks": "unused",
    },
    "HelmRelease": {
        "name": str, "chartPath": str, "remoteChart": str, "valuesFiles": "strings",
        "namespace": str, "version": str, "setValues": "any", "setValueTemplates": "any",
        "setFiles": "map", "createNamespace": bool, "wait": bool, "recreatePods": bool,
        "skipBuildDependencies": bool, "skipTests": bool, "useHelmSecrets": bool, "repo": str,
        "upgradeOnChange": bool, "overrides": "any", "packaged": "unused", "dependsOn": "strings",
    },
}  # fmt: skip
REQUIRED = {
    "SkaffoldConfig": {"apiVersion", "kind"}, "Profile": {"name"}, "Artifact": {"image"},
    "HelmRelease": {"name"},
}  # fmt: skip
ONE_OF = {  # of these keys an object has one at most
    "BuildConfig": {"local", "googleCloudBuild", "cluster"},
    "Artifact": {"docker", "custom"},
    "TagPolicy": set(SCHEMA["TagPolicy"]),
    "HelmRelease": {"chartPath", "remoteChart"},
}
VARIANTS = {"Tags", "CommitSha", "AbbrevCommitSha", "TreeSha", "AbbrevTreeSha"}


def read() -> dict[str, Any]:
    """Give skaffold.yaml."""
    return yaml.safe_load((ROOT / "skaffold.yaml").read_text())


def mistakes(found: Any, definition: str = "SkaffoldConfig", where: str = "") -> Iterator[str]:
    """Give what the schema would refuse, with its place."""
    if not isinstance(found, Mapping):
        yield f"{where}: must be an object"
        return
    keys = SCHEMA[definition]
    yield from (
        f"{where}.{name}: missing" for name in REQUIRED.get(definition, set()) - found.keys()
    )
    if len(both := ONE_OF.get(definition, set()) & found.keys()) > 1:
        yield f"{where}: one of {', '.join(sorted(both))}"
    for name, value in found.items():
        place = f"{where}.{name}"
        kind = keys.get(name)
        if kind is None:
            yield f"{place}: unknown"
        elif kind == "unused":
            yield f"{place}: known, but its keys are not in this table yet"
        elif isinstance(kind, list):
            if not isinstance(value, list):
                yield f"{place}: must be a list"
                continue
            for i, entry in enumerate(value):
                yield from mistakes(entry, kind[0], f"{place}[{i}]")
        elif isinstance(kind, str) and kind in SCHEMA:
            yield from mistakes(value, kind, place)
        elif not _fits(value, kind):
            yield f"{place}: {value!r} is of another type"
    if definition == "GitTagger" and found.get("variant", "Tags") not in VARIANTS:
        yield f"{where}.variant: {found['variant']!r} is none of {sorted(VARIANTS)}"


def _fits(value: Any, kind: Any) -> bool:
    if kind == "any":
        return True
    if kind == "strings":
        return isinstance(value, list) and all(isinstance(x, str) for x in value)
    if kind == "map":
        return isinstance(value, Mapping) and all(isinstance(x, str) for x in value.values())
    return type(value) is kind


def with_profiles(*names: str) -> dict[str, Any]:
    """Give the file with profiles laid over it: objects are merged, lists replaced."""
    whole = read()
    profiles = {p["name"]: p for p in whole.pop("profiles")}
    for name in names:
        for part in ("build", "deploy"):
            whole[part] = _over(whole[part], profiles[name].get(part, {}))
    return whole


def _over(base: Any, top: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(top, Mapping):
        return {k: _over(base.get(k), top.get(k)) for k in [*base, *(top.keys() - base.keys())]}
    return base if top is None else top


class Command(NamedTuple):
    """What is run in the folder of the tree; `environment` beside that of the caller."""

    words: list[str]
    environment: dict[str, str]


def image_of(artifact: str, repository: str, tag: str) -> str:
    """Give the name of a built image; repository "" = as the artifact is called."""
    return f"{repository}/{artifact}:{tag}" if repository else f"{artifact}:{tag}"


def builds(
    *profiles: str,
    tag: str,
    repository: str = "",
    docker: Sequence[str] = ("docker", "build"),
) -> Iterator[Command]:
    """Give the commands that build what the profiles name.

    repository: as `--default-repo`. docker: what builds a Dockerfile here.
    """
    build = with_profiles(*profiles)["build"]
    push = build.get("local", {}).get("push", False)
    for artifact in build["artifacts"]:
        image = image_of(artifact["image"], repository, tag)
        context = str(ROOT / artifact["context"])
        if "custom" in artifact:
            environment = {
                "IMAGE": image,
                "PUSH_IMAGE": str(push).lower(),
                "BUILD_CONTEXT": context,
                "PLATFORMS": "",
            }
            yield Command(["sh", "-c", artifact["custom"]["buildCommand"]], environment)
            continue
        arguments = artifact["docker"].get("buildArgs", {}).items()
        given = [word for name, value in arguments for word in ("--build-arg", f"{name}={value}")]
        file = str(ROOT / artifact["context"] / artifact["docker"]["dockerfile"])
        yield Command([*docker, "-f", file, *given, "-t", image, context], {})


def deploys(
    *profiles: str,
    tag: str,
    repository: str = "",
    helm: str = "helm",
    namespace: str = "",
    values: Sequence[str] = (),
) -> Iterator[Command]:
    """Give the commands that install the releases of the profiles, or upgrade them.

    namespace: instead of that of the release. values: files behind those of the release.
    """
    whole = with_profiles(*profiles)
    images = [a["image"] for a in whole["build"]["artifacts"]]
    dots = {}
    for image in images:
        name = re.sub(r"[/.:-]", "_", image)
        full = image_of(image, repository, tag)
        dots[f"IMAGE_REPO_{name}"], _, dots[f"IMAGE_TAG_{name}"] = full.rpartition(":")
    for release in whole["deploy"]["helm"]["releases"]:
        words = [helm, "upgrade", "--install", release["name"], str(ROOT / release["chartPath"])]
        words += ["--namespace", namespace or release["namespace"]]
        words += ["--create-namespace"] if release.get("createNamespace") else []
        words += ["--wait"] if release.get("wait") else []
        for file in (*(str(ROOT / f) for f in release.get("valuesFiles", ())), *values):
            words += ["--values", file]
        for key, template in release.get("setValueTemplates", {}).items():
            value = re.sub(r"\{\{\.(\w+)\}\}", lambda m: dots[m[1]], template)
            words += ["--set", f"{key}={value}"]
        yield Command(words, {})


def main(words: list[str]) -> None:
    """Print the commands of profiles."""
    chosen = [name for word in words if word != "-p" for name in word.split(",")]
    for made in [*builds(*chosen, tag="TAG"), *deploys(*chosen, tag="TAG")]:
        print(" ".join([*(f"{k}={v}" for k, v in made.environment.items()), *made.words]))


if __name__ == "__main__":
    main(sys.argv[1:])
