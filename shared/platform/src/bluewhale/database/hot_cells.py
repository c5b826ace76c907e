"""Sums of hot calls in cells: kept by blocks of rows, so that only what came since is added up.

They are many thousands on an ordinary day, each page that shows what is newest asks for their
sums at each news, and adding one up costs the database 14 us (docs/adr/0021). Owns which blocks
are as they were. Does not own cells (`cells`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from bluewhale.database.call_filter import totals_sql, unrated_sql
from bluewhale.database.cells import COUNTED, FINE, HOUR_MS, PAID, Sums, by_hour, together
from bluewhale.database.columnar import Columnar
from bluewhale.database.engine import Transaction

_BLOCK_ROWS = 1_024
_FINE_TYPES = [
    (n, pa.int64() if n == "quarter" else pa.string()) for n in FINE if n != "has_unrated"
]


# An index alone says the state of all blocks; which calls they are costs a look at each row.
_STATE = "COUNT(*), SUM(rowid), COALESCE(SUM(started_at), 0)"
_ENDS = "MIN(call_id), MAX(call_id)"


@dataclass(frozen=True, slots=True)
class _Block:
    state: tuple[int, ...]
    ends: tuple[bytes, bytes]
    sums: Sums


class HotCells:
    """The cells of hot calls in SQLite; any thread may ask.

    A row of a hot call never changes but in whether it is live, and goes by sealing alone. So a
    block of rows whose live ones are as many as before, with the same row numbers and times,
    comes to the same as long as no segment came or went. Behind that a row number may be another
    call's: a block whose first and last id are still the same holds the same calls.
    """

    def __init__(self, columnar: Columnar) -> None:
        self._columnar = columnar
        self._lock = threading.Lock()
        self._segments: tuple[str, ...] = ()
        self._blocks: dict[int, _Block] = {}

    def of(
        self, tx: Transaction, segments: Sequence[str], begin: int | None, end: int | None
    ) -> Sums | None:
        """Give the cells of hot calls of hours [begin, end) since 1970, UTC; None = there are none.

        segments: the names of the live ones, as the transaction sees them.
        """
        if not _any_began(tx, begin, end):
            return None
        states = _by_block(tx, _STATE)
        # one at a time: who comes next finds what this one added up; eight who added up the same
        # at once stood still for 25 seconds
        with self._lock:
            known = self._blocks
            if self._segments != tuple(segments):
                ends = _by_block(tx, _ENDS) if known else {}
                known = {b: kept for b, kept in known.items() if kept.ends == ends.get(b)}
            found = {
                block: self._as_it_is(tx, block, state, known.get(block))
                for block, state in states.items()
            }
            self._segments, self._blocks = tuple(segments), found
        return together([b.sums.within(begin, end) for b in found.values()]) if found else None

    def _as_it_is(
        self, tx: Transaction, block: int, state: tuple[int, ...], kept: _Block | None
    ) -> _Block:
        if kept is not None and kept.state == state:
            return kept
        rows = (block * _BLOCK_ROWS, (block + 1) * _BLOCK_ROWS)
        # "+": the rows of a block are read, not all live ones
        condition = "+c.live = 1 AND c.rowid >= ? AND c.rowid < ?"
        sums = hot_in_cells(self._columnar, tx, condition, rows)
        assert sums is not None, "a block has live rows"
        ends = tx.one(f"SELECT {_ENDS} FROM call_version c WHERE {condition}", rows)
        assert ends is not None
        return _Block(state, (ends[0], ends[1]), sums)


def _by_block(tx: Transaction, what: str) -> dict[int, tuple[Any, ...]]:
    """Ask for something of the live rows of each block."""
    sql = f"SELECT rowid / {_BLOCK_ROWS}, {what} FROM call_version WHERE live = 1 GROUP BY 1"
    return {block: tuple(found) for block, *found in tx.rows(sql)}


def _any_began(tx: Transaction, begin: int | None, end: int | None) -> bool:
    """Say whether a hot call can have begun then: most questions are about days that are sealed."""
    if begin is None and end is None:
        return True
    ends = "SELECT {}(started_at) FROM call_version WHERE live = 1"  # two looks into an index
    (row,) = tx.rows(f"SELECT ({ends.format('MIN')}), ({ends.format('MAX')})")
    first, last = row
    return first is not None and (
        (begin is None or last >= begin * HOUR_MS) and (end is None or first < end * HOUR_MS)
    )


def hot_in_cells(
    columnar: Columnar, tx: Transaction, condition: str, values: Sequence[Any]
) -> Sums | None:
    """Add up hot calls `c` that fit, in cells, by the database that has them; None = there are none.

    They are many thousands on an ordinary day: read here, each costs half as much again, and the
    interpreter is not free meanwhile (docs/adr/0020).
    """
    keyed = {**FINE, "quarter": "c.started_at / 900000", "has_unrated": unrated_sql(tx.dialect)}
    listed = list(keyed.values())
    marks = ", ".join(str(n) for n in range(1, len(keyed) + 1))
    key = [*_FINE_TYPES, ("has_unrated", pa.bool_())]
    found = tx.table(
        [
            *listed, "COUNT(*)", "SUM(CASE WHEN c.disposition = 'answered' THEN 1 ELSE 0 END)",
            "CAST(COALESCE(SUM(c.talk_ms), 0) AS BIGINT)",
        ],
        f"FROM call_version c WHERE {condition} GROUP BY {marks}",
        values,
        pa.schema([*key, *((n, pa.int64()) for n in COUNTED)]),
    )  # fmt: skip
    if not found.num_rows:
        return None
    each, value = totals_sql(tx.dialect)
    paid = tx.table(
        [
            *listed, value("price_list"), value("currency"),
            f"CAST(SUM(CAST({value('amount_nanos')} AS BIGINT)) AS BIGINT)",
            f"CAST(SUM(CAST({value('unrated')} AS BIGINT)) AS BIGINT)",
        ],
        f"FROM call_version c, {each} WHERE {condition}"
        f" GROUP BY {marks}, {len(keyed) + 1}, {len(keyed) + 2}",
        values,
        pa.schema([
            *key, ("price_list", pa.string()), ("currency", pa.string()),
            *((n, pa.int64()) for n in PAID),
        ]),
    )  # fmt: skip
    return by_hour(columnar, Sums(found, paid))
