"""Packed frames: the same frame back, or a clear error."""

import struct
import zlib

import pytest
from bluewhale.capture import (
    CaptureLoss,
    Frame,
    FrameCorruptError,
    RawRecord,
    context_id,
    pack_frame,
    record_crc,
    unpack_frame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FRAME = Frame(
    stream_id=5,
    incarnation=2**62,
    first_seq=8,
    framing_version=3,
    records=(RawRecord(10, b"ten", 77, 1, 1_700_000_000_000), RawRecord(11, b"\x00\xff", 77, 2, 5)),
    context=b"0412",
    losses=(CaptureLoss(8, 9, "journal_page_corrupt"),),
)


def test_a_frame_comes_back_as_it_was():
    """Records, context and losses survive the bytes."""
    assert unpack_frame(pack_frame(FRAME)) == FRAME
    assert FRAME.last_seq == 11


def test_no_context_is_not_the_empty_context():
    """None says that no context line was seen."""
    bare = Frame(1, 2, 1, 1, (RawRecord(1, b"x", 0, 1, 0),))
    assert unpack_frame(pack_frame(bare)) == bare
    assert unpack_frame(pack_frame(bare)).context is None


def test_a_frame_of_losses_alone_accounts_for_its_range():
    """A journal that lost its newest records still says which."""
    lost = Frame(1, 2, 4, 1, (), None, (CaptureLoss(4, 6, "journal_page_corrupt"),))
    assert unpack_frame(pack_frame(lost)) == lost
    assert lost.last_seq == 6


@given(at=st.integers(0, len(pack_frame(FRAME)) - 1), flip=st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_every_changed_byte_is_noticed(at, flip):
    """The CRC covers all bytes of the frame."""
    packed = bytearray(pack_frame(FRAME))
    packed[at] ^= flip
    with pytest.raises(FrameCorruptError):
        unpack_frame(bytes(packed))


@pytest.mark.parametrize("length", [0, 10, 60])
def test_a_cut_frame_is_refused(length):
    """A frame that ends early is corrupt, with a message."""
    with pytest.raises(FrameCorruptError, match=r"frame|CRC"):
        unpack_frame(pack_frame(FRAME)[:length])


def test_a_newer_version_says_so():
    """A program that is too old names the version it does not know."""
    body = bytearray(pack_frame(FRAME)[:-4])
    struct.pack_into("<H", body, 4, 2)
    with pytest.raises(FrameCorruptError, match="version 2 is not known"):
        unpack_frame(bytes(body) + struct.pack("<I", zlib.crc32(body)))


def test_counts_that_disagree_with_a_right_checksum_are_still_refused():
    """A writer's mistake does not read beyond the end."""
    body = bytearray(pack_frame(FRAME)[:-4])
    struct.pack_into("<I", body, 34, 400)  # records: 400 instead of 2
    with pytest.raises(FrameCorruptError, match="disagree"):
        unpack_frame(bytes(body) + struct.pack("<I", zlib.crc32(body)))


def test_context_ids_are_stable_for_ever():
    """BLAKE2b-64 of the bytes, masked to 63 bits."""
    assert context_id(b"0412") == 0x6D23C99491EBA4F1
    assert context_id(b"") == 0x64A6A0577479B2B4  # the top bit of 0xE4... is masked


def test_the_record_checksum_covers_bytes_and_provenance():
    """A changed byte, n, connection or time gives another CRC."""
    crc = record_crc(b"abc", n=1, connection=2, received_at_ms=3)
    assert crc == 0x45AE7476  # CRC-32 of "abc" and the packed 2, 1, 3
    assert record_crc(b"abd", n=1, connection=2, received_at_ms=3) != crc
    assert record_crc(b"abc", n=2, connection=2, received_at_ms=3) != crc
    assert record_crc(b"abc", n=1, connection=3, received_at_ms=3) != crc
    assert record_crc(b"abc", n=1, connection=2, received_at_ms=4) != crc
