"""CUCM files: names, headers, columns on demand, devices."""

import json
from datetime import UTC, datetime

import pytest
from bluewhale.dialects import get_dialect
from bluewhale.dialects.cisco_cucm import writer
from bluewhale.dialects.cisco_cucm.columns import ipv4_text
from bluewhale.dialects.cisco_cucm.devices import is_gateway
from bluewhale.dialects.cisco_cucm.file_names import FileName, is_open, read_file_name

from tests.support.dialect_twins import link, raw_batch, rows_by_seq, run

NOW = 1_593_547_211  # 2020-06-30T20:00:11Z, of a real 12.5 record (sipcapture/paStash issue 70)
# The first values of that record as its poster anonymised them.
REAL = {
    "cdrRecordType": 1, "globalCallID_callManagerId": 2, "globalCallID_callId": 28377,
    "origLegCallIdentifier": 36951964, "dateTimeOrigination": NOW, "origNodeId": 2,
    "origSpan": 36951964, "origIpAddr": 152200202, "callingPartyNumber": "+49123456789",
    "origCause_location": 0, "origCause_value": 16, "origPrecedenceLevel": 4,
    "origMediaTransportAddress_IP": 152200202, "origMediaTransportAddress_Port": 23618,
    "origMediaCap_payloadCapability": 2, "origMediaCap_maxFramesPerPacket": 20,
    "origRSVPAudioStat": "0", "origRSVPVideoStat": "0", "destLegIdentifier": 36951967,
    "destNodeId": 2, "destSpan": 36951967, "destIpAddr": 152200202,
    "originalCalledPartyNumber": "+4923456789",
}  # fmt: skip


def test_a_finished_file_says_cluster_node_and_minute_in_its_name():
    """The cluster may hold anything, also underscores; the time is UTC."""
    assert read_file_name("cmr_StandAloneCluster_01_201902051047_0") == FileName(
        True, "StandAloneCluster", 1, datetime(2019, 2, 5, 10, 47, tzinfo=UTC), 0
    )
    assert read_file_name("cdr_West_01_Cluster_02_200404021658_1") == FileName(
        False, "West_01_Cluster", 2, datetime(2004, 4, 2, 16, 58, tzinfo=UTC), 1
    )
    named = {
        "cluster": "Cluster1",
        "node": 1,
        "written_at": datetime(2004, 4, 2, 16, 58, tzinfo=UTC),
    }
    assert writer.file_name(**named, sequence=1) == "cdr_Cluster1_01_200404021658_1"


@pytest.mark.parametrize(
    "name", ["_cdr_A_01_200404021658_1", "cdr_A_01_200413021658_1", "x.csv", ""]
)
def test_other_names_are_no_finished_files(name):
    """A leading underscore means that the cluster still writes."""
    assert read_file_name(name) is None
    assert is_open(name) == name.startswith("_")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (-1139627840, "192.168.18.188"),
        (1897990154, "10.8.33.113"),
        (-1759442934, "10.8.33.151"),
        (122640650, "10.89.79.7"),
        (352737802, "10.90.6.21"),
        (152200202, "10.100.18.9"),
    ],
)
def test_addresses_are_signed_and_byte_reversed(value, address):
    """The values that Cisco's guide prints, both ways."""
    assert ipv4_text(value) == address
    assert writer.address(address) == value


def test_every_column_is_decoded_on_demand():
    """129 fields with number, text, value and meaning; codes in words."""
    fields = {
        field.name: field
        for field in get_dialect("cisco_cucm").fields(
            writer.cdr_line(REAL), writer.header_line(), {}
        )
    }
    assert len(fields) == 129
    origin = fields["dateTimeOrigination"]
    assert (origin.position, origin.text) == ("column 5", "1593547211")
    assert origin.value == datetime(2020, 6, 30, 20, 0, 11, tzinfo=UTC)
    assert fields["origIpAddr"].value == "10.100.18.9"
    assert fields["origCause_value"].note == "normal clearing"
    assert fields["origMediaCap_payloadCapability"].note == "G.711A"
    assert fields["duration"].value is None
    assert all(field.meaning for field in fields.values())


def test_a_line_without_header_and_a_torn_line_still_show_their_fields():
    """On demand means: what can be seen is shown, with the fault behind it."""
    dialect = get_dialect("cisco_cucm")
    assert dialect.fields(b'1,"a"', None, {})[1].note == "no header line"
    last = dialect.fields(writer.cdr_line(REAL)[:55], writer.header_line(), {})[-1]
    assert last.note.startswith("record_truncated")


