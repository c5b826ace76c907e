"""Text columns of delimited records: spans that `delimited.scan` found, made plain and copied.

Owns doubled quotes and what became of bytes that did not decode. Does not own
where a field begins and ends (`delimited`).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.dialects.engine.delimited import QUOTE, Scan
from bluewhale.dialects.engine.spans import Bytes, gather

_ASCII_MAX = 127


def undouble(data: Bytes, found: Scan) -> Bytes:
    """Make doubled quotes single: give a buffer in which all text spans of `found` are plain.

    Without any doubled quote that is `data` itself; otherwise a copy with the
    mended texts behind it, and the spans of these rows moved there in place.
    """
    rows = np.flatnonzero(found.doubled)
    if not len(rows):
        return data
    return np.concatenate((data, _undouble(data, found.starts, found.ends, rows)))


@numba.njit(nogil=True, cache=True)
def _undouble(
    data: Bytes,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Bytes:
    """Copy the texts that hold quotes, pairs made single, and move their spans."""
    room = 0
    for row in rows:
        for slot in range(len(text_starts)):
            room += text_ends[slot, row] - text_starts[slot, row]
    extra = np.empty(room, np.uint8)
    put = 0
    for row in rows:
        for slot in range(len(text_starts)):
            at = text_starts[slot, row]
            end = text_ends[slot, row]
            # An unquoted text keeps its quotes as they are.
            if at == 0 or data[at - 1] != QUOTE or end >= len(data) or data[end] != QUOTE:
                continue
            first = put
            while at < end:
                byte = data[at]
                extra[put] = byte
                put += 1
                at += 2 if byte == QUOTE else 1
            if put - first < end - text_starts[slot, row]:
                text_starts[slot, row] = len(data) + first
                text_ends[slot, row] = len(data) + put
            else:
                put = first
    return extra[:put].copy()


def texts(
    data: Bytes, found: Scan, slot: int, rows: npt.NDArray[np.int64] | None
) -> pa.StringArray:
    """Copy one text slot to a column; empty is null. `data` comes from `undouble`."""
    starts, ends = found.starts[slot], found.ends[slot]
    if rows is not None:
        starts, ends = starts[rows], ends[rows]
    return gather(data, starts, ends, trim="none")


def text_column(
    offsets: npt.NDArray[np.int32], text: Bytes, bitmap: Bytes | None = None, nulls: int = 0
) -> pa.StringArray:
    """Wrap texts that a kernel wrote; bytes that are no UTF-8 become U+FFFD."""
    if len(text) and text.max() > _ASCII_MAX:
        positions = offsets.astype(np.int64)
        return gather(text, positions[:-1], positions[1:], trim="none")
    return pa.StringArray.from_buffers(
        len(offsets) - 1,
        pa.py_buffer(offsets),
        pa.py_buffer(text),
        pa.py_buffer(bitmap) if bitmap is not None and nulls else None,
        nulls,
    )


def holds_replacement(column: pa.StringArray) -> npt.NDArray[np.bool_] | None:
    """Tell which rows hold U+FFFD, put there for bytes that did not decode; None = none."""
    buffer = column.buffers()[2]
    if not buffer or np.frombuffer(buffer, np.uint8).max() <= _ASCII_MAX:
        return None
    found = pc.fill_null(pc.match_substring(column, "\ufffd"), False)
    return np.asarray(found.to_numpy(zero_copy_only=False))
