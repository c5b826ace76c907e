"""What is stored about the legs of proposals, as columns.

Owns one gathering per commit: legs of the batch itself from memory, hot legs by
one query, sealed ones from their segments. Does not own what is decided of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import keys
from bluewhale.database.columns import rows_table
from bluewhale.database.lookup import Lookup
from bluewhale.records.schemas import LEG_SCHEMA

NAMES = [
    "cdr_id", "stream_id", "incarnation", "seq", "site_uid", "received_at", "join_keys", "join_at",
    "join_gap_ms",
]  # fmt: skip
_SCHEMA = pa.schema([LEG_SCHEMA.field(n) for n in NAMES])
_HOT = (
    f"SELECT {', '.join('l.' + n for n in NAMES)},"
    " CASE WHEN o.call_id IS NULL THEN 0 ELSE 1 END"
    " FROM leg l LEFT JOIN leg_owner o ON o.cdr_id = l.cdr_id WHERE l.cdr_id IN ({marks})"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Stored legs, ascending by id; `owned`: in a live call. `legs` has the columns NAMES."""

    high: keys.Words
    low: keys.Words
    legs: pa.Table
    owned: keys.Bools

    def at(self, high: keys.Words, low: keys.Words) -> keys.Ints:
        """Give the row of each id; -1 = not stored."""
        return keys.find_words(self.high, self.low, high, low)


def gather(lookup: Lookup, fresh: pa.Table | None, high: keys.Words, low: keys.Words) -> Facts:
    """Find the legs of these ids; `fresh` are legs stored in this transaction, in no call."""
    order = keys.sort_words(high, low)
    high, low = high[order], low[order]
    first = keys.run_starts(high, low)
    high, low = high[first], low[first]
    tables: list[pa.Table] = []
    owned: list[keys.Bools] = []
    if fresh is not None and fresh.num_rows:
        mine_high, mine_low = keys.id_words(fresh.column("cdr_id"))
        sorted_by = keys.sort_words(mine_high, mine_low)
        mine_high, mine_low = mine_high[sorted_by], mine_low[sorted_by]
        at = keys.find_words(mine_high, mine_low, high, low)
        part = fresh.select(NAMES).take(pa.array(sorted_by[at[at >= 0]]))
        tables.append(part)
        owned.append(np.zeros(part.num_rows, np.bool_))
        high, low = high[at < 0], low[at < 0]
    if len(high):
        for part, is_owned in (_hot(lookup, high, low), _sealed(lookup, high, low)):
            tables.append(part)
            owned.append(is_owned)
    legs = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
    found_high, found_low = keys.id_words(legs.column("cdr_id"))
    order = keys.sort_words(found_high, found_low)
    found_high, found_low = found_high[order], found_low[order]
    once = keys.run_starts(found_high, found_low)  # a leg is hot or sealed, never both
    assert len(once) == len(order)
    return Facts(
        found_high,
        found_low,
        legs.take(pa.array(order)),
        np.concatenate(owned)[order] if owned else np.zeros(0, np.bool_),
    )


def _hot(lookup: Lookup, high: keys.Words, low: keys.Words) -> tuple[pa.Table, keys.Bools]:
    rows = lookup.tx.rows_in(_HOT, keys.words_bytes(high, low))
    table = rows_table([r[:-1] for r in rows], _SCHEMA)
    return table, np.array([r[-1] for r in rows], np.bool_)


def _sealed(lookup: Lookup, high: keys.Words, low: keys.Words) -> tuple[pa.Table, keys.Bools]:
    """Ask the segments; they know of no hot leg."""
    ids = keys.words_bytes(high, low)
    if not any(s.may_hold_legs(ids[0], ids[-1]) for s in lookup.segments):
        return _SCHEMA.empty_table(), np.zeros(0, np.bool_)
    by_segment = lookup.sealed_rows(ids)
    if not by_segment:
        return _SCHEMA.empty_table(), np.zeros(0, np.bool_)
    table = pa.concat_tables(
        [lookup.folder.take(s, "leg", sorted(rows), NAMES) for s, rows in by_segment]
    )
    found = table.column("cdr_id").to_pylist()
    owners = lookup.owners(found)
    return table, np.array([i in owners for i in found], np.bool_)


def entries(legs: pa.Table) -> tuple[keys.Ints, keys.Ints]:
    """Give (join key, leg row) of every key of each leg."""
    lists = keys.one_array(legs.column("join_keys"))
    counts = keys.integers(pc.list_value_length(lists))
    flat = np.asarray(lists.flatten().to_numpy(zero_copy_only=False)).astype(np.int64)
    return flat, np.repeat(np.arange(legs.num_rows), counts)
