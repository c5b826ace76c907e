"""Questions to other services, with limits of time; what they refuse becomes ours.

Owns deadlines, priority and the mapping of their status to our codes. Does not
own where a service is (`bluewhale.nexus`) or what may be asked (`access`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import pyarrow as pa
from bluewhale.api.query.v1 import query_pb2 as query
from bluewhale.api.tariffs.v1 import tariffs_pb2 as tariffs
from bluewhale.nexus.answering import ERROR_CODE
from bluewhale.nexus.governance import asking
from bluewhale.records.ids import id_texts
from bluewhale.webapi.exceptions import Code, RefusedError
from bluewhale.webapi.recent import Recent

TIMEOUT_S = 30.0
WALK_TIMEOUT_S = 3_600.0  # a file is as slow as whoever takes it
COUNTED_S = 3.0  # completeness stands above every figure
NEWEST = 50  # calls that are looked at for something new
PRIORITY = 10  # somebody waits
Rows = Sequence[query.ReportRow]
_CODES: Mapping[grpc.StatusCode, Code] = {
    grpc.StatusCode.INVALID_ARGUMENT: "question_refused",
    grpc.StatusCode.NOT_FOUND: "not_found",
    grpc.StatusCode.FAILED_PRECONDITION: "state_conflict",
    grpc.StatusCode.ALREADY_EXISTS: "state_conflict",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "busy",
    grpc.StatusCode.UNAVAILABLE: "away",
    grpc.StatusCode.DEADLINE_EXCEEDED: "away",
    grpc.StatusCode.CANCELLED: "away",
    grpc.StatusCode.UNIMPLEMENTED: "away",  # a role of the release before
}
_STABLE: Mapping[str, Code] = {"tariff_invalid": "tariff_invalid", "tariffs_busy": "busy"}


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Ask as somebody who waits; say a refusal of the other side as ours."""
    try:
        with asking(priority=PRIORITY):
            yield
    except grpc.RpcError as error:
        stable = dict(error.trailing_metadata() or ()).get(ERROR_CODE, "")
        code = _STABLE.get(stable) or _CODES.get(error.code())
        if code is None:
            raise
        raise RefusedError(code, error.details() or "") from error


class Questions:
    """The other services; `peer(name)` gives a stub. Any thread."""

    def __init__(self, peer: Callable[[str], Any]) -> None:
        self._peer = peer
        self._counted = Recent(COUNTED_S)

    def search(
        self, wanted: query.CallFilter, columns: Sequence[str], *, limit: int, after: str = ""
    ) -> tuple[pa.Table, str]:
        """Give calls, newest first, as these columns, and the place behind; "" = nothing follows."""
        request = query.SearchCallsRequest(
            filter=wanted,
            limit=limit,
            page_rows=limit,
            after=after,
            encoding=query.ENCODING_ARROW,
            columns=columns,
        )
        with told():
            (page,) = self._peer("query").SearchCalls(request, timeout=TIMEOUT_S)
        return pa.ipc.open_stream(pa.py_buffer(page.arrow)).read_all(), page.next

    def newest(self) -> list[tuple[str, int]]:
        """Give id and version of the newest calls of all."""
        found, _ = self.search(query.CallFilter(), ("call_id", "version"), limit=NEWEST)
        ids = id_texts(found.column("call_id").combine_chunks())
        return list(zip(ids.to_pylist(), found.column("version").to_pylist(), strict=True))

    def walk(self, wanted: query.CallFilter, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Give all calls that match, newest first, as tables of these columns; ends with the reader."""
        request = query.WalkCallsRequest(filter=wanted, columns=columns)
        with told():
            batches = self._peer("query").WalkCalls(request, timeout=WALK_TIMEOUT_S)
        try:
            while True:
                with told():
                    batch = next(batches, None)
                if batch is None:
                    return
                yield pa.ipc.open_stream(pa.py_buffer(batch.arrow)).read_all()
        finally:
            batches.cancel()

    def call(self, call_id: str) -> query.CallDetail:
        """Give one call with all that is stored about it."""
        with told():
            found: query.CallDetail = self._peer("query").GetCall(
                query.GetCallRequest(call_id=call_id), timeout=TIMEOUT_S
            )
        return found

    def report(self, by: str, wanted: query.CallFilter) -> Rows:
        """Give sums per group, price list and currency."""
        return self.reports((by,), wanted)[by]

    def reports(self, bys: Sequence[str], wanted: query.CallFilter) -> Mapping[str, Rows]:
        """Give several such sums, of the same calls of one moment."""
        request = query.ReportsRequest(by=bys, filter=wanted)
        with told():
            found = self._peer("query").Reports(request, timeout=TIMEOUT_S).reports
        return {by: list(one.rows) for by, one in zip(bys, found, strict=True)}

    def completeness(
        self, site: str | None, first_day: int | None, last_day: int | None
    ) -> query.CompletenessReply:
        """Give totals per site and day, and gaps; at most some seconds old."""
        request = query.CompletenessRequest(site_uid=site, first_day=first_day, last_day=last_day)

        def ask() -> query.CompletenessReply:
            with told():
                found: query.CompletenessReply = self._peer("query").Completeness(
                    request, timeout=TIMEOUT_S
                )
            return found

        return self._counted.get((site, first_day, last_day), ask)

    def explain(self, call_id: str) -> tariffs.ExplainReply:
        """Give why a call costs what it costs."""
        with told():
            found: tariffs.ExplainReply = self._peer("tariffs").Explain(
                tariffs.ExplainRequest(call=call_id), timeout=TIMEOUT_S
            )
        return found
