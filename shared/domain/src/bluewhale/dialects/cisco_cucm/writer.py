"""Write CUCM CDR and CMR files byte by byte as the cluster does.

Owns the outgoing format alone: it knows nothing of how records are read, so
that a simulator and the tests state truth independently.

Line 1 holds quoted column names, line 2 SQL types, then records: strings
quoted (a quote inside doubled), integers bare, an absent integer empty.

Source: file headers of 10.x to 12.x and a raw CMR record of a Cisco note.

>>> cdr_line({"cdrRecordType": 1, "pkid": "a"}, columns=("cdrRecordType", "pkid", "duration"))
b'1,"a",'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

_CDR: Final = """
cdrRecordType globalCallID_callManagerId globalCallID_callId origLegCallIdentifier
dateTimeOrigination origNodeId origSpan origIpAddr callingPartyNumber:50
callingPartyUnicodeLoginUserID:128 origCause_location origCause_value origPrecedenceLevel
origMediaTransportAddress_IP origMediaTransportAddress_Port origMediaCap_payloadCapability
origMediaCap_maxFramesPerPacket origMediaCap_g723BitRate origVideoCap_Codec
origVideoCap_Bandwidth origVideoCap_Resolution origVideoTransportAddress_IP
origVideoTransportAddress_Port origRSVPAudioStat:64 origRSVPVideoStat:64 destLegIdentifier
destNodeId destSpan destIpAddr originalCalledPartyNumber:50 finalCalledPartyNumber:50
finalCalledPartyUnicodeLoginUserID:128 destCause_location destCause_value destPrecedenceLevel
destMediaTransportAddress_IP destMediaTransportAddress_Port destMediaCap_payloadCapability
destMediaCap_maxFramesPerPacket destMediaCap_g723BitRate destVideoCap_Codec
destVideoCap_Bandwidth destVideoCap_Resolution destVideoTransportAddress_IP
destVideoTransportAddress_Port destRSVPAudioStat:64 destRSVPVideoStat:64 dateTimeConnect
dateTimeDisconnect lastRedirectDn:50 pkid:0 originalCalledPartyNumberPartition:50
callingPartyNumberPartition:50 finalCalledPartyNumberPartition:50 lastRedirectDnPartition:50
duration origDeviceName:129 destDeviceName:129 origCallTerminationOnBehalfOf
destCallTerminationOnBehalfOf origCalledPartyRedirectOnBehalfOf lastRedirectRedirectOnBehalfOf
origCalledPartyRedirectReason lastRedirectRedirectReason destConversationId
globalCallId_ClusterID:50 joinOnBehalfOf comment:2048 authCodeDescription:50 authorizationLevel
clientMatterCode:32 origDTMFMethod destDTMFMethod callSecuredStatus origConversationId
origMediaCap_Bandwidth destMediaCap_Bandwidth authorizationCodeValue:32
outpulsedCallingPartyNumber:50 outpulsedCalledPartyNumber:50 origIpv4v6Addr:64
destIpv4v6Addr:64 origVideoCap_Codec_Channel2 origVideoCap_Bandwidth_Channel2
origVideoCap_Resolution_Channel2 origVideoTransportAddress_IP_Channel2
origVideoTransportAddress_Port_Channel2 origVideoChannel_Role_Channel2
destVideoCap_Codec_Channel2 destVideoCap_Bandwidth_Channel2 destVideoCap_Resolution_Channel2
destVideoTransportAddress_IP_Channel2 destVideoTransportAddress_Port_Channel2
destVideoChannel_Role_Channel2 IncomingProtocolID IncomingProtocolCallRef:32
OutgoingProtocolID OutgoingProtocolCallRef:32 currentRoutingReason origRoutingReason
lastRedirectingRoutingReason huntPilotPartition:50 huntPilotDN:50 calledPartyPatternUsage
IncomingICID:50 IncomingOrigIOI:50 IncomingTermIOI:50 OutgoingICID:50 OutgoingOrigIOI:50
OutgoingTermIOI:50 outpulsedOriginalCalledPartyNumber:50 outpulsedLastRedirectingNumber:50
wasCallQueued totalWaitTimeInQueue callingPartyNumber_uri:254 originalCalledPartyNumber_uri:254
finalCalledPartyNumber_uri:254 lastRedirectDn_uri:254 mobileCallingPartyNumber:50
finalMobileCalledPartyNumber:50 origMobileDeviceName:129 destMobileDeviceName:129
origMobileCallDuration destMobileCallDuration mobileCallType originalCalledPartyPattern:50
finalCalledPartyPattern:50 lastRedirectingPartyPattern:50 huntPilotPattern:50
"""

_CMR: Final = """
cdrRecordType globalCallID_callManagerId globalCallID_callId nodeId directoryNum:50
callIdentifier dateTimeStamp numberPacketsSent numberOctetsSent numberPacketsReceived
numberOctetsReceived numberPacketsLost jitter latency pkid:0 directoryNumPartition:50
globalCallId_ClusterID:50 deviceName:129 varVQMetrics:600 duration videoContentType:10
videoDuration numberVideoPacketsSent numberVideoOctetsSent numberVideoPacketsReceived
numberVideoOctetsReceived numberVideoPacketsLost videoAverageJitter videoRoundTripTime
videoOneWayDelay videoReceptionMetrics:600 videoTransmissionMetrics:600
videoContentType_channel2:10 videoDuration_channel2 numberVideoPacketsSent_channel2
numberVideoOctetsSent_channel2 numberVideoPacketsReceived_channel2
numberVideoOctetsReceived_channel2 numberVideoPacketsLost_channel2
videoAverageJitter_channel2 videoRoundTripTime_channel2 videoOneWayDelay_channel2
videoReceptionMetrics_channel2:600 videoTransmissionMetrics_channel2:600
"""

# Column name -> SQL type; in file order.
_TYPES: Final[Mapping[str, str]] = {
    name: "INTEGER" if not size else "UNIQUEIDENTIFIER" if size == "0" else f"VARCHAR({size})"
    for name, _, size in (word.partition(":") for word in (_CDR + _CMR).split())
}
CDR_COLUMNS: Final = tuple(word.partition(":")[0] for word in _CDR.split())
CMR_COLUMNS: Final = tuple(word.partition(":")[0] for word in _CMR.split())
# Of the 110-column files of release 9; later releases appended the rest.
CDR_COLUMNS_110: Final = CDR_COLUMNS[:110]


def header_line(columns: Iterable[str] = CDR_COLUMNS) -> bytes:
    """Give line 1: the quoted column names."""
    return ",".join(f'"{name}"' for name in columns).encode()


def type_line(columns: Iterable[str] = CDR_COLUMNS) -> bytes:
    """Give line 2: the SQL types."""
    return ",".join(_TYPES[name] for name in columns).encode()


def cdr_line(values: Mapping[str, object], columns: Iterable[str] = CDR_COLUMNS) -> bytes:
    """Write one record; columns without a value are empty (`""` for strings, nothing for integers).

    Raises
    ------
    KeyError: a value for a column that the file does not have.
    """
    names = tuple(columns)
    for name in values:
        if name not in names:
            raise KeyError(f"no such column: {name}")
    return ",".join(_field(name, values.get(name)) for name in names).encode()


def cmr_line(values: Mapping[str, object]) -> bytes:
    """Write one quality record of 44 columns."""
    return cdr_line({"cdrRecordType": 2, **values}, CMR_COLUMNS)


def file_bytes(lines: Iterable[bytes], columns: Iterable[str] = CDR_COLUMNS) -> bytes:
    """Write a whole file: names, types, records; each line ends with LF."""
    names = tuple(columns)
    return b"".join(line + b"\n" for line in (header_line(names), type_line(names), *lines))


def file_name(
    *, cluster: str, node: int, written_at: datetime, sequence: int, quality: bool = False
) -> str:
    """Give the name of a finished file; the time is UTC, to the minute."""
    tag = "cmr" if quality else "cdr"
    stamp = written_at.astimezone(UTC).strftime("%Y%m%d%H%M")
    return f"{tag}_{cluster}_{node:02d}_{stamp}_{sequence}"


def address(text: str) -> int:
    """Encode an IPv4 address as files do: bytes reversed, signed 32 bits; 192.168.18.188 = -1139627840."""
    return int.from_bytes(bytes(int(part) for part in text.split(".")), "little", signed=True)


def _field(name: str, value: object) -> str:
    if _TYPES[name] == "INTEGER":
        assert value is None or isinstance(value, int), f"{name} is an integer column"
        return "" if value is None else str(int(value))
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"'
