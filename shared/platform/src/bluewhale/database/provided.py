"""People whom a provider signs in (OIDC): who they are there, and sign-ins that are under way.

    provided = users.provided
    provided.begin(state_hash, Begun(...), now_ms); provided.take(state_hash, now_ms)
    provided.of(issuer, subject)          # the user_id, or None

Owns these tables and their transactions. Does not own the protocol (`bluewhale.webapi.oidc`).
Times are int64 milliseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from bluewhale.database.engine import Database, Transaction

web_subject = sa.Table(
    "web_subject",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, unique=True),
)

# Whoever was sent to the provider and did not come back yet.
web_oidc = sa.Table(
    "web_oidc",
    metadata,
    sa.Column("state_hash", sa.LargeBinary, primary_key=True),
    sa.Column("browser_hash", sa.LargeBinary, nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),
    sa.Column("verifier", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that is under way; `browser_hash` = of what the browser keeps meanwhile."""

    browser_hash: bytes
    nonce: str
    verifier: str
    expires_at_ms: int


class Provided:
    """Everything stored about sign-in by a provider; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, state_hash: bytes, begun: Begun, *, now_ms: int) -> None:
        """Remember a sign-in that is under way."""
        with self._db.write_beside() as tx:
            tx.run("DELETE FROM web_oidc WHERE expires_at < ?", (now_ms,))
            tx.run(
                "INSERT INTO web_oidc VALUES (?, ?, ?, ?, ?)",
                (
                    state_hash, begun.browser_hash, begun.nonce, begun.verifier,
                    begun.expires_at_ms,
                ),
            )  # fmt: skip

    def take(self, state_hash: bytes, now_ms: int) -> Begun | None:
        """Give a sign-in that is under way and forget it; None = there is none, or not any more."""
        with self._db.write_beside() as tx:
            row = tx.one(
                "DELETE FROM web_oidc WHERE state_hash = ?"
                " RETURNING browser_hash, nonce, verifier, expires_at",
                (state_hash,),
            )
        if row is None or row[3] <= now_ms:
            return None
        return Begun(
            browser_hash=bytes(row[0]), nonce=row[1], verifier=row[2], expires_at_ms=row[3]
        )

    def of(self, issuer: str, subject: str) -> str | None:
        """Give whose account belongs to somebody at the provider."""
        with self._db.read() as tx:
            row = tx.one(
                "SELECT user_id FROM web_subject WHERE issuer = ? AND subject = ?",
                (issuer, subject),
            )
        return None if row is None else str(row[0])


def bind(tx: Transaction, issuer: str, subject: str, user_id: str) -> None:
    """Note whose account belongs to somebody at the provider."""
    tx.run("INSERT INTO web_subject VALUES (?, ?, ?)", (issuer, subject, user_id))
