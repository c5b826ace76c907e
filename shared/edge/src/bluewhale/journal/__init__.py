"""The durable spool of a unit: SQLite, WAL, fsync before an append returns.

Owns capture keys (stream, incarnation, seq), group commit, quota, deletion up to
what the main database acknowledged, notes that commit with records, and salvage
of a damaged file. Does not own framing, transports or the uplink.
"""

from bluewhale.journal.exceptions import (
    JournalBusyError,
    JournalClosedError,
    JournalCorruptError,
    JournalFullError,
    JournalInUseError,
    JournalVersionError,
    JournalWriteError,
)
from bluewhale.journal.journal import Journal
from bluewhale.journal.shapes import Acknowledged, Appended, Salvage, StreamInfo, Tally, Usage

__all__ = [
    "Acknowledged",
    "Appended",
    "Journal",
    "JournalBusyError",
    "JournalClosedError",
    "JournalCorruptError",
    "JournalFullError",
    "JournalInUseError",
    "JournalVersionError",
    "JournalWriteError",
    "Salvage",
    "StreamInfo",
    "Tally",
    "Usage",
]
