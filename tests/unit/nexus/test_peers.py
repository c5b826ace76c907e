from __future__ import annotations

import contextlib
import contextvars
import gc
import queue
import threading
import time

import grpc
import pytest
from bluewhale.nexus.governance import HEADER, asking, current
from bluewhale.nexus.serving import Port

from tests.support.running import wait_until
from tests.unit.nexus.echo import ECHO, Echo, echo, struct
from tests.unit.nexus.ways import WAYS, asked

each_way = pytest.mark.parametrize("way", WAYS)


@each_way
def test_all_four_kinds_of_methods_answer(way: str):
    """One to one, one to many, many to one, many to many: the same stub, here or far away."""
    with asked(way, Echo()) as stub:
        assert stub.One(struct(a=1))["name"] == "echo"
        assert [r["i"] for r in stub.Many(struct(n=3))] == [0, 1, 2]
        assert stub.Sum(iter([struct(i=1), struct(i=2)]))["sum"] == 3
        assert [r["twice"] for r in stub.Chat(iter([struct(i=4), struct(i=5)]))] == [8, 10]


@each_way
def test_metadata_reaches_the_servicer_and_its_trailing_metadata_the_caller(way: str):
    """A key of the caller's own beside the context; with_call gives the call too."""
    with asked(way, Echo()) as stub:
        reply, call = stub.One.with_call(struct(), metadata=(("x-site", "berlin"),))
        assert reply["site"] == "berlin"
        assert call.code() in {grpc.StatusCode.OK, None}
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct(do="abort"))
        assert dict(caught.value.trailing_metadata())["hint"] == "later"


@each_way
@pytest.mark.parametrize(
    ("do", "code", "details"),
    [
        ("abort", grpc.StatusCode.NOT_FOUND, "no such call"),
        ("code", grpc.StatusCode.RESOURCE_EXHAUSTED, "too many"),
        ("crash", grpc.StatusCode.UNKNOWN, "Exception calling application: 'no such key'"),
        ("busy", grpc.StatusCode.UNAVAILABLE, "the database is away; start it"),
        (
            "wrong",
            grpc.StatusCode.FAILED_PRECONDITION,
            "there is no such period; choose another",
        ),
    ],
)
def test_a_failure_looks_the_same_on_every_way(way: str, do: str, code, details: str):
    """Status and text, by exception and by future."""
    with asked(way, Echo()) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct(do=do))
        assert (caught.value.code(), caught.value.details()) == (code, details)
        failure = stub.One.future(struct(do=do)).exception(60)
        assert (failure.code(), failure.details()) == (code, details)


@each_way
def test_an_operating_error_carries_its_stable_code(way: str):
    """Machines read bw-error; people read the text."""
    with asked(way, Echo()) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct(do="busy"))
        assert dict(caught.value.trailing_metadata())["bw-error"] == "temporary_error"


@each_way
def test_a_reply_after_the_limit_of_time_is_a_failure(way: str):
    """50 ms are given, 150 ms are taken."""
    with asked(way, Echo()) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct(do="sleep", seconds=0.15), timeout=0.05)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@each_way
def test_a_stream_that_says_nothing_ends_at_its_limit_of_time(way: str):
    """Two replies, then silence: the caller gets both and DEADLINE_EXCEEDED."""
    servicer = Echo()
    with asked(way, servicer) as stub:
        replies = stub.Many(struct(n=2, do="wait"), timeout=1.5)
        assert [next(replies)["i"], next(replies)["i"]] == [0, 1]
        with pytest.raises(grpc.RpcError) as caught:
            next(replies)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert servicer.over.wait(60)


@each_way
def test_cancelling_a_stream_wakes_both_sides(way: str):
    """The caller sees CANCELLED at once, the servicer's callback runs."""
    servicer = Echo()
    with asked(way, servicer) as stub:
        replies = stub.Many(struct(n=1, do="wait"))
        assert next(replies)["i"] == 0
        threading.Timer(0.05, replies.cancel).start()
        with pytest.raises(grpc.RpcError) as caught:
            next(replies)
        assert caught.value.code() is grpc.StatusCode.CANCELLED
        assert servicer.over.wait(60)


@each_way
def test_a_stream_may_fail_after_its_replies(way: str):
    """One reply, then DATA_LOSS with its text."""
    with asked(way, Echo()) as stub:
        replies = stub.Many(struct(n=1, do="abort"))
        assert next(replies)["i"] == 0
        with pytest.raises(grpc.RpcError) as caught:
            next(replies)
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
        assert caught.value.details() == "no more"
        assert replies.code() is grpc.StatusCode.DATA_LOSS


@each_way
def test_a_talk_goes_to_and_fro(way: str):
    """Each request is sent after the answer to the one before."""
    with asked(way, Echo()) as stub:
        requests: queue.SimpleQueue = queue.SimpleQueue()
        replies = stub.Chat(iter(requests.get, None))
        for i in (1, 2, 3):
            requests.put(struct(i=i))
            assert next(replies)["twice"] == 2 * i
        requests.put(None)
        assert list(replies) == []


@each_way
def test_a_slow_reader_holds_back_the_sender(way: str):
    """A million replies are wanted by nobody: cancelled after two, the servicer ends."""
    servicer = Echo()
    with asked(way, servicer) as stub:
        replies = stub.Many(struct(n=1_000_000))
        assert [next(replies)["i"], next(replies)["i"]] == [0, 1]
        replies.cancel()
        assert servicer.over.wait(60)


