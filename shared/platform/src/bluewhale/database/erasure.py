"""Erasure of a person: what tells of them goes out of calls, lines and files; money stays.

    erasing = Erasing(store)
    legs = erasing.held(person).legs                # of every live call that is theirs
    erasing.hot(person, legs)                       # rows of tables
    erasing.sealed(segment, person, legs, now_ms)   # a segment takes the place of another

Of a call that is theirs go numbers, names, codes, raw lines and what could find it by
a number; times, place, extension, department and every charge stay, under a pseudonym.
Of a line of somebody else's call that names their extension go names and raw line. A
segment is written anew and replaced through the manifest, as records.md says: that and
nothing else rewrites what was sealed. Ids and capture keys stay, so that a line sent
again is not charged as new. What was done is left alone: doing it again changes nothing.
Does not own the order of steps or their proof (`bluewhale.jobs.erasing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import compaction, keys, tables
from bluewhale.database.columns import rows_table
from bluewhale.database.lookup import CALL_COLUMNS, LEG_COLUMNS
from bluewhale.database.postings import Rows, join_entries
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import live_segments
from bluewhale.database.store import SEALING
from bluewhale.records.enums import Flag
from bluewhale.records.schemas import LEG_SCHEMA, WORD

if TYPE_CHECKING:
    from bluewhale.database.engine import Transaction
    from bluewhale.database.segments import Segment
    from bluewhale.database.store import Store

Bools = npt.NDArray[np.bool_]

ERASED = int(Flag.ERASED)
_PARTIES = ("calling", "called", "connected", "redirecting")
_NAMES = ("calling_name", "called_name")
_EXTENSIONS = ("calling_extension", "called_extension")
_OF_A_LEG = (
    "native_key",
    "join_keys",
    *(f"{party}_number" for party in _PARTIES),
    *(f"{party}_e164" for party in _PARTIES),
    *_EXTENSIONS,
    *_NAMES,
    "agent_id",
    "account_code",
    "authorization_code",
)
_OF_A_CALL = (
    "calling",
    "called",
    "calling_e164",
    "called_e164",
    "first_destination",
    "final_destination",
)
_PLACED = ("site_uid", *_EXTENSIONS, *(f"{party}_number" for party in _PARTIES))
_LEG_LOOK = ["cdr_id", "raw", "flags", "setup_at", "received_at", *_PLACED]
_CALL_LOOK = ["call_id", "version", "leg_ids", "started_at", "site_uid", "extension", "person_uid"]
_GONE = b""


@dataclass(frozen=True, slots=True)
class Place:
    """An extension that was somebody's in [from_ms, until_ms); None = without bound."""

    site_uid: str
    extension: str
    from_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Person:
    """Whose data goes, by which pseudonym it is counted from now on, and where they sat."""

    uid: str
    pseudonym: str
    places: tuple[Place, ...] = ()


@dataclass(slots=True)
class Erased:
    """What one step took away: of calls of theirs, their legs, and lines of others' calls."""

    calls: int = 0
    legs: int = 0
    lines: int = 0
    segments: int = 0
    made: str = ""  # the segment that took the place


@dataclass(slots=True)
class Held:
    """What is theirs now, without having changed anything."""

    calls: int = 0
    segments: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    ids: set[bytes] = field(default_factory=set)  # of the calls
    legs: set[bytes] = field(default_factory=set)

    def add(self, calls: pa.Table, *, sealed: bool) -> None:
        """Count live calls."""
        if not calls.num_rows:
            return
        started = keys.integers(calls.column("started_at"))
        self.calls += calls.num_rows
        self.segments += sealed
        self.ids.update(calls.column("call_id").to_pylist())
        self.first_ms = min(int(started.min()), self.first_ms or int(started.min()))
        self.last_ms = max(int(started.max()), self.last_ms or 0)
        self.legs.update(keys.one_array(calls.column("leg_ids")).flatten().to_pylist())

    def digest(self) -> str:
        """Give SHA-256, hex, over the ids of calls and then of legs, each in their order."""
        return hashlib.sha256(b"".join([*sorted(self.ids), *sorted(self.legs)])).hexdigest()


