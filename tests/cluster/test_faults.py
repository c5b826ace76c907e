"""Faults under load: units, nodes, ingest, the API server, the operator; how long each takes to heal.

Times go by the clock of the PBX: from the fault to the moment at which a unit reads it again.
"""

from __future__ import annotations

import contextlib
import os
import time

import pytest

from tests.cluster import surroundings
from tests.cluster.hands import CONT, KILL, STOP
from tests.cluster.kube import is_ready
from tests.cluster.places import RELEASE
from tests.cluster.standard import DEFAULT, NORTH, SOUTH

pytestmark = pytest.mark.needs("services")
ROUNDS = int(os.environ.get("BLUEWHALE_CLUSTER_ROUNDS", "3"))  # of each fault
ORDERS = int(os.environ.get("BLUEWHALE_CLUSTER_ORDERS", "10"))  # each way
API_AWAY_S = float(os.environ.get("BLUEWHALE_CLUSTER_API_AWAY", "60"))


@pytest.fixture(autouse=True)
def _units(roles):
    """Both RemoteUnits stand, both PBXs talk."""
    roles.units()


def test_ten_orders_each_way_hand_the_link_over(roles):
    """Switch-over to the standby unit and back to the preferred one, by annotation."""
    for _ in range(ORDERS):
        for unit in ("north-2", "north-1"):
            if roles.settled() != unit:
                roles.note("planned", roles.order(unit))
    assert len(roles.seconds["planned"]) >= 2 * ORDERS - 1


def crash(roles, hands, kind: str) -> None:
    """Kill the process that reads; somebody reads again."""
    owner = roles.settled()
    began = hands.signal(roles.unit_pod(owner), KILL)
    roles.note(kind, roles.read_after(began))


def freeze(roles, hands, kind: str) -> None:
    """Stop the process that reads; the other unit reads."""
    owner = roles.settled()
    pod = roles.unit_pod(owner)
    address = roles.unit_pod(roles.other(owner))["status"]["podIP"]
    began = hands.signal(pod, STOP)
    try:
        roles.note(kind, roles.read_after(began, address))
    finally:
        hands.signal(roles.unit_pod(owner), CONT)
    assert roles.settled() == roles.other(owner)


def test_a_killed_unit_is_read_for_again(roles, hands):
    """Kill -9 of the entitled unit, round after round."""
    for _ in range(ROUNDS):
        crash(roles, hands, "crash")


def test_a_frozen_unit_is_replaced_and_stands_ready_when_it_wakes(roles, hands):
    """SIGSTOP of the entitled unit, SIGCONT when the other one reads."""
    for _ in range(ROUNDS):
        freeze(roles, hands, "freeze")


def test_an_evicted_unit_hands_its_link_over(roles):
    """The eviction API, as when a node is drained; the budget lets one unit go at a time."""
    for _ in range(ROUNDS):
        owner = roles.settled()
        began = roles.evict(f"{owner}-0")
        roles.note("eviction", roles.read_after(began))


@contextlib.contextmanager
def on_the_other_node(roles, nodes):
    """Bring the link to a unit on a node where nothing else is; gives node, owner and other."""
    away = nodes[1]
    roles.settled()  # the pod that was evicted is back
    found = {u: roles.unit_pod(u)["spec"]["nodeName"] for u in ("north-1", "north-2")}
    owner = next(u for u, node in found.items() if node == away)
    if roles.settled() != owner:
        roles.order(owner)
    other = roles.other(owner)
    yield away, roles.unit_pod(other)["status"]["podIP"]
    roles.kube.until(
        f"{away} to be ready", lambda: is_ready({"status": roles.kube.get("node", away)["status"]}), 180
    )  # fmt: skip
    roles.kube.until("a settled state", roles.owner, 240)


