"""The window offers calls when they rest, again when they grow, and may forget."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from bluewhale.merge import LowWater, MergeWindow

from tests.support.legs import leg, leg_id, leg_table

W = 30_000
T0 = 1_000_000


def at(number: int, ingested: int, **columns: Any) -> pa.Table:
    """Make one leg ingested at a moment."""
    return leg_table(leg(number, seconds=1, ingested_at=ingested, **columns))


def ids(table: pa.Table | None) -> list[int]:
    """Give the numbers of offered legs, ascending."""
    if table is None:
        return []
    return sorted(int.from_bytes(i[3:], "big") for i in table.column("cdr_id").to_pylist())


def test_a_leg_without_keys_is_offered_at_once() -> None:
    """It can join nothing, so nothing is waited for and nothing held."""
    window = MergeWindow(window_ms=W)
    assert ids(window.feed(at(1, T0), T0)) == [1]
    assert window.held == 0


def test_a_keyed_leg_waits_for_a_window_of_data_time() -> None:
    """Ingested at T0: offered by the tick at T0 + 30 s, once."""
    window = MergeWindow(window_ms=W)
    assert window.feed(at(1, T0, join=7), T0) is None
    assert window.feed(None, T0 + W - 1) is None
    assert ids(window.feed(None, T0 + W)) == [1]
    assert window.feed(None, T0 + W + 1) is None


def test_a_call_that_grows_is_offered_again_whole() -> None:
    """Leg 2 comes after {1} was offered: after another quiet window {1,2} is offered."""
    window = MergeWindow(window_ms=W, keep_ms=W)
    window.feed(at(1, T0, join=7), T0)
    assert ids(window.feed(None, T0 + W)) == [1]
    assert window.feed(at(2, T0 + W + 5, join=7), T0 + W + 5) is None
    assert ids(window.feed(None, T0 + 2 * W + 5)) == [1, 2]


def test_an_offered_call_is_forgotten_after_its_keep_time() -> None:
    """Window + keep after its newest leg nothing is held any more."""
    window = MergeWindow(window_ms=W, keep_ms=W)
    window.feed(at(1, T0, join=7), T0)
    window.feed(None, T0 + W)
    assert window.held == 1
    window.feed(None, T0 + 2 * W)
    assert window.held == 0


def test_the_same_leg_twice_is_held_once() -> None:
    """A frame delivered again does not double a call."""
    window = MergeWindow(window_ms=W)
    window.feed(at(1, T0, join=7), T0)
    window.feed(at(1, T0, join=7), T0)
    assert ids(window.feed(None, T0 + W)) == [1]


def test_over_the_row_limit_everything_is_offered_and_forgotten() -> None:
    """Exactness does not depend on the window; memory does."""
    window = MergeWindow(window_ms=W, rows_max=2)
    window.feed(at(1, T0, join=7), T0)
    window.feed(at(2, T0, join=8), T0)
    assert ids(window.feed(at(3, T0, join=9), T0)) == [1, 2, 3]
    assert window.held == 0


def test_after_a_restart_it_reads_from_low_water_muted() -> None:
    """Leg 1 (position 5) was offered, leg 2 (position 6) not: read again from 6.

    The rebuilt window says nothing while muted and offers leg 2 in time.
    """
    window = MergeWindow(window_ms=W)
    window.feed(at(1, T0, join=7), T0, position=5)
    window.feed(at(2, T0 + 20_000, join=8), T0 + 20_000, position=6)
    assert ids(window.feed(None, T0 + W, position=7)) == [1]
    assert window.low_water() == LowWater(position=6, data_time_ms=T0)
    fresh = MergeWindow(window_ms=W)
    low = window.low_water()
    assert fresh.feed(None, low.data_time_ms, position=low.position, muted=True) is None
    assert fresh.feed(at(2, T0 + 20_000, join=8), T0 + 20_000, position=6, muted=True) is None
    assert fresh.feed(None, T0 + W, position=7, muted=True) is None
    assert ids(fresh.feed(None, T0 + 20_000 + W, position=8)) == [2]


def test_low_water_is_the_end_when_everything_was_offered() -> None:
    """Nothing waits: go on at the next position."""
    window = MergeWindow(window_ms=W)
    window.feed(at(1, T0), T0, position=41)
    assert window.low_water() == LowWater(position=42, data_time_ms=T0)


def test_a_clock_that_steps_back_does_not_take_data_time_back() -> None:
    """Data time only rises, so a window never gets longer."""
    window = MergeWindow(window_ms=W)
    window.feed(at(1, T0, join=7), T0 + W - 1)
    assert window.feed(None, T0) is None
    assert ids(window.feed(None, T0 + W)) == [1]


def test_all_columns_travel_untouched() -> None:
    """What is offered are the legs themselves."""
    window = MergeWindow(window_ms=W)
    given = at(1, T0, join=7)
    window.feed(given, T0)
    out = window.feed(None, T0 + W)
    assert out is not None
    assert out.schema == given.schema
    assert out.to_pylist() == given.to_pylist()
    assert out.column("cdr_id").to_pylist() == [leg_id(1)]


def test_what_was_offered_early_is_read_again_until_its_window_is_over():
    """A leg that comes after the restart finds the first one: the call is offered whole."""
    window = MergeWindow(window_ms=W)
    window.feed(at(1, T0, join=7), T0, position=5)
    assert ids(window.offer_held()) == [1]
    low = window.low_water()
    assert (low.position, window.offered_below()) == (5, 6)
    fresh = MergeWindow(window_ms=W)
    assert fresh.feed(at(1, T0, join=7), T0, position=low.position, muted=True) is None
    fresh.feed(at(2, T0 + 5, join=7), T0 + 5, position=6)
    assert ids(fresh.offer_held()) == [1, 2]
    window.feed(None, T0 + W, position=6)
    assert window.low_water().position == 7


def test_a_quiet_partition_is_offered_early_and_again_when_a_call_grows():
    """The window stays: an offered component is held, and offered whole when a leg comes."""
    window = MergeWindow(window_ms=W, keep_ms=W)
    assert window.offer_held() is None
    window.feed(at(1, T0, join=7), T0)
    window.feed(at(2, T0, join=8), T0)
    assert ids(window.offer_held()) == [1, 2]
    assert window.offer_held() is None
    window.feed(at(3, T0 + 5, join=7), T0 + 5)
    assert ids(window.offer_held()) == [1, 3]
    assert window.feed(None, T0 + W + 5) is None
    assert window.held == 3
    window.feed(None, T0 + 2 * W + 5)
    assert window.held == 0
    assert window.low_water().position == 5
