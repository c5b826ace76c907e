"""Input for the bench: rate deck and PBX lines, seeded, made by columns.

Lines are made once as a block of 250,000 by plain formatting; further blocks
are the same bytes with fresh ids and times patched in at their (fixed-width)
places, so that 20,000,000 lines cost seconds and no line repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK_LINES = 250_000
# the mix of rating.md's yardsticks: nine durations, 5 s to 30 min
DURATIONS_S = (5, 12, 30, 61, 90, 180, 300, 600, 1800)
SEED = 20_260_101
START_S = 1_767_600_000  # 2026-01-05T08:00:00Z, a Monday

CUCM_COLUMNS = [
    "cdrRecordType",
    "globalCallID_callManagerId",
    "globalCallID_callId",
    "origLegCallIdentifier",
    "dateTimeOrigination",
    "origNodeId",
    "origSpan",
    "origIpAddr",
    "callingPartyNumber",
    "callingPartyUnicodeLoginUserID",
    "origCause_location",
    "origCause_value",
    "origPrecedenceLevel",
    "origMediaTransportAddress_IP",
    "origMediaTransportAddress_Port",
    "origMediaCap_payloadCapability",
    "origMediaCap_maxFramesPerPacket",
    "origMediaCap_g723BitRate",
    "origVideoCap_Codec",
    "origVideoCap_Bandwidth",
    "origVideoCap_Resolution",
    "origVideoTransportAddress_IP",
    "origVideoTransportAddress_Port",
    "origRSVPAudioStat",
    "origRSVPVideoStat",
    "destLegIdentifier",
    "destNodeId",
    "destSpan",
    "destIpAddr",
    "originalCalledPartyNumber",
    "finalCalledPartyNumber",
    "finalCalledPartyUnicodeLoginUserID",
    "destCause_location",
    "destCause_value",
    "destPrecedenceLevel",
    "destMediaTransportAddress_IP",
    "destMediaTransportAddress_Port",
    "destMediaCap_payloadCapability",
    "destMediaCap_maxFramesPerPacket",
    "destMediaCap_g723BitRate",
    "destVideoCap_Codec",
    "destVideoCap_Bandwidth",
    "destVideoCap_Resolution",
    "destVideoTransportAddress_IP",
    "destVideoTransportAddress_Port",
    "destRSVPAudioStat",
    "destRSVPVideoStat",
    "dateTimeConnect",
    "dateTimeDisconnect",
    "lastRedirectDn",
    "pkid",
    "originalCalledPartyNumberPartition",
    "callingPartyNumberPartition",
    "finalCalledPartyNumberPartition",
    "lastRedirectDnPartition",
    "duration",
    "origDeviceName",
    "destDeviceName",
    "origCallTerminationOnBehalfOf",
    "destCallTerminationOnBehalfOf",
    "origCalledPartyRedirectOnBehalfOf",
    "lastRedirectRedirectOnBehalfOf",
    "origCalledPartyRedirectReason",
    "lastRedirectRedirectReason",
    "destConversationId",
    "globalCallId_ClusterID",
    "joinOnBehalfOf",
    "comment",
    "authCodeDescription",
    "authorizationLevel",
    "clientMatterCode",
    "origDTMFMethod",
    "destDTMFMethod",
    "callSecuredStatus",
    "origConversationId",
    "origMediaCap_Bandwidth",
    "destMediaCap_Bandwidth",
    "authorizationCodeValue",
    "outpulsedCallingPartyNumber",
    "outpulsedCalledPartyNumber",
    "origIpv4v6Addr",
    "destIpv4v6Addr",
    "origVideoCap_Codec_Channel2",
    "origVideoCap_Bandwidth_Channel2",
    "origVideoCap_Resolution_Channel2",
    "origVideoTransportAddress_IP_Channel2",
    "origVideoTransportAddress_Port_Channel2",
    "origVideoChannel_Role_Channel2",
    "destVideoCap_Codec_Channel2",
    "destVideoCap_Bandwidth_Channel2",
    "destVideoCap_Resolution_Channel2",
    "destVideoTransportAddress_IP_Channel2",
    "destVideoTransportAddress_Port_Channel2",
    "destVideoChannel_Role_Channel2",
    "IncomingProtocolID",
    "IncomingProtocolCallRef",
    "OutgoingProtocolID",
    "OutgoingProtocolCallRef",
    "currentRoutingReason",
    "origRoutingReason",
    "lastRedirectingRoutingReason",
    "huntPilotPartition",
    "huntPilotDN",
    "calledPartyPatternUsage",
    "IncomingICID",
    "IncomingOrigIOI",
    "IncomingTermIOI",
    "OutgoingICID",
    "OutgoingOrigIOI",
    "OutgoingTermIOI",
]
QUOTED = {  # the text columns; integers are bare
    "callingPartyNumber", "callingPartyUnicodeLoginUserID", "origRSVPAudioStat", "origRSVPVideoStat",
    "originalCalledPartyNumber", "finalCalledPartyNumber", "finalCalledPartyUnicodeLoginUserID", "destRSVPAudioStat",
    "destRSVPVideoStat", "lastRedirectDn", "pkid", "originalCalledPartyNumberPartition", "callingPartyNumberPartition",
    "finalCalledPartyNumberPartition", "lastRedirectDnPartition", "origDeviceName", "destDeviceName",
    "globalCallId_ClusterID", "comment", "authCodeDescription", "clientMatterCode", "authorizationCodeValue",
    "outpulsedCallingPartyNumber", "outpulsedCalledPartyNumber", "origIpv4v6Addr", "destIpv4v6Addr",
    "IncomingProtocolCallRef", "OutgoingProtocolCallRef", "huntPilotPartition", "huntPilotDN", "IncomingICID",
    "IncomingOrigIOI", "IncomingTermIOI", "OutgoingICID", "OutgoingOrigIOI", "OutgoingTermIOI",
}  # fmt: skip
assert len(CUCM_COLUMNS) == 110


@dataclass(frozen=True)
class Patch:
    """A fixed-width decimal field of every line of a block: where, and what it holds."""

    at: np.ndarray  # offset of the field in the block, one per line
    width: int
    value: np.ndarray  # int64, one per line


@dataclass(frozen=True)
class Block:
    """A block of lines as bytes, and the fields to patch for the next one."""

    data: np.ndarray
    lines: int
    patches: dict[str, Patch]

    def shifted(self, number: int, step: dict[str, int]) -> np.ndarray:
        """Give block `number`: every patched field grows by number x its step."""
        data = self.data.copy()
        for name, by in step.items():
            patch = self.patches[name]
            value = patch.value + number * by
            for k in range(patch.width):
                data[patch.at + patch.width - 1 - k] = 48 + (value // 10**k) % 10
        return data


def deck_prefixes(count: int) -> list[str]:
    """`count` distinct E.164 prefixes of 1 to 10 digits, denser where the world's decks are."""
    random = np.random.default_rng(SEED)
    codes = ["1", "44", "49", "33", "39", "61", "81", "7", "86", "91", "34", "31", "32", "41", "43"]
    found: dict[str, None] = dict.fromkeys(codes)
    while len(found) < count:
        n = count - len(found)
        head = random.integers(0, len(codes), n)
        digits = random.integers(2, 8, n)
        tail = random.integers(0, 10**7, n)
        for h, d, t in zip(head.tolist(), digits.tolist(), tail.tolist(), strict=True):
            found[codes[h] + f"{t:07d}"[:d]] = None
    return list(found)[:count]


