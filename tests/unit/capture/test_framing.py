"""Framing: bytes of one connection become records, whatever the chunks."""

import itertools
import tracemalloc

import pytest
from bluewhale.capture import ContextRule, Framer, FramingTable
from hypothesis import given, settings
from hypothesis import strategies as st

DATE = ContextRule("date", rb"[01]\d[0-3]\d", 4, 4, "stream", resets_count=True)
HEADER = ContextRule("header", rb"cdrRecordType,.*", scope="connection")
PLAIN = FramingTable()
AVAYA = FramingTable(context=(DATE,))
TABLES = {
    "plain": PLAIN,
    "crlf": FramingTable(separator=b"\r\n", strip_right=b""),
    "avaya": AVAYA,
    "two_lines": FramingTable(lines_per_record=2, context=(DATE,)),
    "continued": FramingTable(continuation=b"&", context=(DATE,), skip=(rb"-+", rb"Page \d+")),
    "two_lines_continued": FramingTable(lines_per_record=2, continuation=b"&"),
    "tiny": FramingTable(record_length_max_bytes=5, context=(DATE,), continuation=b"&"),
    "tiny_crlf": FramingTable(record_length_max_bytes=3, separator=b"\r\n"),
}


def records(table, *chunks):
    """Frame the chunks and the end."""
    framer = Framer(table)
    return [r for chunk in chunks for r in framer.feed(chunk)] + framer.flush()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_records_do_not_depend_on_how_the_bytes_were_cut_into_chunks(table, data):
    """Any chunking of any bytes gives the records of the one-chunk framing."""
    piece = st.sampled_from(
        [
            b"\n",
            b"\r\n",
            b"\r",
            b"\x00\x00\x00",
            b"0412",
            b"&x",
            b"abcdefgh",
            b"--",
            b"Page 3",
            b" ",
        ]
    )
    whole = b"".join(data.draw(st.lists(piece | st.binary(max_size=4), max_size=30)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    edges = [0, *cuts, len(whole)]
    chunks = [whole[a:b] for a, b in itertools.pairwise(edges)]
    assert records(table, *chunks) == records(table, whole)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_framing_that_starts_again_at_settled_bytes_gives_the_missing_records(table, data):
    """A reader that restarts at `settled_bytes` with the same context misses and repeats nothing."""
    piece = st.sampled_from([b"\n", b"\r\n", b"0412\r\n", b"&x\r\n", b"abcdefgh", b"--\r\n", b"a"])
    whole = b"".join(data.draw(st.lists(piece, max_size=25)))
    stop = data.draw(st.integers(0, len(whole)))
    first = Framer(table)
    before = first.feed(whole[:stop])
    again = Framer(table, dict(first.context), dict(first.stream_context), mid_line=first.mid_line)
    after = again.feed(whole[first.settled_bytes :]) + again.flush()
    assert before + after == records(table, whole)


def test_nuls_that_avaya_appends_after_the_line_feed_are_stripped_from_the_next_record():
    """CR is taken off the right, the three NULs off the left."""
    assert records(PLAIN, b"first\r\n\x00\x00\x00second\r\n\x00\x00\x00") == [
        (b"first", None),
        (b"second", None),
    ]


def test_a_file_without_a_last_newline_gives_its_last_record_at_the_end():
    """The end of a file ends its last line."""
    framer = Framer(PLAIN)
    assert framer.feed(b"a\nb") == [(b"a", None)]
    assert framer.flush() == [(b"b", None)]
    assert framer.flush() == []


def test_a_date_line_is_context_of_what_follows_and_survives_the_connection():
    """Stream scope is shared by the next connection, connection scope is not."""
    table = FramingTable(context=(DATE, HEADER))
    stream = {}
    first = Framer(table, stream_context=stream)
    assert first.feed(b"early\n0412\ncdrRecordType,x\nlate\n") == [
        (b"early", None),
        (b"late", b"0412\ncdrRecordType,x"),
    ]
    second = Framer(table, stream_context=stream)
    assert second.feed(b"next\n") == [(b"next", b"0412")]


def test_two_physical_lines_make_one_record_and_a_date_line_resynchronises():
    """An incomplete record is delivered as it is: parsing rejects it, nothing is lost."""
    assert records(TABLES["two_lines"], b"a1\r\na2\r\nb1\r\n0412\r\nc1\r\nc2\r\n") == [
        (b"a1\na2", None),
        (b"b1", None),
        (b"c1\nc2", b"0412"),
    ]


def test_continuation_lines_belong_to_the_record_before_even_over_a_page_header():
    """Skipped lines do not end a record; a continuation without a record stands alone."""
    assert records(TABLES["continued"], b"&lost\nN 1\n----\n&more\n&end\nN 2\n") == [
        (b"&lost", None),
        (b"N 1\n&more\n&end", None),
        (b"N 2", None),
    ]


def test_settling_gives_the_record_that_only_waits_for_a_continuation():
    """After silence the open record is delivered, a half line is not."""
    framer = Framer(TABLES["continued"])
    assert framer.feed(b"N 1\n") == []
    assert [r.data for r in framer.settle()] == [b"N 1"]
    framer.feed(b"N 2\nhalf")
    assert framer.settle() == []


def test_a_long_line_is_cut_at_the_limit_and_all_pieces_are_delivered():
    """12 bytes at limit 5 are 5 + 5 + 2; a line of exactly 5 is whole."""
    table = FramingTable(record_length_max_bytes=5)
    assert records(table, b"abcdefghijkl\n12345\n") == [
        (b"abcde", None),
        (b"fghij", None),
        (b"kl", None),
        (b"12345", None),
    ]


def test_a_ten_megabyte_line_without_newline_never_grows_memory():
    """The framer holds at most one record; 10 MB pass in pieces of 64 KiB."""
    framer = Framer(PLAIN)
    chunk = b"x" * 4096
    tracemalloc.start()
    pieces = [len(r) for _ in range(2560) for r, _ in framer.feed(chunk)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    pieces += [len(r) for r, _ in framer.flush()]
    assert sum(pieces) == 2560 * 4096
    assert max(pieces) == 65_536
    assert peak < 1_000_000
