"""Frames as they travel: what cannot be one is refused, however it lies."""

import pytest
import zstandard
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.capture import Frame, FrameCorruptError, RawRecord
from bluewhale.uplink import Packer, checked, unpacked

FRAME = Frame(7, 11, 1, 1, (RawRecord(1, b"call", 5, 1, 1_000),))


def message(**changed):
    """Give the message of FRAME, with lies."""
    packed = Packer().pack(FRAME)
    said = {"stream_id": 7, "incarnation": 11, "first_seq": 1, "last_seq": 1}
    return pb.FrameUp(packed=packed.packed, raw_bytes=packed.raw_bytes, **said | changed)


def test_a_frame_survives_the_way():
    """Packed and checked it is the same."""
    assert checked(message()) == FRAME


@pytest.mark.parametrize(
    "changed", [{"stream_id": 8}, {"incarnation": 12}, {"first_seq": 2}, {"last_seq": 9}]
)
def test_an_envelope_that_lies_about_its_frame_is_refused(changed):
    """A unit cannot slip records into another stream or range."""
    with pytest.raises(FrameCorruptError, match="the envelope says"):
        checked(message(**changed))


def test_a_bomb_is_not_unpacked():
    """Ten megabytes of zeros, said or not said in its header."""
    said = zstandard.compress(b"\0" * 10_000_000)
    with pytest.raises(FrameCorruptError, match="10000000 bytes unpacked"):
        unpacked(said)
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    unsaid = b"".join([stream.compress(b"\0" * 10_000_000), stream.flush()])
    with pytest.raises(FrameCorruptError):
        unpacked(unsaid)


def test_what_is_no_zstd_or_no_frame_is_refused():
    """Noise, nothing, and a well-packed something else."""
    for data in (b"", b"noise", zstandard.compress(b"no frame")):
        with pytest.raises(FrameCorruptError):
            unpacked(data)
