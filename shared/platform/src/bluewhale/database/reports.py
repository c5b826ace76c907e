"""Sums over calls: by department, person, destination, hour and so on.

Owns the ways of grouping; the calls are those of a `CallFilter`. Hours and days
are those of the site's own clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import keys
from bluewhale.database.call_filter import (
    CallFilter,
    milliseconds,
    number_key,
    number_where,
    where,
)
from bluewhale.database.cells import (
    CELL_GROUPS,
    FINE,
    HOUR_MS,
    Cells,
    Question,
    Sums,
    by_group,
    fitting,
    in_cells,
    question_of,
    summed,
    together,
)
from bluewhale.database.columnar import NOT_DEAD, Columnar, dead_versions, sealed_sql
from bluewhale.database.columns import conform, rows_table
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import NotFoundError
from bluewhale.database.hot_cells import HotCells, hot_in_cells
from bluewhale.database.lookup import Lookup
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.search import in_time, listed_calls
from bluewhale.database.segments import Segment
from bluewhale.records.ids import id_text
from bluewhale.records.schemas import CHARGE_SCHEMA

ReportBy = Literal[
    "department", "site", "person", "extension", "cost_center", "account_code", "destination",
    "trunk", "hour", "day", "month", "class", "direction", "disposition",
]  # fmt: skip
REPORT_KINDS: tuple[str, ...] = get_args(ReportBy)

_LOCAL = "timezone(COALESCE(c.site_zone, 'UTC'), c.started_at)"
_GROUPS = {
    "department": "c.department_uid",
    "site": "c.site_uid",
    "person": "c.person_uid",
    "extension": "c.extension",
    "cost_center": "c.cost_center_uid",
    "account_code": "c.account_code",
    "destination": "COALESCE('+' || c.called_e164, c.final_destination, c.called)",
    "trunk": "COALESCE(c.trunk_out, c.trunk_in)",
    "hour": f"LPAD(CAST(hour({_LOCAL}) AS VARCHAR), 2, '0')",
    "day": f"strftime({_LOCAL}, '%Y-%m-%d')",
    "month": f"strftime({_LOCAL}, '%Y-%m')",
    "class": 'c."class"',
    "direction": "c.direction",
    "disposition": "c.disposition",
}
_COLUMN = re.compile(r'\bc\."?(\w+)')
_MEASURED = frozenset({"disposition", "talk_ms", "totals"})  # what sums are made of


def reports(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    cells: Cells,
    hot_cells: HotCells,
    bys: Sequence[ReportBy],
    call_filter: CallFilter,
    *,
    limit: int | None = None,
) -> list[pa.Table]:
    """Give several reports over the same calls of one moment.

    Each has one row per group, price list and currency, dearest first. Columns:
    name (null = not known), calls, answered, talk_ms, price_list, currency,
    amount_nanos (decimal128), unrated. Groups without any charge have null price_list. calls,
    answered and talk_ms are of the group, not of the price list: do not add them
    over price lists.
    """
    dead = dead_versions(tx)
    ask = _Rows(tx, lookup, columnar, call_filter, dead)
    segments = in_time(lookup.segments, call_filter)
    question = question_of(call_filter)
    if question is None or not all(by in CELL_GROUPS for by in bys):
        keyed = {f"g{n}": _GROUPS[by] for n, by in enumerate(bys)}
        keys_of = [(name, slice(None)) for name in keyed]
        hot = ask.hot(keyed)

        def sealed() -> Sums:
            return ask.sealed(segments, keyed)
    else:
        keys_of = [CELL_GROUPS[by] for by in bys]
        hot = ask.hot_in_cells(hot_cells, question)

        def sealed() -> Sums:
            return fitting(together(_sealed(ask, cells)), question)

    def by_groups(sums: Sums) -> list[Sums]:
        return [by_group(sums, *key) for key in keys_of]

    parts = [by_groups(sums) for sums in hot]
    if segments:
        # what they come to is the same until others are sealed, or a call of them is superseded
        state = (*bys, repr(call_filter), dead.num_rows, *(s.name for s in segments))
        parts.append(cells.finished(state, lambda: by_groups(sealed())))
    return [
        _grouped(together(same), by, limit)
        for by, same in zip(bys, zip(*parts, strict=True), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Adds up the calls of a filter as they are stored."""

    tx: Transaction
    lookup: Lookup
    columnar: Columnar
    filter: CallFilter
    dead: pa.Table

    def hot_in_cells(self, kept: HotCells, question: Question) -> list[Sums]:
        """Add up hot calls in cells, if there are any; `question` is the filter besides its time."""
        hours = _whole_hours(self.filter)
        if self.tx.dialect == "sqlite" and hours is not None:
            found = kept.of(self.tx, [s.name for s in self.lookup.segments], *hours)
            found = fitting(found, question) if found else None
        else:
            condition, values = where(self.filter, self.tx.dialect)
            found = hot_in_cells(self.columnar, self.tx, f"c.live = 1 AND {condition}", values)
        if found is None and not in_time(self.lookup.segments, self.filter):
            return self.hot(None)  # tables without rows have all their columns, too
        return [] if found is None else [found]

    def hot(self, keyed: Mapping[str, str] | None) -> list[Sums]:
        """Add up hot calls, if there are any, by these keys; None = in cells."""
        columns = _named(keyed or FINE)
        condition, values = where(self.filter, self.tx.dialect)
        live = "c.live"
        if (key := number_key(self.filter)) is not None:
            shows, given = number_where(key, self.tx.dialect)
            # "+": SQLite goes by the number, not through all live rows
            condition, values, live = f"{condition} AND {shows}", [*values, *given], "+c.live"
        listed = ", ".join(f'c."{c}"' for c in columns)
        rows: list[tuple[Any, ...]] = self.tx.rows(
            f"SELECT {listed} FROM call_version c WHERE {live} = 1 AND {condition}", values
        )
        table = rows_table(rows, pa.schema([STORED_CALL_SCHEMA.field(c) for c in columns]))
        if not rows and in_time(self.lookup.segments, self.filter):
            return []
        return [self._summed("hot", keyed, [], {"hot": table})]

    def sealed(
        self, segments: Sequence[Segment], keyed: Mapping[str, str] | None, within: str = "1 = 1"
    ) -> Sums:
        """Add up calls of segments by these keys; None = in cells."""
        condition, values = where(self.filter, "duckdb")
        columns = _named(keyed or FINE)
        gone = NOT_DEAD if self.dead.num_rows else ""
        tables = {"dead": self.dead} if gone else {}
        if self.filter.number is None and self.filter.person is None:
            stored = sealed_sql(self.lookup.folder, segments, "call")
        else:
            asked = {*columns, "call_id", "version", *_COLUMN.findall(condition)}
            tables["stored"] = listed_calls(
                self.lookup.folder, self.columnar, segments, self.filter,
                [name for name in STORED_CALL_SCHEMA.names if name in asked],
            )  # fmt: skip
            stored = "stored"
        listed = ", ".join(f'c."{c}"' for c in columns)
        source = f"(SELECT {listed} FROM {stored} c WHERE {condition} AND {within}{gone})"
        return self._summed(source, keyed, values, tables)

    def _summed(
        self,
        source: str,
        keyed: Mapping[str, str] | None,
        values: Sequence[Any],
        tables: Mapping[str, pa.Table],
    ) -> Sums:
        if keyed is None:
            return in_cells(self.columnar, source, values, tables)
        return summed(self.columnar, source, keyed, values, tables)


