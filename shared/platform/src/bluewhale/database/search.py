"""Finding calls: hot rows and sealed segments as one list, newest first.

By number and by person, sorted postings lead straight to the rows: no file is scanned.
Other questions are asked of the columns that the filter names; of those that are more than
plain words DuckDB says which rows match.
Pages are keyset pages: `after` is the last (started_at, call_id) of the page
before, so that new calls do not shift them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import keys
from bluewhale.database.call_filter import (
    CallFilter,
    milliseconds,
    number_key,
    plain_values,
    where,
)
from bluewhale.database.columnar import Columnar, sealed_sql
from bluewhale.database.columns import conform, empty_table, own_words, rows_table
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import NotFoundError
from bluewhale.database.keys import Ints
from bluewhale.database.lookup import Lookup
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import Segment, SegmentFolder
from bluewhale.records import ids
from bluewhale.records.enums import CallState

PAGE_ROWS_MAX = 1_000_000
_HOT_AT_ONCE = 10_000  # rows whose JSON is held at once
_FETCH_ROWS = 16  # sealed rows fetched at once behind a posting, newest first
_KEYS = frozenset({"call_id", "version", "started_at"})  # what order and versions need
PAGE_KEY_COLUMNS = ("started_at", "call_id")
_COLUMN = re.compile(r'\bc\."?(\w+)')

PageKey = tuple[int, bytes]  # started_at in ms, call_id
_Places = list[tuple[Segment, list[int]]]  # segments, and rows of each


def search(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    call_filter: CallFilter,
    limit: int,
    after: PageKey | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Give live calls that match, newest first, at most `limit`.

    columns: of STORED_CALL_SCHEMA, in the order given; None = all of them.
    """
    limit = min(limit, PAGE_ROWS_MAX)
    key = number_key(call_filter)
    given = STORED_CALL_SCHEMA.names if columns is None else list(columns)
    needed = _KEYS.union(given)
    schema = pa.schema(
        [f for f in STORED_CALL_SCHEMA if f.name in needed], STORED_CALL_SCHEMA.metadata
    )
    if limit <= 0 or key == keys.NO_NUMBER:
        return schema.empty_table().select(given)
    hot = _hot(tx, call_filter, key, limit, after, schema)
    segments = in_time(lookup.segments, call_filter, after)
    sealed = _sealed(lookup, columnar, segments, call_filter, limit, after, schema)
    return own_words(newest(pa.concat_tables([hot, sealed]), limit).select(given))


def newest(calls: pa.Table, limit: int) -> pa.Table:
    """Give the newest calls first; equal moments by id, descending."""
    if calls.num_rows == 0:
        return calls
    started = keys.integers(calls.column("started_at"), -(2**62))
    high, low = keys.id_words(calls.column("call_id"))
    order = np.lexsort((low, high, started))[::-1][:limit]
    return calls.take(pa.array(order.copy()))


def in_time(
    segments: Sequence[Segment], f: CallFilter, after: PageKey | None = None
) -> list[Segment]:
    """Give the segments that may hold calls of a filter, by their time and sites."""
    first = milliseconds(f.from_at) if f.from_at else None
    last = milliseconds(f.until_at) if f.until_at else None
    last = min((x for x in (last, after[0] + 1 if after else None) if x is not None), default=None)
    return [
        s
        for s in segments
        if s.started is not None
        and (first is None or s.started[1] >= first)
        and (last is None or s.started[0] < last)
        and (f.site is None or f.site in s.sites)
        and (f.sites is None or not set(f.sites).isdisjoint(s.sites))
    ]


