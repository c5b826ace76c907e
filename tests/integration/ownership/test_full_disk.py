"""A unit whose disk takes nothing goes on reading, says so, and notes what it reads once it can."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.integration.ownership.test_over_grpc import PATIENT, Place, place, until
from tests.support.full_disk import SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path):
    """Give a disk that can be filled, or None where nobody may mount one."""
    with small_disk(tmp_path / "disk") as found:
        yield found


async def moved_while_unwritable(here: Place, full, free) -> None:
    """Take a link over while nothing can be noted; then note it."""
    replica = await here.replica()
    full()
    a = here.host("unit-a", replica.address)
    await until(lambda: a.read == {"smdr"})
    await until(lambda: bool(a.client.problem))
    assert "unit-a.json" in a.client.problem or "No space left" in a.client.problem
    assert not (here.folder / "unit-a.json").exists()
    await asyncio.sleep(1.2)
    assert not a.task.done(), "a unit without room on its disk goes on"
    assert a.read == {"smdr"}
    free()
    await until((here.folder / "unit-a.json").exists)
    await until(lambda: a.client.problem == "")
    assert json.loads((here.folder / "unit-a.json").read_text())["links"] == ["smdr"]


def test_a_full_disk_ends_nothing_and_is_said_until_there_is_room(
    tmp_path: Path, disk: SmallDisk | None
) -> None:
    """A real file system without a byte left; where none can be mounted, a folder that is a file."""

    async def run() -> None:
        async with place(tmp_path, PATIENT) as here:
            if disk is not None:
                here.folder = disk.folder
                await moved_while_unwritable(here, disk.fill, disk.free)
                return
            here.folder = blocked = tmp_path / "blocked"
            await moved_while_unwritable(here, lambda: blocked.write_bytes(b""), blocked.unlink)

    asyncio.run(run())
