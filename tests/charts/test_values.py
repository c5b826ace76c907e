"""Values: every key is described, has a default, and a misspelt one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.charts import cases
from tests.support.helm import CHART, CRDS_CHART, Helm, RenderingError

TYPOS = {
    "at the top": ["--set", "profil=standard"],
    "in a role": ["--set", "ingest.replica=3"],
    "in an image": ["--set", "images.cli.tags=x"],
    "deep": ["--set", "metrics.serviceMonitor.intervall=5s"],
    "an unknown profile": ["--set", "profile=double-node"],
    "a port that is none": ["--set", "pbx.ports[0].name=a,pbx.ports[0].port=70000"],
    "a digest that is none": ["--set", "images.cli.digest=sha256:12"],
    "brokers without a port": ["--set", "kafka.bootstrap=kafka"],
    "a share above 1": ["--set", "telemetry.sampleRatio=2"],
    "a page in the clear": ["--set", "web.publicUrl=http://calls.example.net"],
    "an unknown way to Kafka": ["--set", "kafka.security.protocol=tls"],
}


def keys(schema: dict[str, Any], node: dict[str, Any], where: str = "") -> list[str]:
    """Name the keys of which only one side, schema or defaults, knows something."""
    found = []
    for name in schema.keys() | node.keys():
        path = f"{where}{name}"
        if name not in schema or name not in node:
            found.append(path)
            continue
        inner = schema[name].get("properties")
        if inner is not None and isinstance(node[name], dict):
            optional = {"nodePorts", "roles"}  # nothing by default
            if name not in optional:
                found += keys(inner, node[name], f"{path}.")
    return found


def objects_that_take_anything(node: Any, where: str = "") -> list[str]:
    """Name the objects of a schema that describe keys and let others through."""
    found = []
    if isinstance(node, dict):
        if "properties" in node and node.get("additionalProperties") is not False:
            found.append(where)
        for name, inner in node.items():
            found += objects_that_take_anything(inner, f"{where}/{name}")
    return found


@pytest.mark.parametrize("chart", [CHART, CRDS_CHART], ids=lambda p: p.name)
def test_schema_and_defaults_know_the_same_keys(chart):
    """A key without a default, or without a description, is named."""
    schema = json.loads((chart / "values.schema.json").read_text())
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    known = {k: v for k, v in schema["properties"].items() if k != "global"}
    assert keys(known, {k: v for k, v in defaults.items() if k != "global"}) == []


@pytest.mark.parametrize("chart", [CHART, CRDS_CHART], ids=lambda p: p.name)
def test_no_level_of_ours_takes_unknown_keys(chart):
    """`global` belongs to all charts of a release; everything else is ours."""
    schema = json.loads((chart / "values.schema.json").read_text())
    assert objects_that_take_anything(schema) in ([], ["/properties/global"])


@pytest.mark.parametrize("typo", TYPOS.values(), ids=TYPOS.keys())
def test_a_mistake_in_values_is_refused(helm: Helm, typo: list[str]):
    """Helm ends with the path of the key before anything is installed."""
    with pytest.raises(RenderingError, match="values don't meet the specifications"):
        helm.render(CHART, *typo)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (
            ["--set", "profile=standard"],
            r"(?s)kafka.bootstrap is needed.*database.existingSecret is needed",
        ),
        (["--set", "operator.enabled=true"], "needs the profile standard"),
        (
            [*cases.arguments("standard"), "--set", "storage.replicas=2"],
            r"set storage.segments.accessModes to \[ReadWriteMany\]",
        ),
        (
            [*cases.arguments("standard"), "--set", "certificates.mode=cert-manager"],
            "install cert-manager, or choose `own`",
        ),
        (["--set", "installation.files.directory\\.yaml=x"], "has no bluewhale.yaml"),
        (["--set", "installation.files.bluewhale\\.yaml=a: ]"], "bluewhale.yaml is not YAML"),
        (
            [*cases.arguments("standard"), "--set", "kafka.security.protocol=sasl_ssl"],
            "sasl_ssl needs kafka.security.username and userSecret",
        ),
        (
            [*cases.arguments("standard"), "--set", "kafka.security.caSecret=x"],
            "caSecret is of no use with protocol plaintext: choose ssl or sasl_ssl",
        ),
        (
            ["--set", "backup.enabled=true", "--set", "persistence.enabled=false"],
            "backup.enabled needs persistence.enabled",
        ),
        (["--set", "backup.enabled=true"], "backup.enabled needs backup.existingClaim"),
        (
            ["--set", "web.service.type=NodePort"],
            "passwords would travel in the clear; name a Secret",
        ),
        (["--set", "web.ingress.enabled=true"], "needs web.ingress.host"),
        (
            ["--set", "web.httpRoute.enabled=true"],
            r"(?s)needs web.httpRoute.hosts and parentRefs.*install a Gateway controller",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_remedy(
    helm: Helm, wrong: list[str], remedy: str
):
    """What the schema cannot see is said by the templates, all at once."""
    with pytest.raises(RenderingError, match=remedy):
        helm.render(CHART, *wrong)
