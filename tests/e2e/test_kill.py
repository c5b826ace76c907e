"""Whatever moment the power goes: nothing lost, nothing double."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.simulate.session import DIALECTS, World
from bluewhale.cli.simulate.verify import compare
from bluewhale.database import Store

from tests.support.feeding import Feeder
from tests.support.journals import not_stored
from tests.support.running import Cold, Warm, wait_until

KILLS = 25  # per quarter; quarters run side by side
COLD_EVERY = 25  # so many of the starts are those of a person, imports and all
INSIDE_WAIT_S = 3.0
CALLS = 1_500
SHARES = 2_000  # more than are fed while the kills happen
PATIENCE_S = 90


def _quicken(folder: Path) -> None:
    """Poll and join often, so that a short life is a busy one."""
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"] = {"window_ms": 300, "poll_interval_ms": 10}
    for link in document["links"][1:]:
        link["connector"]["poll_interval_ms"] = 50
    path.write_text(yaml.safe_dump(document), "utf-8")


def _lines_of_legs(folder: Path, pbx_uid: str) -> Counter[bytes]:
    """Give the printed line of every stored leg."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "store" / "main.db")) as main:
        return Counter(
            bytes(row[0])
            for row in main.execute("SELECT raw FROM leg WHERE pbx_uid = ?", (pbx_uid,))
        )


@pytest.mark.slow
@pytest.mark.parametrize("quarter", [1, 2, 3, 4])
def test_twenty_five_kills_lose_nothing_and_double_nothing(
    quarter: int, tmp_path: Path, record_property
):
    """After 25 kill -9, at least half inside an open transaction, the store is the truth."""
    r = random.Random(quarter)
    world = World.of(tmp_path, 3, DIALECTS, CALLS, quarter, 4)
    world.write()
    _quicken(tmp_path)
    feeder = Feeder(world, SHARES)
    inside = 0
    with Warm() as warm:
        with feeder.feeding():
            for k in range(KILLS):
                start = Cold() if k % COLD_EVERY == COLD_EVERY - 1 else warm
                running = start.start(tmp_path, "up")
                time.sleep(r.uniform(0.0, 1.5))
                if inside * 2 <= k + 6 and running.kill_inside_transaction(INSIDE_WAIT_S):
                    inside += 1
                else:
                    assert running.kill()
        fed = feeder.steps
        running = warm.start(tmp_path, "up")
        feeder.rest()
        _settle(world)
        running.stop()
    figure = f"quarter {quarter}: {KILLS} kill -9, {inside} inside an open transaction"
    record_property("figure", f"{figure}; {fed} of {SHARES} shares of data fed meanwhile")
    assert inside >= KILLS // 2
    _judge(world, feeder)


def _settle(world: World) -> None:
    """Wait until the folders' calls are the truth and everything journaled is stored and joined."""
    folders = {p.pbx_uid for p in world.pbxs[1:]}
    main = world.folder / "data" / "store"
    wait_until((main / "main.db").exists, PATIENCE_S, "the store")
    with Store.open(main) as store:
        wait_until(
            lambda: not compare(world.truth, store, folders),
            PATIENCE_S,
            "every call of the folders",
        )
        wait_until(
            lambda: (
                not not_stored(world.folder / "data" / "journal.db", store)
                and not any(store.completeness().days.column("open").to_pylist())
            ),
            PATIENCE_S,
            "every journaled record",
        )


def _judge(world: World, feeder: Feeder) -> None:
    """Compare all with the truth, once more when all is still."""
    avaya, *folders = (p.pbx_uid for p in world.pbxs)
    legs = _lines_of_legs(world.folder, avaya)
    more_than_sent = {line: n for line, n in legs.items() if n > feeder.sent[line]}
    arrived = [
        call
        for call in world.truth
        if call.pbx_uid == avaya
        and all(x.data.rstrip(b"\r\n") in legs for x in feeder.lines_of(call.number))
    ]
    with Store.open(world.folder / "data" / "store") as store:
        assert compare(world.truth, store, set(folders)) == []
        assert not_stored(world.folder / "data" / "journal.db", store) == []
        found = store.completeness()
        missing = [d for d in compare(arrived, store, {avaya}) if d.startswith("missing")]
    assert more_than_sent == {}
    assert missing == []
    assert arrived
    assert found.gaps.to_pylist() == []
    assert [d["difference"] for d in found.days.to_pylist() if not d["balanced"]] == []
