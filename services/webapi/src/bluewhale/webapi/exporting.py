"""Calls as a file, written as it is read: CSV or JSON lines, any number of them in little memory.

Owns columns and cells of the file. Numbers are masked as on the page; a cell that a
spreadsheet would run as a formula is shown as text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2 as query
    from bluewhale.webapi import shapes
    from bluewhale.webapi.saying import Saying

Form = Literal["csv", "jsonl"]
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
PAGE_ROWS = 2_000
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 ]*(\.[0-9]+)?•*")
_SAME = (
    "call_id", "version", "state", "started_at", "answered_at", "ended_at", "zone", "direction",
    "call_class", "disposition", "ring_ms", "queue_ms", "hold_ms", "talk_ms", "extension",
    "cost_center_uid", "account_code", "trunk_in", "trunk_out", "transfers", "legs",
)  # fmt: skip
_PARTIES = ("calling", "called", "first_destination", "final_destination")
_NAMES = ("site", "person", "department")


def written(
    pages: Iterable[Sequence[query.Call]], saying: Saying, form: Form, lists: Sequence[str]
) -> Iterator[str]:
    """Give the file in pieces; `lists` are the price lists that have columns."""
    if form == "jsonl":
        for page in pages:
            said = saying.about(page)
            yield "".join(said.call(c).model_dump_json(by_alias=True) + "\n" for c in page)
        return
    yield _lines([_heads(lists)])
    for page in pages:
        said = saying.about(page)
        yield _lines([_row(said.call(c), lists) for c in page])


def cell(value: Any) -> str:
    """Give a cell that no spreadsheet runs; numbers keep their sign."""
    text = "" if value is None else str(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _heads(lists: Sequence[str]) -> list[str]:
    heads = [*_SAME, *_PARTIES]
    for name in _NAMES:
        heads += [f"{name}_uid", f"{name}_name"]
    for name in lists:
        heads += [f"{name}_amount", f"{name}_currency", f"{name}_unpriced"]
    return heads


def _row(call: shapes.Call, lists: Sequence[str]) -> list[Any]:
    row = [getattr(call, name) for name in _SAME]
    for name in _PARTIES:
        party = getattr(call, name)
        row.append(party and (party.e164 or party.shown))
    for name in _NAMES:
        named = getattr(call, name)
        row += [named and named.uid, named and named.name]
    prices = {p.price_list: p for p in call.prices}
    for name in lists:
        price = prices.get(name)
        money = price.money if price else None
        row += [money and money.amount, money and money.currency, price and price.unpriced]
    return row


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([cell(v) for v in row] for row in rows)
    return out.getvalue()


def problem_line(code: str) -> str:
    """Give the last line of a file that is not whole: a reader of the file must see it."""
    return json.dumps({"problem": code, "whole": False}) + "\n"
