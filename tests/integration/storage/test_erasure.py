"""Erasure of a person: nothing that is stored tells of them, and every amount stays."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from bluewhale.api.jobs.v1 import jobs_pb2 as api
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Configuration, Following
from bluewhale.database import Batch, CallFilter, StateError, Store, audit
from bluewhale.database.job_rows import StoredJob
from bluewhale.jobs.current import CurrentStages
from bluewhale.jobs.directories import keep_directory
from bluewhale.jobs.erasing import STAYS, wanted
from bluewhale.jobs.preparing import prepare
from bluewhale.jobs.rejoining import rejoin
from bluewhale.jobs.runner import JobRunner
from bluewhale.jobs.works import works
from bluewhale.records.directory_erasing import without_person
from bluewhale.stages import parse_stage, propose, raw_batch
from bluewhale.storage.exceptions import InvalidRequestError
from bluewhale.storage.jobs_door import JobsDoor

from tests.support.captured import frames_of
from tests.support.legs import leg, leg_id, leg_table
from tests.support.roles_world import with_roles, world_of
from tests.support.stores import StoreFactory

CALLS = 90
NOW_MS = round(time.time() * 1000)
PRIVATE_OF_CALLS = ("calling", "called", "calling_e164", "called_e164")
PRIVATE_OF_LEGS = ("calling_number", "called_number", "calling_extension", "called_extension")


class Kept:
    """A store of a simulated world, half of it sealed; `uid` = who called most, sealed and hot."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.world: World = world_of(folder / "world", calls=CALLS)
        self.configuration: Configuration = with_roles(self.world, {"unit-1": [0, 1, 2]})
        self.store = store
        stages = prepare(self.configuration, store)
        for pbx in self.world.pbxs:
            frames = frames_of(
                self.world, self.configuration, pbx.pbx_uid, "unit-1", received_at_ms=NOW_MS
            )
            outcomes = [
                parse_stage(raw_batch(f, NOW_MS), self.configuration.streams[f.stream_id])
                for f in frames
            ]
            legs = pa.concat_tables([o.accepted for o in outcomes])
            store.commit(Batch(now_ms=1, legs=legs, proposals=propose(legs, stages, rated_at_ms=1)))
            store.seal(before_ms=2 * NOW_MS, now_ms=NOW_MS, limit=15)
        self.following = Following(self.configuration)
        self.stages = CurrentStages(self.following, store, look_s=0.0)
        self.start()
        owners = Counter(c["person_uid"] for c in self.calls() if c["called_e164"])
        self.uid = next(uid for uid, _ in owners.most_common() if uid and self.both(uid))
        self.name = f"Person {self.uid[-4:]} {self.uid[:-5].capitalize()}"

    def both(self, uid: str) -> bool:
        """Say whether somebody has calls in a sealed file and in tables."""
        sql = "SELECT COUNT(*) FROM call_version WHERE person_uid = ?"
        hot = self.store.run_read(lambda tx: tx.rows(sql, (uid,)))[0][0]
        return 0 < hot < len(self.calls(uid))

    def start(self) -> None:
        """Let another process take the jobs over."""
        self.runner = JobRunner(self.store, works(self.store, self.following))

    def calls(self, uid: str | None = None) -> list[dict]:
        wanted = CallFilter() if uid is None else CallFilter(person=uid)
        return self.store.search_calls(wanted, limit=10_000).to_pylist()

    def let_go(self) -> None:
        """Take the person out of the directory's file, and let the store know the new version."""
        path = self.configuration.settings.directory[0]
        document = yaml.safe_load(path.read_text("utf-8"))
        for kind in ("persons", "extensions"):
            document[kind] = [e for e in document[kind] if e.get("person_uid") != self.uid]
        path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        assert self.following.refresh()
        keep_directory(self.store, [path], self.following.configuration.directory)

    def add(self, *rows: dict, seal: bool = False) -> None:
        """Store legs and the calls made of them, and join what belongs together."""
        legs, stages = leg_table(*rows), self.stages.get()
        proposals = propose(legs, stages, rated_at_ms=1)
        self.store.commit(Batch(now_ms=1, legs=legs, proposals=proposals), seal=seal)
        rejoin(self.store, stages, 1)

    def erase(self) -> StoredJob:
        """Run an erasure to its end."""
        self.runner.start("erase", "erasure-1", wanted(self.uid), who="ana")
        while (job := self.runner.get("erasure-1")).state in {"waiting", "running"}:
            self.runner.work(job, self.stages.get)
        return job

    def legs(self) -> list[dict]:
        ids = [i for c in self.calls() for i in c["leg_ids"]]
        return self.store.legs(ids).to_pylist()

    def sums(self) -> dict[str, list[dict]]:
        """Give what departments, sites and carriers come to."""
        return {by: self.store.report(by).to_pylist() for by in ("department", "site", "extension")}


