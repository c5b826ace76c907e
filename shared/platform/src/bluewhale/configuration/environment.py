"""Keys of the configuration that come from the environment.

`BLUEWHALE_CLUSTER__KAFKA__BOOTSTRAP=kafka:9092` sets cluster.kafka.bootstrap;
a number names a place in a list (`BLUEWHALE_LINKS__0__CONNECTOR__PORT`). A value
that begins with [ or { is read as YAML, `null` is none, all else is text that
the model turns into what it wants. Does not own the check: `loading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

PREFIX = "BLUEWHALE_"
SEPARATOR = "__"

Place = tuple[str | int, ...]


def overrides(environment: Mapping[str, str], keys: set[str]) -> dict[Place, tuple[str, Any]]:
    """Find the variables that set a key: place -> (name of the variable, value).

    A variable with a separator belongs to the configuration even when its first
    part is misspelt, so that the check can name it; one without is taken only
    when it names a key (`BLUEWHALE_CONFIG` is an option of the command).
    """
    found: dict[Place, tuple[str, Any]] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        parts = name.removeprefix(PREFIX).lower().split(SEPARATOR)
        if len(parts) == 1 and parts[0] not in keys:
            continue
        place = tuple(int(p) if p.isdecimal() else p for p in parts)
        found[place] = (name, _value(environment[name]))
    return found


def _value(text: str) -> Any:
    if text == "null":
        return None
    if text[:1] in {"[", "{"}:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text  # the model refuses it and names the variable
    return text


def apply(document: dict[str, Any], found: Mapping[Place, tuple[str, Any]]) -> dict[str, Any]:
    """Give a copy of a document with the overrides in it; the document stays as it was."""
    out: Any = document
    for place, (_, value) in found.items():
        out = _with(out, place, value)
    return dict(out)


def _with(node: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    first, rest = place[0], place[1:]
    if isinstance(first, int) and isinstance(node, list):
        items = list(node)
        if first < len(items):
            items[first] = _with(items[first], rest, value)
        else:
            items.append(_with(None, rest, value))
        return items
    if isinstance(first, int) and node is None:
        return [_with(None, rest, value)]
    mapping = dict(node) if isinstance(node, dict) else {}
    mapping[str(first)] = _with(mapping.get(str(first)), rest, value)
    return mapping
