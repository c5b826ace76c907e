"""What the OpenAPI document says of operations beyond their types.

Owns how each is signed in to, and which may be sent again. Does not own the checks
themselves (`routes.needing`, `idempotency`).
"""

from __future__ import annotations

from typing import Any

from bluewhale.webapi.idempotency import KEY, REPEATED, SAFE
from bluewhale.webapi.routes.needing import PERMISSION, SHARED, SHOWN_ONCE
from bluewhale.webapi.shared_answers import KEPT_S

_SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": "bluewhale"},
    "key": {"type": "http", "scheme": "bearer"},
    "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
}
_AGAIN = (
    "Sent again with the same key within a day, the same request acts once and gets the same "
    f"answer, marked `{REPEATED}: true`"
)


def _key(description: str) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
    }


_PARAMETERS = {
    "IdempotencyKey": _key(_AGAIN),
    "IdempotencyKeyOfSecret": _key(_AGAIN + "; but a secret is not shown again (409)"),
    "Fresh": {
        "name": "Cache-Control",
        "in": "header",
        "required": False,
        "description": f"an answer is at most {KEPT_S:g} s old, and never older than the last news;"
        " `no-cache` asks for one that is made from now on",
        "schema": {"type": "string", "examples": ["no-cache"]},
    },
}


def told(document: dict[str, Any]) -> dict[str, Any]:
    """Complete an OpenAPI document of the routes; changes and gives it."""
    document["components"] |= {"securitySchemes": _SCHEMES, "parameters": _PARAMETERS}
    for methods in document["paths"].values():
        for method, operation in methods.items():
            if PERMISSION not in operation:
                continue
            needed: dict[str, list[str]] = {"session": []}
            safe = method.upper() in SAFE
            by_page = needed if safe else {**needed, "csrf": []}
            operation["security"] = [by_page, {"key": []}]
            if operation.get(SHARED):
                fresh = {"$ref": "#/components/parameters/Fresh"}
                operation["parameters"] = [*operation.get("parameters", ()), fresh]
            if not safe:
                name = "IdempotencyKeyOfSecret" if SHOWN_ONCE in operation else "IdempotencyKey"
                key = {"$ref": f"#/components/parameters/{name}"}
                operation["parameters"] = [*operation.get("parameters", ()), key]
    return document
