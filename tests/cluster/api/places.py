"""A real API server for tests: objects as plain documents, namespaces that go at the end."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from bluewhale.operator.apply import KubernetesCluster
from bluewhale.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[3]
DEFINITION = ROOT / "charts/bluewhale-crds/files/remoteunits.bluewhale.dev.yaml"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPLY, MERGE, JSON = (
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/json",
)
OWNER = "bluewhale-api-tests"  # field manager, and label of what may be removed


class Api:
    """Requests to the API server that give status and answer."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self.cluster = cluster

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = JSON,
        **query: str,
    ) -> tuple[int, dict[str, Any]]:
        """Give status and answer."""
        return await self.cluster._ask(method, path, query, body, content)

    async def done(self, method: str, path: str, body: Any = None, **how: Any) -> dict[str, Any]:
        """Give the answer to a request that must be granted."""
        status, answer = await self.ask(method, path, body, **how)
        assert status < 300, f"{method} {path}: {status} {answer.get('message')}"
        return answer

    async def applied(self, path: str, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Apply as somebody else does."""
        return await self.done("PATCH", path, body, content=APPLY, fieldManager=manager)

    async def until(self, true: Callable[[], Any], what: str, timeout_s: float = 60) -> Any:
        """Wait until an asynchronous question is answered with something true; give it."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := await true()):  # noqa: ASYNC110 - the API server is asked
                    await asyncio.sleep(0.2)
        except TimeoutError as error:
            raise AssertionError(f"waited {timeout_s:.0f} s for {what}") from error
        return found


@asynccontextmanager
async def api_server() -> AsyncIterator[Api]:
    """Connect to the cluster of KUBECONFIG."""
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG is not set: name a cluster for tests, for example kind's")
    cluster = await KubernetesCluster.connect(Metrics())
    try:
        yield Api(cluster)
    finally:
        await cluster.close()


@asynccontextmanager
async def namespace(api: Api) -> AsyncIterator[str]:
    """A namespace of its own; its end is not waited for."""
    name = f"bluewhale-api-{secrets.token_hex(3)}"
    meta = {"name": name, "labels": {"app.kubernetes.io/part-of": OWNER}}
    await api.done("POST", "/api/v1/namespaces", {"metadata": meta})
    try:
        yield name
    finally:
        await api.done("DELETE", f"/api/v1/namespaces/{name}")


def definition() -> dict[str, Any]:
    """The definition of RemoteUnit as it stands in the tree."""
    return yaml.safe_load(DEFINITION.read_text())


@asynccontextmanager
async def defined(api: Api, made: dict[str, Any]) -> AsyncIterator[None]:
    """Have a definition in force; one that was there before stays as it was."""
    path = f"{CRDS}/{made['metadata']['name']}"

    async def gone() -> bool:
        return (await api.ask("GET", path))[0] == 404

    status, found = await api.ask("GET", path)
    if "deletionTimestamp" in found.get("metadata", {}):
        await api.until(gone, "the definition of before to go")
        status = 404
    mine = status == 404
    if mine:
        await api.done("POST", CRDS, made)

    async def established() -> bool:
        found = await api.done("GET", path)
        conditions = found.get("status", {}).get("conditions") or ()
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    async def served() -> bool:
        spec = made["spec"]
        names = spec["names"]["plural"]
        at = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/namespaces/default/{names}"
        return (await api.ask("GET", at))[0] == 200

    try:
        await api.until(established, "the definition to be established")
        await api.until(served, "resources to be served")
        yield
    finally:
        if mine:
            await api.done("DELETE", path)
