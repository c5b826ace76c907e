"""Doing what was decided: order, refusals, what is published, how little is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from bluewhale.operator.exceptions import ClusterError, IngestError, RefusedError
from bluewhale.operator.observed import Centre, ObjectId, UnitReport, id_of
from bluewhale.operator.reconcile import Reconciler
from bluewhale.operator.resource import read_resource
from bluewhale.operator.watching import Watched
from bluewhale.telemetry import Metrics

from tests.support.remoteunits import NOW, SETTINGS, body, centre, link, well

UNITS = ObjectId("ConfigMap", "bluewhale", "bluewhale-units")


class MemoryCluster:
    """The port over a store that watches at once; every request is counted."""

    def __init__(self, store: Watched) -> None:
        self.store = store
        self.objects: dict[ObjectId, Any] = {}
        self.bodies: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[str] = []
        self.refuses = ""
        self.fails = False
        self.ending: set[str] = set()

    def put(self, made: dict[str, Any]) -> None:
        self.bodies[made["metadata"]["namespace"], made["metadata"]["name"]] = made
        self.store.saw_resource(read_resource(made))

    async def apply(self, made: Any, *, subresource: str = "") -> Any:
        self.asked.append(f"apply {made['kind']} {made['metadata']['name']}")
        if self.fails:
            raise ClusterError("the API server does not answer")
        if made["kind"] == self.refuses:
            raise RefusedError("spec.ports[0].nodePort: 30900 is allocated already")
        if subresource:
            key = made["metadata"]["namespace"], made["metadata"]["name"]
            self.put({**self.bodies[key], "status": made["status"]})
            return self.bodies[key]
        self.objects[id_of(made)] = made
        return made

    async def get(self, name: ObjectId) -> Any:
        return self.objects.get(name)

    async def list(self, kind: str, namespace: str, selector: str) -> list[Any]:
        self.asked.append(f"list {kind}")
        return [{"metadata": {"name": "bluewhale-ingest-0"}}]

    async def annotate(self, name: ObjectId, annotations: Mapping[str, str | None]) -> None:
        self.asked.append(f"annotate {name.kind} {name.name}")

    async def delete(self, name: ObjectId) -> None:
        self.asked.append(f"delete {name.kind} {name.name}")
        gone = self.objects.pop(name, None)
        if gone is not None:
            self.store.saw_child(name.kind, gone, gone=True)

    async def replace(self, made: Any) -> Any:
        return made

    async def is_ending(self, namespace: str) -> bool:
        return namespace in self.ending


class QuietIngest:
    """Answers what it is told to; keeps what it is asked."""

    def __init__(self, said: Centre) -> None:
        self.said, self.calls, self.away = said, [], False

    async def view(self) -> Centre:
        return self.said

    async def mint(self, unit: str) -> tuple[str, datetime]:
        if self.away:
            raise IngestError("away")
        self.calls.append(("mint", unit))
        return f"bw1.{unit}.x.y", datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

    async def configure(self, unit: str, overrides: Mapping[str, Any]) -> None:
        self.calls.append(("configure", unit))

    async def revoke(self, unit: str, reason: str) -> None:
        self.calls.append(("revoke", unit))

    async def hand_over(self, link: str, to: str) -> None:
        self.calls.append(("hand_over", link, to))


def world(said: Centre, *bodies: dict[str, Any]) -> tuple[Reconciler, MemoryCluster, QuietIngest]:
    """A reconciler over an empty cluster with these resources."""
    store = Watched(SETTINGS)
    cluster, ingest = MemoryCluster(store), QuietIngest(said)
    for made in bodies:
        cluster.put(made)
    reconciler = Reconciler(SETTINGS, cluster, ingest, store, metrics=Metrics(), clock=lambda: NOW)
    reconciler.centre = said
    return reconciler, cluster, ingest


def conditions(cluster: MemoryCluster, name: str = "berlin") -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    found = cluster.bodies["pbx", name]["status"]["conditions"]
    return {c["type"]: (c["status"], c["reason"]) for c in found}


def test_a_token_is_in_its_secret_before_the_status_says_so():
    """A status that names a token that is not there would keep a unit waiting for an hour."""
    said = centre(UnitReport("berlin", "declared", links=("hq-avaya",)))
    reconciler, cluster, ingest = world(said, body())
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    assert ingest.calls == [("mint", "berlin"), ("configure", "berlin")]
    secret = cluster.objects[ObjectId("Secret", "pbx", "berlin-token")]
    assert secret["stringData"] == {"token": "bw1.berlin.x.y"}
    told = cluster.bodies["pbx", "berlin"]["status"]["units"]
    assert told[0]["tokenExpires"] == "2026-11-22T10:00:00Z"
    order = [a for a in cluster.asked if "Secret" in a or "RemoteUnit" in a or "berlin-0" in a]
    # the pod is changed, so that its kubelet does not wait a minute before it looks
    assert order == [
        "apply Secret berlin-token", "annotate Pod berlin-0", "apply RemoteUnit berlin",
    ]  # fmt: skip


def test_a_token_that_was_not_made_is_not_told():
    """The next look tries again."""
    said = centre(UnitReport("berlin", "declared", links=("hq-avaya",)))
    reconciler, cluster, ingest = world(said, body())
    ingest.away = True
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    assert "tokenExpires" not in cluster.bodies["pbx", "berlin"]["status"]["units"][0]


def test_links_are_published_once_and_the_pods_of_the_roles_look_at_once():
    """Kubelets renew mounted files when a pod changes."""
    reconciler, cluster, _ = world(centre(well("berlin")), body())
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    assert list(cluster.objects[UNITS]["data"]) == ["pbx.berlin.yaml"]
    assert cluster.asked.count("apply ConfigMap bluewhale-units") == 1
    assert "annotate Pod bluewhale-ingest-0" in cluster.asked


def test_a_second_look_asks_nothing_of_anybody():
    """Of 200 resources: no write, no list, no call."""
    names = [f"r{i:03}" for i in range(200)]
    said = centre(*(well(name, (f"l-{name}",)) for name in names), shared=False)
    said = Centre(
        said.units,
        {f"l-{n}": said.links[f"l-{n}"].__class__(owner=n, ready=(n,)) for n in names},
        said.profile,
        problem="",
    )
    bodies = [
        body(n, links=[link(f"l-{n}", type="tcp_client", address=f"{n}.pbx", port=4000)])
        for n in names
    ]
    reconciler, cluster, ingest = world(said, *bodies)

    async def looks() -> None:
        for name in names:
            await reconciler.reconcile(("pbx", name))

    asyncio.run(looks())
    first = len(cluster.asked)
    assert conditions(cluster, "r199")["Ready"] == ("True", "Ready")
    cluster.asked.clear()
    asyncio.run(looks())
    assert cluster.asked == []
    assert ingest.calls == []
    # two objects, an event and a status each; links once, with the pods that are woken
    assert first == 200 * 4 + 3


def test_what_the_api_server_refuses_is_told_at_once_and_when_it_is_mended():
    """A node port that somebody else has."""
    listener = link(type="tcp_server", port=9000, nodePort=30900)
    given = body(links=[listener], reach={"type": "NodePort"})
    reconciler, cluster, _ = world(centre(well("berlin")), given)
    cluster.refuses = "Service"
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    assert conditions(cluster)["Ready"] == ("False", "Refused")
    message = cluster.bodies["pbx", "berlin"]["status"]["conditions"][0]["message"]
    assert "30900 is allocated already" in message
    cluster.refuses = ""
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    assert conditions(cluster)["Ready"] == ("True", "Ready")


def test_a_newcomer_in_conflict_leaves_what_is_published_as_it_is():
    """And an edit of a resource into a conflict keeps its links of before."""
    said = centre(well("berlin"))
    reconciler, cluster, _ = world(said, body())
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    before = cluster.objects[UNITS]["data"]
    later = {"creationTimestamp": "2026-11-02T00:00:00Z"}
    cluster.put(body("paris", meta=later))
    asyncio.run(reconciler.reconcile(("pbx", "paris")))
    assert conditions(cluster, "paris")["Ready"] == ("False", "LinkTaken")
    assert cluster.objects[UNITS]["data"] == before


def test_the_volume_that_was_made_for_a_resource_goes_with_it_an_older_one_stays():
    """It was revoked with an earlier resource of its name, whose records may lie in an older volume."""
    said = centre(UnitReport("berlin", "revoked", revoked_at_ms=1, links=("hq-avaya",)))
    claim = ObjectId("PersistentVolumeClaim", "pbx", "journal-berlin-0")
    for made, left in (("2026-11-01T00:00:00Z", False), ("2026-10-31T23:59:59Z", True)):
        gone = {"deletionTimestamp": "2026-11-22T09:00:00Z"}
        reconciler, cluster, _ = world(said, body(meta=gone))
        cluster.objects[claim] = {
            "metadata": {"namespace": "pbx", "name": claim.name, "creationTimestamp": made}
        }
        assert asyncio.run(reconciler.reconcile(("pbx", "berlin"))) is True
        assert (claim in cluster.objects) is left


def test_links_of_a_resource_go_when_it_is_let_go_not_before():
    """The unit could not deliver without being declared."""
    paused = {"log_level": "info", "journal_quota_mib": 1024, "paused_links": ["hq-avaya"]}
    gone = {"deletionTimestamp": "2026-11-22T08:00:00Z"}
    full = centre(well("berlin", overrides=paused, backlog_records=3))
    reconciler, cluster, ingest = world(full, body(meta=gone))
    assert asyncio.run(reconciler.reconcile(("pbx", "berlin"))) is False
    assert list(cluster.objects[UNITS]["data"]) == ["pbx.berlin.yaml"]
    reconciler.centre = centre(well("berlin", overrides=paused))
    assert asyncio.run(reconciler.reconcile(("pbx", "berlin"))) is False  # written down first
    assert ingest.calls == []
    assert asyncio.run(reconciler.reconcile(("pbx", "berlin"))) is True
    assert cluster.objects[UNITS]["data"] == {}
    assert ingest.calls == [("revoke", "berlin")]
    assert "delete PersistentVolumeClaim journal-berlin-0" in cluster.asked


def test_looks_resources_and_an_ingest_that_is_away_are_measured():
    """What an alert on the operator is made of."""
    reconciler, cluster, _ = world(centre(problem="ingest: connection refused"), body())

    async def scenario() -> str:
        await reconciler.reconcile(("pbx", "berlin"))
        cluster.fails = True
        cluster.put(body("paris", links=[link("paris-avaya")]))
        with pytest.raises(ClusterError):
            await reconciler.reconcile(("pbx", "paris"))
        following = asyncio.create_task(reconciler.follow())
        await reconciler.asked.wait()
        following.cancel()
        return reconciler._metrics.text().decode()

    told = asyncio.run(scenario()).splitlines()
    assert 'bluewhale_operator_looks_total{outcome="done"} 1.0' in told
    assert 'bluewhale_operator_looks_total{outcome="failed"} 1.0' in told
    assert 'bluewhale_operator_resources{ready="Unknown"} 2.0' in told
    assert "bluewhale_operator_ingest_answers 0.0" in told


def test_what_the_operator_wrote_itself_is_no_sign_of_life_of_a_watch():
    """A watch that hangs must show, however much is written."""
    reconciler, _, _ = world(centre(), body())
    store = reconciler._store
    store._heard_at -= 600
    asyncio.run(reconciler.reconcile(("pbx", "berlin")))
    assert store.quiet_s >= 600
    store.heard()
    assert store.quiet_s < 60


def test_what_many_new_resources_want_is_published_together():
    """Not a ConfigMap of a thousand parts a thousand times."""
    reconciler, cluster, _ = world(centre(), body())

    async def scenario() -> None:
        looks = [asyncio.create_task(reconciler.reconcile(("pbx", "berlin")))]
        for n in range(12):
            await asyncio.sleep(0.01)
            cluster.put(body(f"site-{n}", links=[link(f"link-{n}")]))
            looks.append(asyncio.create_task(reconciler.reconcile(("pbx", f"site-{n}"))))
        await asyncio.gather(*looks)

    asyncio.run(scenario())
    assert cluster.asked.count("apply ConfigMap bluewhale-units") == 2
    assert len(cluster.objects[UNITS]["data"]) == 13
