"""Load a directory from files, whole or not at all.

Owns the checks between entries: references, intervals, uids, the tree of
departments, zones and numbering of sites. Every mistake is listed at once with
file, line, field and remedy. The files' fields are `directory_tables.KINDS`,
described in docs/guides/directory.md. A million extensions stay columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.records.directory import (
    AccountCode,
    Department,
    DepartmentTree,
    Directory,
    EntryTable,
    Extension,
    Pbx,
    Person,
    Site,
    Trunk,
)
from bluewhale.records.directory_index import interval_columns, text_keys
from bluewhale.records.directory_tables import KEYS, KINDS, Field, Read, Rows, read_path
from bluewhale.records.exceptions import (
    DirectoryError,
    DirectoryMistake,
    NumberPlanError,
    ZoneError,
)
from bluewhale.records.times import zone_info

__all__ = ["DirectoryError", "DirectoryMistake", "load_directory"]

MISTAKES_PER_FIELD_MAX = 1000
UID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
_INSTANT = pa.timestamp("ms", tz="UTC")
_DATED = {
    "trunks": ("pbx_uid", "trunk"),
    "persons": ("person_uid", ""),
    "extensions": ("site_uid", "extension"),
    "account_codes": ("account_code", ""),
}
_UNIQUE = ("sites", "pbxs", "departments", "cost_centers")


def load_directory(
    paths: str | Path | Iterable[str | Path], *, version: int | None = None
) -> Directory:
    """Load and validate YAML and CSV files, or folders of them, as one directory.

    Parameters
    ----------
    paths
        One path or several; what they say is put together.
    version
        Number of this version; None = what a file says, else 1.

    Raises
    ------
    DirectoryError
        With every mistake of every file (of one field at most 1,000).
    """
    read = Read()
    for path in [paths] if isinstance(paths, str | Path) else paths:
        read_path(Path(path), read)
    return _Loader(read).load(version)


class _Loader:
    """The checks, in an order in which each may rely on those before."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.rows = {kind: read.rows(kind) for kind in KINDS}
        self.zone = read.zone or "UTC"
        self.sites: list[Site] = []

    def load(self, version: int | None) -> Directory:
        for kind in KINDS:
            self._fields(kind)
        self._references()
        for kind in _UNIQUE:
            self._unique(kind)
        self._sites()
        site_zones = {s.site_uid: s.zone for s in self.sites}
        dated = {kind: self._dated(kind, site_zones) for kind in _DATED}
        self._department_loop()
        if self.read.mistakes:
            raise DirectoryError(sorted(self.read.mistakes))
        number = version or self.read.version or 1
        return Directory(
            version=number,
            sites=tuple(self.sites),
            pbxs=tuple(Pbx(**e) for e in self._entries("pbxs")),
            trunks=EntryTable(Trunk, dated["trunks"]),
            departments=tuple(Department(**e) for e in self._entries("departments")),
            persons=EntryTable(Person, dated["persons"]),
            extensions=EntryTable(Extension, dated["extensions"]),
            cost_centers=tuple(
                (e["cost_center_uid"], e["name"]) for e in self._entries("cost_centers")
            ),
            account_codes=EntryTable(AccountCode, dated["account_codes"]),
            zone=self.zone,
        )

    # --- mistakes ---

    def _wrong(self, rows: Rows, row: int, name: str, problem: str, remedy: str) -> None:
        file = self.read.files[rows.files[row]]
        self.read.wrong(file, int(rows.lines[row]), name, problem, remedy)

    def _each(
        self,
        rows: Rows,
        bad: Any,
        name: str,
        problem: Callable[[str], str],
        remedy: str,
    ) -> None:
        """Note a mistake for each bad row of a field."""
        places = np.flatnonzero(np.asarray(bad))
        for row in places[:MISTAKES_PER_FIELD_MAX].tolist():
            value = rows.table[name][row].as_py()
            self._wrong(rows, row, name, problem(value or ""), remedy)
        if len(places) > MISTAKES_PER_FIELD_MAX:
            more = len(places) - MISTAKES_PER_FIELD_MAX
            self._wrong(rows, int(places[MISTAKES_PER_FIELD_MAX]), name, f"and {more} more", remedy)

    def _entries(self, kind: str) -> list[dict[str, str]]:
        return [
            {k: v or "" for k, v in entry.items()} for entry in self.rows[kind].table.to_pylist()
        ]

    # --- checks ---

    def _fields(self, kind: str) -> None:
        rows = self.rows[kind]
        for f in KINDS[kind]:
            column = rows.table[f.name]
            if f.required and column.null_count:
                self._each(
                    rows, column.is_null(), f.name, lambda _: "is empty", f"Give {f.meaning}."
                )
            if f.type == "uid" and not f.refers_to:
                fits = pc.fill_null(pc.match_substring_regex(column, UID_PATTERN), True)
                self._each(
                    rows,
                    pc.invert(fits),
                    f.name,
                    lambda v: f"{v!r} is no name for ever",
                    "Use letters, digits, dot, underline and hyphen only.",
                )
            if f.choices:
                self._choices(rows, f)

    def _choices(self, rows: Rows, f: Field) -> None:
        column = rows.table[f.name]
        known = pc.is_in(column, value_set=pa.array(f.choices))
        bad = pc.and_(pc.invert(known), column.is_valid())
        self._each(
            rows, bad, f.name, lambda v: f"{v!r} is not known", f"Use {', '.join(f.choices)}."
        )

    def _references(self) -> None:
        for kind, kind_fields in KINDS.items():
            rows = self.rows[kind]
            for f in kind_fields:
                if not f.refers_to:
                    continue
                known = self.rows[f.refers_to].table[KEYS[f.refers_to]].combine_chunks()
                column = rows.table[f.name]
                bad = pc.and_(pc.invert(pc.is_in(column, value_set=known)), column.is_valid())
                if pc.any(bad).as_py():
                    self._each(
                        rows,
                        bad,
                        f.name,
                        lambda v, to=f.refers_to: f"{v!r} is not among {to}",  # type: ignore[misc]
                        f"Add it to {f.refers_to}, or correct it.",
                    )

    def _unique(self, kind: str) -> None:
        rows = self.rows[kind]
        name = KEYS[kind]
        first: dict[str, int] = {}
        for row, uid in enumerate(rows.table[name].to_pylist()):
            if uid is None:
                continue
            if uid in first:
                before = self._place(rows, first[uid])
                problem = f"{uid!r} stands twice, first in {before}"
                self._wrong(rows, row, name, problem, "Remove one, or rename it.")
            first.setdefault(uid, row)

    def _place(self, rows: Rows, row: int) -> str:
        return f"{self.read.files[rows.files[row]]}:{rows.lines[row]}"

    def _sites(self) -> None:
        from bluewhale.records.numbers import compile_plan

        rows = self.rows["sites"]
        if self.read.zone is not None:
            try:
                zone_info(self.zone)
            except ZoneError as error:
                self.read.wrong(self.read.files[0], 0, "zone", str(error), "Correct it.")
                self.zone = "UTC"
        for row, entry in enumerate(self._entries("sites")):
            values: dict[str, Any] = {**entry, "country": entry["country"].upper()}
            wrong = len(self.read.mistakes)
            for name, convert, remedy in _SITE_LISTS:
                try:
                    values[name] = convert(entry[name])
                except ValueError:
                    self._wrong(rows, row, name, f"{entry[name]!r} cannot be read", remedy)
            if not values["extension_lengths"]:
                del values["extension_lengths"]
            if entry["zone"]:
                try:
                    zone_info(entry["zone"])
                except ZoneError as error:
                    self._wrong(rows, row, "zone", str(error), "Correct it.")
            if wrong == len(self.read.mistakes):
                site = Site(**values)
                self.sites.append(site)
                try:
                    if site.country:
                        compile_plan(site)
                except NumberPlanError as error:
                    name = "country" if "country" in str(error) else "site_uid"
                    self._wrong(rows, row, name, str(error), "Correct it.")

    def _dated(self, kind: str, site_zones: dict[str, str]) -> pa.Table:
        """Parse moments in the zone of the site, check intervals, give the typed columns."""
        rows = self.rows[kind]
        zones = self._zones(kind, rows, site_zones)
        columns = {f.name: rows.table[f.name] for f in KINDS[kind]}
        for name in ("active_from", "active_until"):
            columns[name] = self._moments(rows, name, zones)
        if kind == "trunks":
            columns["grace_ms"] = self._numbers(rows, "grace_ms")
            columns["direction"] = pc.fill_null(columns["direction"], "both")
        for name, column in columns.items():
            if pa.types.is_string(column.type):
                columns[name] = pc.fill_null(column, "")
        table = pa.table(columns)
        begins, ends = interval_columns(table)
        empty = begins >= ends
        self._each(
            rows, empty, "active_until", lambda _: "is not after active_from", "Give a later day."
        )
        self._overlaps(kind, rows, table, begins, ends)
        return table

    def _zones(self, kind: str, rows: Rows, site_zones: dict[str, str]) -> Any:
        if kind == "extensions":
            sites = rows.table["site_uid"]
        elif kind == "trunks":
            site_of = {e["pbx_uid"]: e["site_uid"] for e in self._entries("pbxs")}
            known = rows.table["pbx_uid"].combine_chunks().dictionary_encode()
            words = pa.array(
                [site_of.get(w, "") for w in known.dictionary.to_pylist()], pa.string()
            )
            sites = words.take(known.indices)
        else:
            return None
        array = sites.combine_chunks() if isinstance(sites, pa.ChunkedArray) else sites
        coded = array.dictionary_encode()
        words = [site_zones.get(w, self.zone) for w in coded.dictionary.to_pylist()]
        return pa.array(words, pa.string()).take(coded.indices)

    def _moments(self, rows: Rows, name: str, zones: Any) -> pa.Array:
        column = rows.table[name]
        count = rows.table.num_rows
        if column.null_count == count:
            return pa.nulls(count, _INSTANT)
        zone_column = pa.array([self.zone] * count) if zones is None else zones
        joined = pc.binary_join_element_wise(
            column.combine_chunks(), pc.fill_null(zone_column, self.zone), "\n"
        ).dictionary_encode()
        values: list[datetime | None] = []
        unreadable: list[bool] = []
        for word in joined.dictionary.to_pylist():
            text, _, zone = word.partition("\n")
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                values.append(None)
                unreadable.append(True)
                continue
            local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
            values.append(local.astimezone(UTC))
            unreadable.append(False)
        if any(unreadable):
            bad = pc.fill_null(pa.array(unreadable).take(joined.indices), False)
            self._each(
                rows,
                bad,
                name,
                lambda v: f"{v!r} is no date",
                "Write it as 2026-01-31 or 2026-01-31T08:00.",
            )
        return pa.array(values, _INSTANT).take(joined.indices)

    def _numbers(self, rows: Rows, name: str) -> pa.Array:
        column = rows.table[name].combine_chunks()
        good = pc.fill_null(pc.match_substring_regex(column, "^[0-9]{1,12}$"), True)
        self._each(
            rows, pc.invert(good), name, lambda v: f"{v!r} is no whole number", "Write 0 or more."
        )
        safe = pc.if_else(good, column, pa.scalar(None, pa.string()))
        return pc.fill_null(safe.cast(pa.int64()), 0)

    def _overlaps(
        self,
        kind: str,
        rows: Rows,
        table: pa.Table,
        begins: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
    ) -> None:
        first, second = _DATED[kind]
        other = table[second] if second else pa.nulls(table.num_rows, pa.string())
        keys = text_keys(table[first], other)
        order = np.lexsort((begins, keys))
        same = keys[order][1:] == keys[order][:-1]
        clash = same & (ends[order][:-1] > begins[order][1:])
        places = np.flatnonzero(clash)
        for place in places[:MISTAKES_PER_FIELD_MAX].tolist():
            one, two = int(order[place]), int(order[place + 1])
            name = second or first
            value = table[name][two].as_py()
            if not value or ends[one] <= begins[one] or ends[two] <= begins[two]:
                continue  # named already
            earlier = self._place(rows, min(one, two))
            self._wrong(
                rows,
                max(one, two),
                name,
                f"{value!r} holds twice at the same time, also by {earlier}",
                "End the earlier entry (active_until) where the later begins.",
            )

    def _department_loop(self) -> None:
        rows = self.rows["departments"]
        parents = {e["department_uid"]: e["parent_uid"] for e in self._entries("departments")}
        tree = DepartmentTree(parents)
        while loop := tree.loop():
            row = rows.table["department_uid"].to_pylist().index(loop[0])
            path = " -> ".join(loop)
            self._wrong(
                rows,
                row,
                "parent_uid",
                f"departments are in a loop: {path}",
                "Give one of them another parent, or none.",
            )
            tree = DepartmentTree({u: p for u, p in tree.parents.items() if u not in loop})


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _lengths(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _split(text))


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [part.partition("-") for part in _split(text)]
    return tuple((int(low), int(high or low)) for low, _, high in pairs)


def _codes(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _split(text)]
    if any(not sign for _, sign, _ in pairs):
        raise ValueError(text)
    return {code.strip(): number.strip() for code, _, number in pairs}


_SITE_LISTS: tuple[tuple[str, Callable[[str], Any], str], ...] = (
    ("access_codes", _split, "Write 0 or 0;9."),
    ("extension_lengths", _lengths, "Write 3;4."),
    ("extension_ranges", _ranges, "Write 100-499;7000-7999."),
    ("short_codes", _codes, "Write 700=+493023125100;*55= ."),
)
