"""Sums over calls: by department, person, destination, hour and so on.

Owns the ways of grouping; the calls are those of a `CallFilter`. Hours and days
are those of the site's own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import pyarrow as pa
from bluewhale.database.call_filter import CallFilter, number_key, number_where, where
from bluewhale.database.columnar import NOT_DEAD, Columnar, dead_versions, sealed_sql
from bluewhale.database.columns import conform, rows_table
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import NotFoundError
from bluewhale.database.lookup import Lookup
from bluewhale.database.schemas import STORED_CALL_SCHEMA
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
_COLUMNS = (
    "call_id", "version", "started_at", "site_zone", "talk_ms", "direction", "class",
    "disposition", "calling", "called", "calling_e164", "called_e164", "first_destination",
    "final_destination", "site_uid", "trunk_in", "trunk_out", "extension", "person_uid",
    "department_uid", "cost_center_uid", "account_code", "totals",
)  # fmt: skip


def report(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    by: ReportBy,
    call_filter: CallFilter,
    *,
    limit: int | None = None,
) -> pa.Table:
    """Give one row per group, price list and currency, dearest first.

    Columns: name (null = not known), calls, answered, talk_ms, price_list,
    currency, amount_nanos, unrated. Groups without any charge have null
    price_list. calls, answered and talk_ms are of the group, not of the price
    list: do not add them over price lists.
    """
    return reports(tx, lookup, columnar, [by], call_filter, limit=limit)[0]


def reports(
    tx: Transaction,
    lookup: Lookup,
    columnar: Columnar,
    bys: Sequence[ReportBy],
    call_filter: CallFilter,
    *,
    limit: int | None = None,
) -> list[pa.Table]:
    """Give several reports over the same calls of one moment; hot calls are read once."""
    condition, values = where(call_filter, "duckdb")
    key = number_key(call_filter)
    if key is not None:
        shows, given = number_where(key, "duckdb")
        condition, values = f"{condition} AND {shows}", [*values, *given]
    dead = dead_versions(tx)
    columns = ", ".join(f'"{c}"' for c in _COLUMNS)
    sealed = f"SELECT {columns} FROM {sealed_sql(lookup.folder, lookup.segments, 'call')} c"
    sealed += f" WHERE {condition}" + (NOT_DEAD if dead.num_rows else "")
    source = f"({sealed} UNION ALL SELECT {columns} FROM hot c)"
    values = [*values, *values]  # the source stands twice in a report
    named: dict[str, pa.Table] = {"hot": _hot(tx, call_filter, key)}
    if dead.num_rows:
        named["dead"] = dead
    return [columnar.query(_grouped(by, source, limit), values, named) for by in bys]


def _grouped(by: ReportBy, source: str, limit: int | None) -> str:
    """Give the question of one report over the calls of `source`."""
    group, by_time = _GROUPS[by], by in {"hour", "day", "month"}
    # The calls are read twice, each time only the columns needed: faster than keeping them.
    return f"""
        WITH counted AS (
            SELECT {group} AS name, COUNT(*) AS calls,
                   COUNT(*) FILTER (c.disposition = 'answered') AS answered,
                   CAST(COALESCE(SUM(c.talk_ms), 0) AS BIGINT) AS talk_ms
            FROM {source} c GROUP BY 1
        ),
        paid AS (
            SELECT name, t.price_list AS price_list, t.currency AS currency,
                   CAST(SUM(t.amount_nanos) AS BIGINT) AS amount_nanos,
                   CAST(SUM(t.unrated) AS BIGINT) AS unrated
            FROM (SELECT {group} AS name, UNNEST(c.totals) AS t FROM {source} c) GROUP BY ALL
        )
        SELECT counted.name, calls, answered, talk_ms, price_list, currency, amount_nanos, unrated
        FROM counted LEFT JOIN paid ON counted.name IS NOT DISTINCT FROM paid.name
        ORDER BY {"counted.name" if by_time else "amount_nanos DESC NULLS LAST"},
                 counted.name, price_list, currency
        {"" if limit is None else f"LIMIT {int(limit)}"}
    """


def _hot(tx: Transaction, call_filter: CallFilter, key: int | None) -> pa.Table:
    condition, values = where(call_filter, tx.dialect)
    if key is not None:
        shows, given = number_where(key, tx.dialect)
        condition, values = f"{condition} AND {shows}", [*values, *given]
    columns = ", ".join(f'c."{c}"' for c in _COLUMNS)
    rows: list[tuple[Any, ...]] = tx.rows(
        f"SELECT {columns} FROM call_version c WHERE c.live = 1 AND {condition}", values
    )
    return rows_table(rows, pa.schema([STORED_CALL_SCHEMA.field(c) for c in _COLUMNS]))


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
