"""What is said about a unit, and the remedy."""

from __future__ import annotations

from typing import Any

from bluewhale.api.units.v1 import units_pb2 as pb
from bluewhale.database.units import UnitRow
from bluewhale.ingest.diagnosis import conditions_of

NOW = 1_790_000_000_000
DAY = 86_400_000


def unit_of(**changes: Any) -> pb.Unit:
    """Give a unit that is well."""
    made = pb.Unit(unit_uid="depot", state="connected")
    made.certificates.add(serial="a1", not_before_ms=NOW, not_after_ms=NOW + 20 * DAY)
    made.instances.add(session="s1")
    made.configuration.desired_hash = "h1"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def report_of(**changes: Any) -> dict[str, Any]:
    """Give the report of a unit that is well."""
    return {
        "peer": "ipv4:10.0.0.7:5000",
        "clock_skew_ms": 20,
        "journal_usage_ratio": 0.1,
        "configuration_hash": "h1",
        "configuration_state": "effective",
        "configuration_error": "",
        "refusals": {},
        "links": {},
    } | changes


def bad(unit: pb.Unit, *reports: dict[str, Any], row: UnitRow | None = None) -> dict[str, str]:
    """Give the conditions that are not good."""
    found = conditions_of(unit, reports, row, now_ms=NOW)
    return {c.name: c.message for c in found if not c.good}


def test_a_unit_that_is_well_has_only_good_conditions() -> None:
    """Seven conditions, all good."""
    found = conditions_of(unit_of(), [report_of()], None, now_ms=NOW)
    assert [c.name for c in found] == [
        "admission",
        "certificate",
        "connection",
        "copies",
        "clock",
        "journal",
        "configuration",
    ]
    assert bad(unit_of(), report_of()) == {}


def test_each_trouble_is_named_with_its_remedy() -> None:
    """Clock, journal, configuration, refused stream, link, copies."""
    assert bad(unit_of(), report_of(clock_skew_ms=-7_200_000))["clock"].startswith(
        "its clock is 7200 s behind the centre's; set it"
    )
    assert bad(unit_of(), report_of(journal_usage_ratio=0.93))["journal"].startswith(
        "its journal is 93% full"
    )
    rolled_back = report_of(configuration_state="rolled_back", configuration_error="port taken")
    assert bad(unit_of(), rolled_back) == {"configuration": "rolled_back: port taken"}
    partly = report_of(configuration_state="effective", configuration_error="cdr: cannot read /cdr")
    assert bad(unit_of(), partly) == {
        "configuration": "in effect, but for links that are tried again: cdr: cannot read /cdr"
    }
    assert bad(unit_of(), report_of(configuration_hash="h0")) == {
        "configuration": "the desired document is not in effect yet"
    }
    assert bad(unit_of(), report_of(refusals={"7": "frame_corrupt: no zstd"})) == {
        "stream": "stream 7 is refused: frame_corrupt: no zstd"
    }
    link = {"last_error": "no route to 10.0.0.9", "connected": 0}
    assert bad(unit_of(), report_of(links={"hq": link})) == {
        "link": "link hq: no route to 10.0.0.9"
    }
    two = unit_of()
    two.instances.add(session="s2")
    assert bad(two, report_of(), report_of(peer="ipv4:10.0.0.8:1"))["copies"].startswith(
        "runs 2 times (ipv4:10.0.0.7:5000, ipv4:10.0.0.8:1)"
    )


def test_certificates_that_end_or_were_revoked_say_what_to_do() -> None:
    """Late renewal, expiry, revocation, none."""
    late = unit_of()
    late.certificates[0].not_after_ms = NOW + DAY
    assert bad(late, report_of()) == {
        "certificate": "ends in 24 hours and was not renewed; look at its log"
    }
    late.certificates[0].not_after_ms = NOW - 1
    assert bad(late, report_of())["certificate"].startswith("expired; let it renew")
    revoked = unit_of(state="revoked")
    revoked.certificates[0].revoked_at_ms = NOW
    row = UnitRow("depot", NOW, NOW, "stolen", {})
    assert bad(revoked, report_of(), row=row) == {
        "admission": "revoked (stolen); to admit it again: bluewhale unit token depot",
        "certificate": "none that is valid; mint a token: bluewhale unit token depot",
    }
