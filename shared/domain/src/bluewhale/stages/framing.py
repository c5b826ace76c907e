"""From a frame of a journal or log to the columns that parsing takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bluewhale.records.batches import RawBatch

if TYPE_CHECKING:
    from bluewhale.capture import Frame


def raw_batch(frame: Frame, ingested_at_ms: int) -> RawBatch:
    """Turn a frame of the journal into columns over one buffer."""
    records = frame.records
    ends = np.cumsum([len(r.data) for r in records], dtype=np.int64)
    return RawBatch(
        data=np.frombuffer(b"".join(r.data for r in records), np.uint8),
        starts=ends - np.array([len(r.data) for r in records], dtype=np.int64),
        ends=ends,
        incarnation=np.full(len(records), frame.incarnation, dtype=np.int64),
        seq=np.array([r.seq for r in records], dtype=np.int64),
        connection=np.array([r.connection for r in records], dtype=np.int64),
        n=np.array([r.n for r in records], dtype=np.int32),
        received_at_ms=np.array([r.received_at_ms for r in records], dtype=np.int64),
        context_row=np.full(len(records), -1 if frame.context is None else 0, dtype=np.int32),
        contexts=() if frame.context is None else (frame.context,),
        ingested_at_ms=ingested_at_ms,
    )
