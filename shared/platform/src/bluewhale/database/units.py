"""Remote Units in the main database: tokens, certificates, revocations, documents, reports.

    units = Units(store.db)
    units.mint(token_hash=..., unit_uid="berlin-1", now_ms=..., expires_at_ms=..., who="ada")
    units.enrol(token_hash=..., certificate=Issued(...), now_ms=...)

Owns these tables and their transactions. Does not own cryptography: it stores
hashes of tokens and of keys, never a token or a key. Portable SQL, the same on
every engine. Times are int64 milliseconds UTC.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from bluewhale.database import audit
from bluewhale.database.exceptions import NotFoundError, StateError
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from bluewhale.database.engine import Database, Transaction

REPORT_KEPT_MS = 86_400_000  # a session that ended is shown for a day
DOCUMENTS_KEPT = 10  # per unit: the desired one and those before it


def _key(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)


unit = sa.Table(
    "unit",
    metadata,
    _key("unit_uid"),
    _number("created_at"),
    _number("revoked_at"),  # 0 = not revoked
    _text("reason"),
    _text("overrides"),  # JSON
    _number("approved_until"),  # an expired certificate may be renewed until then; 0 = no
)

unit_token = sa.Table(
    "unit_token",
    metadata,
    _key("token_hash", sa.LargeBinary),
    _text("unit_uid"),
    _number("created_at"),
    _text("created_by"),
    _number("expires_at"),
    _number("used_at"),  # 0 = not used
    sa.Column("used_by", sa.LargeBinary),  # hash of the key that it admitted
    sa.Index("unit_token_by_unit", "unit_uid"),
)

unit_certificate = sa.Table(
    "unit_certificate",
    metadata,
    _key("serial"),
    _text("unit_uid"),
    sa.Column("key_hash", sa.LargeBinary, nullable=False),
    _number("not_before"),
    _number("not_after"),
    _number("revoked_at"),  # 0 = not revoked
    _text("pem"),
    sa.Index("unit_certificate_by_unit", "unit_uid"),
)

unit_document = sa.Table(
    "unit_document",
    metadata,
    _key("unit_uid"),
    _key("version", sa.BigInteger),
    _text("hash"),
    _text("document"),  # JSON
    _number("created_at"),
)

unit_report = sa.Table(
    "unit_report",
    metadata,
    _key("unit_uid"),
    _key("session"),
    _text("report"),  # JSON
    _number("connected"),  # 1 = was connected when reported
    _number("reported_at"),
)


class TokenRefusedError(StateError):
    """A token that admits nobody: unknown, used, expired, or made for another unit."""

    code = "token_refused"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it is remembered; `key_hash` = SHA-256 of the public key's DER."""

    serial: str
    unit_uid: str
    key_hash: bytes
    not_before_ms: int
    not_after_ms: int
    pem: str
    revoked_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Revocations:
    """Whom ingest admits no longer: units as a whole, and single certificates."""

    units: frozenset[str]
    serials: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One unit as stored; `overrides` is what an operator set beside the files."""

    unit_uid: str
    created_at_ms: int
    revoked_at_ms: int
    reason: str
    overrides: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Desired:
    """The configuration document that a unit should run."""

    unit_uid: str
    version: int
    hash: str
    document: str


@dataclass(frozen=True, slots=True)
class Report:
    """The latest report of one session of a unit."""

    unit_uid: str
    session: str
    report: Mapping[str, Any]
    connected: bool
    reported_at_ms: int


class Units:
    """Everything stored about units; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    # ---- tokens ------------------------------------------------------------------------

    def mint(
        self, *, token_hash: bytes, unit_uid: str, now_ms: int, expires_at_ms: int, who: str
    ) -> None:
        """Remember a token; a revoked unit may enrol again with it."""
        with self._db.write_beside() as tx:
            _declare(tx, unit_uid, now_ms)
            tx.run("DELETE FROM unit_token WHERE expires_at < ?", (now_ms - REPORT_KEPT_MS,))
            tx.run(
                "INSERT INTO unit_token (token_hash, unit_uid, created_at, created_by, expires_at,"
                " used_at) VALUES (?, ?, ?, ?, ?, 0)",
                (token_hash, unit_uid, now_ms, who, expires_at_ms),
            )
            audit.append(tx, now_ms, who, "unit token", unit_uid)

    def check_token(self, token_hash: bytes, unit_uid: str, key_hash: bytes, now_ms: int) -> None:
        """Refuse a token that would admit nobody, before anything is signed.

        Raises
        ------
        TokenRefusedError
            `reason` is token_unknown, token_other_unit, token_used or token_expired.
        """
        with self._db.read() as tx:
            _check_token(tx, token_hash, unit_uid, key_hash, now_ms)

    def enrol(self, *, token_hash: bytes, issued: Issued, now_ms: int) -> Issued:
        """Use a token up and remember the certificate that it admitted, in one transaction.

        The same token with the same key again (the answer was lost on the way)
        gives the certificate of the first time.

        Raises
        ------
        TokenRefusedError
            As `check_token`; nothing was stored.
        """
        with self._db.write_beside() as tx:
            used = _check_token(tx, token_hash, issued.unit_uid, issued.key_hash, now_ms)
            if used:
                found = _certificates(
                    tx, "unit_uid = ? AND key_hash = ?", (issued.unit_uid, issued.key_hash)
                )
                if found:
                    return found[0]
            tx.run(
                "UPDATE unit_token SET used_at = ?, used_by = ? WHERE token_hash = ?",
                (now_ms, issued.key_hash, token_hash),
            )
            tx.run(
                "UPDATE unit SET revoked_at = 0, reason = '' WHERE unit_uid = ?",
                (issued.unit_uid,),
            )
            _remember(tx, issued)
            audit.append(tx, now_ms, issued.unit_uid, "unit enrol", issued.unit_uid)
            return issued

    # ---- certificates ------------------------------------------------------------------

    def renew(self, issued: Issued, now_ms: int) -> None:
        """Remember a certificate that a connected unit got for its next half life."""
        with self._db.write_beside() as tx:
            _remember(tx, issued)
            audit.append(tx, now_ms, issued.unit_uid, "unit renew", issued.unit_uid)

    def approve_expired(self, unit_uid: str, *, now_ms: int, until_ms: int, who: str) -> None:
        """Let a unit renew an expired certificate with its known key, once, until then.

        Raises
        ------
        NotFoundError
            No such unit ever enrolled.
        """
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE unit SET approved_until = ? WHERE unit_uid = ?", (until_ms, unit_uid)
            )
            if not changed:
                raise NotFoundError(f"unit {unit_uid} never enrolled; mint a token instead")
            audit.append(tx, now_ms, who, "unit approve", unit_uid)

    def renew_expired(self, issued: Issued, now_ms: int) -> bool:
        """Use an approval up for a known key; False: there is none, nothing was stored."""
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE unit SET approved_until = 0 WHERE unit_uid = ? AND approved_until > ?"
                " AND revoked_at = 0",
                (issued.unit_uid, now_ms),
            )
            if changed:
                _remember(tx, issued)
                audit.append(tx, now_ms, issued.unit_uid, "unit renew expired", issued.unit_uid)
        return bool(changed)

    def certificates(self, unit_uid: str) -> list[Issued]:
        """Give the certificates of a unit, newest first."""
        with self._db.read() as tx:
            return _certificates(tx, "unit_uid = ?", (unit_uid,))

    def all_certificates(self) -> dict[str, list[Issued]]:
        """Give the certificates of every unit, newest first, without their text."""
        found: dict[str, list[Issued]] = {}
        with self._db.read() as tx:
            for issued in _certificates(tx, "not_after > ?", (0,), text="''"):
                found.setdefault(issued.unit_uid, []).append(issued)
        return found

    def records_lost(self) -> dict[int, int]:
        """Give how many sequence numbers of each stream will never come."""
        with self._db.read() as tx:
            rows = tx.rows(
                "SELECT stream_id, SUM(last_seq - first_seq + 1) FROM stream_interval"
                " WHERE state = 'lost' GROUP BY stream_id"
            )
        return {int(stream): int(count) for stream, count in rows}

    def certificates_of_key(self, key_hash: bytes) -> list[Issued]:
        """Give the certificates that were issued to a key, newest first."""
        with self._db.read() as tx:
            return _certificates(tx, "key_hash = ?", (key_hash,))

    def revoke(self, unit_uid: str, *, reason: str, who: str, now_ms: int) -> int:
        """End every certificate and token of a unit; give how many certificates.

        Raises
        ------
        NotFoundError
            No such unit.
        """
        with self._db.write_beside() as tx:
            known = tx.run(
                "UPDATE unit SET revoked_at = ?, reason = ?, approved_until = 0 WHERE unit_uid = ?",
                (now_ms, reason, unit_uid),
            )
            if not known:
                raise NotFoundError(f"unit {unit_uid} never enrolled and has no token")
            tx.run(
                "UPDATE unit_token SET expires_at = ? WHERE unit_uid = ? AND expires_at > ?",
                (now_ms, unit_uid, now_ms),
            )
            audit.append(tx, now_ms, who, "unit revoke", unit_uid)
            return tx.run(
                "UPDATE unit_certificate SET revoked_at = ? WHERE unit_uid = ? AND revoked_at = 0",
                (now_ms, unit_uid),
            )

    def revocations(self, now_ms: int) -> Revocations:
        """Give whom to refuse now; certificates that expired anyway are left out."""
        with self._db.read() as tx:
            units = tx.rows("SELECT unit_uid FROM unit WHERE revoked_at > 0")
            serials = tx.rows(
                "SELECT serial FROM unit_certificate WHERE revoked_at > 0 AND not_after > ?",
                (now_ms,),
            )
        return Revocations(frozenset(r[0] for r in units), frozenset(r[0] for r in serials))

    # ---- units and their documents -------------------------------------------------------

    def declare(self, unit_uids: Sequence[str], now_ms: int) -> None:
        """Tell the store units of the configuration; known ones stay as they are."""
        with self._db.write_beside() as tx:
            for unit_uid in unit_uids:
                _declare(tx, unit_uid, now_ms)

    def all(self) -> list[UnitRow]:
        """Give every unit that was declared or enrolled, by unit_uid."""
        with self._db.read() as tx:
            return [
                UnitRow(r[0], r[1], r[2], r[3], json.loads(r[4]))
                for r in tx.rows(
                    "SELECT unit_uid, created_at, revoked_at, reason, overrides FROM unit"
                    " ORDER BY unit_uid"
                )
            ]

    def override(
        self, unit_uid: str, overrides: Mapping[str, Any], *, who: str, now_ms: int
    ) -> None:
        """Replace what an operator set beside the configuration files; {} clears.

        Raises
        ------
        NotFoundError
            No such unit.
        """
        text = json.dumps(overrides, sort_keys=True)
        with self._db.write_beside() as tx:
            if not tx.run("UPDATE unit SET overrides = ? WHERE unit_uid = ?", (text, unit_uid)):
                raise NotFoundError(f"unit {unit_uid} is not declared; add it to `units`")
            audit.append(tx, now_ms, who, "unit configure", unit_uid)

    def desire(self, wanted: Mapping[str, tuple[str, str]], now_ms: int) -> dict[str, Desired]:
        """Make documents the desired ones; one equal to the latest keeps its version.

        wanted: unit_uid -> (hash, document). Versions count from 1 per unit and
        grow whenever the content changes, so that any number of ingest processes
        agree on them.
        """
        with self._db.read() as tx:
            latest = {
                row[0]: Desired(*row)
                for row in tx.rows(
                    "SELECT d.unit_uid, d.version, d.hash, d.document FROM unit_document d"
                    " WHERE d.version = (SELECT MAX(n.version) FROM unit_document n"
                    " WHERE n.unit_uid = d.unit_uid)"
                )
                if row[0] in wanted
            }
        changed = [
            unit_uid
            for unit_uid, (digest, _) in wanted.items()
            if unit_uid not in latest or latest[unit_uid].hash != digest
        ]
        if not changed:
            return latest
        with self._db.write_beside() as tx:
            for unit_uid in changed:
                latest[unit_uid] = _desire(tx, unit_uid, *wanted[unit_uid], now_ms)
        return latest

    def desired(self, unit_uid: str) -> Desired | None:
        """Give the desired document of a unit; None = none was ever made."""
        with self._db.read() as tx:
            return _desired(tx, unit_uid)

    # ---- reports -------------------------------------------------------------------------

    def report(self, reports: Sequence[Report], now_ms: int) -> None:
        """Keep the latest report per session; sessions that ended fade after a day."""
        with self._db.write_beside() as tx:
            tx.many(
                "INSERT INTO unit_report (unit_uid, session, report, connected, reported_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (unit_uid, session) DO UPDATE SET"
                " report = excluded.report, connected = excluded.connected,"
                " reported_at = excluded.reported_at",
                [
                    (
                        r.unit_uid,
                        r.session,
                        json.dumps(r.report, sort_keys=True),
                        int(r.connected),
                        r.reported_at_ms,
                    )
                    for r in reports
                ],
            )
            tx.run("DELETE FROM unit_report WHERE reported_at < ?", (now_ms - REPORT_KEPT_MS,))

    def reports(self, unit_uid: str | None = None) -> list[Report]:
        """Give the latest report of every session, newest first."""
        where, values = ("", ()) if unit_uid is None else (" WHERE unit_uid = ?", (unit_uid,))
        with self._db.read() as tx:
            return [
                Report(r[0], r[1], json.loads(r[2]), bool(r[3]), r[4])
                for r in tx.rows(
                    "SELECT unit_uid, session, report, connected, reported_at FROM unit_report"
                    f"{where} ORDER BY unit_uid, reported_at DESC, session",
                    values,
                )
            ]