def _hot(
    tx: Transaction,
    f: CallFilter,
    key: int | None,
    limit: int,
    after: PageKey | None,
    schema: pa.Schema,
) -> pa.Table:
    condition, values = where(f, tx.dialect)
    if after is not None:
        condition += " AND (c.started_at < ? OR (c.started_at = ? AND c.call_id < ?))"
        values += [after[0], after[0], after[1]]
    # "+" keeps SQLite from walking all live rows where a better index leads there.
    live = "c.live = 1" if key is None else "+c.live = 1"
    source = "call_version c"
    if key is not None:
        source = (
            "call_number n JOIN call_version c ON c.call_id = n.call_id AND c.version = n.version"
        )
        condition = f"n.number = ? AND {condition}"
        values = [key, *values]
    columns = [f'c."{name}"' for name in schema.names]
    source = (
        f"FROM {source} WHERE {live} AND {condition}"
        " ORDER BY c.started_at DESC NULLS LAST, c.call_id DESC LIMIT ?"
    )
    if limit <= _HOT_AT_ONCE:
        return tx.table(columns, source, [*values, limit], schema)
    return rows_table(tx.rows(f"SELECT {', '.join(columns)} {source}", [*values, limit]), schema)


def _sealed(
    lookup: Lookup,
    columnar: Columnar,
    segments: Sequence[Segment],
    f: CallFilter,
    limit: int,
    after: PageKey | None,
    schema: pa.Schema,
) -> pa.Table:
    """Look through segments, newest first, until the page is full and no older one can add.

    Postings and the columns that the filter names say which rows match; the others are
    read of the rows of the page alone.
    """
    found = empty_table(schema)
    asking = _Asking(lookup.folder, columnar, f, after)
    rest = sorted(segments, key=lambda s: s.started[1] if s.started else 0, reverse=True)
    step = 2
    while rest:
        part, rest = rest[:step], rest[step:]
        step *= 2
        asking.look(part)
        # what a posting leads to is read of many segments at once, and no row in vain
        if rest and found.num_rows + asking.waiting < limit:
            continue
        for postings, picking in asking.taken():
            table = _newest_of(lookup, postings, schema, limit, after, picking)
            found = newest(pa.concat_tables([found, table]), limit)
        if rest and found.num_rows >= limit:
            oldest = int(keys.integers(found.column("started_at")).min())
            if rest[0].started is not None and rest[0].started[1] < oldest:
                break
    return found


@dataclass(frozen=True, slots=True)
class _Postings:
    """Rows of segments and when their calls began; `segment` numbers the segment of each."""

    segments: Sequence[Segment]
    segment: Ints
    row: Ints
    started: Ints

    @classmethod
    def of(cls, found: Sequence[tuple[Segment, Ints, Ints]]) -> _Postings:
        """Take (segment, rows, when these began) of each."""
        empty = np.empty(0, np.int64)
        return cls(
            [segment for segment, _, _ in found],
            np.repeat(np.arange(len(found)), [len(rows) for _, rows, _ in found]),
            np.concatenate([empty, *(rows for _, rows, _ in found)]),
            np.concatenate([empty, *(started for _, _, started in found)]),
        )

    def only(self, fits: Any) -> _Postings:
        """Give some of them: a mask or places."""
        return _Postings(self.segments, self.segment[fits], self.row[fits], self.started[fits])

    def cut(self, count: int) -> tuple[_Postings, _Postings]:
        """Give the newest, at least `count`, and the rest; calls of one moment are never split."""
        if len(self.started) <= count:
            return self, self.only(slice(0))
        since = np.partition(self.started, -count)[-count]
        newer = self.started >= since
        return self.only(newer), self.only(~newer)


