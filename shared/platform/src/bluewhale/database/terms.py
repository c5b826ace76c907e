"""The term of ownership in the main database: one row, changed by compare-and-set.

    terms = Terms(store.db)
    row = terms.read()
    taken = terms.take(row, holder="6f1c", address="ingest-0:7440", lease_s=15.0)

Owns the row. Does not own when it may be taken: `bluewhale.ownership.TermCandidate`
decides by how long it has seen the row unchanged, so no wall clock is in it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import sqlalchemy as sa
from bluewhale.database.tables import metadata
from bluewhale.ownership import TermRow

if TYPE_CHECKING:
    from bluewhale.database.engine import Database

_NAME = "links"  # of the one row: what the term is about

ownership_term = sa.Table(
    "ownership_term",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),  # "" = resigned
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("renewals", sa.BigInteger, nullable=False),
    sa.Column("lease_ms", sa.BigInteger, nullable=False),
)


class Terms:
    """The one row; any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> TermRow | None:
        """Give the row; None = nobody ever led."""
        with self._database.read() as tx:
            row = tx.one(
                "SELECT term, holder, address, renewals, lease_ms FROM ownership_term"
                " WHERE name = ?",
                (_NAME,),
            )
        if row is None:
            return None
        term, holder, address, renewals, lease_ms = row
        return TermRow(term, holder, address, renewals, lease_ms / 1000)

    def take(
        self, seen: TermRow | None, *, holder: str, address: str, lease_s: float, above: int = 0
    ) -> TermRow | None:
        """Begin the next term, beyond `above`, if the row is as it was seen; None = it is not."""
        lease_ms = math.ceil(lease_s * 1000)  # never less than was asked
        term = max(above, seen.term if seen is not None else 0) + 1
        with self._database.write_beside() as tx:
            if seen is None:
                changed = tx.run(
                    "INSERT INTO ownership_term (name, term, holder, address, renewals, lease_ms)"
                    " VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT DO NOTHING",
                    (_NAME, term, holder, address, lease_ms),
                )
            else:
                changed = tx.run(
                    "UPDATE ownership_term SET term = ?, holder = ?, address = ?, renewals = 0,"
                    " lease_ms = ? WHERE name = ? AND term = ? AND holder = ? AND renewals = ?",
                    (
                        *(term, holder, address, lease_ms),
                        *(_NAME, seen.term, seen.holder, seen.renewals),
                    ),
                )
        if changed != 1:
            return None
        return TermRow(term, holder, address, 0, lease_s)

    def renew(self, term: int, holder: str, *, count: int, lease_s: float) -> float | None:
        """Say and give how long leases may run; None = the term is another's.

        count: which renewal of the term this is, from 1; one that arrives behind a later
        one changes nothing.
        """
        with self._database.write_beside() as tx:
            changed = tx.run(
                "UPDATE ownership_term SET renewals = ?, lease_ms = ?"
                " WHERE name = ? AND term = ? AND holder = ? AND renewals <= ?",
                (count, math.ceil(lease_s * 1000), _NAME, term, holder, count),
            )
        return lease_s if changed == 1 else None

    def resign(self, term: int, holder: str) -> None:
        """Give the term up, so that another may begin at once; nothing if it is another's."""
        with self._database.write_beside() as tx:
            tx.run(
                "UPDATE ownership_term SET holder = '', address = ''"
                " WHERE name = ? AND term = ? AND holder = ?",
                (_NAME, term, holder),
            )