def _declare(tx: Transaction, unit_uid: str, now_ms: int) -> None:
    tx.run(
        "INSERT INTO unit (unit_uid, created_at, revoked_at, reason, overrides, approved_until)"
        " VALUES (?, ?, 0, '', '{}', 0) ON CONFLICT (unit_uid) DO NOTHING",
        (unit_uid, now_ms),
    )


def _check_token(
    tx: Transaction, token_hash: bytes, unit_uid: str, key_hash: bytes, now_ms: int
) -> bool:
    """Say whether the token was used by this very key before; raise if it admits nobody."""
    known = tx.rows("SELECT token_hash, unit_uid, expires_at, used_at, used_by FROM unit_token")
    row = next((r for r in known if hmac.compare_digest(bytes(r[0]), token_hash)), None)
    if row is None:
        raise TokenRefusedError(
            f"the token offered for unit {unit_uid} was never made or is long gone;"
            f" mint one: bluewhale unit token {unit_uid}",
            "token_unknown",
        )
    _, owner, expires_at, used_at, used_by = row
    if owner != unit_uid:
        raise TokenRefusedError(
            f"the token offered for unit {unit_uid} was made for another unit;"
            f" mint one: bluewhale unit token {unit_uid}",
            "token_other_unit",
        )
    if expires_at <= now_ms:
        raise TokenRefusedError(
            f"the token of unit {unit_uid} expired; mint one: bluewhale unit token {unit_uid}",
            "token_expired",
        )
    if used_at and bytes(used_by or b"") != key_hash:
        raise TokenRefusedError(
            f"the token of unit {unit_uid} was used already, by another key; if that was not"
            f" you: bluewhale unit revoke {unit_uid}",
            "token_used",
        )
    return bool(used_at)


