"""The configuration of a simulated world, extended by units and what roles share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from bluewhale.cli.simulate.session import DIALECTS, World
from bluewhale.configuration import Configuration, load


def world_of(folder: Path, *, calls: int, seed: int = 7, garbage: int = 2) -> World:
    """Make and write a world of three PBXs, one of each dialect."""
    world = World.of(folder, 3, DIALECTS, calls, seed, garbage)
    world.write()
    return world


def with_roles(
    world: World, units: Mapping[str, list[int]], cluster: Mapping[str, Any] | None = None
) -> Configuration:
    """Add units (name -> which PBXs they read) and the section cluster; load it all."""
    path = world.folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["units"] = [
        {"unit_uid": name, "links": [world.pbxs[i].link_uid for i in which]}
        for name, which in units.items()
    ]
    document["cluster"] = dict(cluster or {})
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return load(world.folder)
