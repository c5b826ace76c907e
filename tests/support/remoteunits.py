"""RemoteUnits and what is seen of them, for tests of the operator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bluewhale.operator.observed import Centre, LinkReport, Observed, UnitReport, id_of
from bluewhale.operator.resource import RemoteUnit, read_resource
from bluewhale.operator.settings import Settings

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
YEAR_MS = 1_800_000_000_000
SETTINGS = Settings(
    namespace="bluewhale",
    ingest="bluewhale-ingest.bluewhale.svc:7440",
    enrolment="bluewhale-ingest.bluewhale.svc:7444",
    unit_image="bluewhale/remoteunit:1",
)


def link(name: str = "hq-avaya", **connector: Any) -> dict[str, Any]:
    """A link that listens on port 9000 unless told otherwise."""
    return {
        "name": name,
        "pbx": "hq",
        "dialect": "avaya_cm",
        "connector": connector or {"type": "tcp_server", "port": 9000},
    }


def body(
    name: str = "berlin",
    *,
    links: list[dict[str, Any]] | None = None,
    annotations: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A resource as the API server gives it."""
    return {
        "apiVersion": "bluewhale.dev/v1alpha1",
        "kind": "RemoteUnit",
        "metadata": {
            "name": name,
            "namespace": "pbx",
            "uid": f"uid-{name}",
            "generation": 3,
            "creationTimestamp": "2026-11-01T00:00:00Z",
            "annotations": dict(annotations or {}),
            **(meta or {}),
        },
        "spec": {"links": [link()] if links is None else links, **spec},
        "status": dict(status or {}),
    }


def resource(name: str = "berlin", **given: Any) -> RemoteUnit:
    """The same, read."""
    return read_resource(body(name, **given))


def pair(**given: Any) -> RemoteUnit:
    """A resource with a preferred and a standby unit."""
    return resource(units={"preferred": "berlin-1", "standby": ["berlin-2"]}, **given)


def well(name: str, links: tuple[str, ...] = ("hq-avaya",), **given: Any) -> UnitReport:
    """A unit that is connected, configured and empty."""
    return UnitReport(
        **{
            "name": name,
            "state": "connected",
            "version": "0.1.0",
            "backlog_records": 0,
            "certificate_not_after_ms": YEAR_MS,
            "copies": 1,
            "overrides": {"log_level": "info", "journal_quota_mib": 1024},
            "links": links,
            **given,
        }
    )


def centre(*units: UnitReport, owner: str | None = None, problem: str = "", **links: Any) -> Centre:
    """Ingest's answer; every link has the first unit as its owner unless told otherwise."""
    names = tuple(unit.name for unit in units)
    found = {
        uid: LinkReport(
            **{
                "state": "connected",
                "owner": (names[0] if names else "") if owner is None else owner,
                "ready": names,
                "shared": len(names) > 1,
                **links,
            }
        )
        for unit in units
        for uid in unit.links
    }
    return Centre({unit.name: unit for unit in units}, found, (15.0, 10.0, 2.0), problem=problem)


def seen(said: Centre, **given: Any) -> Observed:
    """Everything observed at NOW."""
    return Observed(**{"now": NOW, "centre": said, **given})


def applied(objects: Any, before: Mapping[Any, Any] | None = None) -> dict[Any, Any]:
    """Objects as an API server keeps them: with defaults that nobody sent."""
    kept = dict(before or {})
    for made in objects:
        kept[id_of(made)] = {**made, "metadata": {**made["metadata"], "resourceVersion": "7"}}
    return kept
