"""The journal: what append returned for is there; what leaves is acknowledged."""

import asyncio
import sqlite3
import threading

import pytest
from bluewhale.capture import CapturedRecord, Frame, RawRecord, record_crc
from bluewhale.journal import (
    Journal,
    JournalBusyError,
    JournalClosedError,
    JournalFullError,
    JournalInUseError,
    JournalVersionError,
)

STREAM = 7
MIB = 1 << 20


def captured(data, *, context=None, connection=5, n=1, at=1_700_000_000_000):
    """One record as a connector would give it."""
    return CapturedRecord(data, context, connection, n, at)


def crc_of(record):
    """The mark of a record that the centre received."""
    return record_crc(
        record.data, n=record.n, connection=record.connection, received_at_ms=record.received_at_ms
    )


def everything(journal, stream_id=STREAM):
    """All record bytes of a stream, incarnation by incarnation."""
    out = []
    for info in journal.streams():
        after = 0
        while info.stream_id == stream_id:
            frame = journal.read(stream_id, info.incarnation, after)
            if frame is None:
                break
            out += [r.data for r in frame.records]
            after = frame.last_seq
    return out


@pytest.fixture
def path(tmp_path):
    """A journal file that does not exist yet."""
    return tmp_path / "journal.db"


def test_sequence_numbers_count_from_one_per_stream(path):
    """Two streams of one process do not share numbers."""
    with Journal.open(path) as journal:
        assert list(journal.append(1, [captured(b"a"), captured(b"b")]).seqs) == [1, 2]
        assert list(journal.append(1, [captured(b"c")]).seqs) == [3]
        assert list(journal.append(2, [captured(b"d")]).seqs) == [1]


def test_a_frame_gives_back_what_was_appended(path):
    """Bytes, connection, n, time, context and framing version survive."""
    record = captured(b"\x00call\xff", context=b"0412", connection=2**63 - 1, n=2, at=5)
    with Journal.open(path) as journal:
        appended = journal.append(STREAM, [record], framing_version=3)
        assert journal.read(STREAM, appended.incarnation) == Frame(
            STREAM,
            appended.incarnation,
            1,
            3,
            (RawRecord(1, b"\x00call\xff", 2**63 - 1, 2, 5),),
            b"0412",
        )
        assert journal.read(STREAM, appended.incarnation, after_seq=1) is None
        assert journal.read(STREAM, 12345) is None


def test_a_frame_ends_where_the_context_or_the_framing_version_changes(path):
    """Every frame can be parsed alone."""
    with Journal.open(path) as journal:
        first = journal.append(STREAM, [captured(b"a"), captured(b"b", context=b"0412")])
        journal.append(STREAM, [captured(b"c", context=b"0412")], framing_version=2)
        frames = [journal.read(STREAM, first.incarnation, after) for after in (0, 1, 2)]
    assert [(f.context, [r.data for r in f.records]) for f in frames] == [
        (None, [b"a"]),
        (b"0412", [b"b"]),
        (b"0412", [b"c"]),
    ]


def test_a_frame_holds_at_most_500_records_or_256_kib(path):
    """501 small records are 500 + 1; 60,000-byte records go four to a frame (240,096 bytes)."""
    with Journal.open(path) as journal:
        small = journal.append(1, [captured(b"x")] * 501)
        assert len(journal.read(1, small.incarnation).records) == 500
        assert len(journal.read(1, small.incarnation, after_seq=500).records) == 1
        large = journal.append(2, [captured(b"y" * 60_000)] * 5)
        assert len(journal.read(2, large.incarnation).records) == 4
        assert len(journal.read(2, large.incarnation, limit=2).records) == 2


def test_a_restart_begins_a_new_incarnation_and_keeps_the_old_records(path):
    """A disk restored from a backup cannot reuse a sequence number."""
    with Journal.open(path) as journal:
        old = journal.append(STREAM, [captured(b"a")])
    with Journal.open(path) as journal:
        new = journal.append(STREAM, [captured(b"b")])
        assert new.incarnation != old.incarnation
        assert new.first_seq == 1
        assert everything(journal) == [b"a", b"b"]
        assert [s.current for s in journal.streams()] == [False, True]


