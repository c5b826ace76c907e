"""Joining and building calls on columns equals the plain twins, in any order of rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bluewhale.merge import PAYER_POLICIES, build_calls, components, components_of_rows
from bluewhale.merge.plain import build_call, build_spans
from bluewhale.records.enums import Direction, Disposition, LegRole
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.legs import MIDNIGHT, leg, leg_table

_none = st.none()
_roles = st.sampled_from([str(r) for r in LegRole])
_seconds = st.integers(0, 40) | st.sampled_from([60, 120, 180])  # of a minute, or whole minutes
_moment = _seconds.map(lambda s: MIDNIGHT + s * 1000)
_length = st.integers(0, 9).map(lambda s: s * 1000)
_columns = st.fixed_dictionaries(
    {
        "setup_at": _none | _moment,
        "answer_at": _none | _moment,
        "release_at": _none | _moment,
        "join_at": _none | _moment,
        "join_gap_ms": st.sampled_from([None, 0, 3000, 9000]),
        "join": st.lists(st.integers(1, 4), max_size=2),
        "duration_ms": _none | _length,
        "talk_ms": _none | _length,
        "ring_ms": _none | _length,
        "queue_ms": _none | _length,
        "leg_role": _roles,
        "direction": _none | st.sampled_from([str(d) for d in Direction]),
        "disposition": _none | st.sampled_from([str(d) for d in Disposition]),
        "trunk_in": st.sampled_from([None, None, "gw1", "gw2"]),
        "trunk_out": st.sampled_from([None, None, "gw1", "gw2"]),
        "piece_of": st.sampled_from([None, "a", "b", "a + b"]),
        "calling_number": _none | st.sampled_from(["2001", "2002"]),
        "called_number": _none | st.sampled_from(["110", "111"]),
        "connected_number": _none | st.just("112"),
        "connected_e164": _none | st.just(493023125112),
        "redirecting_number": _none | st.just("2003"),
        "calling_extension": _none | st.just("2001"),
        "called_extension": _none | st.just("2002"),
        "account_code": _none | st.sampled_from(["77", "88"]),
        "pbx_uid": st.sampled_from(["berlin", "london"]),
        "flags": st.sampled_from([0, 1, 1 << 6, 1 << 8, 1 << 8 | 1 << 6, 1 << 15, 1 << 18]),
    }
)


def _ms(value: Any) -> Any:
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else value


@settings(max_examples=120, deadline=None)
@given(st.lists(_columns, min_size=1, max_size=7), st.sampled_from(PAYER_POLICIES), st.randoms())
def test_calls_on_columns_equal_the_plain_twin(rows: Any, policy: str, random: Any) -> None:
    """Labels, calls and billables agree for arbitrary legs, whatever the order of rows."""
    legs = [leg(n, **columns) for n, columns in enumerate(rows, start=1)]
    random.shuffle(legs)
    table = leg_table(*legs)
    labels = components(table)
    assert labels.tolist() == components_of_rows(legs)
    built = build_calls(table, labels, payer_policy=policy)
    built.calls.validate(full=True)
    built.billables.validate(full=True)
    billables = built.billables.to_pylist()
    roots = sorted(set(labels.tolist()))
    assert built.calls.num_rows == len(roots)
    for row, root in enumerate(roots):
        mine = [one for one, label in zip(legs, labels, strict=True) if label == root]
        call = {k: _ms(v) for k, v in built.calls.slice(row, 1).to_pylist()[0].items()}
        want = build_call(mine, payer_policy=policy)
        assert {k: call[k] for k in want} == want
        spans = build_spans(mine, payer_policy=policy)
        got = [b for b in billables if b["call_row"] == row]
        keys = [k for k in spans[0] if k not in {"leg", "side", "by_line"}] if spans else []
        assert [{k: _ms(b[k]) for k in keys} for b in got] == [
            {k: s[k] for k in keys} for s in spans
        ]
        assert len(call["joins"]) == len(mine) - 1
    members = sorted((m["call_row"], m["cdr_id"]) for m in built.members.to_pylist())
    assert len({m[1] for m in members}) == len(legs)
