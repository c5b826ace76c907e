"""The profile single-node on a cluster: one pod and its volume, from the first minute to the last."""

from __future__ import annotations

import json
import time

import pytest

from tests.cluster import places
from tests.cluster.hands import KILL
from tests.cluster.places import BACKUPS, DEMO, LISTENED, PBX_PORT, RELEASE, SMALL

POD = f"{RELEASE}-0"
START_LIMIT_S = 300.0
BUSY_S = 8.0  # calls come for so long before the pod is hurt
# runs in the pod: compares the store with what PBXs printed
COMPARE = """
import json, sys
from pathlib import Path
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.switch import calls_of
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import Store
printed, (pbxs, dialect, calls, seed) = json.loads(sys.argv[1]), json.loads(sys.argv[2])
world = World.of(Path(), pbxs, (dialect,), calls, seed, 0)
numbers = set()
for index, pbx in enumerate(world.pbxs):
    numbers |= {n for n, _ in calls_of(world, index)[: printed.get(pbx.pbx_uid, 0)]}
truth = [call for call in world.truth if call.number in numbers]
with Store.open(Path("/var/lib/bluewhale/data/store")) as store:
    sql = "SELECT COUNT(*), COUNT(DISTINCT cdr_id) FROM leg"
    rows, distinct = store.run_read(lambda tx: tx.rows(sql))[0]
    print(json.dumps([compare(truth, store, set(printed))[:20], int(rows) - int(distinct)]))
"""


def values(place: places.Place, **more):
    """Small enough for a small machine."""
    return {
        "image": place.image_values,
        "singleNode": {"resources": SMALL, "nodeSelector": {"kubernetes.io/hostname": place.home}},
        "persistence": {"size": "1Gi"},
        "test": {"resources": SMALL},
        **more,
    }


def own(place: places.Place) -> dict[str, str]:
    """An installation with two PBXs: to one we connect, the other connects to us."""
    client = {"type": "tcp_client", "host": f"pbx-0.{place.kube.namespace}.svc", "port": PBX_PORT}
    server = {"type": "tcp_server", "host": "0.0.0.0", "port": LISTENED}
    links = [
        DEMO,
        places.link_of(place.world, 0, client),
        places.link_of(place.world, 1, server),
    ]
    return places.files(place.world, links, {})


def kept(place: places.Place) -> int:
    """Give how many calls the pod has stored, by its own count since it started."""
    text = place.kube.door(POD, 9464, "/metrics")
    lines = [x for x in text.splitlines() if x.startswith("bluewhale_calls_stored_total{")]
    return sum(int(float(x.rpartition(" ")[2])) for x in lines)


def flows(place: places.Place) -> None:
    """Wait until the pod is ready and calls arrive."""
    place.kube.until("the pod", lambda: place.kube.ready(place.component("single-node")), 300)
    before = kept(place)
    place.kube.until("calls to arrive", lambda: kept(place) > before + 3 * places.CALLS_PER_S)


def test_one_command_installs_it_and_helm_test_sees_a_price(single, record_property):
    """Nothing but the cluster: the demonstration stands and prices a call within five minutes."""
    single.values = values(single)
    installed = single.put("install")
    tested = single.tested()
    record_property("figure", f"single-node: ready {installed:.0f} s, helm test {tested:.0f} s")
    assert installed + tested <= START_LIMIT_S


def test_an_installation_of_ones_own_comes_by_upgrade(single):
    """The files of the values are in force after the upgrade, and calls of two PBXs arrive."""
    single.values = values(
        single,
        installation={"files": own(single)},
        test={"pbx": f"{RELEASE}-pbx.{single.kube.namespace}.svc:9000", "resources": SMALL},
    )
    single.start_switch(0)
    single.start_switch(1, connect=f"{RELEASE}-pbx.{single.kube.namespace}.svc:{LISTENED}")
    single.put("upgrade")
    flows(single)


def test_a_killed_pod_goes_on_where_it_was(single, hands, record_property):
    """Kill -9 under load: the container comes back by itself."""
    flows(single)
    began = hands.signal(single.kube.get("pod", POD), KILL)
    single.kube.until("the kill", lambda: not single.kube.ready(single.component("single-node")))
    flows(single)
    record_property("figure", f"single-node: calls {time.time() - began:.0f} s after kill -9")


