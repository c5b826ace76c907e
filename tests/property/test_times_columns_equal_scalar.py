"""Times over columns equal their scalar twins around every change of the clock."""

import numpy as np
from bluewhale.records.enums import Flag
from bluewhale.records.times import (
    DAY_MS,
    HOUR_MS,
    NULL_MS,
    day_from_context,
    day_from_context_one,
    local_to_utc_ms,
    local_to_utc_one,
    resolve_year,
    resolve_year_one,
    span_from_local,
    span_from_local_one,
    wall_ms,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = st.sampled_from(
    ["Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "America/New_York", "UTC"]
)
CHANGES = [
    wall_ms(2026, 3, 29, 2),
    wall_ms(2026, 10, 25, 3),
    wall_ms(2026, 4, 5, 2),
    wall_ms(2026, 10, 4, 2),
    wall_ms(2026, 11, 1, 1),
    wall_ms(2026, 3, 8, 2),
    wall_ms(2026, 7, 1),
]
NEAR = st.builds(
    lambda change, away: change + away * 1000, st.sampled_from(CHANGES), st.integers(-9000, 9000)
)
HEARD = st.builds(lambda at, away: at + away * 1000, NEAR, st.integers(-50_000, 50_000)) | st.none()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(NEAR, HEARD), max_size=12), ZONES)
def test_local_to_utc_equals_its_twin_row_by_row(rows, zone):
    """Each row sees the instant of the row before."""
    column, flags = local_to_utc_ms(
        [r[0] for r in rows], zone, [NULL_MS if r[1] is None else r[1] for r in rows]
    )
    previous = None
    for i, (local, heard) in enumerate(rows):
        expected, flag = local_to_utc_one(local, zone, heard, previous)
        assert (int(column[i]), Flag(int(flags[i]))) == (expected, flag)
        previous = expected


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(NEAR, st.integers(-8000, 8000), HEARD), max_size=8), ZONES)
def test_spans_equal_their_twin(rows, zone):
    """Any two readings around a change."""
    starts = np.array([r[0] for r in rows], np.int64)
    ends = np.array([r[0] + r[1] * 1000 for r in rows], np.int64)
    heard = [NULL_MS if r[2] is None else r[2] for r in rows]
    columns = span_from_local(starts, ends, zone, heard)
    chosen, _ = local_to_utc_ms(ends, zone, heard)
    for i in range(len(rows)):
        previous = int(chosen[i - 1]) if i else None
        expected = span_from_local_one(int(starts[i]), int(ends[i]), zone, rows[i][2], previous)
        assert tuple(int(c[i]) for c in columns) == tuple(int(v) for v in expected)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 13), st.integers(0, 32), st.integers(0, DAY_MS - 1), st.integers(0, 10**8), ZONES
)
def test_years_equal_their_twin(month, day, clock, minutes, zone):
    """Any date, heard at any time of two centuries."""
    received = minutes * 60_000
    days, valid, _ = resolve_year([month], [day], [clock], [received], zone)
    expected = resolve_year_one(month, day, clock, received, zone)
    assert (int(days[0]) if valid[0] else None) == expected


@settings(max_examples=80, deadline=None)
@given(
    st.none() | st.integers(20_640, 20_645),
    st.integers(0, DAY_MS - 1),
    st.integers(20_638 * DAY_MS, 20_648 * DAY_MS),
    ZONES,
)
def test_days_equal_their_twin(context, clock, received, zone):
    """Any time of day, heard within days of the line."""
    line = None if context is None else [context]
    day, flags = day_from_context(line, [clock], [received], zone)
    assert (int(day[0]), Flag(int(flags[0]))) == day_from_context_one(
        context, clock, received, zone
    )
    assert HOUR_MS > 0
