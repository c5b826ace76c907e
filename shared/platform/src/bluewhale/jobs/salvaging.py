"""A corrupt frame taken apart: what can be read of it waits record by record.

Owns the way from the bytes of the frame to suspense rows of its records, each under
its own capture key; from there they go the way of every waiting record (`replaying`),
and identity keeps single what comes again. Nothing is counted twice: a record that
was stored meanwhile is known by its key. Does not own the layout of frames.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import zstandard
from bluewhale.capture import FRAME_BYTES_MAX, RawRecord, context_id, record_crc
from bluewhale.capture.salvage import Salvaged, salvage_frame
from bluewhale.database import Batch
from bluewhale.database.dismantling import corrupt_frame, taken_apart
from bluewhale.records.enums import RejectReason
from bluewhale.records.schemas import SUSPENSE_SCHEMA

if TYPE_CHECKING:
    from bluewhale.database import Store

UNPACKED_BYTES_MAX = 4 * FRAME_BYTES_MAX
_STEP = 64  # compressed bytes at a time: what comes before the damage is kept
_RANGE = re.compile(r"records (\d+) to (\d+)")


@dataclass(frozen=True, slots=True)
class Frame:
    """The row of a corrupt frame and what can be read of it."""

    row: dict[str, Any]
    salvaged: Salvaged
    first_seq: int
    last_seq: int


def look_into(store: Store, suspense_id: int) -> Frame:
    """Read what can be read of a corrupt frame; changes nothing.

    Raises
    ------
    StateError
        The row holds no corrupt frame.
    """
    row = store.run_read(lambda tx: corrupt_frame(tx, suspense_id))
    said = _RANGE.search(row["detail"] or "")
    first, last = (int(said[1]), int(said[2])) if said else (row["seq"], row["seq"])
    data, cut = unpacked(bytes(row["raw"]))
    salvaged = salvage_frame(
        data,
        stream_id=row["stream_id"],
        incarnation=row["incarnation"],
        first_seq=first,
        last_seq=last,
    )
    if salvaged.problem and cut:
        salvaged = Salvaged(salvaged.records, salvaged.context, f"{salvaged.problem} ({cut})")
    return Frame(row, salvaged, first, last)


def unpacked(packed: bytes) -> tuple[bytes, str]:
    """Give what zstd gives before it stumbles, and over what; never more than a bound."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    found = bytearray()
    for at in range(0, len(packed), _STEP):
        try:
            found += unpacker.decompress(packed[at : at + _STEP])
        except zstandard.ZstdError as error:
            return bytes(found), f"not zstd from byte {at}: {error}"
        if len(found) > UNPACKED_BYTES_MAX:
            return bytes(found[:UNPACKED_BYTES_MAX]), "it unpacks to more than a frame may have"
        if unpacker.eof:
            break
    return bytes(found), ""


def take_apart(store: Store, suspense_id: int, *, who: str, why: str) -> Frame:
    """Let each record that can be read wait under its own key; what cannot stays with the frame."""
    frame = look_into(store, suspense_id)
    now_ms = int(time.time() * 1000)
    rows = [_row(frame, record) for record in frame.salvaged.records]
    if rows:
        context = frame.salvaged.context
        store.commit(
            Batch(
                now_ms=now_ms,
                rejects=pa.Table.from_pylist(rows, schema=SUSPENSE_SCHEMA),
                contexts={} if context is None else {context_id(context): context},
            )
        )
    store.run_write(
        lambda tx: taken_apart(
            tx,
            suspense_id,
            unread=frame.salvaged.problem,
            who=who,
            why=why,
            now_ms=now_ms,
        )
    )
    return frame


def _row(frame: Frame, record: RawRecord) -> dict[str, Any]:
    context = frame.salvaged.context
    return {
        "link_uid": frame.row["link_uid"],
        "stream_id": frame.row["stream_id"],
        "incarnation": frame.row["incarnation"],
        "seq": record.seq,
        "connection": record.connection,
        "n": record.n,
        "record_crc": record_crc(
            record.data,
            n=record.n,
            connection=record.connection,
            received_at_ms=record.received_at_ms,
        ),
        "raw": record.data,
        "raw_context_id": None if context is None else context_id(context),
        "received_at": record.received_at_ms,
        "stage": "parse",
        "reason": str(RejectReason.RECORD_SALVAGED),
        "detail": f"of the corrupt frame in suspense row {frame.row['suspense_id']}",
        "dialect_id": frame.row["dialect_id"],
    }
