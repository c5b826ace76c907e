"""A damaged journal: only what stood on the damaged bytes is lost, and it is named."""

import random
import shutil
import sqlite3

import pytest
from bluewhale.capture import CapturedRecord, CaptureLoss, record_crc
from bluewhale.journal import Journal

STREAM = 7
PAGE = 4096
COUNT = 3000


def data_of(seq):
    """About 100 bytes that name their seq."""
    return b"%06d" % seq + b"." * 94


def filled(path, count=COUNT, length=None):
    """A closed journal with `count` records of one incarnation."""
    with Journal.open(path) as journal:
        records = [
            CapturedRecord(data_of(i + 1) + b"y" * (length or 0), b"0412", 5, 1, 1_700_000_000_000)
            for i in range(count)
        ]
        appended = journal.append(STREAM, records, notes={"tail/a": b"17"})
    return appended.incarnation


def read_all(journal, incarnation):
    """(seqs of sound records, losses) as a consumer sees them."""
    seqs, losses, after = [], [], 0
    while (frame := journal.read(STREAM, incarnation, after)) is not None:
        losses += frame.losses
        for record in frame.records:
            assert record.data.startswith(data_of(record.seq))
            seqs.append(record.seq)
        after = frame.last_seq
    return seqs, losses


def lost_seqs(losses):
    """The sequence numbers that losses name."""
    return [s for loss in losses for s in range(loss.first_seq, loss.last_seq + 1)]


def overwrite(path, at, data):
    """Damage the file as a bad disk would."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def page_of(path, seq):
    """The page number (from 0) on which a record of about 100 bytes stands."""
    return path.read_bytes().index(data_of(seq)) // PAGE


def test_a_page_of_garbage_costs_only_its_records(tmp_path):
    """A leaf page overwritten in the middle: its ~25 records are named, all others are kept."""
    path = tmp_path / "journal.db"
    incarnation = filled(path)
    page = page_of(path, 1500)
    before = path.read_bytes()[page * PAGE : (page + 1) * PAGE]
    on_page = [s for s in range(1, COUNT + 1) if data_of(s) in before]
    overwrite(path, page * PAGE, random.Random(1).randbytes(PAGE))
    with Journal.open(path, clock=lambda: 1_700_000_000.0) as journal:
        seqs, losses = read_all(journal, incarnation)
        assert lost_seqs(losses) == on_page
        assert seqs == [s for s in range(1, COUNT + 1) if s not in on_page]
        assert losses == [CaptureLoss(on_page[0], on_page[-1], "journal_page_corrupt")]
        assert journal.salvaged.losses == {(STREAM, incarnation): losses}
        assert journal.salvaged.tables_lost == []
        assert journal.note("tail/a") == b"17"
        assert journal.tallies(STREAM)[0].journaled == COUNT
        assert journal.append(STREAM, [CapturedRecord(b"new", None, 1, 1, 0)]).first_seq == 1
    damaged = tmp_path / "journal.db.damaged-20231114T221320Z"
    assert damaged.stat().st_size > COUNT * 100
    with Journal.open(path) as journal:
        assert journal.salvaged is None
        assert lost_seqs(read_all(journal, incarnation)[1]) == on_page


def test_bytes_changed_inside_a_record_cost_that_record_alone(tmp_path):
    """SQLite does not notice; the record's own CRC does."""
    path = tmp_path / "journal.db"
    incarnation = filled(path, 100)
    overwrite(path, path.read_bytes().index(data_of(50)) + 20, b"DAMAGE")
    with Journal.open(path) as journal:
        assert journal.salvaged is None
        seqs, losses = read_all(journal, incarnation)
        assert losses == [CaptureLoss(50, 50, "journal_page_corrupt")]
        assert seqs == [s for s in range(1, 101) if s != 50]
        own = CapturedRecord(data_of(100), b"0412", 5, 1, 1_700_000_000_000)
        crc = record_crc(own.data, n=1, connection=5, received_at_ms=own.received_at_ms)
        assert journal.acknowledge(STREAM, incarnation, 50, 123).moved_to is None
        assert journal.acknowledge(STREAM, incarnation, 100, crc).deleted == 50


