"""What a PBX said, before anybody parsed it.

Owns framing (bytes to raw records by a table), the occurrence count `n`,
capture keys and record checksums. Standard library only: a Remote Unit runs on
it. Does not own the journal, transports, or the meaning of any record.
"""

from bluewhale.capture.framing import ContextRule, Framer, FramingTable
from bluewhale.capture.records import CaptureLoss, Frame, RawRecord, record_crc

__all__ = [
    "CaptureLoss",
    "ContextRule",
    "Frame",
    "Framer",
    "FramingTable",
    "RawRecord",
    "record_crc",
]
