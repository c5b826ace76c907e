"""What the operator watches, kept small: the store that `reconcile` reads.

Owns which objects are watched and what of them is kept. kopf fills it before the
first handler runs, so that nothing is decided on half of what is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from bluewhale.operator.observed import Object, ObjectId, PodReport
from bluewhale.operator.resource import Key, RemoteUnit
from bluewhale.operator.settings import Settings
from bluewhale.operator.specs import REMOTE_UNIT, UNIT
from bluewhale.operator.specs.labels import COMPONENT

KINDS = {  # what belongs to a RemoteUnit, beside Secrets: those are never read
    "ConfigMap": ("", "v1", "configmaps"),
    "Lease": ("coordination.k8s.io", "v1", "leases"),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets"),
    "Service": ("", "v1", "services"),
    "StatefulSet": ("apps", "v1", "statefulsets"),
}
PODS = ("", "v1", "pods")
LABELS = COMPONENT
_DROPPED = frozenset({"managedFields", "uid", "selfLink"})


class Watched:
    """A store that watches fill, object by object."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resources: dict[Key, RemoteUnit] = {}
        self._children: dict[Key, dict[ObjectId, Object]] = {}
        self._pods: dict[Key, dict[str, PodReport]] = {}
        self._published: Object | None = None
        self._heard_at = time.monotonic()

    # ---- what watches say ------------------------------------------------------------------

    def heard(self) -> None:
        """Take that a watch said something."""
        self._heard_at = time.monotonic()

    @property
    def quiet_s(self) -> float:
        """Give how long ago any watch said something."""
        return time.monotonic() - self._heard_at

    def saw_resource(self, resource: RemoteUnit) -> None:
        """Take a RemoteUnit as it is now."""
        self._resources[resource.key] = resource

    def lost_resource(self, key: Key) -> None:
        """Take that a RemoteUnit is gone."""
        self._resources.pop(key, None)

    def saw_child(self, kind: str, body: Mapping[str, Any], *, gone: bool) -> None:
        """Take an object as it is now, or that it is gone."""
        meta = body["metadata"]
        name = ObjectId(kind, meta["namespace"], meta["name"])
        if name == ObjectId("ConfigMap", self._settings.namespace, self._settings.configmap):
            self._published = None if gone else _kept(kind, body)
            return
        owner = (meta.get("labels") or {}).get(REMOTE_UNIT)
        if owner is None:
            return
        children = self._children.setdefault((name.namespace, owner), {})
        if gone:
            children.pop(name, None)
        else:
            children[name] = _kept(kind, body)

    def saw_pod(self, body: Mapping[str, Any], *, gone: bool) -> Key | None:
        """Take the pod of a unit; give the resource that it belongs to."""
        meta = body["metadata"]
        labels = meta.get("labels") or {}
        if REMOTE_UNIT not in labels or UNIT not in labels:
            return None
        key = (str(meta["namespace"]), str(labels[REMOTE_UNIT]))
        pods = self._pods.setdefault(key, {})
        if gone:
            pods.pop(labels[UNIT], None)
        else:
            pods[labels[UNIT]] = pod_report(body)
        return key

    # ---- what is asked -----------------------------------------------------------------------

    def resources(self) -> Iterable[RemoteUnit]:
        """Give every RemoteUnit."""
        return list(self._resources.values())

    def resource(self, key: Key) -> RemoteUnit | None:
        """Give one RemoteUnit."""
        return self._resources.get(key)

    def children(self, key: Key) -> Mapping[ObjectId, Object]:
        """Give the objects of one RemoteUnit."""
        return self._children.get(key, {})

    def pods(self, key: Key) -> Mapping[str, PodReport]:
        """Give the pods of its units."""
        return self._pods.get(key, {})

    def published(self) -> Object | None:
        """Give the ConfigMap that the roles follow."""
        return self._published


def pod_report(body: Mapping[str, Any]) -> PodReport:
    """Give what matters of a pod."""
    status = body.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    waiting = ""
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        if why := state.get("waiting"):
            waiting = ": ".join(x for x in (why.get("reason"), why.get("message")) if x)
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        waiting = f"{scheduled.get('reason', '')}: {scheduled.get('message', '')}"
    return PodReport(
        node=(body.get("spec") or {}).get("nodeName", ""),
        host_address=status.get("hostIP", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        waiting=waiting,
    )


def _kept(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in body.items() if key != "status" or kind == "Service"}
    kept["kind"] = kind
    kept["metadata"] = {k: v for k, v in body["metadata"].items() if k not in _DROPPED}
    return kept
