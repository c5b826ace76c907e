"""Which calls a person asks for, and that question as SQL for both engines.

Owns the filter and its rendering; hot rows are asked in SQLite, sealed ones in
DuckDB, with the same meaning. Does not own reading (`search`, `reports`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bluewhale.database import keys

Dialect = Literal["sqlite", "postgresql", "duckdb"]
_TEXT_COLUMNS = (
    "calling", "called", "first_destination", "final_destination", "extension", "person_uid",
    "department_uid", "account_code", "trunk_in", "trunk_out",
)  # fmt: skip
_NUMBER_COLUMNS = ("calling", "called", "first_destination", "final_destination")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """All conditions hold together; None = any.

    `from_at` is inclusive, `until_at` exclusive, both compared with started_at.
    `number` matches calling, called or a destination; signs, blanks and leading
    zeros are passed over. `departments` lists a department and all below it
    (the caller knows the tree). `trunk` matches either direction. Costs are
    nanos of the sum of live charges in `price_list` (every list, where None). `sites` lists sites of which any will do, beside `site`.
    `text` is found anywhere in numbers, extension, person, department, account
    code and trunks, in upper or lower case. `calls` lists calls by their ids.
    """

    from_at: datetime | None = None
    until_at: datetime | None = None
    number: str | None = None
    person: str | None = None
    departments: Sequence[str] | None = None
    site: str | None = None
    sites: Sequence[str] | None = None
    trunk: str | None = None
    extension: str | None = None
    direction: str | None = None
    call_class: str | None = None
    disposition: str | None = None
    price_list: str | None = None
    cost_min_nanos: int | None = None
    cost_max_nanos: int | None = None
    text: str | None = None
    account_code: str | None = None
    unrated_only: bool = False
    calls: Sequence[bytes] | None = None


_UNRATED: Mapping[Dialect, str] = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each(COALESCE(c.totals, '[]'))"
    " WHERE json_extract(value, '$.unrated') > 0)",
    "postgresql": "EXISTS (SELECT 1 FROM"
    " jsonb_array_elements(CAST(COALESCE(c.totals, '[]') AS JSONB)) AS t"
    " WHERE CAST(t.value ->> 'unrated' AS BIGINT) > 0)",
    "duckdb": "COALESCE(list_sum([t.unrated for t in c.totals]), 0) > 0",
}


def unrated_sql(dialect: Dialect) -> str:
    """Give the condition that a charge of a call has no price."""
    return _UNRATED[dialect]


def totals_sql(dialect: Dialect) -> tuple[str, Callable[[str], str]]:
    """Give the totals of a hot call as rows `t` to join with, and the value of each by its name."""
    if dialect == "sqlite":
        return "json_each(COALESCE(c.totals, '[]')) t", "json_extract(t.value, '$.{}')".format
    return (
        "jsonb_array_elements(CAST(COALESCE(c.totals, '[]') AS JSONB)) AS t",
        "(t.value ->> '{}')".format,
    )


def milliseconds(moment: datetime) -> int:
    """Give an instant as integer milliseconds since 1970; naive means UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def instant_sql(dialect: Dialect) -> str:
    """Give the parameter expression of an instant in integer milliseconds."""
    return "make_timestamptz(? * 1000)" if dialect == "duckdb" else "?"


def _cost_sql(price_list: str | None, dialect: Dialect) -> tuple[str, list[Any]]:
    values: list[Any] = [] if price_list is None else [price_list]
    if dialect == "sqlite":
        only = "" if price_list is None else " WHERE json_extract(value, '$.price_list') = ?"
        cost = (
            "(SELECT COALESCE(SUM(json_extract(value, '$.amount_nanos')), 0)"
            f" FROM json_each(COALESCE(c.totals, '[]')){only})"
        )
        return cost, values
    if dialect == "postgresql":
        only = "" if price_list is None else " WHERE t.value ->> 'price_list' = ?"
        cost = (
            "(SELECT COALESCE(CAST(SUM(CAST(t.value ->> 'amount_nanos' AS BIGINT)) AS BIGINT), 0)"
            f" FROM jsonb_array_elements(CAST(COALESCE(c.totals, '[]') AS JSONB)) AS t{only})"
        )
        return cost, values
    only = "" if price_list is None else " if t.price_list = ?"
    return f"COALESCE(list_sum([t.amount_nanos for t in c.totals{only}]), 0)", values