@each_way
def test_a_future_tells_when_it_has_ended(way: str):
    """Result, done, callback; a cancelled one raises FutureCancelledError."""
    told = threading.Event()
    with asked(way, Echo()) as stub:
        future = stub.One.future(struct(a=1))
        future.add_done_callback(lambda _: told.set())
        assert future.result(60)["name"] == "echo"
        assert told.wait(60)
        assert future.done()
        slow = stub.One.future(struct(do="sleep", seconds=0.3))
        assert slow.cancel()
        with pytest.raises(grpc.FutureCancelledError):
            slow.result(60)


@each_way
def test_priority_and_nested_values_travel_along(way: str):
    """What is asked inside the block carries both; nested maps stay nested."""
    with asked(way, Echo()) as stub:
        with asking(priority=5, values={"job": {"name": "rerate", "tags": ["may"]}}):
            reply = stub.One(struct())
        assert reply["priority"] == 5
        assert dict(reply["values"]["job"])["name"] == "rerate"
        assert list(reply["values"]["job"]["tags"]) == ["may"]
        assert stub.One(struct())["priority"] == 0
    assert current().values == {}


@each_way
def test_values_are_passed_on_by_every_hop(way: str):
    """The servicer asks onward: the second hop has the first one's values and its own."""
    servicer = Echo()
    with asked(way, servicer) as stub:
        servicer.onward = stub
        with asking(values={"first": {"hop": 1}}):
            reply = stub.One(struct(do="onward"))
        assert sorted(reply["values"]) == ["first", "second"]


def test_a_context_that_is_too_long_never_leaves():
    """4,096 bytes may travel; more is refused before anything is sent."""
    with asked("wire", Echo()) as stub, asking(values={"text": "x" * 5000}):
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct())
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "put large values into the request" in caught.value.details()


@pytest.mark.parametrize(
    ("header", "words"), [(b"\xff\xff", "cannot be read"), (b"\x12" * 5000, "more than 4096")]
)
def test_a_header_that_is_none_is_refused(header: bytes, words: str):
    """Garbage and 5,000 bytes: INVALID_ARGUMENT, the servicer is not asked."""
    servicer = Echo()
    with asked("wire", servicer) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.One(struct(), metadata=((HEADER, header),))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert words in caught.value.details()
    assert servicer.kept == []


def test_requests_pass_by_reference_in_process():
    """No copy: the servicer gets the very object."""
    servicer, request = Echo(), struct(a=1)
    with asked("local", servicer) as stub:
        stub.One(request)
    assert servicer.kept[0] is request


def test_copying_mode_shows_a_servicer_that_changes_its_request():
    """By reference the caller's object changes; copied, as over the wire, it does not."""
    request = struct(do="change")
    with asked("copying", Echo()) as stub:
        stub.One(request)
    assert "changed" not in request
    with asked("local", Echo()) as stub:
        stub.One(request)
    assert "changed" in request


def test_context_variables_reach_a_servicer_of_the_process_and_do_not_leak_back():
    """It sees the caller's value; what it sets stays its own."""
    site = contextvars.ContextVar("site", default="none")

    class Curious(Echo):
        def One(self, request, context):  # noqa: N802 - as in the contract
            seen = site.get()
            site.set("tokyo")
            return struct(site=seen)

    site.set("berlin")
    with asked("local", Curious()) as stub:
        assert stub.One(struct())["site"] == "berlin"
    assert site.get() == "berlin"


def test_a_request_in_process_runs_on_the_thread_of_its_caller():
    """One reply needs no other thread."""
    with asked("local", Echo()) as stub:
        assert stub.One(struct())["thread"] == threading.current_thread().name


def test_callbacks_of_a_servicer_run_when_its_reply_is_out():
    """add_callback in process, as on a server."""
    servicer = Echo()
    with asked("local", servicer) as stub:
        stub.One(struct(do="sleep", seconds=0))
    assert servicer.over.is_set()


def test_a_future_in_process_ends_at_its_limit_though_the_servicer_goes_on():
    """The caller waits no longer than it said."""
    with asked("local", Echo()) as stub:
        began = time.monotonic()
        failure = stub.One.future(struct(do="sleep", seconds=3), timeout=0.05).exception(60)
        assert failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - began < 2.9


@each_way
def test_a_stream_that_its_caller_forgets_is_cancelled(way: str):
    """Nobody holds it any more: the servicer is told, no thread waits for ever."""
    servicer = Echo()
    with asked(way, servicer) as stub:
        replies = stub.Many(struct(n=1, do="wait"))
        assert next(replies)["i"] == 0
        del replies
        gc.collect()
        assert servicer.over.wait(60)


def test_a_port_that_stops_lets_replies_out_and_does_not_wait_for_endless_streams():
    """30 s of grace: a request of half a second is answered, a watching stream is cut after one."""
    servicer = Echo()
    port = Port("127.0.0.1:0", [echo(servicer)], [])
    port.start()
    with grpc.insecure_channel(f"127.0.0.1:{port.number}") as channel:
        stub = ECHO.stub(channel)
        replies = stub.Many(struct(n=1, do="wait"))
        assert next(replies)["i"] == 0
        slow = stub.One.future(struct(do="sleep", seconds=0.5))
        wait_until(lambda: len(servicer.kept) == 1, 60, "the request")
        began = time.monotonic()
        port.stop(30)
        assert time.monotonic() - began < 25
        assert slow.result(60)["name"] == "echo"
        assert servicer.over.is_set()
        with contextlib.suppress(grpc.RpcError):  # cancelled, or its servicer ended it in time
            assert list(replies) == []