class _Picking:
    """What a filter says of calls besides time and number, and perhaps the person."""

    def __init__(self, columnar: Columnar, f: CallFilter) -> None:
        self._columnar = columnar
        rest = replace(f, from_at=None, until_at=None, number=None)
        self._plain = plain_values(rest)
        self._condition, self._values = where(rest, "duckdb")
        self.all = self._condition == "1 = 1"
        self.columns = frozenset(_COLUMN.findall(self._condition))

    def of(self, table: pa.Table) -> pa.Table:
        """Give the calls that fit; the table has `columns`."""
        if self.all or not table.num_rows:
            return table
        if self._plain is not None:
            return table.filter(_fitting(table, self._plain))
        sql = f"SELECT c.* FROM page c WHERE {self._condition}"
        return conform(self._columnar.query(sql, self._values, {"page": table}), table.schema)

    def rows(
        self, folder: SegmentFolder, segments: Sequence[Segment], among: Sequence[Ints]
    ) -> list[Ints]:
        """Give those of ascending rows of each segment that fit."""
        if self.all or not segments:
            return list(among)
        if self._plain is None:
            asked = zip(among, self._asked(folder, segments), strict=True)
            return [rows[np.isin(rows, found, assume_unique=True)] for rows, found in asked]
        found = []
        for segment, rows in zip(segments, among, strict=True):
            parts = [
                part[
                    np.asarray(
                        _fitting(
                            folder.take(segment, "call", part, list(self.columns)), self._plain
                        )
                    )
                ]
                for part in folder.near(rows)
            ]
            found.append(np.concatenate([np.empty(0, np.int64), *parts]))
        return found

    def _asked(self, folder: SegmentFolder, segments: Sequence[Segment]) -> list[Ints]:
        source = sealed_sql(folder, segments, "call", "filename = true", "file_row_number = true")
        found = self._columnar.query(
            f"SELECT c.filename AS file, c.file_row_number AS row FROM {source} c"
            f" WHERE {self._condition}",
            self._values,
        )
        files = keys.one_array(found.column("file")).dictionary_encode()
        codes, rows = np.asarray(files.indices), keys.integers(found.column("row"))
        known = {file: code for code, file in enumerate(files.dictionary.to_pylist())}
        return [rows[codes == known.get(str(folder.path(s.name, "call")), -1)] for s in segments]


def _fitting(table: pa.Table, plain: Sequence[tuple[str, Sequence[Any]]]) -> pa.Array:
    fits: pa.ChunkedArray | None = None
    for column, listed in plain:
        kind = table.schema.field(column).type
        values = pa.array(listed, kind.value_type if pa.types.is_dictionary(kind) else kind)
        one = pc.is_in(table.column(column), value_set=values, skip_nulls=True)
        fits = one if fits is None else pc.and_(fits, one)
    return keys.one_array(fits) if fits is not None else pa.repeat(True, table.num_rows)


def matching(
    folder: SegmentFolder, columnar: Columnar, segment: Segment, f: CallFilter, rows: Ints
) -> Ints:
    """Give those of ascending rows of a segment that fit what a filter says besides time and number."""
    return _Picking(columnar, f).rows(folder, [segment], [rows])[0]


_Found = tuple[Segment, Ints, Ints]  # rows of a segment, and when their calls began


class _Asking:
    """Rows that may match, of segments that were looked at and not read yet."""

    def __init__(
        self, folder: SegmentFolder, columnar: Columnar, f: CallFilter, after: PageKey | None
    ) -> None:
        self._folder = folder
        self._filter = f
        self._after = after
        self._picking = _Picking(columnar, f)
        self._everything = _Picking(columnar, CallFilter())
        self._name, self._key = "number", number_key(f)
        if self._key is None and f.person is not None:
            self._name, self._key = "person", keys.word_key(f.person)
        self._listed: list[_Found] = []
        self._others: list[_Found] = []

    @property
    def waiting(self) -> int:
        """Give how many rows wait to be read."""
        return sum(len(rows) for _, rows, _ in self.found)

    @property
    def found(self) -> list[_Found]:
        """Give what waits."""
        return [*self._listed, *self._others]

    def look(self, segments: Sequence[Segment]) -> None:
        """Look at segments: postings of what is asked for, or all rows of the time."""
        if self._key is not None:
            for index in map(self._folder.index, segments):
                if self._name in index:
                    index.ahead(self._name, self._key)
        for segment in segments:
            index = self._folder.index(segment)
            if self._key is not None and self._name in index:
                first, last = index.span(self._name, self._key)
                if first == last:
                    continue
                rows = index.array(f"{self._name}_row")[first:last].astype(np.int64)
                moments = index.array("call_started")[rows]
                fits = _between(moments, self._filter, self._after)
                self._listed.append((segment, rows[fits], moments[fits]))
            else:
                started = index.array("call_started", whole=True)
                rows = np.flatnonzero(_between(started, self._filter, self._after))
                self._others.append((segment, rows, started[rows]))

    def taken(self) -> Iterator[tuple[_Postings, _Picking]]:
        """Give what waited, and what picks of it the calls that match."""
        listed, others = self._listed, self._others
        self._listed, self._others = [], []
        if listed:
            yield _Postings.of(listed), self._picking
        if others:
            segments = [segment for segment, _, _ in others]
            found = self._picking.rows(self._folder, segments, [rows for _, rows, _ in others])
            yield (
                _Postings.of([
                    (segment, rows, self._folder.index(segment).array("call_started")[rows])
                    for segment, rows in zip(segments, found, strict=True)
                ]),
                self._everything,
            )  # fmt: skip


