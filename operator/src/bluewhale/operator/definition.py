"""Whether the cluster's definition of RemoteUnit is the one that this release writes to.

Owns the fields of the status, and what to say where one is missing. A definition stays
when a release is uninstalled, so it may be older than the operator; the API server
refuses a status with a field that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bluewhale.operator.exceptions import DefinitionError
from bluewhale.operator.resource import GROUP, KIND, PLURAL

STATUS_FIELDS = frozenset(
    [
        "backlogAge",
        "backlogRecords",
        "bufferDaysLeft",
        "clockSkewMilliseconds",
        "conditions",
        "drainedTime",
        "gaps",
        "lastRecordTime",
        "links",
        "observedGeneration",
        "owner",
        "receivedThrough",
        "reportedTime",
        "storedThrough",
        "units",
        "version",
        "conditions.lastTransitionTime",
        "conditions.message",
        "conditions.observedGeneration",
        "conditions.reason",
        "conditions.status",
        "conditions.type",
        "links.address",
        "links.lastRecordTime",
        "links.name",
        "links.owner",
        "links.state",
        "units.backlogAge",
        "units.backlogRecords",
        "units.bufferDaysLeft",
        "units.certificateNotAfter",
        "units.clockSkewMilliseconds",
        "units.gaps",
        "units.journalPercent",
        "units.name",
        "units.state",
        "units.tokenExpires",
        "units.version",
    ]
)


def status_fields(document: Mapping[str, Any]) -> frozenset[str]:
    """Give the fields of the status, from what the API server publishes of a group (OpenAPI 3)."""
    schemas = document.get("components", {}).get("schemas", {}).values()
    for schema in schemas:
        named = schema.get("x-kubernetes-group-version-kind") or ()
        if any(one.get("kind") == KIND for one in named):
            status = schema.get("properties", {}).get("status", {})
            return frozenset(_named(status.get("properties", {})))
    return frozenset()


def check_definition(document: Mapping[str, Any] | None) -> None:
    """Look whether everything can be told; None = there is no definition.

    Raises
    ------
    DefinitionError
        Naming the fields that are missing, and what to do.
    """
    remedy = (
        "install or upgrade the chart bluewhale-crds, or: kubectl apply --server-side"
        f" --force-conflicts -f charts/bluewhale-crds/files/{PLURAL}.{GROUP}.yaml"
    )
    if document is None:
        raise DefinitionError(f"this cluster has no definition of {KIND}; {remedy}")
    missing = STATUS_FIELDS - status_fields(document)
    if missing:
        raise DefinitionError(
            f"the definition of {KIND} in this cluster is of another release: its status lacks"
            f" {', '.join(sorted(missing))}; {remedy}"
        )


def _named(properties: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in properties.items():
        yield name
        for inner in schema.get("items", {}).get("properties", {}):
            yield f"{name}.{inner}"
