"""Ingest as a plugin of the nexus."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bluewhale.ingest.service import Ingest
from bluewhale.jobs.opening import open_log, open_store
from bluewhale.nexus import Manifest, serve

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.nexus import Context

# without these no unit can be taken; anything else is told to operators alone
GATES = frozenset({"log", "database"})

MANIFEST = Manifest(
    symbolic_name="bluewhale.ingest",
    version="1.0",
    vendor="Bluewhale",
    provides={"units": "1.0", "ownership": "1.0"},
    activator="bluewhale.ingest.plugin:activate",
)


@contextlib.asynccontextmanager
async def activate(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Run ingest; `context.settings` is the whole `Configuration`."""
    configuration: Configuration = context.settings

    ingest = Ingest(
        configuration,
        open_log=lambda: open_log(configuration, "ingest"),
        open_store=lambda: open_store(configuration),
        query=lambda: context.peer("query"),
        say=lambda name, good, message: context.condition(
            name, good=good, message=message, gates=name in GATES
        ),
        metrics=context.metrics,
        failed=context.fail,
    )
    async with ingest.running():
        yield {
            "units": serve("units", ingest.units_door),
            "ownership": serve("ownership", ingest.ownership),
        }
