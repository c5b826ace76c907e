"""Which unit is entitled to read which link."""

from bluewhale.ownership.leader import Leader
from bluewhale.ownership.messages import (
    NO_TOKEN,
    NOTHING_KNOWN,
    Acquire,
    Answer,
    Batch,
    Event,
    EventKind,
    HandOver,
    Item,
    LinkStatus,
    LinkView,
    News,
    Open,
    Release,
    Renew,
    Result,
    Revision,
    Token,
)
from bluewhale.ownership.profile import (
    DEFAULT,
    FAILBACK_HOLD_S,
    FAST,
    PROFILES,
    Profile,
    boot_time,
)
from bluewhale.ownership.term import TermCandidate, TermRow
from bluewhale.ownership.unit import UnitSide

__all__ = [
    "DEFAULT",
    "FAILBACK_HOLD_S",
    "FAST",
    "NOTHING_KNOWN",
    "NO_TOKEN",
    "PROFILES",
    "Acquire",
    "Answer",
    "Batch",
    "Event",
    "EventKind",
    "HandOver",
    "Item",
    "Leader",
    "LinkStatus",
    "LinkView",
    "News",
    "Open",
    "Profile",
    "Release",
    "Renew",
    "Result",
    "Revision",
    "TermCandidate",
    "TermRow",
    "Token",
    "UnitSide",
    "boot_time",
]
