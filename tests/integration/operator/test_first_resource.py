"""From `kubectl apply` to status: kopf and the operator over HTTP, a real ingest over TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bluewhale.operator.process import Worker
from bluewhale.operator.settings import Settings

from tests.integration.ingest.places import write_configuration
from tests.integration.operator.places import identity_of, ingest_in
from tests.support.apiserver import ApiServer, api_server, until
from tests.support.remoteunits import body

RU = "bluewhale.dev/v1alpha1/remoteunits"


async def mount(server: ApiServer, folder: Path) -> None:
    """What a kubelet does, until cancelled: files of a ConfigMap in a folder."""
    before: dict[str, str] = {}
    while True:
        found = server.found("v1/configmaps", "bluewhale-units", "bluewhale")
        parts = dict((found or {}).get("data") or {})
        for name in before.keys() - parts.keys():
            (folder / name).unlink()
        for name, text in parts.items():
            if before.get(name) != text:
                (folder / name).write_text(text)
        before = parts
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def installation(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[ApiServer] = ApiServer,
    **given: Any,
) -> AsyncIterator[Any]:
    """API server, ingest, operator; the operator watches all namespaces."""
    path = write_configuration(folder)
    document = yaml.safe_load(path.read_text()) | {"include": ["units.d"]}
    path.write_text(yaml.safe_dump(document))
    mounted = folder / "units.d"
    mounted.mkdir()
    with ingest_in(folder) as port:
        keys = identity_of(folder)
        async with api_server(folder, kind) as (server, kubeconfig):
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            settings = Settings(
                namespace="bluewhale",
                watch="*",
                ingest=f"127.0.0.1:{port}",
                enrolment="127.0.0.1:7444",
                identity=keys,
                unit_image="bluewhale/remoteunit:1",
                resync_s=1,
                poll_s=0.1,
                **given,
            )
            mounting = asyncio.create_task(mount(server, mounted))
            worker = Worker(settings)
            worker.start()
            try:
                yield server
            finally:
                await asyncio.to_thread(worker.stop)
                mounting.cancel()
                await asyncio.gather(mounting, return_exceptions=True)
            assert not worker.failed.is_set()


def known(name: str = "berlin", **given: Any) -> dict[str, Any]:
    """A resource whose PBX the directory of the installation has."""
    made = body(name, **given)
    made.pop("status")
    for link in made["spec"]["links"]:
        link |= {"pbx": "hq-avaya", "options": {"layout": "custom-114"}}
    return made


async def apply(server: ApiServer, made: dict[str, Any]) -> None:
    """`kubectl apply`."""
    await server.post("/apis/bluewhale.dev/v1alpha1/namespaces/pbx/remoteunits", json=made)


def conditions(server: ApiServer, name: str = "berlin") -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    found = server.found(RU, name) or {}
    return {
        c["type"]: (c["status"], c["reason"]) for c in found.get("status", {}).get("conditions", ())
    }


def test_a_resource_becomes_objects_links_a_token_and_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first minute of a RemoteUnit, without a cluster; ingest follows its timings."""

    async def scenario() -> None:
        async with installation(tmp_path, monkeypatch) as server:
            made = known(
                units={"preferred": "berlin"},
                failover={"leaseSeconds": 6, "renewDeadlineSeconds": 4, "retrySeconds": 1},
                failback={"mode": "Manual"},
            )
            made["spec"]["links"][0]["preferred"] = "berlin"
            await apply(server, made)

            def waits() -> bool:
                return conditions(server).get("Ready") == ("False", "WaitingForUnit")

            await until(waits, "a token")
            assert conditions(server)["ConfigSynced"] == ("True", "InEffect")
            told = server.found(RU, "berlin")["status"]["conditions"]
            assert [c["message"] for c in told if c["type"] == "ConfigSynced"] == [""]
            assert server.found("apps/v1/statefulsets", "berlin")["spec"]["replicas"] == 1
            service = server.found("v1/services", "link-hq-avaya")
            assert service["spec"]["selector"]["bluewhale.dev/unit"] == "berlin"
            token = server.found("v1/secrets", "berlin-token")["stringData"]["token"]
            assert token.startswith("bw1.berlin.")
            status = server.found(RU, "berlin")["status"]
            assert len(status["conditions"]) == 7
            assert "tokenExpires" in status["units"][0]
            events = [o.raw for o in server.objects.values() if o.raw.get("kind") == "Event"]
            assert {event["involvedObject"]["name"] for event in events} == {"berlin"}

    asyncio.run(scenario())


def test_of_two_resources_that_claim_a_link_the_elder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The other one says who has it, and nothing of it is published."""

    async def scenario() -> None:
        async with installation(tmp_path, monkeypatch) as server:
            await apply(server, known("berlin"))
            await until(lambda: conditions(server).get("ConfigSynced", ("",))[0] == "True", "links")
            later = {"creationTimestamp": "2026-11-02T00:00:00Z"}
            await apply(server, known("paris", meta=later))
            taken = ("False", "LinkTaken")
            await until(lambda: conditions(server, "paris").get("Ready") == taken, "a conflict")
            published = server.found("v1/configmaps", "bluewhale-units", "bluewhale")
            assert list(published["data"]) == ["pbx.berlin.yaml"]
            assert server.found("apps/v1/statefulsets", "paris") is None

    asyncio.run(scenario())


def test_a_deleted_resource_that_never_enrolled_leaves_no_link_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The finalizer goes when there is nothing to drain."""

    async def scenario() -> None:
        async with installation(tmp_path, monkeypatch) as server:
            await apply(server, known())
            await until(lambda: "Ready" in conditions(server), "a first look")
            finalizers = server.found(RU, "berlin")["metadata"]["finalizers"]
            assert finalizers == ["bluewhale.dev/drain"]
            await server.delete("/apis/bluewhale.dev/v1alpha1/namespaces/pbx/remoteunits/berlin")
            await until(lambda: server.found(RU, "berlin") is None, "the end of the resource")

            def empty() -> bool:
                return not server.found("v1/configmaps", "bluewhale-units", "bluewhale")["data"]

            await until(empty, "the end of its links")

    asyncio.run(scenario())
