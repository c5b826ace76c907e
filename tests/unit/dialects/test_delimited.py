"""Splitting delimited records: blocks of 64 bytes, and the records that need a careful pass."""

import numpy as np
from bluewhale.dialects.engine.delimited import (
    AFTER_QUOTE,
    GOOD,
    MISSING,
    NOT_INTEGER,
    TOO_FEW,
    TOO_MANY,
    UNTERMINATED,
    layout_of,
    scan,
)
from bluewhale.dialects.engine.delimited_texts import undouble

LAYOUT = layout_of(("a", "b", "c"), texts=("b", "x"), integers=("c",))


def split(records):
    """Scan records that stand in one buffer, line by line; with enough behind for whole blocks."""
    lengths = np.array([len(record) + 1 for record in records], np.int64)
    ends = np.cumsum(lengths) - 1
    data = np.frombuffer(b"\n".join(records) + b"\n" + bytes(128), np.uint8)
    starts = ends + 1 - lengths
    rows = np.zeros(len(records), np.int32)
    found = scan(data, starts, ends, rows, (LAYOUT,), text_slots=2, int_slots=1)
    data = undouble(data, found)
    texts = [data[a:b].tobytes() for a, b in zip(found.starts[0], found.ends[0], strict=True)]
    return texts, found


def test_fields_may_end_anywhere_in_a_block():
    """A quoted text of 40 to 150 bytes full of commas ends before, on and behind block borders."""
    wanted = [b",x" * (size // 2) + b"y" * (size % 2) for size in range(40, 150)]
    texts, found = split([b'1,"%s",%d' % (text, len(text)) for text in wanted])
    assert texts == wanted
    assert found.ints[0].tolist() == list(range(40, 150))
    assert not found.fault.any()


def test_a_slot_without_column_or_value_is_empty():
    """The file has no column x; an empty integer is missing, not 0."""
    texts, found = split([b'1,"",', b"1,,7"])
    assert texts == [b"", b""]
    assert found.ints[0].tolist() == [MISSING, 7]
    assert found.starts[1].tolist() == found.ends[1].tolist() == [0, 0]


def test_odd_records_among_plain_ones_keep_their_rows():
    """Doubled quotes become single, quotes inside bare text stay, faults name their kind."""
    texts, found = split(
        [
            b"1,plain,5",
            b'1,"say ""hi""",-6',
            b'1,bare "quote",7',
            b'1,"open,8',
            b'1,"shut"x,9',
            b"1,b",
            b"1,b,3,4",
            b"1,b,3x",
            b'1,"last",10',
        ]
    )
    assert texts[:3] == [b"plain", b'say "hi"', b'bare "quote"']
    assert texts[8] == b"last"
    assert found.ints[0, [0, 1, 2, 8]].tolist() == [5, -6, 7, 10]
    assert found.fault.tolist() == [
        GOOD, GOOD, GOOD, UNTERMINATED, AFTER_QUOTE, TOO_FEW, TOO_MANY, NOT_INTEGER, GOOD,
    ]  # fmt: skip
