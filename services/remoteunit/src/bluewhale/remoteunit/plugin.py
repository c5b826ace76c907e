"""The unit as a plugin of its process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from bluewhale.nexus import Manifest
from bluewhale.remoteunit.unit import RELEASE, Unit

if TYPE_CHECKING:
    from bluewhale.nexus import Context

MANIFEST = Manifest(
    symbolic_name="bluewhale.remoteunit",
    version=RELEASE,
    vendor="Bluewhale",
    provides={"unit": RELEASE},
    activator="bluewhale.remoteunit.plugin:activate",
)


@contextlib.asynccontextmanager
async def activate(context: Context) -> AsyncIterator[dict[str, object]]:
    """Run the unit of `context.settings`."""
    unit = Unit(
        context.settings,
        metrics=context.metrics,
        condition=context.condition,
        failed=context.fail,
    )
    async with unit.running():
        yield {"unit": unit}
