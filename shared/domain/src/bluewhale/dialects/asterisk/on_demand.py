"""Every column of one Asterisk record, for people, from the raw bytes. Never raises."""

from __future__ import annotations

import re
from typing import Any

from bluewhale.dialects.asterisk.layout import AUTO, SHAPES, layout_for
from bluewhale.dialects.engine.delimited import fault_reject, piece_span, split_record
from bluewhale.dialects.engine.dialect import Field, Options

_UNIQUE = re.compile(rb"(?:.*-)?[0-9]+\.[0-9]+", re.DOTALL)
_INTEGERS = frozenset({"duration", "billsec"})


def fields(record: bytes, context: bytes | None, options: Options) -> list[Field]:
    """Give every column: name, number, text, value, meaning; a fault is the last field."""
    shape = str(options.get("columns", AUTO))
    pieces, fault = split_record(record)
    columns = SHAPES.get(shape) or _shape_of([text for _, text, _ in pieces])
    found = []
    for index, piece in enumerate(pieces):
        shown, span = piece[1].decode("utf-8", "replace"), piece_span(piece)
        place = f"column {index + 1}"
        if index >= len(columns):
            note = "more than this file has"
            found.append(Field(place, place, shown, shown or None, "", note, span))
            continue
        column = columns[index]
        value: object = shown or None
        note = ""
        if column.name in _INTEGERS and shown:
            whole = shown.isascii() and shown.removeprefix("-").isdigit() and len(shown) < 19
            value, note = (int(shown), "") if whole else (shown, "not an integer")
        found.append(Field(column.name, place, shown, value, column.meaning, note, span))
    if fault is not None:
        reject = fault_reject(fault, layout_for(shape))
        note = f"{reject.reason}: {reject.detail}"
        found.append(Field(reject.field or "record", reject.position, "", None, "", note))
    return found


def _shape_of(texts: list[bytes]) -> tuple[Any, ...]:
    """Choose the columns by their count, as `auto` does."""
    if len(texts) == 17:
        return SHAPES["17u" if _UNIQUE.fullmatch(texts[16]) else "17f"]
    return SHAPES.get(str(len(texts)), SHAPES["21"])
