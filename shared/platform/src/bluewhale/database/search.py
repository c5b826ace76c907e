"""Finding calls: hot rows and sealed segments as one list, newest first.

By number and by person, sorted postings lead straight to the rows: no file is scanned.
Of other questions DuckDB says which rows match, from the columns that the filter names.
Pages are keyset pages: `after` is the last (started_at, call_id) of the page
before, so that new calls do not shift them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from bluewhale.database import keys
from bluewhale.database.call_filter import (
    CallFilter,
    milliseconds,
    number_key,
    where,
)
from bluewhale.database.columnar import Columnar, sealed_sql
from bluewhale.database.columns import conform, rows_table
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import NotFoundError
from bluewhale.database.keys import Ints
from bluewhale.database.lookup import Lookup
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import Segment, SegmentFolder
from bluewhale.records import ids
from bluewhale.records.enums import CallState

PAGE_ROWS_MAX = 1_000_000
_FETCH_THREADS = 2
_FETCH_ROWS = 64  # sealed rows fetched at once behind a posting, newest first

PageKey = tuple[int, bytes]  # started_at in ms, call_id


def search(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    call_filter: CallFilter,
    *,
    limit: int,
    after: PageKey | None = None,
) -> pa.Table:
    """Give live calls that match, newest first, at most `limit` (STORED_CALL_SCHEMA)."""
    limit = min(limit, PAGE_ROWS_MAX)
    key = number_key(call_filter)
    if limit <= 0 or key == keys.NO_NUMBER:
        return STORED_CALL_SCHEMA.empty_table()
    hot = _hot(tx, call_filter, key, limit, after)
    segments = in_time(lookup.segments, call_filter, after)
    sealed = _sealed(tx, lookup, columnar, segments, call_filter, limit, after)
    return newest(pa.concat_tables([hot, sealed]), limit)


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
    tx: Transaction, f: CallFilter, key: int | None, limit: int, after: PageKey | None
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
    columns = ", ".join(f'c."{name}"' for name in STORED_CALL_SCHEMA.names)
    rows = tx.rows(
        f"SELECT {columns} FROM {source} WHERE {live} AND {condition}"
        " ORDER BY c.started_at DESC NULLS LAST, c.call_id DESC LIMIT ?",
        [*values, limit],
    )
    return rows_table(rows, STORED_CALL_SCHEMA)


def _sealed(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    segments: Sequence[Segment],
    f: CallFilter,
    limit: int,
    after: PageKey | None,
) -> pa.Table:
    """Look through segments, newest first, until the page is full and no older one can add.

    Postings or DuckDB say which rows match, from the columns that the filter names;
    the others are read of the rows of the page alone.
    """
    found = STORED_CALL_SCHEMA.empty_table()
    dead = {(r[0], r[1]) for r in tx.rows("SELECT call_id, version FROM superseded")}
    rest = sorted(segments, key=lambda s: s.started[1] if s.started else 0, reverse=True)
    step = 2
    while rest:
        if found.num_rows >= limit:
            oldest = int(keys.integers(found.column("started_at")).min())
            if rest[0].started is not None and rest[0].started[1] < oldest:
                break
        part, rest = rest[:step], rest[step:]
        step *= 2
        for rows, of, fits in _candidates(lookup.folder, columnar, part, f):
            postings = _Postings.of(lookup, of, rows).between(f, after)
            table = _newest_of(lookup, postings, dead, limit, after, fits)
            found = newest(pa.concat_tables([found, table]), limit)
    return found


_Fits = Callable[[pa.Table], pa.Table]


def _candidates(
    folder: SegmentFolder, columnar: Columnar, segments: Sequence[Segment], f: CallFilter
) -> Iterator[tuple[list[Ints], list[Segment], _Fits]]:
    """Give rows of segments that may match, and what picks those that do."""
    name, key = "number", number_key(f)
    if key is None and f.person is not None:
        name, key = "person", keys.word_key(f.person)
    rows: list[Ints] = []
    shown: list[Segment] = []
    others: list[Segment] = []
    for segment in segments:
        index = None if key is None else folder.index(segment)
        if key is None or index is None or name not in index:
            others.append(segment)
            continue
        first, last = np.searchsorted(index.array(name), [key, key + 1]).tolist()
        if first < last:
            rows.append(index.array(f"{name}_row")[first:last].astype(np.int64))
            shown.append(segment)
    if rows:
        yield rows, shown, _picking(columnar, f)
    if others:
        yield matching(folder, columnar, others, f), others, lambda table: table


def _picking(columnar: Columnar, f: CallFilter) -> _Fits:
    """Give what picks calls that fit all that a filter says besides the number."""
    condition, values = where(f, "duckdb")

    def pick(table: pa.Table) -> pa.Table:
        if condition == "1 = 1" or not table.num_rows:
            return table
        sql = f"SELECT c.* FROM page c WHERE {condition}"
        return conform(columnar.query(sql, values, {"page": table}), STORED_CALL_SCHEMA)

    return pick


def matching(
    folder: SegmentFolder, columnar: Columnar, segments: Sequence[Segment], f: CallFilter
) -> list[Ints]:
    """Give the rows of each segment that fit what a filter says besides time and number."""
    condition, values = where(replace(f, from_at=None, until_at=None, number=None), "duckdb")
    if condition == "1 = 1" or not segments:
        return [np.arange(s.call_rows) for s in segments]
    source = sealed_sql(folder, segments, "call", "filename = true", "file_row_number = true")
    found = columnar.query(
        f"SELECT c.filename AS file, c.file_row_number AS row FROM {source} c WHERE {condition}",
        values,
    )
    files = keys.one_array(found.column("file")).dictionary_encode()
    codes, rows = np.asarray(files.indices), keys.integers(found.column("row"))
    known = {file: code for code, file in enumerate(files.dictionary.to_pylist())}
    return [
        np.sort(rows[codes == known.get(str(folder.path(s.name, "call")), -1)]) for s in segments
    ]


@dataclass(frozen=True, slots=True)
class _Postings:
    """Rows of segments and when their calls began; `of` numbers the segment of each."""

    segments: Sequence[Segment]
    segment: Ints
    row: Ints
    started: Ints

    @classmethod
    def of(cls, lookup: Lookup, segments: Sequence[Segment], rows: Sequence[Ints]) -> _Postings:
        """Take the rows of each segment."""
        started = [
            lookup.folder.index(s).array("call_started")[at].astype(np.int64)
            for s, at in zip(segments, rows, strict=True)
        ]
        empty = np.empty(0, np.int64)
        return cls(
            segments,
            np.repeat(np.arange(len(segments)), [len(at) for at in rows]),
            np.concatenate([empty, *rows]),
            np.concatenate([empty, *started]),
        )

    def between(self, f: CallFilter, after: PageKey | None) -> _Postings:
        """Give those in the time of a filter and not newer than a page, newest first."""
        order = np.argsort(-self.started, kind="stable")
        moments = self.started[order]
        fits = np.ones(len(order), np.bool_)
        if after is not None:
            fits &= moments <= after[0]
        if f.from_at is not None:
            fits &= moments >= milliseconds(f.from_at)
        if f.until_at is not None:
            fits &= moments < milliseconds(f.until_at)
        order = order[fits]
        return _Postings(self.segments, self.segment[order], self.row[order], self.started[order])


def _newest_of(
    lookup: Lookup,
    postings: _Postings,
    dead: set[tuple[bytes, int]],
    limit: int,
    after: PageKey | None,
    fits: _Fits,
) -> pa.Table:
    """Give the newest live calls of postings, which are in order, at most `limit`."""
    found = STORED_CALL_SCHEMA.empty_table()
    moments = postings.started
    at = 0
    while at < len(moments):
        end = min(at + max(_FETCH_ROWS, limit - found.num_rows), len(moments))
        # Calls of one moment are never split over pieces, so that a page ends in order.
        end = int(np.searchsorted(-moments, -moments[end - 1], "right"))
        table = fits(still_live(_fetch(lookup, postings, slice(at, end)), dead))
        at = end
        if after is not None and table.num_rows:
            table = _older(table, after)
        found = newest(pa.concat_tables([found, table]), limit)
        if found.num_rows >= limit:
            break
    return found


def _fetch(lookup: Lookup, postings: _Postings, piece: slice) -> pa.Table:
    """Read the rows of some postings; order does not matter."""
    of, rows = postings.segment[piece], postings.row[piece]
    parts = [(postings.segments[n], np.sort(rows[of == n])) for n in np.unique(of).tolist()]
    with ThreadPoolExecutor(_FETCH_THREADS, thread_name_prefix="search") as pool:
        tables = pool.map(lambda part: lookup.folder.take(part[0], "call", part[1]), parts)
        return pa.concat_tables(tables)


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
    columns = ", ".join(f'"{name}"' for name in STORED_CALL_SCHEMA.names)
    tables = [
        rows_table(
            tx.rows(f"SELECT {columns} FROM call_version WHERE call_id = ?", (call_id,)),
            STORED_CALL_SCHEMA,
        )
    ]
    for segment, _, rows in lookup.sealed_call_rows([call_id]):
        tables.append(lookup.folder.take(segment, "call", rows))
    versions = pa.concat_tables(tables).sort_by("version")
    if versions.num_rows == 0:
        raise NotFoundError(f"there is no call {ids.id_text(call_id)}")
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
    call = versions.slice(versions.num_rows - 1, 1)
    legs = lookup.leg_table(call.column("leg_ids")[0].as_py())
    wanted = {c for c in legs.column("raw_context_id").to_pylist() if c is not None}
    contexts = dict(
        tx.rows_in("SELECT context_id, text FROM raw_context WHERE context_id IN ({marks})", wanted)
    )
    charges = lookup.charges(call_id)
    order = zip(
        *(charges.column(n).to_pylist() for n in ("call_version", "entry", "price_list", "span")),
        range(charges.num_rows),
        strict=True,
    )
    charges = charges.take(pa.array([key[-1] for key in sorted(order)], pa.int64()))
    return CallDetail(call, versions, legs, charges, contexts)
