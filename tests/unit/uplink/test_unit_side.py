"""The unit's half alone: pacing, turns, holds, skew, what a heartbeat says."""

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.uplink import (
    Acknowledge,
    Disconnect,
    Moment,
    PackedFrame,
    SendUp,
    UnitLimits,
    UnitReport,
    UnitSide,
)
from bluewhale.uplink.pacing import Pacing


def at(ms, clock_error_ms=0):
    """Give a moment; the unit's clock may be off."""
    return Moment(ms, 1_000_000 + ms + clock_error_ms)


def lane(stream, journaled, stored=0, incarnation=1):
    """Give a lane of the journal."""
    return pb.Lane(
        stream_id=stream, incarnation=incarnation, journaled_through=journaled,
        stored_through=stored,
    )  # fmt: skip


def welcomed(*lanes, window=1_000_000, resend_after_ms=1_000, at_ms=0):
    """Give a unit that the centre has welcomed."""
    side = UnitSide("u", release="t", limits=UnitLimits(flight_bytes_begin=window))
    side.lanes(lanes, at(at_ms))
    side.connect(7, at(at_ms))
    welcome = pb.Welcome(
        protocol=2, heartbeat_ms=1_000, window_bytes=window, resend_after_ms=resend_after_ms
    )
    side.received(pb.Down(welcome=welcome), at(at_ms))
    return side


def send(side, ms, size=100, count=10):
    """Send what may be sent; gives (stream, incarnation, first, last) of each frame."""
    sent = []
    while (read := side.next_read(at(ms))) is not None:
        last = read.after_seq + count
        packed = PackedFrame(read.after_seq + 1, last, count, b"x" * size, size)
        side.frame(read, packed, at(ms))
        sent.append((read.stream_id, read.incarnation, read.after_seq + 1, last))
    return sent


def marks(*found, released=0):
    """Give marks: (stream, received, stored, crc)."""
    message = pb.Marks(released_bytes=released)
    for stream, received, stored, crc in found:
        message.marks.add(
            stream_id=stream, incarnation=1, received_through=received, stored_through=stored,
            record_crc=crc,
        )  # fmt: skip
    return pb.Down(marks=message)


def test_streams_take_turns_by_bytes_and_old_incarnations_go_first():
    """A backlog of stream 1, two frames of stream 2: they alternate."""
    side = welcomed(lane(1, 20, incarnation=5), lane(1, 20, incarnation=6), lane(2, 20))
    assert send(side, 0) == [
        (1, 5, 1, 10), (2, 1, 1, 10), (1, 5, 11, 20), (2, 1, 11, 20), (1, 6, 1, 10), (1, 6, 11, 20),
    ]  # fmt: skip


def test_the_window_holds_and_opens_by_what_the_centre_dealt_with():
    """Three frames of 100 bytes fill 300; a release of one lets one more go."""
    side = welcomed(lane(1, 100), window=300)
    assert len(send(side, 0)) == 3
    side.received(marks((1, 10, 0, None), released=100), at(10))
    assert send(side, 10) == [(1, 1, 31, 40)]


def test_a_throttled_or_refused_stream_waits_alone():
    """The other goes on; after the wait the refused one starts at what was received."""
    side = welcomed(lane(1, 30), lane(2, 30))
    assert len(send(side, 0)) == 6
    side.lanes([lane(1, 50), lane(2, 50)], at(1))
    side.received(pb.Down(throttle=pb.Throttle(stream_id=1, retry_after_ms=500)), at(2))
    refusal = pb.Refusal(stream_id=2, code="frame_corrupt", message="why")
    side.received(pb.Down(refusal=refusal), at(2))
    assert send(side, 3) == []
    assert side.refusals == {2: "frame_corrupt: why"}
    assert send(side, 502) == [(1, 1, 31, 40), (1, 1, 41, 50)]
    assert send(side, 60_002)[0] == (2, 1, 1, 10)


def test_what_stands_still_in_the_log_is_sent_again_each_time_later():
    """After 1 s, then 2 s, then 4 s; progress begins anew."""
    side = welcomed(lane(1, 10))
    send(side, 0)
    side.received(marks((1, 10, 0, None), released=100), at(100))
    when = []
    for ms in range(100, 9_000, 100):
        side.tick(at(ms))
        side.received(pb.Down(beat=pb.Beat()), at(ms))
        if send(side, ms):
            when.append(ms)
    assert when == [1_100, 3_100, 7_100]