class Erasing:
    """Looks for what is a person's in one store, and takes it out; one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, person: Person) -> Held:
        """Count what is theirs; reads four columns of every segment."""
        found = Held()
        with self._store.db.read() as tx:
            for segment in self._store.files.live(tx):
                found.add(self._theirs(tx, segment, person), sealed=True)
            hot = _hot_calls(tx, person, "live = 1")
        found.add(hot, sealed=False)
        return found

    def segments(self) -> list[Segment]:
        """Give the live segments."""
        with self._store.db.read() as tx:
            return live_segments(tx)

    def _theirs(self, tx: Transaction, segment: Segment, person: Person) -> pa.Table:
        """Give their live calls of a segment, with the columns that are looked at."""
        calls = self._look(segment, "call", _CALL_LOOK)
        calls = calls.filter(pa.array(_mine(calls, person)))
        return calls.filter(pa.array(_live(tx, calls)))

    def _look(self, segment: Segment, kind: str, columns: Sequence[str]) -> pa.Table:
        rows = segment.call_rows if kind == "call" else segment.leg_rows
        taken = self._store.files.take(segment, kind, np.arange(rows), columns)
        return taken.select(list(columns))

    # ---- hot rows ----------------------------------------------------------------------

    def hot(self, person: Person, legs: Collection[bytes]) -> Erased:
        """Take what is theirs out of the tables, in one transaction.

        legs: those of all their calls, hot and sealed.
        """
        with self._store.db.write() as tx:
            calls = _hot_calls(tx, person, "1 = 1")
            names = _named_hot(tx, person)
            stored = _hot_legs(tx, {*legs, *names})
            ids = stored.column("cdr_id").to_pylist()
            whole = [i for i in ids if i in legs]
            lines = [i for i in ids if i not in legs]
            _erase_calls(tx, calls, person)
            fresh = _flags_off(stored, whole)
            _erase_legs(tx, stored, whole)
            tx.run_in(
                f"UPDATE leg SET raw = ?, {_nulls(_NAMES)} WHERE cdr_id IN ({{marks}})",
                lines,
                (_GONE,),
            )
            _erase_aside(tx, {*legs, *names})
        return Erased(calls.num_rows, fresh, len(lines))

    # ---- sealed files ------------------------------------------------------------------

    def sealed(
        self, segment: Segment, person: Person, legs: Collection[bytes], now_ms: int
    ) -> Erased | None:
        """Let a segment without what is theirs take the place of one; None = try again later.

        An empty answer: it holds nothing of theirs, and stays.
        """
        with self._store.db.sole(SEALING) as mine:
            if not mine:
                return None
            look = self._look(segment, "leg", _LEG_LOOK)
            whole, lines = _parts(look, person, legs)
            calls = self._look(segment, "call", _CALL_LOOK)
            theirs = _mine(calls, person)
            if not (whole.any() or lines.any() or theirs.any()):
                return Erased()
            rows = compaction.rows_of(self._store.files, segment)
            rows = Rows(
                _without_legs(rows.legs, whole, lines), rows.leg_call,
                _without_calls(rows.calls, theirs, person), rows.charges, rows.places,
            )  # fmt: skip
            aside = look.filter(pa.array(whole | lines)).column("cdr_id").to_pylist()

            def live(tx: Transaction, entry: dict[str, Any]) -> bool:
                _erase_aside(tx, aside)
                return compaction.replace(
                    tx, self._store.files, [segment], rows, entry, now_ms, why="segment_erased"
                )

            entry = self._store.with_files(rows, now_ms, live)
        if entry is None:
            return None
        return Erased(int(theirs.sum()), int(whole.sum()), int(lines.sum()), 1, entry["segment_id"])

    def scrub(self) -> None:
        """Overwrite what deleted and changed rows left behind in the engine's files, where it can."""
        self._store.db.scrub()


def _mine(calls: pa.Table, person: Person) -> Bools:
    """Say which calls are theirs: by name, or of nobody and of their extension at the time."""
    owner = calls.column("person_uid").cast(pa.string())
    mine = _true(pc.equal(owner, person.uid))
    if person.places:
        nobody = np.asarray(owner.is_null())
        started = keys.integers(calls.column("started_at"))
        mine |= nobody & _placed(calls, started, person.places, ("extension",))
    return mine


