"""From configuration to layers, and from layers to one closure per method.

Owns the list of built-in layers and what an entry of the configuration looks
like: `{"layer": "deadline", "default_ms": 5000}`. Layers of plugins are the
services `layer.NAME`: functions from settings to a `Layer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bluewhale.nexus.exceptions import LayerError
from bluewhale.nexus.governance.access import AccessLayer, AccessSettings
from bluewhale.nexus.governance.balancing import (
    BalancingLayer,
    BalancingSettings,
    DiscoveryLayer,
    DiscoverySettings,
)
from bluewhale.nexus.governance.deadline import DeadlineLayer, DeadlineSettings
from bluewhale.nexus.governance.encryption import EncryptionLayer, EncryptionSettings
from bluewhale.nexus.governance.layer import Answer, Ask, Layer, Method
from bluewhale.nexus.governance.monitoring import MonitoringLayer, MonitoringSettings
from bluewhale.telemetry import Metrics
from pydantic import BaseModel, ValidationError

Entry = Mapping[str, Any] | Layer
Make = Callable[[Mapping[str, Any]], Layer]

BUILT_IN: dict[str, tuple[type[BaseModel], Callable[..., Layer]]] = {
    "deadline": (DeadlineSettings, DeadlineLayer),
    "access": (AccessSettings, AccessLayer),
    "monitoring": (MonitoringSettings, MonitoringLayer),
    "encryption": (EncryptionSettings, EncryptionLayer),
    "balancing": (BalancingSettings, BalancingLayer),
    "discovery": (DiscoverySettings, DiscoveryLayer),
}


def foreign(entries: Iterable[Entry]) -> list[str]:
    """Give the names of configured layers that plugins must provide."""
    return [
        name
        for entry in entries
        if not isinstance(entry, Layer) and (name := str(entry.get("layer", ""))) not in BUILT_IN
    ]


def check(entries: Iterable[Entry]) -> None:
    """Refuse entries of built-in layers that are wrong, before anything starts.

    Raises
    ------
    LayerError
        an entry has no name, or settings that its layer does not take.
    """
    for entry in entries:
        if not isinstance(entry, Layer):
            name, settings = _named(entry)
            if name in BUILT_IN:
                _validated(name, settings)


def _named(entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    settings = dict(entry)
    name = str(settings.pop("layer", ""))
    if not name:
        raise LayerError(f"the layer {entry!r} has no name; write layer: NAME")
    return name, settings


def _validated(name: str, settings: Mapping[str, Any]) -> BaseModel:
    try:
        return BUILT_IN[name][0].model_validate(settings)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise LayerError(f"the layer {name} does not take its settings: {wrong}") from error


def layers_of(
    entries: Sequence[Entry], *, metrics: Metrics | None = None, provided: Callable[[str], Make]
) -> list[Layer]:
    """Make layers of their entries, the outermost first.

    Parameters
    ----------
    provided
        gives the function that a plugin provides for a name.

    Raises
    ------
    LayerError
        an entry has no name, or settings that its layer does not take.
    """
    made: list[Layer] = []
    for entry in entries:
        if isinstance(entry, Layer):
            made.append(entry)
            continue
        name, settings = _named(entry)
        if name in BUILT_IN:
            more = {"metrics": metrics} if name == "monitoring" else {}
            made.append(BUILT_IN[name][1](_validated(name, settings), **more))
            continue
        try:
            made.append(provided(name)(settings))
        except ValidationError as error:
            raise LayerError(f"the layer {name} does not take its settings: {error}") from error
    return made


def compiled_ask(layers: Sequence[Layer], method: Method, leave: Ask) -> Ask:
    """Wrap the leaving of a request into all layers; the first of the list is outermost."""
    chain = leave
    for layer in reversed(layers):
        chain = layer.ask(method, chain)
    return chain


def compiled_answer(layers: Sequence[Layer], method: Method, serve: Answer) -> Answer:
    """Wrap a servicer's method into all layers; the first of the list is outermost."""
    chain = serve
    for layer in reversed(layers):
        chain = layer.answer(method, chain)
    return chain
