"""Cisco CUCM: the columnar parser is its scalar twin, never raises, and reads what the writer wrote."""

from datetime import UTC, datetime

import pytest
from bluewhale.dialects.cisco_cucm import columns, writer
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
NOW = RECEIVED_AT_MS // 1000
SETTINGS = {"max_examples": 40, "deadline": None, "suppress_health_check": list(HealthCheck)}
CONTEXTS = [writer.header_line(), writer.header_line(writer.CMR_COLUMNS), b'"cdrRecordType",odd']

numbers = st.sampled_from(
    ["", "2001", "2309", "3071111", "b0029901001", "c0012345", "+4930231255500", 'a"b', "Grüße"]
)
devices = st.sampled_from(
    ["", "SEP0003E333FEBD", "S0/SU1/DS1-0@gw1", "SIP_TRUNK", "CFB_2", "10.8.33.113", "CSFalice"]
)
features = st.sampled_from([None, 0, 3, 4, 5, 10, 12, 16, 17, 18, 27, 34, 99])
reasons = st.sampled_from([None, 0, 1, 2, 4, 5, 7, 15, 98, 114, 354, 786, 2000])
causes = st.sampled_from([None, 0, 1, 16, 17, 19, 393216, -1493172161])
calls = st.fixed_dictionaries(
    {
        "cdrRecordType": st.just(1),
        "globalCallID_callManagerId": st.integers(0, 9),
        "globalCallID_callId": st.integers(0, 2**24),
        "origLegCallIdentifier": st.integers(0, 2**31),
        "destLegIdentifier": st.integers(0, 2**31),
        "dateTimeOrigination": st.integers(NOW - 10**6, NOW + 2),
        "dateTimeConnect": st.one_of(st.none(), st.just(0), st.integers(NOW - 10**6, NOW)),
        "dateTimeDisconnect": st.one_of(st.just(0), st.integers(NOW - 10**6, NOW)),
        "duration": st.one_of(st.none(), st.integers(0, 40_000)),
        "callingPartyNumber": numbers,
        "originalCalledPartyNumber": numbers,
        "finalCalledPartyNumber": numbers,
        "lastRedirectDn": numbers,
        "origDeviceName": devices,
        "destDeviceName": devices,
        "pkid": st.sampled_from(["", "00000001-0000-4000-8000-000000000001", "p\u00fc"]),
        "globalCallId_ClusterID": st.sampled_from(["", "StandAloneCluster", 'K"1']),
        "origCause_value": causes,
        "destCause_value": causes,
        "origCallTerminationOnBehalfOf": features,
        "destCallTerminationOnBehalfOf": features,
        "origCalledPartyRedirectOnBehalfOf": features,
        "lastRedirectRedirectOnBehalfOf": features,
        "joinOnBehalfOf": features,
        "origCalledPartyRedirectReason": reasons,
        "lastRedirectRedirectReason": reasons,
        "origConversationId": st.integers(0, 2),
        "destConversationId": st.integers(0, 2),
        "origMediaCap_payloadCapability": st.sampled_from([None, 0, 2, 4, 90, 4711, -3]),
        "wasCallQueued": st.sampled_from([None, 0, 1]),
        "totalWaitTimeInQueue": st.sampled_from([None, 0, 40]),
        "clientMatterCode": st.sampled_from(["", "4711"]),
        "authorizationCodeValue": st.sampled_from(["", "124"]),
    }
)
GOOD_CDR = writer.cdr_line(
    {
        "cdrRecordType": 1, "globalCallID_callManagerId": 2, "globalCallID_callId": 28377,
        "origLegCallIdentifier": 36951964, "dateTimeOrigination": NOW - 100, "origCause_value": 0,
        "callingPartyNumber": "2001", "destLegIdentifier": 36951967, "destCause_value": 16,
        "originalCalledPartyNumber": "3071111", "finalCalledPartyNumber": "3071111",
        "dateTimeConnect": NOW - 90, "dateTimeDisconnect": NOW - 30, "duration": 60,
        "pkid": "1e44e506-9a5d-4f0a-af2c-de23a7405123", "origDeviceName": "SEP0003E333FEBD",
        "destDeviceName": "SIP_TRUNK", "globalCallId_ClusterID": "StandAloneCluster",
        "joinOnBehalfOf": 10, "origCallTerminationOnBehalfOf": 10, "destConversationId": 0,
    }
)  # fmt: skip
GOOD_CMR = writer.cmr_line(
    {
        "globalCallID_callManagerId": 1, "globalCallID_callId": 5, "nodeId": 1,
        "directoryNum": "2000", "callIdentifier": 21411554, "dateTimeStamp": NOW - 10,
        "numberPacketsReceived": 297, "numberPacketsLost": 3, "jitter": 4, "latency": 20,
        "pkid": "1e44e506-9a5d-4f0a-af2c-de23a7405124", "deviceName": "SEP0003E333FEBD",
        "globalCallId_ClusterID": "StandAloneCluster", "varVQMetrics": "MLQK=4.5;MLQKav=4.41;",
    }
)  # fmt: skip


