"""Text and objects without secrets. Pure functions.

Owns what is taken out of a bundle. Secrets of the cluster are never asked for; this
is for what persons put elsewhere: passwords in addresses, in variables, in logs, and
for people: directories with names and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

GONE = "***"
_SENSITIVE = (
    r"(?:pass(?:word|wd|phrase)?|pwd|token|secret|credentials?|api[_-]?key|private[_-]?key"
    r"|access[_-]?key|authorization)"
)
_NAME = re.compile(rf"{_SENSITIVE}$", re.IGNORECASE)
_VALUE = re.compile(
    rf"""(?P<head>[\w.-]*{_SENSITIVE}\\?["']?\s*[:=]\s*)"""
    r"""(?P<value>\\?"(?:[^"\\]|\\(?!")[^"])*\\?"|'[^']*'|[^\s"',;&}\]]+)""",
    re.IGNORECASE,
)
_WHOLE = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"\bbw1\.[^\s\"']+"),  # our one-time tokens
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),  # JSON web tokens
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}")
_ADDRESS = re.compile(r"(?P<head>\b[a-zA-Z][\w+.-]*://[^\s:/@\"']*):[^\s/\"']*@")
_PLAIN_VARIABLES = ("BLUEWHALE_", "OTEL_", "KUBERNETES_")
_READABLE = ("bluewhale.yaml", "unit.yaml")
_NOISE = ("kubectl.kubernetes.io/last-applied-configuration",)


def text(said: str) -> str:
    """Give text with every secret that can be told replaced."""
    for pattern in _WHOLE:
        said = pattern.sub(GONE, said)
    said = _ADDRESS.sub(rf"\g<head>:{GONE}@", said)
    said = _BEARER.sub(rf"\1 {GONE}", said)
    return _VALUE.sub(rf"\g<head>{GONE}", said)


def thing(found: Any, name: str = "") -> Any:
    """Give an object of the cluster without secrets and without noise."""
    if isinstance(found, Mapping):
        if found.get("kind") == "Secret":
            return {"kind": "Secret", "metadata": {"name": found.get("metadata", {}).get("name")}}
        if found.get("kind") == "ConfigMap":
            found = _configuration(found)
        if isinstance(found.get("name"), str) and isinstance(found.get("value"), str):
            found = {**found, "value": _variable(found["name"], found["value"])}
        return {
            key: thing(value, str(key))
            for key, value in found.items()
            if key != "managedFields" and key not in _NOISE
        }
    if isinstance(found, list):
        return [thing(value) for value in found]
    if isinstance(found, str):
        return GONE if name and _NAME.search(name) else text(found)
    return found


def _variable(name: str, value: str) -> str:
    """Give the value of a variable of a pod; of others' variables nothing is known, so nothing is told."""
    if _NAME.search(name) or not name.startswith(_PLAIN_VARIABLES):
        return GONE
    return text(value)


def _configuration(found: Mapping[str, Any]) -> dict[str, Any]:
    """Keep links and units; of directories and tariffs the size: they have people and prices."""
    labels = found.get("metadata", {}).get("labels") or {}
    published = labels.get("app.kubernetes.io/component") == "remoteunit"
    data = {
        key: value if published or key in _READABLE else f"({len(value)} characters left out)"
        for key, value in (found.get("data") or {}).items()
    }
    return {**found, "data": data, "binaryData": {}}
