"""What people get wrong when they install: Helm or the cluster says what; nothing hangs afterwards."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from bluewhale.cli.borrowing import borrowed_database

from tests.cluster import conftest, places, surroundings
from tests.cluster.places import RELEASE, SMALL

STANDARD = {
    "profile": "standard",
    "kafka": {"bootstrap": "127.0.0.1:1", "partitions": 2, "replication": 1},
    "database": {"existingSecret": "absent"},
    **{
        role: {"replicas": 1, "resources": SMALL}
        for role in ("ingest", "parser", "billing", "storage")
    },
    "migrations": {"resources": SMALL, "deadlineSeconds": 60},
}
# asks the health door from within the pod: the API server does not pass the text of a 503 on
READY = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:9465/readyz").read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@pytest.fixture
def place(cluster, packaged, image, world, nodes) -> Iterator[places.Place]:
    """Give an empty namespace; whatever a test leaves goes with it."""
    with conftest.place_in("bad", cluster, packaged, image, world, nodes[0]) as made:
        yield made


def tried(place: places.Place, values: dict, timeout: str = "20s") -> str:
    """Install what cannot work; gives what Helm said."""
    place.values = {"image": place.image_values} | copy.deepcopy(values)
    with pytest.raises(AssertionError) as said:
        place.put("install", patience=timeout)
    return str(said.value)


def test_a_key_that_is_spelt_wrong_is_named_and_nothing_is_made(place):
    """The schema of the values refuses it."""
    said = tried(place, {"persistance": {"size": "1Gi"}})
    assert "persistance" in said
    assert place.helm.tried("status", RELEASE).returncode != 0


def test_a_profile_without_its_services_names_each_of_them(place):
    """All that is missing at once, each with what to write."""
    said = tried(place, {"profile": "standard"})
    assert "kafka.bootstrap is needed by the profile standard" in said
    assert "database.existingSecret is needed by the profile standard" in said


def test_a_secret_that_is_not_there_is_named_by_the_pod_that_waits_for_it(place):
    """The pod of the migrations says it; the release goes without a trace."""
    tried(place, STANDARD)
    events = place.kube.run("get", "events", "-o", "custom-columns=M:.message")
    assert 'secret "absent" not found' in events
    place.helm.run("uninstall", RELEASE, "--wait", "--timeout", "60s", "--no-hooks")
    place.kube.run("delete", "jobs", "--all", "--wait")
    place.kube.until("pods to go", lambda: not place.kube.list("pods"))


@pytest.mark.needs("services")
def test_roles_wait_for_a_kafka_that_is_not_there_and_say_so(place, record_property):
    """No crash loop: pods run, are not ready, and their readiness names the broker."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "absent"},
        "stringData": {"url": surroundings.given("POSTGRES_DSN")},
    }
    with borrowed_database(surroundings.given("POSTGRES_DSN")) as database:
        secret["stringData"]["url"] = database
        place.kube.apply(secret)
        tried(place, STANDARD, "90s")

        def said() -> str:
            pod = place.kube.pod(place.component("parser"))["metadata"]["name"]
            return place.kube.execute(pod, "/opt/bluewhale/bin/python", "-c", READY)

        place.kube.until("the reason", lambda: "127.0.0.1:1" in said(), 90)
        record_property("figure", f"Kafka away, /readyz of parser: {said().strip()[-300:]}")
        pods = place.kube.list("pods", f"app.kubernetes.io/instance={RELEASE}")
        restarts = {
            p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"]
            for p in pods
            if p["status"]["phase"] == "Running"
        }
        assert restarts
        assert set(restarts.values()) == {0}
        place.helm.run("uninstall", RELEASE, "--wait", "--timeout", "120s")


def test_without_a_default_storage_class_the_claim_says_so_and_gets_one_later(place):
    """The volume waits; a class that becomes the default is taken without another install."""
    classes = [
        c["metadata"]["name"]
        for c in place.kube.list("storageclass")
        if c["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true"
    ]
    for name in classes:
        place.kube.run("annotate", "storageclass", name, f"{DEFAULT_CLASS}=false", "--overwrite")
    try:
        values = {"singleNode": {"resources": SMALL}, "persistence": {"size": "1Gi"}}
        tried(place, values, "10s")
        place.kube.until(
            "the claim's word",
            lambda: (
                "no storage class is set" in place.kube.run("describe", "pvc", f"data-{RELEASE}-0")
            ),
            60,
        )
    finally:
        for name in classes:
            place.kube.run("annotate", "storageclass", name, f"{DEFAULT_CLASS}=true", "--overwrite")
    claim = f"data-{RELEASE}-0"
    place.kube.until(
        "the class of the claim",
        lambda: place.kube.get("pvc", claim)["spec"].get("storageClassName"),
    )
    place.kube.run("delete", "pod", f"{RELEASE}-0")  # else the scheduler takes five minutes to look
    place.kube.until("the pod", lambda: place.kube.ready(place.component("single-node")), 240)


def test_a_namespace_that_is_deleted_takes_everything_with_it(place):
    """The installation is in it: nothing holds it."""
    place.values = {
        "image": place.image_values,
        "singleNode": {"resources": SMALL},
        "persistence": {"size": "1Gi"},
    }
    place.put("install")
    place.kube.run("delete", "namespace", place.kube.namespace, "--wait=false")
    place.kube.until(
        "the namespace to go",
        lambda: not place.kube.exists("namespace", place.kube.namespace),
        180,
    )
    place.kube.run("create", "namespace", place.kube.namespace)
