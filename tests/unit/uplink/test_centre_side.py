"""The centre's half alone: one bad stream disturbs nobody, marks are exact, memory is bounded."""

import pytest
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink import (
    Append,
    CentreLimits,
    CentreSide,
    Disconnect,
    LaneKey,
    Moment,
    SendDown,
    StoredMark,
)

LIMITS = CentreLimits(marks_interval_ms=0, streams_max=3)


def at(ms):
    """Give a moment."""
    return Moment(ms, 1_000_000 + ms)


def frame(stream, first, last, incarnation=1, size=100, **more):
    """Give a frame; the side does not look inside."""
    return pb.Up(
        frame=pb.FrameUp(
            stream_id=stream, incarnation=incarnation, first_seq=first, last_seq=last,
            packed=b"x" * size, raw_bytes=size, **more,
        )
    )  # fmt: skip


def lane(stream, incarnation=1, journaled=0):
    """Give a lane as a unit tells it."""
    return pb.Lane(stream_id=stream, incarnation=incarnation, journaled_through=journaled)


def greeted(*lanes):
    """Give a side whose unit said hello."""
    side = CentreSide("u", {1, 2}, release="t", log_id="a", limits=LIMITS)
    hello = pb.Hello(unit_uid="u", protocol_min=1, protocol_max=2, session=1, streams=lanes)
    side.received(pb.Up(hello=hello), at(0))
    return side


def down(actions, kind):
    """Give the messages of one kind."""
    sent = [a.message for a in actions if isinstance(a, SendDown)]
    return [getattr(m, kind) for m in sent if m.WhichOneof("message") == kind]


def test_frames_are_received_through_without_a_gap_whatever_the_order_of_the_log():
    """The second is in the log first: the mark waits for the first."""
    side = greeted(lane(1))
    numbers = [
        a.number
        for first in (1, 11)
        for a in side.received(frame(1, first, first + 9), at(1))
        if isinstance(a, Append)
    ]
    (mark,) = down(side.appended(numbers[1], at(2)), "marks")[0].marks
    assert mark.received_through == 0
    (marks,) = down(side.appended(numbers[0], at(3)), "marks")
    assert marks.marks[0].received_through == 20
    assert marks.released_bytes == 200


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(9, 1, 10), "stream_not_yours"),
        (frame(1, 1, 10, size=600 << 10), "frame_too_big"),
        (frame(1, 0, 10), "frame_corrupt"),
        (frame(1, 10, 1), "frame_corrupt"),
        (frame(1, 1, 10, incarnation=0), "frame_corrupt"),
    ],
)
def test_a_bad_frame_is_refused_alone_and_frees_its_window(bad, code):
    """The next good one of another stream goes on."""
    side = greeted()
    actions = side.received(bad, at(1))
    (refusal,) = down(actions, "refusal")
    assert refusal.code == code
    assert down(actions, "marks")[0].released_bytes == len(bad.frame.packed)
    assert [a for a in side.received(frame(2, 1, 10), at(2)) if isinstance(a, Append)]


def test_a_gap_is_asked_for_once_and_taken_when_the_unit_cannot_go_back():
    """Frames under way behind it are dropped; the one that says why is the new beginning."""
    side = greeted(lane(1))
    side.received(frame(1, 1, 10), at(1))
    actions = side.received(frame(1, 21, 30), at(2))
    assert down(actions, "command")[0].send_again.from_seq == 11
    assert not down(side.received(frame(1, 31, 40), at(3)), "command")
    taken = side.received(frame(1, 26, 40, stored_through=25), at(4))
    assert [a.frame.first_seq for a in taken if isinstance(a, Append)] == [26]


def test_another_log_makes_received_fall_back_to_stored():
    """Wiped: the unit hears it at once."""
    side = greeted(lane(1))
    (append,) = [a for a in side.received(frame(1, 1, 30), at(1)) if isinstance(a, Append)]
    side.appended(append.number, at(2))
    side.stored([StoredMark(1, 1, 10, 5)], at(3))
    (marks,) = down(side.log_changed("b", at(4)), "marks")
    assert (marks.log_id, marks.marks[0].received_through, marks.marks[0].record_crc) == (
        "b", 10, 5,
    )  # fmt: skip


def test_another_log_asks_again_for_what_was_received_and_not_heard_of():
    """The unit cannot see a mark fall back that it never heard."""
    side = greeted(lane(1), lane(2))
    (append,) = [a for a in side.received(frame(1, 1, 1), at(1)) if isinstance(a, Append)]
    side.appended(append.number, at(1))  # these marks are lost on their way
    (command,) = down(side.log_changed("b", at(1)), "command")
    assert command.send_again == pb.SendAgain(stream_id=1, incarnation=1, from_seq=1)
    assert [a for a in side.received(frame(1, 1, 1), at(2)) if isinstance(a, Append)]


def test_lanes_that_a_unit_has_no_more_are_forgotten():
    """A unit that restarts for ever does not run into the limit."""
    side = greeted(lane(1, 1), lane(1, 2), lane(1, 3))
    refused = side.received(frame(1, 1, 10, incarnation=4), at(1))
    assert down(refused, "refusal")[0].code == "too_many_streams"
    beat = pb.Heartbeat(streams=[lane(1, 3), lane(1, 4)])
    side.received(pb.Up(heartbeat=beat), at(2))
    assert side.lanes() == [LaneKey(1, 3), LaneKey(1, 4)]
    assert [
        a for a in side.received(frame(1, 1, 10, incarnation=4), at(3)) if isinstance(a, Append)
    ]


def test_a_document_is_sent_once_and_not_when_it_is_in_effect():
    """By its hash."""
    side = CentreSide("u", {1}, release="t", log_id="a", limits=LIMITS)
    hello = pb.Hello(unit_uid="u", protocol_min=1, protocol_max=2, configuration_hash="x")
    side.received(pb.Up(hello=hello), at(0))
    assert side.configure(1, "x", b"{}") == []
    assert len(side.configure(2, "y", b"{}")) == 1
    assert side.configure(2, "y", b"{}") == []


def test_what_is_no_conversation_is_ended_with_a_reason():
    """A frame first, a foreign name, hello twice, silence."""
    fresh = CentreSide("u", {1}, release="t", log_id="a", limits=LIMITS)
    ended = [fresh.received(frame(1, 1, 1), at(0))]
    hello = pb.Up(hello=pb.Hello(unit_uid="v", protocol_min=1, protocol_max=2))
    ended.append(fresh.received(hello, at(0)))
    side = greeted()
    hello.hello.unit_uid = "u"
    ended.append(side.received(hello, at(1)))
    ended.append(side.tick(at(60_001)))
    codes = [a.code for actions in ended for a in actions if isinstance(a, Disconnect)]
    assert codes == ["not_hello", "unit_mismatch", "malformed", "silent"]
