"""The engine's kernels: spans to columns, checksums, occurrence counts, framing filters."""

import numpy as np
import pyarrow as pa
from bluewhale.capture import FramingTable, record_crc
from bluewhale.dialects import count_occurrences, frame_buffer
from bluewhale.dialects.engine.checksums import record_crcs
from bluewhale.dialects.engine.framing import literal_prefix
from bluewhale.dialects.engine.numbers import ints
from bluewhale.dialects.engine.occurrences import OccurrenceCounts
from bluewhale.dialects.engine.spans import encode, encode_packed, gather, gather_binary


def spans(texts):
    """Put texts into one buffer."""
    lengths = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(lengths)
    return np.frombuffer(b"".join(texts), np.uint8), ends - lengths, ends


def test_gather_trims_spaces_and_makes_empty_spans_null():
    """Spaces at both ends go; what is empty then is null, not an empty text."""
    column = gather(*spans([b"  4711 ", b"", b"   ", b"a b"]))
    column.validate(full=True)
    assert column.to_pylist() == ["4711", None, None, "a b"]


def test_gather_keeps_the_side_that_it_is_told_to_keep():
    """Trimming is a choice per column."""
    data, starts, ends = spans([b" x "])
    assert gather(data, starts, ends, trim="left").to_pylist() == ["x "]
    assert gather(data, starts, ends, trim="right").to_pylist() == [" x"]
    assert gather(data, starts, ends, trim="none").to_pylist() == [" x "]


def test_gather_decodes_and_replaces_what_does_not_decode():
    """Bytes outside the encoding become U+FFFD; nulls stay."""
    texts = [b"M\xc3\xbcller", b"\xff", b"", b"plain"]
    assert gather(*spans(texts)).to_pylist() == ["M\xfcller", "\ufffd", None, "plain"]
    assert gather(*spans([b"M\xfcller"]), encoding="latin-1").to_pylist() == ["M\xfcller"]


def test_gather_of_nothing_is_an_empty_column():
    """No rows, no error."""
    assert gather(*spans([])).to_pylist() == []
    assert gather_binary(*spans([b"", b"\0\xff"])).to_pylist() == [b"", b"\0\xff"]


def test_encode_gives_each_word_one_code():
    """Equal texts share a dictionary entry; the table grows past its first size."""
    words = [b"SEP%03d" % (i % 300) for i in range(1000)] + [b""]
    column = encode(*spans(words))
    assert column.to_pylist() == [word.decode() or None for word in words]
    assert len(column.dictionary) == 300


def test_packed_words_unpack():
    """Eight bytes in an integer are a word; zero is null."""
    values = np.array([0x2A3739392D313136, 0, 0x3033, 0x2A3739392D313136], np.uint64)
    assert encode_packed(values).to_pylist() == ["*799-116", None, "03", "*799-116"]
    many = np.arange(1, 5001, dtype=np.uint64) + np.uint64(0x4141_0000)
    assert len(encode_packed(many).dictionary) == 5000


def test_integers_have_a_state_each():
    """Good, empty and malformed are told apart; at most 18 digits."""
    values, states = ints(*spans([b" 42 ", b"-7", b"", b"4x", b"-", b"9" * 18, b"9" * 19]))
    assert values.tolist() == [42, -7, 0, 0, 0, 999_999_999_999_999_999, 0]
    assert states.tolist() == [0, 0, 1, 2, 2, 0, 2]


def test_batch_checksums_equal_the_checksum_of_each_record():
    """Every length from 0 to 69 bytes, as the edge computes it."""
    records = [bytes(range(length)) for length in range(70)]
    data, starts, ends = spans(records)
    n = np.arange(1, 71, dtype=np.int32)
    connection = np.arange(70, dtype=np.int64) * 10**15
    received = np.full(70, 1_786_000_000_000, np.int64)
    got = record_crcs(data, starts, ends, n=n, connection=connection, received_at_ms=received)
    assert got.tolist() == [
        record_crc(record, n=i + 1, connection=i * 10**15, received_at_ms=1_786_000_000_000)
        for i, record in enumerate(records)
    ]


def test_occurrences_do_not_depend_on_how_a_file_is_cut():
    """The same line counts up over chunks and starts over at a date line."""
    from bluewhale.capture import ContextRule

    table = FramingTable(context=(ContextRule("date", rb"[0-9]{4}", 4, 4, resets_count=True),))
    data = b"a\nb\na\n0813\na\na\nb\n"
    expected = [1, 1, 2, 1, 2, 1]
    for cut in range(len(data) + 1):
        counter = count_occurrences()
        first = frame_buffer(np.frombuffer(data[:cut], np.uint8), table, final=False)
        rest = np.frombuffer(data[first.consumed_bytes :], np.uint8)
        second = frame_buffer(rest, table, context=first.context, final=True)
        got = [*counter(first).tolist(), *counter(second).tolist()]
        assert got == expected, cut


def test_occurrences_remember_at_least_one_generation():
    """With a bound of four records the fourth back is still known, long gone ones are not."""
    table = FramingTable()
    lines = (
        b"".join(b"%d\n" % i for i in range(4))
        + b"0\n"
        + b"".join(b"%d\n" % i for i in range(10, 30))
        + b"0\n"
    )
    counter = OccurrenceCounts(generation_records=4)
    n = counter(frame_buffer(np.frombuffer(lines, np.uint8), table, final=True))
    assert n[4] == 2
    assert n[-1] == 1


def test_a_literal_prefix_is_what_every_match_begins_with():
    """Too short is allowed, too long never."""
    assert literal_prefix(b'"cdrRecordType",.*') == b'"cdrRecordType",'
    assert literal_prefix(rb"[0-9]{4}") == b""
    assert literal_prefix(rb"abc?d") == b"ab"
    assert literal_prefix(rb"abc|xyz") == b""


def test_columns_are_arrow_without_python_objects():
    """The types are those of the record schemas."""
    assert gather(*spans([b"x"])).type == pa.string()
    assert encode(*spans([b"x"])).type == pa.dictionary(pa.int32(), pa.string())
