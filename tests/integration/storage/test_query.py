"""The query API over real gRPC: pages, one call, sums, gaps, marks, refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pyarrow as pa
import pytest
from bluewhale.api.query.v1 import query_pb2 as api
from bluewhale.api.query.v1 import query_pb2_grpc as doors
from bluewhale.database import Batch, Store
from bluewhale.records.batches import StreamLoss
from bluewhale.records.ids import id_text
from bluewhale.storage.marks_feed import MarksFeed
from bluewhale.storage.query_door import QueryDoor

from tests.support.delivery import propose
from tests.support.legs import MIDNIGHT, leg, leg_id, leg_table
from tests.support.stores import StoreFactory


class Served:
    """A store behind a gRPC server, and a stub."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.feed = MarksFeed(store, poll_s=0.05)
        self.feed.start()
        self.server = grpc.server(ThreadPoolExecutor(4))
        doors.add_QueryServicer_to_server(QueryDoor(store, self.feed), self.server)
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = doors.QueryStub(self.channel)

    def store_calls(self, *numbers: int) -> None:
        """Store one call of one leg per number, an hour apart."""
        legs = [leg(n, at=3600 * n, seconds=60 + n) for n in numbers]
        self.store.commit(Batch(now_ms=MIDNIGHT, legs=leg_table(*legs)))
        for one in legs:
            self.store.commit(Batch(now_ms=MIDNIGHT, proposals=propose(one)))

    def search(self, **request) -> list[api.CallPage]:
        return list(self.stub.SearchCalls(api.SearchCallsRequest(**request), timeout=60))

    def end(self) -> None:
        self.channel.close()
        self.feed.stop()
        self.server.stop(0).wait()
        self.store.close()


@pytest.fixture
def served(store_factory: StoreFactory) -> Iterator[Served]:
    """Serve an empty store."""
    it = Served(store_factory())
    it.store.declare_links([("berlin-1", 1, "berlin", "berlin", "test")])
    yield it
    it.end()


def refused(call, request) -> tuple[grpc.StatusCode, str]:
    """Give status and text of a call that must fail."""

    def ask() -> None:
        answer = call(request, timeout=60)
        if hasattr(answer, "__iter__"):
            list(answer)

    with pytest.raises(grpc.RpcError) as error:
        ask()
    return error.value.code(), error.value.details()


def test_calls_come_newest_first_in_pages_that_go_on_behind_each_other(served: Served) -> None:
    """Five calls in pages of two; a page's `next` goes on where it ended, whatever is new."""
    served.store_calls(1, 2, 3, 4, 5)
    pages = served.search(limit=4, page_rows=2)
    assert [[c.call_id for c in p.calls] for p in pages] == [
        [id_text(leg_id(5)), id_text(leg_id(4))],
        [id_text(leg_id(3)), id_text(leg_id(2))],
    ]
    served.store_calls(6)
    rest = served.search(after=pages[-1].next)
    assert [c.call_id for p in rest for c in p.calls] == [id_text(leg_id(1))]
    assert rest[-1].next == ""


def test_a_call_says_times_states_and_money_as_text(served: Served) -> None:
    """One call of 61 connected seconds: 7 + 61 * 4 nanos as decimal text."""
    served.store_calls(1)
    (page,) = served.search()
    (call,) = page.calls
    assert call.started_at_ms == MIDNIGHT + 3_600_000
    assert call.talk_ms == 61_000
    assert (call.version, call.state, call.disposition) == (1, "complete", "answered")
    assert not call.HasField("trunk_out")
    (total,) = call.totals
    assert (total.price_list, total.currency, total.amount) == ("carrier", "EUR", "0.000000251")


def test_exports_are_arrow(served: Served) -> None:
    """A page as an Arrow IPC stream holds the same calls with all columns."""
    served.store_calls(1, 2)
    (page,) = served.search(encoding=api.ENCODING_ARROW)
    table = pa.ipc.open_stream(page.arrow).read_all()
    assert table.column("call_id").to_pylist() == [leg_id(2), leg_id(1)]
    assert "totals" in table.column_names


def test_columns_that_are_named_are_all_that_comes(served: Served) -> None:
    """Two columns in their order; a page that has all says that nothing follows."""
    served.store_calls(1, 2)
    (page,) = served.search(
        encoding=api.ENCODING_ARROW, columns=["version", "call_id"], limit=2, page_rows=2
    )
    table = pa.ipc.open_stream(page.arrow).read_all()
    assert table.to_pydict() == {"version": [1, 1], "call_id": [leg_id(2), leg_id(1)]}
    assert page.next == ""


def test_one_call_comes_with_legs_ledger_and_raw_lines(served: Served) -> None:
    """Everything stored about a call is one message."""
    served.store_calls(7)
    found = served.stub.GetCall(api.GetCallRequest(call_id=id_text(leg_id(7))), timeout=60)
    assert found.call.call_id == id_text(leg_id(7))
    assert [x.raw for x in found.legs] == [b"record 7"]
    (charge,) = found.charges
    assert (charge.entry, charge.amount, charge.tariff_uid) == ("charge", "0.000000275", "test")


