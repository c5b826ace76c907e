"""Calls as an Excel workbook (OOXML), written as it is read, in as little memory as the other forms.

Libraries that write workbooks make the whole file first, a cell at a time (XlsxWriter:
about three minutes of a million calls before the first byte); this one is put together
from whole columns. Every cell says what it is, so no text is run as a formula. Owns the
parts of the file, and what a cell can hold. Does not own which columns there are
(`exporting`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Self
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.webapi import column_text as text
from bluewhale.webapi.export_tables import Sink

SHEET_ROWS = 1_048_576  # what Excel opens, with the heads
SHEET_BYTES = (1 << 31) - (1 << 20)  # of a part without ZIP64, which Excel does not read everywhere
LETTERS_MAX = 32_767  # of a cell, in units of UTF-16
_EXACT = 10**15  # fifteen digits are what a number of Excel keeps
_DAY_MS = 86_400_000
_EPOCH_DAYS = 25_569  # from the day 0 of Excel to 1970
_FIRST_DAY = 61  # 1 March 1900: before it Excel counts a day that never was
_PLACES = 10  # places of a day: a millisecond is never lost
_ASIDE = r"[&<>\x00-\x1f\x{FFFE}\x{FFFF}]|_x[0-9A-Fa-f]{4}_"
_UNSAID = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_LONG = LETTERS_MAX // 2
_TEXT = ('<c t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
_NUMBER = ("<c><v>", "</v></c>")
_INSTANT = ('<c s="1"><v>', "</v></c>")
_NONE = "<c/>"

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="1">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000&quot;Z&quot;"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
# digits of telephones are text on purpose: no green corners
_SHEET_END = (
    b"</sheetData>"
    b'<ignoredErrors><ignoredError sqref="A1:XFD1048576" numberStoredAsText="1"/></ignoredErrors>'
    b"</worksheet>"
)


def workbook(
    batches: Iterable[Iterable[pa.Array]], heads: Sequence[str], *, rows_max: int = SHEET_ROWS
) -> Iterator[bytes]:
    """Give a workbook in pieces; a batch is in memory.

    batches: columns in the order of `heads`: text, words, integers, instants, amounts
    as decimals of nine places. Rows that a sheet has no room for (`rows_max`, with its
    heads) go on in the next one, under the same heads.
    """
    sink = Sink()
    # a sheet is closed before the file, and neither hides why the batches broke off
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with ExitStack() as last:
            sheets = [last.enter_context(_Sheet(file, 1, heads, rows_max))]
            for columns in batches:
                rows = text.joined(["<row>", *map(_cells, columns), "</row>"])
                while len(rows):
                    rows = sheets[-1].take(rows)
                    yield sink.taken()
                    if len(rows):
                        last.close()
                        sheets.append(
                            last.enter_context(_Sheet(file, len(sheets) + 1, heads, rows_max))
                        )
        for name, content in _frame(len(sheets)):
            file.writestr(name, content)
    yield sink.taken()


class _Sheet:
    """A sheet that is being written; its part ends with the context."""

    def __init__(
        self, file: zipfile.ZipFile, number: int, heads: Sequence[str], rows_max: int
    ) -> None:
        self._part = file.open(f"xl/worksheets/sheet{number}.xml", "w")
        self._room = rows_max - 1
        self._bytes = self._part.write(_sheet_start(heads))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._part.write(_SHEET_END)
        self._part.close()

    def take(self, rows: pa.Array) -> pa.Array:
        """Write the rows that there is room for, and give the others."""
        said = text.data(rows.slice(0, self._room))
        if self._bytes + len(said) > SHEET_BYTES:
            self._room = 0
            return rows
        self._bytes += self._part.write(said)
        taken = min(self._room, len(rows))
        self._room -= taken
        return rows.slice(taken)


def _cells(column: pa.Array) -> pa.Array:
    """Give the cells of a column as XML, each with its type."""
    kind = column.type
    if pa.types.is_integer(kind):
        said = _in(_NUMBER, text.text(column))
    elif pa.types.is_decimal(kind):
        said = _amounts(column.view(pa.decimal128(kind.precision, 0)).cast(pa.int64()))
    elif pa.types.is_timestamp(kind):
        said = _instants(column)
    else:
        said = text.by_word(column, lambda words: _in(_TEXT, _said(words)))
    return said.fill_null(_NONE)


def _in(tags: tuple[str, str], said: pa.Array) -> pa.Array:
    return text.joined([tags[0], said, tags[1]])


def _amounts(nanos: pa.Array) -> pa.Array:
    """Give numbers where fifteen digits say them exactly, else decimal text."""
    size = np.abs(np.asarray(nanos.fill_null(0)))
    exact = size < _EXACT
    for zeros in (10, 100, 1_000, 10_000):  # behind the digits; 2^63 has nineteen
        exact |= (size < _EXACT * zeros) & (size % zeros == 0)
    said = text.amounts(nanos)
    return pc.if_else(pa.array(exact), _in(_NUMBER, said), _in(_TEXT, said))


def _instants(column: pa.Array) -> pa.Array:
    """Give instants as days of Excel, in UTC; as text what has no day there."""
    days, rest = np.divmod(np.asarray(column.cast(pa.int64()).fill_null(0)), _DAY_MS)
    days += _EPOCH_DAYS
    places = 10**_PLACES + (rest * 10**_PLACES + _DAY_MS // 2) // _DAY_MS
    fraction = pc.binary_replace_slice(pa.array(places).cast(pa.string()), 0, 1, ".")
    number = _in(_INSTANT, text.joined([pa.array(days).cast(pa.string()), fraction]))
    known = pa.array(days >= _FIRST_DAY)
    if not pc.all(known).as_py():
        number = pc.if_else(known, number, _in(_TEXT, text.instants(column)))
    return pc.if_else(column.is_valid(), number, None)


def _said(words: pa.Array) -> pa.Array:
    """Give text as XML says it; what a cell cannot hold ends with a mark."""
    odd = pc.or_(
        pc.match_substring_regex(words, _ASIDE), pc.greater(pc.utf8_length(words), _LONG)
    ).fill_null(False)
    if not pc.any(odd).as_py():
        return words
    said = [cell_text(word) for word in words.filter(odd).to_pylist()]
    return pc.replace_with_mask(words, odd, pa.array(said, pa.string()))


def cell_text(word: str) -> str:
    """Give the text of a cell as XML: signs that XML cannot say are `_x001F_`."""
    units = word.encode("utf-16-le")
    if len(units) > 2 * LETTERS_MAX:
        word = units[: 2 * LETTERS_MAX - 2].decode("utf-16-le", "ignore") + "…"
    return escape(_UNSAID.sub(lambda sign: f"_x{ord(sign[0]):04X}_", word))


def _sheet_start(heads: Sequence[str]) -> bytes:
    cells = "".join(
        f'<c s="2" t="inlineStr"><is><t>{cell_text(head)}</t></is></c>' for head in heads
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>'
        f'<cols><col min="1" max="{len(heads)}" width="24" customWidth="1"/></cols>'
        f"<sheetData><row>{cells}</row>"
    ).encode()


def _frame(sheets: int) -> Iterator[tuple[str, str]]:
    """Give the parts around the sheets: which they are, and what their cells look like."""
    numbers = range(1, sheets + 1)
    named = "".join(
        f'<sheet name="calls{n if n > 1 else ""}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers
    )
    parts = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_KIND}.worksheet+xml"/>'
        for n in numbers
    )
    book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{named}</sheets></workbook>'
    styles = f'<Relationship Id="rId0" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    links = f'<Relationships xmlns="{_PACKAGE}/relationships">{parts}{styles}</Relationships>'
    root = (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    )
    types = (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{kinds}'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>'
    )
    yield "xl/styles.xml", _STYLES
    yield "xl/workbook.xml", _XML + book
    yield "xl/_rels/workbook.xml.rels", _XML + links
    yield "_rels/.rels", _XML + root
    yield "[Content_Types].xml", _XML + types
