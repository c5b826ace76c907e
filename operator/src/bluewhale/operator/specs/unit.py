"""A unit in the cluster: its own file, its pod with a volume for the journal.

A StatefulSet of one replica: the API server never lets two pods of it run at once,
and its volume stays when the pod moves. One per unit, so that units are upgraded,
fenced and deleted alone.
"""

from __future__ import annotations

from typing import Any

import yaml
from bluewhale.operator.resource import RemoteUnit
from bluewhale.operator.settings import Settings
from bluewhale.operator.specs.fragment import FOLDERS
from bluewhale.operator.specs.labels import REMOTE_UNIT, UNIT, labels, metadata, stamped
from bluewhale.operator.specs.token import token_name

CONFIGURATION, DATA, TOKEN = "/etc/bluewhale/unit", "/var/lib/bluewhale", "/etc/bluewhale/token"
HEALTH_PORT = 8081
USER = 10001
GRACE_S = 30
PRIVILEGED_BELOW = 1024
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}


def unit_configmap(resource: RemoteUnit, unit: str, settings: Settings) -> dict[str, Any]:
    """Give the ConfigMap with the unit's own file."""
    document: dict[str, Any] = {
        "unit_uid": unit,
        "centre": settings.ingest,
        "enrolment": settings.enrolment,
        "data": DATA,
        "token_file": f"{TOKEN}/token",
        "journal_quota_mib": resource.buffer.quota_mib,
        "log_level": resource.log_level,
        "health_host": "0.0.0.0",  # noqa: S104 - probes come from the node
        "health_port": HEALTH_PORT,
    }
    if settings.otlp_endpoint:
        document["otlp_endpoint"] = settings.otlp_endpoint
        document["sample_ratio"] = settings.sample_ratio
    return stamped({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(resource, f"{unit}-unit", unit),
        "data": {"unit.yaml": yaml.safe_dump(document, sort_keys=False)},
    })  # fmt: skip


def stateful_set(
    resource: RemoteUnit, unit: str, settings: Settings, *, image: str
) -> dict[str, Any]:
    """Give the StatefulSet of one unit; links and levels change without a new pod."""
    selector = {REMOTE_UNIT: resource.name, UNIT: unit}
    return stamped({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(resource, unit, unit),
        "spec": {
            "replicas": 1,
            "serviceName": unit,
            "podManagementPolicy": "Parallel",
            # the journal outlives everything but a drained deletion
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": labels(resource, unit)},
                "spec": _pod(resource, unit, settings, image),
            },
            "volumeClaimTemplates": [_claim(resource, unit)],
        },
    })  # fmt: skip


def pod_of(unit: str) -> str:
    """Name the pod that the StatefulSet of a unit makes."""
    return f"{unit}-0"


def journal_claim(unit: str) -> str:
    """Name the volume claim that the StatefulSet of a unit makes."""
    return f"journal-{pod_of(unit)}"


def disruption_budget(resource: RemoteUnit) -> dict[str, Any]:
    """Give the budget that lets one unit of several be evicted at a time."""
    return stamped({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(resource, resource.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {REMOTE_UNIT: resource.name}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    })  # fmt: skip


def _claim(resource: RemoteUnit, unit: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": resource.buffer.storage}},
    }
    if resource.buffer.storage_class:
        spec["storageClassName"] = resource.buffer.storage_class
    return {"metadata": {"name": "journal", "labels": labels(resource, unit)}, "spec": spec}


def _pod(resource: RemoteUnit, unit: str, settings: Settings, image: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if any(link.port < PRIVILEGED_BELOW for link in resource.listening):
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    made: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": context,
        "affinity": _apart(resource),
        "containers": [_container(resource, settings, image)],
        "volumes": _volumes(resource, unit),
    }
    if settings.pull_secrets:
        made["imagePullSecrets"] = [{"name": n} for n in settings.pull_secrets.split(",")]
    for name in ("nodeSelector", "tolerations", "priorityClassName"):
        if resource.pod.get(name):
            made[name] = resource.pod[name]
    return made


def _apart(resource: RemoteUnit) -> dict[str, Any]:
    """Prefer another node than the other units of the resource have."""
    term = {
        "labelSelector": {"matchLabels": {REMOTE_UNIT: resource.name}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "podAffinityTerm": term}
            ]
        }
    }


def _container(resource: RemoteUnit, settings: Settings, image: str) -> dict[str, Any]:
    return {
        "name": "unit",
        "image": image,
        "imagePullPolicy": settings.unit_pull_policy,
        "args": ["--config", f"{CONFIGURATION}/unit.yaml"],
        "env": [{"name": "BLUEWHALE_MEMBER", "value": "remoteunit"}],  # of an image with all
        "ports": _ports(resource),
        "resources": resource.pod.get("resources") or RESOURCES,
        # records are collected whatever the centre does: only a dead loop ends the pod
        "livenessProbe": _probe("/livez", period_s=10, failures=3),
        "readinessProbe": _probe("/readyz", period_s=5, failures=2),
        "startupProbe": _probe("/startupz", period_s=1, failures=60),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "journal", "mountPath": DATA},
            {"name": "unit", "mountPath": CONFIGURATION, "readOnly": True},
            {"name": "token", "mountPath": TOKEN, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
            *(
                {"name": f"link-{i}", "mountPath": f"{FOLDERS}/{link.name}"}
                for i, link in enumerate(resource.links)
                if "claimName" in link.connector
            ),
        ],
    }


def _ports(resource: RemoteUnit) -> list[dict[str, Any]]:
    host = resource.reach.type == "HostPort"
    return [
        {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
        *(
            {
                "name": f"{link.protocol.lower()}-{link.port}",
                "containerPort": link.port,
                "protocol": link.protocol,
            }
            | ({"hostPort": link.port} if host else {})
            for link in resource.listening
        ),
    ]


def _volumes(resource: RemoteUnit, unit: str) -> list[dict[str, Any]]:
    return [
        {"name": "unit", "configMap": {"name": f"{unit}-unit"}},
        # there until the unit has enrolled
        {"name": "token", "secret": {"secretName": token_name(unit), "optional": True}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        *(
            {
                "name": f"link-{i}",
                "persistentVolumeClaim": {"claimName": link.connector["claimName"]},
            }
            for i, link in enumerate(resource.links)
            if "claimName" in link.connector
        ),
    ]


def _probe(path: str, *, period_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "health"},
        "periodSeconds": period_s,
        "failureThreshold": failures,
        "timeoutSeconds": 3,
    }
