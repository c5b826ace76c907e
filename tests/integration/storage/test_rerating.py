"""Re-rating: the ledger corrected by entries, as if the new tariff had always been."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from bluewhale.cli.simulate.session import World
from bluewhale.cli.verification import verify_receipts
from bluewhale.configuration import Configuration, Following, load
from bluewhale.database import Batch, CallFilter, Store
from bluewhale.jobs.current import CurrentStages
from bluewhale.jobs.preparing import prepare
from bluewhale.jobs.runner import JobRunner
from bluewhale.jobs.tariffs import keep
from bluewhale.jobs.works import works
from bluewhale.rating.tariff_files import load_tariff
from bluewhale.stages import Stages, parse_stage, propose, raw_batch

from tests.integration.cli.door import bluewhale
from tests.support.captured import frames_of
from tests.support.roles_world import with_roles, world_of

CALLS = 120
NOW_MS = round(time.time() * 1000)
YEAR = {"from_ms": 0, "until_ms": 4_102_444_800_000}


class Priced:
    """A store of a simulated world: half of its calls sealed, half hot."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.world: World = world_of(folder, calls=CALLS, seed=seed)
        self.configuration: Configuration = with_roles(self.world, {"unit-1": [0, 1, 2]})
        self.store = Store.open(folder / "data" / "store")
        stages = prepare(self.configuration, self.store)
        for turn, pbx in enumerate(self.world.pbxs):
            frames = frames_of(
                self.world, self.configuration, pbx.pbx_uid, "unit-1", received_at_ms=NOW_MS
            )
            outcomes = [
                parse_stage(raw_batch(f, NOW_MS), self.configuration.streams[f.stream_id])
                for f in frames
            ]
            legs = pa.concat_tables([o.accepted for o in outcomes])
            batch = Batch(now_ms=1, legs=legs, proposals=propose(legs, stages, rated_at_ms=1))
            self.store.commit(batch, seal=turn % 2 == 0)
        self.stages = CurrentStages(Following(self.configuration), self.store, look_s=0.0)
        self.runner = JobRunner(self.store, works(self.store, Following(self.configuration)))

    def new_tariff(self, factor: int) -> int:
        """Activate a version of the carrier's tariff with all prices times `factor`."""
        path = self.world.folder / "tariffs" / "carrier-2026.yaml"
        if not path.exists():
            path = next((self.world.folder / "tariffs").glob("carrier*.yaml"))
        for deck in path.parent.glob("carrier*.csv"):
            text = deck.read_text("utf-8")
            head, *rows = text.splitlines()
            deck.write_text("\n".join([head, *(_times(row, factor) for row in rows)]) + "\n")
        stored = keep(self.store, path, load_tariff(path), "test")
        self.store.activate_tariff(stored.tariff_uid, stored.version, who="test", now_ms=2)
        return stored.version

    def rerate(self, name: str, **wanted):
        """Run a re-rating to its end."""
        self.runner.start("rerate", name, {**YEAR, **wanted}, who="test")
        while (job := self.runner.get(name)).state in {"waiting", "running"}:
            self.runner.work(job, self.stages.get)
        return job

    def ledger(self) -> dict[tuple[str, str], int]:
        """Sum every entry ever made, per price list and currency."""
        return self.books()[0]

    def books(self) -> tuple[dict[tuple[str, str], int], int]:
        """Give these sums and how many entries there are; reading each call takes a second."""
        sums: dict[tuple[str, str], int] = defaultdict(int)
        entries = 0
        for call_id in self.call_ids():
            for row in self.store.get_call(call_id).charges.to_pylist():
                sums[row["price_list"], row["currency"]] += row["amount_nanos"]
                entries += 1
        return dict(sums), entries

    def call_ids(self) -> list[bytes]:
        return self.store.search_calls(CallFilter(), limit=10_000).column("call_id").to_pylist()

    def from_scratch(self) -> dict[tuple[str, str], int]:
        """Price all legs as if nothing had ever been priced."""
        ids = [
            i
            for ids in self.store.search_calls(CallFilter(), limit=10_000)
            .column("leg_ids")
            .to_pylist()
            for i in ids
        ]
        stages: Stages = self.stages.get()
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for row in propose(self.store.legs(ids), stages, rated_at_ms=1).charges.to_pylist():
            sums[row["price_list"], row["currency"]] += row["amount_nanos"]
        return dict(sums)


def _times(row: str, factor: int) -> str:
    """Multiply each decimal of a row of a deck."""
    return re.sub(
        r"\d+\.\d+",
        lambda m: f"{int(m[0].replace('.', '')) * factor / 10 ** len(m[0].split('.')[1]):.6f}",
        row,
    )


@pytest.fixture(params=[7, pytest.param(21, marks=pytest.mark.slow)])
def priced(request, tmp_path: Path):
    """Give a priced world per seed."""
    it = Priced(tmp_path, request.param)
    yield it
    it.store.close()


