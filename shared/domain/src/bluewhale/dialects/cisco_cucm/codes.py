"""The code lists of CUCM records: causes, redirect reasons, features, codecs, protocols.

Owns numbers and their words, nothing else.

Source: Cisco CDR administration guides, releases 12.5 (codes) and 15
(descriptions); cause values otherwise ITU-T Q.850.
"""

from __future__ import annotations

from typing import Final

CALL_SPLIT = 393216  # the leg was ended by a feature; the call goes on elsewhere

CAUSES: Final = {
    0: "none",
    1: "unallocated number",
    2: "no route to transit network",
    3: "no route to destination",
    16: "normal clearing",
    17: "user busy",
    18: "no user responding",
    19: "no answer from user",
    20: "subscriber absent",
    21: "call rejected",
    22: "number changed",
    27: "destination out of order",
    28: "invalid number format",
    29: "facility rejected",
    31: "normal, unspecified",
    34: "no circuit available",
    38: "network out of order",
    41: "temporary failure",
    42: "switching equipment congestion",
    44: "requested circuit not available",
    47: "resource unavailable",
    50: "requested facility not subscribed",
    57: "bearer capability not authorised",
    65: "bearer capability not implemented",
    88: "incompatible destination",
    102: "recovery on timer expiry",
    111: "protocol error",
    127: "interworking",
    262144: "conference full",
    393216: "call split by a feature",
    458752: "conference dropped any or last party",
}
BUSY_CAUSES: Final = (17,)
NO_ANSWER_CAUSES: Final = (18, 19, 20, 102)

REDIRECT_REASONS: Final = {
    0: "none",
    1: "forward busy",
    2: "forward no answer",
    4: "transfer",
    5: "pickup",
    7: "park",
    8: "park pickup",
    10: "CPE forward",
    11: "park reversion",
    15: "forward all",
    18: "deflection",
    34: "blind transfer",
    50: "immediate divert",
    82: "forward on failure",
    98: "conference",
    114: "barge",
    130: "refer",
    146: "replaces",
    162: "redirection (3xx)",
    303: "mobility hand-in",
    319: "mobility hand-out",
    335: "mobile connect (follow me)",
    351: "mobility redial",
    354: "recording",
    370: "monitoring",
    399: "mobility",
    401: "mobility",
    402: "mobility",
    403: "mobility",
    415: "mobility",
    783: "mobility",
    786: "native queuing",
    802: "native queuing",
    818: "native queuing",
    834: "native queuing",
    850: "native queuing",
}

ON_BEHALF_OF: Final = {
    0: "unknown",
    1: "CTI line",
    3: "park",
    4: "conference",
    5: "forward",
    6: "Meet-Me",
    7: "Meet-Me conference intercepts",
    10: "transfer",
    12: "device",
    13: "call control",
    14: "immediate divert",
    15: "barge",
    16: "pickup",
    17: "refer",
    18: "replaces",
    19: "redirection",
    24: "mobility",
    25: "automated alternate routing",
    27: "recording",
    28: "monitoring",
    33: "agent greeting",
    34: "native queuing",
}

CODECS: Final = {
    2: "G.711A",
    4: "G.711u",
    6: "G.722",
    11: "G.729",
    12: "G.729A",
    86: "iLBC",
    90: "Opus",
}

PROTOCOLS: Final = {0: "none", 1: "SIP", 2: "H.323", 3: "CTI/JTAPI", 4: "Q.931"}

PATTERN_USAGES: Final = {2: "device", 5: "route pattern", 7: "hunt pilot"}

RECORD_TYPES: Final = {1: "CDR", 2: "CMR"}

# Which redirect reasons and on-behalf-of codes say which part a leg plays. The
# lists do not overlap; the order of the tests stands in `meaning.role_of`.
MONITOR_REASONS: Final = (354, 370)
MONITOR_FEATURES: Final = (27, 28)
CONFERENCE_REASONS: Final = (98, 114)
CONFERENCE_FEATURES: Final = (4, 6, 7, 15)
TRANSFER_REASONS: Final = (4, 34, 130, 146)
TRANSFER_FEATURES: Final = (10, 17, 18)
PARK_REASONS: Final = (7, 8, 11)
PARK_FEATURES: Final = (3,)
PICKUP_REASONS: Final = (5,)
PICKUP_FEATURES: Final = (16,)
QUEUE_REASONS: Final = (786, 802, 818, 834, 850)
QUEUE_FEATURES: Final = (34,)
FORWARD_REASONS: Final = (1, 2, 10, 15, 18, 50, 82, 162, 335)
FORWARD_FEATURES: Final = (5, 14, 19, 24, 25)
PLAIN_FEATURES: Final = (0, 12, 13)  # nobody, the device itself, call control
