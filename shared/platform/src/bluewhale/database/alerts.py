"""Alerts: what rules found, the calls that did it, who has seen it, and who is still to be told.

    alerts.keep(tx, findings, owner_of, now_ms)      # in the transaction of their calls
    found, place = Alerts(db).listed(AlertFilter(states={"open"}), limit=50)
    Alerts(db).change(alert_id, "acknowledged", who="ana", now_ms=...)

An alert is one rule, one object and one window; a leg counts once per rule, so whatever
is read, proposed or stored again tells nobody twice. Deliveries are rows beside it, of
the same transaction. Does not own rules (`bluewhale.alerting`) or how anybody is told
(`bluewhale.billing`). Times are int64 milliseconds UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import sqlalchemy as sa
from bluewhale.database import audit
from bluewhale.database.counters import next_value
from bluewhale.database.exceptions import NotFoundError, StateError
from bluewhale.database.tables import metadata

if TYPE_CHECKING:
    from bluewhale.database.engine import Database, Transaction
    from bluewhale.records.findings import Finding

AlertState = Literal["open", "acknowledged", "snoozed", "closed"]
STATES: tuple[AlertState, ...] = get_args(AlertState)
PageKey = tuple[int, bytes]  # opened_at in ms, alert_id


def _text(name: str, *, known: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=not known)


def _number(name: str, *, known: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=not known)


alert = sa.Table(
    "alert",
    metadata,
    sa.Column("alert_id", sa.LargeBinary, primary_key=True),
    _text("rule_uid"),
    _text("name"),
    _text("kind"),
    _text("severity"),
    _text("object_kind"),
    _text("object_uid"),
    _text("site_uid", known=False),
    _text("department_uid", known=False),
    _number("opened_at"),
    _number("first_at"),
    _number("last_at"),
    _number("calls"),
    _text("measured"),  # JSON: what was found last, and against what
    _text("state"),
    _number("until", known=False),  # of a snooze
    _number("openings"),  # a call more opens what was closed
    _number("changed_at"),
    _text("changed_by"),
    _number("stamp"),  # grows with every change
    sa.Index("alert_by_opening", "opened_at", "alert_id"),
    sa.Index("alert_by_stamp", "stamp"),
)

# Which legs a rule has told of: the gate against telling twice.
alert_leg = sa.Table(
    "alert_leg",
    metadata,
    sa.Column("rule_uid", sa.Text, primary_key=True),
    sa.Column("cdr_id", sa.LargeBinary, primary_key=True),
    sa.Column("alert_id", sa.LargeBinary, nullable=False),
    sa.Column("call_id", sa.LargeBinary, nullable=False),
    sa.Index("alert_leg_by_alert", "alert_id"),
    sqlite_with_rowid=False,
)

alert_delivery = sa.Table(
    "alert_delivery",
    metadata,
    sa.Column("alert_id", sa.LargeBinary, primary_key=True),
    sa.Column("opening", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("channel", sa.Text, primary_key=True),
    _text("state"),  # waiting, sent, failed
    _number("attempts"),
    _number("next_at"),
    _number("changed_at"),
    _text("error"),
    sa.Index("alert_delivery_due", "state", "next_at"),
)

_COLUMNS = (
    "alert_id, rule_uid, name, kind, severity, object_kind, object_uid, site_uid, department_uid,"
    " opened_at, first_at, last_at, calls, measured, state, until, openings, changed_at,"
    " changed_by, stamp"
)
_INSERT = f"INSERT INTO alert ({_COLUMNS}) VALUES ({', '.join('?' * 20)}) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """One alert as stored; a snooze that is over reads as open."""

    alert_id: bytes
    rule_uid: str
    name: str
    kind: str
    severity: str
    object_kind: str
    object_uid: str
    site_uid: str | None
    department_uid: str | None
    opened_at_ms: int
    first_at_ms: int
    last_at_ms: int
    calls: int
    measured: Mapping[str, str]
    state: AlertState
    until_ms: int | None
    openings: int
    changed_at_ms: int
    changed_by: str
    stamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts; None = any. `departments` passes over alerts that are of none."""

    states: frozenset[str] | None = None
    sites: frozenset[str] | None = None
    departments: frozenset[str] | None = None
    rule_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one channel that is still to be sent."""

    alert_id: bytes
    opening: int
    channel: str
    attempts: int
    next_at_ms: int


@dataclass(slots=True)
class Kept:
    """What became of findings: alerts that opened, and calls that other alerts got more."""

    opened: list[bytes] = field(default_factory=list)
    calls: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """A finding with the live call that it is about; `new` = its rule told of no leg of it."""

    found: Finding
    call_id: bytes | None
    new: bool
    grown: bool  # some legs were told of, others not


def keep(
    tx: Transaction,
    findings: Iterable[Finding],
    owner_of: Callable[[Sequence[bytes]], bytes | None],
    now_ms: int,
) -> Kept:
    """Store what rules found, in the transaction of the calls it is about.

    owner_of: gives the live call that holds all of some legs, None = there is none; what
    is about no such call is left out: it is found again when the call is stored. The
    statements are as many as there are alerts, however many calls each has.
    """
    standing = []
    for found in sorted(findings, key=lambda f: f.at_ms):
        call_id = owner_of(found.leg_ids) if found.leg_ids else None
        if call_id is not None or not found.leg_ids:
            standing.append((found, call_id))
    told = _told(tx, [found for found, _ in standing])
    entries: dict[bytes, list[_Entry]] = {}
    for found, call_id in standing:
        before = [told.get((found.rule_uid, leg)) for leg in found.leg_ids]
        alert_id = next((known for known in before if known is not None), found.alert_id)
        new = all(known is None for known in before)
        entry = _Entry(found, call_id, new, grown=not new and None in before)
        entries.setdefault(alert_id, []).append(entry)
        told.update({(found.rule_uid, leg): alert_id for leg in found.leg_ids})
    kept = Kept()
    for alert_id in sorted(entries):  # in one order, or two transactions wait for each other
        _keep_alert(tx, alert_id, entries[alert_id], now_ms, kept)
    return kept


def _told(tx: Transaction, findings: Sequence[Finding]) -> dict[tuple[str, bytes], bytes]:
    """Give the alerts that rules opened for legs before."""
    legs: dict[str, set[bytes]] = {}
    for found in findings:
        legs.setdefault(found.rule_uid, set()).update(found.leg_ids)
    return {
        (rule_uid, bytes(cdr_id)): bytes(alert_id)
        for rule_uid, ids in sorted(legs.items())
        for alert_id, cdr_id in tx.rows_in(
            "SELECT alert_id, cdr_id FROM alert_leg WHERE rule_uid = ? AND cdr_id IN ({marks})",
            sorted(ids),
            (rule_uid,),
        )
    }


def _keep_alert(
    tx: Transaction, alert_id: bytes, entries: Sequence[_Entry], now_ms: int, kept: Kept
) -> None:
    rows = {
        (e.found.rule_uid, leg): (e.found.rule_uid, leg, alert_id, e.call_id)
        for e in entries
        for leg in e.found.leg_ids
    }
    tx.many(
        # a call that grew may go by another name
        "INSERT INTO alert_leg VALUES (?, ?, ?, ?) ON CONFLICT (rule_uid, cdr_id)"
        " DO UPDATE SET call_id = excluded.call_id",
        [rows[key] for key in sorted(rows)],
    )
    new = [e for e in entries if e.new]
    if not new and not any(e.grown for e in entries):
        return
    stamp = next_value(tx, "alert")
    if new:
        first = new[0].found
        opened = tx.run(_INSERT, _row(first, alert_id, now_ms, stamp)) == 1
        if not opened and not first.leg_ids:
            return  # a silence is told once
        opening = 1 if opened else _one_more(tx, alert_id, now_ms)
        if opened:
            kept.opened.append(alert_id)
        kept.calls += len(new) - opened
        tx.many(
            "INSERT INTO alert_delivery VALUES (?, ?, ?, 'waiting', 0, ?, ?, '')"
            " ON CONFLICT DO NOTHING",
            [(alert_id, opening, to, now_ms, now_ms) for to in sorted({*first.to})],
        )
    last = entries[-1].found
    tx.run(
        "UPDATE alert SET measured = ?, stamp = ?,"
        " last_at = CASE WHEN last_at > ? THEN last_at ELSE ? END,"
        " first_at = CASE WHEN first_at < ? THEN first_at ELSE ? END,"
        " calls = (SELECT COUNT(DISTINCT call_id) FROM alert_leg WHERE alert_id = ?)"
        " WHERE alert_id = ?",
        (
            json.dumps(dict(last.measured)), stamp, last.at_ms, last.at_ms,
            entries[0].found.at_ms, entries[0].found.at_ms, alert_id, alert_id,
        ),
    )  # fmt: skip


def _one_more(tx: Transaction, alert_id: bytes, now_ms: int) -> int:
    """Let an alert have a call more: it opens what was closed. Gives how often it opened."""
    row = tx.one(
        "UPDATE alert SET openings = CASE WHEN state = 'closed' THEN openings + 1 ELSE openings END,"
        " opened_at = CASE WHEN state = 'closed' THEN ? ELSE opened_at END,"
        " state = CASE WHEN state = 'closed' THEN 'open' ELSE state END"
        " WHERE alert_id = ? RETURNING openings",
        (now_ms, alert_id),
    )
    assert row is not None
    return int(row[0])


def _row(found: Finding, alert_id: bytes, now_ms: int, stamp: int) -> tuple[Any, ...]:
    return (
        alert_id, found.rule_uid, found.name, found.kind, found.severity, found.object_kind,
        found.object_uid, found.site_uid, found.department_uid, now_ms, found.at_ms, found.at_ms,
        1 if found.leg_ids else 0, json.dumps(dict(found.measured)), "open", None, 1, now_ms, "",
        stamp,
    )  # fmt: skip


def _stored(row: Sequence[Any], now_ms: int) -> StoredAlert:
    found = StoredAlert(
        alert_id=bytes(row[0]), rule_uid=row[1], name=row[2], kind=row[3], severity=row[4],
        object_kind=row[5], object_uid=row[6], site_uid=row[7], department_uid=row[8],
        opened_at_ms=row[9], first_at_ms=row[10], last_at_ms=row[11], calls=row[12],
        measured=json.loads(row[13]), state=row[14], until_ms=row[15], openings=row[16],
        changed_at_ms=row[17], changed_by=row[18], stamp=row[19],
    )  # fmt: skip
    if found.state == "snoozed" and (found.until_ms or 0) <= now_ms:
        return replace(found, state="open", until_ms=None)
    return found


class Alerts:
    """Alerts as people and channels meet them; any thread, any number of processes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def listed(
        self, wanted: AlertFilter, *, limit: int, now_ms: int, after: PageKey | None = None
    ) -> list[StoredAlert]:
        """Give alerts, those that opened last first; `after` = the last of the page before."""
        condition, values = _where(wanted, now_ms)
        if after is not None:
            condition += " AND (opened_at < ? OR (opened_at = ? AND alert_id < ?))"
            values += [after[0], after[0], after[1]]
        with self._db.read() as tx:
            rows = tx.rows(
                f"SELECT {_COLUMNS} FROM alert WHERE {condition}"
                " ORDER BY opened_at DESC, alert_id DESC LIMIT ?",
                [*values, limit],
            )
        return [_stored(row, now_ms) for row in rows]

    def count(self, wanted: AlertFilter, *, now_ms: int) -> int:
        """Count alerts."""
        condition, values = _where(wanted, now_ms)
        with self._db.read() as tx:
            row = tx.one(f"SELECT COUNT(*) FROM alert WHERE {condition}", values)
        assert row is not None
        return int(row[0])

    def get(self, alert_id: bytes, *, now_ms: int) -> StoredAlert:
        """Give one alert.

        Raises
        ------
        NotFoundError
            There is none of that id.
        """
        with self._db.read() as tx:
            row = tx.one(f"SELECT {_COLUMNS} FROM alert WHERE alert_id = ?", (alert_id,))
        if row is None:
            raise NotFoundError("there is no such alert")
        return _stored(row, now_ms)

    def calls_of(self, alert_id: bytes, limit: int = 1_000) -> list[bytes]:
        """Give the calls that did it, by their ids, the latest first."""
        with self._db.read() as tx:
            rows = tx.rows(
                "SELECT DISTINCT call_id FROM alert_leg WHERE alert_id = ?"
                " ORDER BY call_id DESC LIMIT ?",
                (alert_id, limit),
            )
        return [bytes(row[0]) for row in rows]

    def stamp(self) -> int:
        """Give a number that grows with every change of any alert."""
        with self._db.read() as tx:
            row = tx.one("SELECT MAX(stamp) FROM alert")
        return int(row[0] or 0) if row else 0

    def change(
        self,
        alert_id: bytes,
        state: AlertState,
        *,
        who: str,
        now_ms: int,
        until_ms: int | None = None,
    ) -> StoredAlert:
        """Move an alert to another state, audited; the same state again changes nothing.

        Raises
        ------
        NotFoundError, StateError
            There is none; or it is closed: a call more opens it, nothing else.
        """
        with self._db.write_beside() as tx:
            row = tx.one(f"SELECT {_COLUMNS} FROM alert WHERE alert_id = ?", (alert_id,))
            if row is None:
                raise NotFoundError("there is no such alert")
            before = _stored(row, now_ms)
            if (before.state, before.until_ms) == (state, until_ms):
                return before
            if before.state == "closed":
                raise StateError("this alert is closed; it opens again with the next call")
            stamp = next_value(tx, "alert")
            tx.run(
                "UPDATE alert SET state = ?, until = ?, changed_at = ?, changed_by = ?, stamp = ?"
                " WHERE alert_id = ?",
                (state, until_ms, now_ms, who, stamp, alert_id),
            )
            audit.append(tx, now_ms, who, f"alert_{state}", f"{before.rule_uid} {alert_id.hex()}")
            return replace(
                before, state=state, until_ms=until_ms, changed_at_ms=now_ms, changed_by=who,
                stamp=stamp,
            )  # fmt: skip

    def note(self, findings: Collection[Finding], *, now_ms: int) -> Kept:
        """Store what was found without a call: silences; the same again tells nobody."""
        with self._db.read() as tx:
            ids = {found.alert_id for found in findings}
            rows = tx.rows_in("SELECT alert_id FROM alert WHERE alert_id IN ({marks})", ids)
        told = {bytes(row[0]) for row in rows}
        findings = [found for found in findings if found.alert_id not in told]
        if not findings:
            return Kept()
        with self._db.write_beside() as tx:
            return keep(tx, findings, lambda _legs: None, now_ms)

    def heard_again(self, object_uid: str, last_at_ms: int, *, now_ms: int) -> int:
        """Close the silences of a PBX that was heard after they began; gives their count."""
        silent = (
            "SELECT alert_id FROM alert WHERE kind = 'silent_pbx' AND object_uid = ?"
            " AND last_at < ? AND state <> 'closed' ORDER BY alert_id"
        )
        with self._db.read() as tx:
            if not tx.rows(silent, (object_uid, last_at_ms)):
                return 0
        with self._db.write_beside() as tx:
            rows = tx.rows(silent, (object_uid, last_at_ms))
            for (alert_id,) in rows:
                tx.run(
                    "UPDATE alert SET state = 'closed', until = NULL, changed_at = ?,"
                    " changed_by = '', stamp = ? WHERE alert_id = ?",
                    (now_ms, next_value(tx, "alert"), alert_id),
                )
            return len(rows)

    def forget(self, before_ms: int, *, limit: int = 1_000) -> int:
        """Remove alerts that nobody and no call changed since, with their calls and messages.

        A silence that lasts stays, or it would be told anew. Gives the count, at most `limit`.
        """
        old = (
            "SELECT alert_id FROM alert WHERE opened_at < ? AND last_at < ? AND changed_at < ?"
            " AND NOT (kind = 'silent_pbx' AND state <> 'closed') ORDER BY opened_at LIMIT ?"
        )
        values = (before_ms, before_ms, before_ms, limit)
        with self._db.read() as tx:
            if not tx.rows(old, values):
                return 0
        with self._db.write_beside() as tx:
            ids = [bytes(row[0]) for row in tx.rows(old, values)]
            for table in ("alert_leg", "alert_delivery", "alert"):
                tx.run_in(f"DELETE FROM {table} WHERE alert_id IN ({{marks}})", ids)
        return len(ids)

    # ---- deliveries ----------------------------------------------------------------------

    def due(self, *, now_ms: int, limit: int = 20) -> list[Delivery]:
        """Give messages whose time has come, those that wait longest first."""
        with self._db.read() as tx:
            rows = tx.rows(
                "SELECT alert_id, opening, channel, attempts, next_at FROM alert_delivery"
                " WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at, alert_id LIMIT ?",
                (now_ms, limit),
            )
        return [Delivery(bytes(r[0]), r[1], r[2], r[3], r[4]) for r in rows]

    def take(self, delivery: Delivery, *, until_ms: int, now_ms: int) -> bool:
        """Take a message to send it; False = another worker has it. Not sent by `until_ms`, anybody may."""
        with self._db.write_beside() as tx:
            changed = tx.run(
                "UPDATE alert_delivery SET next_at = ?, attempts = attempts + 1, changed_at = ?"
                " WHERE alert_id = ? AND opening = ? AND channel = ? AND state = 'waiting'"
                " AND next_at = ?",
                (
                    until_ms, now_ms, delivery.alert_id, delivery.opening, delivery.channel,
                    delivery.next_at_ms,
                ),
            )  # fmt: skip
        return changed == 1

    def settle(
        self, delivery: Delivery, *, error: str, again_at_ms: int | None, now_ms: int
    ) -> None:
        """Note what came of a message: sent (no error), tried again later, or given up."""
        state = "sent" if not error else "failed" if again_at_ms is None else "waiting"
        with self._db.write_beside() as tx:
            tx.run(
                "UPDATE alert_delivery SET state = ?, next_at = ?, error = ?, changed_at = ?"
                " WHERE alert_id = ? AND opening = ? AND channel = ?",
                (
                    state, again_at_ms or now_ms, error[:500], now_ms, delivery.alert_id,
                    delivery.opening, delivery.channel,
                ),
            )  # fmt: skip

    def deliveries(self, alert_id: bytes) -> list[tuple[str, int, str, int, int, str]]:
        """Give what was sent of an alert: channel, opening, state, attempts, changed_at, error."""
        with self._db.read() as tx:
            rows = tx.rows(
                "SELECT channel, opening, state, attempts, changed_at, error FROM alert_delivery"
                " WHERE alert_id = ? ORDER BY opening, channel",
                (alert_id,),
            )
        return [(r[0], r[1], r[2], r[3], r[4], r[5]) for r in rows]


def _where(wanted: AlertFilter, now_ms: int) -> tuple[str, list[Any]]:
    parts = ["1 = 1"]
    values: list[Any] = []
    for column, listed in (("site_uid", wanted.sites), ("department_uid", wanted.departments)):
        if listed is not None:
            marks = ", ".join("?" * len(listed)) or "NULL"
            parts.append(f"{column} IN ({marks})")
            values += sorted(listed)
    if wanted.rule_uid is not None:
        parts.append("rule_uid = ?")
        values.append(wanted.rule_uid)
    if wanted.states is not None:
        marks = ", ".join("?" * len(wanted.states)) or "NULL"
        now_is = "CASE WHEN state = 'snoozed' AND until <= ? THEN 'open' ELSE state END"
        parts.append(f"{now_is} IN ({marks})")
        values += [now_ms, *sorted(wanted.states)]
    return " AND ".join(parts), values
