"""Jobs over gRPC: a thin door in front of the runner.

Owns nothing but the translation. A job that is started here is run by the
replica that keeps house, whichever this is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.api.jobs.v1 import jobs_pb2 as api
from bluewhale.api.jobs.v1 import jobs_pb2_grpc as doors
from bluewhale.jobs import erasing
from bluewhale.jobs.erasing import ErasureWork
from bluewhale.jobs.runner import ENDED, FAILED
from bluewhale.records.enums import RejectReason
from bluewhale.records.ids import id_text
from bluewhale.storage.answers import amount
from bluewhale.storage.exceptions import InvalidRequestError
from bluewhale.storage.query_door import told
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.database.job_rows import StoredJob
    from bluewhale.jobs.runner import JobRunner

LOOK_S = 0.5
NAME_LETTERS_MAX = 200
SUSPENSE_IDS_MAX = 10_000
_RESTED = ENDED | {FAILED, "paused"}


class JobsDoor(doors.JobsServicer):
    """Serves bluewhale.api.jobs.v1.Jobs."""

    def __init__(
        self, runner: JobRunner, store: Store, ending: Callable[[], bool] = lambda: False
    ) -> None:
        self._runner = runner
        self._store = store
        self._ending = ending  # the role drains: watchers end, so that the door can close

    @override
    def Start(self, request: api.StartRequest, context: grpc.ServicerContext) -> api.Job:
        with told(context):
            if request.HasField("erase"):
                return said(self._erase(request.erase, request.who))
            kind, wanted = _work(request)
            name = request.name.strip() or f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
            if len(name) > NAME_LETTERS_MAX:
                raise InvalidRequestError(
                    f"name has {len(name)} letters; at most {NAME_LETTERS_MAX}"
                )
            job = self._runner.start(kind, name, wanted, who=request.who)
            if job.kind != kind:
                raise InvalidRequestError(f"name = {name!r}: a job of kind {job.kind} has it")
            return said(job)

    @override
    def Watch(self, request: api.WatchRequest, context: grpc.ServicerContext) -> Iterator[api.Job]:
        with told(context):
            last: dict[str, StoredJob] = {}
            while context.is_active() and not self._ending():
                jobs = [self._runner.get(request.name)] if request.name else self._runner.rows.all()
                for job in jobs:
                    if last.get(job.name) != job:
                        last[job.name] = job
                        yield said(job)
                if not request.follow or (request.name and jobs[0].state in _RESTED):
                    return
                time.sleep(LOOK_S)

    @override
    def Pause(self, request: api.JobRequest, context: grpc.ServicerContext) -> api.Job:
        return self._ask("pause", request, context)

    @override
    def Resume(self, request: api.JobRequest, context: grpc.ServicerContext) -> api.Job:
        return self._ask("resume", request, context)

    @override
    def Cancel(self, request: api.JobRequest, context: grpc.ServicerContext) -> api.Job:
        return self._ask("cancel", request, context)

    @override
    def Repair(self, request: api.RepairRequest, context: grpc.ServicerContext) -> api.RepairReply:
        with told(context):
            self._store.suspense_repair(
                request.suspense_id,
                who=request.who or "api",
                why=_why(request.why),
                now_ms=_now_ms(),
                raw=request.raw if request.HasField("raw") else None,
            )
            return api.RepairReply()

    @override
    def Dismiss(
        self, request: api.DismissRequest, context: grpc.ServicerContext
    ) -> api.DismissReply:
        with told(context):
            ids = list(request.suspense_ids)
            if not 0 < len(ids) <= SUSPENSE_IDS_MAX:
                raise InvalidRequestError(f"suspense_ids has {len(ids):,}; 1 to 10,000")
            self._store.suspense_dismiss(
                ids, who=request.who or "api", why=_why(request.why), now_ms=_now_ms()
            )
            return api.DismissReply()

    @override
    def TwoCalls(
        self, request: api.TwoCallsRequest, context: grpc.ServicerContext
    ) -> api.TwoCallsReply:
        with told(context):
            made = self._store.two_calls(
                (request.stream_id, request.incarnation, request.seq),
                who=request.who or "api",
                why=_why(request.why),
                now_ms=_now_ms(),
            )
            return api.TwoCallsReply(cdr_id=id_text(made))

    @override
    def PreviewErasure(
        self, request: api.PreviewErasureRequest, context: grpc.ServicerContext
    ) -> api.ErasurePreview:
        with told(context):
            found = self._erasing().preview(_person(request.person_uid))
            return api.ErasurePreview(
                person_uid=found.person_uid,
                name=found.name,
                calls=found.held.calls,
                legs=len(found.held.legs),
                segments=found.held.segments,
                directory_versions=found.directory_versions,
                first_at_ms=found.held.first_ms or 0,
                last_at_ms=found.held.last_ms or 0,
                named_by=found.named_by,
            )

    def _erasing(self) -> ErasureWork:
        work = self._runner.works[erasing.KIND]
        assert isinstance(work, ErasureWork)
        return work

    def _erase(self, request: api.Erase, who: str) -> StoredJob:
        """Note the erasure of a person; one that is under way is given again."""
        uid, work = _person(request.person_uid), self._erasing()
        for job in self._runner.rows.all():
            if job.progress.get("person_uid") == uid and job.state not in ENDED:
                return job
        work.check(uid)
        name = work.preview(uid).name
        if request.confirmation.split() != name.split():
            raise InvalidRequestError("confirmation: type the name of the person as it is shown")
        wanted = erasing.wanted(uid)
        number = wanted["pseudonym"].partition("-")[2]
        at = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        return self._runner.start(erasing.KIND, f"erasure-{at}-{number}", wanted, who=who or "api")

    def _ask(self, turn: str, request: api.JobRequest, context: grpc.ServicerContext) -> api.Job:
        with told(context):
            return said(self._runner.ask(turn, request.name, who=request.who or "api"))


def _person(uid: str) -> str:
    if not 0 < len(uid.strip()) <= NAME_LETTERS_MAX:
        raise InvalidRequestError("person_uid: say whose data goes")
    return uid.strip()


def _why(text: str) -> str:
    if not text.strip():
        raise InvalidRequestError("why: say why; it is kept in the audit trail")
    return text.strip()


def _now_ms() -> int:
    return int(time.time() * 1000)


def said(job: StoredJob) -> api.Job:
    """Say a job as a message."""
    progress = job.progress
    return api.Job(
        name=job.name,
        kind=job.kind,
        state=job.state,
        done=progress.get("done", 0),
        total=progress.get("total", 0),
        message=progress.get("message", progress.get("file", "")),  # an import names its file
        changed_at_ms=job.changed_at_ms,
        who=progress.get("who", ""),
        started_at_ms=progress.get("started_at_ms", 0),
        report=[
            api.Difference(
                price_list=price_list, department_uid=department, tariff=tariff, currency=currency,
                calls=calls, old_amount=amount(old), new_amount=amount(new),
                difference=amount(new - old),
            )
            for price_list, department, tariff, currency, calls, old, new in progress.get("report", ())
        ],
        erasure=_proof(progress) if "stays" in progress else None,
    )  # fmt: skip


def _proof(progress: Mapping[str, Any]) -> api.Erasure:
    counts = ("calls", "legs", "lines", "segments", "directory_versions")
    return api.Erasure(
        pseudonym=progress["pseudonym"],
        digest=progress["digest"],
        stays=[
            api.Stay(what=what, until_ms=until or 0) for what, until in progress["stays"].items()
        ],
        **{name: progress[name] for name in counts},
    )


def _work(request: api.StartRequest) -> tuple[str, dict[str, Any]]:
    kind = request.WhichOneof("work")
    if kind == "rejoin":
        return kind, {}
    if kind == "rerate":
        wanted = request.rerate
        if not 0 <= wanted.from_ms < wanted.until_ms:
            raise InvalidRequestError("rerate: from_ms must be 0 or more and before until_ms")
        if wanted.tariff_version and not wanted.tariff_uid:
            raise InvalidRequestError("rerate.tariff_version: say which tariff_uid it is of")
        return kind, {
            "from_ms": wanted.from_ms,
            "until_ms": wanted.until_ms,
            "tariff_uid": wanted.tariff_uid,
            "tariff_version": wanted.tariff_version,
            "dry_run": wanted.dry_run,
        }
    if kind == "replay":
        ids, reason = list(request.replay.suspense_ids), request.replay.reason
        if len(ids) > SUSPENSE_IDS_MAX:
            raise InvalidRequestError(f"replay.suspense_ids has {len(ids):,}; at most 10,000")
        if reason and reason not in {str(r) for r in RejectReason}:
            raise InvalidRequestError(f"replay.reason = {reason!r} is no reason of suspense")
        return kind, {"suspense_ids": ids, "reason": reason}
    raise InvalidRequestError("work: say rejoin, rerate, replay or erase")
