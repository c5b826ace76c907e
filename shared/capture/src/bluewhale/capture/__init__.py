"""What a PBX said, before anybody parsed it.

Owns framing (bytes to raw records by a table), the occurrence count `n`,
capture keys, packed frames and record checksums, and the root of the error
tree. Standard library only: a Remote Unit runs on it. Does not own the journal,
transports, or the meaning of any record.
"""

from bluewhale.capture.connection import ConnectionCapture
from bluewhale.capture.exceptions import (
    BluewhaleError,
    FrameCorruptError,
    PermanentError,
    TemporaryError,
)
from bluewhale.capture.frames import (
    FRAME_BYTES_MAX,
    FRAME_RECORDS_MAX,
    pack_frame,
    unpack_frame,
)
from bluewhale.capture.framing import ContextRule, FramedRecord, Framer, FramingTable
from bluewhale.capture.occurrences import OccurrenceCounter
from bluewhale.capture.records import (
    CapturedRecord,
    CaptureLoss,
    Frame,
    RawRecord,
    context_id,
    record_crc,
)

__all__ = [
    "FRAME_BYTES_MAX",
    "FRAME_RECORDS_MAX",
    "BluewhaleError",
    "CaptureLoss",
    "CapturedRecord",
    "ConnectionCapture",
    "ContextRule",
    "Frame",
    "FrameCorruptError",
    "FramedRecord",
    "Framer",
    "FramingTable",
    "OccurrenceCounter",
    "PermanentError",
    "RawRecord",
    "TemporaryError",
    "context_id",
    "pack_frame",
    "record_crc",
    "unpack_frame",
]
