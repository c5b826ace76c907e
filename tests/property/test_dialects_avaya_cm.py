"""Avaya CM: the columnar parser is its scalar twin, never raises, and reads what the writer wrote."""

from datetime import UTC, datetime

import pytest
from bluewhale.dialects.avaya_cm import writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.mutate import mutated_batches
from tests.support.dialect_twins import (
    assert_twins_agree,
    link,
    plain,
    raw_batch,
    rows_by_seq,
    run,
)

RECEIVED_AT_MS = round(datetime(2026, 8, 13, 10, tzinfo=UTC).timestamp() * 1000)
SETTINGS = {"max_examples": 60, "deadline": None, "suppress_health_check": list(HealthCheck)}

calls = st.fixed_dictionaries(
    {
        "hour": st.integers(0, 9),
        "minute": st.integers(0, 59),
        "duration_s": st.integers(0, 35999),
        "cond-code": st.sampled_from("01479ABCEFGHIJKMT"),
        "dialed-num": st.from_regex(r"[0-9]{3,14}", fullmatch=True),
        "calling-num": st.from_regex(r"[1-9][0-9]{4}", fullmatch=True),
        "code-used": st.sampled_from(["", "79", "*79", "799"]),
        "code-dial": st.sampled_from(["", "9"]),
        "in-crt-id": st.sampled_from(["", "123", "033"]),
        "out-crt-id": st.sampled_from(["", "116", "201"]),
        "acct-code": st.sampled_from(["", "08150"]),
        "auth-code": st.sampled_from(["", "12345"]),
    }
)


def items(call, layout):
    """Turn a drawn call into printed items (13 August 2026)."""
    printed = {name: str(value) for name, value in call.items()}
    seconds = call["duration_s"]
    return {
        **printed,
        "date": "130826" if layout == "custom-114" else "081326",
        "time": f"{call['hour']:02d}{call['minute']:02d}",
        "duration": writer.tenths(seconds),
        "sec-dur": f"{seconds:05d}",
    }


@settings(**SETTINGS)
@given(st.lists(calls, min_size=1, max_size=12), st.sampled_from(writer.LAYOUTS), st.booleans())
def test_what_the_writer_wrote_is_read_back(drawn, layout, splitting):
    """Every printed item comes back as the leg's column, in both twins."""
    options = {"layout": layout, "splitting": splitting}
    profile = link("avaya_cm", options, extension_lengths=(5,))
    data = writer.date_line(8, 13, options)
    data += b"".join(writer.record(items(call, layout), options) for call in drawn)
    batch = raw_batch(data, profile, RECEIVED_AT_MS)
    assert len(batch) == len(drawn)
    outcome = run(batch, profile)
    assert outcome.rejected.num_rows == 0
    rows = rows_by_seq(outcome)
    for number, call in enumerate(drawn, start=1):
        row = rows[number]
        assert row["calling_number"] == call["calling-num"]
        assert row["called_number"] == call["dialed-num"]
        assert row["condition_code"] == call["cond-code"]
        if call["cond-code"] not in "GHI":
            exact_ms = call["duration_s"] * 1000
            coarse_ms = call["duration_s"] // 6 * 6000
            expected = exact_ms if layout.startswith("custom") else coarse_ms
            assert row["duration_ms"] == expected
        if "lsu" not in layout or layout == "lsu-expand":
            # Berlin is two hours ahead of UTC in August.
            end_ms = RECEIVED_AT_MS + (call["hour"] - 12) * 3_600_000 + call["minute"] * 60_000
            assert plain(row["release_at"]) == end_ms
    assert_twins_agree(batch, profile, outcome)


@settings(**SETTINGS)
@given(
    st.lists(calls, min_size=1, max_size=5), st.sampled_from(writer.LAYOUTS), st.integers(0, 2**32)
)
def test_mutated_lines_are_read_the_same_by_both_twins(drawn, layout, seed):
    """Whatever bytes come, both twins make the same leg or the same reject."""
    options = {"layout": layout}
    profile = link("avaya_cm", options)
    records = [writer.record_text(items(call, layout), options) for call in drawn]
    contexts = [b"0813", b"08 13", b"3108", b"0229", b"nonsense"]
    for batch in mutated_batches(
        records, contexts, count=100, seed=seed, received_at_ms=RECEIVED_AT_MS
    ):
        assert_twins_agree(batch, profile, run(batch, profile))


@settings(**SETTINGS)
@given(st.lists(st.binary(max_size=150), min_size=1, max_size=20), st.sampled_from(writer.LAYOUTS))
def test_any_bytes_become_legs_or_rejects(lines, layout):
    """No line of any bytes raises."""
    profile = link("avaya_cm", {"layout": layout})
    batch = raw_batch(b"\n".join(lines), profile, RECEIVED_AT_MS)
    assert_twins_agree(batch, profile, run(batch, profile))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["unformatted", "teleseer", "lsu", "int-isdn", "custom-97"])
def test_a_million_mutated_lines_never_raise(layout):
    """A million mutated lines (200,000 in each of five layouts) are legs or rejects."""
    options = {"layout": layout}
    profile = link("avaya_cm", options)
    records = [
        writer.record_text(
            {
                "date": "081326", "time": f"{hour:02d}30", "duration": writer.tenths(61 * hour),
                "sec-dur": f"{61 * hour:05d}", "cond-code": code, "dialed-num": "0030231250",
                "calling-num": "14711", "code-dial": "9", "code-used": "799", "in-crt-id": "012",
                "out-crt-id": "116", "acct-code": "8150",
            },
            options,
        )
        for hour in range(24)
        for code in "01479ABCEFGHIJKMT"
    ]  # fmt: skip
    seen = 0
    for batch in mutated_batches(
        records, [b"0813", b"08 13"], count=200_000, seed=1, received_at_ms=RECEIVED_AT_MS
    ):
        outcome = run(batch, profile)
        seen += outcome.accepted.num_rows + outcome.rejected.num_rows
    assert seen == 200_000
