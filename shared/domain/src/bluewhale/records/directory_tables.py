"""What directory files may say: kinds, fields, and reading them into text columns.

Owns the documented columns and the reading of YAML and CSV with the line of
every entry. Does not own what must hold between entries: `directory_files`.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from bluewhale.records.exceptions import DirectoryMistake

FieldType = Literal["uid", "text", "moment", "number"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column of one kind: its type, whether it must be given, and its meaning."""

    name: str
    type: FieldType
    meaning: str
    required: bool = False
    refers_to: str = ""  # kind whose uid it names
    choices: tuple[str, ...] = ()


def _uid(name: str, meaning: str) -> Field:
    return Field(name, "uid", meaning, required=True)


def _ref(kind: str, meaning: str, *, required: bool = False) -> Field:
    return Field(KEYS[kind], "uid", meaning, required, refers_to=kind)


KEYS = {
    "sites": "site_uid",
    "pbxs": "pbx_uid",
    "departments": "department_uid",
    "cost_centers": "cost_center_uid",
    "persons": "person_uid",
}
_SINCE = (
    Field("active_from", "moment", "first moment it holds: 2026-01-31 or 2026-01-31T08:00"),
    Field("active_until", "moment", "first moment it no longer holds; empty = still holds"),
)

KINDS: Mapping[str, tuple[Field, ...]] = {
    "sites": (
        _uid("site_uid", "name of the site for ever: letters, digits, . _ -"),
        Field("name", "text", "what people call it", required=True),
        Field("zone", "text", "IANA time zone, such as Europe/Berlin", required=True),
        Field("country", "text", "ISO 3166 code of two letters, such as DE", required=True),
        Field("area_code", "text", "national destination code without trunk prefix: 30"),
        Field("access_codes", "text", "dialled to seize a public line: 0 or 9; several with ;"),
        Field("extension_lengths", "text", "digits of own extensions: 3;4 (default 3;4;5)"),
        Field("extension_ranges", "text", "own extensions: 100-499;7000-7999; then lengths rest"),
        Field("short_codes", "text", "own codes and their numbers: *71=+442079460018;700="),
        Field("main_number", "text", "digits before a direct-dial extension, without +"),
    ),
    "pbxs": (
        _uid("pbx_uid", "name of the switch for ever"),
        _ref("sites", "where it stands", required=True),
        Field("name", "text", "what people call it"),
    ),
    "trunks": (
        _ref("pbxs", "its switch", required=True),
        Field("trunk", "text", "as the PBX prints it", required=True),
        Field("trunk_group", "text", "selector value for price lists"),
        Field("carrier", "text", "selector value for price lists"),
        Field("direction", "text", "in, out or both", choices=("in", "out", "both")),
        Field("grace_ms", "number", "shorter calls count as unanswered; milliseconds"),
        *_SINCE,
    ),
    "departments": (
        _uid("department_uid", "name of the department for ever"),
        Field("name", "text", "what people call it", required=True),
        Field("parent_uid", "uid", "department above it; empty = top", refers_to="departments"),
        _ref("cost_centers", "who pays; empty = as the department above"),
    ),
    "persons": (
        _uid("person_uid", "name of the person (room, fax) for ever"),
        Field("name", "text", "what people call them", required=True),
        _ref("departments", "where they work"),
        _ref("cost_centers", "who pays; empty = as the department"),
        *_SINCE,
    ),
    "extensions": (
        _ref("sites", "its site", required=True),
        Field("extension", "text", "its digits", required=True),
        _ref("persons", "whose it is"),
        _ref("departments", "whose it is, over that of the person"),
        Field("subscriber_group", "text", "selector value for price lists"),
        *_SINCE,
    ),
    "cost_centers": (
        _uid("cost_center_uid", "number or name of the cost centre for ever"),
        Field("name", "text", "what people call it"),
    ),
    "account_codes": (
        Field("account_code", "text", "digits dialled to name who pays", required=True),
        Field("name", "text", "what it is for"),
        _ref("departments", "who pays"),
        _ref("cost_centers", "who pays"),
        *_SINCE,
    ),
}
HEAD_KEYS = ("version", "zone")


