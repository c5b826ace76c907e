"""Whatever happens around it, the shared loop hands over every message and commits none too early."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.messaging import Handler, LogUnavailableError, MemoryLog, Place, Portion, Worker

PARTITIONS = 3
ROUNDS = 60


class FlakyLog(MemoryLog):
    """A log that fails to answer now and then, anywhere."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.failing = 0.0

    def _answer(self) -> None:
        super()._answer()
        if self.failing and self.chance.random() < self.failing:
            raise LogUnavailableError("flaky")


class World:
    """What became durable, whoever did it, per topic id and place."""

    def __init__(self) -> None:
        self.durable: set[tuple[str, int, int]] = set()


class Stage(Handler):
    """A stage whose sends become durable some rounds later, or fail; forgets when it loses a place."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.failing = 0.0
        self.ids: dict[Place, str] = {}
        self.under_way: list[tuple[Future[int], list[tuple[str, int, int]]]] = []

    def handle(self, partition: int, portions: Sequence[Portion]) -> Sequence[Future[int]]:
        if self.chance.random() < self.failing:
            raise TemporaryError("database away", retry_after_s=0.0)
        sent: Future[int] = Future()
        work = [
            (self.ids[p.place], m.partition, m.offset)
            for p in portions
            for m in p.messages
            if not p.muted
        ]
        self.under_way.append((sent, work))
        return [sent]

    def assigned(self, place: Place, topic_id: str, committed: int | None) -> int | None:
        self.ids[place] = topic_id
        return None

    def low_water(self, place: Place, position: int) -> int:
        return max(0, position - 2)

    def progress(self) -> None:
        """Let some sends succeed and few fail."""
        for entry in list(self.under_way):
            if self.chance.random() < 0.6 or not self.failing:
                sent, work = entry
                self.under_way.remove(entry)
                if self.chance.random() < self.failing:
                    sent.set_exception(LogUnavailableError("no broker"))
                else:
                    self.world.durable.update(work)
                    sent.set_result(0)


def commits(log: MemoryLog) -> dict[tuple[str, int], int]:
    """Give what the group committed for the topic as it is now."""
    now = log._topics["in"].topic_id
    kept = log._groups["g"].commits if "g" in log._groups else {}
    return {key: offset for key, (offset, _) in kept.items() if key[0] == now}


@pytest.mark.parametrize("seed", range(150))
def test_every_message_is_handed_over_and_no_commit_is_early(seed: int):
    """Random sends, failures, silent logs, members that come, go and are expelled, wipes.

    At any moment everything below a commit is durable; at the end everything is.
    """
    chance = random.Random(seed)
    log, world = FlakyLog(chance), World()
    log.ensure_topics(PARTITIONS, 1, ["in"])
    members: list[tuple[Worker, Stage]] = []

    def join() -> None:
        stage = Stage(world, chance)
        members.append((worker(log, stage), stage))

    join()
    for _ in range(ROUNDS):
        log.failing = chance.choice([0.0, 0.0, 0.2])
        for _, stage in members:
            stage.failing = chance.choice([0.0, 0.2])
        for _ in range(chance.randrange(6)):
            log.producer().send("in", chance.randrange(PARTITIONS), b"")
        what = chance.random()
        if what < 0.06 and len(members) < 3:
            join()
        elif what < 0.12 and len(members) > 1:
            loop, stage = members.pop(chance.randrange(len(members)))
            log.failing = stage.failing = 0.0
            stage.under_way = []  # killed: what was under way is gone
            if loop._consumer is not None:
                log.expel(loop._consumer)
        elif what < 0.18:
            loop, _ = chance.choice(members)
            if loop._consumer is not None:
                log.expel(loop._consumer)
        elif what < 0.21:
            log.wipe("in")
        step(chance.choice(members))
        check(log, world)
    log.failing = 0.0
    for _ in range(400):
        for member in members:
            member[1].failing = 0.0
            step(member)
        if missing(log, world) == set() and settled(log):
            break
    check(log, world)
    assert missing(log, world) == set()
    assert settled(log)


def worker(log: MemoryLog, stage: Stage) -> Worker:
    """Give a worker that never waits."""
    return Worker(
        log, "g", ["in"], stage, max_messages=4, poll_ms=0, commit_interval_s=0.0,
        rounds_in_flight=3, stall_limit_s=float("inf"),
    )  # fmt: skip


def step(member: tuple[Worker, Stage]) -> None:
    """Go round once, with what is under way moving while the loop waits for it."""
    loop, stage = member
    stage.progress()
    loop._wait_for = lambda waits: _wait(loop, stage, waits)
    with contextlib.suppress(TemporaryError):
        loop.step()


def _wait(loop: Worker, stage: Stage, waits: Sequence[Future[int]]) -> None:
    while not all(w.done() for w in waits):
        before = len(stage.under_way)
        stage.progress()
        assert before, "a send that nobody moves would be waited for for ever"
    for wait in waits:
        wait.result()


def missing(log: MemoryLog, world: World) -> set[tuple[str, int, int]]:
    """Give the messages of the topic as it is now that are not durable."""
    topic = log._topics["in"]
    return {
        (topic.topic_id, m.partition, m.offset) for lane in topic.partitions for m in lane
    } - world.durable


def settled(log: MemoryLog) -> bool:
    """Tell whether everything that is there is committed."""
    topic, kept = log._topics["in"], commits(log)
    return all(
        kept.get((topic.topic_id, i), 0) == len(lane) for i, lane in enumerate(topic.partitions)
    )


def check(log: MemoryLog, world: World) -> None:
    """Everything below a commit is durable."""
    for (topic_id, partition), offset in commits(log).items():
        for at in range(offset):
            assert (topic_id, partition, at) in world.durable, f"commit {offset} before {at}"
