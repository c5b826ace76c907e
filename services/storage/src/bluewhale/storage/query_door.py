"""The query API: requests in, messages out.

A thin door: `questions` reads, the store answers, `answers` says it. Owns
nothing but the status code of each error. Runs in any thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import grpc
from bluewhale.api.query.v1 import query_pb2 as api
from bluewhale.api.query.v1 import query_pb2_grpc as doors
from bluewhale.capture.exceptions import BluewhaleError, InputError, TemporaryError
from bluewhale.database import PAGE_KEY_COLUMNS, NotFoundError, StateError, page_key
from bluewhale.jobs.explaining import call_named
from bluewhale.storage import answers, questions
from bluewhale.storage.exceptions import InvalidRequestError
from bluewhale.telemetry import tracing
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.storage.marks_feed import MarksFeed


@contextlib.contextmanager
def told(context: grpc.ServicerContext) -> Iterator[None]:
    """Say operating errors as a status with their text."""
    try:
        yield
    except (InvalidRequestError, InputError) as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except NotFoundError as error:
        context.abort(grpc.StatusCode.NOT_FOUND, str(error))
    except StateError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except TemporaryError as error:
        context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
    except BluewhaleError as error:
        context.abort(grpc.StatusCode.INTERNAL, f"{error.code}: {error}")


class QueryDoor(doors.QueryServicer):
    """Serves bluewhale.api.query.v1.Query."""

    def __init__(self, store: Store, feed: MarksFeed) -> None:
        self._store = store
        self._feed = feed

    @override
    def SearchCalls(
        self, request: api.SearchCallsRequest, context: grpc.ServicerContext
    ) -> Iterator[api.CallPage]:
        with told(context):
            wanted = questions.call_filter(request.filter)
            left = questions.limited(
                "limit", request.limit, questions.CALLS_DEFAULT, questions.CALLS_MAX
            )
            page_rows = questions.limited(
                "page_rows", request.page_rows, questions.PAGE_ROWS_DEFAULT, questions.PAGE_ROWS_MAX
            )
            after = questions.after(request.after)
            rows = request.encoding != api.ENCODING_ARROW
            columns = questions.call_columns(() if rows else request.columns)
            read = tuple(dict.fromkeys((*columns, *PAGE_KEY_COLUMNS)))
            while left > 0 and context.is_active():
                asked = min(left, page_rows)
                with self._asking("search_calls"):
                    # one more than asked: whether anything follows is known without asking again
                    found = self._store.search_calls(
                        wanted, limit=asked + 1, after=after, columns=read
                    )
                page = found.slice(0, asked)
                after = page_key(page)
                left -= page.num_rows
                place = questions.place(after) if found.num_rows > asked and after else ""
                if rows:
                    yield api.CallPage(calls=answers.calls(page), next=place)
                else:
                    yield api.CallPage(arrow=answers.arrow(page.select(columns)), next=place)
                if not place:
                    return

    @override
    def WalkCalls(
        self, request: api.WalkCallsRequest, context: grpc.ServicerContext
    ) -> Iterator[api.CallColumns]:
        with told(context):
            tables = self._store.walk_calls(
                questions.call_filter(request.filter), questions.call_columns(request.columns)
            )
            while context.is_active():
                with self._asking("walk_calls"):
                    table = next(tables, None)
                if table is None:
                    return
                yield api.CallColumns(arrow=answers.arrow(table, "lz4"))

    @override
    def GetCall(self, request: api.GetCallRequest, context: grpc.ServicerContext) -> api.CallDetail:
        with told(context):
            with self._asking("get_call"):
                found = self._store.get_call(call_named(self._store, request.call_id))
            return answers.detail(found)

    @override
    def Report(self, request: api.ReportRequest, context: grpc.ServicerContext) -> api.ReportReply:
        with told(context):
            limit = questions.limited(
                "limit", request.limit, questions.GROUPS_MAX, questions.GROUPS_MAX
            )
            by, wanted = questions.report_by(request.by), questions.call_filter(request.filter)
            with self._asking("report"):
                found = self._store.report(by, wanted, limit=limit)
            return api.ReportReply(rows=answers.messages(api.ReportRow, found))

    @override
    def Reports(
        self, request: api.ReportsRequest, context: grpc.ServicerContext
    ) -> api.ReportsReply:
        with told(context):
            if not 0 < len(request.by) <= questions.REPORTS_MAX:
                raise InvalidRequestError(f"by: 1 to {questions.REPORTS_MAX} ways of grouping")
            bys = [questions.report_by(by) for by in request.by]
            wanted = questions.call_filter(request.filter)
            with self._asking("reports"):
                found = self._store.reports(bys, wanted, limit=questions.GROUPS_MAX)
            return api.ReportsReply(
                reports=[
                    api.ReportReply(rows=answers.messages(api.ReportRow, table)) for table in found
                ]
            )

    @override
    def Completeness(
        self, request: api.CompletenessRequest, context: grpc.ServicerContext
    ) -> api.CompletenessReply:
        with told(context):
            with self._asking("completeness"):
                found = self._store.completeness(
                    site=request.site_uid if request.HasField("site_uid") else None,
                    first_day=request.first_day if request.HasField("first_day") else None,
                    last_day=request.last_day if request.HasField("last_day") else None,
                )
            return answers.completeness(found)

    @override
    def Suspense(
        self, request: api.SuspenseRequest, context: grpc.ServicerContext
    ) -> api.SuspenseReply:
        with told(context):
            limit = questions.limited(
                "limit", request.limit, questions.LIST_ROWS_DEFAULT, questions.LIST_ROWS_MAX
            )
            waiting = questions.suspense_filter(request)
            with self._asking("suspense"):
                found = self._store.suspense_list(waiting, limit=limit)
            return api.SuspenseReply(rows=answers.messages(api.SuspenseRow, found))

    @override
    def Duplicates(
        self, request: api.DuplicatesRequest, context: grpc.ServicerContext
    ) -> api.DuplicatesReply:
        with told(context):
            limit = questions.limited(
                "limit", request.limit, questions.LIST_ROWS_DEFAULT, questions.LIST_ROWS_MAX
            )
            state = questions.duplicate_state(request)
            with self._asking("duplicates"):
                found = self._store.duplicates(limit=limit, state=state)
            return api.DuplicatesReply(rows=answers.messages(api.DuplicateRow, found))

    @override
    def Marks(
        self, request: api.MarksRequest, context: grpc.ServicerContext
    ) -> Iterator[api.MarksReply]:
        with told(context):
            for marks in self._feed.listen(request.stream_ids):
                if not context.is_active():
                    return
                yield answers.marks(marks)

    def _asking(self, what: str) -> AbstractContextManager[tracing.Span]:
        """Trace a question to the database, where the work around it is traced."""
        told_of = {"db.system.name": self._store.db.dialect, "db.operation.name": what}
        return tracing.span("ask database", kind="client", parents=(), attributes=told_of)
