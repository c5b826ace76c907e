"""A copy of a journal: of one moment, while its owner writes, and settled with a main database."""

from __future__ import annotations

from pathlib import Path

from bluewhale.capture import CapturedRecord, record_crc
from bluewhale.journal import Journal
from bluewhale.journal.snapshot import settle, snapshot

STREAM = 7


def captured(data: bytes) -> CapturedRecord:
    """One record as a connector would give it."""
    return CapturedRecord(data, None, 5, 1, 1_700_000_000_000)


def crc(data: bytes) -> int:
    """The CRC that the main database has of it."""
    return record_crc(data, n=1, connection=5, received_at_ms=1_700_000_000_000)


def held(path: Path, incarnation: int) -> list[bytes]:
    """Give what a journal still holds of a lane."""
    with Journal.open(path) as journal:
        frame = journal.read(STREAM, incarnation)
        return [] if frame is None else [r.data for r in frame.records]


def test_a_copy_is_of_the_moment_it_was_begun_whatever_comes_and_goes_since(tmp_path: Path):
    """Ten records held; three delivered and five more heard before the bytes are copied."""
    copy = tmp_path / "copy.db"
    with Journal.open(tmp_path / "journal.db") as journal:
        ten = [b"%d" % i for i in range(10)]
        incarnation = journal.append(
            STREAM, [captured(x) for x in ten], notes={"offset": b"10"}
        ).incarnation
        with snapshot(journal.path) as write:
            journal.acknowledge(STREAM, incarnation, 3, crc(b"2"))
            journal.append(STREAM, [captured(b"later")] * 5, notes={"offset": b"15"})
            write(copy)
        assert journal.append(STREAM, [captured(b"on")]).first_seq == 16
    assert held(copy, incarnation) == ten
    with Journal.open(copy) as journal:
        assert journal.note("offset") == b"10"


def test_settled_copies_hold_what_the_main_database_has_not(tmp_path: Path):
    """Marks below, at and beyond the end of a lane; none of them takes it for another unit's."""
    for through, left in ((0, [b"a", b"b", b"c"]), (2, [b"c"]), (3, []), (5, [])):
        path = tmp_path / f"{through}.db"
        with Journal.open(path) as journal:
            records = [captured(b"a"), captured(b"b"), captured(b"c")]
            incarnation = journal.append(STREAM, records).incarnation
        mark_crc = crc(b"abc"[through - 1 : through]) if 0 < through <= 3 else 4711
        settle(path, [(STREAM, incarnation, through, mark_crc), (8, 1, 9, None)])
        assert held(path, incarnation) == left
        with Journal.open(path) as journal:
            assert [s.incarnation for s in journal.streams()] == ([incarnation] if left else [])


def test_a_record_that_differs_from_the_mark_stays_in_a_settled_copy(tmp_path: Path):
    """Only what matches its checksum is deleted: the others get new capture keys."""
    path = tmp_path / "journal.db"
    with Journal.open(path) as journal:
        incarnation = journal.append(STREAM, [captured(b"a"), captured(b"b")]).incarnation
    settle(path, [(STREAM, incarnation, 2, crc(b"other"))])
    with Journal.open(path) as journal:
        (lane,) = journal.streams()
        assert lane.incarnation != incarnation
        assert lane.waiting == 2
