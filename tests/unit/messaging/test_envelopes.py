"""What is put into a message comes out of it, and what is no envelope says so."""

from __future__ import annotations

import json
import struct
import time

import pyarrow as pa
import pytest
import zstandard
from bluewhale.capture import Frame, RawRecord, pack_frame
from bluewhale.messaging import (
    PARSED,
    RAW,
    EnvelopeCorruptError,
    EnvelopeVersionError,
    Message,
    envelopes,
)
from bluewhale.messaging.envelopes import (
    Envelope,
    ParsedMessage,
    RatedMessage,
    RawFrame,
    RawTally,
    RawTick,
    compress_frame,
    decode_raw,
)
from bluewhale.records.batches import StreamLoss, StreamTally
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA

from tests.spec.database.build import leg_row, legs, proposals, rejects

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FRAME = Frame(7, 99, 1, 3, (RawRecord(1, b"one", 5, 1, 1000), RawRecord(2, b"two", 5, 1, 1001)))
NO_LEGS, NO_REJECTS = LEG_SCHEMA.empty_table(), SUSPENSE_SCHEMA.empty_table()


def message(envelope: Envelope, topic: str = PARSED, **changes: bytes) -> Message:
    """Give the envelope as it is read from the log, some headers changed."""
    headers = tuple((k, changes.get(k, v)) for k, v in envelope.headers)
    return Message(topic, 3, 41, None, envelope.value, headers, 0)


def raw_frame(packed: bytes, last_seq: int = 2) -> RawFrame:
    """Give the frame above, packed as told."""
    return RawFrame(7, 99, 1, last_seq, packed, 1_700_000_000_000, TRACE)


def test_a_frame_travels_verbatim():
    """The value is the unit's own bytes; headers say whose it is and when it came."""
    packed = compress_frame(pack_frame(FRAME))
    sent = raw_frame(packed).encode()
    assert sent.value is packed
    got = decode_raw(message(sent, RAW))
    assert got == raw_frame(packed)
    assert got.frame() == FRAME


def test_ticks_and_tallies_come_out_as_they_went_in():
    """A tick is its time alone; tallies keep stream, day and both counts."""
    tick = RawTick(1_700_000_000_123)
    assert decode_raw(message(tick.encode())) == tick
    tally = RawTally((StreamTally(7, 20_000, 12, 11), StreamTally(8, 20_000, 0, 0)), 5, TRACE)
    assert decode_raw(message(tally.encode())) == tally


def test_a_parsed_message_keeps_everything():
    """Legs, rejects, losses, contexts, tallies, data time and traces, to the last value."""
    sent = ParsedMessage(
        legs(leg_row(1), leg_row(2, talk_ms=None)),
        rejects({"seq": 3, "raw": b"?"}),
        (StreamLoss(7, 99, 4, 5, "journal_page_corrupt"),),
        {-5: b"H1\nH2", 12: b""},
        (StreamTally(7, 20_000, 12, 11),),
        1_700_000_000_000,
        (TRACE, TRACE[:-1] + "0"),
    )
    got = ParsedMessage.decode(message(sent.encode()))
    assert got.legs.to_pylist() == sent.legs.to_pylist()
    assert got.legs.schema.equals(LEG_SCHEMA, check_metadata=True)
    assert got.rejects.to_pylist() == sent.rejects.to_pylist()
    assert got.rejects.schema.equals(SUSPENSE_SCHEMA, check_metadata=True)
    assert (got.losses, got.contexts, got.tallies) == (sent.losses, sent.contexts, sent.tallies)
    assert (got.data_time_ms, got.traceparents) == (sent.data_time_ms, sent.traceparents)


def test_chunks_with_words_of_their_own_become_one_table():
    """Tables of several parsers, each with its own dictionary, keep their words."""
    parts = pa.concat_tables([legs(leg_row(i, pbx_uid=f"pbx-{i}")) for i in (1, 2, 3)])
    got = ParsedMessage.decode(message(ParsedMessage(parts, NO_REJECTS).encode()))
    assert got.legs.column("pbx_uid").to_pylist() == ["pbx-1", "pbx-2", "pbx-3"]


def test_a_rated_message_keeps_its_proposals():
    """Calls, charges and members come back equal; so do the versions a re-rating read."""
    made = proposals((leg_row(1), leg_row(2)), (leg_row(3),))
    made = type(made)(
        made.calls, made.charges, made.members, ((b"\x01" * 16, 4), (b"\xff" * 16, 1))
    )
    got = RatedMessage.decode(message(RatedMessage(made, 77, (TRACE,)).encode()))
    assert got.proposals is not None
    assert got.proposals.calls.to_pylist() == made.calls.to_pylist()
    assert got.proposals.charges.to_pylist() == made.charges.to_pylist()
    assert got.proposals.members.to_pylist() == made.members.to_pylist()
    assert got.proposals.rerates == made.rerates
    assert (got.data_time_ms, got.traceparents) == (77, (TRACE,))


def test_a_data_time_alone_is_a_message():
    """No rows at all: the message is some dozen bytes and still says its time."""
    sent = ParsedMessage(NO_LEGS, NO_REJECTS, data_time_ms=5).encode()
    assert len(sent.value) < 150
    got = ParsedMessage.decode(message(sent))
    assert (got.legs.num_rows, got.rejects.num_rows, got.data_time_ms) == (0, 0, 5)
    rated = RatedMessage.decode(message(RatedMessage(None, 5).encode()))
    assert (rated.proposals, rated.data_time_ms) == (None, 5)