@pytest.fixture
def kept(store_factory: StoreFactory, tmp_path: Path) -> Iterator[Kept]:
    """Give it on each engine."""
    with store_factory() as store:
        yield Kept(tmp_path, store)


def test_nothing_tells_of_an_erased_person_and_every_amount_stays(kept: Kept):
    """Calls, lines, files, directories, searches; a proof with what it cannot reach."""
    before, mine = kept.sums(), kept.calls(kept.uid)
    numbers = {c["called_e164"] for c in mine if c["called_e164"]}
    charges = {c["call_id"]: kept.store.get_call(c["call_id"]).charges for c in mine}
    kept.let_go()
    job = kept.erase()
    assert (job.state, job.progress["calls"]) == ("done", len(mine)), job.progress["message"]
    assert job.progress["segments"] >= 1
    assert job.progress["directory_versions"] == 1
    assert list(job.progress["stays"]) == list(STAYS)

    assert kept.calls(kept.uid) == []
    after = kept.calls(job.progress["pseudonym"])
    assert {c["call_id"] for c in after} == {c["call_id"] for c in mine}
    assert {c[name] for c in after for name in PRIVATE_OF_CALLS} == {None}
    assert kept.sums() == before
    assert {c: kept.store.get_call(c).charges for c in charges} == charges
    legs = kept.store.legs([i for c in after for i in c["leg_ids"]]).to_pylist()
    assert {leg["raw"] for leg in legs} == {b""}
    assert len(legs) == job.progress["legs"]
    assert {leg[name] for leg in legs for name in (*PRIVATE_OF_LEGS, "join_keys")} == {None}
    others = {n for c in kept.calls() for n in (c["calling_e164"], c["called_e164"])}
    for number in numbers - others:
        found = kept.store.search_calls(CallFilter(number=f"+{number}"), limit=10)
        assert found.num_rows == 0

    texts = [str(entry) for entry in kept.store.audit()]
    texts += [str(j.progress) for j in kept.runner.rows.all()]
    for version in (1, 2):
        texts += [data.decode() for data in kept.store.directory_files(version)[1].values()]
    assert [t for t in texts if kept.uid in t or kept.name in t] == []
    assert audit.verify(kept.store.db).unbroken
    assert sum(entry[2] == "person_erased" for entry in kept.store.audit()) == 1


def test_the_file_of_the_engine_forgets_too(kept: Kept, tmp_path: Path):
    """Rows that were deleted and changed leave bytes behind, until the file is written anew."""
    lines = [leg["raw"] for leg in kept.legs() if leg["calling_extension"] == kept.uid[-4:]]
    path = tmp_path / "main.db"
    kept.let_go()
    if path.exists():
        assert any(line in path.read_bytes() + _wal(path) for line in lines)
    assert kept.erase().state == "done"
    if path.exists():
        assert kept.store.run_read(lambda tx: tx.one("PRAGMA freelist_count")) == (0,)
        assert not any(line in path.read_bytes() + _wal(path) for line in lines)
        assert kept.name.encode() not in path.read_bytes() + _wal(path)


def _wal(path: Path) -> bytes:
    log = path.with_name("main.db-wal")
    return log.read_bytes() if log.exists() else b""


def test_a_price_of_an_erased_call_is_never_reckoned_again(kept: Kept):
    """It has no number that a tariff could look up: re-rating and preview pass it by."""
    kept.let_go()
    kept.erase()
    before = kept.sums()
    every = {"from_ms": 0, "until_ms": 4_102_444_800_000}
    kept.runner.start("rerate", "anew", every, who="test")
    while (job := kept.runner.get("anew")).state in {"waiting", "running"}:
        kept.runner.work(job, kept.stages.get)
    assert (job.state, job.progress.get("corrected", 0)) == ("done", 0)
    assert job.progress["done"] == len(kept.calls())
    assert kept.sums() == before


def test_an_erasure_that_is_killed_after_any_step_comes_to_the_same_end(kept: Kept):
    """Each step is done, its progress lost, and done again by another process."""
    mine, before = kept.calls(kept.uid), kept.sums()
    kept.let_go()
    kept.runner.start("erase", "erasure-1", wanted(kept.uid), who="ana")
    while (job := kept.runner.get("erasure-1")).state in {"waiting", "running"}:
        lost = copy.deepcopy(dict(job.progress))
        kept.runner.works["erase"].step(lost, kept.stages.get, NOW_MS)
        kept.start()
        kept.runner.work(job, kept.stages.get)
    assert (job.state, job.progress["calls"]) == ("done", len(mine))
    assert job.progress["legs"] == sum(len(c["leg_ids"]) for c in mine)
    assert kept.sums() == before
    assert kept.calls(kept.uid) == []
    assert sum(entry[2] == "person_erased" for entry in kept.store.audit()) == 1
    digest = job.progress["digest"]
    kept.runner.start("erase", "erasure-2", {**wanted(kept.uid), "pseudonym": "x"}, who="ana")
    while (again := kept.runner.get("erasure-2")).state in {"waiting", "running"}:
        kept.runner.work(again, kept.stages.get)
    assert (again.progress["calls"], again.progress["lines"]) == (0, 0)
    assert len(digest) == 64
    assert again.progress["digest"] != digest


