"""What every log promises to parser, billing and storage."""

from __future__ import annotations

import os

import pytest
from bluewhale.messaging import (
    MESSAGE_BYTES_MAX,
    Consumer,
    MessageTooLargeError,
    TopicShapeError,
)

from tests.contract.log.conftest import Bench, Heard, poll_until, read


def test_a_partition_keeps_its_order_and_tells_offsets(bench: Bench):
    """Offsets count from 0 and come back in the futures; reading gives the order of sending."""
    topic, producer = bench.topic(), bench.producer()
    sent = [producer.send(topic, 0, b"%d" % i) for i in range(500)]
    producer.flush(30)
    assert [f.result(60) for f in sent] == list(range(500))
    got = read(bench.consumer("g", topic), 500)
    assert [m.offset for m in got] == list(range(500))
    assert [m.value for m in got] == [b"%d" % i for i in range(500)]


def test_a_message_keeps_key_value_headers_and_place(bench: Bench):
    """Key, value, repeated headers and an empty value come back as they were."""
    topic, producer = bench.topic(3), bench.producer()
    headers = (("v", b"1"), ("x", b""), ("x", b"\x00\xff"))
    producer.send(topic, 2, b"", key=b"pbx", headers=headers).result(60)
    producer.send(topic, 2, b"body").result(60)
    first, second = read(bench.consumer("g", topic), 2)
    assert (first.topic, first.partition, first.place) == (topic, 2, (topic, 2))
    assert (first.key, first.value, first.headers) == (b"pbx", b"", headers)
    assert first.header("x") == b""
    assert (second.key, second.value, second.headers) == (None, b"body", ())
    assert second.timestamp_ms >= first.timestamp_ms > 1_700_000_000_000


def test_big_messages_pass_and_too_big_ones_are_refused(bench: Bench):
    """256 KiB and 5 MiB of random bytes pass; beyond the limit the future fails at once."""
    topic, producer = bench.topic(), bench.producer()
    big = [os.urandom(256 << 10), os.urandom(5 << 20)]
    for value in big:
        producer.send(topic, 0, value).result(30)
    with pytest.raises(MessageTooLargeError, match="send fewer rows"):
        producer.send(topic, 0, bytes(MESSAGE_BYTES_MAX + 1)).result(60)
    assert [m.value for m in read(bench.consumer("g", topic), 2)] == big


def test_a_place_that_does_not_exist_is_refused(bench: Bench):
    """An unknown topic or partition: the error names it and says what to do."""
    topic, producer = bench.topic(), bench.producer()
    with pytest.raises(TopicShapeError, match=f"topic {topic} has no partition 7"):
        producer.send(topic, 7, b"").result(30)
    with pytest.raises(TopicShapeError, match="topic nowhere does not exist"):
        producer.send("nowhere", 0, b"").result(30)
    with pytest.raises(TopicShapeError, match="topic nowhere does not exist"):
        bench.log.topic_id("nowhere")


def test_topics_are_made_once_and_never_with_another_count(bench: Bench):
    """Ensuring again changes nothing; another count is refused with the remedy."""
    topic = bench.topic(3)
    before = bench.log.topic_id(topic)
    bench.log.ensure_topics(3, 1, [topic])
    assert (bench.log.topic_id(topic), bench.log.partitions(topic)) == (before, 3)
    with pytest.raises(
        TopicShapeError, match=r"has 3 partitions, this installation 4: set .* to 3"
    ):
        bench.log.ensure_topics(4, 1, [topic])


def test_what_was_not_committed_comes_again(bench: Bench):
    """A member that leaves without committing leaves its messages to the next one."""
    topic, producer = bench.topic(), bench.producer()
    for i in range(10):
        producer.send(topic, 0, b"%d" % i)
    producer.flush(30)
    first = bench.consumer("g", topic)
    assert len(read(first, 10)) == 10
    first.commit({(topic, 0): (4, "low_water=2")})
    first.close()
    second = bench.consumer("g", topic)
    assert [m.offset for m in read(second, 6)] == [4, 5, 6, 7, 8, 9]
    assert second.committed((topic, 0)) == (4, "low_water=2")


