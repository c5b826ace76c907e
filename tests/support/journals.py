"""What a journal holds and the main database does not have, while both are in use."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from bluewhale.database import Store


def not_stored(journal: Path, store: Store) -> list[str]:
    """List the lanes of a journal (`journal.db`) that the main database is behind of."""
    with contextlib.closing(sqlite3.connect(journal, timeout=60)) as opened:
        lanes = opened.execute(
            "SELECT stream_id, incarnation, journaled_through FROM lane"
        ).fetchall()
    marks = {(m.stream_id, m.incarnation): m.stored_through for m in store.marks()}
    return [f"{s}/{i}: {j} journaled" for s, i, j in lanes if j and marks.get((s, i), 0) != j]
