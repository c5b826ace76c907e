"""The definition of RemoteUnit on a real API server: what is accepted, what is refused and why."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml

from tests.cluster.api.places import (
    MERGE,
    ROOT,
    Api,
    api_server,
    defined,
    definition,
    namespace,
)

pytestmark = pytest.mark.cluster
EXAMPLE = yaml.safe_load((ROOT / "charts/bluewhale/examples/remoteunit.yaml").read_text())
FOLDER = {"type": "folder", "path": "/cdr"}
LISTENS = {"type": "tcp_server", "port": 9000}
READS = {"type": "tcp_client", "address": "10.0.0.5", "port": 4000}

# what is wrong -> (change of the spec, what the API server says of it)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an outside unit has no Service": (
        {"runs": "Outside", "reach": {"type": "NodePort"}},
        "remove reach, or run it InCluster",
    ),
    "an outside unit has no pod": (
        {"runs": "Outside", "reach": None, "pod": {"priorityClassName": "high"}},
        "remove pod, or run it InCluster",
    ),
    "a folder in the cluster without a volume": (
        {"links": [{"connector": FOLDER}]},
        "name the PersistentVolumeClaim in connector.claimName",
    ),
    "a folder outside with a volume": (
        {"runs": "Outside", "reach": None, "links": [{"connector": {**FOLDER, "claimName": "c"}}]},
        "remove connector.claimName",
    ),
    "a node port without a Service that has one": (
        {"reach": None, "links": [{"connector": {**LISTENS, "nodePort": 30900}}]},
        "connector.nodePort needs reach.type NodePort or LoadBalancer",
    ),
    "two links on one TCP port": (
        {"links": [{"connector": LISTENS}, {"connector": {**LISTENS, "type": "syslog_tcp"}}]},
        "two links listen on the same TCP port",
    ),
    "two links on one UDP port": (
        {"links": [{"connector": {"type": "syslog_udp", "port": 514}}] * 2},
        "two links listen on the same UDP port",
    ),
    "a listener without a port": (
        {"links": [{"connector": {"type": "tcp_server"}}]},
        "a connector that listens needs a port",
    ),
    "a listener with an address": (
        {"links": [{"connector": {**LISTENS, "address": "10.0.0.5"}}]},
        "use peers to say who may connect",
    ),
    "a client without an address": (
        {"links": [{"connector": {"type": "tcp_client", "port": 4000}}]},
        "needs address and port of the PBX",
    ),
    "a folder without a path": (
        {"links": [{"connector": {"type": "folder", "claimName": "cdr"}}]},
        "a folder connector needs a path",
    ),
    "a listener with a path": (
        {"links": [{"connector": {**LISTENS, "path": "/cdr"}}]},
        "belong to a folder connector",
    ),
    "a folder with a port": (
        {"links": [{"connector": {**FOLDER, "claimName": "cdr", "port": 9000}}]},
        "a folder connector has neither address nor port",
    ),
    "a client with peers": (
        {"links": [{"connector": {**READS, "peers": ["10.0.0.6"]}}]},
        "peers and nodePort belong to a connector that listens",
    ),
    "a unit that stands by for itself": (
        {"units": {"preferred": "demo-1", "standby": ["demo-1"]}},
        "name another unit",
    ),
    "a link that prefers a unit of nobody": (
        {"links": [{"preferred": "demo-3"}]},
        "preferred of a link is one of spec.units",
    ),
    "a link that prefers a unit where none is named": (
        {"units": None, "links": [{"preferred": "demo"}]},
        "preferred of a link is one of spec.units",
    ),
    "a lease shorter than the deadline": (
        {"failover": {"leaseSeconds": 10, "renewDeadlineSeconds": 10}},
        "leaseSeconds must be more than renewDeadlineSeconds",
    ),
    "a deadline of hardly one retry": (
        {"failover": {"renewDeadlineSeconds": 6, "retrySeconds": 5}},
        "renewDeadlineSeconds must be more than 1.2 times retrySeconds",
    ),
    "a quota larger than its volume": (
        {"buffer": {"quotaMiB": 2048, "storage": "2Gi"}},
        "leave a tenth free",
    ),
    "a source address that ClusterIP cannot keep": (
        {"reach": {"type": "ClusterIP", "keepSourceAddress": True}},
        "a choice of NodePort and LoadBalancer alone",
    ),
    "ranges of a load balancer that is none": (
        {"reach": {"type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]}},
        "belong to LoadBalancer",
    ),
    "a connector that nobody knows": (
        {"links": [{"connector": {"type": "serial"}}]},
        'Unsupported value: "serial"',
    ),
    "a field with a typo": ({"lnks": []}, 'unknown field "spec.lnks"'),
    "no link at all": ({"links": []}, "should have at least 1 items"),
}
# what may not change -> (spec before, change, what is said)
UNCHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "where it runs": (
        {"reach": None},
        {"runs": "Outside"},
        "a unit does not move with its journal",
    ),
    "the PBX of a link": (
        {},
        {"links": [{"pbx": "other"}]},
        "records of a link belong to its PBX for ever",
    ),
    "the size of a volume": (
        {},
        {"buffer": {"storage": "4Gi"}},
        "a volume is made once; declare another RemoteUnit for a larger one",
    ),
    "the class of a volume": (
        {},
        {"buffer": {"storageClassName": "fast"}},
        "its storage class cannot be changed",
    ),
}
ACCEPTED: dict[str, dict[str, Any]] = {
    "the example": {},
    "one link and nothing else": dict.fromkeys(("site", "units", "failover", "reach")),
    "a unit outside that reads a folder": {
        "runs": "Outside",
        "reach": None,
        "links": [{"connector": FOLDER}],
    },
    "the same port once for TCP and once for UDP": {
        "links": [{"connector": LISTENS}, {"connector": {"type": "syslog_udp", "port": 9000}}]
    },
    "a fixed node port that keeps the source address": {
        "reach": {"type": "NodePort", "keepSourceAddress": True},
        "links": [{"connector": {**LISTENS, "nodePort": 30900, "peers": ["10.0.0.5"]}}],
    },
    "eight units, 64 links that are spread over them": {
        "units": {"preferred": "u0", "standby": [f"u{n}" for n in range(1, 8)]},
        "links": [
            {"connector": {**LISTENS, "port": 9000 + n}, "preferred": f"u{n % 8}"}
            for n in range(64)
        ],
    },
}


def changed(spec: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The spec with another value for some keys, None = without; links keep the example's rest."""
    made = copy.deepcopy(spec) | {k: v for k, v in change.items() if k != "links"}
    if "links" in change:
        example = spec["links"][0]
        made["links"] = [
            {**example, "name": f"{example['name']}{f'-{n}' * bool(n)}", **link}
            for n, link in enumerate(change["links"])
        ]
    return {k: v for k, v in made.items() if v is not None}