def test_a_deleted_pod_comes_back_with_its_volume(single, record_property):
    """The pod is deleted under load, as when its node is drained."""
    began = time.monotonic()
    before = single.kube.get("pod", POD)["metadata"]["uid"]
    single.kube.run("delete", "pod", POD)
    single.kube.until(
        "another pod", lambda: single.kube.get("pod", POD)["metadata"]["uid"] != before
    )
    flows(single)
    record_property(
        "figure", f"single-node: calls {time.monotonic() - began:.0f} s after a delete of the pod"
    )


def test_an_upgrade_and_a_rollback_under_load_lose_nothing_on_the_way(single, record_property):
    """Both roll the pod; calls arrive behind each."""
    single.values |= {"pod": {"annotations": {"example.net/round": "2"}}}
    took = single.put("upgrade")
    flows(single)
    single.helm.run("rollback", RELEASE, "--wait", "--timeout", "300s")
    flows(single)
    annotations = single.kube.get("pod", POD)["metadata"]["annotations"]
    record_property("figure", f"single-node: upgrade under load {took:.0f} s")
    assert "example.net/round" not in annotations


def test_every_call_that_the_pbxs_printed_is_there_once_with_its_price(single, record_property):
    """After all of it: 0 lost, 0 double, every price equal to the truth."""
    printed = single.stop_switches()
    true(single, printed)
    assert min(printed.values()) > 30 * places.CALLS_PER_S  # half a minute
    record_property("figure", f"single-node: {printed} calls printed; 0 lost, 0 double")


def true(place: places.Place, printed: dict[str, int]) -> None:
    """Wait until what the pod has stored is what the PBXs printed, each call once."""
    asked = [
        "/opt/bluewhale/bin/python", "-c", COMPARE, json.dumps(printed),
        json.dumps([places.PBXS, places.DIALECT, places.CALLS, places.SEED]),
    ]  # fmt: skip
    said = [["not compared"], 0]

    def equal() -> bool:
        said[:] = json.loads(place.kube.execute(POD, *asked).splitlines()[-1])
        return said == [[], 0]

    try:
        place.kube.until("the truth", equal, 180)
    except AssertionError as error:
        pytest.fail(f"{said}\n{error}")


def test_a_backup_that_a_job_made_comes_back_by_a_job(single, record_property):
    """The commands of the guide: the data moves aside, every call is there once, new ones follow."""
    printed = single.stop_switches()
    single.kube.apply(BACKUPS)
    single.values |= {"backup": {"enabled": True, "existingClaim": "backups", "resources": SMALL}}
    single.put("upgrade")
    began = time.monotonic()
    path = single.backup_job("backup-now").partition(":")[0]
    took = time.monotonic() - began
    assert path.startswith("/backups/bluewhale-")
    single.kube.run("scale", "statefulset", RELEASE, "--replicas", "0")
    single.kube.until("the pod to go", lambda: not single.kube.exists("pod", POD))
    began = time.monotonic()
    assert single.backup_job("restore", ["restore", path, "--aside"]).startswith(
        f"{path}: restored into "
    )
    back = time.monotonic() - began
    single.kube.run("scale", "statefulset", RELEASE, "--replicas", "1")
    single.kube.until("the pod", lambda: single.kube.ready(single.component("single-node")), 300)
    true(single, printed)
    single.tested()
    single.kube.run("delete", "job", "backup-now", "restore", "--ignore-not-found")
    single.kube.run("delete", "pvc", "backups")
    record_property("figure", f"single-node: backup by job {took:.0f} s, restore {back:.0f} s")


def test_after_the_uninstall_only_the_volume_is_left(single):
    """Nothing hangs; the claim of the data stays, as the README says."""
    single.helm.run("uninstall", RELEASE, "--wait", "--timeout", "180s")
    selector = f"app.kubernetes.io/instance={RELEASE}"
    ours = f"{selector},app.kubernetes.io/component!=test"  # Helm leaves the pod of `helm test`
    single.kube.until("pods to go", lambda: not single.kube.list("pods", ours))
    kinds = "statefulsets,services,configmaps,networkpolicies,serviceaccounts,secrets"
    assert single.kube.list(kinds, selector) == []
    assert [c["metadata"]["name"] for c in single.kube.list("pvc")] == [f"data-{POD}"]
