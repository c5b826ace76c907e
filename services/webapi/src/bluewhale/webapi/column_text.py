"""Columns of a file as text, whole columns at a time: for CSV and for JSON.

    cells(pa.array(["Weber, Ana", "=1+1", None]))   # '"Weber, Ana"', "'=1+1", ""

Each says what its scalar twin says: `cell` and the csv module, `json.dumps`,
`saying.instant`, `answers.amount`. A column of words (dictionary) is said once per
word. Does not own which columns a file has (`exporting`).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

NULL = "null"
LINE_END = "\r\n"
_PLACES = 9  # of nanos
_NANOS = 10**_PLACES
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 ]*(\.[0-9]+)?•*")
_ASIDE = r'^[=+\-@\t\r]|[",\r\n]'  # a formula, or what a CSV file must quote
_ESCAPED = r'["\\\x00-\x1f]'  # what JSON cannot say as it is
_DAY_MS = 86_400_000
_DAYS_MAX = 40_000  # between the first and the last instant of a batch: else a clock was wrong


def _words(texts: Iterable[str], behind: int = 0) -> npt.NDArray[np.uint64]:
    """Give texts of up to eight letters as the integers whose bytes they are."""
    return np.array([int.from_bytes(t.encode(), "little") << 8 * behind for t in texts], np.uint64)


_MINUTES = _words((f"{n // 60:02}:{n % 60:02}" for n in range(1_440)), 3)
_SECONDS = _words(f":{n:02}" for n in range(60))
_MILLIS = _words((f".{n:03}Z" for n in range(1_000)), 3)


def cell(value: Any) -> str:
    """Give a cell that no spreadsheet runs; numbers keep their sign."""
    text = "" if value is None else str(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _quoted(text: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=LINE_END).writerow([cell(text), ""])
    return out.getvalue().removesuffix("," + LINE_END)


def by_word(column: pa.Array, say: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Say a column; one of words once per word."""
    if not pa.types.is_dictionary(column.type):
        return say(column)
    return say(column.dictionary).take(column.indices)


def text(column: pa.Array) -> pa.Array:
    """Give words, integers or text as text; nulls stay."""
    return column if column.type == pa.string() else column.cast(pa.string())


def instants(column: pa.Array) -> pa.Array:
    """Give instants (UTC, milliseconds) as `2026-11-21T13:03:01.000Z`; nulls stay."""
    whole = column.cast(pa.int64())
    ms = np.asarray(whole.fill_null(pc.min(whole).as_py() or 0))
    days, rest = np.divmod(ms, _DAY_MS)
    first = int(days.min()) if len(days) else 0
    last = int(days.max()) if len(days) else 0
    if last - first > _DAYS_MAX:
        return pc.binary_replace_slice(column.cast(pa.string()), 10, 11, "T")
    named = np.datetime_as_string(np.arange(first, last + 1).astype("datetime64[D]")).tolist()
    seconds = rest // 1000
    letters = np.empty((len(ms), 3), "<u8")  # 24 letters of each: 2026-11- 21T13:03 :01.000Z
    letters[:, 0] = _words(d[:8] for d in named)[days - first]
    letters[:, 1] = _words(d[8:] + "T" for d in named)[days - first] | _MINUTES[seconds // 60]
    letters[:, 2] = _SECONDS[seconds % 60] | _MILLIS[rest % 1000]
    offsets = np.arange(len(ms) + 1, dtype=np.int32) * np.int32(letters.itemsize * 3)
    valid = np.packbits(np.asarray(column.is_valid()), bitorder="little")
    return pa.StringArray.from_buffers(
        len(ms), pa.py_buffer(offsets), pa.py_buffer(letters.reshape(-1)), pa.py_buffer(valid)
    )


def amounts(nanos: pa.Array) -> pa.Array:
    """Give nanos as decimal text without trailing zeros; nulls stay."""
    found = nanos.unique()
    values = np.asarray(found.fill_null(0))
    whole, rest = np.divmod(np.abs(values), _NANOS)
    places = pc.binary_replace_slice(
        pa.array(rest + _NANOS).cast(pa.string()), start=0, stop=1, replacement="."
    )
    digits = pc.utf8_rtrim(pc.utf8_rtrim(places, characters="0"), characters=".")
    sign = pc.if_else(pa.array(values < 0), "-", "")
    said = joined([sign, pa.array(whole).cast(pa.string()), digits])
    return said.take(pc.index_in(nanos, found, skip_nulls=True))


def cells(column: pa.Array) -> pa.Array:
    """Give a column as cells of a CSV file: nothing runs as a formula; null is empty."""
    if pa.types.is_integer(column.type):
        return text(column).fill_null("")
    if pa.types.is_timestamp(column.type):
        return instants(column).fill_null("")
    return by_word(column, _cells).fill_null("")


def _cells(column: pa.Array) -> pa.Array:
    aside = pc.match_substring_regex(column, _ASIDE)
    if not pc.any(aside).as_py():
        return column
    aside = pc.and_not(aside, pc.match_substring_regex(column, f"^(?:{_NUMBER.pattern})$"))
    return _with(column, aside, _quoted)


def _with(column: pa.Array, chosen: pa.Array, say: Callable[[str], str]) -> pa.Array:
    """Say the chosen texts of a column one by one: they are few."""
    chosen = chosen.fill_null(False)
    said = [say(t) for t in column.filter(chosen).to_pylist()]
    return pc.replace_with_mask(column, chosen, pa.array(said, pa.string())) if said else column


def joined(pieces: Sequence[Any], between: str = "") -> pa.Array:
    """Put the texts of each row together; a text alone is the same in each row."""
    given = [pa.scalar(p) if isinstance(p, str) else p for p in pieces]
    return pc.binary_join_element_wise(*given, pa.scalar(between))


def json_values(column: pa.Array) -> pa.Array:
    """Give JSON per value; null is `null`."""
    if pa.types.is_integer(column.type):
        return text(column).fill_null(NULL)
    if pa.types.is_boolean(column.type):
        return column.cast(pa.string()).fill_null(NULL)
    if pa.types.is_timestamp(column.type):
        return joined(['"', instants(column), '"']).fill_null(NULL)
    return by_word(column, _json_texts).fill_null(NULL)


def _json_texts(column: pa.Array) -> pa.Array:
    aside = pc.match_substring_regex(column, _ESCAPED)
    if pc.any(aside).as_py():
        column = _with(column, aside, lambda t: json.dumps(t, ensure_ascii=False)[1:-1])
    return joined(['"', column, '"'])


def json_object(fields: Sequence[tuple[str, pa.Array]]) -> pa.Array:
    """Give one JSON object per row; `fields` are names and JSON texts."""
    pieces: list[Any] = []
    for name, values in fields:
        pieces += [f'{"," if pieces else "{"}"{name}":', values]
    return joined([*pieces, "}"])


def json_lists(lists: pa.ListArray, values: pa.Array) -> pa.Array:
    """Give one JSON list per row; `values`: the JSON texts of `lists.flatten()`."""
    counts = np.asarray(pc.list_value_length(lists).fill_null(0))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    texts = pa.ListArray.from_arrays(pa.array(offsets), values)
    return joined(["[", pc.binary_join(texts, ","), "]"])


def data(texts: pa.Array) -> bytes:
    """Give the texts of a column without anything between them."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    if not len(texts) or texts.buffers()[2] is None:
        return b""
    return bytes(memoryview(texts.buffers()[2])[int(offsets[0]) : int(offsets[-1])])
