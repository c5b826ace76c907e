"""The columns of Master.csv in each of its shapes, and the channels named in them.

Owns column order and what a channel name says. Files have no header: which
optional columns there are follows from cdr.conf (`loguniqueid`, `loguserfield`,
`newcdrcolumns`).

Source: Asterisk cdr_csv and its cdr.conf; CDR specification of Asterisk 12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from bluewhale.dialects.engine.delimited import Layout, layout_of

FIRST_YEAR: Final = 1970  # a time printed before it is no time of a call


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name as in the CDR variables of Asterisk, meaning."""

    name: str
    meaning: str


COLUMNS: Final = (
    Column("accountcode", "account of the calling channel"),
    Column("src", "calling number"),
    Column("dst", "dialled extension of the dialplan"),
    Column("dcontext", "dialplan context of the destination"),
    Column("clid", "calling name and number"),
    Column("channel", "calling channel: technology/peer-unique part"),
    Column("dstchannel", "called channel; empty where none was made"),
    Column("lastapp", "last dialplan application"),
    Column("lastdata", "its arguments"),
    Column("start", "call began"),
    Column("answer", "answered; empty = never"),
    Column("end", "call ended"),
    Column("duration", "whole seconds from start to end"),
    Column("billsec", "whole seconds from answer to end"),
    Column("disposition", "ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION"),
    Column("amaflags", "OMIT, BILLING or DOCUMENTATION"),
)
UNIQUEID: Final = Column("uniqueid", "id of the calling channel: seconds.counter")
USERFIELD: Final = Column("userfield", "free text of the dialplan")
NEWER: Final = (
    Column("peeraccount", "account of the called channel"),
    Column("linkedid", "uniqueid of the first channel of the call; the same in all its records"),
    Column("sequence", "number of the record, unique with uniqueid and linkedid"),
)
SHAPES: Final = {
    "16": COLUMNS,
    "17u": (*COLUMNS, UNIQUEID),
    "17f": (*COLUMNS, USERFIELD),
    "18": (*COLUMNS, UNIQUEID, USERFIELD),
    "21": (*COLUMNS, UNIQUEID, USERFIELD, *NEWER),
}
AUTO: Final = "auto"
COUNTS: Final = (16, 17, 18, 21)


class Text(IntEnum):
    """Text slots."""

    ACCOUNT = 0
    SOURCE = 1
    DESTINATION = 2
    CALLER_ID = 3
    CHANNEL = 4
    TARGET_CHANNEL = 5
    LAST_APP = 6
    START = 7
    ANSWER = 8
    END = 9
    DISPOSITION = 10
    UNIQUE = 11
    LINKED = 12
    SEQUENCE = 13


class Int(IntEnum):
    """Integer slots."""

    DURATION = 0
    BILLED = 1


TEXTS: Final = (
    "accountcode", "src", "dst", "clid", "channel", "dstchannel", "lastapp", "start", "answer",
    "end", "disposition", "uniqueid", "linkedid", "sequence",
)  # fmt: skip
INTEGERS: Final = ("duration", "billsec")
assert len(TEXTS) == len(Text)
assert len(INTEGERS) == len(Int)


@lru_cache(maxsize=16)
def layout_for(shape: str) -> Layout:
    """Give the layout of a shape; `auto` takes 16 to 21 columns and the count decides."""
    columns = SHAPES["21" if shape == AUTO else shape]
    return layout_of(
        tuple(column.name for column in columns),
        texts=TEXTS,
        integers=INTEGERS,
        count_min=16 if shape == AUTO else None,
    )


# --- channels ---------------------------------------------------------------------------

OTHER, EXTENSION, TRUNK, LOCAL = range(4)
_TRUNK_TECHNOLOGIES: Final = frozenset(
    [
        "SIP",
        "PJSIP",
        "IAX2",
        "DAHDI",
        "ZAP",
        "MISDN",
        "CAPI",
        "H323",
        "OOH323",
        "KHOMP",
        "SRX",
        "DONGLE",
        "QUECTEL",
        "WOOMERA",
    ]
)
_PHONE_TECHNOLOGIES: Final = frozenset(
    ["SIP", "PJSIP", "IAX2", "SCCP", "SKINNY", "UNISTIM", "MGCP", "DAHDI", "ZAP"]
)
# Names that Asterisk puts before the real one while a channel is taken over.
_TAKEN_OVER: Final = ("AsyncGoto/", "Parked/", "Transfered/", "Bridge/", "Surrogate/")


@dataclass(frozen=True, slots=True)
class Channel:
    """What the stable part of a channel name says."""

    kind: int
    name: str  # technology/peer
    extension: str | None


def stable_part(channel: str) -> str:
    """Cut what is unique to one call: the part after the last "-", and a dialled number of a line."""
    stable = channel[: channel.rfind("-")] if "-" in channel else channel
    if stable[:1] in {"D", "Z", "m", "C"} and stable.count("/") > 1:
        stable = "/".join(stable.split("/")[:2])
    return stable


@lru_cache(maxsize=131_072)
def channel_of(
    stable: str, trunks: tuple[str, ...] = (), extension_lengths: tuple[int, ...] = (3, 4, 5)
) -> Channel:
    """Tell extensions, trunks and Local channels by the stable part of their names.

    Parameters
    ----------
    stable: see `stable_part`, e.g. `SIP/101`, `DAHDI/i1`, `PJSIP/provider`.
    trunks: patterns of `technology/peer` (whole name, case ignored); given,
        they alone decide. Otherwise a peer of a trunk technology whose name is
        no number as long as an extension is a trunk.
    """
    name = stable
    while (taken := next((p for p in _TAKEN_OVER if name.startswith(p)), "")) and "/" in name:
        name = name.removeprefix(taken)
    technology, _, peer = name.partition("/")
    technology = technology.upper()
    if technology == "LOCAL":
        return Channel(LOCAL, name, None)
    like_extension = peer.isascii() and peer.isdigit() and len(peer) in extension_lengths
    if trunks:
        outside = any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in trunks)
    else:
        outside = bool(peer) and technology in _TRUNK_TECHNOLOGIES and not like_extension
    if outside:
        return Channel(TRUNK, name, None)
    if like_extension and technology in _PHONE_TECHNOLOGIES:
        return Channel(EXTENSION, name, peer)
    return Channel(OTHER, name, None)
