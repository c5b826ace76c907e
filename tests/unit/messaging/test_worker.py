"""The loop that roles share: nothing is committed before it is durable, and what fails comes again."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from bluewhale.capture.exceptions import PermanentError, TemporaryError
from bluewhale.messaging import (
    ConsumerStalledError,
    EnvelopeCorruptError,
    EnvelopeVersionError,
    Handler,
    LogUnavailableError,
    LowWater,
    MemoryLog,
    Message,
    Place,
    Portion,
    Watchdog,
    Worker,
)


class Keeper(Handler):
    """A handler that keeps what it was given, and fails as it is told."""

    def __init__(self) -> None:
        self.handled: list[tuple[int, int, bool]] = []  # partition, offset, muted
        self.told: list[str] = []
        self.failures: list[Exception] = []
        self.waits: list[Future[int]] = []
        self.start: int | None = None
        self.held: int | None = None
        self.poison = b""
        self.poisoned_offsets: list[int] = []

    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[int]]:
        if self.failures:
            raise self.failures.pop(0)
        for portion in portions:
            for message in portion.messages:
                if self.poison and message.value == self.poison:
                    raise EnvelopeCorruptError("unreadable")
        for portion in portions:
            self.handled += [(partition, m.offset, portion.muted) for m in portion.messages]
        waits, self.waits = self.waits, []
        return waits

    def assigned(self, place: Place, topic_id: str, committed: int | None) -> int | None:
        self.told.append(f"assigned {place[0]} {place[1]} committed {committed}")
        return self.start

    def low_water(self, place: Place, position: int) -> int:
        return position if self.held is None else min(self.held, position)

    def released(self, place: Place, *, lost: bool) -> None:
        self.told.append(f"released {place[0]} {place[1]} lost {lost}")

    def poisoned(self, message: Message, error: PermanentError) -> None:
        self.poisoned_offsets.append(message.offset)

    def offsets(self) -> list[int]:
        return [offset for _, offset, _ in self.handled]


@pytest.fixture
def log() -> MemoryLog:
    """Give a log with two topics of one partition."""
    made = MemoryLog()
    made.ensure_topics(1, 1, ["in", "second"])
    return made


def worker(log: MemoryLog, handler: Keeper, *topics: str, **settings: object) -> Worker:
    """Give a worker that commits in every round."""
    made = {"poll_ms": 5, "commit_interval_s": 0.0, **settings}
    return Worker(log, "g", topics or ("in",), handler, **made)


def send(log: MemoryLog, count: int, topic: str = "in", value: bytes = b"") -> None:
    """Put messages into partition 0."""
    producer = log.producer()
    for _ in range(count):
        producer.send(topic, 0, value).result()


def committed(log: MemoryLog) -> tuple[int, str] | None:
    """Give what the group committed for the topic as it is now."""
    return log._groups["g"].commits.get((log.topic_id("in"), 0))


def test_a_round_handles_commits_and_says_its_low_water(log: MemoryLog):
    """Five messages: one hand-over, then the commit at 5 with the low water the handler names."""
    send(log, 5)
    handler = Keeper()
    handler.held = 3
    loop = worker(log, handler)
    assert loop.step() == 5
    assert handler.offsets() == [0, 1, 2, 3, 4]
    assert committed(log) == (5, "v1 low_water=3")
    assert loop.step() == 0
    loop.close()
    assert handler.told == ["assigned in 0 committed None", "released in 0 lost False"]


def test_nothing_is_committed_before_its_sends_are_durable(log: MemoryLog):
    """A hand-over whose send is not acknowledged stays uncommitted; later rounds wait behind it."""
    handler, first = Keeper(), Future()
    handler.waits = [first]
    send(log, 2)
    loop = worker(log, handler)
    loop.step()
    send(log, 1)
    loop.step()
    assert handler.offsets() == [0, 1, 2]
    assert committed(log) is None
    first.set_result(0)
    loop.step()
    assert committed(log) == (3, "v1 low_water=3")


def test_a_restart_reads_from_the_low_water_muted_up_to_the_commit(log: MemoryLog):
    """Committed 5 with low water 3: messages 3 and 4 come muted, the next one does not."""
    send(log, 5)
    first = Keeper()
    first.held = 3
    before = worker(log, first)
    before.step()
    before.close()
    send(log, 1)
    second = Keeper()
    after = worker(log, second)
    while not second.offsets() or second.offsets()[-1] < 5:
        after.step()
    assert second.handled == [(0, 3, True), (0, 4, True), (0, 5, False)]
    assert second.told == ["assigned in 0 committed 5"]


def test_a_replay_never_moves_the_commit_back(log: MemoryLog):
    """While muted messages are read again the commit of before stands."""
    send(log, 6)
    first = Keeper()
    first.held = 0
    before = worker(log, first)
    before.step()
    before.close()
    after = worker(log, Keeper(), max_messages=2)
    after.step()
    after.step()
    assert committed(log) == (6, "v1 low_water=0")


def test_a_handler_may_name_its_own_start(log: MemoryLog):
    """Storage starts where its claim stands, whatever was committed; nothing is muted."""
    send(log, 5)
    handler = Keeper()
    handler.start = 2
    worker(log, handler).step()
    assert handler.handled == [(0, 2, False), (0, 3, False), (0, 4, False)]


def test_a_temporary_error_brings_the_same_messages_again(log: MemoryLog):
    """The database is away twice: the worker waits, says so, stays in the group, and goes on."""
    send(log, 3)
    handler = Keeper()
    handler.failures = [TemporaryError("database away", retry_after_s=0.01) for _ in range(2)]
    said: list[str] = []
    loop = worker(log, handler)
    alive = loop.watchdog.alive
    loop.watchdog.alive = lambda doing: (said.append(doing), alive(doing))[1]
    loop.step()
    assert handler.offsets() == [0, 1, 2]
    assert "waiting for what partition 0 needs: database away" in said
    assert loop.error == ""
    assert committed(log) == (3, "v1 low_water=3")


def test_a_place_lost_while_waiting_is_dropped(log: MemoryLog):
    """The group gave the partition away while the database was away: nothing is handled twice here."""
    send(log, 3)
    handler = Keeper()
    loop = worker(log, handler)
    loop.step()
    send(log, 2)

    def lose(partition: int, portions: Sequence[Portion]) -> Sequence[Future[int]]:
        log.expel(loop._consumer)
        handler.handle = original
        raise TemporaryError("database away", retry_after_s=0.01)

    original, handler.handle = handler.handle, lose
    loop.step()
    assert handler.offsets() == [0, 1, 2]
    loop.step()
    assert handler.offsets() == [0, 1, 2, 3, 4]
    assert handler.told[1:] == ["released in 0 lost True", "assigned in 0 committed 3"]


def test_a_failed_send_reads_again_from_the_low_water(log: MemoryLog):
    """The place is released as lost, assigned anew, and everything not durable comes again."""
    send(log, 2)
    handler, broken = Keeper(), Future()
    handler.waits = [broken]
    loop = worker(log, handler)
    loop.step()
    broken.set_exception(LogUnavailableError("no broker"))
    while len(handler.handled) < 4:
        loop.step()
    loop.step()
    assert handler.offsets() == [0, 1, 0, 1]
    assert handler.told[1:] == ["released in 0 lost True", "assigned in 0 committed None"]
    assert committed(log) == (2, "v1 low_water=2")


def test_an_unreadable_message_is_passed_over_alone(log: MemoryLog):
    """Of three messages the middle one is no envelope: the others are handled, the handler hears of it."""
    send(log, 1)
    send(log, 1, value=b"poison")
    send(log, 1)
    handler = Keeper()
    handler.poison = b"poison"
    worker(log, handler).step()
    assert handler.offsets() == [0, 2]
    assert handler.poisoned_offsets == [1]
    assert committed(log) == (3, "v1 low_water=3")


def test_a_newer_envelope_ends_the_worker_and_loses_nothing(log: MemoryLog):
    """Another permanent error goes up; the message stays uncommitted."""
    send(log, 1)
    handler = Keeper()
    handler.failures = [EnvelopeVersionError("update this role")]
    loop = worker(log, handler)
    with pytest.raises(EnvelopeVersionError):
        loop.run()
    assert committed(log) is None


def test_topics_of_one_partition_come_together_in_order(log: MemoryLog):
    """One hand-over has the portions of both topics, in the order in which they were named."""
    send(log, 1, "second")
    send(log, 1, "in")
    handler, seen = Keeper(), []
    handler.handle = lambda _, portions: seen.append([p.place for p in portions]) or ()
    loop = worker(log, handler, "second", "in")
    loop.step()
    assert seen == [[("second", 0), ("in", 0)]]


def test_a_topic_made_again_is_read_from_its_beginning(log: MemoryLog):
    """Released as lost, assigned with nothing committed, and all of the new topic is handled."""
    send(log, 4)
    handler = Keeper()
    loop = worker(log, handler)
    loop.step()
    log.wipe("in")
    send(log, 2)
    while len(handler.handled) < 6:
        loop.step()
    assert handler.offsets() == [0, 1, 2, 3, 0, 1]
    assert handler.told[1:] == ["released in 0 lost True", "assigned in 0 committed None"]


def test_idle_work_runs_without_messages_and_is_waited_for(log: MemoryLog):
    """What time brought is sent, and counts before the next commit."""
    handler, done = Keeper(), Future()
    calls: list[int] = []
    handler.idle = lambda: calls.append(1) or ([done] if len(calls) == 1 else ())
    loop = worker(log, handler)
    loop.step()
    send(log, 1)
    loop.step()
    assert committed(log) is None
    done.set_result(0)
    loop.step()
    assert committed(log) == (1, "v1 low_water=1")
    assert len(calls) == 3


def test_a_log_that_is_away_is_waited_for(log: MemoryLog):
    """Away at the start and in the middle: the loop says so, and goes on when it is back."""
    handler = Keeper()
    loop = worker(log, handler, watchdog=Watchdog("parser"))
    log.stop_answering("broker away")
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        _until(lambda: "broker away" in loop.error and loop.watchdog.waiting())
        log.answer_again()
        send(log, 2)
        _until(lambda: len(handler.handled) == 2)
        assert loop.error == ""
        log.stop_answering("broker away again")
        _until(lambda: "broker away again" in loop.error)
        log.answer_again()
        send(log, 1)
        _until(lambda: len(handler.handled) == 3)
    finally:
        log.answer_again()
        loop.stop()
        thread.join(60)
    assert not thread.is_alive()
    assert committed(log) == (3, "v1 low_water=3")


def test_stopping_drains_what_was_handled(log: MemoryLog):
    """`stop` waits for sends in flight, commits them, and leaves the group."""
    send(log, 3)
    handler, late = Keeper(), Future()
    handler.waits = [late]
    loop = worker(log, handler, commit_interval_s=3600.0)
    thread = threading.Thread(target=loop.run)
    thread.start()
    _until(lambda: len(handler.handled) == 3)
    loop.stop()
    time.sleep(0.05)
    assert committed(log) is None
    late.set_result(0)
    thread.join(60)
    assert committed(log) == (3, "v1 low_water=3")
    assert handler.told[-1] == "released in 0 lost False"


def test_messages_that_lie_there_and_never_come_end_the_worker(log: MemoryLog):
    """A consumer that delivers nothing though there is something: start again, with the place named."""
    handler, now = Keeper(), [0.0]
    loop = worker(log, handler, stall_limit_s=30.0, clock=lambda: now[0])
    loop.step()
    loop._consumer.pause([("in", 0)])
    send(log, 2)
    for _ in range(3):
        now[0] += 10
        loop.step()
    now[0] += 10
    with pytest.raises(ConsumerStalledError, match="partition 0 of in has 2 messages behind"):
        loop.step()
    assert loop.lag() == {("in", 0): 2}


@pytest.mark.parametrize(
    ("text", "offset"),
    [("v1 low_water=3", 3), ("v1 low_water=9", 5), ("", 5), ("v2 x", 5), ("v1 low_water=x", 5)],
)
def test_low_water_is_never_above_the_commit(text: str, offset: int):
    """What is unreadable or too high holds nothing back."""
    assert LowWater.decode(text, committed=5) == LowWater(offset)
    assert LowWater.decode(LowWater(3).encode(), committed=5) == LowWater(3)


def _until(claim, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def test_the_time_of_working_is_not_the_silence_of_a_partition(log: MemoryLog):
    """A first batch that takes longer than the limit does not make the others look stalled."""
    clock = [0.0]

    class Slow(Keeper):
        """Takes 40 s for each batch."""

        def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[int]]:
            clock[0] += 40.0
            return super().handle(partition, portions)

    log.ensure_topics(2, 1, ["pair"])
    producer = log.producer()
    for partition in (0, 1):
        for n in range(3):
            producer.send("pair", partition, b"%d" % n).result(60)
    slow = Slow()
    it = worker(log, slow, "pair", max_messages=1, stall_limit_s=30.0, clock=lambda: clock[0])
    for _ in range(6):
        it.step()
    assert sorted(slow.offsets()) == [0, 0, 1, 1, 2, 2]
    it.close()


def test_the_time_without_the_log_is_not_the_silence_of_a_partition(log: MemoryLog):
    """A log that is away for longer than the limit does not end the worker when it is back."""
    handler, failures = Keeper(), []
    log.ensure_topics(2, 1, ["pair"])
    producer = log.producer()
    for partition in (0, 1):
        for n in range(3):
            producer.send("pair", partition, b"%d" % n).result(60)
    loop = worker(log, handler, "pair", max_messages=1, stall_limit_s=0.6)

    def run() -> None:
        try:
            loop.run()
        except PermanentError as error:
            failures.append(error)

    assert loop.step() == 1
    log.stop_answering("broker away")
    thread = threading.Thread(target=run)
    thread.start()
    try:
        _until(lambda: "broker away" in loop.error)
        time.sleep(1.0)
        log.answer_again()
        _until(lambda: failures or len(handler.handled) == 6)
    finally:
        log.answer_again()
        loop.stop()
        thread.join(60)
    assert not failures
    assert sorted(handler.offsets()) == [0, 0, 1, 1, 2, 2]
