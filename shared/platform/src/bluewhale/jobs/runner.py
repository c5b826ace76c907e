"""Jobs: works that go on after a stop, can be paused, and say how far they are.

    waiting -> running -> done          running -> pausing -> paused -> waiting
    running -> failed -> waiting        any but done -> cancelling -> cancelled

Owns the states and the running of one step at a time; every step leaves the
database whole, so a job that is stopped anywhere goes on from its progress.
Does not own what a step does: a `Work` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from bluewhale.capture.exceptions import PermanentError
from bluewhale.database import NotFoundError, StateError
from bluewhale.database.job_rows import JobRows, StoredJob
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.stages import Stages

Progress = dict[str, Any]

WAITING, RUNNING, PAUSING, PAUSED = "waiting", "running", "pausing", "paused"
CANCELLING, CANCELLED, DONE, FAILED = "cancelling", "cancelled", "done", "failed"
STATES = (WAITING, RUNNING, PAUSING, PAUSED, CANCELLING, CANCELLED, DONE, FAILED)
ENDED = frozenset({CANCELLED, DONE})
_WHOLE = frozenset({"erase"})  # half of it is worth nothing: paused and resumed, not cancelled
_TURNS: Mapping[str, Mapping[str, str]] = {  # what a person asks: state -> next state
    "pause": {WAITING: PAUSED, RUNNING: PAUSING, PAUSING: PAUSING, PAUSED: PAUSED},
    "resume": {PAUSED: WAITING, PAUSING: RUNNING, FAILED: WAITING, WAITING: WAITING,
               RUNNING: RUNNING},
    "cancel": {WAITING: CANCELLED, RUNNING: CANCELLING, PAUSING: CANCELLING, PAUSED: CANCELLED,
               FAILED: CANCELLED, CANCELLING: CANCELLING, CANCELLED: CANCELLED},
}  # fmt: skip


class Work(Protocol):
    """One kind of job."""

    def step(self, progress: Progress, stages: Callable[[], Stages], now_ms: int) -> bool:
        """Do a bounded piece, and note in `progress` how far it is; True = there is more.

        `progress` holds what the job was started with, and `done`, `total` and
        `message` for people. A repeated step changes nothing.
        """
        ...


class JobRunner:
    """Runs the jobs of one main database, one step of one job at a time."""

    def __init__(
        self,
        store: Store,
        works: Mapping[str, Work],
        *,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self.rows = JobRows(store)
        self.works = works
        self._clock_ms = clock_ms
        self._log = get_logger("jobs")

    def start(self, kind: str, name: str, wanted: Mapping[str, Any], *, who: str) -> StoredJob:
        """Note a job; the name that is taken gives the job that has it."""
        assert kind in self.works, f"no work of kind {kind}"
        now_ms = self._clock_ms()
        started = {"who": who, "started_at_ms": now_ms}
        progress = {"done": 0, "total": 0, "message": "", **wanted, **started}
        self.rows.put(kind, name, WAITING, progress, now_ms=now_ms, who=who)
        return self.get(name)

    def get(self, name: str) -> StoredJob:
        """Give one job.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        found = self.rows.get(name)
        if found is None:
            raise NotFoundError(f"there is no job {name!r}")
        return found

    def ask(self, turn: str, name: str, *, who: str) -> StoredJob:
        """Pause, resume or cancel a job.

        Raises
        ------
        NotFoundError
            There is none of that name.
        StateError
            It has ended; or it is of a kind that ends whole or not at all.
        """
        while True:
            job = self.get(name)
            if turn == "cancel" and job.kind in _WHOLE:
                raise StateError(f"job {name} can be paused, and not cancelled half done")
            state = _TURNS[turn].get(job.state)
            if state is None:
                raise StateError(f"job {name} is {job.state}; it cannot be asked to {turn}")
            if state == job.state or self.rows.change(
                name, state, expected={job.state}, now_ms=self._clock_ms(), who=who
            ):
                return self.get(name)

    def step(self, stages: Callable[[], Stages]) -> bool:
        """Do one step of the job that waits longest; says whether there may be more to do."""
        jobs = [j for j in self.rows.all() if j.state in {WAITING, RUNNING, PAUSING, CANCELLING}]
        busy = False
        for job in reversed(jobs):
            if job.state == PAUSING:
                self._move(job.name, PAUSED, {PAUSING})
            elif job.state == CANCELLING:
                self._move(job.name, CANCELLED, {CANCELLING})
            elif not busy:
                self.work(job, stages)
                self._tell(self.get(job.name))
                busy = True
        return busy

    def _tell(self, job: StoredJob) -> None:
        facts = {"job": job.name, "count": job.progress.get("done", 0)}
        if job.state == FAILED:
            self._log.warning("Job failed", error=job.progress.get("message", ""), **facts)
        elif job.state == DONE:
            self._log.info("Job done", **facts)

    def work(self, job: StoredJob, stages: Callable[[], Stages]) -> None:
        """Do one step of a job that waits or runs."""
        if job.state == WAITING and not self._move(job.name, RUNNING, {WAITING}):
            return
        progress = dict(job.progress)
        try:
            work = self.works.get(job.kind)
            if work is None:
                raise NotFoundError(f"this release knows no jobs of kind {job.kind}")
            state = RUNNING if work.step(progress, stages, self._clock_ms()) else DONE
        except PermanentError as error:
            progress["message"] = str(error)
            state = FAILED
        now_ms = self._clock_ms()
        if self.rows.change(job.name, state, expected={RUNNING}, progress=progress, now_ms=now_ms):
            return
        # asked to pause or to cancel meanwhile: what was done is noted all the same
        for asked, end in ((PAUSING, PAUSED), (CANCELLING, CANCELLED)):
            ended = state if state in {DONE, FAILED} else end
            self.rows.change(job.name, ended, expected={asked}, progress=progress, now_ms=now_ms)

    def _move(self, name: str, state: str, expected: set[str]) -> bool:
        return self.rows.change(name, state, expected=expected, now_ms=self._clock_ms())