def _sealed(ask: _Rows, cells: Cells) -> list[Sums]:
    """Give sealed calls in cells: kept ones for whole hours, rows for what is left at the ends."""
    f = ask.filter
    segments = in_time(ask.lookup.segments, f)
    begin = -(-milliseconds(f.from_at) // HOUR_MS) if f.from_at else None
    end = milliseconds(f.until_at) // HOUR_MS if f.until_at else None
    if begin is not None and end is not None and begin >= end:
        return [ask.sealed(segments, None)]
    found = [sums.within(begin, end) for sums in cells.of(segments, ask.dead)]
    for hour, moment, sign in ((begin, f.from_at, "<"), (end, f.until_at, ">=")):
        if hour is None or moment is None or milliseconds(moment) == hour * HOUR_MS:
            continue
        at = hour * HOUR_MS
        cut = [
            s
            for s in segments
            if s.started and (s.started[0] < at if sign == "<" else s.started[1] >= at)
        ]
        found.append(ask.sealed(cut, None, f"c.started_at {sign} make_timestamptz({at * 1000})"))
    return found


def _whole_hours(f: CallFilter) -> tuple[int | None, int | None] | None:
    """Give the hours since 1970 of a filter, [begin, end); None = it cuts through one."""
    begin, end = (None if m is None else milliseconds(m) for m in (f.from_at, f.until_at))
    if (begin or 0) % HOUR_MS or (end or 0) % HOUR_MS:
        return None
    return (
        None if begin is None else begin // HOUR_MS,
        None if end is None else end // HOUR_MS,
    )


def _named(keyed: Mapping[str, str]) -> list[str]:
    """Give the columns of stored calls that these expressions and all sums need."""
    named = {name for sql in keyed.values() for name in _COLUMN.findall(sql)} | _MEASURED
    return [name for name in STORED_CALL_SCHEMA.names if name in named]


def _grouped(sums: Sums, by: ReportBy, limit: int | None) -> pa.Table:
    """Give one report over sums by their column `name`; a name that is not known is a group."""
    sums = by_group(sums, "name")
    counts, money = sums.counted, sums.paid
    names = keys.one_array(counts.column("name"))
    of = np.asarray(pc.index_in(money.column("name"), value_set=names))
    free = np.setdiff1d(np.arange(len(names)), of, assume_unique=False)
    charged = counts.take(pa.array(np.concatenate([of, free])))
    paid = money.drop_columns(["name"])
    found = pa.table(
        {
            **{name: charged.column(name) for name in charged.column_names},
            **{
                name: pa.chunked_array(
                    [*paid.column(name).chunks, pa.nulls(len(free), paid.column(name).type)]
                )
                for name in paid.column_names
            },
        }
    )
    order = [(name, "ascending") for name in ("name", "price_list", "currency")]
    if by not in {"hour", "day", "month"}:
        order.insert(0, ("amount_nanos", "descending"))
    sorted_ = found.take(pc.sort_indices(found, order))
    return sorted_ if limit is None else sorted_.slice(0, limit)


def charges(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    *,
    from_ms: int,
    until_ms: int,
    limit: int,
) -> pa.Table:
    """Give charges of live call versions whose span starts in [from_ms, until_ms).

    For recomputing receipts: reversed entries and reversals are left out.
    """
    columns = ", ".join(f'h."{name}"' for name in CHARGE_SCHEMA.names)
    hot = rows_table(
        tx.rows(
            f"SELECT {columns} FROM charge h JOIN call_version v ON v.call_id = h.call_id"
            " AND v.version = h.call_version WHERE v.live = 1 AND h.entry = 'charge'"
            " AND h.start_at >= ? AND h.start_at < ? ORDER BY h.start_at LIMIT ?",
            (from_ms, until_ms, limit),
        ),
        CHARGE_SCHEMA,
    )
    if not lookup.segments:
        return hot
    dead = dead_versions(tx)
    gone = (
        " AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.call_id = c.call_id"
        " AND dead.version = c.call_version)"
    )
    sealed = columnar.query(
        f"SELECT * FROM {sealed_sql(lookup.folder, lookup.segments, 'charge')} c"
        " WHERE c.start_at >= make_timestamptz(? * 1000) AND c.start_at < make_timestamptz(? * 1000)"
        f"{gone if dead.num_rows else ''} LIMIT {int(limit)}",
        [from_ms, until_ms],
        {"dead": dead} if dead.num_rows else None,
    )
    return pa.concat_tables([hot, conform(sealed, CHARGE_SCHEMA)]).slice(0, limit)


def call_of_charge(tx: Transaction, lookup: Lookup, columnar: Columnar, charge_id: bytes) -> bytes:
    """Give the call that an entry of the ledger belongs to; a sealed one is looked for everywhere.

    Raises
    ------
    NotFoundError
        There is no such entry.
    """
    row = tx.one("SELECT call_id FROM charge WHERE charge_id = ?", (charge_id,))
    if row is None and lookup.segments:
        found = columnar.query(
            f"SELECT call_id FROM {sealed_sql(lookup.folder, lookup.segments, 'charge')}"
            " WHERE charge_id = ? LIMIT 1",
            [charge_id],
        )
        row = (found.column("call_id")[0].as_py(),) if found.num_rows else None
    if row is None:
        raise NotFoundError(f"there is no charge {id_text(charge_id)}")
    return bytes(row[0])
