"""A corrupt frame in suspense: its row, and what became of it.

The row stands under the capture key of the frame's first record and keeps the bytes as
they came; the records that could be read of it are stored beside it like any others
(`streams.Gate` knows that the frame is not its record). Owns the states of that row.
"""

from __future__ import annotations

from typing import Any

from bluewhale.database import audit
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import StateError
from bluewhale.database.suspense import one
from bluewhale.database.totals import Totals, save_totals
from bluewhale.records.enums import RejectReason, SuspenseState


def corrupt_frame(tx: Transaction, suspense_id: int) -> dict[str, Any]:
    """Give the row of a corrupt frame.

    Raises
    ------
    StateError
        It holds no frame, or is done with.
    """
    row = one(tx, suspense_id)
    if row["reason"] != RejectReason.FRAME_CORRUPT or row["state"] != SuspenseState.WAITING:
        raise StateError(
            f"suspense row {suspense_id} is {row['reason']}, {row['state']}: only a frame_corrupt"
            " row that waits can be taken apart"
        )
    return row


def taken_apart(
    tx: Transaction, suspense_id: int, *, unread: str, who: str, why: str, now_ms: int
) -> None:
    """Note that what can be read of a frame is stored; with nothing unread it waits no more."""
    row = corrupt_frame(tx, suspense_id)
    state = SuspenseState.WAITING if unread else SuspenseState.APPLIED
    tx.run(
        "UPDATE suspense SET state = ?, changed_at = ?, who = ?, why = ?, attempts = attempts + 1"
        " WHERE suspense_id = ?",
        (state.value, now_ms, who, why, suspense_id),
    )
    if not unread:  # its records are counted now, each of them
        totals = Totals()
        day = int(row["received_at"].timestamp() * 1000) // 86_400_000
        for name in ("suspended", "received"):
            totals.add(row["site_uid"] or "", day, name, -1)
        save_totals(tx, totals)
    audit.append(tx, now_ms, who, "suspense_take_apart", str(suspense_id), f"{why}; left: {unread}")
