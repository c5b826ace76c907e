"""Jobs over real gRPC, and the loop that keeps house."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from bluewhale.api.jobs.v1 import jobs_pb2 as api
from bluewhale.api.jobs.v1 import jobs_pb2_grpc as doors
from bluewhale.cli.jobbing import DistantJobs
from bluewhale.configuration import Following
from bluewhale.database import Batch, CallFilter, Store
from bluewhale.jobs.current import CurrentStages
from bluewhale.jobs.runner import JobRunner
from bluewhale.jobs.works import works
from bluewhale.messaging import Watchdog
from bluewhale.storage import housekeeping
from bluewhale.storage.housekeeping import Housekeeper
from bluewhale.storage.jobs_door import JobsDoor
from bluewhale.telemetry import Metrics

from tests.support.legs import MIDNIGHT, leg, leg_table
from tests.support.roles_world import with_roles, world_of

YEAR = api.Rerate(from_ms=0, until_ms=4_102_444_800_000)


class House:
    """A store of legs without calls, its jobs behind gRPC, and its housekeeper."""

    def __init__(self, folder: Path) -> None:
        following = Following(with_roles(world_of(folder, calls=8), {"unit-1": [0, 1, 2]}))
        self.store = Store.open(folder / "store")
        self.store.commit(Batch(now_ms=MIDNIGHT, legs=leg_table(leg(1, seconds=9), leg(2))))
        self.runner = JobRunner(self.store, works(self.store, following))
        self.stages = CurrentStages(following, self.store)
        self.now_ms = MIDNIGHT
        self.keeper = Housekeeper(
            self.store, self.stages, self.runner, keeps_house=lambda: True, window_ms=3_000,
            hot_rows_max=1, watchdog=Watchdog("house"), metrics=Metrics(),
            clock_ms=lambda: self.now_ms,
        )  # fmt: skip
        self.port = 0
        self.open_door()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = doors.JobsStub(self.channel)

    def open_door(self) -> None:
        self.server = grpc.server(ThreadPoolExecutor(4))
        doors.add_JobsServicer_to_server(JobsDoor(self.runner, self.store), self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()

    def calls(self) -> int:
        return self.store.search_calls(CallFilter(), limit=10).num_rows

    def end(self) -> None:
        self.channel.close()
        self.server.stop(0).wait()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path):
    """Give a house; end what the test made of it."""
    it = House(tmp_path)
    yield it
    it.end()


def test_a_job_started_over_grpc_is_run_by_who_keeps_house(house: House) -> None:
    """It waits, runs, and is done; the two legs are calls then."""
    job = house.stub.Start(api.StartRequest(name="all", who="ada", rejoin=api.Rejoin()), timeout=60)
    assert (job.name, job.kind, job.state) == ("all", "rejoin", "waiting")
    again = house.stub.Start(api.StartRequest(name="all", rejoin=api.Rejoin()), timeout=60)
    assert again == job
    while house.runner.step(house.stages.get):
        house.now_ms += 10_000
    (seen,) = house.stub.Watch(api.WatchRequest(name="all", follow=True), timeout=60)
    assert (seen.state, seen.done) == ("done", 2)
    assert house.calls() == 2
    assert [j.name for j in house.stub.Watch(api.WatchRequest(), timeout=60)] == ["all"]


def test_a_command_watches_its_job_past_a_restart_of_storage(house: House) -> None:
    """Started and watched by `call_async`; the door closes and opens, and the job ends as done."""
    moves = DistantJobs(house.stub).start("rejoin", "night", {}, who="ada")
    assert next(moves)["state"] == "waiting"
    house.server.stop(0).wait()
    house.open_door()
    while house.runner.step(house.stages.get):
        house.now_ms += 10_000
    seen = list(moves)
    assert (seen[-1]["state"], seen[-1]["done"]) == ("done", 2)
    assert house.calls() == 2
    house.stub.Start(api.StartRequest(name="rest", rejoin=api.Rejoin()), timeout=60)
    assert house.stub.Pause(api.JobRequest(name="rest"), timeout=60).state == "paused"
    resumed = DistantJobs(house.stub).resume("rest", who="ada")
    while house.runner.step(house.stages.get):
        pass
    assert [row["state"] for row in resumed][-1] == "done"


def test_what_cannot_be_asked_is_refused_by_name(house: House) -> None:
    """No work, an empty period, an unknown job, a job that has ended, a name that is taken."""

    def refused(method, request) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as error:
            method(request, timeout=60)
        return error.value.code(), error.value.details()

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    code, text = refused(house.stub.Start, api.StartRequest(name="x"))
    assert (code, text) == (invalid, "work: say rejoin, rerate, replay or erase")
    code, text = refused(
        house.stub.Start, api.StartRequest(rerate=api.Rerate(from_ms=5, until_ms=5))
    )
    assert (code, "before until_ms" in text) == (invalid, True)
    bad = api.Rerate(from_ms=0, until_ms=5, tariff_version=2)
    assert "tariff_uid" in refused(house.stub.Start, api.StartRequest(rerate=bad))[1]
    code, text = refused(house.stub.Pause, api.JobRequest(name="none"))
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "there is no job 'none'")
    house.stub.Start(api.StartRequest(name="one", rejoin=api.Rejoin()), timeout=60)
    assert house.stub.Cancel(api.JobRequest(name="one", who="ada"), timeout=60).state == "cancelled"
    code, _ = refused(house.stub.Resume, api.JobRequest(name="one"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    code, text = refused(house.stub.Start, api.StartRequest(name="one", rerate=YEAR))
    assert (code, "kind rejoin has it" in text) == (invalid, True)


def test_legs_without_a_call_become_calls_two_windows_later(house: House) -> None:
    """Nobody proposed them; once the data time of the log is past them, storage does."""
    ingested_ms = MIDNIGHT + 11_000
    claim = house.store.claim("storage", "rated", 0)
    from bluewhale.database import ClaimStep

    def data_time(offset: int, at_ms: int) -> None:
        step = ClaimStep(claim, offset, offset + 1)
        house.store.commit(Batch(now_ms=at_ms, claims=(step,), data_time_ms=at_ms))

    data_time(0, ingested_ms + 5_999)
    house.keeper.join()
    assert house.calls() == 1  # the other leg was ingested nine seconds before
    data_time(1, ingested_ms + 6_000)
    house.keeper.join()
    assert house.calls() == 2


def test_a_data_time_that_stands_still_is_not_waited_for(house: House) -> None:
    """Without any word of billing for ten minutes the database makes its calls by itself."""
    house.keeper.join()
    assert house.calls() == 0
    house.now_ms = MIDNIGHT + 11_000 + housekeeping.STANDSTILL_MS
    house.keeper.join()
    assert house.calls() == 2


def test_what_is_old_is_sealed_once_there_is_enough(house: House) -> None:
    """More than one hot leg, all of them old: they become a segment, and are found in it."""
    house.now_ms = MIDNIGHT + 11_000 + housekeeping.STANDSTILL_MS
    assert house.keeper.step()
    house.keeper.step()
    assert house.calls() == 2
    assert len(list(house.store.files.folder.glob("*.parquet"))) > 0
