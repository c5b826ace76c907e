"""What waits for a role, from what it measured of late."""

from __future__ import annotations

import time

from bluewhale.nexus.control import lag_of
from bluewhale.telemetry import Metrics


def test_a_role_that_reads_no_log_has_no_lag() -> None:
    """Nothing was measured: that is not the same as none."""
    assert lag_of(Metrics()) is None


def test_what_waits_is_summed_over_partitions_and_as_old_as_what_was_done_last() -> None:
    """The partition with nothing to do is as old as it likes."""
    metrics = Metrics()
    for partition, waits, age_s in (("0", 3, 40.0), ("1", 0, 9_000.0), ("2", 4, 5.0)):
        place = {"topic": "legs", "partition": partition}
        metrics.set("bluewhale_log_lag_messages", waits, **place)
        metrics.set("bluewhale_data_time_age_seconds", age_s, **place)
    lag = lag_of(metrics)
    assert lag is not None
    assert (lag.count, lag.unit) == (7, "messages")
    assert time.time() * 1000 - 100_000 < lag.oldest_ms <= time.time() * 1000 - 40_000


def test_a_role_with_nothing_to_do_has_a_lag_of_none_and_no_oldest() -> None:
    """It reads a log, and the log is worked off."""
    metrics = Metrics()
    metrics.set("bluewhale_log_lag_messages", 0, topic="legs", partition="0")
    lag = lag_of(metrics)
    assert lag is not None
    assert (lag.count, lag.HasField("oldest_ms")) == (0, False)


def test_a_gauge_that_was_set_long_ago_is_of_something_not_ours() -> None:
    """A partition that went to another copy is measured no more."""
    metrics = Metrics()
    metrics.set("bluewhale_log_lag_messages", 5, topic="legs", partition="0")
    assert metrics.recent("bluewhale_log_lag_messages", within_s=-1) == {}
    (value, age_s) = next(iter(metrics.recent("bluewhale_log_lag_messages", 60).values()))
    assert value == 5
    assert 0 <= age_s < 60
