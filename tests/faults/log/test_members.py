"""A member that dies or freezes loses its partitions to the others, and nothing else is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from bluewhale.messaging import KafkaLog

from tests.contract.log.conftest import Heard

pytestmark = [pytest.mark.slow, pytest.mark.services]
ROOT = Path(__file__).resolve().parents[3]


class Member:
    """The other process, and the lines it printed."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        words = ["-W", "ignore", "-m", "tests.faults.log.member", bootstrap, prefix]
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def read(self) -> set[tuple[int, int]]:
        """Give (partition, offset) of what it handled."""
        found = [line.split() for line in self.lines if line.startswith("read")]
        return {(int(p), int(o)) for _, p, o in found}

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdout.close()


@pytest.fixture
def group(kafka_bootstrap: str, kafka_prefix: str):
    """Give a log with a topic of four partitions, and a member in another process."""
    log = KafkaLog(
        kafka_bootstrap,
        client_id="test",
        prefix=kafka_prefix,
        linger_ms=0,
        session_timeout_ms=6000,
    )
    log.ensure_topics(4, 1, ["in"])
    member = Member(kafka_bootstrap, kafka_prefix)
    yield log, member
    member.end()
    log.close()


def send(log: KafkaLog, count: int) -> None:
    """Put `count` messages into each of the four partitions, durably."""
    producer = log.producer()
    sent = [producer.send("in", i % 4, b"%d" % i) for i in range(4 * count)]
    for one in sent:
        one.result(30)
    producer.close()


def follow(log: KafkaLog, heard: Heard, done, timeout_s: float = 60) -> set[tuple[int, int]]:
    """Read as a second member, committing, until a claim about what it read holds."""
    mine: set[tuple[int, int]] = set()
    consumer = log.consumer("g", ["in"], heard)
    deadline = time.monotonic() + timeout_s
    try:
        while not done(mine):
            assert time.monotonic() < deadline, "it never came to that"
            for place, messages in consumer.poll(100, 100).items():
                mine |= {(m.partition, m.offset) for m in messages}
                consumer.commit({place: (messages[-1].offset + 1, "")})
    finally:
        consumer.close()
    return mine


def test_a_killed_member_leaves_its_uncommitted_work_to_the_others(group, record_property):
    """Kill -9 between work and commit: the second member gets every partition and every message."""
    log, member = group
    send(log, 30)
    deadline = time.monotonic() + 60
    while len(member.read()) < 60:
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
    member.process.kill()
    killed_at = time.monotonic()
    everything = {(p, o) for p in range(4) for o in range(30)}
    mine = follow(log, Heard(), lambda mine: mine | member.read() >= everything)
    took_s = time.monotonic() - killed_at
    assert mine | member.read() == everything
    record_property("figure", f"member killed: its partitions read elsewhere after {took_s:.1f} s")


def test_a_frozen_member_hears_that_its_partitions_are_lost(group):
    """SIGSTOP beyond the session time-out: all partitions move; awake again it hears lost and may not commit."""
    log, member = group
    send(log, 5)
    deadline = time.monotonic() + 60
    while len(member.read()) < 20:
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
    time.sleep(1)  # all of it committed
    member.process.send_signal(signal.SIGSTOP)
    heard = Heard()
    send(log, 5)
    fresh = {(p, o) for p in range(4) for o in range(5, 10)}
    assert follow(log, heard, lambda mine: mine >= fresh) >= fresh
    member.process.send_signal(signal.SIGCONT)
    while member.lines.count("lost 0") < 1:
        assert time.monotonic() < deadline + 60, f"it never came to that: {member.lines[-5:]}"
        time.sleep(0.02)
    # and it is a member again
    send(log, 5)
    while not member.read() >= {(p, o) for p in range(4) for o in range(10, 15)}:
        assert time.monotonic() < deadline + 90, f"it never came to that: {member.lines[-5:]}"
        time.sleep(0.02)
