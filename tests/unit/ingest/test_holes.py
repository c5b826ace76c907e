"""A main database that knows less than its units were told: what is missing gets a name, once."""

from __future__ import annotations

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import CaptureLoss
from bluewhale.ingest.holes import AGAIN_MS, HOLD_MS, Holes
from bluewhale.uplink import StoredMark

OWN = {7: "hq"}


def lane(stored_through: int, stream_id: int = 7) -> pb.Lane:
    """A lane as a unit tells it."""
    return pb.Lane(
        stream_id=stream_id, incarnation=11, journaled_through=900, stored_through=stored_through
    )


def mark(stored_through: int) -> StoredMark:
    """The mark of the main database."""
    return StoredMark(7, 11, stored_through, 1)


def test_what_the_unit_deleted_and_the_database_lacks_is_one_loss():
    """Stored through 500 said the database that is gone; the restored one says 100."""
    holes = Holes()
    assert holes.found([lane(500)], OWN, [mark(100)], 0) == []  # the mark may be on its way
    (frame,) = holes.found([lane(500)], OWN, [mark(100)], HOLD_MS)
    assert (frame.stream_id, frame.incarnation, frame.first_seq, frame.last_seq) == (
        7,
        11,
        101,
        500,
    )
    assert frame.frame().losses == (CaptureLoss(101, 500, "database_restored"),)
    assert frame.frame().records == ()


def test_a_hole_is_named_again_only_if_it_stays():
    """A minute later the log may have lost the name; behind a mark that moved there is no hole."""
    holes = Holes()
    holes.found([lane(500)], OWN, [mark(100)], 0)
    assert len(holes.found([lane(500)], OWN, [mark(100)], HOLD_MS)) == 1
    assert holes.found([lane(500)], OWN, [mark(100)], HOLD_MS + AGAIN_MS - 1) == []
    assert len(holes.found([lane(500)], OWN, [mark(100)], HOLD_MS + AGAIN_MS)) == 1
    assert holes.found([lane(500)], OWN, [mark(500)], HOLD_MS + 2 * AGAIN_MS) == []


def test_a_lane_that_the_database_never_saw_is_missing_from_its_first_record():
    """The unit began it after the backup."""
    holes = Holes()
    holes.found([lane(3)], OWN, [], 0)
    (frame,) = holes.found([lane(3)], OWN, [], HOLD_MS)
    assert (frame.first_seq, frame.last_seq) == (1, 3)


def test_equal_marks_marks_ahead_and_streams_of_others_are_no_hole():
    """What happens every second."""
    holes = Holes()
    for now_ms in (0, HOLD_MS):
        assert holes.found([lane(500), lane(0)], OWN, [mark(500)], now_ms) == []
        assert holes.found([lane(400)], OWN, [mark(500)], now_ms) == []
        assert holes.found([lane(500, stream_id=8)], OWN, [mark(500)], now_ms) == []
