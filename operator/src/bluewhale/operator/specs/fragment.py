"""The part of the configuration that a RemoteUnit declares, as the roles read it.

Owns the translation of a resource into `links` and `units` of bluewhale.yaml, and
the one ConfigMap that holds the parts of all resources. Does not own the form of
bluewhale.yaml (docs/reference/configuration.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from bluewhale.operator.resource import Key, Link, RemoteUnit
from bluewhale.operator.settings import Settings
from bluewhale.operator.specs.labels import COMPONENT, stamped

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the PBX is another machine; peers and policies say who may
FOLDERS = "/links"  # volumes of folder connectors, by link
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # a thousand at a start
_FOLDER_KEYS = ("pattern", "mode", "complete")


def fragment_name(key: Key) -> str:
    """Name the part of a resource; a namespace has no dot, so that no two are the same."""
    namespace, name = key
    return f"{namespace}.{name}.yaml"


def fragment_text(resource: RemoteUnit, leaving: Iterable[str] = ()) -> str:
    """Give links and units of a resource as YAML.

    leaving: units that the spec names no more and that still hold records.
    """
    document = {
        "links": [_link(resource, link) for link in resource.links],
        "units": [
            {
                "unit_uid": unit,
                "name": f"{resource.namespace}/{resource.name}",
                "links": [link.name for link in resource.links],
            }
            | ({"site_uid": resource.site} if resource.site else {})
            | ({"trace": True} if resource.trace else {})
            | _failover(resource)
            for unit in (*resource.units, *leaving)
        ],
    }
    head = f"# from RemoteUnit {resource.namespace}/{resource.name}; change it there\n"
    return head + yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)


def units_configmap(settings: Settings, fragments: Mapping[str, str]) -> dict[str, Any]:
    """Give the ConfigMap that the roles follow, with a part per resource."""
    return stamped({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": settings.configmap,
            "namespace": settings.namespace,
            "labels": {
                "app.kubernetes.io/name": "bluewhale",
                "app.kubernetes.io/instance": settings.installation,
                "app.kubernetes.io/part-of": "bluewhale",
                **COMPONENT,
            },
        },
        "data": dict(sorted(fragments.items())),
    })  # fmt: skip


def _link(resource: RemoteUnit, link: Link) -> dict[str, Any]:
    made: dict[str, Any] = {"link_uid": link.name, "pbx_uid": link.pbx, "dialect": link.dialect}
    if link.options:
        made["options"] = dict(link.options)
    made["connector"] = _connector(resource, link)
    if link.merge_domain:
        made["merge_domain"] = link.merge_domain
    if link.preferred:
        made["preferred"] = link.preferred
    back = resource.failback
    if back is not None:
        made["failback"] = (
            {"mode": "automatic", "hold_s": back.hold_s} if back.automatic else {"mode": "manual"}
        )
    return made


def _failover(resource: RemoteUnit) -> dict[str, Any]:
    own = resource.failover
    if own is None:
        return {}
    timings = {"lease_s": own.lease_s, "deadline_s": own.renew_deadline_s, "retry_s": own.retry_s}
    return {"failover": timings}


def _connector(resource: RemoteUnit, link: Link) -> dict[str, Any]:
    given = link.connector
    kind = given["type"]
    if kind == "tcp_client":
        return {"type": kind, "host": given["address"], "port": link.port}
    if link.listens:
        made = {"type": kind, "host": EVERYWHERE, "port": link.port}
        return made | ({"peers": list(given["peers"])} if given.get("peers") else {})
    made = {"type": kind, "path": _path(resource, link, given["path"])}
    made |= {name: given[name] for name in _FOLDER_KEYS if name in given}
    return made | (
        {"archive": _path(resource, link, given["archive"])} if "archive" in given else {}
    )


def _path(resource: RemoteUnit, link: Link, path: str) -> str:
    return f"{FOLDERS}/{link.name}/{path.strip('/')}".rstrip("/") if resource.in_cluster else path