def _listed(f: CallFilter) -> list[tuple[str, Sequence[Any]]]:
    """Give columns and the values that each may have."""
    one = {
        "person_uid": f.person, "site_uid": f.site, "direction": f.direction,
        "class": f.call_class, "disposition": f.disposition, "extension": f.extension,
        "account_code": f.account_code,
    }  # fmt: skip
    several = (("department_uid", f.departments), ("site_uid", f.sites), ("call_id", f.calls))
    return [
        *((column, [value]) for column, value in one.items() if value is not None),
        *((column, values) for column, values in several if values is not None),
    ]


def plain_values(call_filter: CallFilter) -> list[tuple[str, Sequence[Any]]] | None:
    """Give columns and the values that each may have; None = a filter says more than that.

    Time and number are passed over. What is plain is compared as it is stored, no engine needed.
    """
    f = call_filter
    more = (f.trunk, f.cost_min_nanos, f.cost_max_nanos, f.text or None, f.unrated_only or None)
    return _listed(f) if all(said is None for said in more) else None


def where(call_filter: CallFilter, dialect: Dialect) -> tuple[str, list[Any]]:
    """Give the condition over call rows named `c`, and its parameters."""
    f = call_filter
    parts: list[str] = []
    values: list[Any] = []

    def add(sql: str, *given: Any) -> None:
        parts.append(sql)
        values.extend(given)

    moment = instant_sql(dialect)
    if f.from_at is not None:
        add(f"c.started_at >= {moment}", milliseconds(f.from_at))
    if f.until_at is not None:
        add(f"c.started_at < {moment}", milliseconds(f.until_at))
    for column, listed in _listed(f):
        marks = ", ".join("?" * len(listed)) or "NULL"
        add(f'c."{column}" IN ({marks})' if len(listed) != 1 else f'c."{column}" = ?', *listed)
    if f.trunk is not None:
        add("(c.trunk_in = ? OR c.trunk_out = ?)", f.trunk, f.trunk)
    if f.cost_min_nanos is not None or f.cost_max_nanos is not None:
        cost, given = _cost_sql(f.price_list, dialect)
        if f.cost_min_nanos is not None:
            add(f"{cost} >= ?", *given, f.cost_min_nanos)
        if f.cost_max_nanos is not None:
            add(f"{cost} <= ?", *given, f.cost_max_nanos)
    if f.unrated_only:
        add(_UNRATED[dialect])
    if f.text:
        needle = (
            "%" + f.text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        )
        add(
            "(" + " OR ".join(f"LOWER(c.{n}) LIKE ? ESCAPE '\\'" for n in _TEXT_COLUMNS) + ")",
            *[needle] * len(_TEXT_COLUMNS),
        )
    return " AND ".join(parts) or "1 = 1", values


def number_key(call_filter: CallFilter) -> int | None:
    """Give the search key of the number asked for; None = any, -1 = nothing can match."""
    return None if call_filter.number is None else keys.digits_of(call_filter.number)


def number_where(key: int, dialect: Dialect) -> tuple[str, list[Any]]:
    """Give the condition that a call shows this number, for scans without postings."""
    text = str(key)
    if dialect != "duckdb":
        shown = (
            "(c.call_id, c.version) IN"
            " (SELECT n.call_id, n.version FROM call_number n WHERE n.number = ?)"
        )
        return shown, [key]
    plain = " OR ".join(
        f"LTRIM(REGEXP_REPLACE(c.{n}, '[^0-9]', '', 'g'), '0') = ?" for n in _NUMBER_COLUMNS
    )
    return (
        f"(c.calling_e164 = ? OR c.called_e164 = ? OR {plain})",
        [key, key, *[text] * len(_NUMBER_COLUMNS)],
    )
