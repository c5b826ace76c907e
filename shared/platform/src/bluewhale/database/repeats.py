"""Answers that were given, for requests that are sent again with the same key.

    repeats.claim(who, key, request_hash, now_ms)     # None = go on; else what was answered
    repeats.answer(who, key, status, media_type, body)

Owns the table. Does not own which requests are kept (`bluewhale.webapi.idempotency`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from bluewhale.database.engine import Database

web_repeat = sa.Table(
    "web_repeat",
    metadata,
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("repeat_key", sa.Text, primary_key=True),
    sa.Column("request_hash", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("status", sa.BigInteger, nullable=False),  # 0 = it is being worked on
    sa.Column("headers", sa.Text, nullable=False),  # JSON: name -> value
    sa.Column("body", sa.LargeBinary),  # null = it told a secret, or was too long to keep
    sa.Index("web_repeat_by_time", "at"),
)

KEPT_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to a request with a key; `status` 0 = nothing yet."""

    request_hash: bytes
    status: int
    headers: str
    body: bytes | None


class Repeats:
    """All kept answers; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def claim(self, who: str, key: str, request_hash: bytes, now_ms: int) -> Answered | None:
        """Take a key for a request; gives what is known where somebody took it within a day."""
        with self._db.write_beside() as tx:
            tx.run("DELETE FROM web_repeat WHERE at < ?", (now_ms - KEPT_MS,))
            taken = tx.run(
                "INSERT INTO web_repeat (who, repeat_key, request_hash, at, status, headers)"
                " VALUES (?, ?, ?, ?, 0, '{}') ON CONFLICT DO NOTHING",
                (who, key, request_hash, now_ms),
            )
            if taken:
                return None
            row = tx.one(
                "SELECT request_hash, status, headers, body FROM web_repeat"
                " WHERE who = ? AND repeat_key = ?",
                (who, key),
            )
        assert row is not None
        body = None if row[3] is None else bytes(row[3])
        return Answered(bytes(row[0]), row[1], row[2], body)

    def answer(self, who: str, key: str, status: int, headers: str, body: bytes | None) -> None:
        """Keep what was answered."""
        with self._db.write_beside() as tx:
            tx.run(
                "UPDATE web_repeat SET status = ?, headers = ?, body = ?"
                " WHERE who = ? AND repeat_key = ?",
                (status, headers, body, who, key),
            )

    def let_go(self, who: str, key: str) -> None:
        """Forget a key whose request came to nothing, so that it may be sent again."""
        with self._db.write_beside() as tx:
            tx.run("DELETE FROM web_repeat WHERE who = ? AND repeat_key = ?", (who, key))
