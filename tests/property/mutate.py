"""Bounded fuzzing of dialects: many mutated lines from a few good ones, vectorised.

A mutation replaces, inserts or deletes bytes, cuts the line, doubles it or glues
it to the next. All randomness comes from one seeded generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from bluewhale.records.batches import RawBatch

CHUNK_RECORDS = 100_000


def mutated_batches(
    records: Sequence[bytes],
    contexts: Sequence[bytes],
    *,
    count: int,
    seed: int,
    received_at_ms: int,
) -> Iterator[RawBatch]:
    """Give `count` mutated records in batches; about one in ten stays as it was."""
    random = np.random.default_rng(seed)
    lengths = np.array([len(record) for record in records], dtype=np.int64)
    source = np.frombuffer(b"".join(records), dtype=np.uint8)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    done = 0
    while done < count:
        size = min(CHUNK_RECORDS, count - done)
        yield _batch(source, offsets, lengths, contexts, size, random, received_at_ms)
        done += size


def _batch(source, offsets, lengths, contexts, size, random, received_at_ms):
    """Copy records into one buffer with room, then change bytes and edges."""
    pick = random.integers(0, len(lengths), size)
    width = lengths[pick]
    starts = np.concatenate(([0], np.cumsum(width)[:-1]))
    within = np.arange(int(width.sum())) - np.repeat(starts, width)
    data = source[np.repeat(offsets[pick], width) + within]
    ends = starts + width
    kind = random.integers(0, 10, size)
    # 1-4: replace one to eight bytes by anything, by digits, or by what is near in ASCII
    for step in range(8):
        rows = np.flatnonzero((kind >= 1) & (kind <= 4) & (random.integers(0, 8, size) >= step))
        rows = rows[width[rows] > 0]
        at = starts[rows] + random.integers(0, width[rows])
        anything = random.integers(0, 256, len(rows), dtype=np.uint8)
        digits = random.integers(48, 58, len(rows), dtype=np.uint8)
        special = np.frombuffer(b" \",;'\n\r\0+-*#\\:.", np.uint8)[
            random.integers(0, 15, len(rows))
        ]
        choice = kind[rows]
        data[at] = np.select(
            [choice == 1, choice == 2, choice == 3], [anything, digits, special], data[at] ^ 1
        )
    # 5, 6: cut on the right, on the left; 7: nothing is left; 8, 9: glue to the neighbours
    cut = random.integers(0, np.maximum(width, 1))
    ends = np.where(kind == 5, starts + cut, ends)
    starts = np.where(kind == 6, starts + cut, starts)
    ends = np.where((kind == 7) & (random.integers(0, 20, size) == 0), starts, ends)
    ends = np.where(kind == 8, np.minimum(ends + cut, len(data)), ends)
    starts = np.where(kind == 9, np.maximum(starts - cut, 0), starts)
    contexts = tuple(contexts)
    row = random.integers(-1, len(contexts), size) if contexts else np.full(size, -1)
    return RawBatch(
        data=data,
        starts=starts,
        ends=ends,
        incarnation=np.full(size, 11, np.int64),
        seq=np.arange(1, size + 1, dtype=np.int64),
        connection=np.full(size, 12, np.int64),
        n=np.ones(size, np.int32),
        received_at_ms=np.full(size, received_at_ms, np.int64),
        context_row=row.astype(np.int32),
        contexts=contexts,
        ingested_at_ms=received_at_ms,
    )