def test_a_newer_version_is_refused_with_the_remedy():
    """Headers or tables of a newer release: the error says what to update."""
    sent = ParsedMessage(NO_LEGS, NO_REJECTS).encode()
    with pytest.raises(EnvelopeVersionError, match=r"version 2.*update this role"):
        ParsedMessage.decode(message(sent, v=b"2"))
    with pytest.raises(EnvelopeVersionError, match=r"message 41 of cdr\.raw"):
        decode_raw(message(RawTick(1).encode(), RAW, v=b"9"))
    body = zstandard.decompress(sent.value).replace(b'["legs",1,', b'["legs",2,')
    newer = Envelope(zstandard.compress(body), sent.headers)
    with pytest.raises(EnvelopeVersionError, match="table legs version 2"):
        ParsedMessage.decode(message(newer))


def test_a_zip_bomb_is_refused_before_it_unpacks():
    """A frame that would unpack to 1 GiB costs nothing; one that hides its size neither."""
    bomb = zstandard.compress(bytes(1 << 30))
    began = time.thread_time()
    with pytest.raises(EnvelopeCorruptError, match="would unpack to 1,073,741,824 bytes"):
        raw_frame(bomb).frame()
    assert time.thread_time() - began < 0.1
    writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    hidden = writer.compress(bytes(1 << 20)) + writer.flush()
    with pytest.raises(EnvelopeCorruptError, match="do not say how many"):
        raw_frame(hidden).frame()


@pytest.mark.parametrize("packed", [b"", b"not zstd at all", zstandard.compress(b"no frame")])
def test_bytes_that_are_no_frame_say_so(packed: bytes):
    """Empty, foreign, or a zstd of something else: a permanent error, no crash."""
    with pytest.raises(Exception, match=r"frame|zstd") as caught:
        raw_frame(packed).frame()
    assert caught.value.code in {"envelope_corrupt", "frame_corrupt"}


def test_a_frame_that_names_other_records_than_its_headers_is_refused():
    """The headers are what ingest checked against the certificate; the bytes must agree."""
    with pytest.raises(EnvelopeCorruptError, match="headers name"):
        raw_frame(compress_frame(pack_frame(FRAME)), last_seq=3).frame()


def test_changed_bytes_never_pass():
    """Every single changed byte of a value is found by the checksum, or decodes to an error."""
    sent = ParsedMessage(legs(leg_row(1)), NO_REJECTS).encode()
    for at in range(0, len(sent.value), 7):
        value = bytearray(sent.value)
        value[at] ^= 0x55
        with pytest.raises(EnvelopeCorruptError):
            ParsedMessage.decode(message(Envelope(bytes(value), sent.headers)))


def test_cut_bodies_and_missing_headers_are_corrupt():
    """A body that ends early, has bytes left over, or no headers is no envelope."""
    sent = ParsedMessage(legs(leg_row(1)), NO_REJECTS, contexts={1: b"abc"}).encode()
    body = zstandard.decompress(sent.value)
    for wrong in (body[:3], body[:40], body[:-9], body + b"x", struct.pack("<I", 1 << 30) + body):
        with pytest.raises(EnvelopeCorruptError):
            ParsedMessage.decode(message(Envelope(zstandard.compress(wrong), sent.headers)))
    with pytest.raises(EnvelopeCorruptError, match="header missing"):
        decode_raw(Message(RAW, 0, 0, None, b"", (), 0))
    with pytest.raises(EnvelopeCorruptError, match="kind 'rated'"):
        decode_raw(message(RatedMessage(None, 1).encode()))


def test_unknown_fields_of_the_head_are_ignored():
    """A writer may add fields without a new version; readers of before go on."""
    sent = ParsedMessage(NO_LEGS, NO_REJECTS, data_time_ms=9).encode()
    body = zstandard.decompress(sent.value)
    (length,) = struct.unpack_from("<I", body)
    head = json.loads(body[4 : 4 + length]) | {"new": 1}
    new = json.dumps(head).encode()
    value = zstandard.compress(struct.pack("<I", len(new)) + new + body[4 + length :])
    got = ParsedMessage.decode(message(Envelope(value, sent.headers)))
    assert got.data_time_ms == 9


@pytest.mark.parametrize(("rows", "limit_us"), [(1, 1500), (10, 1500), (1000, 8000)])
def test_small_batches_cost_little(rows: int, limit_us: int, record_property):
    """Encoding and decoding stay far below the cost of the stages; figures are told."""
    sent = ParsedMessage(legs(*[leg_row(i + 1) for i in range(rows)]), NO_REJECTS)
    read = message(sent.encode())
    best = [1e9, 1e9]
    for _ in range(30):
        began = time.thread_time()
        sent.encode()
        between = time.thread_time()
        ParsedMessage.decode(read)
        best[0] = min(best[0], between - began)
        best[1] = min(best[1], time.thread_time() - between)
    encode_us, decode_us = (x * 1e6 for x in best)
    record_property(
        "figure",
        f"envelope of {rows} legs: {len(read.value):,} bytes, encode {encode_us:.0f} us, "
        f"decode {decode_us:.0f} us",
    )
    assert encode_us < limit_us
    assert decode_us < limit_us


def test_schemas_change_only_with_their_version():
    """The columns of version 1 of each table; a change needs a new version in envelopes.py."""
    counts = {name: (v, len(schema)) for name, (v, schema) in envelopes._schemas().items()}
    assert counts == {
        "legs": (1, 62),
        "rejects": (1, 15),
        "calls": (1, 37),
        "charges": (1, 30),
        "members": (1, 5),
    }
