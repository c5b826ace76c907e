"""A PBX that prints the minute of the end only: parts keep their order and their timers."""

from __future__ import annotations

from bluewhale.merge import build_calls, components
from bluewhale.records.enums import Flag

from tests.support.legs import leg, leg_table

MINUTES = int(Flag.SECONDS_UNKNOWN)
OUT = {
    "direction": "outbound",
    "call_class": "local",
    "trunk_out": "*799-001",
    "called_number": "23125042",
}


def first_part():
    """2011 talks 100 s; the end is printed as 10:01, so the start is computed as 9:59:20."""
    return leg(1, at=35_960, seconds=100, join=7, flags=MINUTES, calling_extension="2011", **OUT)


def test_the_first_part_is_the_one_that_ended_first():
    """2012's long part would seem to start first (10:05 - 400 s = 9:58:20), yet 2011 dialled and pays."""
    one = first_part()
    two = leg(2, at=35_900, seconds=400, join=7, flags=MINUTES, calling_extension="2012", **OUT)
    legs = leg_table(two, one)
    built = build_calls(legs, components(legs))
    assert built.calls.column("extension").to_pylist() == ["2011"]
    assert built.billables.column("payer").to_pylist() == ["2011"]


def test_talk_time_is_the_sum_of_the_timers_though_computed_times_overlap():
    """Ends printed as 10:01 and 10:02 make the parts overlap; the switch counted 100 + 90 = 190 s."""
    one = first_part()
    two = leg(2, at=36_030, seconds=90, join=7, flags=MINUTES, calling_extension="2012", **OUT)
    legs = leg_table(one, two)
    assert build_calls(legs, components(legs)).calls.column("talk_ms").to_pylist() == [190_000]


def test_exact_clocks_count_time_talked_at_once_once():
    """With seconds printed, 100 s and 90 s that overlap by 30 s are 160 s of talk."""
    one = leg(1, at=36_000, seconds=100, join=7, calling_extension="2011", **OUT)
    two = leg(2, at=36_070, seconds=90, join=7, calling_extension="2012", **OUT)
    legs = leg_table(one, two)
    assert build_calls(legs, components(legs)).calls.column("talk_ms").to_pylist() == [160_000]
