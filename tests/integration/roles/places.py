"""An installation of processes for tests: endpoints of the run, a prefix and a database of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bluewhale.cli.simulate.installation import Endpoints, Installation
from bluewhale.cli.simulate.session import World


def installation(
    world: World,
    folder: Path,
    *,
    kafka: str,
    prefix: str,
    database: str,
    redis: str | None = None,
    otlp: str | None = None,
    units: Mapping[str, Sequence[int]] | None = None,
    sample_ratio: float = 0.01,
    settings: Mapping[str, Any] | None = None,
) -> Installation:
    """Give the roles of a world, written but not started; units name PBXs by their place."""
    chosen = units or {"east": [0, 1], "west": [2]}
    made = Installation(
        folder,
        Endpoints(kafka, database, redis, otlp),
        {unit: [world.pbxs[i].link_uid for i in which] for unit, which in chosen.items()},
        prefix=prefix,
        sample_ratio=sample_ratio,
        settings=settings or {},
    )
    made.write()
    return made
