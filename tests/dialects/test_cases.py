"""Cases of all dialects: a folder each with profile.yaml, input.* and expected.json.

`expected.json` lists what becomes of each record, written by hand from the
vendor's documents: {"leg": {column: value, ...}} with any subset of the columns
of LEG_SCHEMA (instants as ISO text in UTC, flags as a list of names that must be
set, not_flags as names that must not) or {"reject": {"reason": ...,
"detail": ...}} where detail may be the beginning. "shares_key_with" lists the
numbers (from 1) of the other records with which a leg has a join key in common.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from bluewhale.records.enums import Flag

from tests.support.dialect_twins import assert_twins_agree, link, raw_batch, rows_by_seq, run

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/*/profile.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case_becomes_what_was_written_by_hand(case):
    """Every record of a case becomes the leg or the reject that its author expected."""
    facts = yaml.safe_load((case / "profile.yaml").read_text())
    profile = link(facts["dialect"], facts.get("options"), **facts.get("site", {}))
    received_at_ms = round(facts["received_at"].replace(tzinfo=UTC).timestamp() * 1000)
    (source,) = case.glob("input.*")
    batch = raw_batch(source.read_bytes(), profile, received_at_ms)
    outcome = run(batch, profile)
    expected = json.loads((case / "expected.json").read_text())
    rows = rows_by_seq(outcome)
    assert len(rows) == len(expected), "one expectation per record"
    for number, wanted in enumerate(expected, start=1):
        if "reject" in wanted:
            _compare_reject(number, rows[number], wanted["reject"])
        else:
            _compare_leg(number, rows[number], wanted)
    for number, wanted in enumerate(expected, start=1):
        if "shares_key_with" in wanted:
            keys = set(rows[number].get("join_keys") or ())
            others = [
                other
                for other, row in rows.items()
                if other != number and keys & set(row.get("join_keys") or ())
            ]
            assert others == wanted["shares_key_with"], f"record {number}"
    assert_twins_agree(batch, profile, outcome)


def _compare_reject(number, row, wanted):
    assert "reason" in row, f"record {number} became a leg"
    assert row["reason"] == wanted["reason"], f"record {number}: {row['detail']}"
    assert row["detail"].startswith(wanted.get("detail", "")), f"record {number}: {row['detail']}"


def _compare_leg(number, row, wanted):
    assert "reason" not in row, f"record {number}: {row['reason']}, {row['detail']}"
    leg = dict(wanted["leg"])
    flags = Flag(row["flags"])
    for name in leg.pop("flags", []):
        assert Flag[name] in flags, f"record {number}: {flags!r}"
    for name in leg.pop("not_flags", []):
        assert Flag[name] not in flags, f"record {number}: {flags!r}"
    got = {column: _printable(row[column]) for column in leg}
    assert got == leg, f"record {number}"


def _printable(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
