"""Stored rows as messages of the query API.

Owns how a column is said on the wire: ids as 26 letters, money as decimal text,
instants as milliseconds. Does not own which rows are meant (`questions`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
from bluewhale.api.query.v1 import query_pb2 as api
from bluewhale.records.enums import CallState
from bluewhale.records.ids import id_text
from google.protobuf.message import Message

if TYPE_CHECKING:
    from bluewhale.database import CallDetail, Completeness, Mark

M = TypeVar("M", bound=Message)
Say = Callable[[Any], Any]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TIMES = frozenset({
    "started_at", "answered_at", "ended_at", "setup_at", "answer_at", "release_at", "received_at",
    "ingested_at", "rated_at", "start_at", "first_at", "changed_at",
})  # fmt: skip
_IDS = frozenset({
    "call_id", "cdr_id", "charge_id", "superseded_by", "reverses", "applied_cdr_id", "made_cdr_id",
})  # fmt: skip
_RENAMED = {"class": "call_class"}


def milliseconds(moment: datetime) -> int:
    """Give an aware moment as integer milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def amount(nanos: int) -> str:
    """Give nanos as decimal text without trailing zeros; never in exponents."""
    text = format(Decimal(nanos).scaleb(-9), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _columns(message: type[Message], schema_names: Iterable[str]) -> dict[str, tuple[str, Say]]:
    """Match columns to the message's fields by name: column -> (field, how to say it)."""
    fields = message.DESCRIPTOR.fields_by_name
    found: dict[str, tuple[str, Say]] = {}
    for column in schema_names:
        name = _RENAMED.get(column, column)
        if column in _TIMES and f"{name}_ms" in fields:
            found[column] = (f"{name}_ms", milliseconds)
        elif column in _IDS and name in fields:
            found[column] = (name, id_text)
        elif column == "leg_ids":
            found[column] = (name, lambda ids: [id_text(i) for i in ids])
        elif column == "amount_nanos":
            found[column] = ("amount", amount)
        elif column.endswith("_e164") and name in fields:
            found[column] = (name, str)
        elif column not in {"joins", "totals"} and name in fields:
            found[column] = (name, lambda value: value)
    return found


_KNOWN: dict[tuple[type[Message], tuple[str, ...]], dict[str, tuple[str, Say]]] = {}


def messages(kind: type[M], table: pa.Table) -> list[M]:
    """Turn each row into a message; columns without a field are left out."""
    key = (kind, tuple(table.column_names))
    if key not in _KNOWN:
        _KNOWN[key] = _columns(kind, table.column_names)
    columns = _KNOWN[key]
    rows = table.select(list(columns)).to_pylist()
    return [_message(kind, columns, row) for row in rows]


def _message(kind: type[M], columns: Mapping[str, tuple[str, Say]], row: Mapping[str, Any]) -> M:
    return kind(
        **{
            columns[column][0]: columns[column][1](value)
            for column, value in row.items()
            if value is not None
        }
    )


def calls(table: pa.Table) -> list[api.Call]:
    """Turn stored calls (STORED_CALL_SCHEMA) into messages, with joins and totals."""
    said = messages(api.Call, table)
    joins = table.column("joins").to_pylist()
    totals = table.column("totals").to_pylist()
    for call, whys, sums in zip(said, joins, totals, strict=True):
        call.joins.extend(
            api.Join(leg=j["leg"], other=j["other"], reason=j["reason"] or "",
                     confidence=j["confidence"] or 0.0)
            for j in whys or ()
        )  # fmt: skip
        call.totals.extend(
            api.Amount(price_list=t["price_list"] or "", currency=t["currency"] or "",
                       amount=amount(t["amount_nanos"] or 0), unrated=t["unrated"] or 0)
            for t in sums or ()
        )  # fmt: skip
        call.state = call.state or CallState.COMPLETE.value
    return said


def detail(found: CallDetail) -> api.CallDetail:
    """Turn everything stored about a call into one message."""
    return api.CallDetail(
        call=calls(found.call)[0],
        versions=calls(found.versions),
        legs=messages(api.Leg, found.legs),
        charges=messages(api.Charge, found.charges),
        contexts=[
            api.Context(raw_context_id=number, text=text)
            for number, text in sorted(found.contexts.items())
        ],
    )


def completeness(found: Completeness) -> api.CompletenessReply:
    """Turn totals and gaps into one message."""
    days = []
    for row in found.days.to_pylist():
        day = row.pop("day").toordinal() - _EPOCH_DAY
        days.append(api.CompletenessDay(day=day, **_known(row)))
    return api.CompletenessReply(
        complete=found.complete, days=days, gaps=messages(api.Gap, found.gaps)
    )


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def marks(found: Sequence[Mark]) -> api.MarksReply:
    """Turn marks into one message."""
    return api.MarksReply(
        marks=[
            api.Mark(
                stream_id=m.stream_id,
                incarnation=m.incarnation,
                stored_through=m.stored_through,
                record_crc=m.record_crc,
            )
            for m in found
        ]
    )


def arrow(table: pa.Table, compression: str = "zstd") -> bytes:
    """Give a table as one Arrow IPC stream: ten times cheaper than rows."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.unify_dictionaries())
    data: bytes = sink.getvalue().to_pybytes()
    return data