@settings(**SETTINGS)
@given(st.lists(calls, min_size=1, max_size=20))
def test_what_the_writer_wrote_is_read_back(drawn):
    """Numbers, times and codes come back as the leg's columns, in both twins."""
    profile = link("cisco_cucm")
    batch = raw_batch(
        writer.file_bytes([writer.cdr_line(call) for call in drawn]), profile, RECEIVED_AT_MS
    )
    assert len(batch) == len(drawn)
    outcome = run(batch, profile)
    assert outcome.rejected.num_rows == 0
    rows = rows_by_seq(outcome)
    for number, call in enumerate(drawn, start=1):
        row = rows[number]
        assert row["calling_number"] == (call["callingPartyNumber"] or None)
        assert row["called_number"] == (call["originalCalledPartyNumber"] or None)
        assert row["connected_number"] == (call["finalCalledPartyNumber"] or None)
        assert row["account_code"] == (call["clientMatterCode"] or None)
        assert plain(row["setup_at"]) == call["dateTimeOrigination"] * 1000
        assert (row["disposition"] == "answered") == bool(call["dateTimeConnect"])
        seconds = call["duration"]
        assert row["duration_ms"] == (None if seconds is None else seconds * 1000)
    assert_twins_agree(batch, profile, outcome)


@settings(**SETTINGS)
@given(st.lists(calls, max_size=3), st.integers(0, 2**32), st.booleans())
def test_mutated_lines_are_read_the_same_by_both_twins(drawn, seed, named):
    """Whatever bytes come, both twins make the same leg or the same reject."""
    profile = link("cisco_cucm", {"gateways": ["SIP_.*"], "phones": ["SIP_X"]} if named else None)
    records = [GOOD_CDR, GOOD_CMR, *(writer.cdr_line(call) for call in drawn)]
    for batch in mutated_batches(
        records, CONTEXTS, count=150, seed=seed, received_at_ms=RECEIVED_AT_MS
    ):
        assert_twins_agree(batch, profile, run(batch, profile))


@settings(**SETTINGS)
@given(st.lists(st.binary(max_size=150), min_size=1, max_size=20), st.booleans())
def test_any_bytes_become_legs_or_rejects(lines, headed):
    """No line of any bytes raises, with or without a header before it."""
    profile = link("cisco_cucm")
    data = b"\n".join([writer.header_line(), *lines] if headed else lines)
    batch = raw_batch(data, profile, RECEIVED_AT_MS)
    assert_twins_agree(batch, profile, run(batch, profile))


def test_header_and_declaration_name_the_same_columns():
    """Every column that files have is declared with a meaning, and the other way round."""
    assert {columns.fold(name) for name in writer.CDR_COLUMNS} | {
        "origdevicetype", "destdevicetype", "origdevicesessionid", "destdevicesessionid",
    } == set(columns.CDR_COLUMNS)  # fmt: skip
    assert {columns.fold(name) for name in writer.CMR_COLUMNS} | {
        "localsessionid", "remotesessionid", "headsetsn", "headsetmetrics",
    } == set(columns.CMR_COLUMNS)  # fmt: skip
    assert len(writer.CDR_COLUMNS) == 129
    assert len(writer.CMR_COLUMNS) == 44


@pytest.mark.slow
def test_a_million_mutated_lines_never_raise():
    """A million mutated CDR and CMR lines are legs or rejects."""
    profile = link("cisco_cucm")
    seen = 0
    for batch in mutated_batches(
        [GOOD_CDR, GOOD_CDR, GOOD_CMR],
        CONTEXTS[:2],
        count=1_000_000,
        seed=1,
        received_at_ms=RECEIVED_AT_MS,
    ):
        outcome = run(batch, profile)
        seen += outcome.accepted.num_rows + outcome.rejected.num_rows
    assert seen == 1_000_000