def test_legs_that_were_sealed_before_their_call_grew_and_lines_of_others_are_found(kept: Kept):
    """Also by a process that begins when the call has lost the name; others keep their own part."""
    site, number = kept.uid.split("-")
    theirs = {"site_uid": site, "pbx_uid": site, "calling_extension": number, "join": 5}
    other = {"site_uid": site, "pbx_uid": site, "calling_extension": "9", "called_number": number}
    kept.add(leg(901, called_number="030111", raw=b"first", at=60, seconds=5, **theirs), seal=True)
    kept.add(leg(902, called_number="030222", raw=b"second", at=70, seconds=5, **theirs))
    kept.add(leg(903, raw=b"named", called_name="Private", at=99, seconds=5, **other), seal=True)
    kept.add(leg(904, raw=b"named", called_name="Private", at=99, seconds=5, **other))
    grown = kept.store.search_calls(CallFilter(person=kept.uid), limit=10_000).to_pylist()
    assert [leg_id(901), leg_id(902)] in [c["leg_ids"] for c in grown]
    kept.let_go()
    kept.runner.start("erase", "erasure-1", wanted(kept.uid), who="ana")
    while (job := kept.runner.get("erasure-1")).state in {"waiting", "running"}:
        kept.start()
        kept.runner.work(job, kept.stages.get)
    assert (job.state, job.progress["lines"]) == ("done", 2)
    found = kept.store.legs([leg_id(n) for n in (901, 902, 903, 904)]).to_pylist()
    assert [e["raw"] for e in found] == [b""] * 4
    assert [e["called_number"] for e in sorted(found, key=lambda e: e["cdr_id"])] == [
        None, None, number, number,
    ]  # fmt: skip
    assert {e["called_name"] for e in found} == {None}
    for row in (leg(901, seq=77, raw=b"first", **theirs), leg(1, seq=78, raw=b"other")):
        kept.add(row)
    kept.add(leg(1, seq=79, raw=b"other"))
    again = {row["seq"]: row["raw"] for row in kept.store.duplicates().to_pylist()}
    assert (again[77], again[79]) == (b"", b"other")


def test_an_erasure_is_refused_while_files_name_the_person_or_the_name_is_mistyped(kept: Kept):
    """Then one is noted, once; it is paused, and never cancelled half done."""
    door = JobsDoor(kept.runner, kept.store)
    shown = kept.runner.works["erase"].preview(kept.uid)
    assert (shown.name, shown.named_by) == (kept.name, ["directory.yaml"])
    assert shown.held.calls == len(kept.calls(kept.uid))
    asked = api.Erase(person_uid=kept.uid, confirmation=kept.name)
    with pytest.raises(StateError, match=r"still names this person.*directory\.yaml"):
        door._erase(asked, "ana")
    kept.let_go()
    with pytest.raises(InvalidRequestError, match="type the name"):
        door._erase(api.Erase(person_uid=kept.uid, confirmation="Somebody"), "ana")
    job = door._erase(asked, "ana")
    assert door._erase(asked, "ana") == job
    assert job.state == "waiting"
    with pytest.raises(StateError, match="not cancelled half done"):
        kept.runner.ask("cancel", job.name, who="ana")
    assert kept.runner.ask("pause", job.name, who="ana").state == "paused"


def test_a_name_goes_out_of_directory_files_and_nothing_else_does():
    """CSV with quotes, YAML in both styles; comments go, as they may say the name."""
    files = {
        "000/persons.csv": b'person_uid,name,department_uid\r\nw,"Weber, A",sales\nw2,"O, B",it\n',
        "000/extensions.csv": b"site_uid,extension,person_uid\nb,0214,w\nb,0215,w2\n",
        "001/more.yaml": b"persons:  # Weber\n  - {person_uid: w, name: 'A # W'}\n"
        b"  - person_uid: w2\n    name: w\nsites:\n  - {site_uid: w, name: w}\n",
        "002/w.csv": b"site_uid,name\nw,w\n",
    }
    made = without_person(files, "w", "gone")
    assert made == {
        "000/persons.csv": b'person_uid,name,department_uid\ngone,gone,sales\nw2,"O, B",it\n',
        "000/extensions.csv": b"site_uid,extension,person_uid\nb,0214,gone\nb,0215,w2\n",
        "001/more.yaml": b"persons:  \n  - {person_uid: gone, name: gone}\n"
        b"  - person_uid: w2\n    name: w\nsites:\n  - {site_uid: w, name: w}\n",
        "002/w.csv": b"site_uid,name\nw,w\n",
    }
    assert without_person(made, "w", "gone") is None
