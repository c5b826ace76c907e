"""The audit trail: who did what, each entry bound to the one before it by a hash.

    audit.append(tx, now_ms, "ana", "tariff_active", "carriers/2")
    audit.verify(db)          # Chain(entries=41202, broken_at=None, head="9f2c...")

An entry's hash covers its place, its words and the hash before it, so a change, a
removal or an entry put between is found, and the row `audit_head` tells how many
there are, so that the newest cannot be cut off either. Whoever may write to the
database can make a whole new chain: a `head` that was noted elsewhere shows that.
Owns the entries and their order. Does not own what is worth an entry.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bluewhale.database.engine import Database, Transaction

GENESIS = bytes(32)  # stands before the first entry
_PAGE_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what; `position` counts from 1 and never changes."""

    position: int
    at_ms: int
    who: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What a look at the whole trail found; `head` = hash of the newest entry, hex."""

    entries: int
    broken_at: int | None  # place of the first entry that is not as it was written
    head: str

    @property
    def unbroken(self) -> bool:
        """Say whether every entry is as it was written, and none is missing."""
        return self.broken_at is None


def link(
    before: bytes, position: int, at_ms: int, who: str, action: str, subject: str, detail: str
) -> bytes:
    """Give the hash of an entry; never changes, or every trail would be broken."""
    said = json.dumps([position, at_ms, who, action, subject, detail], separators=(",", ":"))
    return hashlib.sha256(before + said.encode()).digest()


def append(
    tx: Transaction, at_ms: int, who: str, action: str, subject: str, detail: str = ""
) -> None:
    """Keep who did what; other transactions that do so wait until this one ends.

    So it stands last in its transaction, or two of them could wait for each other.
    """
    row = tx.one(
        "INSERT INTO audit_head VALUES (1, 1, ?)"
        " ON CONFLICT (head_id) DO UPDATE SET entries = audit_head.entries + 1"
        " RETURNING entries, hash",
        (GENESIS,),
    )
    assert row is not None
    position, before = int(row[0]), bytes(row[1])
    made = link(before, position, at_ms, who, action, subject, detail)
    tx.run(
        "INSERT INTO audit (at, who, action, subject, detail, position, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (at_ms, who, action, subject, detail, position, made),
    )
    tx.run("UPDATE audit_head SET hash = ? WHERE head_id = 1", (made,))


def verify(db: Database) -> Chain:
    """Follow the chain from its first entry; a few microseconds each, in pages."""
    with db.read() as tx:
        head = tx.one("SELECT entries, hash FROM audit_head WHERE head_id = 1")
        entries, newest = (0, GENESIS) if head is None else (int(head[0]), bytes(head[1]))
        stored = tx.one("SELECT COUNT(*) FROM audit")
        assert stored is not None
        place, before = 0, GENESIS
        while True:
            rows = tx.rows(
                "SELECT position, at, who, action, subject, detail, hash FROM audit"
                " WHERE position > ? ORDER BY position LIMIT ?",
                (place, _PAGE_ROWS),
            )
            for position, at, who, action, subject, detail, found in rows:
                place += 1
                made = link(before, place, at, who, action, subject, detail)
                if position != place or found is None or bytes(found) != made:
                    return Chain(entries, place, newest.hex())
                before = made
            if len(rows) < _PAGE_ROWS:
                break
    if (place, before) != (entries, newest) or stored[0] != entries:
        return Chain(entries, place + 1, newest.hex())
    return Chain(entries, None, newest.hex())


def found(
    db: Database, limit: int, *, who: str = "", text: str = "", before: int | None = None
) -> list[Entry]:
    """Give entries, the newest first.

    who: the whole name. text: stands in action, subject or detail, in any case of
    letters. before: only entries whose position is less.
    """
    conditions: list[str] = ["position IS NOT NULL"]
    values: list[str | int] = []
    if who:
        conditions.append("who = ?")
        values.append(who)
    if text:
        for sign in "\\%_":
            text = text.replace(sign, f"\\{sign}")
        one = "LOWER({}) LIKE ? ESCAPE '\\'"
        either = " OR ".join(one.format(column) for column in ("action", "subject", "detail"))
        conditions.append(f"({either})")
        values += [f"%{text.lower()}%"] * 3
    if before is not None:
        conditions.append("position < ?")
        values.append(before)
    with db.read() as tx:
        rows = tx.rows(
            "SELECT position, at, who, action, subject, detail FROM audit"
            f" WHERE {' AND '.join(conditions)} ORDER BY position DESC LIMIT ?",
            [*values, limit],
        )
    return [Entry(*row) for row in rows]


def trail(db: Database, limit: int) -> list[tuple[int, str, str, str, str]]:
    """Give entries, the newest first: (at_ms, who, action, subject, detail)."""
    with db.read() as tx:
        rows = tx.rows(
            "SELECT at, who, action, subject, detail FROM audit ORDER BY audit_id DESC LIMIT ?",
            (limit,),
        )
    return [(r[0], r[1], r[2], r[3], r[4]) for r in rows]
