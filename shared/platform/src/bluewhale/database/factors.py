"""Second factors of people: secrets of their devices, recovery codes, half-done sign-ins.

    factors = users.factors
    factors.start(user_id, secret); factors.confirm(user_id, secret, step, hashes, ...)
    factors.use_step(user_id, step)      # False = a code of this step was used already

Owns these tables and their transactions. Does not own codes or what they are made of
(`bluewhale.webapi.second_factor`). The secret of a device comes and goes encrypted, since
codes are computed from it (`bluewhale.webapi.factor_keys`); recovery codes are stored as
hashes. Times are int64 milliseconds UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from bluewhale.database import audit
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from bluewhale.database.engine import Database

web_factor = sa.Table(
    "web_factor",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("secret", sa.LargeBinary),  # null = not confirmed yet
    sa.Column("offered", sa.LargeBinary),  # shown, and not confirmed by a code yet
    sa.Column("last_step", sa.BigInteger, nullable=False),  # of the newest code that was used
    sa.Column("confirmed_at", sa.BigInteger, nullable=False),  # 0 = not yet
)

web_recovery = sa.Table(
    "web_recovery",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("code_hash", sa.LargeBinary, primary_key=True),
)

# Who brought a right password and owes a code.
web_challenge = sa.Table(
    "web_challenge",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """The second factor of one person; `secret` None = none holds."""

    secret: bytes | None
    offered: bytes | None
    last_step: int
    recovery_left: int


NONE = Factor(secret=None, offered=None, last_step=-1, recovery_left=0)


class Factors:
    """Everything stored about second factors; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, user_id: str) -> Factor:
        """Give the factor of somebody."""
        with self._db.read() as tx:
            row = tx.one(
                "SELECT secret, offered, last_step FROM web_factor WHERE user_id = ?", (user_id,)
            )
            left = tx.one("SELECT COUNT(*) FROM web_recovery WHERE user_id = ?", (user_id,))
        if row is None:
            return NONE
        secret, offered = (None if x is None else bytes(x) for x in row[:2])
        return Factor(
            secret=secret, offered=offered, last_step=row[2], recovery_left=left[0] if left else 0
        )

    def holders(self) -> frozenset[str]:
        """Give the ids of people whose factor holds."""
        with self._db.read() as tx:
            rows = tx.rows("SELECT user_id FROM web_factor WHERE secret IS NOT NULL")
        return frozenset(row[0] for row in rows)

    def start(self, user_id: str, secret: bytes) -> None:
        """Remember a secret that was shown; what held before holds until it is confirmed."""
        with self._db.write_beside() as tx:
            tx.run(
                "INSERT INTO web_factor VALUES (?, NULL, ?, -1, 0)"
                " ON CONFLICT (user_id) DO UPDATE SET offered = excluded.offered",
                (user_id, secret),
            )

    def confirm(
        self,
        user_id: str,
        secret: bytes,
        step: int,
        code_hashes: Sequence[bytes],
        *,
        now_ms: int,
        who: str,
    ) -> bool:
        """Let an offered secret hold, with fresh recovery codes; False = it is offered no more."""
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE web_factor SET secret = offered, offered = NULL, last_step = ?,"
                " confirmed_at = ? WHERE user_id = ? AND offered = ?",
                (step, now_ms, user_id, secret),
            )
            if not changed:
                return False
            tx.run("DELETE FROM web_recovery WHERE user_id = ?", (user_id,))
            tx.many(
                "INSERT INTO web_recovery VALUES (?, ?)", [(user_id, one) for one in code_hashes]
            )
            audit.append(tx, now_ms, who, "second factor on", who)
            return True

    def reseal(self, user_id: str, before: bytes, after: bytes) -> bool:
        """Store a secret that holds in another form; False = it is another one meanwhile."""
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE web_factor SET secret = ? WHERE user_id = ? AND secret = ?",
                (after, user_id, before),
            )
        return changed == 1

    def use_step(self, user_id: str, step: int) -> bool:
        """Use up the code of a time step; False = this one or a later one was used already."""
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE web_factor SET last_step = ? WHERE user_id = ? AND last_step < ?",
                (step, user_id, step),
            )
        return changed == 1

    def use_recovery(self, user_id: str, code_hash: bytes, *, now_ms: int, who: str) -> bool:
        """Use up a recovery code; False = there is no such code."""
        with self._db.write_beside() as tx:
            gone = tx.run(
                "DELETE FROM web_recovery WHERE user_id = ? AND code_hash = ?",
                (user_id, code_hash),
            )
            if not gone:
                return False
            left = tx.one("SELECT COUNT(*) FROM web_recovery WHERE user_id = ?", (user_id,))
            assert left is not None
            audit.append(tx, now_ms, who, "recovery code used", who, f"{left[0]} left")
            return True

    def remove(self, user_id: str, name: str, *, now_ms: int, who: str) -> bool:
        """Take a factor away, with its recovery codes; False = there was none."""
        with self._db.write_beside() as tx:
            gone = tx.run("DELETE FROM web_factor WHERE user_id = ?", (user_id,))
            tx.run("DELETE FROM web_recovery WHERE user_id = ?", (user_id,))
            if gone:
                audit.append(tx, now_ms, who, "second factor off", name)
        return gone == 1

    def challenge(
        self, token_hash: bytes, user_id: str, *, now_ms: int, expires_at_ms: int
    ) -> None:
        """Remember that somebody owes a code."""
        with self._db.write_beside() as tx:
            tx.run("DELETE FROM web_challenge WHERE expires_at < ?", (now_ms,))
            tx.run(
                "INSERT INTO web_challenge VALUES (?, ?, ?)", (token_hash, user_id, expires_at_ms)
            )

    def challenged(self, token_hash: bytes, now_ms: int) -> str | None:
        """Give who owes a code; None = nobody, or not any more."""
        with self._db.read() as tx:
            row = tx.one(
                "SELECT user_id FROM web_challenge WHERE token_hash = ? AND expires_at > ?",
                (token_hash, now_ms),
            )
        return None if row is None else str(row[0])

    def answered(self, token_hash: bytes) -> bool:
        """End a half-done sign-in; False = somebody else did."""
        with self._db.write_beside() as tx:
            return tx.run("DELETE FROM web_challenge WHERE token_hash = ?", (token_hash,)) == 1
