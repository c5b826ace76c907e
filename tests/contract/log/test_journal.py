"""The journal as the raw topic keeps what of the contract it can keep, and says what it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from bluewhale.capture.records import CapturedRecord, record_crc
from bluewhale.journal import Journal
from bluewhale.messaging import RAW, JournalLog, LogError, TopicShapeError
from bluewhale.messaging.envelopes import decode_raw

from tests.contract.log.conftest import Heard, read

FIRST, SECOND = (RAW, 0), (RAW, 1)


def put(journal: Journal, stream_id: int, *texts: bytes, context: bytes | None = None) -> None:
    """Journal records of one stream."""
    journal.append(stream_id, [CapturedRecord(t, context, 1, 1, 1000) for t in texts])


def texts(messages) -> list[bytes]:
    """Give the records of raw messages, one after the other."""
    return [r.data for m in messages for r in decode_raw(m).frame().records]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the file of the journal."""
    return tmp_path / "journal.db"


def test_frames_come_in_order_and_say_whose_they_are(path: Path):
    """Two streams are two partitions; a change of context makes another message; offsets rise."""
    with Journal.open(path) as journal:
        log = JournalLog(journal, [7, 9], clock_ms=lambda: 1_700_000_000_000)
        log.ensure_topics(2, 1)
        put(journal, 7, b"a", b"b", context=b"H1")
        put(journal, 7, b"c", context=b"H2")
        put(journal, 9, b"x")
        got = read(log.consumer("g", [RAW], Heard()), 3)
        assert texts(m for m in got if m.place == FIRST) == [b"a", b"b", b"c"]
        assert texts(m for m in got if m.place == SECOND) == [b"x"]
        raw = decode_raw(got[0])
        assert (raw.stream_id, raw.first_seq, raw.last_seq) == (7, 1, 2)
        assert raw.ingested_at_ms == 1_700_000_000_000
        assert [m.offset for m in got if m.place == FIRST] == [1, 3]


def test_what_was_not_committed_comes_again_after_a_restart(path: Path):
    """Commit with metadata survives; the next process reads from it, over incarnations."""
    with Journal.open(path) as journal:
        log = JournalLog(journal, [7])
        before = log.topic_id(RAW)
        consumer = log.consumer("g", [RAW], Heard())
        put(journal, 7, b"a")
        assert texts(read(consumer, 1)) == [b"a"]
        consumer.commit({FIRST: (consumer.position(FIRST), "v1 low_water=1")})
        put(journal, 7, b"b")
        assert texts(read(consumer, 1)) == [b"b"]
        consumer.close()
    with Journal.open(path) as journal:
        put(journal, 7, b"c")
        log = JournalLog(journal, [7])
        assert log.topic_id(RAW) == before
        heard = Heard()
        consumer = log.consumer("g", [RAW], heard)
        again = read(consumer, 2)
        assert texts(again) == [b"b", b"c"]
        assert again[1].offset > again[0].offset
        assert consumer.committed(FIRST) == (2, "v1 low_water=1")
        assert consumer.end_offsets([FIRST])[FIRST] == consumer.position(FIRST)
        consumer.close()
        assert heard.told == [("assigned", (FIRST,)), ("revoked", (FIRST,))]


def test_pausing_seeking_and_limits_hold(path: Path):
    """A paused partition waits, a seek reads again, a poll gives no more than asked."""
    with Journal.open(path) as journal:
        log = JournalLog(journal, [7, 9])
        for i in range(6):
            put(journal, 7, b"%d" % i, context=b"%d" % i)
        put(journal, 9, b"x")
        consumer = log.consumer("g", [RAW], Heard())
        consumer.poll(0, 1)
        consumer.pause([FIRST])
        assert {m.place for m in read(consumer, 1)} == {SECOND}
        assert consumer.poll(20, 10) == {}
        consumer.resume([FIRST])
        assert [len(consumer.poll(0, 2)[FIRST]) for _ in range(2)] == [2, 2]
        consumer.seek(FIRST, 2)
        assert texts(read(consumer, 5))[:2] == [b"1", b"2"]


def test_acknowledged_records_are_gone_and_the_rest_comes(path: Path):
    """What the main database has stored was deleted; a reader from the beginning gets the rest."""
    with Journal.open(path) as journal:
        log = JournalLog(journal, [7])
        put(journal, 7, b"a", context=b"1")
        put(journal, 7, b"b", context=b"2")
        (info,) = journal.streams()
        frame = journal.read(7, info.incarnation, 0)
        r = frame.records[0]
        crc = record_crc(r.data, n=r.n, connection=r.connection, received_at_ms=r.received_at_ms)
        journal.acknowledge(7, info.incarnation, 1, crc)
        assert texts(read(log.consumer("g", [RAW], Heard()), 1)) == [b"b"]


def test_what_a_journal_cannot_do_it_says(path: Path):
    """No producer, no other topic, no other count of partitions, no second reader of a group."""
    with Journal.open(path) as journal:
        log = JournalLog(journal, [7])
        with pytest.raises(LogError, match="from its connectors"):
            log.producer()
        with pytest.raises(TopicShapeError, match=r"cdr\.parsed does not exist"):
            log.consumer("g", ["cdr.parsed"], Heard())
        with pytest.raises(TopicShapeError, match="one partition per stream, 1, not 4"):
            log.ensure_topics(4, 1)
        first = log.consumer("g", [RAW], Heard())
        with pytest.raises(LogError, match="one reader per group"):
            log.consumer("g", [RAW], Heard())
        first.close()
        log.consumer("g", [RAW], Heard()).close()
