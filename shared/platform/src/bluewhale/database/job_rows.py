"""Jobs in the main database, and the few questions that jobs ask it.

    rows = JobRows(store)
    rows.put("rerate", "rerate-2026-01", "waiting", {...}, now_ms=...)
    rows.change("rerate-2026-01", "paused", expected={"running"}, now_ms=...)

Owns reading and changing rows of `job`; a state is changed by comparing, so that
a person's pause and a runner's progress never overwrite each other. Does not own
what a job does (`bluewhale.jobs`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bluewhale.database import audit

if TYPE_CHECKING:
    from bluewhale.database.engine import Transaction
    from bluewhale.database.store import Store

_COLUMNS = "kind, name, state, progress, changed_at"


@dataclass(frozen=True, slots=True)
class StoredJob:
    """One job as stored; `progress` is its own."""

    kind: str
    name: str
    state: str
    progress: Mapping[str, Any]
    changed_at_ms: int


def _job(row: tuple[Any, ...]) -> StoredJob:
    return StoredJob(row[0], row[1], row[2], json.loads(row[3]), row[4])


class JobRows:
    """The jobs of one main database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[StoredJob]:
        """Give every job, the one that changed last first."""

        def read(tx: Transaction) -> list[tuple[Any, ...]]:
            return tx.rows(f"SELECT {_COLUMNS} FROM job ORDER BY changed_at DESC, name")

        return [_job(row) for row in self._store.run_read(read)]

    def get(self, name: str) -> StoredJob | None:
        """Give one job; None = there is none of that name."""

        def read(tx: Transaction) -> tuple[Any, ...] | None:
            return tx.one(f"SELECT {_COLUMNS} FROM job WHERE name = ?", (name,))

        row = self._store.run_read(read)
        return None if row is None else _job(row)

    def put(
        self,
        kind: str,
        name: str,
        state: str,
        progress: Mapping[str, Any],
        *,
        now_ms: int,
        who: str,
    ) -> bool:
        """Note a new job, audited; False = the name is taken, and nothing changed."""

        def write(tx: Transaction) -> bool:
            if tx.one("SELECT 1 FROM job WHERE name = ?", (name,)) is not None:
                return False
            tx.run(
                "INSERT INTO job (kind, name, state, progress, changed_at) VALUES (?, ?, ?, ?, ?)",
                (kind, name, state, json.dumps(dict(progress)), now_ms),
            )
            audit.append(tx, now_ms, who, "job_start", name, kind)
            return True

        return self._store.run_write(write)

    def change(
        self,
        name: str,
        state: str,
        *,
        expected: Collection[str],
        now_ms: int,
        progress: Mapping[str, Any] | None = None,
        who: str = "",
    ) -> bool:
        """Move a job to another state if it is in one of `expected`; says whether it was.

        A change by a person (`who`) is audited.
        """

        def write(tx: Transaction) -> bool:
            marks = ", ".join("?" * len(expected))
            more, values = (
                ("", []) if progress is None else (", progress = ?", [json.dumps(dict(progress))])
            )
            changed = tx.run(
                f"UPDATE job SET state = ?, changed_at = ?{more} WHERE name = ? AND state IN ({marks})",
                (state, now_ms, *values, name, *sorted(expected)),
            )
            if changed and who:
                audit.append(tx, now_ms, who, f"job_{state}", name)
            return changed == 1

        return self._store.run_write(write)


def hot_legs(store: Store, at_most: int) -> int:
    """Count legs that are not sealed, up to `at_most`."""

    def read(tx: Transaction) -> tuple[Any, ...] | None:
        return tx.one("SELECT COUNT(*) FROM (SELECT 1 FROM leg LIMIT ?) AS hot", (at_most,))

    row = store.run_read(read)
    return 0 if row is None else int(row[0])
