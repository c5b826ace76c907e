"""People who may sign in, their sessions, and the link of the first start.

    users = store.users
    users.add(NewUser(name="ana", ...), now_ms=..., who="ben")
    users.open_session(Session(...)); users.session(token_hash, now_ms)

Owns these tables and their transactions. Does not own passwords, roles or how
long anything lasts (`bluewhale.webapi`): it stores hashes of passwords, of
session tokens and of links, never one of these. Portable SQL, the same on every
engine. Times are int64 milliseconds UTC.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from bluewhale.database import audit, provided
from bluewhale.database.exceptions import NotFoundError, StateError
from bluewhale.database.factors import Factors
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from bluewhale.database.engine import Database, Transaction


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)


web_user = sa.Table(
    "web_user",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _text("display_name"),
    _text("role"),
    sa.Column("sites", sa.Text),  # JSON list; null = all
    sa.Column("departments", sa.Text),  # JSON list; null = all
    _text("state"),  # active, disabled
    _text("password"),  # hash, as the library writes it
    _text("zone"),
    _text("language"),
    _number("created_at"),
    _number("failures"),  # wrong passwords since the last right one
    _number("locked_until"),  # 0 = not locked
    _number("seen_at"),  # 0 = never
)

web_session = sa.Table(
    "web_session",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    _text("user_id"),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("before_hash", sa.LargeBinary),  # of the token before the last rotation
    _number("before_until"),  # requests that were on their way may still bring it
    _text("csrf"),
    _number("created_at"),
    _number("rotated_at"),
    _number("seen_at"),
    _number("expires_at"),
    sa.Index("web_session_by_user", "user_id"),
    sa.Index("web_session_before", "before_hash"),
)

# Whoever opens such a link first makes the first owner.
web_link = sa.Table(
    "web_link",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    _number("created_at"),
    _number("expires_at"),
)

ACTIVE, DISABLED = "active", "disabled"
_USER = (
    "user_id, name, display_name, role, sites, departments, state, password, zone, language,"
    " failures, locked_until, seen_at"
)


class LinkRefusedError(StateError):
    """A link of the first start that admits nobody: unknown, expired, or there is an owner."""

    code = "link_refused"


class ChangedError(StateError):
    """What was to be replaced was replaced by somebody else meanwhile."""

    code = "changed_meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One person; `sites` and `departments` None = all. `password` is a hash."""

    user_id: str
    name: str
    display_name: str
    role: str
    sites: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    state: str = ACTIVE
    password: str = ""
    zone: str = "site"
    language: str = "en"
    failures: int = 0
    locked_until_ms: int = 0
    seen_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser; `token_hash` = SHA-256 of what its cookie holds."""

    session_id: str
    user_id: str
    token_hash: bytes
    csrf: str
    created_at_ms: int
    rotated_at_ms: int
    seen_at_ms: int
    expires_at_ms: int


class Users:
    """Everything stored about people; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.factors = Factors(db)
        self.provided = provided.Provided(db)
        self._now = object()

    @property
    def now(self) -> object:
        """Give what stands for people and sessions of now: another after each change made here.

        What was read while it was the same is as this process left it. How often somebody signs
        in and is seen counts for nothing.
        """
        return self._now

    @contextlib.contextmanager
    def _write(self) -> Iterator[Transaction]:
        try:
            with self._db.write_beside() as tx:
                yield tx
        finally:
            self._now = object()  # also where the end of a commit was not heard

    # ---- people ------------------------------------------------------------------------

    def exist(self) -> bool:
        """Say whether there is anybody."""
        with self._db.read() as tx:
            return tx.one("SELECT 1 FROM web_user LIMIT 1") is not None

    def listed(self) -> list[User]:
        """Give everybody, by name."""
        with self._db.read() as tx:
            return [_user(row) for row in tx.rows(f"SELECT {_USER} FROM web_user ORDER BY name")]

    def named(self, name: str) -> User | None:
        """Give somebody by name."""
        with self._db.read() as tx:
            row = tx.one(f"SELECT {_USER} FROM web_user WHERE name = ?", (name,))
        return None if row is None else _user(row)

    def get(self, user_id: str) -> User:
        """Give somebody by id.

        Raises
        ------
        NotFoundError
            Nobody has it.
        """
        with self._db.read() as tx:
            return _found(tx, user_id)

    def add(
        self, user: User, *, now_ms: int, who: str, bound: tuple[str, str] | None = None
    ) -> None:
        """Keep somebody new; `bound` = issuer and subject, where a provider signs them in.

        Raises
        ------
        StateError
            The name is taken.
        """
        with self._write() as tx:
            if bound is not None:
                provided.bind(tx, *bound, user.user_id)
            _add(tx, user, now_ms, who)

    def change(self, user: User, *, before: User, owner: str, now_ms: int, who: str) -> User:
        """Replace name to show, role, branch, state and preferences; the password stays.

        `before` is what was seen of them; `owner` is the role of which one active person must be left.

        Raises
        ------
        NotFoundError, ChangedError, StateError
            Nobody has this id; it is not as `before` says; nobody would be left who
            can give rights.
        """
        with self._write() as tx:
            if _changeable(_found(tx, user.user_id)) != _changeable(before):
                raise ChangedError(f"{before.name} was changed meanwhile")
            tx.run(
                "UPDATE web_user SET display_name = ?, role = ?, sites = ?, departments = ?,"
                " state = ?, zone = ?, language = ? WHERE user_id = ?",
                (
                    *(user.display_name, user.role, _json(user.sites), _json(user.departments)),
                    *(user.state, user.zone, user.language, user.user_id),
                ),
            )
            left = tx.one(
                "SELECT COUNT(*) FROM web_user WHERE role = ? AND state = ?", (owner, ACTIVE)
            )
            if left is None or not left[0]:
                raise StateError(
                    f"{before.name} is the last active {owner}; make somebody else one first"
                )
            if user.state != ACTIVE:
                tx.run("DELETE FROM web_session WHERE user_id = ?", (user.user_id,))
            detail = f"{before.role} -> {user.role}, {before.state} -> {user.state}"
            audit.append(tx, now_ms, who, "user change", before.name, detail)
            return _found(tx, user.user_id)

    def set_password(
        self, user_id: str, password: str, *, keep: str, now_ms: int, who: str
    ) -> None:
        """Replace the hash of a password; all sessions but `keep` end."""
        with self._write() as tx:
            user = _found(tx, user_id)
            tx.run(
                "UPDATE web_user SET password = ?, failures = 0, locked_until = 0"
                " WHERE user_id = ?",
                (password, user_id),
            )
            tx.run("DELETE FROM web_session WHERE user_id = ? AND session_id <> ?", (user_id, keep))
            audit.append(tx, now_ms, who, "user password", user.name)

    def failed(
        self, user_id: str, locked_until_ms: Callable[[int], int], *, now_ms: int
    ) -> tuple[int, int]:
        """Count a wrong password and lock as the count says; gives count and end of the lock."""
        with self._write() as tx:
            tx.run("UPDATE web_user SET failures = failures + 1 WHERE user_id = ?", (user_id,))
            user = _found(tx, user_id)
            until = locked_until_ms(user.failures)
            if until:
                tx.run("UPDATE web_user SET locked_until = ? WHERE user_id = ?", (until, user_id))
                audit.append(tx, now_ms, user.name, "sign-in locked", user.name)
            return user.failures, until

    # ---- the first start -----------------------------------------------------------------

    def make_link(self, token_hash: bytes, *, now_ms: int, expires_at_ms: int) -> None:
        """Remember a link of the first start."""
        with self._write() as tx:
            tx.run("DELETE FROM web_link WHERE expires_at < ?", (now_ms,))
            tx.run("INSERT INTO web_link VALUES (?, ?, ?)", (token_hash, now_ms, expires_at_ms))

    def use_link(self, token_hash: bytes, user: User, *, now_ms: int) -> None:
        """Make the first person with a link; all links end with it.

        Raises
        ------
        LinkRefusedError
            No such link now, or there is somebody already.
        """
        with self._write() as tx:
            there = tx.one(
                "SELECT 1 FROM web_link WHERE token_hash = ? AND expires_at > ?",
                (token_hash, now_ms),
            )
            if there is None or tx.one("SELECT 1 FROM web_user LIMIT 1") is not None:
                raise LinkRefusedError("this link was used already, or its time is over")
            tx.run("DELETE FROM web_link")
            _add(tx, user, now_ms, "the link of the first start")

    # ---- sessions --------------------------------------------------------------------------

    def open_session(self, session: Session, *, now_ms: int) -> None:
        """Remember a session; wrong passwords before it are forgotten, dead sessions too."""
        s = session
        with self._db.write_beside() as tx:
            tx.run("DELETE FROM web_session WHERE expires_at < ?", (now_ms,))
            tx.run(
                "INSERT INTO web_session VALUES (?, ?, ?, NULL, 0, ?, ?, ?, ?, ?)",
                (
                    *(s.session_id, s.user_id, s.token_hash, s.csrf, s.created_at_ms),
                    *(s.rotated_at_ms, s.seen_at_ms, s.expires_at_ms),
                ),
            )
            tx.run(
                "UPDATE web_user SET failures = 0, locked_until = 0, seen_at = ? WHERE user_id = ?",
                (now_ms, s.user_id),
            )
            audit.append(tx, now_ms, _found(tx, s.user_id).name, "sign-in", s.session_id)

    def session(self, token_hash: bytes, now_ms: int) -> tuple[Session, User] | None:
        """Give a live session and its active person by the hash of the token."""
        with self._db.read() as tx:
            row = tx.one(
                "SELECT session_id, user_id, token_hash, csrf, created_at, rotated_at, seen_at,"
                " expires_at FROM web_session WHERE expires_at > ? AND (token_hash = ?"
                " OR (before_hash = ? AND before_until > ?))",
                (now_ms, token_hash, token_hash, now_ms),
            )
            if row is None:
                return None
            user = _found(tx, row[1])
        found = Session(
            session_id=row[0], user_id=row[1], token_hash=bytes(row[2]), csrf=row[3],
            created_at_ms=row[4], rotated_at_ms=row[5], seen_at_ms=row[6], expires_at_ms=row[7],
        )  # fmt: skip
        return (found, user) if user.state == ACTIVE else None

    def rotate(
        self, session_id: str, old: bytes, new: bytes, *, now_ms: int, old_until_ms: int
    ) -> bool:
        """Give a session another token; the old one holds a little longer. False = somebody did."""
        with self._write() as tx:
            changed = tx.run(
                "UPDATE web_session SET token_hash = ?, before_hash = ?, before_until = ?,"
                " rotated_at = ?, seen_at = ? WHERE session_id = ? AND token_hash = ?",
                (new, old, old_until_ms, now_ms, now_ms, session_id, old),
            )
        return changed == 1

    def seen(self, session: Session, *, now_ms: int, expires_at_ms: int) -> None:
        """Note that a session is used, and until when it holds."""
        with self._db.write_beside() as tx:
            tx.run(
                "UPDATE web_session SET seen_at = ?, expires_at = ? WHERE session_id = ?",
                (now_ms, expires_at_ms, session.session_id),
            )
            tx.run("UPDATE web_user SET seen_at = ? WHERE user_id = ?", (now_ms, session.user_id))

    def end_session(self, session_id: str) -> None:
        """End one session."""
        with self._write() as tx:
            tx.run("DELETE FROM web_session WHERE session_id = ?", (session_id,))

    def trail(self, limit: int) -> list[tuple[int, str, str, str, str]]:
        """Give audited changes, newest first: (at_ms, who, action, subject, detail)."""
        return audit.trail(self._db, limit)

    def found_in_trail(
        self, limit: int, *, who: str = "", text: str = "", before: int | None = None
    ) -> list[audit.Entry]:
        """Give entries of the trail, the newest first; see `audit.found`."""
        return audit.found(self._db, limit, who=who, text=text, before=before)

    def chain(self) -> audit.Chain:
        """Follow the chain of the audit trail from its first entry."""
        return audit.verify(self._db)

    def audited(self, *, who: str, action: str, subject: str, detail: str, now_ms: int) -> None:
        """Keep who did what in the trail that all changes share."""
        with self._db.write_beside() as tx:
            audit.append(tx, now_ms, who, action, subject, detail)


