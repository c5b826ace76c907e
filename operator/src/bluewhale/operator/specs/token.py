"""The Secret in which a one-time token waits for its unit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bluewhale.operator.resource import GROUP, RemoteUnit, instant
from bluewhale.operator.specs.labels import metadata

EXPIRES = f"{GROUP}/token-expires"


def token_name(unit: str) -> str:
    """Name the Secret of a unit's token."""
    return f"{unit}-token"


def token_secret(resource: RemoteUnit, unit: str, token: str, expires: datetime) -> dict[str, Any]:
    """Give the Secret; it is removed when the unit has enrolled."""
    made = metadata(resource, token_name(unit), unit)
    made["annotations"] = {EXPIRES: instant(expires)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": made,
        "stringData": {"token": token},
    }
