"""Where jobs are: in the store of this machine, or at the storage role of a cluster.

Owns one way to ask both, so that commands need not know. In the embedded product
the command that starts or resumes a job works on it until it ends; in a cluster
storage does, and the command watches. Does not own jobs (`bluewhale.jobs`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.cli.exceptions import InputError, NotFoundError

if TYPE_CHECKING:
    from bluewhale.api.jobs.v1 import jobs_pb2 as api
    from bluewhale.configuration import Configuration
    from bluewhale.database import Store
    from bluewhale.database.job_rows import StoredJob

CALL_TIMEOUT_S = 15.0
RESTED = frozenset({"done", "failed", "cancelled", "paused"})  # nothing moves by itself any more
Row = dict[str, Any]  # name, kind, state, done, total, message, changed_at_ms, report


class Jobs(Protocol):
    """Jobs, wherever they are."""

    def start(self, kind: str, name: str, wanted: Mapping[str, Any], *, who: str) -> Iterator[Row]:
        """Start a job and give it as it moves, until it ends, fails or rests."""
        ...

    def resume(self, name: str, *, who: str) -> Iterator[Row]:
        """Let a job go on and give it as it moves."""
        ...

    def all(self) -> list[Row]:
        """Give every job."""
        ...

    def get(self, name: str) -> Row:
        """Give one job."""
        ...

    def ask(self, turn: str, name: str, *, who: str) -> Row:
        """Pause or cancel."""
        ...


class LocalJobs:
    """Jobs in the store of this machine; whoever starts one works on it."""

    def __init__(self, configuration: Configuration, store: Store) -> None:
        from bluewhale.configuration import Following
        from bluewhale.jobs.current import CurrentStages
        from bluewhale.jobs.runner import JobRunner
        from bluewhale.jobs.works import works

        following = Following(configuration)
        self._runner = JobRunner(store, works(store, following))
        self._stages = CurrentStages(following, store)

    def start(self, kind: str, name: str, wanted: Mapping[str, Any], *, who: str) -> Iterator[Row]:
        """Note a job and work on it, step by step."""
        self._runner.start(kind, name, wanted, who=who)
        return self._working(name)

    def resume(self, name: str, *, who: str) -> Iterator[Row]:
        """Work on a job again."""
        self._runner.ask("resume", name, who=who)
        return self._working(name)

    def _working(self, name: str) -> Iterator[Row]:
        while True:
            job = self._runner.get(name)
            yield _row(job)
            if job.state not in {"waiting", "running"}:
                return
            self._runner.work(job, self._stages.get)

    def all(self) -> list[Row]:
        """Give every job."""
        return [_row(job) for job in self._runner.rows.all()]

    def get(self, name: str) -> Row:
        """Give one job."""
        return _row(self._runner.get(name))

    def ask(self, turn: str, name: str, *, who: str) -> Row:
        """Pause or cancel."""
        return _row(self._runner.ask(turn, name, who=who))


def _row(job: StoredJob) -> Row:
    return {
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "done": job.progress.get("done", 0),
        "total": job.progress.get("total", 0),
        "message": job.progress.get("message", ""),
        "changed_at_ms": job.changed_at_ms,
        "report": report_rows(job.progress.get("report", ())),
    }


def report_rows(report: Any) -> list[Row]:
    """Give the differences that a re-rating kept, as rows for people."""
    from bluewhale.cli.output import money

    return [
        {
            "price_list": price_list, "department": department, "tariff": tariff, "calls": calls,
            "old": money(old, currency), "new": money(new, currency),
            "difference": money(new - old, currency),
        }
        for price_list, department, tariff, currency, calls, old, new in report
    ]  # fmt: skip


class DistantJobs:
    """Jobs at the storage role."""

    def __init__(self, stub: Any) -> None:
        from bluewhale.api.jobs.v1 import jobs_pb2

        self._stub = stub
        self._api = jobs_pb2

    def start(self, kind: str, name: str, wanted: Mapping[str, Any], *, who: str) -> Iterator[Row]:
        """Start a job and watch it, also past a restart of storage."""
        api = self._api
        made = {"rejoin": api.Rejoin, "rerate": api.Rerate, "replay": api.Replay}[kind](**wanted)
        request = api.StartRequest(name=name, who=who, **{kind: made})
        return self._watching(self._stub.Start, request)

    def resume(self, name: str, *, who: str) -> Iterator[Row]:
        """Let a job go on and watch it."""
        return self._watching(self._stub.Resume, self._api.JobRequest(name=name, who=who))

    def _watching(self, start: Any, request: Any) -> Iterator[Row]:
        from bluewhale.nexus.verbs import call_async

        job = call_async(
            lambda wanted: start(wanted, timeout=CALL_TIMEOUT_S),
            request,
            self._stub.Watch,
            lambda accepted: self._api.WatchRequest(name=accepted.name, follow=True),
            ended=lambda change: change.state in RESTED,
        )
        return map(_said, job.news())

    def all(self) -> list[Row]:
        """Give every job."""
        found = self._stub.Watch(self._api.WatchRequest(), timeout=CALL_TIMEOUT_S)
        return [_said(job) for job in found]

    def get(self, name: str) -> Row:
        """Give one job."""
        found = self._stub.Watch(self._api.WatchRequest(name=name), timeout=CALL_TIMEOUT_S)
        return _said(next(iter(found)))

    def ask(self, turn: str, name: str, *, who: str) -> Row:
        """Pause or cancel."""
        method = {"pause": self._stub.Pause, "cancel": self._stub.Cancel}
        request = self._api.JobRequest(name=name, who=who)
        return _said(method[turn](request, timeout=CALL_TIMEOUT_S))


def _said(job: api.Job) -> Row:
    return {
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "message": job.message,
        "changed_at_ms": job.changed_at_ms,
        "report": [
            {
                "price_list": d.price_list, "department": d.department_uid, "tariff": d.tariff,
                "calls": d.calls, "old": f"{d.old_amount} {d.currency}".strip(),
                "new": f"{d.new_amount} {d.currency}".strip(),
                "difference": f"{d.difference} {d.currency}".strip(),
            }
            for d in job.report
        ],
    }  # fmt: skip


class StorageAwayError(TemporaryError):
    """The storage role does not answer."""

    code = "storage_away"


@contextlib.contextmanager
def opened(configuration: Configuration, store: Store | None, server: str | None) -> Iterator[Jobs]:
    """Give the jobs of an installation: at `server`, else at its storage role, else in its store.

    Raises
    ------
    InputError, NotFoundError
        What storage refused.
    StorageAwayError
        Nobody answers there.
    """
    if store is not None:
        yield LocalJobs(configuration, store)
        return
    import grpc
    from bluewhale.configuration.roles import governing
    from bluewhale.nexus.peers import visiting

    address = server or configuration.cluster.storage.address
    with visiting("jobs", address, governing(configuration.settings.cluster)) as stub:
        try:
            yield DistantJobs(stub)
        except grpc.RpcError as error:
            raise refusal(error, address) from error


def refusal(error: Any, address: str) -> BluewhaleError:
    """Give what storage refused, or that it does not answer, as an error of the command."""
    import grpc

    code, text = error.code(), error.details()
    if code == grpc.StatusCode.NOT_FOUND:
        return NotFoundError(text)
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return StorageAwayError(f"storage at {address} does not answer: {text}")
    return InputError(f"storage at {address}: {text}")


def named(kind: str) -> str:
    """Give a job of a person a name that says when it was asked for."""
    return f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
