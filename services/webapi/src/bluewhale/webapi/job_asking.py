"""Questions about records that wait and long works, and orders to them.

Owns how these are said. Does not own the states (`bluewhale.database.suspense`,
`bluewhale.jobs`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bluewhale.api.jobs.v1 import jobs_pb2 as jobs
from bluewhale.api.query.v1 import query_pb2 as query
from bluewhale.webapi import shapes_suspense as shapes
from bluewhale.webapi.asking import TIMEOUT_S, told
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.saying import instant, known

if TYPE_CHECKING:
    from bluewhale.webapi.names import Names

LISTED_MAX = 10_000  # what the query service gives at once
Turn = Literal["pause", "resume", "cancel"]


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

    def replay(self, ids: Sequence[int], reason: str | None, *, who: str) -> shapes.Job:
        """Parse records again, as a job."""
        work = jobs.Replay(suspense_ids=ids, reason=reason or "")
        with told():
            found = self._peer("jobs").Start(
                jobs.StartRequest(who=who, replay=work), timeout=TIMEOUT_S
            )
        return job(found)

    def jobs(self, name: str = "") -> list[shapes.Job]:
        """Give the state of jobs; of one, where it is named."""
        with told():
            found = self._peer("jobs").Watch(jobs.WatchRequest(name=name), timeout=TIMEOUT_S)
            return [job(j) for j in found]

    def turn(self, turn: Turn, name: str, *, who: str) -> shapes.Job:
        """Pause, resume or cancel a job."""
        with told():
            method = getattr(self._peer("jobs"), turn.capitalize())
            return job(method(jobs.JobRequest(name=name, who=who), timeout=TIMEOUT_S))


def job(j: jobs.Job) -> shapes.Job:
    """Say a job."""
    return shapes.Job(
        name=j.name,
        kind=j.kind,
        state=j.state,
        done=j.done,
        total=j.total,
        message=j.message,
        changed_at=instant(j.changed_at_ms or None),
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
