"""A PBX that prints the minute of the end only: parts keep their order and their timers."""

from __future__ import annotations

from typing import Any

import pytest
from bluewhale.merge import Calls, build_calls, components
from bluewhale.records.enums import Flag

from tests.support.legs import MIDNIGHT, leg, leg_table

MINUTES = int(Flag.SECONDS_UNKNOWN)
OUT = {
    "direction": "outbound",
    "call_class": "local",
    "trunk_out": "*799-001",
    "called_number": "23125042",
}


def calls_of(*rows: dict[str, Any]) -> Calls:
    """Join legs and build their calls."""
    legs = leg_table(*rows)
    return build_calls(legs, components(legs))


def seconds_of(value: Any) -> float:
    """Give an instant as seconds after the midnight of the test."""
    return value.timestamp() - MIDNIGHT / 1000


def part(number: int, end: int, seconds: int, extension: str, **columns: Any) -> dict[str, Any]:
    """Make a part of one outgoing call, its end printed as the minute `end` of the day."""
    return leg(
        number,
        at=end * 60 - seconds,
        seconds=seconds,
        join=7,
        calling_extension=extension,
        **{**OUT, "flags": MINUTES, **columns},
    )


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


def test_a_call_starts_with_the_first_of_its_parts():
    """Ends 10:01 and 10:02: 2012's 90 s compute to 10:00:30, 2011's 20 s to 10:00:40, and 2011 was first."""
    built = calls_of(part(1, 601, 20, "2011"), part(2, 602, 90, "2012"))
    call = built.calls.to_pylist()[0]
    span = built.billables.to_pylist()[0]
    moments = [call["started_at"], call["answered_at"], span["start_at"]]
    assert [seconds_of(m) for m in moments] == [36_040, 36_040, 36_040]
    assert (call["extension"], call["talk_ms"], span["quantity_ms"]) == ("2011", 110_000, 110_000)
    assert call["flags"] == MINUTES


def test_an_exact_part_that_began_earlier_moves_the_start():
    """A coarse part ends in 10:01 after 20 s; one with seconds printed began at 10:00:10."""
    exact = leg(2, at=36_010, seconds=5, join=7, calling_extension="2012", **OUT)
    call = calls_of(part(1, 601, 20, "2011"), exact).calls.to_pylist()[0]
    assert seconds_of(call["started_at"]) == 36_010
    assert seconds_of(call["answered_at"]) == 36_010


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_of_two_parts_that_end_in_one_minute_the_one_over_a_minute_was_first(numbers):
    """A part that follows another one within its minute is shorter: 300 s came before 20 s for sure."""
    long, short = numbers
    call = calls_of(part(long, 601, 300, "2011"), part(short, 601, 20, "2012")).calls.to_pylist()[0]
    assert (call["extension"], seconds_of(call["started_at"])) == ("2011", 35_760)
    assert call["flags"] == MINUTES


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_two_short_parts_of_one_minute_are_flagged_as_a_guess(numbers):
    """30 s and 20 s that end in 10:01: either may have dialled; the longer is taken, and the call says so."""
    long, short = numbers
    call = calls_of(part(long, 601, 30, "2011"), part(short, 601, 20, "2012")).calls.to_pylist()[0]
    assert (call["extension"], call["talk_ms"]) == ("2011", 50_000)
    assert call["flags"] == MINUTES | Flag.ORDER_INFERRED


def test_a_role_says_which_part_of_one_minute_came_first():
    """The leg that a transfer made is the later one, though it is the longer; nothing is guessed."""
    made = part(1, 601, 30, "2012", leg_role="transfer_to")
    call = calls_of(made, part(2, 601, 20, "2011")).calls.to_pylist()[0]
    assert (call["extension"], call["flags"]) == ("2011", MINUTES)


def test_the_second_of_three_transfers_within_a_minute_is_a_guess():
    """300 s, 25 s and 15 s end in 10:01: the first is known, the order of the others is not."""
    parts = [part(1, 601, 15, "2013"), part(2, 601, 25, "2012"), part(3, 601, 300, "2011")]
    call = calls_of(*parts).calls.to_pylist()[0]
    assert (call["extension"], call["talk_ms"]) == ("2011", 340_000)
    assert call["flags"] == MINUTES | Flag.ORDER_INFERRED


def test_who_leaves_a_conference_first_did_not_begin_it():
    """2011 talks from 9:55 to 10:01; 2012 from 9:58 to 10:00. They overlap, so the starts order them."""
    one = part(1, 601, 360, "2011", leg_role="conference", trunk_out="*799-001")
    two = part(2, 600, 120, "2012", leg_role="conference", trunk_out="*799-002")
    call = calls_of(two, one).calls.to_pylist()[0]
    assert (call["extension"], seconds_of(call["started_at"])) == ("2011", 35_700)
    assert (call["talk_ms"], call["flags"]) == (360_000, MINUTES)


def test_parts_inside_the_house_are_billed_by_their_timers():
    """100 s and 90 s of two inside parts, computed to overlap by 30 s, are 190 s of one span."""
    inside = {
        "direction": "internal", "call_class": "internal", "trunk_out": None, "called_number": "2013",
    }  # fmt: skip
    built = calls_of(part(1, 601, 100, "2011", **inside), part(2, 602, 90, "2012", **inside))
    assert built.billables.column("quantity_ms").to_pylist() == [190_000]
    assert built.calls.column("talk_ms").to_pylist() == [190_000]