def numbers_of(prefixes: list[str], count: int) -> list[str]:
    """`count` dialled numbers under those prefixes, 11 to 13 digits, without "+"."""
    random = np.random.default_rng(SEED + 1)
    pick = random.integers(0, len(prefixes), count).tolist()
    tail = random.integers(10**9, 10**10, count).tolist()
    return [(prefixes[p] + str(t))[:12] for p, t in zip(pick, tail, strict=True)]


def _cucm_line(i: int, number: str, duration_s: int) -> dict[str, str]:
    start = START_S + i % 36_000
    values = dict.fromkeys(CUCM_COLUMNS, "0") | dict.fromkeys(QUOTED, "")
    return values | {
        "cdrRecordType": "1", "globalCallID_callManagerId": "2", "globalCallID_callId": f"{10_000_000 + i}",
        "origLegCallIdentifier": f"{40_000_000 + i}", "dateTimeOrigination": str(start), "origNodeId": "2",
        "origIpAddr": "152200202", "callingPartyNumber": str(2000 + i % 5000), "origCause_value": "16",
        "destLegIdentifier": f"{70_000_000 + i}", "destNodeId": "2", "destIpAddr": "152200202",
        "originalCalledPartyNumber": "+" + number, "finalCalledPartyNumber": "+" + number,
        "dateTimeConnect": str(start + 8), "dateTimeDisconnect": str(start + 8 + duration_s),
        "pkid": f"1e44e506-9a5d-4f0a-af2c-{i:012d}", "duration": str(duration_s),
        "callingPartyNumberPartition": "Staff", "finalCalledPartyNumberPartition": "Outside",
        "origDeviceName": f"SEP{i % 5000:012d}", "destDeviceName": "SIP-Trunk-Berlin",
        "globalCallId_ClusterID": "StandAloneCluster", "origIpv4v6Addr": "10.100.18.9", "destIpv4v6Addr": "10.100.18.8",
    }  # fmt: skip


