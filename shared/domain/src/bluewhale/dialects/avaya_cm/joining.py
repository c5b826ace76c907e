"""Which Avaya CM legs may be one call: keys for the join, from the codes alone.

There is no call id. A key is a trunk member or a party with a time slot, and a
leg emits one only where its condition code (or the link's configuration) says
that another record of the same call exists. README.md gives the confidences.

Two records print one event (the end of a piece, the start of the next) up to 66
seconds apart: minutes without seconds, tenths of a minute cut off. Slots are 70
seconds wide; an event names its own slot and the next, so that events at most
70 seconds apart always share a key. Most legs can only be the last piece of a
long call: they name one slot, and the pieces name three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.dialects.engine.spans import Bytes, Positions, trim_span
from bluewhale.records import ids
from bluewhale.records.memory import copy_bytes, pointer

KIND = "avaya_cm"
SLOT_MS = 70_000
GAP_MS = 12 * 3_600_000  # slots carry the time; the gap only has to span a long-call piece
# A last piece carries no mark, so every call may be one. It emits its start only from this
# duration on: two calls on one trunk member that start in one slot (70 s, known to 66 s)
# cannot both last longer.
LAST_PIECE_MIN_MS = 150_000

PIECE, LAST_PIECE, CONFERENCE, SPLIT = 1, 2, 4, 8


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
    bits = np.zeros(count, dtype=np.uint8)
    bits[rows.piece & on_trunk] = PIECE
    bits[rows.ordinary & on_trunk & (rows.duration_ms >= LAST_PIECE_MIN_MS)] = LAST_PIECE
    bits[rows.conference] |= CONFERENCE
    bits[on_trunk & (rows.redirected | (rows.ordinary if splitting else False))] |= SPLIT
    if not bits.any():
        return pa.nulls(count, pa.list_(pa.int64())), np.zeros(count, dtype=np.bool_)
    text, offsets, list_offsets = _compose(
        rows.data,
        rows.calling_data,
        rows.calling_starts,
        rows.calling_ends,
        rows.dialed_starts,
        rows.dialed_ends,
        rows.trunk,
        rows.inbound,
        bits,
        rows.start_ms // SLOT_MS,
        rows.release_ms // SLOT_MS,
    )
    texts = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(text))
    keys, _ = ids.join_keys_column(KIND, pbx_uid, texts)
    present = np.diff(list_offsets) > 0
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


def key_texts(
    bits: int, trunk: str, calling: str, dialed: str, start: int, release: int, *, inbound: bool
) -> list[str]:
    """Give the texts of a leg's keys, plainly; `start`, `release` in slots. Twin of the kernel."""
    texts = []
    if bits & PIECE:
        for slot in (release, start):
            texts += [f"L|{trunk}|{calling}|{dialed}|{slot + near}" for near in (-1, 0, 1)]
    if bits & LAST_PIECE:
        texts.append(f"L|{trunk}|{calling}|{dialed}|{start}")
    if bits & CONFERENCE:
        for party in (calling, dialed if dialed != calling else ""):
            texts += [f"C|{party}|{release + near}" for near in (0, 1) if party]
    outside = calling if inbound else dialed
    if bits & SPLIT and outside:
        for slot in (release, start):
            texts += [f"S|{trunk}|{outside}|{slot + near}" for near in (0, 1)]
    return texts


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
def _put_text(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    """Write a bar and a span as it is; returns the position behind it."""
    out[at] = 124
    copy_bytes(out, at + 1, data, start, end - start)
    return at + 1 + end - start


@numba.njit(nogil=True, cache=True)
def _compose(
    records: Bytes,
    calling_bytes: Bytes,
    calling_starts: Positions,
    calling_ends: Positions,
    dialed_starts: Positions,
    dialed_ends: Positions,
    trunk: npt.NDArray[np.uint64],
    inbound: npt.NDArray[np.bool_],
    bits: Bytes,
    start_slots: Positions,
    release_slots: Positions,
) -> tuple[Bytes, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Write the key texts row by row; returns bytes, text offsets, list offsets."""
    data, calling_data = pointer(records), pointer(calling_bytes)
    room = 0
    entries = 0
    for i in range(len(bits)):
        if bits[i]:
            keys = 1
            if bits[i] != LAST_PIECE:
                keys = 14
            entries += keys
            room += keys * (
                40 + calling_ends[i] - calling_starts[i] + dialed_ends[i] - dialed_starts[i]
            )
    out = np.empty(room, np.uint8)
    offsets = np.zeros(entries + 1, np.int32)
    list_offsets = np.zeros(len(bits) + 1, np.int32)
    count = 0
    at = 0
    for i in range(len(bits)):
        if bits[i]:
            a, b = trim_span(calling_data, calling_starts[i], calling_ends[i], 3)
            c, d = trim_span(data, dialed_starts[i], dialed_ends[i], 3)
            if bits[i] & (PIECE | LAST_PIECE):
                piece = bits[i] & PIECE
                for event in range(2 if piece else 1):
                    slot = release_slots[i] if piece and event == 0 else start_slots[i]
                    for near in range(-1 if piece else 0, 2 if piece else 1):
                        out[at] = 76
                        out[at + 1] = 124
                        at = _put_packed(out, at + 2, trunk[i])
                        at = _put_text(out, at, calling_data, a, b)
                        at = _put_text(out, at, data, c, d)
                        at = _put_int(out, at, slot + near)
                        count += 1
                        offsets[count] = at
            if bits[i] & CONFERENCE:
                same = b - a == d - c
                for step in range(d - c):
                    if same and calling_data[a + step] != data[c + step]:
                        same = False
                for party in range(2):
                    for near in range(2):
                        if (party == 0 and a == b) or (party == 1 and (same or c == d)):
                            continue
                        out[at] = 67
                        if party == 0:
                            at = _put_text(out, at + 1, calling_data, a, b)
                        else:
                            at = _put_text(out, at + 1, data, c, d)
                        at = _put_int(out, at, release_slots[i] + near)
                        count += 1
                        offsets[count] = at
            if bits[i] & SPLIT and ((inbound[i] and b > a) or (not inbound[i] and d > c)):
                for event in range(2):
                    slot = release_slots[i] if event == 0 else start_slots[i]
                    for near in range(2):
                        out[at] = 83
                        out[at + 1] = 124
                        at = _put_packed(out, at + 2, trunk[i])
                        if inbound[i]:
                            at = _put_text(out, at, calling_data, a, b)
                        else:
                            at = _put_text(out, at, data, c, d)
                        at = _put_int(out, at, slot + near)
                        count += 1
                        offsets[count] = at
        list_offsets[i + 1] = count
    return out[:at].copy(), offsets[: count + 1].copy(), list_offsets
