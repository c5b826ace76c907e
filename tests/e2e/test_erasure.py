"""An erasure that is killed goes on, and ends like one that nothing disturbed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Following, load
from bluewhale.database import CallFilter, Store
from bluewhale.jobs.erasing import wanted
from bluewhale.jobs.runner import JobRunner
from bluewhale.jobs.works import works

from tests.support.running import Warm, wait_until

FILES = 12  # each becomes a segment, and each segment is a step
CALLS = 600
KILLS = 9
INSIDE_WAIT_S = 2.0
PATIENCE_S = 60
NAME = "erasure-1"


def _written(folder: Path) -> list[list[str]]:
    """Write a world of one PBX in several files; gives the commands that import them."""
    world = World.of(folder, 1, ("asterisk_csv",), CALLS, 5, 3)
    world.write()
    (pbx,) = world.pbxs
    lines = [x.data for x in world.lines[pbx.pbx_uid]]
    share = -(-len(lines) // FILES)
    commands = []
    for n in range(FILES):
        file = folder / f"part-{n:02}.csv"
        file.write_bytes(b"".join(lines[n * share : (n + 1) * share]))
        commands.append(["import", "--link", pbx.link_uid, str(file)])
    return commands


def _calls(store: Store, uid: str) -> list[dict]:
    return store.search_calls(CallFilter(person=uid), limit=10_000).to_pylist()


def _begin(folder: Path) -> tuple[str, str, list[bytes]]:
    """Let go of who called most, and ask for their erasure; gives uid, pseudonym and lines."""
    with Store.open(folder / "data" / "store") as store:
        everything = store.search_calls(CallFilter(), limit=10_000).to_pylist()
        ((uid, _),) = Counter(c["person_uid"] for c in everything if c["person_uid"]).most_common(1)
        mine = [i for c in everything if c["person_uid"] == uid for i in c["leg_ids"]]
        lines = store.legs(mine).column("raw").to_pylist()
        path = folder / "directory.yaml"
        document = yaml.safe_load(path.read_text("utf-8"))
        for kind in ("persons", "extensions"):
            document[kind] = [e for e in document[kind] if e.get("person_uid") != uid]
        path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        asked = wanted(uid)
        runner = JobRunner(store, works(store, Following(load(folder))))
        runner.start("erase", NAME, asked, who="ana")
    return uid, asked["pseudonym"], lines


def _job(folder: Path) -> tuple[str, dict]:
    """Give state and progress of the job, from beside the process that works on it."""
    with closing(sqlite3.connect(folder / "data" / "store" / "main.db", timeout=30)) as main:
        state, progress = main.execute(
            "SELECT state, progress FROM job WHERE name = ?", (NAME,)
        ).fetchone()
    return state, json.loads(progress)


def _moved(folder: Path, done: int) -> bool:
    """Say whether the job did another step, or its last."""
    state, progress = _job(folder)
    return state == "done" or progress["done"] > done


def _ended(folder: Path) -> dict[str, object]:
    """Give all that may not depend on how often it was killed."""
    state, progress = _job(folder)
    with Store.open(folder / "data" / "store") as store:
        calls = store.search_calls(CallFilter(), limit=10_000).to_pylist()
        legs = store.legs([i for c in calls for i in c["leg_ids"]]).to_pylist()
        return {
            "state": state,
            "counts": [progress[name] for name in ("calls", "legs", "digest")],
            "calls": [
                (c["call_id"], c["person_uid"], c["called_e164"], c["totals"]) for c in calls
            ],
            "lines": sorted((leg["cdr_id"], leg["raw"]) for leg in legs),
            "sums": store.report("department").to_pylist(),
            "noted": sum(entry[2] == "person_erased" for entry in store.audit()),
        }


@pytest.mark.slow
def test_an_erasure_killed_again_and_again_ends_like_an_undisturbed_one(
    tmp_path: Path, record_property
):
    """Kill -9 behind each of its first steps, inside a transaction of the next where one is met."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    inside, phases = 0, set()
    with Warm() as warm:
        for command in _written(calm):
            warm.start(calm, *command).finish(PATIENCE_S)
        uid, pseudonym, lines = _begin(calm)
        shutil.copytree(calm, killed)
        configured = (killed / "bluewhale.yaml").read_text("utf-8")
        (killed / "bluewhale.yaml").write_text(configured.replace(str(calm), str(killed)), "utf-8")
        done = 0
        for _ in range(KILLS):
            running = warm.start(killed, "up")
            wait_until(lambda d=done: _moved(killed, d), PATIENCE_S, "a step", 0.002)
            if running.kill_inside_transaction(INSIDE_WAIT_S, pause_s=0.001):
                inside += 1
            else:
                assert running.kill()
            state, progress = _job(killed)
            if state == "done":
                break
            done = progress["done"]
            phases.add(progress["phase"])
        for folder in (calm, killed):
            # behind the last kill: a start that is told to end at once dies of it
            if _job(folder)[0] == "done":
                continue
            running = warm.start(folder, "up")
            wait_until(lambda f=folder: _job(f)[0] == "done", PATIENCE_S, "the end")
            running.stop()
    record_property("figure", f"{inside} kills inside a transaction, in phases {sorted(phases)}")
    assert phases
    assert inside >= 1
    assert _ended(killed) == _ended(calm)
    assert _ended(calm)["noted"] == 1
    with Store.open(killed / "data" / "store") as store:
        assert _calls(store, uid) == []
        assert _calls(store, pseudonym)
    kept = (killed / "data" / "store" / "main.db").read_bytes()
    assert [line for line in lines if line in kept] == []
