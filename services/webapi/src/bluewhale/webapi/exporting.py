"""Calls as a file, written as it is read: any number of them in little memory.

Owns the forms, and columns and lines of each; tables that other programs open are made
by `export_tables` (Parquet) and `export_sheets` (Excel). Numbers are masked as on the
page; a cell that a spreadsheet would run as a formula is shown as text. Every form is
put together from whole columns: no object is made of a call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.webapi import column_text as text
from bluewhale.webapi.export_columns import NAMED, PARTIES, Calls, Prices, of_list
from bluewhale.webapi.export_sheets import workbook
from bluewhale.webapi.export_tables import decimals, parquet, typed
from bluewhale.webapi.shapes import Call

if TYPE_CHECKING:
    from bluewhale.webapi.saying import Saying

Form = Literal["csv", "jsonl", "parquet", "xlsx"]
MEDIA_TYPES: Mapping[Form, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SAME = (
    "call_id", "version", "state", "started_at", "answered_at", "ended_at", "zone", "direction",
    "call_class", "disposition", "ring_ms", "queue_ms", "hold_ms", "talk_ms", "extension",
    "cost_center_uid", "account_code", "trunk_in", "trunk_out", "transfers", "legs",
)  # fmt: skip


def written(
    tables: Iterable[pa.Table], saying: Saying, form: Form, lists: Sequence[str]
) -> Iterator[bytes]:
    """Give the file in pieces; `lists` are the price lists that have columns.

    tables: batches of calls, columns `export_columns.STORED`.
    """
    batches = (Calls(table, saying.names, saying.masker) for table in tables)
    if form == "parquet":
        schema = typed(heads(lists))
        rows = (_table(calls, lists, schema) for calls in batches)
        yield from parquet(rows, schema)
        return
    if form == "xlsx":
        yield from workbook((columns(calls, lists, decimals) for calls in batches), heads(lists))
        return
    say = csv_lines if form == "csv" else json_lines
    if form == "csv":
        yield (",".join(text.cells(pa.array(heads(lists))).to_pylist()) + text.LINE_END).encode()
    for calls in batches:
        yield say(calls, lists)


def heads(lists: Sequence[str]) -> list[str]:
    """Give the names of the columns of a table of calls."""
    found = [*_SAME, *PARTIES]
    for name in NAMED:
        found += [f"{name}_uid", f"{name}_name"]
    for name in lists:
        found += [f"{name}_amount", f"{name}_currency", f"{name}_unpriced"]
    return found


def columns(
    calls: Calls, lists: Sequence[str], amounts: Callable[[pa.Array], pa.Array] = text.amounts
) -> Iterator[pa.Array]:
    """Give the columns of a table of calls, in the order of `heads`.

    amounts: makes amounts of nanos; decimal text by default.
    """
    yield from (calls.plain(name) for name in _SAME)
    for name in PARTIES:
        party = calls.parties(name)
        yield pc.coalesce(party.e164, party.shown)
    for name in NAMED:
        yield from calls.named(name)
    prices = calls.prices()
    for name in lists:
        own = of_list(prices, name)
        yield pc.if_else(own.currency.is_valid(), amounts(own.nanos), None)
        yield own.currency
        yield own.unpriced


def csv_lines(calls: Calls, lists: Sequence[str]) -> bytes:
    """Give calls as lines of CSV."""
    lines = text.joined([text.cells(column) for column in columns(calls, lists)], ",")
    return text.data(text.joined([lines, text.LINE_END]))


def _table(calls: Calls, lists: Sequence[str], schema: pa.Schema) -> pa.Table:
    made = columns(calls, lists, decimals)
    return pa.table([c.cast(f.type) for c, f in zip(made, schema, strict=True)], schema=schema)


def json_lines(calls: Calls, _lists: Sequence[str]) -> bytes:
    """Give calls as a JSON object a line, as lists of the API say them."""
    return text.data(text.joined([json_objects(calls), "\n"]))


def json_objects(calls: Calls) -> pa.Array:
    """Give the JSON of each call: a `Call` of the API."""
    return text.json_object([(name, _json(calls, name)) for name in Call.model_fields])


def _json(calls: Calls, name: str) -> pa.Array:
    if name in PARTIES:
        party = calls.parties(name)
        said = text.json_object([(n, text.json_values(v)) for n, v in party._asdict().items()])
        return pc.if_else(party.shown.is_valid(), said, text.NULL)
    if name in NAMED:
        named = calls.named(name)
        words = text.json_object([
            (n, text.json_values(v.dictionary)) for n, v in named._asdict().items()
        ])  # fmt: skip
        known = pc.if_else(named.uid.dictionary.is_valid(), words, text.NULL)
        return known.take(named.uid.indices).fill_null(text.NULL)
    if name == "prices":
        return _json_prices(calls.prices())
    return text.json_values(calls.plain(name))


def _json_prices(prices: Prices) -> pa.Array:
    money = text.json_object([
        ("amount", text.json_values(text.amounts(prices.nanos))),
        ("currency", text.json_values(prices.currency)),
    ])  # fmt: skip
    each = text.json_object([
        ("price_list", text.json_values(prices.price_list)),
        ("money", pc.if_else(prices.currency.is_valid(), money, text.NULL)),
        ("unpriced", text.json_values(prices.unpriced)),
    ])  # fmt: skip
    return text.json_lists(prices.lists, each)


def problem_line(code: str) -> bytes:
    """Give the last line of a file that is not whole: a reader of the file must see it."""
    return (json.dumps({"problem": code, "whole": False}) + "\n").encode()