def _changeable(user: User) -> tuple[object, ...]:
    return (
        *(user.display_name, user.role, user.sites, user.departments),
        *(user.state, user.zone, user.language),
    )


def _json(names: Sequence[str] | None) -> str | None:
    return None if names is None else json.dumps(list(names))


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _user(row: Sequence[Any]) -> User:
    return User(
        user_id=row[0], name=row[1], display_name=row[2], role=row[3], sites=_names(row[4]),
        departments=_names(row[5]), state=row[6], password=row[7], zone=row[8], language=row[9],
        failures=row[10], locked_until_ms=row[11], seen_at_ms=row[12],
    )  # fmt: skip


def _found(tx: Transaction, user_id: str) -> User:
    row = tx.one(f"SELECT {_USER} FROM web_user WHERE user_id = ?", (user_id,))
    if row is None:
        raise NotFoundError(f"there is no person {user_id}")
    return _user(row)


def _add(tx: Transaction, user: User, now_ms: int, who: str) -> None:
    if tx.one("SELECT 1 FROM web_user WHERE name = ?", (user.name,)) is not None:
        raise StateError(f"the name {user.name} is taken")
    tx.run(
        "INSERT INTO web_user (user_id, name, display_name, role, sites, departments, state,"
        " password, zone, language, created_at, failures, locked_until, seen_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)",
        (
            *(user.user_id, user.name, user.display_name, user.role, _json(user.sites)),
            *(_json(user.departments), user.state, user.password, user.zone, user.language),
            now_ms,
        ),
    )
    audit.append(tx, now_ms, who, "user add", user.name, user.role)