def test_a_few_bytes_in_the_middle_of_a_page_leave_its_other_records(tmp_path):
    """Cells of a half damaged page are read one by one."""
    path = tmp_path / "journal.db"
    incarnation = filled(path)
    page = page_of(path, 1500)
    overwrite(path, page * PAGE + 2000, b"\xff" * 300)
    overwrite(path, page * PAGE + 1, b"\xff\xff")  # a free block beyond the page: malformed
    with Journal.open(path) as journal:
        assert journal.salvaged is not None
        seqs, losses = read_all(journal, incarnation)
    assert 1 <= len(lost_seqs(losses)) <= 4  # 300 bytes touch at most 4 records of ~140
    assert sorted(seqs + lost_seqs(losses)) == list(range(1, COUNT + 1))


def test_a_damaged_page_of_the_tree_costs_no_record(tmp_path):
    """Inner pages hold no records: the leaves are found without them."""
    path = tmp_path / "journal.db"
    incarnation = filled(path)
    image = path.read_bytes()
    inner = [p for p in range(1, len(image) // PAGE) if image[p * PAGE] == 0x05]
    assert inner
    for page in inner:
        overwrite(path, page * PAGE, b"\x00" * PAGE)
    with Journal.open(path) as journal:
        assert journal.salvaged is not None
        assert read_all(journal, incarnation) == (list(range(1, COUNT + 1)), [])


def test_a_destroyed_head_of_the_file_costs_notes_but_no_record(tmp_path):
    """Page 1 is gone, so SQLite knows no table; records name their stream themselves."""
    path = tmp_path / "journal.db"
    incarnation = filled(path)
    overwrite(path, 0, b"\x00" * PAGE)
    with Journal.open(path) as journal:
        assert read_all(journal, incarnation) == (list(range(1, COUNT + 1)), [])
        assert "note" in journal.salvaged.tables_lost


def test_long_records_on_overflow_pages_are_salvaged(tmp_path):
    """A record of 20,000 bytes spans five pages; its neighbour's damage does not touch it."""
    path = tmp_path / "journal.db"
    incarnation = filled(path, 40, length=20_000)
    overwrite(path, path.read_bytes().index(data_of(20)) // PAGE * PAGE, b"\xee" * PAGE)
    with Journal.open(path) as journal:
        seqs, losses = read_all(journal, incarnation)
    assert 20 in lost_seqs(losses)
    assert len(seqs) >= 36
    assert sorted(seqs + lost_seqs(losses)) == list(range(1, 41))


def test_acknowledged_records_on_freed_pages_do_not_come_back(tmp_path):
    """Salvage reads raw pages, also those that were freed."""
    path = tmp_path / "journal.db"
    incarnation = filled(path)
    crc = record_crc(data_of(2000), n=1, connection=5, received_at_ms=1_700_000_000_000)
    with Journal.open(path) as journal:
        journal.acknowledge(STREAM, incarnation, 2000, crc)
    page = page_of(path, 2500)
    overwrite(path, page * PAGE, b"\x00" * PAGE)
    with Journal.open(path) as journal:
        seqs, losses = read_all(journal, incarnation)
    assert 2500 in lost_seqs(losses)
    assert sorted(seqs + lost_seqs(losses)) == list(range(2001, COUNT + 1))


def test_records_that_are_only_in_the_write_ahead_log_are_salvaged(tmp_path):
    """A process that died left its last commits in the log; the database file is damaged."""
    path = tmp_path / "journal.db"
    with Journal.open(path) as journal:
        for i in range(50):
            journal.append(STREAM, [CapturedRecord(data_of(i + 1), None, 5, 1, 1_700_000_000_000)])
        incarnation = journal.streams()[0].incarnation
        copy = tmp_path / "copy" / "journal.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        shutil.copy(path.with_name("journal.db-wal"), copy.with_name("journal.db-wal"))
    overwrite(copy, 0, b"\xaa" * 4096)
    with Journal.open(copy) as journal:
        seqs, losses = read_all(journal, incarnation)
    assert sorted(seqs + lost_seqs(losses)) == list(range(1, 51))


def test_a_crash_between_the_renames_of_a_salvage_is_finished_at_the_next_start(tmp_path):
    """The salvaged file is complete before the damaged one is moved away."""
    path = tmp_path / "journal.db"
    incarnation = filled(path, 10)
    path.rename(tmp_path / "journal.db.salvaged")
    with Journal.open(path) as journal:
        assert read_all(journal, incarnation) == (list(range(1, 11)), [])


@pytest.mark.parametrize("seed", range(12))
def test_any_damage_keeps_every_record_either_readable_or_named(tmp_path, seed):
    """Random bytes at random places: readable + named = all, and nothing is both."""
    path = tmp_path / "journal.db"
    incarnation = filled(path, 1000)
    chance = random.Random(seed)
    size = path.stat().st_size
    for _ in range(chance.randint(1, 6)):
        overwrite(path, chance.randrange(PAGE, size), chance.randbytes(chance.randint(1, 3000)))
    path.write_bytes(path.read_bytes()[:size])
    with Journal.open(path) as journal:
        seqs, losses = read_all(journal, incarnation)
        lost = lost_seqs(losses)
        assert not set(seqs) & set(lost)
        whole_lane = journal.salvaged is None or "lane" not in journal.salvaged.tables_lost
        if whole_lane:
            assert sorted(seqs + lost) == list(range(1, 1001))
        else:
            assert sorted(seqs + lost) == list(range(min(seqs), max(seqs) + 1))


def test_a_changed_mark_of_a_stream_is_damage_and_no_record_is_hidden(tmp_path):
    """SQLite sees nothing wrong with a mark that says all was deleted; the row's CRC does."""
    path = tmp_path / "journal.db"
    incarnation = filled(path, 100)
    raw = sqlite3.connect(path)
    raw.execute("UPDATE lane SET deleted_through = 90")
    raw.commit()
    raw.close()
    with Journal.open(path) as journal:
        assert journal.salvaged.complaint == (
            "the marks of a stream are damaged; restart to salvage them"
        )
        assert read_all(journal, incarnation) == (list(range(1, 101)), [])


def test_a_changed_note_is_forgotten_not_believed(tmp_path):
    """A wrong offset would lose lines; without it the file is read again and told apart by id."""
    path = tmp_path / "journal.db"
    filled(path, 1)
    raw = sqlite3.connect(path)
    raw.execute("UPDATE note SET value = cast(substr(value, 1, 4) || x'39' AS BLOB)")
    raw.commit()
    raw.close()
    with Journal.open(path) as journal:
        assert journal.note("tail/a") is None
        assert journal.notes("tail/") == {}


@pytest.mark.parametrize("damage", ["head", "leaf"])
def test_an_old_start_that_is_finished_does_not_come_back_from_freed_pages(tmp_path, damage):
    """All its records were acknowledged; damage elsewhere must not name them as lost."""
    path = tmp_path / "journal.db"
    old = filled(path)
    crc = record_crc(data_of(COUNT), n=1, connection=5, received_at_ms=1_700_000_000_000)
    with Journal.open(path) as journal:
        assert journal.acknowledge(STREAM, old, COUNT, crc).deleted == COUNT
        assert journal.streams() == []
        new = journal.append(STREAM, [CapturedRecord(data_of(9999), None, 1, 1, 0)]).incarnation
    if damage == "head":
        overwrite(path, 0, b"\x00" * PAGE)
    else:
        overwrite(path, page_of(path, 9999) * PAGE, b"\xee" * PAGE)
    with Journal.open(path) as journal:
        assert list(journal.salvaged.losses) == ([] if damage == "head" else [(STREAM, new)])
        assert [(s.incarnation, s.journaled_through) for s in journal.streams()] == [(new, 1)]


def test_an_empty_or_foreign_file_gives_a_fresh_journal_beside_it(tmp_path):
    """A file that never was a journal is kept under a dated name."""
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is no database" * 1000)
    with Journal.open(path) as journal:
        assert journal.streams() == []
        assert journal.salvaged.damaged_path.read_bytes().startswith(b"this is no database")
    sqlite3.connect(path).close()
