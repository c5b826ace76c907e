"""The uplink: how a Remote Unit and the centre agree on what is stored.

Owns the two halves of the protocol as state machines without sockets, threads or
clocks, and frames as they travel. Does not own the journal, certificates or gRPC.
"""

from bluewhale.uplink.centre_side import CentreSide
from bluewhale.uplink.packing import Packer, checked, unpacked
from bluewhale.uplink.shapes import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Acknowledge,
    Append,
    CentreAction,
    CentreLimits,
    Configure,
    Disconnect,
    LaneKey,
    Moment,
    Opened,
    PackedFrame,
    ReadWanted,
    Reported,
    SendDown,
    SendUp,
    SetLogLevel,
    StoredMark,
    UnitAction,
    UnitLimits,
)
from bluewhale.uplink.unit_side import UnitReport, UnitSide

__all__ = [
    "PROTOCOL_MAX",
    "PROTOCOL_MIN",
    "Acknowledge",
    "Append",
    "CentreAction",
    "CentreLimits",
    "CentreSide",
    "Configure",
    "Disconnect",
    "LaneKey",
    "Moment",
    "Opened",
    "PackedFrame",
    "Packer",
    "ReadWanted",
    "Reported",
    "SendDown",
    "SendUp",
    "SetLogLevel",
    "StoredMark",
    "UnitAction",
    "UnitLimits",
    "UnitReport",
    "UnitSide",
    "checked",
    "unpacked",
]
