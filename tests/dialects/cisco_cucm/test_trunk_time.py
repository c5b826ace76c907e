"""CUCM scenarios to calls: every outside leg is billed once, with all its seconds."""

from pathlib import Path

import pytest
from bluewhale.merge import build_calls, components

from tests.support.dialect_twins import link, raw_batch, run

HERE = Path(__file__).parent
RECEIVED_AT_MS = 1_593_583_200_000  # 2020-07-01T06:00:00Z
SITE = {
    "access_codes": ["9"],
    "country": "US",
    "zone": "America/New_York",
    "area_code": "212",
    "extension_lengths": [4, 5, 6],
}


def calls_of(case):
    """Parse a case and join its legs."""
    profile = link("cisco_cucm", **SITE)
    batch = raw_batch((HERE / case / "input.csv").read_bytes(), profile, RECEIVED_AT_MS)
    legs = run(batch, profile).accepted
    return build_calls(legs, components(legs))


@pytest.mark.parametrize(
    ("case", "seconds"),
    [
        ("e3_blind_transfer", 480),  # 120 before the transfer + 360 after it
        ("e3_consultation_transfer", 420),  # 60 + 360; the 10 s consultation was inside
        ("e5_adhoc_conference", 380),  # 20 while setting up + 360 in the bridge
    ],
)
def test_a_trunk_leg_is_billed_once_for_all_its_seconds(case, seconds):
    """The legs are one call with one outside path to the number that 2001 dialled."""
    found = calls_of(case)
    assert found.calls.num_rows == 1
    (span,) = [row for row in found.billables.to_pylist() if row["direction"] != "internal"]
    assert span["quantity_ms"] == seconds * 1000
    assert span["direction"] == "outbound"
    assert span["called_number"] == "3071111"
    assert span["payer"] == "2001"


@pytest.mark.parametrize(
    ("case", "legs"), [("e4_transfer_by_called_party", 3), ("e6_blind_conference_with_fac", 6)]
)
def test_legs_of_one_call_with_several_call_ids_are_one_call(case, legs):
    """A consult call or a last two-party record with a callId of its own still belongs."""
    found = calls_of(case)
    assert found.calls["leg_count"].to_pylist() == [legs]


def test_calls_inside_have_no_outside_path():
    """A conference of own extensions occupies no trunk: nothing outbound is billed."""
    spans = calls_of("e6_blind_conference_with_fac").billables.to_pylist()
    assert {row["direction"] for row in spans} <= {"internal"}
