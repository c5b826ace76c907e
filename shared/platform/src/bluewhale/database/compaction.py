"""Many small segments into one: the manifest names which one replaced them.

Catching up on a backlog seals many batches, and every look-up asks every
segment near in time. Rows are copied as they are, superseded versions too: this
changes where rows lie and nothing else, and it is audited. Owns the choice and
the copying; files and transaction are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from bluewhale.database import audit, keys
from bluewhale.database.commit import make_live
from bluewhale.database.engine import Transaction
from bluewhale.database.ledger import ChargePlaces
from bluewhale.database.postings import Rows
from bluewhale.database.segments import Segment, SegmentFolder

ROWS_MAX = 200_000  # legs of one made segment: bounds memory and the time it takes
SEGMENTS_MIN = 4  # fewer small ones are not worth it


@dataclass(frozen=True, slots=True)
class Compacted:
    """Which segment took the place of which; `segment` is empty where there was no need."""

    segment: str
    replaced: tuple[str, ...]
    legs: int


NOTHING = Compacted("", (), 0)


def choose(segments: Sequence[Segment], max_rows: int) -> list[Segment]:
    """Give small segments that are neighbours in time and fit into one, oldest first."""
    small = sorted(
        (s for s in segments if _size(s) <= max_rows // SEGMENTS_MIN),
        key=lambda s: (s.started or (0, 0), s.segment_id),
    )
    chosen: list[Segment] = []
    rows = 0
    for segment in small:
        if rows + _size(segment) > max_rows:
            break
        chosen.append(segment)
        rows += _size(segment)
    return chosen if len(chosen) >= SEGMENTS_MIN else []


def _size(segment: Segment) -> int:
    return max(segment.leg_rows, segment.call_rows)


def together(folder: SegmentFolder, chosen: Sequence[Segment]) -> tuple[list[Segment], Rows | None]:
    """Read segments into one set of rows; leaves out those that hold another version of a call.

    One segment holds one version of a call, so that its postings lead to one row.
    """
    taken: list[Segment] = []
    seen: set[bytes] = set()
    for segment in chosen:
        index = folder.index(segment)
        ids = set(keys.words_bytes(index.array("call_high"), index.array("call_low")))
        if seen.isdisjoint(ids):
            seen |= ids
            taken.append(segment)
    if len(taken) < SEGMENTS_MIN:
        return [], None
    parts = [rows_of(folder, segment) for segment in taken]
    calls = np.cumsum([0, *(p.calls.num_rows for p in parts)])
    charges = np.cumsum([0, *(p.charges.num_rows for p in parts)])
    leg_call = [
        np.where(p.leg_call == keys.NO_ROW, keys.NO_ROW, p.leg_call + np.uint32(base))
        for p, base in zip(parts, calls.tolist(), strict=False)
    ]
    first = [
        p.places.first[:-1] + np.uint32(b) for p, b in zip(parts, charges.tolist(), strict=False)
    ]
    places = ChargePlaces(
        np.concatenate([p.places.call + b for p, b in zip(parts, calls.tolist(), strict=False)]),
        np.concatenate([*first, [charges[-1]]]).astype(np.uint32),
        np.concatenate(
            [p.places.at + np.uint32(b) for p, b in zip(parts, charges.tolist(), strict=False)]
        ),
    )
    return taken, Rows(
        pa.concat_tables([p.legs for p in parts]).unify_dictionaries(),
        np.concatenate(leg_call).astype(np.uint32),
        pa.concat_tables([p.calls for p in parts]).unify_dictionaries(),
        pa.concat_tables([p.charges for p in parts]).unify_dictionaries(),
        places,
    )


def rows_of(folder: SegmentFolder, segment: Segment) -> Rows:
    """Give everything that a segment holds, in the order of its files."""
    index = folder.index(segment)
    leg_call = np.empty(segment.leg_rows, np.uint32)
    leg_call[index.array("leg_row")] = index.array("leg_call")
    first, at = index.array("charge_first"), index.array("charge_at")
    call = np.empty(segment.charge_rows, np.int64)
    call[at] = np.repeat(np.arange(segment.call_rows), (first[1:] - first[:-1]).astype(np.int64))
    return Rows(
        folder.read(segment, "leg"),
        leg_call,
        folder.read(segment, "call"),
        folder.read(segment, "charge"),
        ChargePlaces(call, first.copy(), at.copy()),
    )


def replace(
    tx: Transaction,
    folder: SegmentFolder,
    small: Sequence[Segment],
    rows: Rows,
    entry: Mapping[str, Any],
    now_ms: int,
    *,
    why: str = "segments_compacted",
) -> bool:
    """Let a written segment take the place of others; False = one of them is live no more."""
    names = [s.segment_id for s in small]
    changed = tx.run_in(
        "UPDATE segment SET replaced_by = ?, replaced_at = ?"
        " WHERE replaced_by IS NULL AND segment_id IN ({marks})",
        names,
        (entry["segment_id"], now_ms),
    )
    if changed != len(names):
        tx.run_in(
            "UPDATE segment SET replaced_by = NULL, replaced_at = NULL"
            " WHERE replaced_by = ? AND segment_id IN ({marks})",
            names,
            (entry["segment_id"],),
        )
        return False
    make_live(tx, folder, rows.legs, entry)
    audit.append(tx, now_ms, "storage", why, entry["segment_id"], ", ".join(names))
    return True
