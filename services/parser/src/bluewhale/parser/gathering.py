"""Frames of one stream to one batch of raw records, and batches cut in two.

Owns the columns of a batch over several frames. Does not own parsing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from bluewhale.capture import Frame
from bluewhale.records.batches import RawBatch
from bluewhale.records.schemas import INSTANT
from bluewhale.stages import raw_batch


def gather(frames: Sequence[tuple[Frame, int]]) -> RawBatch:
    """Put frames of one stream into one batch, in their order.

    frames: (frame, ingested_at_ms), at least one. The batch says the latest of
    the moments; `stamp` gives each leg its own.
    """
    parts = [raw_batch(frame, at_ms) for frame, at_ms in frames]
    if len(parts) == 1:
        return parts[0]
    contexts: dict[bytes, int] = {}
    rows = []
    starts, ends, at = [], [], 0
    for part in parts:
        row = contexts.setdefault(part.contexts[0], len(contexts)) if part.contexts else -1
        rows.append(np.full(len(part), row, dtype=np.int32))
        starts.append(part.starts + at)
        ends.append(part.ends + at)
        at += len(part.data)
    return RawBatch(
        data=np.concatenate([p.data for p in parts]),
        starts=np.concatenate(starts),
        ends=np.concatenate(ends),
        incarnation=np.concatenate([p.incarnation for p in parts]),
        seq=np.concatenate([p.seq for p in parts]),
        connection=np.concatenate([p.connection for p in parts]),
        n=np.concatenate([p.n for p in parts]),
        received_at_ms=np.concatenate([p.received_at_ms for p in parts]),
        context_row=np.concatenate(rows),
        contexts=tuple(contexts),
        ingested_at_ms=max(at_ms for _, at_ms in frames),
    )


def stamp(legs: pa.Table, frames: Sequence[tuple[Frame, int]]) -> pa.Table:
    """Give each leg the moment at which its own frame was ingested.

    legs: LEG_SCHEMA, of `gather(frames)`; not modified.
    """
    moments = {at_ms for _, at_ms in frames}
    if len(moments) == 1 or not legs.num_rows:
        return legs
    at: dict[tuple[int, int], int] = {}
    for frame, at_ms in frames:
        for record in frame.records:
            at.setdefault((frame.incarnation, record.seq), at_ms)
    keys = zip(legs.column("incarnation").to_pylist(), legs.column("seq").to_pylist(), strict=True)
    column = pa.array([at[key] for key in keys], pa.int64()).cast(INSTANT)
    place = legs.schema.get_field_index("ingested_at")
    return legs.set_column(place, legs.schema.field(place), column)


def part_of(batch: RawBatch, first: int, last: int) -> RawBatch:
    """Give the records first..last-1 of a batch, over the same buffer."""
    rows = slice(first, last)
    return replace(
        batch,
        starts=batch.starts[rows],
        ends=batch.ends[rows],
        incarnation=batch.incarnation[rows],
        seq=batch.seq[rows],
        connection=batch.connection[rows],
        n=batch.n[rows],
        received_at_ms=batch.received_at_ms[rows],
        context_row=batch.context_row[rows],
    )