def test_a_received_mark_that_falls_back_sends_from_there():
    """The log was wiped: what it had and the database has not goes again."""
    side = welcomed(lane(1, 30))
    send(side, 0)
    side.received(marks((1, 30, 0, None), released=300), at(10))
    assert send(side, 20) == []
    side.received(marks((1, 10, 0, None), released=300), at(30))
    assert send(side, 30) == [(1, 1, 11, 20), (1, 1, 21, 30)]


def test_a_stored_mark_is_for_the_journal_to_judge():
    """The side passes mark and CRC on, also beyond what was ever here."""
    side = welcomed(lane(1, 30))
    send(side, 0)
    (action,) = side.received(marks((1, 30, 99, 5), released=300), at(10))
    assert action == Acknowledge(1, 1, 99, 5)


def test_skew_is_the_one_of_the_quickest_round_trip():
    """Half of the way lies before the centre looked: 5 s ahead, measured through 400 ms."""
    side = welcomed(lane(1, 0))
    for sent_ms, centre_ms, came_ms in ((0, 5_900, 1_000), (2_000, 7_200, 2_400)):
        beat = pb.Beat(clock_ms=1_000_000 + centre_ms, echo_ms=1_000_000 + sent_ms)
        side.received(pb.Down(beat=beat), at(came_ms))
    assert side.clock_skew_ms == 5_000


def test_a_heartbeat_tells_counts_once_and_again_when_they_change():
    """On a connection; a new one hears them all."""
    side = welcomed(lane(1, 0))
    tally = pb.Tally(stream_id=1, day=20_000, heard=3, journaled=3)
    side.tell(UnitReport(tallies=(tally,)))
    told = []
    for ms in (0, 1_000, 2_000):
        if ms == 2_000:
            grown = pb.Tally(stream_id=1, day=20_000, heard=4, journaled=4)
            side.tell(UnitReport(tallies=(grown,)))
        (beat,) = [a for a in side.tick(at(ms)) if isinstance(a, SendUp)]
        told.append([t.heard for t in beat.message.heartbeat.tallies])
        side.received(pb.Down(beat=pb.Beat()), at(ms))
    assert told == [[3], [], [4]]


def test_a_silent_centre_is_given_up():
    """Six heartbeats without a word, or no welcome within a minute."""
    side = welcomed(lane(1, 0))
    assert not any(isinstance(a, Disconnect) for a in side.tick(at(5_999)))
    assert [a.code for a in side.tick(at(6_000))] == ["silent"]
    side.disconnected()
    side.connect(8, at(10_000))
    assert side.tick(at(69_999)) == []
    assert [a.code for a in side.tick(at(70_000))] == ["silent"]


def test_pacing_fills_a_good_line_and_stays_small_on_a_slow_one():
    """1 MB/s with 10 ms: the whole window. 1,200 B/s with 4 s: a few kilobytes, little queue."""
    good = Pacing(UnitLimits(), 4 << 20)
    assert _run(good, bytes_per_s=100_000_000, round_trip_ms=10) > 3_000_000
    slow = Pacing(UnitLimits(), 4 << 20)
    _run(slow, bytes_per_s=1_200, round_trip_ms=4_000)
    assert slow.limit_bytes <= 16_384
    assert slow.records_max(500) < 100


def _run(pacing, *, bytes_per_s, round_trip_ms):
    """Simulate a line for ten minutes of its own time, always something to send."""
    queue, free_ms, released, now = [], 0.0, 0, 0.0
    while now < 600_000 and pacing.limit_bytes < 4 << 20:
        while pacing.open:
            records = pacing.records_max(500)
            size = 20 * records
            pacing.sent(size, records, int(now))
            free_ms = max(free_ms, now) + size / bytes_per_s * 1000
            queue.append((free_ms + round_trip_ms, size))
        now, size = queue.pop(0)
        released += size
        pacing.released(released, int(now))
    return pacing.limit_bytes
