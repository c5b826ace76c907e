"""Which columns a leg is made of, and where a header puts them.

Owns the slots that parsing reads. All other columns stay in the raw record and
are decoded on demand (`on_demand`).
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Final

from bluewhale.dialects.cisco_cucm.columns import fold
from bluewhale.dialects.engine.delimited import Layout, layout_of, split_record


class Text(IntEnum):
    """Text slots."""

    CALLING = 0
    ORIGINAL_CALLED = 1
    FINAL_CALLED = 2
    LAST_REDIRECT = 3
    PKID = 4
    ORIG_DEVICE = 5
    DEST_DEVICE = 6
    CLUSTER = 7
    MATTER_CODE = 8
    AUTHORIZATION_CODE = 9
    DIRECTORY_NUMBER = 10
    REPORTING_DEVICE = 11
    VOICE_QUALITY = 12


class Int(IntEnum):
    """Integer slots."""

    RECORD_TYPE = 0
    CALL_MANAGER = 1
    CALL = 2
    ORIG_LEG = 3
    DEST_LEG = 4
    ORIGINATION = 5
    CONNECT = 6
    DISCONNECT = 7
    DURATION = 8
    ORIG_CAUSE = 9
    DEST_CAUSE = 10
    ORIG_TERMINATION = 11
    DEST_TERMINATION = 12
    FIRST_REDIRECT = 13
    LAST_REDIRECT = 14
    FIRST_REASON = 15
    LAST_REASON = 16
    JOIN = 17
    ORIG_CONVERSATION = 18
    DEST_CONVERSATION = 19
    CODEC = 20
    QUEUED = 21
    QUEUE_SECONDS = 22
    REPORT_TIME = 23
    RECEIVED = 24
    LOST = 25
    JITTER = 26


TEXTS: Final = (
    "callingpartynumber",
    "originalcalledpartynumber",
    "finalcalledpartynumber",
    "lastredirectdn",
    "pkid",
    "origdevicename",
    "destdevicename",
    "globalcallid_clusterid",
    "clientmattercode",
    "authorizationcodevalue",
    "directorynum",
    "devicename",
    "varvqmetrics",
)
INTEGERS: Final = (
    "cdrrecordtype",
    "globalcallid_callmanagerid",
    "globalcallid_callid",
    "origlegcallidentifier",
    "destlegidentifier",
    "datetimeorigination",
    "datetimeconnect",
    "datetimedisconnect",
    "duration",
    "origcause_value",
    "destcause_value",
    "origcallterminationonbehalfof",
    "destcallterminationonbehalfof",
    "origcalledpartyredirectonbehalfof",
    "lastredirectredirectonbehalfof",
    "origcalledpartyredirectreason",
    "lastredirectredirectreason",
    "joinonbehalfof",
    "origconversationid",
    "destconversationid",
    "origmediacap_payloadcapability",
    "wascallqueued",
    "totalwaittimeinqueue",
    "datetimestamp",
    "numberpacketsreceived",
    "numberpacketslost",
    "jitter",
)
assert len(TEXTS) == len(Text)
assert len(INTEGERS) == len(Int)

# Without these a record has neither identity nor moment.
_NEEDED: Final = ("cdrrecordtype", "globalcallid_callid", "pkid")
_NEEDED_TIMES: Final = ("datetimeorigination", "datetimestamp")


@lru_cache(maxsize=1024)
def header_names(context: bytes | None) -> tuple[str, ...]:
    """Read the column names of a header line, folded; empty where there is none."""
    if context is None:
        return ()
    line = context.rsplit(b"\n", 1)[-1].removeprefix(b"\xef\xbb\xbf").rstrip(b"\r")
    pieces, fault = split_record(line)
    if fault is not None:
        return ()
    return tuple(fold(text.decode("utf-8", "replace")) for _, text, _ in pieces)


@lru_cache(maxsize=1024)
def header_layout(context: bytes | None) -> Layout | None:
    """Give the layout that a header line declares; None = it is no CDR or CMR header."""
    names = header_names(context)
    if not all(name in names for name in _NEEDED) or not any(t in names for t in _NEEDED_TIMES):
        return None
    return layout_of(names, texts=TEXTS, integers=INTEGERS)


def is_quality_header(names: tuple[str, ...]) -> bool:
    """Tell CMR headers from CDR headers."""
    return "datetimestamp" in names and "datetimeorigination" not in names
