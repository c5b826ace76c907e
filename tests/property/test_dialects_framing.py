"""Framing in bulk equals framing byte by byte."""

import numpy as np
from bluewhale.capture import ContextRule, Framer, FramingTable
from bluewhale.dialects import frame_buffer
from hypothesis import given, settings
from hypothesis import strategies as st

DATE = ContextRule("date", rb"[0-9]{2} ?[0-9]{2}", 4, 5, "stream", resets_count=True)
HEADER = ContextRule("header", rb'"a",.*', 4, 40)
TABLES = (
    FramingTable(),
    FramingTable(context=(HEADER, DATE), skip=(rb"-+", rb"x.z")),
    FramingTable(separator=b"\r\n", context=(DATE,), record_length_max_bytes=9),
    FramingTable(record_length_max_bytes=5),
    FramingTable(lines_per_record=2, context=(DATE,)),
    FramingTable(continuation=b" "),
)
PIECES = st.lists(
    st.sampled_from(
        [
            b"\n",
            b"\r\n",
            b"\r\n\0\0\0",
            b"0813",
            b"08 14",
            b'"a",b',
            b"--",
            b"xyz",
            b" c",
            b"\0",
            b"record",
            b"\r",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.sampled_from(TABLES), st.integers(0, 60))
def test_bulk_framing_equals_incremental_framing(data, table, cut):
    """A buffer cut anywhere gives the records that the framer of the edge gives."""
    framer = Framer(table)
    expected = [*framer.frame(data), *framer.frame(b"", final=True)]
    got = []
    first = frame_buffer(np.frombuffer(data[:cut], np.uint8), table, final=False)
    got += _rows(first, 0)
    rest = data[first.consumed_bytes :]
    date_lines = _date_lines(data[: first.consumed_bytes], table)
    second = frame_buffer(
        np.frombuffer(rest, np.uint8),
        table,
        context=first.context,
        final=True,
        mid_line=first.mid_line,
    )
    got += _rows(second, date_lines)
    assert got == [tuple(record) for record in expected]


def _rows(framed, date_lines):
    return [
        (
            framed.data[framed.starts[i] : framed.ends[i]].tobytes(),
            None if framed.context_row[i] < 0 else framed.contexts[framed.context_row[i]],
            int(framed.date_lines[i]) + date_lines,
        )
        for i in range(len(framed.starts))
    ]


def _date_lines(data, table):
    framer = Framer(table)
    framer.frame(data)
    return framer.date_lines
