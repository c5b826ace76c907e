"""A workbook says what was given: read back by another library, cell by cell."""

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pytest
from bluewhale.webapi import export_sheets
from bluewhale.webapi.export_sheets import workbook
from bluewhale.webapi.export_tables import decimals
from hypothesis import example, given, settings
from hypothesis import strategies as st

MOMENT = pa.timestamp("ms", tz="UTC")
# what makes files go wrong: markup, formulas, signs that XML cannot say, and how they are said
TEXT = st.text(alphabet="09+-=@ <>&\"'\t\r\n\x00\x1f\ufffe_x0041é•😀", max_size=12)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEADS = ("words", "again", "count", "moment", "amount")


def _file(*batches, rows_max=export_sheets.SHEET_ROWS, heads=HEADS):
    return b"".join(workbook(batches, heads, rows_max=rows_max))


def _sheets(file):
    """Give rows of cells per sheet; `_x001F_` as Excel reads it."""
    read = openpyxl.load_workbook(io.BytesIO(file))
    return {
        sheet.title: [[_read(cell) for cell in row] for row in sheet.iter_rows()] for sheet in read
    }


def _read(cell):
    assert cell.data_type != "f"
    if not isinstance(cell.value, str):
        return cell.value
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), cell.value)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | TEXT,
            st.none() | st.integers(-(2**40), 2**40),
            st.none() | st.integers(-2_000_000_000_000, 4_000_000_000_000),
            st.none() | st.integers(-(10**15) + 1, 10**15 - 1),
        ),
        max_size=8,
    )
)
@example([("_x0041_", 0, -1, 318_800_000), ("=1+1", None, None, None)])
def test_each_cell_comes_back(rows):
    """Text sign by sign, instants to the millisecond, amounts to the last decimal."""
    words, counts, moments, nanos = ([row[i] for row in rows] for i in range(4))
    column = pa.array(words, pa.string())
    file = _file([
        column,
        column.dictionary_encode(),
        pa.array(counts, pa.int64()),
        pa.array(moments, MOMENT),
        decimals(pa.array(nanos, pa.int64())),
    ])  # fmt: skip
    (head, *found) = _sheets(file)["calls"]
    assert head == list(HEADS)
    assert len(found) == len(rows)
    for (word, count, moment, nano), cells in zip(rows, found, strict=True):
        assert [c or None for c in cells[:2]] == [word or None] * 2
        assert cells[2] == count
        if moment is None:
            assert cells[3] is None
        elif moment >= -2_203_891_200_000:  # 1 March 1900
            assert cells[3].replace(tzinfo=UTC) == EPOCH + timedelta(milliseconds=moment)
        if nano is None:
            assert cells[4] is None
        else:
            assert Decimal(repr(cells[4])) == Decimal(nano).scaleb(-9)


@pytest.mark.parametrize(
    ("nanos", "cell"),
    [
        (318_800_000, 0.3188),
        (-20_000_000_000, -20),
        (999_999_999_999_999, 999999.999999999),
        (1_000_000_000_000_001, "1000000.000000001"),
        (1_234_567_890_000_000_000, 1234567890),
        (-9_223_372_036_854_775_807, "-9223372036.854775807"),
    ],
)
def test_an_amount_is_a_number_where_fifteen_digits_hold_it(nanos, cell):
    """Excel keeps no more: longer ones stay whole, as text."""
    said = decimals(pa.array([nanos], pa.int64()))
    assert _sheets(_file([said], heads=["a"])) == {"calls": [["a"], [cell]]}


def test_instants_that_have_no_day_in_excel_are_text():
    """Before March 1900 it counts a day that never was."""
    moments = pa.array([-2_203_891_200_001, -2_203_891_200_000], MOMENT)
    (_, [before], [first]) = _sheets(_file([moments], heads=["at"]))["calls"]
    assert before == "1900-02-28T23:59:59.999Z"
    assert first.isoformat() == "1900-03-01T00:00:00"


def test_what_a_cell_cannot_hold_ends_with_a_mark():
    """32,767 units of UTF-16, of which a smiling face takes two."""
    whole, longer = "a" * 32_767, "a" + "😀" * 16_384
    found = _sheets(_file([pa.array([whole, longer])], heads=["t"]))["calls"][1:]
    assert found == [[whole], ["a" + "😀" * 16_382 + "…"]]


def test_rows_go_on_in_the_next_sheet_under_the_same_heads(monkeypatch):
    """Three to a sheet, then as many bytes as a part may have; none is lost or twice."""
    batches = [[pa.array([0, 1, 2])], [pa.array([3])], [pa.array([4, 5, 6, 7])]]
    file = _file(*batches, rows_max=4, heads=["n"])
    assert _sheets(file) == {
        "calls": [["n"], [0], [1], [2]],
        "calls2": [["n"], [3], [4], [5]],
        "calls3": [["n"], [6], [7]],
    }
    assert zipfile.ZipFile(io.BytesIO(file)).testzip() is None
    opened = len(export_sheets._sheet_start(["n"]))
    room = 4 * len("<row><c><v>0</v></c></row>")
    monkeypatch.setattr(export_sheets, "SHEET_BYTES", opened + room)
    assert _sheets(_file(*batches, heads=["n"])) == {
        "calls": [["n"], [0], [1], [2], [3]],
        "calls2": [["n"], [4], [5], [6], [7]],
    }


def test_a_workbook_that_breaks_off_says_why_and_cannot_be_opened():
    """The reason is not lost behind a file that was left open."""

    def breaking():
        yield [pa.array([1])]
        raise LookupError("gone")

    pieces = []
    with pytest.raises(LookupError, match="gone"):
        pieces.extend(workbook(breaking(), ["n"]))
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
