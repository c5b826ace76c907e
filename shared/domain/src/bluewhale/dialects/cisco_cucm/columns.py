"""Every column of CUCM CDR and CMR files: name, what kind of value, meaning.

Owns names, their other spellings and the decoding of a single value for people.
Does not own which columns a leg is made of (`layout`).

A header is read by name, letter case ignored, because columns are appended in
each release and spellings differ between files and documents.

Source: file headers of releases 10.x to 12.x; Cisco CDR guide release 15
(descriptions), 12.5 (codes). Columns 130-133 observed in newer files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bluewhale.dialects.cisco_cucm import codes


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name as in file headers, kind of value, meaning."""

    name: str
    kind: str
    meaning: str


_COMMON: Final = """
cdrRecordType|record_type|1 = call record, 2 = quality record
globalCallID_callManagerId|integer|node that handled the call; with callId and cluster the call's key
globalCallID_callId|integer|24-bit call number; wraps, and jumps after a restart
globalCallId_ClusterID|text|cluster that wrote the record
pkid|text|unique key of this record
"""

_CDR: Final = """
origLegCallIdentifier|integer|id of the originating leg, unique in the cluster
dateTimeOrigination|time|off hook, or setup received
origNodeId|integer|node of the originating device
origSpan|integer|port or span of the originating gateway; otherwise the leg id again
origIpAddr|ipv4|address of the originating device
callingPartyNumber|text|calling number; the transferred party in a call after a transfer
callingPartyUnicodeLoginUserID|text|user signed in at the calling device
origCause_location|integer|Q.850 location of the originating cause
origCause_value|cause|why the originating side ended; 0 = the other side released
origPrecedenceLevel|integer|precedence of the originating leg (4 = routine)
origMediaTransportAddress_IP|ipv4|audio address of the originator
origMediaTransportAddress_Port|integer|audio port of the originator
origMediaCap_payloadCapability|codec|codec that the originator sent
origMediaCap_maxFramesPerPacket|integer|milliseconds of audio per packet
origMediaCap_g723BitRate|integer|G.723 rate, not used
origVideoCap_Codec|integer|video codec of the originator
origVideoCap_Bandwidth|integer|video kbit/s of the originator
origVideoCap_Resolution|integer|video resolution of the originator
origVideoTransportAddress_IP|ipv4|video address of the originator
origVideoTransportAddress_Port|integer|video port of the originator
origRSVPAudioStat|text|audio reservation of the originator
origRSVPVideoStat|text|video reservation of the originator
destLegIdentifier|integer|id of the terminating leg, unique in the cluster; 0 = none
destNodeId|integer|node of the terminating device
destSpan|integer|port or span of the terminating gateway; otherwise the leg id again
destIpAddr|ipv4|address of the terminating device
originalCalledPartyNumber|text|first number called, after translation
finalCalledPartyNumber|text|number finally reached, or tried last
finalCalledPartyUnicodeLoginUserID|text|user signed in at the called device
destCause_location|integer|Q.850 location of the terminating cause
destCause_value|cause|why the terminating side ended; 0 = the other side released
destPrecedenceLevel|integer|precedence of the terminating leg (4 = routine)
destMediaTransportAddress_IP|ipv4|audio address of the terminating device
destMediaTransportAddress_Port|integer|audio port of the terminating device
destMediaCap_payloadCapability|codec|codec that the terminating device sent
destMediaCap_maxFramesPerPacket|integer|milliseconds of audio per packet
destMediaCap_g723BitRate|integer|G.723 rate, not used
destVideoCap_Codec|integer|video codec of the terminating device
destVideoCap_Bandwidth|integer|video kbit/s of the terminating device
destVideoCap_Resolution|integer|video resolution of the terminating device
destVideoTransportAddress_IP|ipv4|video address of the terminating device
destVideoTransportAddress_Port|integer|video port of the terminating device
destRSVPAudioStat|text|audio reservation of the terminating device
destRSVPVideoStat|text|video reservation of the terminating device
dateTimeConnect|time|answered; 0 = never
dateTimeDisconnect|time|released
lastRedirectDn|text|number that redirected last: forwarder, transferor, park slot, bridge
originalCalledPartyNumberPartition|text|partition of the first called number
callingPartyNumberPartition|text|partition of the calling number
finalCalledPartyNumberPartition|text|partition of the number finally reached
lastRedirectDnPartition|text|partition of the last redirecting number
duration|integer|whole seconds from connect to disconnect
origDeviceName|text|device of the originating side: phone, gateway port or trunk
destDeviceName|text|device of the terminating side: phone, gateway port or trunk
origCallTerminationOnBehalfOf|on_behalf_of|feature that ended the originating side
destCallTerminationOnBehalfOf|on_behalf_of|feature that ended the terminating side
origCalledPartyRedirectOnBehalfOf|on_behalf_of|feature that redirected first
lastRedirectRedirectOnBehalfOf|on_behalf_of|feature that redirected last
origCalledPartyRedirectReason|redirect_reason|why it was redirected first
lastRedirectRedirectReason|redirect_reason|why it was redirected last
destConversationId|integer|conference that the terminating side joined; 0 = none
joinOnBehalfOf|on_behalf_of|feature that joined the two sides
comment|text|feature facts, e.g. ConfControllerDn=...
authCodeDescription|text|name of the forced authorization code
authorizationLevel|integer|level of the forced authorization code
clientMatterCode|text|client matter code dialled
origDTMFMethod|integer|digit relay of the originator
destDTMFMethod|integer|digit relay of the terminating device
callSecuredStatus|integer|0 plain, 1 signalling authenticated, 2 encrypted
origConversationId|integer|conference that the originating side is; 0 = none
origMediaCap_Bandwidth|integer|audio kbit/s of the originator
destMediaCap_Bandwidth|integer|audio kbit/s of the terminating device
authorizationCodeValue|text|forced authorization code dialled
outpulsedCallingPartyNumber|text|calling number as sent to the gateway
outpulsedCalledPartyNumber|text|called number as sent to the gateway
origIpv4v6Addr|text|address of the originating device as text
destIpv4v6Addr|text|address of the terminating device as text
origVideoCap_Codec_Channel2|integer|second video channel: codec
origVideoCap_Bandwidth_Channel2|integer|second video channel: kbit/s
origVideoCap_Resolution_Channel2|integer|second video channel: resolution
origVideoTransportAddress_IP_Channel2|ipv4|second video channel: address
origVideoTransportAddress_Port_Channel2|integer|second video channel: port
origVideoChannel_Role_Channel2|integer|second video channel: role (presentation, main)
destVideoCap_Codec_Channel2|integer|second video channel: codec
destVideoCap_Bandwidth_Channel2|integer|second video channel: kbit/s
destVideoCap_Resolution_Channel2|integer|second video channel: resolution
destVideoTransportAddress_IP_Channel2|ipv4|second video channel: address
destVideoTransportAddress_Port_Channel2|integer|second video channel: port
destVideoChannel_Role_Channel2|integer|second video channel: role (presentation, main)
IncomingProtocolID|protocol|protocol towards the calling side
IncomingProtocolCallRef|text|that protocol's own call id
OutgoingProtocolID|protocol|protocol towards the called side
OutgoingProtocolCallRef|text|that protocol's own call id
currentRoutingReason|redirect_reason|routing reason of the current destination
origRoutingReason|redirect_reason|routing reason of the first destination
lastRedirectingRoutingReason|redirect_reason|routing reason of the last redirection
huntPilotPartition|text|partition of the hunt pilot
huntPilotDN|text|hunt pilot number; empty for unanswered hunt calls
calledPartyPatternUsage|pattern_usage|what kind of pattern the called number matched
IncomingICID|text|IMS charging id of the incoming side
IncomingOrigIOI|text|IMS originating operator, incoming side
IncomingTermIOI|text|IMS terminating operator, incoming side
OutgoingICID|text|IMS charging id of the outgoing side
OutgoingOrigIOI|text|IMS originating operator, outgoing side
OutgoingTermIOI|text|IMS terminating operator, outgoing side
outpulsedOriginalCalledPartyNumber|text|first called number as sent to the gateway
outpulsedLastRedirectingNumber|text|last redirecting number as sent to the gateway
wasCallQueued|flag|1 = waited in a queue
totalWaitTimeInQueue|integer|seconds waited in queues
callingPartyNumber_uri|text|calling address as URI
originalCalledPartyNumber_uri|text|first called address as URI
finalCalledPartyNumber_uri|text|address finally reached as URI
lastRedirectDn_uri|text|last redirecting address as URI
mobileCallingPartyNumber|text|calling mobile of a mobility call
finalMobileCalledPartyNumber|text|called mobile of a mobility call
origMobileDeviceName|text|mobile device of the originating side
destMobileDeviceName|text|mobile device of the terminating side
origMobileCallDuration|integer|seconds on the originating cellular leg
destMobileCallDuration|integer|seconds on the terminating cellular leg
mobileCallType|integer|bit mask of mobility features, decimal
originalCalledPartyPattern|text|pattern that the first called number matched
finalCalledPartyPattern|text|pattern that the final number matched
lastRedirectingPartyPattern|text|pattern of the last redirecting number
huntPilotPattern|text|pattern of the hunt pilot
origDeviceType|text|type of the originating device
destDeviceType|text|type of the terminating device
origDeviceSessionID|text|session id of the originating device
destDeviceSessionID|text|session id of the terminating device
"""

