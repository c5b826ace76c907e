"""Frames as they travel: zstd of the packed frame, with a cap on what comes out.

Owns the two directions and the check that a frame is what its envelope says.
"""

from __future__ import annotations

import zstandard
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import Frame, FrameCorruptError, pack_frame, unpack_frame
from bluewhale.uplink.shapes import PackedFrame

LEVEL = 3
RAW_BYTES_MAX = 512 << 10  # records, context and losses of a frame stay far below


class Packer:
    """Packs frames; one per thread, since it keeps zstd's working memory."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)

    def pack(self, frame: Frame, traceparent: str = "") -> PackedFrame:
        """Give a frame ready to travel."""
        raw = pack_frame(frame)
        return PackedFrame(
            frame.first_seq,
            frame.last_seq,
            len(frame.records),
            self._compressor.compress(raw),
            len(raw),
            traceparent,
        )


def unpacked(packed: bytes, *, raw_bytes_max: int = RAW_BYTES_MAX) -> Frame:
    """Give the frame in `packed`; never unpacks more than `raw_bytes_max` bytes.

    Raises
    ------
    FrameCorruptError
        No zstd, too much inside, or no frame.
    """
    try:
        parameters = zstandard.get_frame_parameters(packed)
        if parameters.content_size > raw_bytes_max:  # unknown counts as 2^64 - 1
            raise FrameCorruptError(
                f"a frame of {parameters.content_size} bytes unpacked; at most {raw_bytes_max}"
            )
        if parameters.window_size > max(raw_bytes_max, 1 << 23):
            raise FrameCorruptError(f"a zstd window of {parameters.window_size} bytes")
        raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=raw_bytes_max)
    except zstandard.ZstdError as error:
        raise FrameCorruptError(f"a frame that is no zstd: {error}") from error
    return unpack_frame(raw)


def checked(frame: pb.FrameUp, *, raw_bytes_max: int = RAW_BYTES_MAX) -> Frame:
    """Give the frame of a message whose envelope says what is inside.

    Raises
    ------
    FrameCorruptError
        It cannot be unpacked, or belongs to another stream, incarnation or range.
    """
    inside = unpacked(frame.packed, raw_bytes_max=raw_bytes_max)
    said = (frame.stream_id, frame.incarnation, frame.first_seq, frame.last_seq)
    found = (inside.stream_id, inside.incarnation, inside.first_seq, inside.last_seq)
    if said != found:
        raise FrameCorruptError(f"the envelope says {said}, the frame inside {found}")
    return inside