def _parts(legs: pa.Table, person: Person, whole: Collection[bytes]) -> tuple[Bools, Bools]:
    """Say which legs of a look are theirs, and which only name them; what is done is left out."""
    flags = keys.integers(legs.column("flags"))
    open_ = (flags & ERASED) == 0
    mine = np.array([i in whole for i in legs.column("cdr_id").to_pylist()], np.bool_) & open_
    at = keys.integers(pc.coalesce(legs.column("setup_at"), legs.column("received_at")))
    kept = ~_true(pc.equal(pc.binary_length(legs.column("raw")), 0))
    named = _placed(legs, at, person.places, _PLACED[1:])
    return mine, named & kept & open_ & ~mine


def _placed(
    rows: pa.Table, at: keys.Ints, places: Iterable[Place], columns: Sequence[str]
) -> Bools:
    found = np.zeros(rows.num_rows, np.bool_)
    for place in places:
        there = _true(pc.equal(rows.column("site_uid").cast(pa.string()), place.site_uid))
        if place.from_ms is not None:
            there &= at >= place.from_ms
        if place.until_ms is not None:
            there &= at < place.until_ms
        if not there.any():
            continue
        named = np.zeros(rows.num_rows, np.bool_)
        for column in columns:
            named |= _true(pc.equal(rows.column(column), place.extension))
        found |= there & named
    return found


def _true(column: pa.ChunkedArray | pa.Array) -> Bools:
    filled = pc.fill_null(column, fill_value=False)
    return np.array(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array)
                    else filled.to_numpy(), np.bool_)  # fmt: skip


def _live(tx: Transaction, calls: pa.Table) -> Bools:
    """Say which rows of a segment are live versions."""
    ids, versions = calls.column("call_id").to_pylist(), calls.column("version").to_pylist()
    gone = set(
        tx.rows_in("SELECT call_id, version FROM superseded WHERE call_id IN ({marks})", ids)
    )
    gone = {(bytes(call_id), version) for call_id, version in gone}
    return np.array([pair not in gone for pair in zip(ids, versions, strict=True)], np.bool_)


# ---- tables ----------------------------------------------------------------------------


def _span(place: Place, column: str) -> tuple[str, list[Any]]:
    """Give the condition of a place's time."""
    parts, values = [], []
    for sign, bound in ((">=", place.from_ms), ("<", place.until_ms)):
        if bound is not None:
            parts.append(f" AND {column} {sign} ?")
            values.append(bound)
    return "".join(parts), values


def _hot_calls(tx: Transaction, person: Person, condition: str) -> pa.Table:
    """Give their hot call versions (STORED_CALL_SCHEMA)."""
    head = f"SELECT {CALL_COLUMNS} FROM call_version WHERE {condition}"
    rows = tx.rows(f"{head} AND person_uid = ?", (person.uid,))
    for place in person.places:
        when, values = _span(place, "started_at")
        rows += tx.rows(
            f"{head} AND person_uid IS NULL AND site_uid = ? AND extension = ?{when}",
            (place.site_uid, place.extension, *values),
        )
    return rows_table(rows, STORED_CALL_SCHEMA)


def _named_hot(tx: Transaction, person: Person) -> set[bytes]:
    """Give the hot legs that name an extension of theirs, and have a raw line yet."""
    found: set[bytes] = set()
    for place in person.places:
        when, values = _span(place, "COALESCE(setup_at, received_at)")
        either = " OR ".join(f"{column} = ?" for column in _PLACED[1:])
        rows = tx.rows(
            f"SELECT cdr_id FROM leg WHERE site_uid = ? AND raw <> ? AND ({either}){when}",
            (place.site_uid, _GONE, *[place.extension] * len(_PLACED[1:]), *values),
        )
        found.update(bytes(row[0]) for row in rows)
    return found


def _hot_legs(tx: Transaction, ids: Collection[bytes]) -> pa.Table:
    sql = f"SELECT {LEG_COLUMNS} FROM leg WHERE cdr_id IN ({{marks}})"
    return rows_table(tx.rows_in(sql, sorted(ids)), LEG_SCHEMA)