def test_after_a_re_rating_the_ledger_is_that_of_pricing_from_scratch(priced: Priced):
    """Twice the prices: the sums are those of new prices; receipts verify; a second run does nothing."""
    before, entries = priced.books()
    version = priced.new_tariff(2)
    job = priced.rerate("first")
    assert job.state == "done", job.progress["message"]
    after, entries_after = priced.books()
    assert after == priced.from_scratch()
    assert after["carrier", "EUR"] > before["carrier", "EUR"]
    assert after["internal", "EUR"] == before["internal", "EUR"]
    corrected = job.progress["corrected"]
    assert corrected > CALLS / 4
    # each corrected call: its entries taken back, and entered anew
    assert entries_after > entries + 2 * corrected - 1
    found = verify_receipts(priced.store, "dialled_out", None, None)
    assert found.mismatches.num_rows == 0
    report = job.progress["report"]
    assert sum(row[6] - row[5] for row in report if row[0] == "carrier") == (
        after["carrier", "EUR"] - before["carrier", "EUR"]
    )
    assert {row[2] for row in report if row[0] == "carrier"} == {f"carrier-2026@{version}"}
    again = priced.rerate("second")
    assert (again.state, again.progress.get("corrected", 0)) == ("done", 0)
    assert priced.books() == (after, entries_after)


def test_a_dry_run_reports_and_changes_nothing(priced: Priced):
    """The report is that of the real run; the ledger stays."""
    priced.new_tariff(3)
    before = priced.books()
    dry = priced.rerate("dry", dry_run=True)
    assert priced.books() == before
    assert "would be corrected" in dry.progress["message"]
    assert dry.progress["report"] == priced.rerate("real").progress["report"]


def test_only_the_tariff_that_is_named_is_corrected(priced: Priced):
    """A re-rating of the internal list leaves outdated carrier prices alone."""
    priced.new_tariff(2)
    before = priced.ledger()
    assert priced.rerate("x", tariff_uid="no-such").state == "failed"
    other = priced.rerate("internal", tariff_uid="internal-2026", tariff_version=1)
    assert other.state == "done"
    assert priced.rerate("carrier", tariff_uid="carrier-2026", tariff_version=9).state == "failed"
    job = priced.rerate("carrier-2", tariff_uid="carrier-2026", tariff_version=2)
    assert job.state == "done", job.progress
    after = priced.ledger()
    assert after["carrier", "EUR"] == priced.from_scratch()["carrier", "EUR"]
    assert after["internal", "EUR"] == before["internal", "EUR"]


def test_a_paused_job_goes_on_where_it_stopped(priced: Priced, monkeypatch):
    """Pages of ten: pause after the first, restart everything, resume: the same end."""
    monkeypatch.setattr("bluewhale.jobs.rerating.PAGE_CALLS", 10)
    priced.new_tariff(2)
    priced.runner.start("rerate", "slow", YEAR, who="test")
    priced.runner.step(priced.stages.get)
    assert priced.runner.ask("pause", "slow", who="ada").state == "pausing"
    priced.runner.step(priced.stages.get)
    assert priced.runner.get("slow").state == "paused"
    assert priced.runner.get("slow").progress["done"] == 10
    assert not priced.runner.step(priced.stages.get)
    later = JobRunner(priced.store, works(priced.store, Following(priced.configuration)))
    assert later.ask("resume", "slow", who="ada").state == "waiting"
    while later.step(priced.stages.get):
        pass
    assert later.get("slow").state == "done"
    assert priced.ledger() == priced.from_scratch()


def test_a_cancelled_job_ends_and_stays(priced: Priced):
    """What ended cannot be asked for anything more."""
    from bluewhale.database import StateError

    priced.runner.start("rejoin", "one", {}, who="test")
    assert priced.runner.ask("cancel", "one", who="ada").state == "cancelled"
    assert not priced.runner.step(priced.stages.get)
    with pytest.raises(StateError, match="cannot be asked to resume"):
        priced.runner.ask("resume", "one", who="ada")
    actions = [(a[1], a[2]) for a in priced.store.audit()]
    assert ("ada", "job_cancelled") in actions


def test_the_command_reports_differences(priced: Priced):
    """`bluewhale rerate` by month, dry then real, then nothing more; the job is listed."""
    priced.new_tariff(2)
    path = priced.world.folder / "bluewhale.yaml"
    text = path.read_text("utf-8")
    path.write_text(text[: text.index("units:")], "utf-8")  # the embedded product
    load(priced.world.folder)
    months = ("--period", "2026-01..2026-12", "--config", str(priced.world.folder))
    dry = bluewhale("rerate", *months, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert {r["price_list"] for r in dry.rows()} == {"carrier"}
    time.sleep(1.1)  # jobs of a person are named by the second
    real = bluewhale("rerate", *months, "--json")
    assert real.rows() == dry.rows()
    time.sleep(1.1)
    again = bluewhale("rerate", *months, "--json")
    assert (again.code, again.rows()) == (0, [])
    listed = bluewhale("job", "list", "--config", str(priced.world.folder), "--json")
    assert [r["state"] for r in listed.rows()] == ["done", "done", "done"]
    bad = bluewhale("rerate", "--period", "2026-13", "--config", str(priced.world.folder))
    assert bad.code == 2
    assert "2026-01..2026-02" in bad.err
