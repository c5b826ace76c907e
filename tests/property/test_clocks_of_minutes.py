"""A switch that prints minutes: what it printed decides, and where it cannot, the call says so."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

from bluewhale.merge import build_calls, components
from bluewhale.records.enums import Flag
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.legs import MIDNIGHT, leg, leg_table

_lengths = st.lists(st.integers(1, 20) | st.integers(1, 400), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3600), _lengths, st.randoms())
def test_the_first_part_is_found_or_the_call_says_that_it_is_a_guess(
    begin: int, lengths: list[int], random: Any
) -> None:
    """Parts follow each other, their ends printed in minutes: start and payer are the first part's."""
    ends = [begin + total for total in accumulate(lengths)]
    ids = random.sample(range(1, 100), len(lengths))
    parts = [
        leg(
            number,
            at=end // 60 * 60 - length,
            seconds=length,
            join=7,
            flags=int(Flag.SECONDS_UNKNOWN),
            calling_extension=str(2011 + place),
            direction="outbound",
            trunk_out="*799-001",
            called_number="23125042",
        )
        for place, (number, end, length) in enumerate(zip(ids, ends, lengths, strict=True))
    ]
    random.shuffle(parts)
    legs = leg_table(*parts)
    built = build_calls(legs, components(legs))
    (call,) = built.calls.to_pylist()
    (span,) = built.billables.to_pylist()
    assert call["talk_ms"] == span["quantity_ms"] == 1000 * sum(lengths)
    if call["flags"] & Flag.ORDER_INFERRED:
        shared = [a // 60 == b // 60 for a, b in pairwise(ends)]
        assert any(shared)
        return
    start = ends[0] // 60 * 60 - lengths[0]
    for moment in (call["started_at"], call["answered_at"], span["start_at"]):
        assert moment.timestamp() - MIDNIGHT / 1000 == start
    assert begin - 59 <= start <= begin
    assert (call["extension"], span["payer"]) == ("2011", "2011")