def test_groups_do_not_see_each_others_commits(bench: Bench):
    """Two groups read everything, each at its own pace."""
    topic, producer = bench.topic(), bench.producer()
    producer.send(topic, 0, b"x").result(30)
    one, two = bench.consumer("g1", topic), bench.consumer("g2", topic)
    assert len(read(one, 1)) == 1
    one.commit({(topic, 0): (1, "")})
    assert len(read(two, 1)) == 1
    assert two.committed((topic, 0)) is None


def test_a_paused_place_gives_nothing_until_it_is_resumed(bench: Bench):
    """Pausing one place leaves the other flowing, and skips nothing."""
    topic, producer = bench.topic(2), bench.producer()
    consumer = bench.consumer("g", topic)
    poll_until(lambda: len(consumer.assignment()) == 2, consumer)
    consumer.pause([(topic, 0)])
    for i in range(20):
        producer.send(topic, i % 2, b"%d" % i)
    producer.flush(30)
    assert {m.partition for m in read(consumer, 10)} == {1}
    for _ in range(5):
        assert consumer.poll(20, 100) == {}
    consumer.resume([(topic, 0)])
    assert [m.value for m in read(consumer, 10)] == [b"%d" % i for i in range(0, 20, 2)]


def test_a_place_paused_in_the_middle_goes_on_where_it_was(bench: Bench):
    """Paused with messages fetched and not given out, while another place is read to its end."""
    topic, producer = bench.topic(2), bench.producer()
    for i in range(20):
        for partition in (0, 1):
            producer.send(topic, partition, b"%d" % i)
    producer.flush(30)
    consumer = bench.consumer("g", topic)
    first: list = []
    while not first:
        first = [m for found in consumer.poll(100, 3).values() for m in found]
    paused = first[0].place
    consumer.pause([paused])
    got = {(topic, 0): 0, (topic, 1): 0}
    for message in first:
        got[message.place] += 1
    poll_until(lambda: got.get((topic, 1 - paused[1])) == 20, _Counting(consumer, got))
    consumer.resume([paused])
    poll_until(lambda: got[paused] == 20, _Counting(consumer, got))


class _Counting:
    """A consumer that counts what it gives, per place."""

    def __init__(self, consumer: Consumer, got: dict) -> None:
        self._consumer, self._got = consumer, got

    def poll(self, timeout_ms: int, max_messages: int) -> dict:
        found = self._consumer.poll(timeout_ms, max_messages)
        for place, messages in found.items():
            self._got[place] += len(messages)
        return found


def test_seeking_reads_again_from_there(bench: Bench):
    """Back and forth; the position follows; the end is the next offset to be written."""
    topic, producer = bench.topic(), bench.producer()
    for i in range(5):
        producer.send(topic, 0, b"%d" % i)
    producer.flush(30)
    consumer, place = bench.consumer("g", topic), (topic, 0)
    assert len(read(consumer, 5)) == 5
    assert consumer.position(place) == 5
    consumer.seek(place, 1)
    assert consumer.position(place) == 1
    assert [m.offset for m in read(consumer, 4)] == [1, 2, 3, 4]
    consumer.seek(place, 4)
    assert [m.offset for m in read(consumer, 1)] == [4]
    assert consumer.end_offsets([place]) == {place: 5}


def test_a_poll_gives_no_more_than_it_was_asked_for(bench: Bench):
    """Ten messages in polls of at most three."""
    topic, producer = bench.topic(), bench.producer()
    for _ in range(10):
        producer.send(topic, 0, b"")
    producer.flush(30)
    consumer, sizes = bench.consumer("g", topic), []
    while sum(sizes) < 10:
        sizes.append(sum(map(len, consumer.poll(100, 3).values())))
    assert max(sizes) == 3


def test_two_members_share_the_partitions(bench: Bench):
    """The second member takes half; the first is told what it gives, and only that; on leaving all returns."""
    topic, heard, other = bench.topic(4), Heard(), Heard()
    one = bench.consumer("g", topic, listener=heard)
    poll_until(lambda: len(one.assignment()) == 4, one)
    two = bench.consumer("g", topic, listener=other)
    poll_until(lambda: len(one.assignment()) == len(two.assignment()) == 2, one, two)
    assert one.assignment() | two.assignment() == {(topic, i) for i in range(4)}
    given = tuple(sorted(two.assignment()))
    assert [told for told in heard.told if told[0] == "revoked"] == [("revoked", given)]
    assert not any(kind == "lost" for kind, _ in heard.told + other.told)
    two.close()
    assert other.told[-1] == ("revoked", given)
    poll_until(lambda: len(one.assignment()) == 4, one)


