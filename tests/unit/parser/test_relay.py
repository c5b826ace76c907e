"""The parser over the log: what goes into one message, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bluewhale.capture import Frame
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import Configuration, Following
from bluewhale.messaging import PARSED, RAW, MemoryLog, Worker
from bluewhale.messaging.envelopes import ParsedMessage
from bluewhale.parser import relay as relay_module
from bluewhale.parser.breaker import StreamBreaker
from bluewhale.parser.parsing import FrameParser
from bluewhale.parser.relay import ParserRelay
from bluewhale.telemetry import Metrics

from tests.support.captured import frames_of, raw_frame, send_raw, tick
from tests.support.roles_world import with_roles, world_of

NOW_MS = 1_772_700_000_000


class Roles:
    """A log of one partition and a parser over it."""

    def __init__(self, world: World, configuration: Configuration) -> None:
        self.world, self.configuration = world, configuration
        self.log = MemoryLog()
        self.log.ensure_topics(1, 1)
        self.metrics = Metrics()
        breaker = StreamBreaker(ratio_max=0.9, rows_min=500)
        relay = ParserRelay(
            FrameParser(Following(configuration), breaker),
            self.log.producer(),
            self.metrics,
            rows_max=50,
            linger_ms=0,
        )
        self.worker = Worker(self.log, "parser", [RAW], relay, poll_ms=5, commit_interval_s=0.0)

    def frames(self, place: int, records_max: int) -> list[Frame]:
        """Give all of one PBX."""
        return list(
            frames_of(
                self.world,
                self.configuration,
                self.world.pbxs[place].pbx_uid,
                "east",
                received_at_ms=NOW_MS,
                records_max=records_max,
            )
        )

    def send(self, place: int, records_max: int) -> int:
        """Send all of one PBX; give the count of its frames."""
        frames = self.frames(place, records_max)
        for frame in frames:
            send_raw(self.log, 0, raw_frame(frame, NOW_MS))
        return len(frames)

    def parsed(self) -> list[ParsedMessage]:
        """Give everything that was written to cdr.parsed."""
        reader = self.log.consumer("reader", [PARSED], _Anybody())
        polled = reader.poll(5, 1_000)
        reader.close()
        return [ParsedMessage.decode(m) for ms in polled.values() for m in ms]


class _Anybody:
    def assigned(self, consumer, places) -> None: ...
    def revoked(self, places) -> None: ...
    def lost(self, places) -> None: ...


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Give three PBXs without garbage."""
    return world_of(tmp_path_factory.mktemp("world"), calls=330, garbage=0)


@pytest.fixture
def roles(world: World) -> Iterator[Roles]:
    """Give a parser over a log in memory."""
    it = Roles(world, with_roles(world, {"east": [0, 1, 2]}))
    yield it
    it.worker.close()


def test_one_poll_is_one_message_until_it_has_too_many_rows(roles: Roles):
    """Frames of 20 records, at most 50 of a message: two frames each, in order."""
    frames = roles.send(2, 20)
    roles.worker.step()
    messages = roles.parsed()
    assert [m.legs.num_rows for m in messages][:2] == [40, 40]
    assert len(messages) == -(-frames // 2)
    seqs = [s for m in messages for s in m.legs.column("seq").to_pylist()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_message_that_would_be_too_large_goes_in_halves(
    roles: Roles, monkeypatch: pytest.MonkeyPatch
):
    """Losses, tallies and contexts travel once or with both; no row is lost or doubled."""
    monkeypatch.setattr(relay_module, "MESSAGE_BYTES_MAX", 8_000)
    roles.send(2, 50)
    roles.worker.step()
    messages = roles.parsed()
    assert len(messages) > 4
    seqs = [s for m in messages for s in m.legs.column("seq").to_pylist()]
    assert sorted(seqs) == list(range(1, len(seqs) + 1))


def test_a_tick_travels_as_data_time(roles: Roles):
    """So the windows of a quiet partition close."""
    tick(roles.log, NOW_MS + 5)
    roles.worker.step()
    (message,) = roles.parsed()
    assert (message.data_time_ms, message.legs.num_rows) == (NOW_MS + 5, 0)


def test_frames_meant_for_a_wiped_topic_are_passed_over_and_counted(roles: Roles):
    """They stand behind a hole; frames of this log and of an earlier release are parsed."""
    here, there = roles.log.topic_id(RAW), "gone"
    for log_id in (f"{there}/p1", f"{here}/p1", f"{here}/p2", ""):
        for frame in roles.frames(1, 500):
            send_raw(roles.log, 0, replace(raw_frame(frame, NOW_MS), log_id=log_id))
    count = len(roles.frames(1, 500))
    roles.worker.step()
    told = [(m.log_id, m.legs.num_rows > 0) for m in roles.parsed()]
    assert list(dict.fromkeys(told)) == [(f"{here}/p1", True), (f"{here}/p2", True), ("", True)]
    assert b'outcome="unmeant",topic="cdr.raw"} %d.0' % count in roles.metrics.text()


def test_a_message_that_is_no_envelope_is_passed_over_and_counted(roles: Roles):
    """Foreign bytes in the topic stop nobody; the frames behind them flow."""
    roles.log.producer().send(RAW, 0, b"hello", headers=()).result(60)
    roles.send(1, 500)
    roles.worker.step()
    assert sum(m.legs.num_rows for m in roles.parsed()) > 100
    assert b'topic="cdr.raw"' in roles.metrics.text()
    assert b'outcome="poisoned",topic="cdr.raw"} 1.0' in roles.metrics.text()