def test_acknowledged_records_are_deleted_and_no_others(path):
    """The mark at 2 of 3 leaves the third."""
    with Journal.open(path) as journal:
        records = [captured(b"a"), captured(b"b"), captured(b"c")]
        incarnation = journal.append(STREAM, records).incarnation
        assert journal.acknowledge(STREAM, incarnation, 2, crc_of(records[1])).deleted == 2
        assert everything(journal) == [b"c"]
        assert journal.acknowledge(STREAM, incarnation, 2, crc_of(records[1])).deleted == 0
        (info,) = journal.streams()
        assert (info.journaled_through, info.stored_through, info.waiting) == (3, 2, 1)


def test_the_oldest_record_that_is_not_acknowledged_says_since_when_it_waits(path):
    """Over all streams, also those of an earlier start; nothing waits when all is stored."""
    with Journal.open(path) as journal:
        assert journal.waiting_since_ms() == 0
        records = [captured(b"a", at=1_000), captured(b"b", at=2_000)]
        old = journal.append(STREAM, records).incarnation
    with Journal.open(path) as journal:
        other = journal.append(8, [captured(b"c", at=3_000)]).incarnation
        assert journal.waiting_since_ms() == 1_000
        # stored and kept for reading again is not waiting
        journal.acknowledge(STREAM, old, 1, crc_of(records[0]), low_water=1)
        assert journal.waiting_since_ms() == 2_000
        journal.acknowledge(STREAM, old, 2, crc_of(records[1]))
        assert journal.waiting_since_ms() == 3_000
        journal.acknowledge(8, other, 1, crc_of(captured(b"c", at=3_000)))
        assert journal.waiting_since_ms() == 0


def test_stored_records_are_kept_from_low_water(path):
    """The embedded log re-reads from low_water after a restart of billing."""
    with Journal.open(path) as journal:
        records = [captured(bytes([65 + i])) for i in range(4)]
        incarnation = journal.append(STREAM, records).incarnation
        journal.acknowledge(STREAM, incarnation, 4, crc_of(records[3]), low_water=3)
        assert everything(journal) == [b"C", b"D"]
        journal.acknowledge(STREAM, incarnation, 4, crc_of(records[3]), low_water=5)
        assert everything(journal) == []


def test_records_that_differ_from_the_mark_move_to_a_new_incarnation(path):
    """A copied unit reused the sequence: nothing is deleted, all get new keys in order."""
    with Journal.open(path) as journal:
        records = [captured(b"a"), captured(b"b"), captured(b"c")]
        old = journal.append(STREAM, records).incarnation
        done = journal.acknowledge(STREAM, old, 2, crc_of(captured(b"foreign")))
        assert done.deleted == 0
        assert done.moved_to not in {None, old}
        assert journal.read(STREAM, old) is None
        assert [(r.seq, r.data) for r in journal.read(STREAM, done.moved_to).records] == [
            (1, b"a"),
            (2, b"b"),
            (3, b"c"),
        ]
        later = journal.append(STREAM, [captured(b"d")])
        assert (later.incarnation, later.first_seq) == (done.moved_to, 4)


def test_a_mark_beyond_what_was_ever_here_is_a_copy_too(path):
    """A restored snapshot hears that the centre has seq 9 of its incarnation."""
    with Journal.open(path) as journal:
        incarnation = journal.append(STREAM, [captured(b"a")]).incarnation
        done = journal.acknowledge(STREAM, incarnation, 9, 1)
        assert done.moved_to is not None
        assert everything(journal) == [b"a"]


def test_a_finished_old_incarnation_is_forgotten_and_a_late_mark_is_harmless(path):
    """The lane of an earlier start goes with its last record."""
    with Journal.open(path) as journal:
        old = journal.append(STREAM, [captured(b"a")]).incarnation
    with Journal.open(path) as journal:
        assert journal.acknowledge(STREAM, old, 1, crc_of(captured(b"a"))).deleted == 1
        assert journal.streams() == []
        assert journal.acknowledge(STREAM, old, 1, crc_of(captured(b"a"))) == (0, None)


