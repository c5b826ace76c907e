"""Reading decks by kernels equals the obvious way, for any text."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
from bluewhale.rating import deck_kernels as kernels
from bluewhale.rating.deck_cells import text_buffers
from bluewhale.rating.tariff_files import check_tariff
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.tariffs.files import DECKS, HEAD, write

NUMBER = st.from_regex(r" ?[+-]?[0-9]{0,20}(\.[0-9]{0,14})? ?", fullmatch=True)
TEXT = st.one_of(NUMBER, st.text(max_size=12), st.sampled_from(["", ".", "-", "1.", ".5", "1e3"]))


def obvious_decimal(text):
    """Give (code, numerator, scale) of one text the slow way."""
    bare = text.strip(" ")
    sign = bare[:1] == "-"
    digits = bare[1:] if bare[:1] in {"-", "+"} else bare
    whole, mark, part = digits.partition(".")
    if not (whole + part).isascii() or not (whole + part).isdigit() or (mark and not part):
        return kernels.DECIMAL_MALFORMED, 0, 0
    value = Fraction(Decimal(digits))
    scale = len(part.rstrip("0"))
    if scale > kernels.DECIMALS_MAX:
        return None, 0, 0
    if value * 10**scale >= 2**63 - 8:
        return None, 0, 0
    if sign and value:
        return kernels.DECIMAL_NEGATIVE, 0, 0
    return kernels.DECIMAL_OK, int(value * 10**scale), scale


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_decimals_are_read_exactly_or_refused(texts):
    """Kernel = plain twin = decimal module; too long text is refused with its reason."""
    results = []
    for read in (kernels.read_decimals, kernels.read_decimals.py_func):
        data, offsets = text_buffers(pa.array(texts, pa.string()))
        out = [np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)]
        codes = np.empty(len(texts), np.int8)
        read(data, offsets, ord("."), *out, codes)
        results.append(list(zip(codes.tolist(), out[0].tolist(), out[1].tolist(), strict=True)))
    assert results[0] == results[1]
    for text, got in zip(texts, results[0], strict=True):
        wanted = obvious_decimal(text)
        if wanted[0] is None:
            assert got[0] in {kernels.DECIMAL_TOO_FINE, kernels.DECIMAL_TOO_BIG}
        else:
            assert got == wanted


CELL = st.text(alphabet='ab,;"\n\r 1', max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=6))
def test_records_are_found_where_the_csv_module_finds_them(rows):
    """Any cells, quoted where needed: as many records and cells, on the same lines."""
    rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL).writerows(rows)
    data = np.frombuffer(text.getvalue().encode(), np.uint8)
    room = len(rows) + 2
    starts, lines, counts = (
        np.empty(room, np.int64),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
    )
    found = kernels.find_records(data, ord(","), ord('"'), starts, lines, counts)
    assert found == len(rows)
    assert counts[:found].tolist() == [len(row) for row in rows]
    line, wanted = 1, []
    for row in rows:
        wanted.append(line)
        line += 1 + sum(cell.count("\n") for cell in row)
    assert lines[:found].tolist() == wanted


ROW = st.tuples(
    st.integers(0, 1),
    st.tuples(*[st.integers(-1, 1)] * 2),
    st.integers(0, 3),
    st.integers(1, 3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=7))
def test_rows_that_could_both_win_are_found_as_by_trying_every_call(rows):
    """Kernel = looking at each prefix, selector value and moment for two best rows."""
    group = np.array([row[0] for row in rows], np.int64)
    selectors = np.array([row[1] for row in rows], np.int32)
    since = np.array([row[2] for row in rows], np.int64)
    until = since + np.array([row[3] for row in rows], np.int64)
    set_count = (selectors >= 0).sum(axis=1).astype(np.int8)
    order = np.lexsort([since, selectors[:, 0], selectors[:, 1], set_count, group])
    first, second = np.empty(64, np.int64), np.empty(64, np.int64)
    count = kernels.find_doubtful_pairs(
        order.astype(np.int64), group, selectors, set_count, since, until, first, second
    )
    tied = False
    for prefix in (0, 1):
        for moment in range(7):
            for one in (0, 1, 2):  # 2 = a value that no row names
                for other in (0, 1, 2):
                    ranks = [
                        int(set_count[row])
                        for row in range(len(rows))
                        if group[row] == prefix
                        and since[row] <= moment < until[row]
                        and selectors[row, 0] in {-1, one}
                        and selectors[row, 1] in {-1, other}
                    ]
                    tied |= bool(ranks) and ranks.count(max(ranks)) > 1
    assert count > 0 or not tied
    if len(rows) == 2:  # with more, several rows in turn may settle a pair
        assert tied == (count > 0)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_deck_or_a_list_of_mistakes(tmp_path_factory, data):
    """No bytes raise anything but what is listed."""
    folder = tmp_path_factory.mktemp("deck")
    check = check_tariff(write(folder, HEAD + DECKS, b"prefix,price\n" + data))
    assert (check.version is None) == (check.count > 0)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_a_document_or_a_list_of_mistakes(tmp_path_factory, text):
    """No document raises anything but what is listed."""
    folder = tmp_path_factory.mktemp("document")
    path = folder / "t.yaml"
    path.write_bytes((HEAD + text).encode("utf-8", "surrogatepass"))
    assert check_tariff(path).count > 0
