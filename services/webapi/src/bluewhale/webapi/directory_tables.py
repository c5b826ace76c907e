"""Questions to the directory in force: who and what there was on a day.

    found = DirectoryTables(directory)
    found.people(at, department_uids={"sales"}, text="weber", limit=200)

Owns reading it by column, as it may hold a million people. Does not own the
directory (`bluewhale.configuration`) or what a reader may see of it (`access`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.records.directory import EntryTable

if TYPE_CHECKING:
    from bluewhale.records.directory import Directory

_INSTANT = pa.timestamp("ms", "UTC")
_DATED = [("active_from", _INSTANT), ("active_until", _INSTANT)]
_PERSONS = pa.schema(
    [(n, pa.string()) for n in ("person_uid", "name", "department_uid", "cost_center_uid")] + _DATED
)
_EXTENSIONS = pa.schema(
    [
        (n, pa.string())
        for n in ("site_uid", "extension", "person_uid", "department_uid", "subscriber_group")
    ]
    + _DATED
)
Row = Mapping[str, Any]


class DirectoryTables:
    """People and extensions of one directory as columns; any thread."""

    def __init__(self, directory: Directory) -> None:
        self._persons = _table(directory.persons, _PERSONS)
        self._extensions = _table(directory.extensions, _EXTENSIONS)

    def people(
        self,
        at: datetime,
        *,
        departments: Collection[str] | None,
        uids: Collection[str] | None = None,
        text: str = "",
        limit: int,
    ) -> list[Row]:
        """Give people of a moment by name, at most `limit`; None = of any department."""
        table = _held(self._persons, at)
        table = _among(table, "department_uid", departments)
        table = _among(table, "person_uid", uids)
        if text:
            held = _held(self._extensions, at)
            owners = held.filter(pc.starts_with(held["extension"], text))["person_uid"]
            named = pc.match_substring(table["name"], text, ignore_case=True)
            table = table.filter(
                pc.or_(named, pc.is_in(table["person_uid"], owners.combine_chunks()))
            )
        return _first(table, ["name", "person_uid"], limit)

    def extensions(
        self,
        at: datetime,
        *,
        departments: Collection[str] | None,
        sites: Collection[str] | None,
        people: Collection[str] | None = None,
        text: str = "",
        limit: int,
    ) -> list[Row]:
        """Give extensions of a moment by site and number, at most `limit`.

        departments: of the extension itself; those of people are found by `people`.
        """
        table = _held(self._extensions, at)
        table = _among(table, "site_uid", sites)
        table = _among(table, "department_uid", departments)
        table = _among(table, "person_uid", people)
        if text:
            table = table.filter(pc.starts_with(table["extension"], text))
        return _first(table, ["site_uid", "extension"], limit)

    def history(self, site: str, extension: str) -> list[Row]:
        """Give all that one extension ever was, the earliest first."""
        table = self._extensions
        mine = pc.and_(pc.equal(table["site_uid"], site), pc.equal(table["extension"], extension))
        return _first(table.filter(mine), ["active_from"], table.num_rows)

    def counts(self, at: datetime) -> tuple[Mapping[str, int], int, int]:
        """Give people by department_uid ("" = none), people, and extensions of a moment."""
        persons = _held(self._persons, at)
        grouped = persons.group_by("department_uid").aggregate([("person_uid", "count")])
        by = {r["department_uid"]: r["person_uid_count"] for r in grouped.to_pylist()}
        return by, persons.num_rows, _held(self._extensions, at).num_rows


def _table(entries: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """Give entries as columns; text that is missing is ""."""
    if isinstance(entries, EntryTable):
        found = entries.table.select(schema.names)
    else:
        rows = [{n: asdict(e)[n] for n in schema.names} for e in entries]
        found = pa.Table.from_pylist(rows, schema=schema)
    found = found.cast(schema)
    for index, field in enumerate(schema):
        if pa.types.is_string(field.type):
            found = found.set_column(index, field, pc.fill_null(found[field.name], ""))
    return found


def _held(table: pa.Table, at: datetime) -> pa.Table:
    """Give what held at a moment: [active_from, active_until), null = without bound."""
    moment = pa.scalar(at, _INSTANT)
    begun = pc.fill_null(pc.less_equal(table["active_from"], moment), fill_value=True)
    lasts = pc.fill_null(pc.greater(table["active_until"], moment), fill_value=True)
    return table.filter(pc.and_(begun, lasts))


def _among(table: pa.Table, column: str, values: Collection[str] | None) -> pa.Table:
    if values is None:
        return table
    return table.filter(pc.is_in(table[column], pa.array(sorted(values), pa.string())))


def _first(table: pa.Table, by: Sequence[str], limit: int) -> list[Row]:
    keys = [(name, "ascending") for name in by]
    rows: list[Row] = table.sort_by(keys).slice(0, limit).to_pylist()
    return rows
