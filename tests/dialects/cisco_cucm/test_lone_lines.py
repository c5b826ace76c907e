"""Lines pasted without their header: the columns of the release that has as many."""

from __future__ import annotations

from bluewhale.dialects.cisco_cucm import writer
from bluewhale.dialects.cisco_cucm.dialect import CISCO_CUCM

# Cisco CMR troubleshooting note, file cmr_StandAloneCluster_01_201902051047_0, line 3
QUALITY = (
    b'2,1,5,1,"2000",21411554,1549363621,2967,59340,0,0,0,0,0,'
    b'"1e44e506-9a5d-4f0a-af2c-de23a7405123","","StandAloneCluster","SEPeeeeeeeeeeee","",,"",'
    b',,,,,,,,,"","","",,,,,,,,,,"",""'
)


def names(record: bytes) -> list[str]:
    """Name the fields of a record under its assumed context."""
    context = CISCO_CUCM.assumed_context(record)
    return [f.name for f in CISCO_CUCM.fields(record, context, {})]


def test_a_quality_record_of_44_columns_is_read_by_the_quality_header():
    """Column 4 is the node, column 5 the directory number, column 13 the jitter."""
    found = names(QUALITY)
    assert (found[3], found[4], found[12]) == ("nodeId", "directoryNum", "jitter")


def test_a_call_record_of_129_columns_is_read_by_the_header_of_release_12():
    """Column 9 is the calling number, 51 the pkid, 129 the pattern of the hunt pilot."""
    found = names(writer.cdr_line({"cdrRecordType": 1, "callingPartyNumber": "2001"}))
    assert (found[8], found[50], found[128]) == (
        "callingPartyNumber",
        "pkid",
        "huntPilotPattern",
    )


def test_any_other_count_of_columns_assumes_nothing():
    """Seven columns are no known release: the record keeps waiting for its header."""
    assert CISCO_CUCM.assumed_context(b"1,2,3,4,5,6,7") is None
