"""Suspense rows that no dialect makes: unknown link, unreadable frame, broken parser.

Owns their columns. Does not own when a stream is suspended (`breaker`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from bluewhale.capture import FRAME_RECORDS_MAX, Frame, context_id, record_crc
from bluewhale.messaging.envelopes import RawFrame
from bluewhale.records.batches import LinkProfile, RawBatch, StreamLoss
from bluewhale.records.enums import LossReason, RejectReason
from bluewhale.records.schemas import SUSPENSE_SCHEMA

STAGE = "parse"


def unknown_link(frame: Frame) -> pa.Table:
    """Keep every record of a stream that no configuration names."""
    detail = f"stream {frame.stream_id} is in no configuration of the parser"
    return _rows(
        {
            "stream_id": frame.stream_id,
            "incarnation": frame.incarnation,
            "seq": [r.seq for r in frame.records],
            "connection": [r.connection for r in frame.records],
            "n": [r.n for r in frame.records],
            "record_crc": [
                record_crc(r.data, n=r.n, connection=r.connection, received_at_ms=r.received_at_ms)
                for r in frame.records
            ],
            "raw": [r.data for r in frame.records],
            "raw_context_id": None if frame.context is None else context_id(frame.context),
            "received_at": [r.received_at_ms for r in frame.records],
            "reason": str(RejectReason.LINK_UNKNOWN),
            "detail": detail,
        },
        len(frame.records),
    )


def unreadable(
    frame: RawFrame, profile: LinkProfile | None, why: str
) -> tuple[pa.Table, tuple[StreamLoss, ...]]:
    """Keep a frame that does not unpack whole, under its first record; the others are named."""
    row = _rows(
        {
            "link_uid": profile.link_uid if profile else None,
            "stream_id": frame.stream_id,
            "incarnation": frame.incarnation,
            "seq": frame.first_seq,
            "connection": 0,
            "n": 1,
            "raw": [frame.packed],
            "received_at": frame.ingested_at_ms,
            "reason": str(RejectReason.FRAME_CORRUPT),
            "detail": f"records {frame.first_seq} to {frame.last_seq}: {why}",
            "dialect_id": profile.dialect_id if profile else None,
        },
        1,
    )
    last_seq = min(frame.last_seq, frame.first_seq + FRAME_RECORDS_MAX - 1)
    if last_seq <= frame.first_seq:
        return row, ()
    reason = str(LossReason.FRAME_UNREADABLE)
    loss = StreamLoss(frame.stream_id, frame.incarnation, frame.first_seq + 1, last_seq, reason)
    return row, (loss,)


def broken(batch: RawBatch, profile: LinkProfile, error: Exception) -> pa.Table:
    """Keep records that the parser itself broke on; says what broke, never what they hold."""
    data, count = batch.data, len(batch)
    raw = [data[start:end].tobytes() for start, end in zip(batch.starts, batch.ends, strict=True)]
    names = [context_id(context) for context in batch.contexts]
    return _rows(
        {
            "link_uid": profile.link_uid,
            "stream_id": profile.stream_id,
            "incarnation": batch.incarnation,
            "seq": batch.seq,
            "connection": batch.connection,
            "n": batch.n,
            "record_crc": [
                record_crc(
                    raw[i],
                    n=int(batch.n[i]),
                    connection=int(batch.connection[i]),
                    received_at_ms=int(batch.received_at_ms[i]),
                )
                for i in range(count)
            ],
            "raw": raw,
            "raw_context_id": [None if row < 0 else names[row] for row in batch.context_row],
            "received_at": batch.received_at_ms,
            "reason": str(RejectReason.PARSER_FAILED),
            "detail": f"{type(error).__name__} in the parser",
            "dialect_id": profile.dialect_id,
        },
        count,
    )


def suspended(legs: pa.Table) -> pa.Table:
    """Turn legs of a suspended stream into suspense rows; they keep bytes and provenance."""
    columns: dict[str, Any] = {
        name: legs.column(name) for name in SUSPENSE_SCHEMA.names if name in legs.column_names
    }
    columns["reason"] = str(RejectReason.STREAM_SUSPENDED)
    columns["detail"] = "too many records of this stream are bad"
    return _rows(columns, legs.num_rows)


def _rows(columns: Mapping[str, Any], count: int) -> pa.Table:
    """Assemble SUSPENSE_SCHEMA of columns and constants; what is missing is null."""
    return pa.Table.from_arrays(
        [_column(columns.get(f.name), f.type, count, f.name) for f in SUSPENSE_SCHEMA],
        schema=SUSPENSE_SCHEMA,
    )


def _column(value: Any, kind: pa.DataType, count: int, name: str) -> Any:
    if name == "stage":
        value = STAGE
    if isinstance(value, pa.ChunkedArray):
        return value.cast(kind)
    if value is None or isinstance(value, str | int):
        value = [value] * count
    assert isinstance(value, Sequence) or hasattr(value, "__array__")
    if pa.types.is_dictionary(kind):
        return pa.array(value, pa.string()).dictionary_encode()
    if pa.types.is_timestamp(kind):
        return pa.array(value, pa.int64()).cast(kind)
    return pa.array(value, kind)
