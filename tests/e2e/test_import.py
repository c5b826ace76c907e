"""An import that is killed goes on where the main database stands."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import CallFilter, Store

from tests.support.running import Warm, wait_until

INSIDE_WAIT_S = 5.0  # a chunk takes about a second, and a part of it is the transaction
KILLS = 8
CALLS = 16_000  # eight chunks of one MiB
IMPORT_S = 120


def _world(folder: Path) -> tuple[World, list[str]]:
    """Write a world of one CUCM and its file; gives the command that imports it."""
    world = World.of(folder, 1, ("cisco_cucm",), CALLS, 13, 3)
    world.write()
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"]["import_chunk_mib"] = 1
    path.write_text(yaml.safe_dump(document), "utf-8")
    (pbx,) = world.pbxs
    file = folder / "all.cdr"
    file.write_bytes(b"".join(x.data for x in world.lines[pbx.pbx_uid]))
    assert file.stat().st_size > 4 << 20
    return world, ["import", "--link", pbx.link_uid, str(file)]


def _stored(folder: Path) -> int:
    """Give how far the file is stored."""
    with Store.open(folder / "data" / "store") as store:
        return max((m.stored_through for m in store.marks()), default=0)


def _state(folder: Path) -> dict[str, object]:
    """Give everything that a repeat may not change."""
    with Store.open(folder / "data" / "store") as store:
        found = store.completeness()
        calls = store.search_calls(CallFilter(), limit=100_000).to_pylist()
        return {
            "days": [{k: v for k, v in d.items() if k != "day"} for d in found.days.to_pylist()],
            "gaps": found.gaps.to_pylist(),
            "marks": [(m.stream_id, m.incarnation, m.stored_through) for m in store.marks()],
            "calls": [(c["call_id"], c["leg_count"], c["totals"]) for c in calls],
        }


@pytest.mark.slow
def test_an_import_killed_again_and_again_ends_like_an_undisturbed_one(tmp_path: Path):
    """Eight kill -9 in the middle of a file of several chunks: the same calls, legs and prices."""
    r = random.Random(3)
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    world, command = _world(killed)
    _, calm_command = _world(calm)
    inside = interrupted = 0
    with Warm() as warm:
        for turn in range(KILLS):
            running = warm.start(killed, *command)
            wait_until((killed / "data" / "store" / "main.db").exists, 30, "the store")
            if turn == 0:  # one of them surely behind a chunk, however fast or slow the machine
                wait_until(lambda: _stored(killed) > 0, IMPORT_S, "a chunk to be stored")
                assert running.kill()
            else:
                if turn % 2:  # the others meet the first transaction of their life
                    time.sleep(r.uniform(0.2, 2.5))
                if running.kill_inside_transaction(INSIDE_WAIT_S, pause_s=0.001):
                    inside += 1
                elif not running.kill():
                    break  # it reached the end between two of its lives
            interrupted += _stored(killed) > 0
        warm.start(killed, *command).finish(IMPORT_S)
        warm.start(calm, *calm_command).finish(IMPORT_S)
        state = _state(calm)
        assert _state(killed) == state
        with Store.open(killed / "data" / "store") as store:
            assert compare(world.truth, store, {world.pbxs[0].pbx_uid}) == []
        warm.start(killed, *command).finish(IMPORT_S)
    assert _state(killed) == state
    assert inside > 0
    assert interrupted > 0