_CMR: Final = """
nodeId|integer|node that the device was registered with
directoryNum|text|number of the device that reports
callIdentifier|integer|the reporting leg: orig or dest leg id of the call record
dateTimeStamp|time|when the device went on hook
numberPacketsSent|integer|RTP packets sent
numberOctetsSent|integer|RTP payload bytes sent
numberPacketsReceived|integer|RTP packets received
numberOctetsReceived|integer|RTP payload bytes received
numberPacketsLost|integer|RTP packets that never came
jitter|integer|interarrival jitter, ms
latency|integer|estimated delay, ms
directoryNumPartition|text|partition of the device's number
deviceName|text|device that reports
varVQMetrics|text|voice quality, e.g. MLQK=4.5;MLQKav=4.4;...
duration|integer|seconds that the stream was up
videoContentType|text|what the video shows
videoDuration|integer|seconds of video
numberVideoPacketsSent|integer|video packets sent
numberVideoOctetsSent|integer|video bytes sent
numberVideoPacketsReceived|integer|video packets received
numberVideoOctetsReceived|integer|video bytes received
numberVideoPacketsLost|integer|video packets lost
videoAverageJitter|integer|video jitter, ms
videoRoundTripTime|integer|video round trip, ms
videoOneWayDelay|integer|video one-way delay, ms
videoReceptionMetrics|text|video reception quality
videoTransmissionMetrics|text|video transmission quality
videoContentType_channel2|text|second channel: what the video shows
videoDuration_channel2|integer|second channel: seconds of video
numberVideoPacketsSent_channel2|integer|second channel: video packets sent
numberVideoOctetsSent_channel2|integer|second channel: video bytes sent
numberVideoPacketsReceived_channel2|integer|second channel: video packets received
numberVideoOctetsReceived_channel2|integer|second channel: video bytes received
numberVideoPacketsLost_channel2|integer|second channel: video packets lost
videoAverageJitter_channel2|integer|second channel: jitter, ms
videoRoundTripTime_channel2|integer|second channel: round trip, ms
videoOneWayDelay_channel2|integer|second channel: one-way delay, ms
videoReceptionMetrics_channel2|text|second channel: reception quality
videoTransmissionMetrics_channel2|text|second channel: transmission quality
localSessionID|text|session id of the reporting side
remoteSessionID|text|session id of the other side
headsetSN|text|serial number of the headset
headsetMetrics|text|headset measurements
"""

