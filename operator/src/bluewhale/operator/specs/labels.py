"""Names that all objects of one RemoteUnit share: labels, owner, the mark of what was wanted."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from bluewhale.operator.resource import API_VERSION, GROUP, KIND, RemoteUnit

REMOTE_UNIT = f"{GROUP}/remoteunit"
UNIT = f"{GROUP}/unit"
WANTED = f"{GROUP}/wanted"  # hash of the object as we want it: tells what we took out, too
MANAGER = "bluewhale-operator"
COMPONENT = {"app.kubernetes.io/component": "remoteunit", "app.kubernetes.io/managed-by": MANAGER}
COMPONENT_SELECTOR = ",".join(f"{name}={value}" for name, value in sorted(COMPONENT.items()))


def labels(resource: RemoteUnit, unit: str | None = None) -> dict[str, str]:
    """Give the labels of an object of a resource, or of one of its units."""
    made = {
        "app.kubernetes.io/name": "bluewhale-remoteunit",
        "app.kubernetes.io/part-of": "bluewhale",
        **COMPONENT,
        REMOTE_UNIT: resource.name,
    }
    return made if unit is None else made | {UNIT: unit}


def metadata(resource: RemoteUnit, name: str, unit: str | None = None) -> dict[str, Any]:
    """Give the metadata of an object that ends with its resource."""
    return {
        "name": name,
        "namespace": resource.namespace,
        "labels": labels(resource, unit),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": resource.name,
                "uid": resource.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def stamped(made: dict[str, Any]) -> dict[str, Any]:
    """Give an object with the mark of its own content."""
    marked = copy.deepcopy(made)
    content = json.dumps(made, sort_keys=True, separators=(",", ":")).encode()
    annotations = marked["metadata"].setdefault("annotations", {})
    annotations[WANTED] = hashlib.sha256(content).hexdigest()[:16]
    return marked