def test_sums_say_money_per_group(served: Served) -> None:
    """Two calls of one site: 251 + 255 nanos."""
    served.store_calls(1, 2)
    (row,) = served.stub.Report(api.ReportRequest(by="site"), timeout=60).rows
    assert (row.name, row.calls, row.answered, row.amount) == ("berlin", 2, 2, "0.000000506")


def test_completeness_names_gaps(served: Served) -> None:
    """Records 1 and 4 are stored, 2 is lost, 3 nobody named."""
    served.store.commit(
        Batch(now_ms=1, legs=leg_table(leg(1), leg(4)), losses=[StreamLoss(1, 1, 2, 2, "disk")])
    )
    found = served.stub.Completeness(api.CompletenessRequest(), timeout=60)
    assert not found.complete
    assert [(g.first_seq, g.last_seq, g.state, g.reason) for g in found.gaps] == [
        (2, 2, "lost", "disk"), (3, 3, "missing", ""),
    ]  # fmt: skip
    assert [(d.site_uid, d.parsed, d.open) for d in found.days] == [("berlin", 2, 2)]


def test_duplicates_and_suspense_are_listed(served: Served) -> None:
    """A record sent twice stands beside its twin; nothing waits."""
    served.store.commit(Batch(now_ms=1, legs=leg_table(leg(1))))
    served.store.commit(Batch(now_ms=1, legs=leg_table(leg(1, seq=9, record_crc=9))))
    (row,) = served.stub.Duplicates(api.DuplicatesRequest(), timeout=60).rows
    assert (row.cdr_id, row.seq, row.state) == (id_text(leg_id(1)), 9, "counted")
    assert not served.stub.Suspense(api.SuspenseRequest(state="waiting"), timeout=60).rows


def test_marks_are_told_soon_after_the_commit(served: Served) -> None:
    """All marks come first; a change follows within 200 ms."""
    served.store.commit(Batch(now_ms=1, legs=leg_table(leg(1))))
    stream = served.stub.Marks(api.MarksRequest(), timeout=20)
    first = next(stream)
    assert [(m.stream_id, m.stored_through, m.record_crc) for m in first.marks] == [(1, 1, 1)]
    waits = []
    for seq in (2, 3, 4):
        served.store.commit(Batch(now_ms=1, legs=leg_table(leg(seq))))
        committed = time.monotonic()
        assert [m.stored_through for m in next(stream).marks] == [seq]
        waits.append(time.monotonic() - committed)
    stream.cancel()
    assert min(waits) < 0.2


def test_marks_of_other_streams_are_not_told(served: Served) -> None:
    """A listener names its streams."""
    served.store.commit(Batch(now_ms=1, legs=leg_table(leg(1), leg(2, stream_id=2, seq=1))))
    first = next(served.stub.Marks(api.MarksRequest(stream_ids=[2]), timeout=20))
    assert [m.stream_id for m in first.marks] == [2]


INVALID = grpc.StatusCode.INVALID_ARGUMENT
BAD_SEARCHES = [
    (api.SearchCallsRequest(limit=-1), "limit = -1"),
    (api.SearchCallsRequest(page_rows=20_001), "page_rows = 20001"),
    (api.SearchCallsRequest(after="yesterday"), "hand in `next`"),
    (api.SearchCallsRequest(filter=api.CallFilter(direction="up")), "one of inbound"),
    (api.SearchCallsRequest(filter=api.CallFilter(cost_min="much")), "such as 2.50"),
    (api.SearchCallsRequest(filter=api.CallFilter(cost_max="99999999999")), "cost_max"),
    (api.SearchCallsRequest(filter=api.CallFilter(cost_max="NaN")), "cost_max"),
    (api.SearchCallsRequest(filter=api.CallFilter(from_ms=5, until_ms=4)), "until_ms is before"),
    (api.SearchCallsRequest(filter=api.CallFilter(from_ms=-5)), "from_ms"),
    (api.SearchCallsRequest(filter=api.CallFilter(text="x" * 300)), "300 letters"),
    (api.SearchCallsRequest(filter=api.CallFilter(site_uid="a\0b")), "zero byte"),
]


@pytest.mark.parametrize(("request_", "text"), BAD_SEARCHES)
def test_what_cannot_be_meant_is_refused_by_name(served: Served, request_, text: str) -> None:
    """Each refusal says which field and what would do."""
    code, details = refused(served.stub.SearchCalls, request_)
    assert code == INVALID
    assert text in details


def test_other_refusals_have_their_own_status(served: Served) -> None:
    """An id that is none, a call that is not there, an unknown way of grouping."""
    assert refused(served.stub.GetCall, api.GetCallRequest(call_id="x"))[0] == INVALID
    code, text = refused(served.stub.GetCall, api.GetCallRequest(call_id=id_text(leg_id(1))))
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, f"there is no call {id_text(leg_id(1))}")
    code, text = refused(served.stub.Report, api.ReportRequest(by="mood"))
    assert code == INVALID
    assert "department, site" in text
    assert refused(served.stub.Suspense, api.SuspenseRequest(limit=10_001))[0] == INVALID
    assert refused(served.stub.Suspense, api.SuspenseRequest(reason="mood"))[0] == INVALID
    assert refused(served.stub.Duplicates, api.DuplicatesRequest(state="x"))[0] == INVALID
