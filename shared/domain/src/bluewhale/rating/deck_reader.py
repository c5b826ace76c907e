"""A rate deck as a file: bytes -> cells, with the line of every row.

Owns the delimited file: encoding, separator, header, mapping of columns, cells
as dictionary codes. Does not own what a cell means (`decks`).
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating.deck_kernels import find_records
from bluewhale.rating.validation import Mistakes, TariffMistake
from pyarrow import csv as arrow_csv

DECK_BYTES_MAX = 2 * 1024**3 - 1
"""Offsets of text columns have 31 bits."""

SEPARATORS = {",": ",", ";": ";", "|": "|", "tab": "\t"}
_JOINTS = {"prefix": "", "increments": "/"}
"""Fields that several columns may make together, and what stands between."""

_PLAIN = frozenset({"prefix"})  # nearly every value differs: a dictionary would only cost


@dataclass(frozen=True, slots=True)
class DeckRules:
    """How the document says that one deck is to be read.

    `columns`: field -> the header names that make it. `defaults`: field -> text
    where the deck has no cell. `ignore`: header names without meaning for us,
    "all" = every other. `places`: field -> line of the document, for mistakes.
    """

    path: Path
    file: str
    document: str
    line: int
    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    header_line: int = 1
    date_format: str = ""
    until_is_last_day: bool = False
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    whole_duration: bool = False
    prices_attempts: bool = False


@dataclass(frozen=True, slots=True)
class Cells:
    """One field of all rows: codes into distinct texts; -1 = empty cell.

    `label` is how mistakes call it; `from_document` says that all rows have one
    text from the document's defaults.
    """

    codes: npt.NDArray[np.int32]
    values: pa.StringArray
    label: str
    from_document: bool = False


class DeckFile:
    """The rows of one deck file, as cells.

    Attributes
    ----------
    prefix
        Text of each row's prefix.
    lines
        Line of each row in the file, from 1.
    """

    def __init__(
        self,
        rules: DeckRules,
        table: pa.Table,
        lines: npt.NDArray[np.int32],
        mistakes: Mistakes,
        labels: Mapping[str, str],
    ) -> None:
        self.rules = rules
        self.lines = lines
        self.mistakes = mistakes
        self._labels = labels
        self._table = table
        self.prefix: pa.StringArray = table.column("prefix").combine_chunks()

    def __len__(self) -> int:
        return len(self.lines)

    def label(self, name: str) -> str:
        """Give the name of a field as people find it in the file."""
        return self._labels.get(name, name)

    def cells(self, name: str) -> Cells | None:
        """Give one field, from its column or else its default; None = neither."""
        default = self.rules.defaults.get(name)
        if name not in self._table.column_names:
            if default is None:
                return None
            codes = np.zeros(len(self), dtype=np.int32)
            return Cells(codes, pa.array([default]), name, from_document=True)
        column = self._table.column(name).unify_dictionaries().combine_chunks()
        codes = np.asarray(column.indices.fill_null(-1), dtype=np.int32)
        values = column.dictionary
        if default is not None:
            codes = np.where(codes < 0, np.int32(len(values)), codes)
            values = pa.concat_arrays([values, pa.array([default], values.type)])
        return Cells(codes, values, self.label(name))

    def has(self, name: str) -> bool:
        """Tell whether the file has a column for the field."""
        return name in self._table.column_names

    def wrong_rows(
        self,
        rows: npt.NDArray[np.int64],
        name: str,
        texts: Cells | pa.StringArray | None,
        problem: str,
        remedy: str,
    ) -> None:
        """Add one mistake for each of `rows`; the first of them are listed."""
        if not len(rows):
            return
        shown = rows[: self.mistakes.room()]
        values: list[str | None] = [None] * len(shown)
        if isinstance(texts, Cells):
            values = [
                texts.values[int(code)].as_py() if code >= 0 else None
                for code in texts.codes[shown]
            ]
        elif texts is not None:
            values = texts.take(pa.array(shown)).to_pylist()
        self.mistakes.add_many(
            (
                TariffMistake(self.rules.file, int(line), name, value, problem, remedy)
                for line, value in zip(self.lines[shown], values, strict=True)
            ),
            len(rows),
        )

    def wrong_values(self, cells: Cells, bad: Sequence[int], problem: str, remedy: str) -> None:
        """Add one mistake for each row that holds one of the values `bad`."""
        if not bad:
            return
        if cells.from_document:
            rules = self.rules
            value = cells.values[0].as_py()
            place = f"decks.defaults.{cells.label}"
            self.mistakes.add(rules.document, rules.line, place, value, problem, remedy)
            return
        flags = np.zeros(len(cells.values) + 1, dtype=bool)
        flags[list(bad)] = True
        self.wrong_rows(np.flatnonzero(flags[cells.codes]), cells.label, cells, problem, remedy)


def read_deck_file(
    rules: DeckRules, fields: Sequence[str], required: Sequence[str], mistakes: Mistakes
) -> DeckFile | None:
    """Read one deck file into cells.

    Parameters
    ----------
    fields
        Names of all fields that a deck of this tariff may have.
    required
        Fields that must have a column.

    Returns
    -------
    The rows, or None after adding what is wrong with the file as a whole. Rows
    with a wrong count of cells are mistakes and left out.
    """
    data = _read_bytes(rules, mistakes)
    if data is None:
        return None
    room = int(np.count_nonzero(data == ord("\n"))) + 1
    starts = np.empty(room, dtype=np.int64)
    lines = np.empty(room, dtype=np.int32)
    counts = np.empty(room, dtype=np.int32)
    total = find_records(data, ord(rules.separator), ord('"'), starts, lines, counts)
    head = int(np.searchsorted(lines[:total], rules.header_line))
    if head >= total:
        mistakes.add(
            rules.file,
            0,
            "",
            None,
            f"has no header on line {rules.header_line}",
            "The first line of a deck names its columns; set `header_line` if it comes later.",
        )
        return None
    begin = int(starts[head + 1]) if head + 1 < total else len(data)
    header = _header(data[int(starts[head]) : begin].tobytes(), rules)
    chosen = _choose_columns(header, int(lines[head]), rules, fields, required, mistakes)
    if chosen is None:
        return None
    lines, counts = lines[head + 1 : total], counts[head + 1 : total]
    good = counts == len(header)
    _report_counts(rules, lines[~good], counts[~good], len(header), mistakes)
    if not good.any():
        if good.size == 0:
            mistakes.add(rules.file, 0, "", None, "has no rows", "Write at least one prefix.")
        return None
    table = _read_table(data, begin, header, chosen, rules, mistakes)
    if table is None:
        return None
    lines = lines[good]
    assert table.num_rows == len(lines), (table.num_rows, len(lines))
    labels = {name: _label(name, columns) for name, columns in chosen.items()}
    return DeckFile(rules, table, lines, mistakes, labels)


def _read_bytes(rules: DeckRules, mistakes: Mistakes) -> npt.NDArray[np.uint8] | None:
    """Read the file as UTF-8 bytes; None after adding a mistake."""
    try:
        size = rules.path.stat().st_size
        if size > DECK_BYTES_MAX:
            mistakes.add(
                rules.file, 0, "", None, f"has {size:,} bytes, too many", "Split it into decks."
            )
            return None
        data = np.fromfile(rules.path, dtype=np.uint8)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        remedy = f"Put it where {rules.document} names it."
        mistakes.add(rules.file, 0, "", None, f"cannot be read: {reason}", remedy)
        return None
    if rules.encoding != "utf-8":
        try:
            text = data.tobytes().decode(rules.encoding)
        except UnicodeDecodeError as error:
            _add_undecodable(rules, data, error.start, mistakes)
            return None
        return np.frombuffer(text.encode(), dtype=np.uint8)
    return data[3:] if data[:3].tobytes() == b"\xef\xbb\xbf" else data


def _add_undecodable(
    rules: DeckRules, data: npt.NDArray[np.uint8], at: int, mistakes: Mistakes
) -> None:
    line = int(np.count_nonzero(data[:at] == ord("\n"))) + 1
    mistakes.add(
        rules.file,
        line,
        "",
        None,
        f"is not {rules.encoding} at byte {at}",
        "Name the encoding of the deck, e.g. `encoding: windows-1252`.",
    )


def _header(line: bytes, rules: DeckRules) -> list[str]:
    """Give the column names of the header."""
    text = line.decode(errors="replace")
    rows = csv.reader([text.rstrip("\r\n")], delimiter=rules.separator)
    return [name.strip() for name in next(rows)]


def _choose_columns(
    header: list[str],
    line: int,
    rules: DeckRules,
    fields: Sequence[str],
    required: Sequence[str],
    mistakes: Mistakes,
) -> dict[str, tuple[str, ...]] | None:
    """Match header names to fields: by the mapping, else by their own name."""
    before = mistakes.count
    chosen: dict[str, tuple[str, ...]] = {}
    for name in sorted({name for name in header if header.count(name) > 1}):
        mistakes.add(
            rules.file, line, name, None, "stands twice in the header", "Rename one of the columns."
        )
    for name, columns in rules.columns.items():
        missing = [column for column in columns if column not in header]
        for column in missing:
            near = difflib.get_close_matches(column, header, n=1)
            known = f"Did you mean {near[0]}?" if near else f"The header has: {', '.join(header)}."
            mistakes.add(rules.file, line, name, column, "is not a column of this deck", known)
        if not missing:
            chosen[name] = columns
    taken = {column for columns in rules.columns.values() for column in columns}
    for column in header:
        if column in taken:
            continue
        if column in fields and column not in rules.columns:
            chosen[column] = (column,)
        elif "all" not in rules.ignore and column not in rules.ignore:
            near = difflib.get_close_matches(column, fields, n=1)
            guess = f"Did you mean {near[0]}? Else map" if near else "Map"
            mistakes.add(
                rules.file,
                line,
                column,
                None,
                "is not a known column",
                f"{guess} it under `columns` or name it under `ignore`.",
            )
    for name in required:
        if name not in chosen and name not in rules.columns:
            mistakes.add(
                rules.file,
                line,
                name,
                None,
                "has no column",
                f"Name a column {name}, or map one: `columns: {{{name}: ...}}`.",
            )
    return chosen if mistakes.count == before else None


def _report_counts(
    rules: DeckRules,
    lines: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int32],
    wanted: int,
    mistakes: Mistakes,
) -> None:
    """Add a mistake for each row with too few or too many cells."""
    shown = mistakes.room()
    mistakes.add_many(
        (
            TariffMistake(
                rules.file,
                int(line),
                "",
                None,
                f"has {count} {'cell' if count == 1 else 'cells'}, not {wanted} as the header",
                "Quote cells that hold the separator, and close every quote.",
            )
            for line, count in zip(lines[:shown], counts[:shown], strict=True)
        ),
        len(lines),
    )


def _read_table(
    data: npt.NDArray[np.uint8],
    begin: int,
    header: list[str],
    chosen: Mapping[str, tuple[str, ...]],
    rules: DeckRules,
    mistakes: Mistakes,
) -> pa.Table | None:
    """Read the chosen columns; one Arrow column for each field."""
    single = {columns[0]: name for name, columns in chosen.items() if len(columns) == 1}
    wanted = [column for columns in chosen.values() for column in columns]
    types = {
        column: pa.string()
        if single.get(column, "prefix") in _PLAIN
        else pa.dictionary(pa.int32(), pa.string())
        for column in wanted
    }
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data[begin:])),
            read_options=arrow_csv.ReadOptions(column_names=header, block_size=8 << 20),
            parse_options=arrow_csv.ParseOptions(
                delimiter=rules.separator,
                newlines_in_values=_has_quotes(data),
                invalid_row_handler=lambda _row: "skip",
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(dict.fromkeys(wanted)),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        try:
            data.tobytes().decode()
        except UnicodeDecodeError as invalid:
            _add_undecodable(rules, data, invalid.start, mistakes)
            return None
        mistakes.add(
            rules.file,
            0,
            "",
            None,
            f"cannot be read as delimited text: {str(error).splitlines()[0]}",
            "Check separator and quotes.",
        )
        return None
    columns: dict[str, pa.ChunkedArray] = {}
    for name, sources in chosen.items():
        if len(sources) == 1:
            columns[name] = table.column(sources[0])
            continue
        parts = [table.column(source).cast(pa.string()) for source in sources]
        joined = pc.binary_join_element_wise(*parts, _JOINTS.get(name, ""), null_handling="skip")
        joined = pc.if_else(pc.equal(joined, ""), None, joined)
        columns[name] = joined if name in _PLAIN else joined.dictionary_encode()
    return pa.table(columns)


def _has_quotes(data: npt.NDArray[np.uint8]) -> bool:
    return bool((data == ord('"')).any())


def _label(name: str, columns: tuple[str, ...]) -> str:
    """Name a field as in the file, with our name beside where it differs."""
    there = "+".join(columns)
    return name if there == name else f"{there} ({name})"