@dataclass(slots=True)
class Rows:
    """Entries of one kind as text columns (null = not given), with file and line of each."""

    table: pa.Table
    files: npt.NDArray[np.int32]  # index into `Read.files`
    lines: npt.NDArray[np.int32]


@dataclass(slots=True)
class Read:
    """Everything that was read, before it is judged."""

    files: list[str] = field(default_factory=list)
    parts: dict[str, list[Rows]] = field(default_factory=dict)
    version: int | None = None
    zone: str | None = None
    mistakes: list[DirectoryMistake] = field(default_factory=list)

    def wrong(self, file: str, line: int, name: str, problem: str, remedy: str) -> None:
        """Note one mistake."""
        self.mistakes.append(DirectoryMistake(file, line, name, problem, remedy))

    def rows(self, kind: str) -> Rows:
        """Give all entries of a kind."""
        parts = self.parts.get(kind, [])
        names = [f.name for f in KINDS[kind]]
        empty = pa.table({n: pa.array([], pa.string()) for n in names})
        return Rows(
            pa.concat_tables([empty, *(p.table for p in parts)]).combine_chunks(),
            np.concatenate([np.zeros(0, np.int32), *(p.files for p in parts)]),
            np.concatenate([np.zeros(0, np.int32), *(p.lines for p in parts)]),
        )


def nearest(word: str, words: tuple[str, ...]) -> str:
    """Say what may have been meant."""
    found = difflib.get_close_matches(word, words, 1)
    return f"Did you mean {found[0]}?" if found else f"Use one of {', '.join(words)}."


