"""The cluster behind seven methods, so that another client can take the place of this one.

Owns the port and its one implementation on the official client's asyncio half.
Objects go out by server-side apply under one field manager; only Leases are replaced
with their resource version, since who leads is a compare-and-set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol, Self

import aiohttp
from bluewhale.operator.exceptions import ClusterError, ConflictError, RefusedError
from bluewhale.operator.observed import Object, ObjectId
from bluewhale.operator.resource import GROUP, PLURAL, VERSION
from bluewhale.telemetry import Metrics
from kubernetes.aio import client, config

MANAGER = "bluewhale-operator"
TIMEOUT_S = 15.0
PAGE = 500
_ENDING = "NamespaceTerminating"  # cause of a refusal, as the API server names it
_CONFLICT, _NOT_FOUND, _TOO_MANY = 409, 404, 429
_REQUESTS: Final = "bluewhale_operator_api_requests_total"
_APPLY, _MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class Kind(NamedTuple):
    """Where objects of a kind live."""

    group: str  # "" = the core group
    version: str
    plural: str


KINDS = {
    "ConfigMap": Kind("", "v1", "configmaps"),
    "Event": Kind("", "v1", "events"),
    "Lease": Kind("coordination.k8s.io", "v1", "leases"),
    "PersistentVolumeClaim": Kind("", "v1", "persistentvolumeclaims"),
    "Pod": Kind("", "v1", "pods"),
    "PodDisruptionBudget": Kind("policy", "v1", "poddisruptionbudgets"),
    "RemoteUnit": Kind(GROUP, VERSION, PLURAL),
    "Secret": Kind("", "v1", "secrets"),
    "Service": Kind("", "v1", "services"),
    "StatefulSet": Kind("apps", "v1", "statefulsets"),
}


class Cluster(Protocol):
    """What the operator does to a cluster.

    Raises
    ------
    ClusterError, RefusedError, ConflictError
    """

    async def apply(self, made: Object, *, subresource: str = "") -> Object:
        """Say what shall be of an object; fields that we said before and say no more go."""
        ...

    async def get(self, name: ObjectId) -> Object | None:
        """Give an object; None = there is none."""
        ...

    async def list(self, kind: str, namespace: str, selector: str) -> list[Object]:
        """Give the objects of a kind with these labels."""
        ...

    async def annotate(self, name: ObjectId, annotations: Mapping[str, str | None]) -> None:
        """Set annotations, None removes one; an object that went is no error."""
        ...

    async def delete(self, name: ObjectId) -> None:
        """Delete an object; one that went is no error."""
        ...

    async def replace(self, made: Object) -> Object:
        """Create an object without resourceVersion, else replace that very version."""
        ...

    async def is_ending(self, namespace: str) -> bool:
        """Say whether a namespace is being deleted: nothing can be created in it any more."""
        ...


def path_of(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    """Give the path of objects on the API server."""
    group, version, plural = KINDS[kind]
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    parts = [root, "namespaces", namespace, plural, name, subresource]
    return "/".join(part for part in parts if part)


class KubernetesCluster:
    """The port on the official client."""

    def __init__(self, configuration: client.Configuration, metrics: Metrics) -> None:
        self._client = client.ApiClient(configuration)
        self._metrics = metrics

    @classmethod
    async def connect(cls, metrics: Metrics) -> Self:
        """Connect from inside a pod, or as `kubectl` would.

        Raises
        ------
        ClusterError
            Neither is possible.
        """
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            try:
                await config.load_kube_config(
                    config_file=os.environ.get("KUBECONFIG"), client_configuration=configuration
                )
            except (config.ConfigException, OSError) as error:
                raise ClusterError(f"no cluster: {error}") from error
        return cls(configuration, metrics)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    async def apply(self, made: Object, *, subresource: str = "") -> Object:
        """See `Cluster`."""
        meta = made["metadata"]
        path = path_of(made["kind"], meta["namespace"], meta["name"], subresource)
        query = {"fieldManager": MANAGER, "force": "true"}
        return await self._asked("PATCH", path, query, made, _APPLY)

    async def get(self, name: ObjectId) -> Object | None:
        """See `Cluster`."""
        status, found = await self._ask("GET", path_of(*name))
        return None if status == _NOT_FOUND else _checked(status, found, path_of(*name))

    async def list(self, kind: str, namespace: str, selector: str) -> list[Object]:
        """See `Cluster`."""
        found: list[Object] = []
        query = {"labelSelector": selector, "limit": str(PAGE)}
        while True:
            page = await self._asked("GET", path_of(kind, namespace), query)
            found += page.get("items", [])
            following = page.get("metadata", {}).get("continue")
            if not following:
                return found
            query["continue"] = following

    async def annotate(self, name: ObjectId, annotations: Mapping[str, str | None]) -> None:
        """See `Cluster`."""
        body = {"metadata": {"annotations": dict(annotations)}}
        status, answer = await self._ask("PATCH", path_of(*name), {}, body, _MERGE)
        if status != _NOT_FOUND:
            _checked(status, answer, path_of(*name))

    async def delete(self, name: ObjectId) -> None:
        """See `Cluster`."""
        status, answer = await self._ask("DELETE", path_of(*name))
        if status != _NOT_FOUND:
            _checked(status, answer, path_of(*name))

    async def replace(self, made: Object) -> Object:
        """See `Cluster`."""
        meta = made["metadata"]
        if "resourceVersion" in meta:
            path = path_of(made["kind"], meta["namespace"], meta["name"])
            return await self._asked("PUT", path, {"fieldManager": MANAGER}, made)
        path = path_of(made["kind"], meta["namespace"])
        return await self._asked("POST", path, {"fieldManager": MANAGER}, made)

    async def is_ending(self, namespace: str) -> bool:
        """See `Cluster`; found out by a creation that is only tried: no right on namespaces is needed."""
        made = {"metadata": {"generateName": "bluewhale-"}}
        query = {"dryRun": "All"}
        _, answer = await self._ask("POST", path_of("ConfigMap", namespace), query, made)
        causes = (answer.get("details") or {}).get("causes") or ()
        return any(cause.get("reason") == _ENDING for cause in causes)

    async def let_go(self, name: ObjectId, finalizer: str) -> None:
        """Take a finalizer from an object; one that went, or has it no more, is no error.

        Raises
        ------
        ConflictError
            Somebody changed the object meanwhile.
        """
        found = await self.get(name)
        if found is None or finalizer not in found["metadata"].get("finalizers", ()):
            return
        meta = found["metadata"]
        kept = [other for other in meta["finalizers"] if other != finalizer]
        body = {"metadata": {"finalizers": kept, "resourceVersion": meta["resourceVersion"]}}
        status, answer = await self._ask("PATCH", path_of(*name), {}, body, _MERGE)
        if status != _NOT_FOUND:
            _checked(status, answer, path_of(*name))

    async def published(self) -> dict[str, Any] | None:
        """Give what the API server says of RemoteUnit (OpenAPI 3); None = it knows none."""
        path = f"/openapi/v3/apis/{GROUP}/{VERSION}"
        status, found = await self._ask("GET", path)
        return None if status == _NOT_FOUND else _checked(status, found, path)

    async def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Ask whether the operator has a right."""
        plural, _, subresource = resource.partition("/")
        asked = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "verb": verb,
                    "group": group,
                    "resource": plural,
                    "subresource": subresource,
                    "namespace": namespace,
                }
            },
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool((await self._asked("POST", path, {}, asked))["status"]["allowed"])

    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> Any:
        return _checked(*await self._ask(method, path, query, body, content), path)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> tuple[int, Any]:
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._client.call_api(*request, _request_timeout=TIMEOUT_S)
            text = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._metrics.add(_REQUESTS, method=method, code="none")
            raise ClusterError(f"the API server does not answer: {error!r}") from error
        self._metrics.add(_REQUESTS, method=method, code=str(answer.status))
        try:
            return answer.status, json.loads(text) if text else {}
        except ValueError:
            return answer.status, {"message": text[:500].decode(errors="replace")}


def _checked(status: int, answer: Any, path: str) -> Any:
    if status < 300:
        return answer
    message = f"{path}: {answer.get('message', '') if isinstance(answer, dict) else answer}"
    if status == _CONFLICT:
        raise ConflictError(message)
    if status >= 500 or status == _TOO_MANY:
        raise ClusterError(f"{status} {message}")
    raise RefusedError(message)