# per block: fresh ids, and half a day later
CUCM_STEP = {
    "globalCallID_callId": BLOCK_LINES, "pkid": BLOCK_LINES, "dateTimeOrigination": 43_200,
    "dateTimeConnect": 43_200, "dateTimeDisconnect": 43_200,
}  # fmt: skip
_CUCM_DIGITS = {"pkid": 12}  # only the tail of the pkid counts


def cucm_block(prefixes: list[str], lines: int = BLOCK_LINES) -> Block:
    """CUCM CDR lines of 110 columns, without the header."""
    random = np.random.default_rng(SEED + 2)
    numbers = numbers_of(prefixes, lines)
    durations = random.choice(DURATIONS_S, lines).tolist()
    text, at, offset = [], {name: [] for name in CUCM_STEP}, 0
    value = {name: [] for name in CUCM_STEP}
    for i in range(lines):
        row = _cucm_line(i, numbers[i], durations[i])
        for column in CUCM_COLUMNS:
            cell = row[column]
            quote = column in QUOTED
            if column in at:
                width = _CUCM_DIGITS.get(column, len(cell))
                at[column].append(offset + quote + len(cell) - width)
                value[column].append(int(cell[-width:]))
            offset += len(cell) + 2 * quote + 1
        offset += 1
        text.append(
            ",".join(f'"{row[c]}"' if c in QUOTED else row[c] for c in CUCM_COLUMNS) + "\r\n"
        )
    widths = {c: _CUCM_DIGITS.get(c, len(_cucm_line(0, "1", 5)[c])) for c in CUCM_STEP}
    patches = {c: Patch(np.array(at[c]), widths[c], np.array(value[c])) for c in CUCM_STEP}
    return Block(np.frombuffer("".join(text).encode(), np.uint8), lines, patches)


def cucm_header() -> bytes:
    """Give the two lines that open a CUCM file: names and types."""
    names = ",".join(f'"{c}"' for c in CUCM_COLUMNS)
    types = ",".join("VARCHAR(50)" if c in QUOTED else "INTEGER" for c in CUCM_COLUMNS)
    return f"{names}\r\n{types}\r\n".encode()


def write_lines(path: Path, head: bytes, block: Block, blocks: int, step: dict[str, int]) -> int:
    """Write `blocks` blocks after `head`; gives the bytes written."""
    with path.open("wb") as file:
        file.write(head)
        for k in range(blocks):
            file.write(block.shifted(k, step).tobytes())
        return file.tell()


def write_tariff(folder: Path, price_list: str, prefixes: list[str]) -> Path:
    """Write a tariff with peak and off-peak windows and 60/6 increments; gives the YAML's path."""
    random = np.random.default_rng(SEED + 3)
    peak = random.integers(50, 9_999, len(prefixes))
    off = (peak * 7) // 10
    rows = [
        f"{p},zone {p[:3]},0.{a:04d},0.{b:04d},60/6"
        for p, a, b in zip(prefixes, peak.tolist(), off.tolist(), strict=True)
    ]
    (folder / f"{price_list}.csv").write_text(
        "prefix,destination,price_peak,price_offpeak,increments\n" + "\n".join(rows) + "\n"
    )
    path = folder / f"{price_list}.yaml"
    path.write_text(f"""tariff: {price_list}-bench
version: 1
price_list: {price_list}
currency: EUR
zone: Europe/Berlin
rounding: {{mode: half_up, places: 4}}
effective_from: 2020-01-01
timings:
  standard:
    windows:
      - {{rate: offpeak, priority: 1}}
      - {{rate: peak, days: [mon-fri], from: '08:00', until: '18:00', priority: 10}}
decks:
  - {{file: {price_list}.csv}}
""")
    return path


# per block: one day later
AVAYA_STEP = {"day": 1}
AVAYA_OPTIONS = {"layout": "custom-97"}


def avaya_block(prefixes: list[str], lines: int = BLOCK_LINES) -> Block:
    """Avaya CM lines of the customised layout custom-97 (95 characters, CR LF), outgoing calls."""
    random = np.random.default_rng(SEED + 4)
    numbers = numbers_of(prefixes, lines)
    durations = random.choice(DURATIONS_S, lines).tolist()
    text = []
    for i in range(lines):
        minute = 8 * 60 + i % 600
        text.append(
            f"010526 {minute // 60:02}{minute % 60:02} {durations[i]:05} {2000 + i % 5000:>15} {numbers[i]:>23} "
            f"{'':13} {'':4}{'':3} {'':4} *799{i % 999 + 1:03} 7\r\n"
        )
    width = len(text[0])
    assert all(len(x) == width for x in text)
    at = np.arange(lines, dtype=np.int64) * width
    patches = {"day": Patch(at + 2, 2, np.full(lines, 5, dtype=np.int64))}
    return Block(np.frombuffer("".join(text).encode(), np.uint8), lines, patches)
