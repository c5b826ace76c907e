"""Which Avaya CM legs may be one call: keys for the join, from the codes alone.

There is no call id. A key is a trunk member or a party with a time slot, and a
leg emits one only where its condition code (or the link's configuration) says
that another record of the same call exists. README.md gives the confidences.

Slots are two minutes wide and each event names its own slot and the next, so
events at most two minutes apart always share a key.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bluewhale.dialects.engine.spans import Bytes, Positions, trim_span
from bluewhale.records import ids

KIND = "avaya_cm"
SLOT_MS = 120_000
GAP_MS = 12 * 3_600_000  # slots carry the time; the gap only has to span a long-call piece
# A last piece carries no mark. It emits its start only from this duration on:
# two calls on one trunk member cannot both start within the slots and last longer.
LAST_PIECE_MIN_MS = 360_000

LONG, CONFERENCE_CALLING, CONFERENCE_DIALED, SPLIT = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class JoinInput:
    """Columns of the accepted rows that the keys are made from."""

    data: Bytes
    calling_starts: Positions
    calling_ends: Positions
    dialed_starts: Positions
    dialed_ends: Positions
    calling_data: Bytes
    trunk: npt.NDArray[np.uint64]  # packed, 0 = none
    start_ms: npt.NDArray[np.int64]
    release_ms: npt.NDArray[np.int64]
    duration_ms: npt.NDArray[np.int64]
    inbound: npt.NDArray[np.bool_]
    piece: npt.NDArray[np.bool_]
    conference: npt.NDArray[np.bool_]
    redirected: npt.NDArray[np.bool_]
    ordinary: npt.NDArray[np.bool_]


def join_keys(rows: JoinInput, pbx_uid: str, *, splitting: bool) -> tuple[pa.Array, pa.Array]:
    """Give (join_keys as list<int64>, bool mask of rows that have any)."""
    count = len(rows.trunk)
    on_trunk = rows.trunk != 0
    last_piece = rows.ordinary & on_trunk & (rows.duration_ms >= LAST_PIECE_MIN_MS)
    split = on_trunk & (rows.redirected | (rows.ordinary if splitting else False))
    wanted = (
        (LONG, rows.piece & on_trunk, rows.release_ms),
        (LONG, (rows.piece & on_trunk) | last_piece, rows.start_ms),
        (CONFERENCE_CALLING, rows.conference, rows.release_ms),
        (CONFERENCE_DIALED, rows.conference, rows.release_ms),
        (SPLIT, split, rows.release_ms),
        (SPLIT, split, rows.start_ms),
    )
    entry_rows: list[npt.NDArray[np.int64]] = []
    entry_kinds: list[npt.NDArray[np.int64]] = []
    entry_slots: list[npt.NDArray[np.int64]] = []
    for kind, mask, event_ms in wanted:
        chosen = np.flatnonzero(mask)
        if len(chosen):
            slots = event_ms[chosen] // SLOT_MS
            for later in (0, 1):
                entry_rows.append(chosen)
                entry_kinds.append(np.full(len(chosen), kind))
                entry_slots.append(slots + later)
    if not entry_rows:
        return pa.nulls(count, pa.list_(pa.int64())), np.zeros(count, dtype=np.bool_)
    row = np.concatenate(entry_rows)
    order = np.argsort(row, kind="stable")
    row = row[order]
    text, offsets, kept = _compose(
        rows.data,
        rows.calling_data,
        rows.calling_starts,
        rows.calling_ends,
        rows.dialed_starts,
        rows.dialed_ends,
        rows.trunk,
        rows.inbound,
        row,
        np.concatenate(entry_kinds)[order],
        np.concatenate(entry_slots)[order],
    )
    texts = pa.StringArray.from_buffers(len(kept), pa.py_buffer(offsets), pa.py_buffer(text))
    keys, _ = ids.join_keys_column(KIND, pbx_uid, texts)
    per_row = np.bincount(row[kept], minlength=count)
    list_offsets = np.concatenate(([0], np.cumsum(per_row))).astype(np.int32)
    present = per_row > 0
    return _list_column(list_offsets, keys, present), present


def _list_column(
    offsets: npt.NDArray[np.int32], keys: npt.NDArray[np.int64], present: npt.NDArray[np.bool_]
) -> pa.Array:
    """Wrap offsets and values; a row without keys is null."""
    return pa.Array.from_buffers(
        pa.list_(pa.int64()),
        len(present),
        [pa.py_buffer(np.packbits(present, bitorder="little")), pa.py_buffer(offsets)],
        children=[pa.array(keys)],
    )


def key_text(kind: int, trunk: str, calling: str, dialed: str, slot: int, *, inbound: bool) -> str:
    """Give the text of one key, plainly; empty = no key. Twin of the kernel."""
    if kind == LONG:
        return f"L|{trunk}|{calling}|{dialed}|{slot}"
    if kind == CONFERENCE_CALLING:
        return f"C|{calling}|{slot}" if calling else ""
    if kind == CONFERENCE_DIALED:
        return f"C|{dialed}|{slot}" if dialed and dialed != calling else ""
    outside = calling if inbound else dialed
    return f"S|{trunk}|{outside}|{slot}" if outside else ""


@numba.njit(nogil=True, cache=True)
def _put_packed(out: Bytes, at: int, packed: np.uint64) -> int:
    """Write a packed text; returns the position behind it."""
    for digit in range(8):
        byte = (packed >> np.uint64(56 - 8 * digit)) & np.uint64(255)
        if byte != 0:
            out[at] = byte
            at += 1
    return at


@numba.njit(nogil=True, cache=True)
def _put_span(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    """Write a bar and a trimmed span; returns the position behind it."""
    out[at] = 124
    at += 1
    start, end = trim_span(data, start, end, 3)
    for source in range(start, end):
        out[at] = data[source]
        at += 1
    return at


@numba.njit(nogil=True, cache=True)
def _put_int(out: Bytes, at: int, value: int) -> int:
    """Write a bar and a decimal number; returns the position behind it."""
    out[at] = 124
    at += 1
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    width = 1
    rest = value // 10
    while rest:
        width += 1
        rest //= 10
    for digit in range(width):
        out[at + width - 1 - digit] = 48 + value % 10
        value //= 10
    return at + width


@numba.njit(nogil=True, cache=True)
def _compose(
    data: Bytes,
    calling_data: Bytes,
    calling_starts: Positions,
    calling_ends: Positions,
    dialed_starts: Positions,
    dialed_ends: Positions,
    trunk: npt.NDArray[np.uint64],
    inbound: npt.NDArray[np.bool_],
    rows: Positions,
    kinds: Positions,
    slots: Positions,
) -> tuple[Bytes, npt.NDArray[np.int32], Positions]:
    """Write the key texts; returns bytes, offsets, and which entries have a key."""
    room = 0
    for entry in range(len(rows)):
        i = rows[entry]
        room += 40 + calling_ends[i] - calling_starts[i] + dialed_ends[i] - dialed_starts[i]
    out = np.empty(room, np.uint8)
    offsets = np.zeros(len(rows) + 1, np.int32)
    kept = np.empty(len(rows), np.int64)
    count = 0
    at = 0
    for entry in range(len(rows)):
        i = rows[entry]
        kind = kinds[entry]
        a, b = trim_span(calling_data, calling_starts[i], calling_ends[i], 3)
        c, d = trim_span(data, dialed_starts[i], dialed_ends[i], 3)
        if kind == CONFERENCE_CALLING and a == b:
            continue
        if kind == CONFERENCE_DIALED:
            same = b - a == d - c
            for step in range(d - c):
                if same and calling_data[a + step] != data[c + step]:
                    same = False
            if c == d or same:
                continue
        if kind == SPLIT and ((inbound[i] and a == b) or (not inbound[i] and c == d)):
            continue
        if kind == LONG:
            out[at] = 76
            out[at + 1] = 124
            at = _put_packed(out, at + 2, trunk[i])
            at = _put_span(out, at, calling_data, a, b)
            at = _put_span(out, at, data, c, d)
        elif kind == SPLIT:
            out[at] = 83
            out[at + 1] = 124
            at = _put_packed(out, at + 2, trunk[i])
            if inbound[i]:
                at = _put_span(out, at, calling_data, a, b)
            else:
                at = _put_span(out, at, data, c, d)
        else:
            out[at] = 67
            at += 1
            if kind == CONFERENCE_CALLING:
                at = _put_span(out, at, calling_data, a, b)
            else:
                at = _put_span(out, at, data, c, d)
        at = _put_int(out, at, slots[entry])
        kept[count] = entry
        count += 1
        offsets[count] = at
    return out[:at].copy(), offsets[: count + 1].copy(), kept[:count].copy()
