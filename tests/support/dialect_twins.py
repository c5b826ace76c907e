"""Run a dialect over bytes, columnar and scalar, and hold the two equal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from bluewhale.dialects import frame_buffer, get_dialect, parse
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch
from bluewhale.records.directory import Site
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA


def link(dialect_id: str, options: Mapping[str, object] | None = None, **site: Any) -> LinkProfile:
    """Make a link of a dialect at a site (Berlin unless said otherwise)."""
    facts: dict[str, Any] = {"zone": "Europe/Berlin", "country": "DE", "area_code": "30", **site}
    for name in ("access_codes", "extension_lengths", "extension_ranges"):
        if name in facts:
            facts[name] = tuple(tuple(x) if isinstance(x, list) else x for x in facts[name])
    options = dict(options or {})
    mistakes = get_dialect(dialect_id).mistakes(options)
    assert not mistakes, mistakes
    return LinkProfile("link-1", 1, "pbx-1", Site("site-1", "Site", **facts), dialect_id, options)


def raw_batch(data: bytes, profile: LinkProfile, received_at_ms: int) -> RawBatch:
    """Frame bytes of one connection into a batch, all received at one moment."""
    table = get_dialect(profile.dialect_id).framing(profile.options)
    framed = frame_buffer(np.frombuffer(data, np.uint8), table, final=True)
    count = len(framed.starts)
    return RawBatch(
        data=framed.data,
        starts=framed.starts,
        ends=framed.ends,
        incarnation=np.full(count, 11, np.int64),
        seq=np.arange(1, count + 1, dtype=np.int64),
        connection=np.full(count, 12, np.int64),
        n=np.ones(count, np.int32),
        received_at_ms=np.full(count, received_at_ms, np.int64),
        context_row=framed.context_row,
        contexts=framed.contexts,
        ingested_at_ms=received_at_ms,
    )


def run(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Parse columnar; the balance and the schemas hold."""
    outcome = parse(batch, profile)
    assert outcome.accepted.schema.equals(LEG_SCHEMA)
    assert outcome.rejected.schema.equals(SUSPENSE_SCHEMA)
    outcome.accepted.validate(full=True)
    outcome.rejected.validate(full=True)
    assert outcome.accepted.num_rows + outcome.rejected.num_rows == len(batch)
    return outcome


def rows_by_seq(outcome: Outcome) -> dict[int, dict[str, Any]]:
    """Give every row, leg or suspense, by its sequence number."""
    rows = {}
    for table in (outcome.accepted, outcome.rejected):
        for row in table.to_pylist():
            assert row["seq"] not in rows
            rows[row["seq"]] = row
    return rows


def assert_twins_agree(batch: RawBatch, profile: LinkProfile, outcome: Outcome) -> None:
    """Compare each row of the columnar outcome with the scalar twin's answer."""
    dialect = get_dialect(profile.dialect_id)
    rows = rows_by_seq(outcome)
    for index in range(len(batch)):
        record = batch.data[batch.starts[index] : batch.ends[index]].tobytes()
        at = int(batch.context_row[index])
        context = batch.contexts[at] if at >= 0 else None
        got = rows[index + 1]
        expected = dialect.parse_one(record, context, profile, int(batch.received_at_ms[index]))
        if isinstance(expected, Reject):
            assert (got["reason"], got["detail"]) == (str(expected.reason), expected.detail), record
            continue
        assert "reason" not in got, (record, got["reason"], got["detail"])
        wanted = {name: value for name, value in expected.items() if name in LEG_SCHEMA.names}
        assert {name: plain(got[name]) for name in wanted} == wanted, record
        flags = int(expected.get("dialect_flags", 0))
        assert got["flags"] & flags == flags, record


def plain(value: Any) -> Any:
    """Turn instants into milliseconds."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return value