def listed_calls(
    folder: SegmentFolder,
    columnar: Columnar,
    segments: Sequence[Segment],
    f: CallFilter,
    columns: Sequence[str],
) -> pa.Table:
    """Give these columns of sealed calls of a number or person, found by their postings.

    All calls of the number are here; whether they fit the rest of the filter is not asked,
    and where an index knows no person, calls of others are among them.
    """
    asking = _Asking(folder, columnar, f, None)
    asking.look(segments)
    parts = [
        (segment, part) for segment, rows, _ in asking.found for part in folder.near(np.sort(rows))
    ]
    return folder.few("call", parts, columns)


def _between(moments: Ints, f: CallFilter, after: PageKey | None) -> keys.Bools:
    """Say which moments are in the time of a filter and not newer than a page."""
    fits = np.ones(len(moments), np.bool_)
    if after is not None:
        fits &= moments <= after[0]
    if f.from_at is not None:
        fits &= moments >= milliseconds(f.from_at)
    if f.until_at is not None:
        fits &= moments < milliseconds(f.until_at)
    return fits


def _newest_of(
    lookup: Lookup,
    postings: _Postings,
    schema: pa.Schema,
    limit: int,
    after: PageKey | None,
    picking: _Picking,
) -> pa.Table:
    """Give the newest live calls of postings, at most `limit`."""
    found = empty_table(schema)
    read = [f.name for f in STORED_CALL_SCHEMA if f.name in picking.columns.union(schema.names)]
    while len(postings.started) and found.num_rows < limit:
        newer, postings = postings.cut(max(_FETCH_ROWS, limit - found.num_rows))
        table = picking.of(_fetch(lookup, newer, read)).select(schema.names)
        table = still_live(table, lookup.dead(table.column("call_id").to_pylist()))
        if after is not None and table.num_rows:
            table = _older(table, after)
        found = newest(pa.concat_tables([found, table]), limit)
    return found


def _fetch(lookup: Lookup, postings: _Postings, columns: Sequence[str]) -> pa.Table:
    """Read the rows of some postings; order does not matter."""
    of, rows = postings.segment, postings.row
    parts = [(postings.segments[n], np.sort(rows[of == n])) for n in np.unique(of).tolist()]
    return lookup.folder.few("call", parts, columns)


def still_live(table: pa.Table, dead: set[tuple[bytes, int]]) -> pa.Table:
    """Leave out `dead`: (call_id, version) of sealed calls that are not live any more."""
    if not dead:
        return table
    pairs = zip(
        table.column("call_id").to_pylist(), table.column("version").to_pylist(), strict=True
    )
    return table.filter(pa.array([pair not in dead for pair in pairs]))


def _older(table: pa.Table, after: PageKey) -> pa.Table:
    pairs = zip(
        keys.integers(table.column("started_at")).tolist(),
        table.column("call_id").to_pylist(),
        strict=True,
    )
    return table.filter(pa.array([pair < after for pair in pairs]))


