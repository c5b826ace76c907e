"""What can be read of a changed or cut frame, and where it ends."""

from __future__ import annotations

from bluewhale.capture import Frame, RawRecord, pack_frame
from bluewhale.capture.records import CaptureLoss
from bluewhale.capture.salvage import Salvaged, salvage_frame

RECORDS = tuple(RawRecord(5 + i, b"record %d" % i, 9, 1, 1_790_000_000_000) for i in range(4))
FRAME = Frame(7, 3, 5, 1, RECORDS, b"header")
HEAD = 4 + 2 + 8 + 8 + 8 + 4 + 4 + 4 + 4
EACH = 4 + 8 + 4 + 8 + len(b"record 0")


def read(data: bytes, **other: int) -> Salvaged:
    """Read as the envelope of FRAME says."""
    said = {"stream_id": 7, "incarnation": 3, "first_seq": 5, "last_seq": 8} | other
    return salvage_frame(data, **said)


def test_a_frame_whose_checksum_alone_is_wrong_gives_every_record():
    """Keys, bytes, context as they were; nothing is left."""
    packed = pack_frame(FRAME)
    assert read(packed[:-4] + b"\0\0\0\0") == Salvaged(RECORDS, b"header", "")


def test_a_cut_frame_gives_the_records_before_the_cut():
    """Two and a half are there: two are given, two are named."""
    cut = pack_frame(FRAME)[: HEAD + len(b"header") + 2 * EACH + 30]
    found = read(cut)
    assert found.records == RECORDS[:2]
    assert found.problem == "records 7 to 8: the frame ends inside the first of them"


def test_a_length_that_makes_no_sense_ends_it():
    """What comes behind cannot be found any more."""
    data = bytearray(pack_frame(FRAME))
    at = HEAD + len(b"header") + EACH
    data[at : at + 4] = b"\xff\xff\xff\xff"
    found = read(bytes(data))
    assert found.records == RECORDS[:1]
    assert found.problem.startswith("records 6 to 8: lengths and times make no sense")


def test_a_head_that_is_another_one_than_the_envelope_says_is_not_believed():
    """Another stream, another place, another count, no head at all: nothing is given."""
    packed = pack_frame(FRAME)
    assert read(packed, stream_id=8).records == ()
    assert read(packed, first_seq=4).records == ()
    assert read(packed, last_seq=9).problem == "its head counts 4 records, its envelope 5"
    assert read(b"not a frame at all, but long enough to be one ....").records == ()
    assert read(b"BWFR").problem == "its head has 46 bytes, 4 are left"


def test_records_behind_losses_keep_their_own_keys():
    """The journal had lost 5 and 6; the records are 7 and 8."""
    losses = (CaptureLoss(5, 6, "journal_page_corrupt"),)
    records = tuple(RawRecord(7 + i, b"record %d" % i, 9, 1, 1_790_000_000_000) for i in range(2))
    packed = pack_frame(Frame(7, 3, 5, 1, records, None, losses))
    assert read(packed[:-1]).records == records
