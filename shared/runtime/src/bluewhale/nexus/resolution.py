"""Which plugin starts when: a pure function of manifests.

Owns the rules and their messages. Everything that is wrong is found before
anything starts, and said at once.
"""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bluewhale.nexus.exceptions import PluginsUnresolvedError
from bluewhale.nexus.manifest import Manifest
from packaging.version import Version

LAYER_PREFIX = "layer."  # a plugin provides the layer `audit` as the service `layer.audit`


@dataclass(frozen=True, slots=True)
class Plan:
    """Plugins in the order of their start, and who serves what to whom."""

    order: tuple[Manifest, ...]
    providers: dict[tuple[str, str], Manifest]  # (service, version) -> plugin
    bindings: dict[tuple[str, str], str]  # (symbolic name, required service) -> version

    def newest(self, service: str) -> str | None:
        """Give the highest version of a service that somebody provides."""
        versions = [v for s, v in self.providers if s == service]
        return max(versions, key=Version) if versions else None


def resolve(manifests: Sequence[Manifest], layers: Collection[str] = ()) -> Plan:
    """Put plugins in order: what is required first, run level among equals.

    Parameters
    ----------
    manifests
        all plugins of the process, any order.
    layers
        configured layers that plugins provide; these plugins, and what they
        require, start before all others, so that no call goes without them.

    Raises
    ------
    PluginsUnresolvedError
        with every problem: a name twice, a service provided twice or by nobody
        or outside the range, layers that nobody provides, a circle.
    """
    problems: list[str] = []
    by_name: dict[str, Manifest] = {}
    providers: dict[tuple[str, str], Manifest] = {}
    for manifest in manifests:
        if manifest.symbolic_name in by_name:
            problems.append(f"{manifest.symbolic_name} is there twice; keep one")
            continue
        by_name[manifest.symbolic_name] = manifest
        for service, version in manifest.provides.items():
            other = providers.setdefault((service, version), manifest)
            if other is not manifest:
                problems.append(
                    f"{service} {version} is provided by {other.symbolic_name} and by "
                    f"{manifest.symbolic_name}; leave one out"
                )
    bindings = _bind(by_name.values(), providers, problems)
    needs = {name: set[str]() for name in by_name}
    for (name, service), version in bindings.items():
        needs[name].add(providers[service, version].symbolic_name)
    _layers_first(needs, providers, layers, problems)
    order: list[Manifest] = []
    try:
        order = _in_order(needs, by_name)
    except graphlib.CycleError as error:
        problems.append(_circle(error.args[1]))
    if problems:
        raise PluginsUnresolvedError(problems)
    return Plan(tuple(order), providers, bindings)


def _bind(
    manifests: Collection[Manifest],
    providers: dict[tuple[str, str], Manifest],
    problems: list[str],
) -> dict[tuple[str, str], str]:
    """Choose the highest version in range for each requirement."""
    bindings = {}
    for manifest in manifests:
        for service, wanted in manifest.requires.items():
            there = sorted((v for s, v in providers if s == service), key=Version)
            fitting = [v for v in there if manifest.lets(service, Version(v))]
            said = f"{manifest.symbolic_name} requires {service} {wanted}".rstrip()
            if fitting:
                bindings[manifest.symbolic_name, service] = fitting[-1]
            elif there:
                problems.append(f"{said}, but there is only {', '.join(there)}")
            else:
                problems.append(f"{said}, but nobody provides it")
    return bindings


def _layers_first(
    needs: dict[str, set[str]],
    providers: dict[tuple[str, str], Manifest],
    layers: Collection[str],
    problems: list[str],
) -> None:
    """Make all other plugins wait for those that provide a configured layer."""
    first: set[str] = set()
    for layer in layers:
        found = [m.symbolic_name for (s, _), m in providers.items() if s == LAYER_PREFIX + layer]
        if not found:
            problems.append(f"the layer {layer} is configured, but nobody provides it")
        first.update(found)
    waiting = list(first)
    while waiting:
        for name in needs[waiting.pop()] - first:
            first.add(name)
            waiting.append(name)
    for name in needs.keys() - first:
        needs[name] |= first


def _in_order(needs: dict[str, set[str]], by_name: dict[str, Manifest]) -> list[Manifest]:
    sorter = graphlib.TopologicalSorter(needs)
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    order = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (by_name[name].run_level, name))
        _, name = heapq.heappop(ready)
        order.append(by_name[name])
        sorter.done(name)
    return order


def _circle(names: list[str]) -> str:
    """Tell a circle from its first name in the alphabet on, whichever was found first."""
    ring = list(reversed(names))[:-1]
    at = ring.index(min(ring))
    told = [*ring[at:], *ring[:at], ring[at]]
    return f"{' -> '.join(told)} need each other in a circle; one must do without"