def page_key(calls: pa.Table) -> PageKey | None:
    """Give the `after` of the next page; None = this page was empty."""
    if calls.num_rows == 0:
        return None
    last = calls.slice(calls.num_rows - 1, 1)
    return int(keys.integers(last.column("started_at"))[0]), last.column("call_id")[0].as_py()


@dataclass(frozen=True, slots=True)
class CallDetail:
    """Everything stored about one call.

    `call`: its live version, or the last one if it was superseded. `versions`:
    all stored versions. `legs`: legs of `call`, with raw bytes. `charges`: the
    whole ledger, reversals included. `contexts`: raw context lines by id.
    """

    call: pa.Table
    versions: pa.Table
    legs: pa.Table
    charges: pa.Table
    contexts: dict[int, bytes]


def get_call(tx: Transaction, lookup: Lookup, call_id: bytes) -> CallDetail:
    """Give one call with legs, ledger, raw lines and versions.

    Raises
    ------
    NotFoundError
        No version of such a call was ever stored.
    """
    sealed = _sealed_at(lookup, call_id)
    versions = _versions(tx, lookup, call_id, sealed)
    call = versions.slice(versions.num_rows - 1, 1)
    near = sealed[-1][0] if sealed else None
    legs = lookup.stored_legs(call.column("leg_ids")[0].as_py(), near)
    wanted = {c for c in legs.column("raw_context_id").to_pylist() if c is not None}
    contexts = dict(
        tx.rows_in("SELECT context_id, text FROM raw_context WHERE context_id IN ({marks})", wanted)
    )
    return CallDetail(call, versions, legs, _ledger(lookup, call_id, sealed), contexts)


def priced_call(tx: Transaction, lookup: Lookup, call_id: bytes) -> tuple[pa.Table, pa.Table]:
    """Give one call and its whole ledger alone, as `CallDetail` has them.

    Raises
    ------
    NotFoundError
        No version of such a call was ever stored.
    """
    sealed = _sealed_at(lookup, call_id)
    versions = _versions(tx, lookup, call_id, sealed)
    return versions.slice(versions.num_rows - 1, 1), _ledger(lookup, call_id, sealed)


def _sealed_at(lookup: Lookup, call_id: bytes) -> _Places:
    return [(segment, rows) for segment, _, rows in lookup.sealed_call_rows([call_id])]


def _versions(tx: Transaction, lookup: Lookup, call_id: bytes, sealed: _Places) -> pa.Table:
    columns = ", ".join(f'"{name}"' for name in STORED_CALL_SCHEMA.names)
    hot = rows_table(
        tx.rows(f"SELECT {columns} FROM call_version WHERE call_id = ?", (call_id,)),
        STORED_CALL_SCHEMA,
    )
    versions = lookup.with_sealed("call", hot, sealed)
    if versions.num_rows == 0:
        raise NotFoundError(f"there is no call {ids.id_text(call_id)}")
    if versions.num_rows > 1:
        versions = versions.sort_by("version")
    gone = dict(
        tx.rows("SELECT version, superseded_by FROM superseded WHERE call_id = ?", (call_id,))
    )
    if gone:
        rows_ = versions.to_pylist()
        for row in rows_:
            if row["version"] in gone:
                row["state"] = CallState.SUPERSEDED.value
                row["superseded_by"] = gone[row["version"]]
        versions = pa.Table.from_pylist(rows_, schema=STORED_CALL_SCHEMA)
    return versions


def _ledger(lookup: Lookup, call_id: bytes, sealed: _Places) -> pa.Table:
    charges = lookup.charges(call_id, sealed)
    written = zip(
        *(charges.column(n).to_pylist() for n in ("call_version", "entry", "price_list", "span")),
        range(charges.num_rows),
        strict=True,
    )
    order = [key[-1] for key in sorted(written)]
    return charges if order == sorted(order) else charges.take(pa.array(order, pa.int64()))
