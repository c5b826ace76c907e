"""The log that a record is meant for, and a producer that lets nothing pass by a failure."""

from __future__ import annotations

import pytest
from bluewhale.messaging import PARSED, RATED, RAW, LogUnavailableError, MemoryLog
from bluewhale.messaging.log_id import log_id_of, meant_for


@pytest.mark.parametrize(
    ("log_id", "topic", "topic_id", "meant"),
    [
        ("r1/p1", RAW, "r1", True),
        ("r1/p1", RAW, "r2", False),
        ("r1/p1", RAW, "p1", False),
        ("r1/p1", PARSED, "p1", True),
        ("r1/p1", PARSED, "p2", False),
        ("r1/p1", RATED, "x", True),
        ("", RAW, "r1", True),
        ("r1", PARSED, "p1", True),
    ],
)
def test_each_topic_has_its_own_part_of_the_id(log_id: str, topic: str, topic_id: str, meant: bool):
    """What an earlier release did not mark is believed."""
    assert meant_for(log_id, topic, topic_id) is meant


@pytest.mark.parametrize(("wiped", "another"), [(RAW, True), (PARSED, True), (RATED, False)])
def test_the_log_is_another_one_when_a_topic_is_that_records_pass(wiped: str, another: bool):
    """Rated carries no record that a unit would have to keep."""
    log = MemoryLog()
    log.ensure_topics(1, 1)
    before = log_id_of(log)
    assert before == f"{log.topic_id(RAW)}/{log.topic_id(PARSED)}"
    log.wipe(wiped)
    assert (log_id_of(log) != before) is another


def test_nothing_passes_by_a_message_that_could_not_be_delivered():
    """Until the owner gets another producer; one that renews itself goes on."""
    log = MemoryLog()
    log.ensure_topics(1, 1)
    strict, renewing = log.producer(renewing=False), log.producer()
    assert strict.send(RAW, 0, b"1").result(60) == 0
    log.stop_answering("broker away")
    for producer in (strict, renewing):
        assert isinstance(producer.send(RAW, 0, b"2").exception(60), LogUnavailableError)
    log.answer_again()
    assert isinstance(strict.send(RAW, 0, b"3").exception(60), LogUnavailableError)
    assert (strict.over, renewing.over) == (True, False)
    assert renewing.send(RAW, 0, b"3").result(60) == 1
    assert log.producer(renewing=False).send(RAW, 0, b"2").result(60) == 2