# Documents and older releases spell these otherwise; folded to lower case.
ALIASES: Final[Mapping[str, str]] = {
    "destlegcallidentifier": "destlegidentifier",
    "origlegidentifier": "origlegcallidentifier",
    "globalcallidentifier_clusterid": "globalcallid_clusterid",
    "globalcallid_clusteridentifier": "globalcallid_clusterid",
    "directorynumber": "directorynum",
    "directorynumberpartition": "directorynumpartition",
    "origcalledpartyredirectonbehalfof": "origcalledpartyredirectonbehalfof",
    "lastredirectingreason": "lastredirectredirectreason",
    "authorizationcode": "authorizationcodevalue",
}


def _columns(*tables: str) -> dict[str, Column]:
    """Read the tables above; keyed by folded name."""
    columns = [
        Column(*line.split("|", 2)) for table in tables for line in table.strip().splitlines()
    ]
    return {column.name.lower(): column for column in columns}


CDR_COLUMNS: Final = _columns(_COMMON, _CDR)
CMR_COLUMNS: Final = _columns(_COMMON, _CMR)


def fold(name: str) -> str:
    """Give the one spelling of a column name: lower case, aliases resolved."""
    low = name.strip().lower()
    return ALIASES.get(low, low)


def column_of(name: str, *, quality: bool) -> Column | None:
    """Find a column by its folded name in CMR (`quality`) or CDR files; None = unknown."""
    return (CMR_COLUMNS if quality else CDR_COLUMNS).get(name)


def ipv4_text(value: int) -> str:
    """Decode an address column: signed decimal, bytes reversed; 0 = none.

    -1139627840 = 0xBC12A8C0, so the address is C0.A8.12.BC = 192.168.18.188.
    """
    return ".".join(str(byte) for byte in (value & 0xFFFFFFFF).to_bytes(4, "little"))


def _code(table: Mapping[int, str]) -> Callable[[int], str]:
    return lambda value: table.get(value & 0xFFFFFFFF, "not in the guide")


def _instant(value: int) -> str:
    if not 0 < value < 2**32:
        return "none" if value == 0 else "no time"
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_NOTES: Final[Mapping[str, Callable[[int], str]]] = {
    "record_type": _code(codes.RECORD_TYPES),
    "cause": _code(codes.CAUSES),
    "redirect_reason": _code(codes.REDIRECT_REASONS),
    "on_behalf_of": _code(codes.ON_BEHALF_OF),
    "codec": _code(codes.CODECS),
    "protocol": _code(codes.PROTOCOLS),
    "pattern_usage": _code(codes.PATTERN_USAGES),
    "flag": _code({0: "no", 1: "yes"}),
    "ipv4": lambda value: ipv4_text(value) if value else "none",
    "time": _instant,
}


def decode(kind: str, text: str) -> tuple[object, str]:
    """Decode one value for people: (value, note); an empty text is (None, "")."""
    if not text:
        return None, ""
    if kind == "text":
        return text, ""
    digits = text[1:] if text[0] == "-" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        return text, "not an integer"
    value = int(text)
    if kind == "ipv4" and value:
        return ipv4_text(value), ""
    note = _NOTES[kind](value) if kind in _NOTES else ""
    if kind == "time" and 0 < value < 2**32:
        return datetime.fromtimestamp(value, UTC), note
    return value, note