@pytest.mark.needs("services", "nodes")
def test_when_its_node_dies_the_other_unit_reads(roles, nodes):
    """The node of the entitled unit is killed and started again."""
    with on_the_other_node(roles, nodes) as (node, address):
        began = time.time()
        surroundings.command("BLUEWHALE_NODE_KILL", node)
        try:
            roles.note("node killed", roles.read_after(began, address))
            roles.grows()
        finally:
            surroundings.command("BLUEWHALE_NODE_START", node)


@pytest.mark.needs("services", "nodes")
def test_when_its_node_is_cut_off_the_other_unit_reads(roles, nodes):
    """The node of the entitled unit loses its network and gets it back."""
    for _ in range(ROUNDS):
        with on_the_other_node(roles, nodes) as (node, address):
            began = time.time()
            surroundings.command("BLUEWHALE_NODE_PARTITION", node)
            try:
                roles.note("node cut", roles.read_after(began, address))
                roles.grows()
            finally:
                surroundings.command("BLUEWHALE_NODE_HEAL", node)


def leading_ingest(roles) -> dict:
    """Give the pod of the ingest that leads the ownership of links."""
    for pod in roles.kube.pods(roles.place.component("ingest")):
        text = roles.kube.door(pod["metadata"]["name"], 9465, "/metrics")
        if "\nbluewhale_ownership_leading 1.0" in text:
            return pod
    raise LookupError("no ingest leads")


def test_a_killed_leader_of_ingest_costs_no_reader(roles, hands, record_property):
    """Units read on; the next leader knows who reads, and takes orders within a lease."""
    took = []
    for _ in range(ROUNDS):
        owner = roles.settled()
        readers = roles.place.readers(0)
        pod = leading_ingest(roles)
        began = hands.signal(pod, KILL)
        other = roles.other(owner)
        address = roles.unit_pod(other)["status"]["podIP"]
        roles.kube.run("annotate", "ru", NORTH, f"bluewhale.dev/switchover-to={other}")
        assert roles.place.readers(0) == readers or roles.place.readers(0) == [address]
        took.append(roles.read_after(began, address))
        assert roles.settled() == other
    record_property(
        "figure",
        f"an order behind a killed leader of ingest: {', '.join(f'{s:.1f}' for s in took)} s",
    )


@pytest.mark.needs("services", "api")
def test_calls_are_stored_while_the_api_server_is_away(roles, record_property):
    """A minute without API server: nobody on the way of a call asks it anything."""
    roles.settled()
    longest = 0.0
    try:
        surroundings.command("BLUEWHALE_API_STOP")
        began = time.monotonic()
        while time.monotonic() - began < API_AWAY_S:
            longest = max(longest, roles.grows(by=5, patience_s=30))
    finally:
        surroundings.command("BLUEWHALE_API_START")
    roles.kube.until("the API server", lambda: roles.kube.list("nodes"))
    roles.settled()
    record_property(
        "figure",
        f"API server away {API_AWAY_S:.0f} s: five calls stored every {longest:.1f} s or sooner",
    )


def test_deleted_leases_are_made_again_and_orders_are_taken(roles):
    """Leases are mirrors and terms: to delete all of them stops nobody from reading."""
    owner = roles.settled()
    roles.kube.run("delete", "leases", "--all")
    roles.grows()
    link = roles.place.world.pbxs[0].link_uid
    roles.kube.until(
        "the mirror", lambda: roles.kube.get("lease", f"link-{link}")["spec"]["holderIdentity"]
    )
    roles.order(roles.other(owner))


def test_without_operator_calls_arrive_and_units_replace_each_other(roles, hands):
    """The operator is scaled to 0: the data path and the failover do without it."""
    roles.settled()
    roles.kube.run("scale", "deployment", f"{RELEASE}-operator", "--replicas=0")
    selector = roles.place.component("operator")
    roles.kube.until("no operator", lambda: not roles.kube.pods(selector))
    owner = next(
        u
        for u in ("north-1", "north-2")
        if roles.unit_pod(u)["status"]["podIP"] in roles.place.readers(0)
    )
    address = roles.unit_pod(roles.other(owner))["status"]["podIP"]
    pod = roles.unit_pod(owner)
    began = hands.signal(pod, STOP)
    try:
        roles.note("freeze", roles.read_after(began, address))
        roles.grows()
    finally:
        hands.signal(pod, CONT)
    roles.kube.run("scale", "deployment", f"{RELEASE}-operator", "--replicas=1")
    assert roles.settled() == roles.other(owner)


