"""Control totals: counts per site, UTC day received and stage, and their changes.

Owns the counting and the adding up in the database. Does not own what must
balance (`completeness`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from bluewhale.database import keys
from bluewhale.database.engine import Transaction

_DAY_MS = 86_400_000


@dataclass(slots=True)
class Totals:
    """Changes of control totals: (site, day, stage) -> count."""

    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    def add(self, site_uid: str, day: int, stage: str, count: int = 1) -> None:
        """Note a change."""
        self.counts[site_uid, day, stage] += count


def save_totals(tx: Transaction, totals: Totals) -> None:
    """Add changes to the control totals."""
    tx.many(
        'INSERT INTO control_total (site_uid, day, stage, "count") VALUES (?, ?, ?, ?)'
        " ON CONFLICT (site_uid, day, stage) DO UPDATE SET"
        ' "count" = control_total."count" + excluded."count"',
        [(*key, count) for key, count in sorted(totals.counts.items()) if count],
    )


def site_days(table: pa.Table, site_of_link: dict[str, str]) -> dict[tuple[str, int], int]:
    """Count rows per site and UTC day received; the site of a reject is that of its link."""
    name = "site_uid" if "site_uid" in table.column_names else "link_uid"
    column = keys.one_array(table.column(name))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = [w or "" for w in column.dictionary.to_pylist()]
    code = keys.integers(column.indices, -1)
    day = keys.integers(table.column("received_at")) // _DAY_MS
    first = int(day.min()) if len(day) else 0
    span = (int(day.max()) - first + 1) if len(day) else 1
    pairs, counts = np.unique((code + 1) * span + (day - first), return_counts=True)
    found: dict[tuple[str, int], int] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        word = words[pair // span - 1] if pair >= span else ""
        site = word if name == "site_uid" else site_of_link.get(word, "")
        key = (site, pair % span + first)
        found[key] = found.get(key, 0) + count
    return found