def test_notes_commit_with_the_records_and_can_be_deleted(path):
    """Offsets and remembered files are never ahead of or behind the records."""
    with Journal.open(path) as journal:
        journal.append(STREAM, [captured(b"a")], notes={"file/1": b"done", "tail/1": b"9"})
        journal.append(STREAM, [], notes={"tail/1": b"10"})
        assert journal.notes("file/") == {"file/1": b"done"}
        assert journal.note("tail/1") == b"10"
        journal.append(STREAM, [], notes={"file/1": None})
    with Journal.open(path) as journal:
        assert journal.note("file/1") is None
        assert journal.note("tail/1") == b"10"


def test_heard_and_journaled_are_counted_per_day_of_receipt(path):
    """Midnight UTC of day 19675 is 1,699,920,000,000 ms."""
    midnight = 1_699_920_000_000
    with Journal.open(path) as journal:
        journal.append(STREAM, [captured(b"ab", at=midnight - 1), captured(b"c", at=midnight)])
        journal.append(STREAM, [captured(b"d", at=midnight)], heard=3)
        journal.add_heard(STREAM, midnight, 5)
        assert [(t.day, t.heard, t.journaled, t.bytes) for t in journal.tallies(STREAM)] == [
            (19_674, 1, 1, 2),
            (19_675, 1 + 3 + 5, 2, 2),
        ]


def test_a_full_journal_refuses_and_goes_on_after_an_acknowledgement(path):
    """The quota never overwrites: what was stored is whole, what was refused can be retried."""
    kept = []
    with Journal.open(path, quota_bytes=512 * 1024, alarm_ratio=0.5) as journal:

        def fill():
            for i in range(1000):
                record = captured(b"%05d" % i + b"x" * 2000)
                journal.append(STREAM, [record])
                kept.append(record)

        with pytest.raises(JournalFullError, match="connectors stop reading"):
            fill()
        incarnation = journal.streams()[0].incarnation
        assert journal.usage().full
        assert journal.usage().alarm
        assert journal.usage().file_bytes <= 512 * 1024
        assert everything(journal) == [r.data for r in kept]
        journal.acknowledge(STREAM, incarnation, 100, crc_of(kept[99]))
        journal.append(STREAM, [captured(b"retried")])
        assert not journal.usage().full
        assert everything(journal) == [r.data for r in kept[100:]] + [b"retried"]


def test_the_alarm_comes_before_the_quota_is_reached(path):
    """At 50 % of 1 MiB the alarm stands although nothing was refused."""
    with Journal.open(path, quota_bytes=MIB, alarm_ratio=0.5) as journal:
        journal.append(STREAM, [captured(b"x" * 1000)] * 100)
        assert not journal.usage().alarm
        journal.append(STREAM, [captured(b"x" * 1000)] * 500)
        assert journal.usage().alarm
        assert not journal.usage().full


def test_a_disk_that_is_full_refuses_clearly_and_loses_nothing(path):
    """SQLITE_FULL in the middle of a transaction rolls all of it back."""
    with Journal.open(path, page_count_max=40) as journal:
        incarnation = journal.append(STREAM, [captured(b"first")]).incarnation
        with pytest.raises(JournalFullError, match="no room"):
            journal.append(STREAM, [captured(b"x" * 3000)] * 100, notes={"offset": b"1"})
        assert everything(journal) == [b"first"]
        assert journal.note("offset") is None
        second = journal.append(STREAM, [captured(b"second")])
        assert (second.incarnation, second.first_seq) == (incarnation, 2)


def test_a_foreign_lock_is_a_clear_error_and_the_retry_succeeds(path):
    """Another program that holds the write lock delays, it does not lose."""
    with Journal.open(path, busy_timeout_ms=50) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusyError, match="locked by another program"):
            journal.append(STREAM, [captured(b"a")])
        other.execute("ROLLBACK")
        other.close()
        assert list(journal.append(STREAM, [captured(b"a")]).seqs) == [1]


def test_a_journal_has_one_owner(path):
    """Two processes would give the same sequence numbers."""
    with Journal.open(path), pytest.raises(JournalInUseError, match="in use by another process"):
        Journal.open(path)
    Journal.open(path).close()


