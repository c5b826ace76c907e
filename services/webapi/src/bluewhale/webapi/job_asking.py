"""Questions about records that wait or came twice and long works, and orders to them.

Owns how these are said. Does not own the states (`bluewhale.database.suspense`,
`bluewhale.jobs`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bluewhale.api.jobs.v1 import jobs_pb2 as jobs
from bluewhale.api.jobs.v1.jobs_pb2 import Job
from bluewhale.api.query.v1 import query_pb2 as query
from bluewhale.webapi import shapes_jobs
from bluewhale.webapi import shapes_suspense as shapes
from bluewhale.webapi.asking import TIMEOUT_S, told
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.saying import instant, known
from bluewhale.webapi.shapes import Money

if TYPE_CHECKING:
    from bluewhale.webapi.names import Names

LISTED_MAX = 10_000  # what the query service gives at once
Turn = Literal["pause", "resume", "cancel"]
UNITS: Mapping[str, shapes_jobs.Unit] = {
    "replay": "records",
    "rejoin": "legs",
    "rerate": "calls",
    "erase": "steps",
}
LOOKING_S = 120.0  # every sealed file is looked at, and a directory of a million read


class JobQuestions:
    """The services of suspense and jobs; `peer(name)` gives a stub. Any thread."""

    def __init__(self, peer: Callable[[str], Any]) -> None:
        self._peer = peer

    def records(self, *, limit: int, **wanted: Any) -> list[query.SuspenseRow]:
        """Give records, oldest first; `wanted` are fields of the request, None = any."""
        given = {name: value for name, value in wanted.items() if value is not None}
        request = query.SuspenseRequest(limit=limit, **given)
        with told():
            return list(self._peer("query").Suspense(request, timeout=TIMEOUT_S).rows)

    def record(self, suspense_id: int) -> query.SuspenseRow:
        """Give one record.

        Raises
        ------
        RefusedError
            `not_found`.
        """
        found = self.records(limit=1, suspense_ids=[suspense_id])
        if not found:
            raise RefusedError("not_found", f"no record {suspense_id} ever waited")
        return found[0]

    def repair(self, suspense_id: int, raw: bytes | None, *, why: str, who: str) -> None:
        """Mend a record, or say that it is right as it is."""
        request = jobs.RepairRequest(suspense_id=suspense_id, raw=raw, why=why, who=who)
        with told():
            self._peer("jobs").Repair(request, timeout=TIMEOUT_S)

    def dismiss(self, ids: Sequence[int], *, why: str, who: str) -> None:
        """Say that records are no calls."""
        request = jobs.DismissRequest(suspense_ids=ids, why=why, who=who)
        with told():
            self._peer("jobs").Dismiss(request, timeout=TIMEOUT_S)

    def duplicates(self, state: str | None, limit: int) -> list[query.DuplicateRow]:
        """Give records that came twice, oldest first."""
        request = query.DuplicatesRequest(state=state, limit=limit)
        with told():
            return list(self._peer("query").Duplicates(request, timeout=TIMEOUT_S).rows)

    def two_calls(self, found: query.DuplicateRow, *, why: str, who: str) -> str:
        """Make a duplicate a leg of its own; gives its id.

        Raises
        ------
        RefusedError
            `state_conflict`: it was made one already.
        """
        request = jobs.TwoCallsRequest(
            stream_id=found.stream_id,
            incarnation=found.incarnation,
            seq=found.seq,
            why=why,
            who=who,
        )
        with told():
            made: str = self._peer("jobs").TwoCalls(request, timeout=TIMEOUT_S).cdr_id
        return made

    def replay(self, ids: Sequence[int], reason: str | None, *, who: str) -> shapes_jobs.Job:
        """Parse records again, as a job."""
        work = jobs.Replay(suspense_ids=ids, reason=reason or "")
        with told():
            found = self._peer("jobs").Start(
                jobs.StartRequest(who=who, replay=work), timeout=TIMEOUT_S
            )
        return job(found)

    def jobs(self) -> list[shapes_jobs.Job]:
        """Give the state of all jobs."""
        return [job(j) for j in self._watch("")]

    def job(self, name: str) -> shapes_jobs.JobDetail:
        """Give one job and what it found.

        Raises
        ------
        RefusedError
            `not_found`.
        """
        (found,) = self._watch(name)
        return shapes_jobs.JobDetail(
            job=job(found),
            report=[difference(d) for d in found.report],
            erasure=erasure(found.erasure) if found.HasField("erasure") else None,
        )

    def preview_erasure(self, person_uid: str) -> shapes_jobs.ErasurePreview:
        """Say what an erasure would take away.

        Raises
        ------
        RefusedError
            `not_found`: nothing stored names such a person.
        """
        request = jobs.PreviewErasureRequest(person_uid=person_uid)
        with told():
            found = self._peer("jobs").PreviewErasure(request, timeout=LOOKING_S)
        return shapes_jobs.ErasurePreview(
            first_at=instant(found.first_at_ms or None),
            last_at=instant(found.last_at_ms or None),
            named_by=list(found.named_by),
            **{
                name: getattr(found, name)
                for name in (
                    "person_uid",
                    "name",
                    "calls",
                    "legs",
                    "segments",
                    "directory_versions",
                )
            },
        )

    def erase(self, person_uid: str, confirmation: str, *, who: str) -> shapes_jobs.Job:
        """Note the erasure of a person; one that is under way is given again.

        Raises
        ------
        RefusedError
            `question_refused`: another name was typed; `state_conflict`: the directory names them.
        """
        work = jobs.Erase(person_uid=person_uid, confirmation=confirmation)
        with told():
            found = self._peer("jobs").Start(
                jobs.StartRequest(who=who, erase=work), timeout=LOOKING_S
            )
        return job(found)

    def _watch(self, name: str) -> list[Job]:
        with told():
            return list(self._peer("jobs").Watch(jobs.WatchRequest(name=name), timeout=TIMEOUT_S))

    def turn(self, turn: Turn, name: str, *, who: str) -> shapes_jobs.Job:
        """Pause, resume or cancel a job."""
        with told():
            method = getattr(self._peer("jobs"), turn.capitalize())
            return job(method(jobs.JobRequest(name=name, who=who), timeout=TIMEOUT_S))


def job(j: jobs.Job) -> shapes_jobs.Job:
    """Say a job."""
    return shapes_jobs.Job(
        name=j.name,
        kind=j.kind,
        state=j.state,
        unit=UNITS.get(j.kind, "records"),
        done=j.done,
        total=j.total,
        message=j.message,
        who=j.who or None,
        started_at=instant(j.started_at_ms or None),
        changed_at=instant(j.changed_at_ms or None),
    )


def erasure(e: jobs.Erasure) -> shapes_jobs.Erasure:
    """Say the proof of an erasure."""
    counts = ("calls", "legs", "lines", "segments", "directory_versions")
    return shapes_jobs.Erasure(
        pseudonym=e.pseudonym,
        digest=e.digest,
        stays=[
            shapes_jobs.ErasureStay.model_validate(
                {"what": s.what, "until": instant(s.until_ms or None)}
            )
            for s in e.stays
        ],
        **{name: getattr(e, name) for name in counts},
    )


def difference(d: jobs.Difference) -> shapes_jobs.JobDifference:
    """Say what a re-rating changes."""
    return shapes_jobs.JobDifference(
        price_list=d.price_list,
        department_uid=d.department_uid or None,
        tariff=d.tariff or None,
        calls=d.calls,
        before=Money(amount=d.old_amount, currency=d.currency),
        after=Money(amount=d.new_amount, currency=d.currency),
        difference=Money(amount=d.difference, currency=d.currency),
    )


def duplicate(d: query.DuplicateRow, names: Names) -> shapes.Duplicate:
    """Say a record that came twice."""
    return shapes.Duplicate(
        stream_id=str(d.stream_id),
        incarnation=str(d.incarnation),
        seq=str(d.seq),
        twin_cdr_id=d.cdr_id,
        pbx=names.pbx(d.pbx_uid),
        site=names.site(known(d, "site_uid")),
        link_uid=known(d, "link_uid"),
        raw=base64.b64encode(d.raw).decode(),
        received_at=instant(known(d, "received_at_ms")),
        state="two_calls" if d.state == "two_calls" else "counted",
        made_cdr_id=known(d, "made_cdr_id"),
    )


def record(r: query.SuspenseRow, names: Names) -> shapes.Record:
    """Say a record that waits."""
    return shapes.Record(
        suspense_id=r.suspense_id,
        site=names.site(known(r, "site_uid")),
        stream_id=str(r.stream_id),
        incarnation=str(r.incarnation),
        seq=str(r.seq),
        raw=base64.b64encode(r.raw).decode(),
        received_at=instant(known(r, "received_at_ms")),
        stage=r.stage,
        reason=r.reason,
        state=r.state,
        attempts=r.attempts,
        first_at=instant(known(r, "first_at_ms")),
        changed_at=instant(known(r, "changed_at_ms")),
        dialect_version=known(r, "dialect_version"),
        **{
            name: known(r, name)
            for name in ("link_uid", "detail", "dialect_id", "who", "why", "applied_cdr_id")
        },
    )


def groups(rows: Sequence[query.SuspenseRow], names: Names) -> list[shapes.SuspenseGroup]:
    """Put records of one reason and link together, the most first."""
    found: dict[tuple[str, str], list[query.SuspenseRow]] = {}
    for row in rows:
        found.setdefault((row.reason, row.link_uid), []).append(row)
    return [
        shapes.SuspenseGroup(
            reason=listed[0].reason,
            dialect_id=known(listed[0], "dialect_id"),
            site=names.site(known(listed[0], "site_uid")),
            link_uid=known(listed[0], "link_uid"),
            count=len(listed),
            oldest_at=instant(min(r.first_at_ms or r.received_at_ms for r in listed) or None),
        )
        for listed in sorted(found.values(), key=len, reverse=True)
    ]
