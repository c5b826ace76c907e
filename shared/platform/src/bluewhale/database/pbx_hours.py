"""How many records each PBX sends in which hour, and when it was heard last.

Owns the counting, in the transaction of the legs; so a silence is judged by what is
stored. Does not own when silence is worth a word (`bluewhale.alerting`). Hours are
whole hours since 1970, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from bluewhale.database import keys
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    import pyarrow as pa
    from bluewhale.database.engine import Transaction

HOUR_MS = 3_600_000
KEPT_HOURS = 5 * 7 * 24
_HOUR_BITS = 40


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)


pbx_hour = sa.Table(
    "pbx_hour",
    metadata,
    sa.Column("pbx_uid", sa.Text, primary_key=True),
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
    _number("records"),
    _number("last_at"),  # received_at of its latest record
    sqlite_with_rowid=False,
)


def count(tx: Transaction, legs: pa.Table) -> None:
    """Add newly stored legs (LEG_SCHEMA) to the hours in which they were received."""
    if not legs.num_rows:
        return
    column = keys.one_array(legs.column("pbx_uid"))
    if not hasattr(column, "dictionary"):
        column = column.dictionary_encode()
    code = keys.integers(column.indices, -1)
    received = keys.integers(legs.column("received_at"), -1)
    known = (code >= 0) & (received >= 0)
    # one number per PBX and hour: hours since 1970 have fewer than 40 bits for ever
    pair = (code[known] << _HOUR_BITS) | (received[known] // HOUR_MS)
    pairs, place, counts = np.unique(pair, return_inverse=True, return_counts=True)
    latest = np.zeros(len(pairs), np.int64)
    np.maximum.at(latest, place, received[known])
    words = column.dictionary.to_pylist()
    rows = sorted(
        (words[pair >> _HOUR_BITS], pair & ((1 << _HOUR_BITS) - 1), count, last)
        for pair, count, last in zip(pairs.tolist(), counts.tolist(), latest.tolist(), strict=True)
    )
    tx.many(
        "INSERT INTO pbx_hour VALUES (?, ?, ?, ?) ON CONFLICT (pbx_uid, hour) DO UPDATE SET"
        " records = pbx_hour.records + excluded.records,"
        " last_at = CASE WHEN pbx_hour.last_at > excluded.last_at"
        " THEN pbx_hour.last_at ELSE excluded.last_at END",
        rows,
    )


def heard(tx: Transaction, now_ms: int) -> dict[str, tuple[int, dict[int, int]]]:
    """Give per PBX when it was heard last, and its records per hour of the last weeks."""
    found: dict[str, tuple[int, dict[int, int]]] = {}
    for pbx_uid, hour, records, last_at in tx.rows(
        "SELECT pbx_uid, hour, records, last_at FROM pbx_hour WHERE hour >= ?",
        (now_ms // HOUR_MS - KEPT_HOURS,),
    ):
        last, hours = found.get(pbx_uid, (0, {}))
        hours[hour] = records
        found[pbx_uid] = (max(last, last_at), hours)
    return found


def forget(tx: Transaction, now_ms: int) -> None:
    """Remove hours that nobody compares with any more."""
    tx.run("DELETE FROM pbx_hour WHERE hour < ?", (now_ms // HOUR_MS - KEPT_HOURS,))
