"""What the operator may do, no more: one table for the chart, the README and the check at start.

Owns the table. A missing right would make a watch wait for ever without a word, so it
is looked for before the first watch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Literal, NamedTuple

from bluewhale.operator.exceptions import RightsError
from bluewhale.operator.resource import GROUP, PLURAL
from bluewhale.operator.settings import Settings

Where = Literal["units", "release"]  # where RemoteUnits are; where the operator itself runs


class Right(NamedTuple):
    """Verbs on one resource."""

    where: Where
    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str


_WATCH = ("get", "list", "watch")
_OWN = (*_WATCH, "create", "patch", "delete")
RIGHTS = (
    Right("units", GROUP, PLURAL, (*_WATCH, "patch"), "follow RemoteUnits, hold the finalizer"),
    Right("units", GROUP, f"{PLURAL}/status", ("patch",), "tell conditions and figures"),
    Right("units", "apps", "statefulsets", _OWN, "a unit in the cluster"),
    Right("units", "", "services", _OWN, "the way of a PBX to the entitled unit"),
    Right("units", "", "configmaps", _OWN, "unit.yaml of a unit"),
    Right("units", "", "secrets", ("create", "patch", "delete"), "tokens; none is ever read"),
    Right(
        "units", "", "persistentvolumeclaims", ("get", "delete"), "the volume of a drained journal"
    ),
    Right("units", "", "pods", (*_WATCH, "patch"), "why a unit does not run; its token at once"),
    Right("units", "", "events", ("create", "patch"), "kubectl describe says why"),
    Right("units", "policy", "poddisruptionbudgets", _OWN, "one unit of several at a time"),
    Right("units", "coordination.k8s.io", "leases", _OWN, "mirror of who reads a link"),
    Right("release", "coordination.k8s.io", "leases", ("get", "create", "update"), "one leader"),
    Right("release", "", "configmaps", _OWN, "links of all resources, for the roles"),
    Right("release", "", "pods", ("list", "patch"), "let the kubelet renew those files at once"),
)
Ask = Callable[[str, str, str, str], Awaitable[bool]]  # verb, group, resource, namespace


def wanted_rights(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """Give verb, group, resource and namespace of every right; namespace "" = all."""
    watched, own = settings.watched, settings.namespace
    # one watch serves both, so that what is watched is watched where the operator runs, too
    places = {"units": [""] if watched is None else sorted({watched, own}), "release": [own]}
    for right in RIGHTS:
        for verb in right.verbs:
            for place in places[right.where]:
                yield verb, right.group, right.resource, place


async def check_rights(ask: Ask, settings: Settings) -> None:
    """Look for every right before the first watch.

    Raises
    ------
    RightsError
        Naming each that is missing.
    """
    missing = [
        f"{verb} {resource}{f'.{group}' if group else ''} in {namespace or 'all namespaces'}"
        for verb, group, resource, namespace in wanted_rights(settings)
        if not await ask(verb, group, resource, namespace)
    ]
    if missing:
        raise RightsError(
            f"the operator may not: {', '.join(missing)}; install the chart's roles (rbac.create)"
        )
