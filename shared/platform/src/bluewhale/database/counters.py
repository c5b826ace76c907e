"""Numbers that only grow, one row each; the row is held until its transaction ends."""

from __future__ import annotations

from bluewhale.database.engine import Transaction


def next_value(tx: Transaction, name: str) -> int:
    """Give a number that nobody got before under this name."""
    row = tx.one(
        "INSERT INTO counter VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value",
        (name,),
    )
    assert row is not None
    return int(row[0])
