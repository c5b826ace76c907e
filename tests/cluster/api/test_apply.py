"""Server-side apply on a real API server: what the operator says stays, what others say stays too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bluewhale.operator import specs
from bluewhale.operator.apply import path_of
from bluewhale.operator.comparing import is_as_wanted
from bluewhale.operator.exceptions import ConflictError, RefusedError
from bluewhale.operator.observed import ObjectId
from bluewhale.operator.resource import RemoteUnit, read_resource
from bluewhale.operator.watching import _kept

from tests.cluster.api.places import OWNER, Api, api_server, namespace
from tests.support.remoteunits import SETTINGS, body, link

pytestmark = pytest.mark.cluster
Work = Callable[[Api, str], Awaitable[None]]
REACHES = {
    "ClusterIP": {},
    "NodePort": {"type": "NodePort", "keepSourceAddress": True},
    "LoadBalancer": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
}


def run(work: Work) -> None:
    """Run a scenario in a namespace of its own."""

    async def live() -> None:
        async with api_server() as api, namespace(api) as place:
            await work(api, place)

    asyncio.run(live())


def unit_in(place: str, **given: Any) -> RemoteUnit:
    """A resource of two units whose pods no node takes; nothing of it is owned by anybody."""
    made = body(
        units={"preferred": "berlin-1", "standby": ["berlin-2"]},
        pod={"nodeSelector": {"bluewhale.dev/nowhere": "true"}},
        meta={"namespace": place},
        **given,
    )
    return read_resource(made)


def free(made: dict[str, Any]) -> dict[str, Any]:
    """The object without its owner, which is not on the server: it would be collected."""
    made["metadata"].pop("ownerReferences", None)
    return made


def objects_of(resource: RemoteUnit) -> list[dict[str, Any]]:
    """Everything that the operator makes for a resource."""
    expires = datetime(2026, 11, 22, 10, tzinfo=UTC)
    service = specs.unit_service(resource, resource.links[0], entitled="berlin-1")
    assert service is not None
    return [
        free(made)
        for made in (
            specs.unit_configmap(resource, "berlin-1", SETTINGS),
            specs.stateful_set(resource, "berlin-1", SETTINGS, image="bluewhale/remoteunit:1"),
            specs.disruption_budget(resource),
            service,
            specs.link_lease(resource, resource.links[0], owner=""),
            specs.link_lease(resource, resource.links[0], owner="berlin-1"),
            specs.token_secret(resource, "berlin-1", "bw1.berlin-1.x.y", expires),
        )
    ]


@pytest.mark.parametrize("reach", REACHES)
def test_what_the_server_adds_is_not_taken_for_a_difference(reach: str):
    """Else every look would write every object again, for ever."""

    async def work(api: Api, place: str) -> None:
        for made in objects_of(unit_in(place, reach=REACHES[reach])):
            answer = await api.cluster.apply(made)
            kind, name = made["kind"], made["metadata"]["name"]
            if kind != "Secret":
                assert is_as_wanted(made, _kept(kind, answer)), f"{kind} {name}"
            # of an object that has a status, others write that part
            version = "generation" if "generation" in answer["metadata"] else "resourceVersion"
            again = await api.cluster.apply(made)
            same = again["metadata"][version] == answer["metadata"][version]
            assert same, f"{kind} {name} was written"

    run(work)


def test_the_port_that_the_cluster_chose_stays_when_the_owner_of_a_link_moves():
    """A PBX is told the port once."""

    async def work(api: Api, place: str) -> None:
        resource = unit_in(place, reach={"type": "NodePort"})
        ports = set()
        for unit in ("berlin-1", "berlin-2", "berlin-1"):
            made = free(specs.unit_service(resource, resource.links[0], entitled=unit))
            answer = await api.cluster.apply(made)
            assert answer["spec"]["selector"]["bluewhale.dev/unit"] == unit
            ports.add(answer["spec"]["ports"][0]["nodePort"])
        assert len(ports) == 1

    run(work)


def test_a_part_that_is_published_no_more_goes_and_what_others_wrote_stays():
    """One ConfigMap with a key per resource; an administrator may annotate it."""

    async def work(api: Api, place: str) -> None:
        settings = SETTINGS.model_copy(update={"namespace": place})
        two = {"pbx.berlin.yaml": "links: []\n", "pbx.paris.yaml": "links: []\n"}
        await api.cluster.apply(specs.units_configmap(settings, two))
        path = path_of("ConfigMap", place, settings.configmap)
        other = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": settings.configmap, "annotations": {"team": "voice"}},
        }
        await api.applied(path, other, OWNER)
        del two["pbx.paris.yaml"]
        answer = await api.cluster.apply(specs.units_configmap(settings, two))
        assert list(answer["data"]) == ["pbx.berlin.yaml"]
        assert answer["metadata"]["annotations"]["team"] == "voice"
        await api.cluster.annotate(ObjectId("ConfigMap", place, settings.configmap), {"team": None})
        assert "team" not in (await api.done("GET", path))["metadata"]["annotations"]

    run(work)


def test_what_the_operator_wants_wins_over_a_hand_that_changed_it():
    """The resource is the place to change it; the object is set back."""

    async def work(api: Api, place: str) -> None:
        resource = unit_in(place, reach={})
        made = free(specs.unit_service(resource, resource.links[0], entitled="berlin-1"))
        await api.cluster.apply(made)
        path = path_of("Service", place, "link-hq-avaya")
        hand = {"spec": {"selector": {"bluewhale.dev/unit": "nobody"}}}
        found = await api.done("PATCH", path, hand, content="application/merge-patch+json")
        assert not is_as_wanted(made, _kept("Service", found))
        answer = await api.cluster.apply(made)
        assert answer["spec"]["selector"]["bluewhale.dev/unit"] == "berlin-1"

    run(work)


def test_what_is_refused_is_said_in_the_words_of_the_server():
    """They become the message of ConfigSynced."""

    async def work(api: Api, place: str) -> None:
        wrong = [{**link(), "connector": {"type": "tcp_server", "port": 9000, "nodePort": 80}}]
        resource = unit_in(place, reach={"type": "NodePort"}, links=wrong)
        made = free(specs.unit_service(resource, resource.links[0], entitled="berlin-1"))
        with pytest.raises(RefusedError, match="provided port is not in the valid range"):
            await api.cluster.apply(made)
        made["metadata"]["namespace"] = "bluewhale-nowhere"
        with pytest.raises(RefusedError, match='namespaces "bluewhale-nowhere" not found'):
            await api.cluster.apply(made)

    run(work)


def test_of_two_who_replace_one_version_one_is_told_of_the_conflict():
    """Who leads is a compare-and-set; nothing is lost in silence."""

    async def work(api: Api, place: str) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "one", "namespace": place},
            "spec": {"holderIdentity": "a"},
        }
        found = await api.cluster.replace(lease)
        with pytest.raises(ConflictError, match="already exists"):
            await api.cluster.replace(lease)
        first = await api.cluster.replace({**found, "spec": {"holderIdentity": "b"}})
        assert first["spec"]["holderIdentity"] == "b"
        with pytest.raises(ConflictError, match="the object has been modified"):
            await api.cluster.replace({**found, "spec": {"holderIdentity": "c"}})
        await api.cluster.delete(ObjectId("Lease", place, "one"))
        await api.cluster.delete(ObjectId("Lease", place, "one"))
        assert await api.cluster.get(ObjectId("Lease", place, "one")) is None

    run(work)