def read_path(path: Path, out: Read) -> None:
    """Read a YAML file, a CSV file named after its kind, or a folder of both."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in {".csv", ".yaml", ".yml"})
        if not found:
            out.wrong(str(path), 0, "", "the folder has no .yaml or .csv file", "Add sites.csv ...")
        for file in found:
            read_path(file, out)
        return
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        out.wrong(str(path), 0, "", f"cannot be read: {reason}", "Check path and permissions.")
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        out.wrong(str(path), line, "", "is not UTF-8 here", "Save the file as UTF-8.")
        return
    out.files.append(str(path))
    if path.suffix == ".csv":
        _read_csv(path, data, text, out)
    else:
        _read_yaml(path, text, out)


def _read_csv(path: Path, data: bytes, text: str, out: Read) -> None:
    from pyarrow import csv as arrow_csv

    kind = path.stem
    if kind not in KINDS:
        remedy = nearest(kind, tuple(KINDS))
        out.wrong(str(path), 0, "", f"no kind of entry is called {kind!r}", remedy)
        return
    head_line = text.partition("\n")[0].rstrip("\r")
    head = [h.strip() for h in next(csv.reader([head_line]), [])]
    if not _check_head(str(path), 1, kind, head, out):
        return
    skipped: list[int] = []

    def wrong_width(row: Any) -> str:
        skipped.append(row.number)
        problem = f"has {row.actual_columns} values, the head has {row.expected_columns}"
        out.wrong(str(path), row.number, "", problem, "Quote values that hold a comma.")
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data.removeprefix(b"\xef\xbb\xbf")),
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=head, skip_rows=1),
            parse_options=arrow_csv.ParseOptions(
                ignore_empty_lines=False, invalid_row_handler=wrong_width
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(head, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        out.wrong(str(path), 0, "", f"is not CSV: {error}", "Check quotes and commas.")
        return
    lines = np.arange(2, 2 + table.num_rows + len(skipped), dtype=np.int32)
    lines = lines[~np.isin(lines, skipped)]
    _add(kind, table, lines, out)


def _check_head(file: str, line: int, kind: str, head: list[str], out: Read) -> bool:
    names = tuple(f.name for f in KINDS[kind])
    before = len(out.mistakes)
    for name in head:
        if name not in names:
            out.wrong(file, line, name, "is not a field of " + kind, nearest(name, names))
    for name in dict.fromkeys(n for n in head if head.count(n) > 1):
        out.wrong(file, line, name, "stands twice in the head", "Remove one.")
    for f in KINDS[kind]:
        if f.required and f.name not in head:
            out.wrong(file, line, f.name, "is missing in the head", f"Add it: {f.meaning}.")
    return len(out.mistakes) == before


def _add(kind: str, table: pa.Table, lines: npt.NDArray[np.int32], out: Read) -> None:
    columns = {}
    given = np.zeros(table.num_rows, np.bool_)
    for f in KINDS[kind]:
        if f.name in table.column_names:
            column = pc.utf8_trim_whitespace(table[f.name].combine_chunks())
            if pc.any(pc.equal(column, "")).as_py():
                column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            given |= column.is_valid().to_numpy(zero_copy_only=False)
            columns[f.name] = column
        else:
            columns[f.name] = pa.nulls(table.num_rows, pa.string())
    rows = pa.table(columns)
    if not given.all():  # blank lines
        rows, lines = rows.filter(pa.array(given)), lines[given]
    file = np.full(len(lines), len(out.files) - 1, np.int32)
    out.parts.setdefault(kind, []).append(Rows(rows, file, lines))


def _read_yaml(path: Path, text: str, out: Read) -> None:
    file = str(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        out.wrong(file, line, "", f"is not YAML: {error.problem}", "Check indentation and quotes.")
        return
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        out.wrong(file, 1, "", "has no keys such as sites", "See docs/guides/directory.md.")
        return
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value == "version":
            if isinstance(value, yaml.ScalarNode) and value.value.isdigit() and int(value.value):
                out.version = int(value.value)
            else:
                out.wrong(file, line, "version", "is not a number from 1", "Write version: 1.")
        elif key.value == "zone":
            out.zone = str(value.value)
        elif key.value not in KINDS:
            known = (*HEAD_KEYS, *KINDS)
            out.wrong(file, line, str(key.value), "is not known here", nearest(key.value, known))
        elif isinstance(value, yaml.SequenceNode):
            _yaml_entries(file, key.value, value, out)
        elif not (isinstance(value, yaml.ScalarNode) and value.value in {"", "null", "~"}):
            out.wrong(file, line, key.value, "is not a list", "Begin each entry with a dash.")


def _yaml_entries(file: str, kind: str, node: yaml.SequenceNode, out: Read) -> None:
    names = tuple(f.name for f in KINDS[kind])
    entries: list[dict[str, str | None]] = []
    lines: list[int] = []

    def add(item: yaml.Node, parent: str | None) -> None:
        line = item.start_mark.line + 1
        if not isinstance(item, yaml.MappingNode):
            out.wrong(file, line, kind, "is not an entry", f"Write {names[0]}: ... and so on.")
            return
        entry: dict[str, str | None] = {"parent_uid": parent} if kind == "departments" else {}
        below: list[yaml.Node] = []
        for key, value in item.value:
            if kind == "departments" and key.value == "departments":
                below = value.value if isinstance(value, yaml.SequenceNode) else []
            elif key.value in names:
                entry[key.value] = _yaml_text(value)
            else:
                place = key.start_mark.line + 1
                remedy = nearest(str(key.value), names)
                out.wrong(file, place, str(key.value), f"is not a field of {kind}", remedy)
        entries.append(entry)
        lines.append(line)
        for child in below:
            add(child, entry.get("department_uid"))

    for item in node.value:
        add(item, None)
    table = pa.table({n: pa.array([e.get(n) for e in entries], pa.string()) for n in names})
    _add(kind, table, np.array(lines, np.int32), out)


def _yaml_text(node: yaml.Node) -> str | None:
    """Give a value in the text form of CSV: lists and maps joined with ;."""
    if isinstance(node, yaml.SequenceNode):
        return ";".join(_yaml_text(n) or "" for n in node.value)
    if isinstance(node, yaml.MappingNode):
        return ";".join(f"{_yaml_text(k) or ''}={_yaml_text(v) or ''}" for k, v in node.value)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    return str(node.value)
