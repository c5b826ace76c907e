"""What people get wrong with RemoteUnits: each is told what and what to do; what works goes on."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.cluster.kube import KubeError
from tests.cluster.places import PBX_PORT, RELEASE
from tests.cluster.standard import NORTH
from tests.support.helm import CHART

pytestmark = pytest.mark.needs("services")
NEWCOMER = "newcomer"


def newcomer(roles, **link):
    """A RemoteUnit of the demonstration's PBX, with a link that a test makes wrong."""
    made = roles.north(units={"preferred": NEWCOMER}, site="demo", trace=False)
    made["metadata"]["name"] = NEWCOMER
    wanted = {
        "name": NEWCOMER,
        "pbx": "demo-avaya",
        "dialect": "avaya_cm",
        "options": {"layout": "custom-114"},
        "connector": {"type": "tcp_server", "port": 9000},
    }
    made["spec"]["links"] = [wanted | link]
    return made


@pytest.fixture(autouse=True)
def _nothing_left(roles):
    """The newcomer goes behind each test, without force; the others never noticed."""
    roles.units()
    yield
    roles.kube.run("delete", "ru", NEWCOMER, "--ignore-not-found", "--timeout", "90s")
    assert roles.told(NORTH)["status"] == "True"
    roles.grows()


def told(roles, reason: str, kind: str = "ConfigSynced") -> str:
    """Wait for what a condition of the newcomer says."""
    roles.kube.until(reason, lambda: roles.told(NEWCOMER, kind)["reason"] == reason, 60)
    return roles.told(NEWCOMER, kind)["message"]


def test_a_spec_that_contradicts_itself_is_refused_with_the_remedy(roles):
    """The API server itself says it, before anything happens."""
    wrong = newcomer(roles)
    wrong["spec"]["failover"] = {"leaseSeconds": 4, "renewDeadlineSeconds": 10, "retrySeconds": 2}
    with pytest.raises(KubeError, match="leaseSeconds must be more than renewDeadlineSeconds"):
        roles.kube.apply(wrong)
    with pytest.raises(KubeError, match="a connector that listens needs a port"):
        roles.kube.apply(newcomer(roles, connector={"type": "tcp_server"}))
    made = newcomer(roles)
    made["spec"]["linkss"] = []
    with pytest.raises(KubeError, match=r'unknown field "spec\.linkss"'):
        roles.kube.apply(made)


def test_two_remoteunits_cannot_have_one_pbx(roles, record_property):
    """The newcomer is told who has it; the elder keeps it."""
    address = f"pbx-0.{roles.kube.namespace}.svc"
    connector = {"type": "tcp_client", "address": address, "port": PBX_PORT}
    readers = roles.place.readers(0)
    roles.kube.apply(newcomer(roles, connector=connector))
    said = told(roles, "PbxTaken")
    record_property("figure", f"two for one PBX: {said}")
    assert f"belongs to RemoteUnit {roles.kube.namespace}/{NORTH}" in said
    assert "let one RemoteUnit read it" in said
    assert roles.place.readers(0) == readers


def test_two_remoteunits_cannot_have_one_node_port(roles):
    """A port that a PBX is told exists once."""
    first = newcomer(roles, connector={"type": "tcp_server", "port": 9000, "nodePort": 30971})
    first["spec"]["reach"] = {"type": "NodePort"}
    roles.kube.apply(first)
    second = copy.deepcopy(first)
    second["metadata"]["name"] = "second"
    second["spec"]["units"]["preferred"] = "second"
    second["spec"]["links"][0]["name"] = "second"
    roles.kube.until("the first", lambda: roles.told(NEWCOMER)["status"] == "True")
    roles.kube.apply(second)
    try:
        roles.kube.until(
            "the refusal", lambda: roles.told("second", "ConfigSynced")["reason"] == "PortTaken", 60
        )
        said = roles.told("second", "ConfigSynced")["message"]
        assert (
            f"node port 30971/TCP belongs to RemoteUnit {roles.kube.namespace}/{NEWCOMER}" in said
        )
    finally:
        roles.kube.run("delete", "ru", "second", "--timeout", "90s")


def test_a_dialect_that_nobody_knows_is_named_and_the_other_links_go_on(roles, record_property):
    """The part of the configuration with the mistake is left out, the others hold."""
    roles.kube.apply(newcomer(roles, dialect="avaya_cn"))
    roles.kube.until(
        "the mistake", lambda: "avaya_cn" in roles.told(NEWCOMER, "ConfigSynced")["message"], 60
    )
    found = roles.told(NEWCOMER, "ConfigSynced")
    record_property("figure", f"unknown dialect: {found['reason']}: {found['message']}")
    assert found["status"] == "False"


def test_an_operator_without_a_right_says_which(roles):
    """One verb less in its Role: it names the right, and works again when it is back."""
    name = f"{RELEASE}-operator"
    role = roles.kube.get("role", f"{name}-units")
    less = copy.deepcopy(role)
    for rule in less["rules"]:
        if "statefulsets" in rule["resources"]:
            rule["verbs"].remove("create")
    roles.kube.run("patch", "role", f"{name}-units", "--type", "merge", "-p", _rules(less))
    try:
        roles.kube.run("rollout", "restart", f"deployment/{name}")

        def named() -> bool:
            selector = roles.place.component("operator")
            texts = [
                roles.kube.run("logs", pod["metadata"]["name"], "--tail=200")
                for pod in roles.kube.pods(selector)
            ]
            return any("statefulsets" in text and "create" in text for text in texts)

        roles.kube.until("the missing right to be named", named, 90)
    finally:
        roles.kube.run("patch", "role", f"{name}-units", "--type", "merge", "-p", _rules(role))
    roles.kube.run("rollout", "status", f"deployment/{name}", "--timeout", "180s")
    roles.order(roles.other(roles.settled()))  # it works again, by itself


def _rules(role) -> str:
    return json.dumps({"rules": role["rules"]})


def test_a_definition_of_an_older_release_is_brought_forward_by_the_upgrade(roles, tmp_path):
    """What the older definition does not know is refused by name; `helm upgrade` mends it."""

    def refused() -> bool:
        try:
            roles.kube.run("apply", "--dry-run=server", "-f", "-", given=_with_level(roles))
        except KubeError as error:
            return 'unknown field "spec.logLevel"' in str(error)
        return False

    now = roles.place.chart
    roles.place.chart = _older(tmp_path)
    try:
        roles.place.put("upgrade")
        roles.kube.until("the older definition", refused, 30)
    finally:
        roles.place.chart = now
    roles.place.put("upgrade")
    roles.kube.until("the newer definition", lambda: not refused(), 30)


def _older(folder: Path) -> Path:
    """Make a chart whose RemoteUnits have no log level yet."""
    shutil.copytree(CHART, folder / "bluewhale")
    path = folder / "bluewhale" / "files" / "crds" / "remoteunits.bluewhale.dev.yaml"
    definition = yaml.safe_load(path.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["logLevel"]
    path.write_text(yaml.safe_dump(definition))
    return folder / "bluewhale"


def _with_level(roles) -> str:
    made = newcomer(roles)
    made["spec"]["logLevel"] = "debug"
    return yaml.safe_dump(made)