class Defined:
    """A copy of the definition under a group of its own: no installation is touched."""

    def __init__(self, api: Api, namespace: str, group: str) -> None:
        self.api, self.group = api, group
        self.path = f"/apis/{group}/v1alpha1/namespaces/{namespace}/remoteunits"

    def made(self, spec: dict[str, Any], name: str = "demo") -> dict[str, Any]:
        """A resource."""
        return {
            "apiVersion": f"{self.group}/v1alpha1",
            "kind": "RemoteUnit",
            "metadata": {"name": name},
            "spec": spec,
        }

    async def create(self, made: dict[str, Any], **query: str) -> tuple[int, dict[str, Any]]:
        """What `kubectl create` does: unknown fields are refused."""
        return await self.api.ask("POST", self.path, made, fieldValidation="Strict", **query)


def run(work: Callable[[Defined], Awaitable[None]]) -> None:
    """Run a scenario against the definition of the tree."""

    async def live() -> None:
        group = f"t{secrets.token_hex(3)}.bluewhale.dev"
        copied = definition()
        copied["metadata"]["name"] = f"remoteunits.{group}"
        copied["spec"]["group"] = group
        copied["spec"]["names"].pop("shortNames")
        copied["spec"]["names"].pop("categories")
        async with api_server() as api, defined(api, copied), namespace(api) as place:
            await work(Defined(api, place, group))

    asyncio.run(live())


def messages(schema: Any) -> list[str]:
    """The message of every rule, at any depth."""
    if isinstance(schema, list):
        return [m for entry in schema for m in messages(entry)]
    if not isinstance(schema, dict):
        return []
    own = [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]
    rest = (v for k, v in schema.items() if k != "x-kubernetes-validations")
    return own + [m for value in rest for m in messages(value)]