def test_a_journal_of_a_newer_program_is_left_alone(path):
    """An unknown schema version is an error, not damage."""
    Journal.open(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(JournalVersionError, match="schema version 99"):
        Journal.open(path)


def test_a_closed_journal_says_so_and_closing_commits_what_was_queued(path):
    """Close waits for the writer."""
    journal = Journal.open(path)
    future = journal.submit(STREAM, [captured(b"a")])
    journal.close()
    journal.close()
    assert list(future.result(timeout=60).seqs) == [1]
    with pytest.raises(JournalClosedError):
        journal.append(STREAM, [captured(b"b")])
    with pytest.raises(JournalClosedError):
        journal.streams()


def test_many_threads_append_and_every_record_has_its_own_key(path):
    """8 threads x 50 appends x 3 records = 1200 keys without hole or double."""
    seqs, lock = [], threading.Lock()
    with Journal.open(path) as journal:

        def work(k):
            for i in range(50):
                got = journal.append(STREAM, [captured(b"%d.%d" % (k, i))] * 3)
                with lock:
                    seqs.extend(got.seqs)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seqs) == list(range(1, 1201))
        assert len(everything(journal)) == 1200


def test_appends_that_wait_together_share_one_commit(path):
    """Group commit: 200 queued appends need far fewer transactions."""
    with Journal.open(path) as journal:
        commits = []
        journal._writer.set_trace_callback(lambda s: commits.append(s) if s == "COMMIT" else None)
        for future in [journal.submit(STREAM, [captured(b"x")]) for _ in range(200)]:
            future.result(timeout=60)
        assert 1 <= len(commits) <= 100


def test_an_asynchronous_append_does_not_block_the_loop_and_survives_cancellation(path):
    """A cancelled wait leaves the append in the journal."""

    async def main(journal):
        await journal.append_async(STREAM, [captured(b"a")])
        task = asyncio.create_task(journal.append_async(STREAM, [captured(b"b")]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    journal = Journal.open(path)
    asyncio.run(main(journal))
    journal.close()
    with Journal.open(path) as journal:
        assert everything(journal) == [b"a", b"b"]


def test_contexts_that_no_record_names_are_dropped_at_the_next_start(path):
    """A page header with a time is a new context on every page; 1,200 pages, one record left."""
    with Journal.open(path) as journal:
        records = [captured(b"x", context=b"page %d" % i) for i in range(1200)]
        incarnation = journal.append(STREAM, records).incarnation
        journal.acknowledge(STREAM, incarnation, 1199, crc_of(records[1198]))
    with Journal.open(path) as journal:
        assert journal._select("SELECT data FROM context") == [(b"page 1199",)]
        assert journal.read(STREAM, incarnation).context == b"page 1199"


def test_a_thousand_finished_starts_are_remembered_and_no_more(path):
    """Old starts without records keep their marks for salvage, within a limit."""
    with Journal.open(path) as journal:
        journal.append(STREAM, [captured(b"a")])
        journal.append(STREAM + 1, [captured(b"b")])
        writing = journal._writing
        journal._writer.execute("BEGIN")
        for i in range(1500):
            writing._new_lane(9, i)
        journal._writer.execute("COMMIT")
    with Journal.open(path) as journal:
        assert len(journal._select("SELECT lane FROM lane")) == 1000 + 2
        assert everything(journal) == [b"a"]


def test_a_changed_quota_holds_at_once_and_keeps_what_is_there(tmp_path):
    """Raised, the append that was refused goes in; lowered, the next one is refused."""
    with Journal.open(tmp_path / "journal.db", quota_bytes=512 << 10) as journal:
        big = [CapturedRecord(b"x" * 60_000, None, 1, 1, 0)]
        for _ in range(8):  # 480 of 512 KiB
            journal.append(7, big)
        with pytest.raises(JournalFullError):
            journal.append(7, big)
        before = journal.streams()[0].journaled_through
        journal.set_quota(4 << 20)
        assert journal.append(7, big).last_seq == before + 1
        journal.set_quota(256 << 10)
        with pytest.raises(JournalFullError):
            journal.append(7, big)
        assert journal.usage().quota_bytes == 256 << 10
        assert journal.streams()[0].journaled_through == before + 1


def test_a_commit_of_records_is_told(tmp_path):
    """Notes alone are no news."""
    with Journal.open(tmp_path / "journal.db") as journal:
        told = []
        journal.on_commit = lambda: told.append(1)
        journal.append(7, [], notes={"a": b"1"})
        journal.append(7, [CapturedRecord(b"call", None, 1, 1, 0)])
        journal.note("a")
    assert told == [1]
