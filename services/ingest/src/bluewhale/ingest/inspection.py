"""Whether a frame may enter the log: whole, ours, not too big. A function of its bytes.

The frame is unpacked once here, so that nothing enters the log that no parser
could ever read; what is refused stays in the unit. Owns the codes of refusals.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import FrameCorruptError
from bluewhale.messaging.envelopes import RawFrame
from bluewhale.messaging.exceptions import EnvelopeCorruptError


class Refused(NamedTuple):
    """Why a frame is not taken. `code` is stable, `message` says what to do."""

    code: str
    message: str


def inspect(
    frame: pb.FrameUp, own_streams: Container[int], unit_uid: str, ingested_at_ms: int
) -> RawFrame | Refused:
    """Give what enters the log, or why not.

    own_streams: the streams of the unit, by the configuration in force.
    """
    if frame.stream_id not in own_streams:
        return Refused(
            "stream_not_yours",
            f"stream {frame.stream_id} is no link of unit {unit_uid} in the configuration; its"
            " records stay in the unit; add the link to `units` if it should be read",
        )
    raw = RawFrame(
        stream_id=frame.stream_id,
        incarnation=frame.incarnation,
        first_seq=frame.first_seq,
        last_seq=frame.last_seq,
        packed=frame.packed,
        ingested_at_ms=ingested_at_ms,
        traceparent=frame.traceparent,
    )
    try:
        raw.frame()
    except EnvelopeCorruptError as error:
        return Refused("frame_corrupt", str(error))
    except FrameCorruptError as error:
        newer = "is not known here" in str(error)
        return Refused("frame_version" if newer else "frame_corrupt", str(error))
    return raw