def test_a_parser_comes_and_goes_under_load(roles):
    """One copy, two, one again."""
    name, selector = f"{RELEASE}-parser", roles.place.component("parser")
    for count in (2, 1):
        roles.kube.run("scale", "deployment", name, f"--replicas={count}")
        roles.kube.until(f"{count} parsers", lambda n=count: roles.kube.ready(selector, n), 240)
        roles.grows()


def test_a_unit_with_undelivered_records_is_deleted_when_they_are_stored(roles, record_property):
    """Storage is away: the delete waits and says why; it ends when storage is back."""
    name, selector = f"{RELEASE}-storage", roles.place.component("storage")
    roles.wait_ready(SOUTH)
    roles.kube.run("scale", "deployment", name, "--replicas=0")
    roles.kube.until("no storage", lambda: not roles.kube.pods(selector))
    time.sleep(5)  # records come that nobody stores
    roles.kube.run("delete", "ru", SOUTH, "--wait=false")
    roles.kube.until("the wait", lambda: "holds" in roles.told(SOUTH)["message"], 60)
    told = roles.told(SOUTH)
    assert told["reason"] == "Draining"
    assert roles.kube.exists("pvc", "journal-south-1-0")
    roles.kube.run("scale", "deployment", name, "--replicas=1")
    took = roles.kube.until("the end", lambda: not roles.kube.exists("ru", SOUTH), 240)
    roles.kube.until("its volumes to go", lambda: not roles.kube.exists("pvc", "journal-south-1-0"))
    record_property(
        "figure", f"{told['message']}\ndrained and gone {took:.0f} s after storage was asked back"
    )
    roles.kube.apply(roles.south())
    roles.wait_ready(SOUTH)
    roles.grows()


def test_an_upgrade_of_all_roles_and_units_under_load(roles, record_property):
    """Other values, another profile of failover, every pod new; units one after the other."""
    if not surroundings.given("BLUEWHALE_IMAGE"):
        roles.place.image += "-next"
        surroundings.build(roles.place.image)
        roles.place.values["image"] = roles.place.image_values
    roles.place.values["pod"] |= {"annotations": {"example.net/round": "2"}}
    roles.place.values["ingest"] |= {"failoverProfile": "default"}
    took = roles.place.put("upgrade", patience="600s")
    for resource in (roles.north(failover=DEFAULT), roles.south(failover=DEFAULT)):
        roles.kube.apply(resource)

    def renewed() -> bool:
        images = {
            pod["spec"]["containers"][0]["image"]
            for pod in roles.kube.pods("app.kubernetes.io/component=remoteunit")
        }
        return images == {roles.place.image}

    units = roles.kube.until("every unit to be new", renewed, 300)
    roles.settled()
    roles.wait_ready(SOUTH)
    roles.grows()
    record_property("figure", f"upgrade: roles {took:.0f} s, then units {units:.0f} s")


def test_with_the_default_profile_units_replace_each_other_too(roles, hands):
    """The same faults with the patience of 15/10/2 s."""
    if roles.place.values["ingest"]["failoverProfile"] != "default":
        roles.place.values["ingest"] |= {"failoverProfile": "default"}
        roles.place.put("upgrade", patience="600s")
    owner = roles.settled()
    roles.note("default: planned", roles.order(roles.other(owner)))
    for _ in range(max(1, ROUNDS - 1)):
        crash(roles, hands, "default: crash")
        freeze(roles, hands, "default: freeze")