def _flags_off(legs: pa.Table, ids: Collection[bytes]) -> int:
    """Count those of `ids` that are not erased yet."""
    wanted = set(ids)
    flags = keys.integers(legs.column("flags")).tolist()
    return sum(
        i in wanted and not f & ERASED
        for i, f in zip(legs.column("cdr_id").to_pylist(), flags, strict=True)
    )


def _nulls(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}" = NULL' for column in columns)


def _erase_calls(tx: Transaction, calls: pa.Table, person: Person) -> None:
    named = calls.select(["call_id", "version"])
    pairs = list(zip(*(named.column(n).to_pylist() for n in ("call_id", "version")), strict=True))
    tx.many(
        f"UPDATE call_version SET {_nulls(_OF_A_CALL)}, person_uid = ?,"
        " flags = COALESCE(flags, 0) | ? WHERE call_id = ? AND version = ?",
        [(person.pseudonym, ERASED, call_id, version) for call_id, version in pairs],
    )
    tx.delete(tables.call_number, named)


def _erase_legs(tx: Transaction, stored: pa.Table, ids: Sequence[bytes]) -> None:
    """Take everything out of hot legs, and the keys that they could be found by."""
    mine = stored.filter(pc.is_in(stored.column("cdr_id"), pa.array(ids, pa.binary(16))))
    key, at, _, row = join_entries(mine)
    found = keys.one_array(mine.column("cdr_id"))
    entries = {"join_key": key, "join_at": at, "cdr_id": found.take(pa.array(row))}
    tx.delete(tables.leg_key, pa.table(entries))
    tx.run_in(
        f"UPDATE leg SET raw = ?, {_nulls(_OF_A_LEG)}, flags = COALESCE(flags, 0) | ?"
        " WHERE cdr_id IN ({marks})",
        ids,
        (_GONE, ERASED),
    )


def _erase_aside(tx: Transaction, ids: Collection[bytes]) -> None:
    """Take the line out of records beside legs: those that came twice, those that waited."""
    listed = sorted(ids)
    tx.run_in("UPDATE duplicate SET raw = ? WHERE cdr_id IN ({marks})", listed, (_GONE,))
    tx.run_in("UPDATE duplicate SET raw = ? WHERE made_cdr_id IN ({marks})", listed, (_GONE,))
    tx.run_in(
        "UPDATE suspense SET raw = ?, detail = NULL WHERE applied_cdr_id IN ({marks})",
        listed,
        (_GONE,),
    )


# ---- columns ---------------------------------------------------------------------------


def _blank(table: pa.Table, columns: Iterable[str], gone: Bools) -> pa.Table:
    """Give a table with nulls in some rows of some columns, whatever their type."""
    kept = pa.array(np.arange(table.num_rows), mask=gone)
    for name in columns:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), table.column(at).take(kept))
    return table


def _flagged(table: pa.Table, gone: Bools) -> pa.Table:
    at = table.schema.get_field_index("flags")
    flags = keys.integers(table.column(at)) | np.where(gone, ERASED, 0)
    return table.set_column(at, table.schema.field(at), pa.array(flags, pa.int64()))


def _without_legs(legs: pa.Table, whole: Bools, lines: Bools) -> pa.Table:
    legs = _blank(legs, _NAMES, lines)
    legs = _flagged(_blank(legs, _OF_A_LEG, whole), whole)
    at = legs.schema.get_field_index("raw")
    raw = pc.if_else(pa.array(whole | lines), pa.scalar(_GONE, pa.binary()), legs.column(at))
    return legs.set_column(at, legs.schema.field(at), raw)


def _without_calls(calls: pa.Table, theirs: Bools, person: Person) -> pa.Table:
    calls = _flagged(_blank(calls, _OF_A_CALL, theirs), theirs)
    at = calls.schema.get_field_index("person_uid")
    owner = calls.column(at).cast(pa.string())
    owner = pc.if_else(pa.array(theirs), pa.scalar(person.pseudonym), owner)
    return calls.set_column(
        at, calls.schema.field(at), keys.one_array(owner).dictionary_encode().cast(WORD)
    )
