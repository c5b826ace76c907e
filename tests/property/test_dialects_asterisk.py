"""Asterisk CSV: the columnar parser is its scalar twin, never raises, and reads what the writer wrote."""

from datetime import UTC, datetime, timedelta

import pytest
from bluewhale.dialects.asterisk import writer
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
SETTINGS = {"max_examples": 40, "deadline": None, "suppress_health_check": list(HealthCheck)}
FIRST = datetime(2026, 3, 30)  # noqa: DTZ001 - a wall clock, after the change of March
KOLKATA = {"zone": "Asia/Kolkata", "country": "IN", "extension_lengths": (3,)}  # no clock changes

channels = st.sampled_from(
    [
        "", "SIP/101-0000001a", "PJSIP/provider-0000001b", "Local/200@from-internal-00000001;1",
        "DAHDI/i1/030231255-9", "IAX2/alice-5", "AsyncGoto/SIP/102-0000", "SCCP/103-1", "SIP/9-1",
    ]
)  # fmt: skip
calls = st.fixed_dictionaries(
    {
        "accountcode": st.sampled_from(["", "4711"]),
        "src": st.sampled_from(["101", "+4930231255500", "", 'a"b']),
        "dst": st.sampled_from(["102", "0302312555", "s", ""]),
        "clid": st.sampled_from(['"Bob" <101>', "101", "Bob <101>", '"" <101>', '"Grü" <1>', ""]),
        "channel": channels,
        "dstchannel": channels,
        "lastapp": st.sampled_from(["Dial", "Queue", "ConfBridge", "Park", ""]),
        "lastdata": st.sampled_from(["SIP/101,20", 'x"y,z']),
        "second": st.integers(0, 10_000_000),
        "ring": st.integers(0, 90),
        "talk": st.integers(0, 20_000),
        "disposition": st.sampled_from(["ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"]),
        "uniqueid": st.sampled_from(["1620028800.26", "pbx-1620028800.27", "a note", ""]),
        "linkedid": st.sampled_from(["1620028800.26", ""]),
        "sequence": st.integers(0, 2**31),
    }
)


def items(call, columns):
    """Turn a drawn call into printed columns."""
    start = FIRST + timedelta(seconds=call["second"])
    answered = call["disposition"] == "ANSWERED"
    talk = call["talk"] if answered else 0
    answer = start + timedelta(seconds=call["ring"])
    values = {
        **call,
        "start": start,
        "answer": answer if answered else "",
        "end": answer + timedelta(seconds=talk),
        "duration": call["ring"] + talk,
        "billsec": talk,
        "userfield": "a note",
    }
    return {name: values[name] for name in writer.SHAPES[columns] if name in values}


@settings(**SETTINGS)
@given(st.lists(calls, min_size=1, max_size=20), st.sampled_from(list(writer.SHAPES)))
def test_what_the_writer_wrote_is_read_back(drawn, columns):
    """Numbers, times and seconds come back as the leg's columns, in both twins."""
    profile = link("asterisk_csv", {"columns": columns}, extension_lengths=(3,))
    lines = [writer.record_line(items(call, columns), columns) for call in drawn]
    batch = raw_batch(writer.file_bytes(lines), profile, RECEIVED_AT_MS)
    outcome = run(batch, profile)
    assert outcome.rejected.num_rows == 0
    rows = rows_by_seq(outcome)
    for number, call in enumerate(drawn, start=1):
        row = rows[number]
        assert row["calling_number"] == (call["src"] or None)
        assert row["called_number"] == (call["dst"] or None)
        assert row["account_code"] == (call["accountcode"] or None)
        answered = call["disposition"] == "ANSWERED"
        assert row["duration_ms"] == (call["talk"] * 1000 if answered else 0)
        # Berlin is two hours ahead of UTC from 30 March to 24 July 2026.
        setup = FIRST.replace(tzinfo=UTC) + timedelta(seconds=call["second"], hours=-2)
        assert plain(row["setup_at"]) == round(setup.timestamp() * 1000)
        complete = columns == "21" and call["uniqueid"] and call["linkedid"]
        assert (row["native_key"] is not None) == bool(complete)
    assert_twins_agree(batch, profile, outcome)


@settings(**SETTINGS)
@given(
    st.lists(calls, min_size=1, max_size=5),
    st.sampled_from([*writer.SHAPES, "auto"]),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_mutated_lines_are_read_the_same_by_both_twins(drawn, columns, seed, named):
    """Whatever bytes come, both twins make the same leg or the same reject."""
    options = {"columns": columns, "usegmtime": named, "trunks": ["IAX2/.*"] if named else []}
    profile = link("asterisk_csv", options, **KOLKATA)
    shapes = list(writer.SHAPES) if columns == "auto" else [columns]
    records = [writer.record_line(items(call, shape), shape) for call in drawn for shape in shapes]
    for batch in mutated_batches(records, [], count=150, seed=seed, received_at_ms=RECEIVED_AT_MS):
        assert_twins_agree(batch, profile, run(batch, profile))


@settings(**SETTINGS)
@given(st.lists(st.binary(max_size=150), min_size=1, max_size=20))
def test_any_bytes_become_legs_or_rejects(lines):
    """No line of any bytes raises."""
    profile = link("asterisk_csv")
    batch = raw_batch(b"\n".join(lines), profile, RECEIVED_AT_MS)
    assert_twins_agree(batch, profile, run(batch, profile))


@pytest.mark.slow
def test_a_million_mutated_lines_never_raise():
    """A million mutated lines (200,000 in each of five shapes) are legs or rejects."""
    profile = link("asterisk_csv")
    for columns in writer.SHAPES:
        values = {
            "src": "101", "dst": "0302312555", "clid": '"Bob" <101>', "channel": "SIP/101-1a",
            "dstchannel": "PJSIP/provider-1b", "lastapp": "Dial", "lastdata": "x",
            "start": "2026-05-03 10:00:00", "answer": "2026-05-03 10:00:05",
            "end": "2026-05-03 10:01:05", "duration": 65, "billsec": 60, "disposition": "ANSWERED",
            "amaflags": "DOCUMENTATION",
        }  # fmt: skip
        more = {"uniqueid": "1620028800.26", "linkedid": "1620028800.26", "sequence": 3}
        values |= {name: more[name] for name in writer.SHAPES[columns] if name in more}
        record = writer.record_line(values, columns)
        seen = 0
        for batch in mutated_batches(
            [record], [], count=200_000, seed=2, received_at_ms=RECEIVED_AT_MS
        ):
            outcome = run(batch, profile)
            seen += outcome.accepted.num_rows + outcome.rejected.num_rows
        assert seen == 200_000
