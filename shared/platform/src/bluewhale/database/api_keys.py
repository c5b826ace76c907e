"""Keys of programs that ask the REST API: rights of their own, an end, no password.

    keys = ApiKeys(store.db)
    keys.add(ApiKey(name="nightly export", role="analyst", ...), token_hash, now_ms=..., who="ana")
    keys.of_token(token_hash, now_ms)

Owns the table. A key is shown once and stored as a hash; one that ended stays for
the audit. Does not own what a role may (`bluewhale.webapi`). Times are int64
milliseconds UTC.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from bluewhale.database import audit
from bluewhale.database.exceptions import NotFoundError
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bluewhale.database.engine import Database

web_key = sa.Table(
    "web_key",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("sites", sa.Text),  # JSON list; null = all
    sa.Column("departments", sa.Text),  # JSON list; null = all
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger, nullable=False),  # 0 = it was not ended
    sa.Column("used_at", sa.BigInteger, nullable=False),  # 0 = never
)
_COLUMNS = (
    "key_id, name, role, sites, departments, created_by, created_at, expires_at, ended_at, used_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key; `sites` and `departments` None = all."""

    key_id: str
    name: str
    role: str
    sites: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    created_by: str
    created_at_ms: int
    expires_at_ms: int
    ended_at_ms: int = 0
    used_at_ms: int = 0


class ApiKeys:
    """All keys; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, key: ApiKey, token_hash: bytes) -> None:
        """Keep a new key."""
        with self._db.write_beside() as tx:
            tx.run(
                "INSERT INTO web_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
                (
                    *(key.key_id, token_hash, key.name, key.role, _json(key.sites)),
                    *(_json(key.departments), key.created_by, key.created_at_ms),
                    key.expires_at_ms,
                ),
            )
            audit.append(
                tx, key.created_at_ms, key.created_by, "key add", f"{key.name} ({key.role})"
            )

    def listed(self) -> list[ApiKey]:
        """Give all keys, the newest first."""
        with self._db.read() as tx:
            rows = tx.rows(f"SELECT {_COLUMNS} FROM web_key ORDER BY created_at DESC, key_id")
        return [_key(row) for row in rows]

    def of_token(self, token_hash: bytes, now_ms: int) -> ApiKey | None:
        """Give the key of a token, if it holds now."""
        with self._db.read() as tx:
            row = tx.one(
                f"SELECT {_COLUMNS} FROM web_key WHERE token_hash = ? AND expires_at > ?"
                " AND ended_at = 0",
                (token_hash, now_ms),
            )
        return None if row is None else _key(row)

    def used(self, key_id: str, now_ms: int) -> None:
        """Note that a key is used."""
        with self._db.write_beside() as tx:
            tx.run("UPDATE web_key SET used_at = ? WHERE key_id = ?", (now_ms, key_id))

    def end(self, key_id: str, *, now_ms: int, who: str) -> None:
        """End a key for good.

        Raises
        ------
        NotFoundError
            There is none, or it was ended.
        """
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE web_key SET ended_at = ? WHERE key_id = ? AND ended_at = 0",
                (now_ms, key_id),
            )
            if not changed:
                raise NotFoundError(f"there is no key {key_id} that could be ended")
            audit.append(tx, now_ms, who, "key end", key_id)


def _json(names: Sequence[str] | None) -> str | None:
    return None if names is None else json.dumps(list(names))


def _key(row: Sequence[Any]) -> ApiKey:
    sites, departments = (None if x is None else tuple(json.loads(x)) for x in row[3:5])
    return ApiKey(
        key_id=row[0], name=row[1], role=row[2], sites=sites, departments=departments,
        created_by=row[5], created_at_ms=row[6], expires_at_ms=row[7], ended_at_ms=row[8],
        used_at_ms=row[9],
    )  # fmt: skip