def test_nothing_is_missed_when_members_come_and_go(bench: Bench):
    """Three members come and go while messages flow: every message was read by somebody."""
    topic, producer = bench.topic(4), bench.producer()
    seen: set[bytes] = set()

    def take(consumer) -> None:
        for place, messages in consumer.poll(50, 20).items():
            seen.update(m.value for m in messages)
            consumer.commit({place: (messages[-1].offset + 1, "")})

    members = [bench.consumer("g", topic)]
    for i in range(200):
        producer.send(topic, i % 4, b"%d" % i)
        if i == 60:
            members.append(bench.consumer("g", topic))
        if i == 120:
            members.pop(0).close()
            members.append(bench.consumer("g", topic))
        if i % 10 == 0:
            producer.flush(30)
            for member in members:
                take(member)
    producer.flush(30)
    poll_until(lambda: [take(m) for m in members] and len(seen) == 200)
    assert seen == {b"%d" % i for i in range(200)}


def test_a_topic_made_again_is_another_topic(bench: Bench):
    """Wiped while nobody reads: another id, nothing committed, read from the beginning."""
    topic, producer = bench.topic(), bench.producer()
    for i in range(8):
        producer.send(topic, 0, b"old %d" % i)
    producer.flush(30)
    consumer, before = bench.consumer("g", topic), bench.log.topic_id(topic)
    assert len(read(consumer, 8)) == 8
    assert consumer.topic_id(topic) == before
    consumer.commit({(topic, 0): (8, "low_water=8")})
    consumer.close()
    bench.wipe(topic, 1)
    producer = bench.producer()
    for i in range(10):
        producer.send(topic, 0, b"new %d" % i).result(30)
    assert bench.log.topic_id(topic) != before
    consumer = bench.consumer("g", topic)
    assert [m.value for m in read(consumer, 10)] == [b"new %d" % i for i in range(10)]
    assert consumer.committed((topic, 0)) is None
    assert consumer.topic_id(topic) == bench.log.topic_id(topic)


@pytest.mark.parametrize("count", [3, 20], ids=["shorter", "longer"])
def test_a_topic_made_again_under_a_reader_is_read_from_its_beginning(bench: Bench, count: int):
    """The reader hears lost, then assigned, and gets the new topic's messages in order, no other."""
    topic, heard = bench.topic(), Heard()
    producer = bench.producer()
    for _ in range(8):
        producer.send(topic, 0, b"old")
    producer.flush(30)
    consumer = bench.consumer("g", topic, listener=heard)
    assert len(read(consumer, 8)) == 8
    consumer.commit({(topic, 0): (8, "")})
    bench.wipe(topic, 1)
    producer = bench.producer()
    for i in range(count):
        producer.send(topic, 0, b"new %d" % i).result(30)
    seen: list[bytes] = []
    heard.told.clear()

    def complete() -> bool:
        seen.extend(m.value for p in consumer.poll(50, 100).values() for m in p)
        return len(seen) >= count

    poll_until(complete)
    assert seen == [b"new %d" % i for i in range(count)]
    assert [kind for kind, _ in heard.told] == ["lost", "assigned"]
    assert consumer.topic_id(topic) == bench.log.topic_id(topic)
    assert consumer.committed((topic, 0)) is None


def test_a_topic_made_again_with_other_partitions_is_refused(bench: Bench):
    """A reader that sees another count of partitions stops with the remedy."""
    topic = bench.topic(2)
    consumer = bench.consumer("g", topic)
    poll_until(lambda: len(consumer.assignment()) == 2, consumer)
    bench.wipe(topic, 3)
    with pytest.raises(
        TopicShapeError, match=f"topic {topic} has 3 partitions, this installation 2"
    ):
        poll_until(lambda: False, consumer)
