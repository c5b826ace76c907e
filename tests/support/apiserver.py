"""An emulated Kubernetes API server, with the server-side apply that the emulator leaves out.

What it does not do is tested elsewhere: conflicts of versions, rules of a resource, defaults,
ownership of fields, deletion of what belongs to a deleted object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp.web
import yaml
from kmock import KubernetesEmulator, Server, resource

KINDS = {
    "bluewhale.dev/v1alpha1/remoteunits": ("RemoteUnit", ["status"]),
    "v1/configmaps": ("ConfigMap", []),
    "v1/events": ("Event", []),
    "v1/namespaces": ("Namespace", []),
    "v1/pods": ("Pod", []),
    "v1/secrets": ("Secret", []),
    "v1/services": ("Service", []),
    "v1/persistentvolumeclaims": ("PersistentVolumeClaim", []),
    "apps/v1/statefulsets": ("StatefulSet", []),
    "policy/v1/poddisruptionbudgets": ("PodDisruptionBudget", []),
    "coordination.k8s.io/v1/leases": ("Lease", []),
    "apiextensions.k8s.io/v1/customresourcedefinitions": ("CustomResourceDefinition", []),
}
ALLOWED = threading.Event()  # whether the operator has its rights
ALLOWED.set()
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"]
CLUSTERWIDE = {"Namespace", "CustomResourceDefinition"}
SERVED = {"resourceVersion": "1", "generation": 1}
REVIEWS = "selfsubjectaccessreviews"
APPLY = "application/apply-patch+yaml"
ROOT = Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "charts/bluewhale-crds/files/remoteunits.bluewhale.dev.yaml"


def published() -> dict[str, Any]:
    """What an API server says of the definition of RemoteUnit."""
    schema = yaml.safe_load(DEFINITION.read_text())["spec"]["versions"][0]["schema"]
    kind = {"group": "bluewhale.dev", "kind": "RemoteUnit", "version": "v1alpha1"}
    named = schema["openAPIV3Schema"] | {"x-kubernetes-group-version-kind": [kind]}
    return {"components": {"schemas": {"RemoteUnit": named}}}


class ApiServer(KubernetesEmulator):
    """The emulator; an object that is applied and not there is made."""

    async def _handle(self, request: Any) -> Any:
        if request.url.path.startswith("/openapi/v3/"):
            return aiohttp.web.json_response(published())
        if request.resource is not None and request.resource.plural == REVIEWS:
            # asked, not kept
            return aiohttp.web.json_response({"status": {"allowed": ALLOWED.is_set()}})
        if request.method == "PUT" and request.name is not None:
            return self._replaced(request)
        if request.method == "POST" and request.resource is not None:
            request.data["metadata"] = SERVED | request.data["metadata"]
        if APPLY in request.headers.get("Content-Type", "") and request.name is not None:
            object.__setattr__(request, "data", json.loads(request.body))
            key = (request.resource, request.namespace, request.name)
            if key not in self.objects or self.objects[key].deleted:
                meta = SERVED | {"uid": f"uid-{request.name}"} | request.data["metadata"]
                self.objects[key] = {**request.data, "metadata": meta}
            before = self.objects[key].raw.get("data", {})
            # what was said before and is said no more goes; the emulator merges alone
            if before:
                request.data["data"] = dict.fromkeys(before) | request.data.get("data", {})
        return await super()._handle(request)

    def _replaced(self, request: Any) -> Any:
        """Replace an object if nobody changed the version that is named."""
        key = (request.resource, request.namespace, request.name)
        before = self.objects[key].raw["metadata"]["resourceVersion"]
        made = request.data
        if made["metadata"].get("resourceVersion") != before:
            return aiohttp.web.json_response({"message": "changed meanwhile"}, status=409)
        version = {"resourceVersion": str(int(before) + 1)}
        self.objects[key] = {**made, "metadata": {**made["metadata"], **version}}
        return aiohttp.web.json_response(self.objects[key].raw)

    def found(self, where: str, name: str, namespace: str = "pbx") -> dict[str, Any] | None:
        """Give an object as it is now."""
        key = (resource(where), namespace, name)
        if key not in self.objects or self.objects[key].deleted:
            return None
        return self.objects[key].raw


@contextlib.asynccontextmanager
async def api_server(
    folder: Path, kind: type[ApiServer] = ApiServer
) -> AsyncIterator[tuple[Any, Path]]:
    """Run the emulator; give it and a kubeconfig."""
    async with kind() as emulated, Server(emulated) as server:
        for where, (name, subresources) in KINDS.items():
            emulated.resources[where] = {
                "kind": name,
                "verbs": VERBS,
                "namespaced": name not in CLUSTERWIDE,
                "subresources": subresources,
            }
        path = folder / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": {"server": str(server.url)}}],
                    "users": [{"name": "test", "user": {"token": "none"}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                }
            )
        )
        yield emulated, path


async def until(true: Any, what: str, timeout_s: float = 60) -> Any:
    """Wait until something holds; give it."""
    async with asyncio.timeout(timeout_s):
        try:
            while not (found := true()):  # noqa: ASYNC110 - the condition is no event
                await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise AssertionError(f"waited {timeout_s} s for {what}") from error
    return found
