"""The profile standard on a cluster: roles, operator, RemoteUnits, from an apply to a price."""

from __future__ import annotations

import importlib.util
import random
import socket
import subprocess
import sys
import time

import pytest
import yaml
from bluewhale.cli.simulate.switch import calls_of
from bluewhale.cli.traces import crossing, find_traces

from tests.cluster import places, surroundings
from tests.cluster.kube import condition
from tests.cluster.places import OTHER_PORT, RELEASE
from tests.cluster.standard import NORTH, SOUTH
from tests.support.helm import CHART

pytestmark = pytest.mark.needs("services")
EXAMPLE = CHART / "examples" / "remoteunit.yaml"
TRACED = ("remoteunit", "ingest", "parser", "billing", "storage")
INSTALL_LIMIT_S, PRICED_LIMIT_S = 300.0, 60.0
OUTSIDE, OUTSIDE_CALLS = "outside", 200


def demo_line() -> bytes:
    """Print a call as `helm test` does."""
    path = CHART / "files" / "call.py"
    spec = importlib.util.spec_from_file_location("call", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.line().encode()


def node_address(roles, name: str) -> str:
    """Give the address of a node."""
    found = roles.kube.get("node", name)["status"]["addresses"]
    return next(a["address"] for a in found if a["type"] == "InternalIP")


def test_one_command_installs_the_roles_and_helm_test_sees_a_price(roles, record_property):
    """Migrations, certificates, every role and the operator; a call through all of them."""
    tested = roles.place.tested()
    record_property(
        "figure", f"standard: ready {roles.installed_s:.0f} s, helm test {tested:.0f} s"
    )
    assert roles.installed_s + tested <= INSTALL_LIMIT_S


def test_an_applied_remoteunit_prices_a_call_within_a_minute(roles, record_property):
    """charts/bluewhale/examples/remoteunit.yaml as it is; a PBX comes to the port of a node."""
    resource = yaml.safe_load(EXAMPLE.read_text())
    before, began = places.charges(roles.database), time.monotonic()
    roles.kube.run("apply", "-f", str(EXAMPLE))
    sent = [0.0]

    def called() -> bool:
        owner = roles.resource("demo").get("status", {}).get("owner")
        if not owner:
            return False
        node = node_address(roles, roles.unit_pod(owner)["spec"]["nodeName"])
        port = roles.kube.get("service", "link-demo-avaya")["spec"]["ports"][0]["nodePort"]
        try:
            with socket.create_connection((node, port), timeout=2) as pbx:
                pbx.sendall(demo_line())
                sent[0] = time.monotonic() - began
                return True
        except OSError:
            return False

    roles.kube.until("a unit to listen", called, 180)
    while places.charges(roles.database) == before:
        assert time.monotonic() - began < 180, roles.kube.story()
        time.sleep(0.2)
    priced = time.monotonic() - began
    record_property(
        "figure", f"kubectl apply to a priced call: {priced:.1f} s (the call came at {sent[0]:.1f})"
    )
    roles.wait_ready("demo")
    assert resource["spec"]["reach"]["type"] == "NodePort"
    assert priced <= PRICED_LIMIT_S


def test_a_remoteunit_without_records_is_deleted_at_once(roles):
    """The example goes: pods, volumes, Services and its part of the configuration with it."""
    roles.kube.run("delete", "ru", "demo", "--timeout", "60s")
    selector = "bluewhale.dev/remoteunit=demo"
    kinds = "pods,statefulsets,services,configmaps,secrets,pvc,leases"
    roles.kube.until("its objects to go", lambda: not roles.kube.list(kinds, selector))
    parts = roles.kube.get("configmap", f"{RELEASE}-units").get("data") or {}
    assert [name for name in parts if ".demo." in name] == []


def test_two_remoteunits_bring_the_calls_of_two_pbxs_to_their_prices(roles, record_property):
    """One connects to its PBX, to the other its PBX connects; `kubectl get ru` shows both."""
    roles.units()
    roles.grows(by=15 * places.CALLS_PER_S)
    before = places.charges(roles.database)
    roles.grows()
    roles.kube.until("charges", lambda: places.charges(roles.database) > before)
    shown = roles.kube.run("get", "ru", "-o", "wide")
    record_property("figure", f"kubectl get ru -o wide\n{shown.rstrip()}")
    # the preferred one, unless it was the last to come up
    assert roles.resource(NORTH)["status"]["owner"] in {"north-1", "north-2"}
    assert {r["metadata"]["name"]: condition(r, "Ready")["status"] for r in roles.kube.list("ru")} == {
        NORTH: "True",
        SOUTH: "True",
    }  # fmt: skip


@pytest.mark.needs("services", "traces")
def test_one_trace_crosses_the_pods_of_all_roles(roles, record_property):
    """From the unit that read a call to the role that stored it."""
    roles.units()
    jaeger, found = surroundings.given("JAEGER_URL"), []

    def there() -> bool:
        trace = crossing(find_traces(jaeger, "remoteunit"), TRACED)
        found.extend([trace] if trace else [])
        return bool(found)

    roles.kube.until("a trace of all roles", there)
    hops = "\n".join(
        f"  {h.service:12} {h.operation:30} {h.after_ms:8.1f} {h.duration_ms:8.1f}"
        for h in found[0].hops
    )
    record_property("figure", f"trace {found[0].trace_id}: hop, after ms, took ms\n{hops}")


def test_a_change_takes_effect_while_the_pods_run_on(roles, record_property):
    """Another port of the PBX and another log level: no pod starts again, no call is missed."""
    roles.units()
    owner = roles.settled()
    before = roles.unit_pod(owner)
    resource = roles.north(logLevel="debug")
    resource["spec"]["links"][0]["connector"]["port"] = OTHER_PORT
    began = time.time()
    roles.kube.apply(resource)
    took = roles.read_after(began, before["status"]["podIP"])
    roles.kube.until(
        "the change in force", lambda: roles.told(NORTH, "ConfigSynced")["status"] == "True"
    )
    after = roles.unit_pod(owner)
    record_property("figure", f"a changed link reads {took:.1f} s after kubectl apply")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert [c["restartCount"] for c in after["status"]["containerStatuses"]] == [
        c["restartCount"] for c in before["status"]["containerStatuses"]
    ]


def test_a_candidate_that_cannot_run_is_rolled_back_and_named(roles, record_property):
    """A PBX that does not answer: the unit keeps the link that works and says why."""
    roles.units()
    roles.settled()
    resource = roles.north()
    resource["spec"]["links"][0]["connector"]["port"] = 9999
    roles.kube.apply(resource)
    roles.kube.until(
        "the roll-back", lambda: roles.told(NORTH, "ConfigSynced")["reason"] == "RolledBack", 60
    )
    told = roles.told(NORTH, "ConfigSynced")
    record_property("figure", f"ConfigSynced: {told['reason']}: {told['message']}")
    assert "9999" in told["message"]
    roles.grows()
    assert len(roles.place.readers(0)) == 1
    roles.kube.apply(roles.north())
    roles.settled()


def test_a_unit_outside_of_the_cluster_enrols_with_its_token(roles, tmp_path, record_property):
    """A process of this machine reads a file of its own; its calls are priced like all others."""
    roles.units()
    pbx = roles.place.world.pbxs[2]
    lines = [data for _, data in calls_of(roles.place.world, 2)[:OUTSIDE_CALLS]]
    (tmp_path / "spool").mkdir()
    link = {
        "name": pbx.link_uid,
        "pbx": pbx.pbx_uid,
        "dialect": places.DIALECT,
        "options": {"columns": "21"},
        "connector": {
            "type": "folder", "path": str(tmp_path / "spool"), "pattern": "Master.csv", "mode": "tail",
        },
    }  # fmt: skip
    spec = {"runs": "Outside", "site": pbx.site_uid, "links": [link]}
    roles.kube.apply(
        {
            "apiVersion": "bluewhale.dev/v1alpha1",
            "kind": "RemoteUnit",
            "metadata": {"name": OUTSIDE},
            "spec": spec,
        }
    )
    roles.kube.until("its token", lambda: roles.kube.exists("secret", f"{OUTSIDE}-token"))
    service = roles.kube.get("service", f"{RELEASE}-ingest")["spec"]["ports"]
    ports = {p["name"]: p["nodePort"] for p in service}
    node = node_address(roles, roles.place.home)
    settings = {
        "unit_uid": OUTSIDE,
        "centre": f"{node}:{ports['uplink']}",
        "enrolment": f"{node}:{ports['enrolment']}",
        "token": roles.secret(f"{OUTSIDE}-token", "token"),
        "data": str(tmp_path / "data"),
    }
    (tmp_path / "unit.yaml").write_text(yaml.safe_dump(settings))
    with (tmp_path / "log").open("w") as log:
        unit = subprocess.Popen(
            [sys.executable, "-m", "bluewhale.remoteunit", "--config", str(tmp_path / "unit.yaml")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        began = roles.kube.until(
            OUTSIDE,
            lambda: roles.told(OUTSIDE)["reason"] == "Ready",
        )
        with (tmp_path / "spool" / "Master.csv").open("ab") as file:
            for line in lines:
                file.write(line)
                file.flush()
                time.sleep(random.uniform(0, 0.01))
        took = roles.truth(tmp_path, {pbx.pbx_uid: OUTSIDE_CALLS}, 120)
        roles.kube.until(
            "no token left", lambda: not roles.kube.exists("secret", f"{OUTSIDE}-token")
        )
        roles.kube.run("delete", "ru", OUTSIDE, "--timeout", "120s")
    finally:
        unit.terminate()
        unit.wait(30)
    record_property(
        "figure",
        f"outside: connected {began:.0f} s after its start, its calls priced {took:.1f} s after the last",
    )