def test_older_and_newer_headers_are_read_by_name_in_any_case():
    """Documents spell destLegCallIdentifier, letter case varies, columns are appended."""
    columns = list(reversed(writer.CDR_COLUMNS))
    line = writer.cdr_line({**REAL, "pkid": "k", "dateTimeDisconnect": NOW + 9}, columns)
    header = b'"cdrRecordType",' + writer.header_line(columns[:-1]).upper()
    header = header.replace(b"DESTLEGIDENTIFIER", b"destLegCallIdentifier")
    record = b"1," + line.rsplit(b",", 1)[0]
    profile = link("cisco_cucm")
    batch = raw_batch(
        header + b',"somethingNew"\n' + record + b",7\n", profile, NOW * 1000 + 60_000
    )
    (row,) = rows_by_seq(run(batch, profile)).values()
    assert row["native_key"] == "k"
    assert row["calling_number"] == "+49123456789"
    assert row["release_at"] == datetime(2020, 6, 30, 20, 0, 20, tzinfo=UTC)
    assert row["raw"] == record + b",7"


def test_a_record_before_any_header_waits_for_context():
    """Without column names a record has no meaning; it is kept in suspense."""
    profile = link("cisco_cucm")
    batch = raw_batch(writer.cdr_line(REAL) + b"\n", profile, NOW * 1000)
    (row,) = rows_by_seq(run(batch, profile)).values()
    assert row["reason"] == "context_missing"


@pytest.mark.parametrize(
    ("name", "outside"),
    [
        ("S0/SU1/DS1-0@gw1", True),
        ("AALN/S0/SU0/0@gw2", True),
        ("10.8.33.113", True),
        ("SIP_TRUNK_BERLIN", True),
        ("SEP0003E333FEBD", False),
        ("CSFalice", False),
        ("BOTALICE", False),
        ("TCTALICE", False),
        ("TABALICE", False),
        ("ATA0003E333FEBD", False),
        ("AN1A2B3C4D5E6F7", False),
        ("CFB_2", False),
        ("MTP_3", False),
        ("ParkingLotDevice1", False),
        ("CiscoUM1-VI3", False),
        ("", False),
    ],
)
def test_gateways_are_told_by_their_names(name, outside):
    """Phones, bridges and application ports have known shapes; the rest are lines outside."""
    assert is_gateway(name) is outside


def test_configured_patterns_decide_alone():
    """`gateways` replaces the built-in shapes; `phones` always wins."""
    assert is_gateway("SEP0003E333FEBD", ("sep.*",))
    assert not is_gateway("SIP_TRUNK", ("S0/.*",))
    assert not is_gateway("SIP_TRUNK", (), ("sip_.*",))


def test_a_pattern_that_is_no_expression_is_refused():
    """The check names the option and the pattern."""
    (mistake,) = get_dialect("cisco_cucm").mistakes({"gateways": ["S0/(", "ok"]})
    assert "gateways" in mistake
    assert "S0/(" in mistake


def test_a_call_diverted_to_the_outside_is_classed_by_where_it_went():
    """2001 calls 2309, forwarded to a number in London: the outside leg is international."""
    values = {
        "cdrRecordType": 1, "globalCallID_callId": 5, "dateTimeOrigination": NOW,
        "dateTimeConnect": NOW + 5, "dateTimeDisconnect": NOW + 65, "duration": 60, "pkid": "k",
        "callingPartyNumber": "2001", "originalCalledPartyNumber": "2309",
        "finalCalledPartyNumber": "0044207946000", "lastRedirectDn": "2309",
        "origLegCallIdentifier": 1, "destLegIdentifier": 2, "origDeviceName": "SEP0003E333FEBD",
        "destDeviceName": "SIP_TRUNK", "lastRedirectRedirectOnBehalfOf": 5,
        "lastRedirectRedirectReason": 15, "destCause_value": 16,
    }  # fmt: skip
    profile = link("cisco_cucm", extension_lengths=[4])
    batch = raw_batch(writer.file_bytes([writer.cdr_line(values)]), profile, NOW * 1000 + 99_000)
    (row,) = rows_by_seq(run(batch, profile)).values()
    assert (row["direction"], row["class"], row["leg_role"]) == (
        "outbound",
        "international",
        "forward",
    )
    assert (row["called_number"], row["redirecting_number"]) == ("2309", "2309")


def test_values_are_json_for_people():
    """What fields() gives can be shown as text."""
    shown = get_dialect("cisco_cucm").fields(writer.cdr_line(REAL), writer.header_line(), {})
    assert json.dumps([str(field.value) for field in shown])