def test_every_rule_refuses_what_it_is_for_and_says_what_to_do():
    """Each mistake is refused with its own message; no rule is left that nothing here breaks."""

    async def work(here: Defined) -> None:
        said = []
        for wrong, (change, expected) in REFUSED.items():
            made = here.made(changed(EXAMPLE["spec"], change))
            status, answer = await here.create(made, dryRun="All")
            assert status in {400, 422}, f"{wrong} was accepted"
            assert expected in answer["message"], f"{wrong}: {answer['message']}"
            said.append(answer["message"])
        for kept, (before, change, expected) in UNCHANGED.items():
            name = kept.replace(" ", "-").lower()
            first = changed(EXAMPLE["spec"], before)
            status, answer = await here.create(here.made(first, name))
            assert status == 201, f"{kept}: {answer}"
            body = {"spec": {k: v for k, v in changed(first, change).items() if k in change}}
            status, answer = await here.api.ask("PATCH", f"{here.path}/{name}", body, content=MERGE)
            assert status == 422, f"{kept} could be changed"
            assert expected in answer["message"], f"{kept}: {answer['message']}"
            said.append(answer["message"])
        status, answer = await here.create(here.made(EXAMPLE["spec"], "x" * 53), dryRun="All")
        assert status == 422
        said.append(answer["message"])
        every = messages(definition()["spec"]["versions"][0]["schema"])
        assert [m for m in every if not any(m in text for text in said)] == []

    run(work)


def test_what_people_need_is_accepted_and_gets_its_defaults():
    """A resource of four lines is whole."""

    async def work(here: Defined) -> None:
        for what, change in ACCEPTED.items():
            made = here.made(changed(EXAMPLE["spec"], change))
            status, answer = await here.create(made, dryRun="All")
            assert status == 201, f"{what}: {answer.get('message')}"
            spec = answer["spec"]
            assert spec["runs"] == change.get("runs", "InCluster")
            assert spec["buffer"] == {"quotaMiB": 1024, "storage": "2Gi"}
            assert "failback" not in spec  # as the installation has it
            assert (spec["logLevel"], spec["trace"]) == ("info", False)

    run(work)


def test_a_status_is_written_beside_the_spec_and_shown_in_the_columns_of_kubectl():
    """`kubectl get ru` is a dashboard: what a person reads comes from the status."""

    async def work(here: Defined) -> None:
        await here.create(here.made(EXAMPLE["spec"]))
        ready = {
            "type": "Ready",
            "status": "False",
            "reason": "FillingUp",
            "message": "the journal of demo-1 is 82% full",
            "lastTransitionTime": "2026-11-22T09:00:00Z",
            "observedGeneration": 1,
        }
        told = {
            "conditions": [ready],
            "owner": "demo-1",
            "backlogAge": "4m",
            "receivedThrough": 120,
            "storedThrough": 80,
            "gaps": 2,
            "bufferDaysLeft": "1.5",
            "clockSkewMilliseconds": -40,
        }
        body = {"spec": {"links": []}, "status": told}
        answer = await here.api.done("PATCH", f"{here.path}/demo/status", body, content=MERGE)
        assert len(answer["spec"]["links"]) == 1, "a status changes no spec"
        assert answer["metadata"]["generation"] == 1
        table = await _table(here.api.cluster._client, here.path)
        names = [column["name"] for column in table["columnDefinitions"]]
        row = dict(zip(names, table["rows"][0]["cells"], strict=True))
        assert (row["Ready"], row["Reason"], row["Owner"]) == ("False", "FillingUp", "demo-1")
        assert (row["Backlog"], row["Gaps"], row["Skew"]) == ("4m", 2, -40)
        assert (row["Received"], row["Stored"], row["Buffer Days"]) == (120, 80, "1.5")
        assert row["Message"] == "the journal of demo-1 is 82% full"

    run(work)


async def _table(client: Any, path: str) -> dict[str, Any]:
    """What kubectl asks for."""
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    request = await client.param_serialize(
        "GET", path, header_params=accept, auth_settings=["BearerToken"]
    )
    answer = await client.call_api(*request)
    return yaml.safe_load(await answer.read())
