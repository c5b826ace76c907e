"""What a process knows of its own log: the level that holds, and the last error it told of."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from bluewhale.telemetry import configure_logs, get_logger
from bluewhale.telemetry.logs import last_error, level_now, set_level

from tests.support.running import wait_until


@pytest.fixture(autouse=True)
def said() -> Iterator[io.StringIO]:
    """Give what is logged, as lines of JSON; then the log is as it was."""
    out = io.StringIO()
    configure_logs(stream=out, pretty=False)
    yield out
    configure_logs()


def test_a_level_for_a_time_gives_way_to_the_one_before(said: io.StringIO) -> None:
    """By itself: the next line after it is judged by the old level."""
    set_level("warning")
    assert set_level("debug", for_ms=1) == "warning"
    wait_until(lambda: level_now().name == "warning", 30, "the level before")
    assert level_now().until_ms == 0
    get_logger("role").info("Role started")
    assert said.getvalue() == ""


def test_two_levels_for_a_time_lead_back_to_the_one_that_lasted() -> None:
    """Not to the first of them, which was for a time too."""
    set_level("info")
    set_level("error", for_ms=3_600_000)
    assert set_level("debug", for_ms=1) == "error"
    wait_until(lambda: level_now().name == "info", 30, "the level that lasted")


def test_a_level_for_good_ends_one_for_a_time() -> None:
    """It stays, with no end."""
    set_level("debug", for_ms=3_600_000)
    set_level("warning")
    assert (level_now().name, level_now().until_ms) == ("warning", 0)


def test_the_last_error_is_remembered_in_words_also_from_a_warning() -> None:
    """What passes by itself is a warning with an error; ordinary lines tell of none."""
    log = get_logger("role")
    log.warning("Database is away, waiting", error="connection refused")
    log.info("Role started")
    log.warning("Units wait")
    told = last_error()
    assert told is not None
    assert told.text == "Database is away, waiting: connection refused"
    log.error("Role failed", error="disk " + "full " * 200)
    failed = last_error()
    assert failed is not None
    assert (failed.text[:22], len(failed.text)) == ("Role failed: disk full", 500)
    assert failed.at_ms >= told.at_ms