def _remember(tx: Transaction, issued: Issued) -> None:
    tx.run(
        "INSERT INTO unit_certificate"
        " (serial, unit_uid, key_hash, not_before, not_after, revoked_at, pem)"
        " VALUES (?, ?, ?, ?, ?, 0, ?)",
        (
            issued.serial,
            issued.unit_uid,
            issued.key_hash,
            issued.not_before_ms,
            issued.not_after_ms,
            issued.pem,
        ),
    )


def _certificates(
    tx: Transaction, where: str, values: Sequence[Any], *, text: str = "pem"
) -> list[Issued]:
    return [
        Issued(r[0], r[1], bytes(r[2]), r[3], r[4], r[5], r[6])
        for r in tx.rows(
            f"SELECT serial, unit_uid, key_hash, not_before, not_after, {text}, revoked_at"
            f" FROM unit_certificate WHERE {where} ORDER BY not_after DESC, serial",
            values,
        )
    ]


def _desire(tx: Transaction, unit_uid: str, digest: str, document: str, now_ms: int) -> Desired:
    latest = _desired(tx, unit_uid)
    if latest is not None and latest.hash == digest:
        return latest  # another process was quicker
    version = 1 if latest is None else latest.version + 1
    tx.run(
        "INSERT INTO unit_document (unit_uid, version, hash, document, created_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (unit_uid, version, digest, document, now_ms),
    )
    tx.run(
        "DELETE FROM unit_document WHERE unit_uid = ? AND version <= ?",
        (unit_uid, version - DOCUMENTS_KEPT),
    )
    return Desired(unit_uid, version, digest, document)


def _desired(tx: Transaction, unit_uid: str) -> Desired | None:
    row = tx.one(
        "SELECT unit_uid, version, hash, document FROM unit_document WHERE unit_uid = ?"
        " ORDER BY version DESC LIMIT 1",
        (unit_uid,),
    )
    return None if row is None else Desired(*row)
