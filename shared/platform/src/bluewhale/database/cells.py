"""Sums of sealed calls by the hour and by what reports group by: kept, so that a report scans little.

A sealed file never changes, so what its calls come to is counted once and kept in two
small files beside it: a row (cell) per hour, site, department, class and so on. They
are no part of the truth: whoever misses them counts anew. Owns cells and which
questions they answer. Does not own the questions (`reports`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bluewhale.database import keys
from bluewhale.database.call_filter import CallFilter, plain_values, unrated_sql
from bluewhale.database.columnar import NOT_DEAD, Columnar, sealed_sql
from bluewhale.database.segments import Segment, SegmentFolder

HOUR_MS = 3_600_000
_CELLS_MAX = 1_500_000  # in memory, some hundred bytes each; those asked for long ago go
_SEGMENTS_AT_ONCE = 16  # counted in one question: bounds what DuckDB holds
_FINISHED_MAX, _FINISHED_ROWS_MAX = 512, 1_000  # answers in memory, and how long they may be
_KINDS = ("counted", "paid")

_WORDS: Mapping[str, str] = {
    "site_uid": "c.site_uid",
    "department_uid": "c.department_uid",
    "class": 'c."class"',
    "direction": "c.direction",
    "disposition": "c.disposition",
    "has_unrated": unrated_sql("duckdb"),
}
# Clocks of all zones show whole quarters of an hour together: the zone's own hour is asked
# per cell and not per call.
FINE: Mapping[str, str] = {
    "quarter": "epoch_ms(c.started_at) // 900000",
    "zone": "COALESCE(c.site_zone, 'UTC')",
    **_WORDS,
}
AMOUNT = pa.decimal128(38, 0)  # nanos of a sum over any time
COUNTED, PAID = ("calls", "answered", "talk_ms"), ("amount_nanos", "unrated")
_LOCAL = "strftime(timezone(c.zone, make_timestamptz(c.quarter * 900000000)), '%Y-%m-%d %H')"
# What a report groups by -> the column of cells, and which of its letters.
CELL_GROUPS: Mapping[str, tuple[str, slice]] = {
    "department": ("department_uid", slice(None)), "site": ("site_uid", slice(None)),
    "class": ("class", slice(None)), "direction": ("direction", slice(None)),
    "disposition": ("disposition", slice(None)), "hour": ("local", slice(11, 13)),
    "day": ("local", slice(0, 10)), "month": ("local", slice(0, 7)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of calls: `counted` a row per key, `paid` a row per key, price list and currency.

    Cells stand in the order of their hours, those without a beginning last.
    """

    counted: pa.Table
    paid: pa.Table

    @property
    def rows(self) -> int:
        """Give how many cells there are."""
        return int(self.counted.num_rows + self.paid.num_rows)

    def within(self, begin: int | None, end: int | None) -> Sums:
        """Give the cells of hours [begin, end) since 1970, UTC; None = without bound."""
        if begin is None and end is None:
            return self

        def cut(table: pa.Table) -> pa.Table:
            column = table.column("hour")
            hours = keys.integers(column.slice(0, len(column) - column.null_count))
            first = 0 if begin is None else int(np.searchsorted(hours, begin))
            after = len(hours) if end is None else int(np.searchsorted(hours, end))
            return table.slice(first, max(0, after - first))  # a copy would cost more than the rest

        return Sums(cut(self.counted), cut(self.paid))


def together(sums: Sequence[Sums]) -> Sums:
    """Put sums beside each other."""
    return Sums(
        pa.concat_tables([s.counted for s in sums]), pa.concat_tables([s.paid for s in sums])
    )


def summed(
    columnar: Columnar,
    source: str,
    keyed: Mapping[str, str],
    values: Sequence[Any] = (),
    tables: Mapping[str, pa.Table] | None = None,
) -> Sums:
    """Add up the calls `c` of a source by expressions over them; `values` are its parameters."""
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in keyed.items())
    given = dict(tables or {})
    return Sums(
        columnar.query(
            f"SELECT {listed}, COUNT(*) AS calls,"
            " COUNT(*) FILTER (c.disposition = 'answered') AS answered,"
            " CAST(COALESCE(SUM(c.talk_ms), 0) AS BIGINT) AS talk_ms"
            f" FROM {source} c GROUP BY ALL",
            values,
            given,
        ),
        columnar.query(
            "SELECT * EXCLUDE (t), t.price_list AS price_list, t.currency AS currency,"
            " CAST(SUM(t.amount_nanos) AS DECIMAL(38, 0)) AS amount_nanos,"
            " CAST(SUM(t.unrated) AS BIGINT) AS unrated"
            f" FROM (SELECT {listed}, UNNEST(c.totals) AS t FROM {source} c) GROUP BY ALL",
            values,
            given,
        ),
    )


def in_cells(
    columnar: Columnar,
    source: str,
    values: Sequence[Any] = (),
    tables: Mapping[str, pa.Table] | None = None,
    **beside: str,
) -> Sums:
    """Add up the calls of a source in cells; `beside` are further keys, by name."""
    return by_hour(
        columnar, summed(columnar, source, {**beside, **FINE}, values, tables), tuple(beside)
    )


def by_hour(columnar: Columnar, fine: Sums, beside: Sequence[str] = ()) -> Sums:
    """Add fine sums up in cells."""
    words = {name: f'c."{name}"' for name in (*beside, *_WORDS)}
    keyed = {
        "hour": "c.quarter // 4",
        "local": _LOCAL,
        **words,
    }  # the hour first: it gives the order
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in keyed.items())

    def added(table: pa.Table, kept: str, sums: Sequence[str]) -> pa.Table:
        each = ", ".join(f"CAST(SUM(c.{name}) AS BIGINT) AS {name}" for name in sums)
        sql = f"SELECT {listed}{kept}, {each} FROM cells c GROUP BY ALL ORDER BY 1 NULLS LAST"
        return columnar.query(sql, (), {"cells": table})

    return Sums(
        added(fine.counted, "", COUNTED),
        added(fine.paid, ", c.price_list, c.currency", PAID),
    )


def by_group(sums: Sums, key: str, letters: slice = slice(None)) -> Sums:
    """Add sums up by some letters of one of their keys, from then on called `name`.

    Amounts are decimals from here on: 64 bits hold 9.2 * 10^9 of a currency, little in some
    of them, and Arrow would go on at the other end without a word.
    """

    def added(table: pa.Table, kept: Sequence[str], measured: Sequence[str]) -> pa.Table:
        name = table.column(key).cast(pa.string())
        if letters.stop is not None:
            name = pc.utf8_slice_codeunits(name, letters.start, letters.stop)
        columns = {"name": name, **{n: table.column(n) for n in (*kept, *measured)}}
        if "amount_nanos" in columns:
            columns["amount_nanos"] = columns["amount_nanos"].cast(AMOUNT)
        grouped = pa.table(columns).group_by(["name", *kept], use_threads=False)
        found = grouped.aggregate([(n, "sum") for n in measured])
        return found.select(["name", *kept, *(f"{n}_sum" for n in measured)]).rename_columns(
            list(columns)
        )

    return Sums(
        added(sums.counted, (), COUNTED),
        added(sums.paid, ("price_list", "currency"), PAID),
    )


Question = Sequence[tuple[str, Sequence[Any]]]  # columns of cells and the values that each may have


def question_of(call_filter: CallFilter) -> Question | None:
    """Give a filter as conditions over cells, besides its time; None = cells do not know."""
    f = call_filter
    plain = CallFilter(
        departments=f.departments, site=f.site, sites=f.sites, direction=f.direction,
        call_class=f.call_class, disposition=f.disposition,
    )  # fmt: skip
    time_and_money = replace(
        plain, from_at=f.from_at, until_at=f.until_at, unrated_only=f.unrated_only
    )
    if f != time_and_money:
        return None
    asked = plain_values(plain) or []
    return [*asked, ("has_unrated", [True])] if f.unrated_only else asked


def fitting(sums: Sums, question: Question) -> Sums:
    """Give the cells that fit a question."""

    def picked(table: pa.Table) -> pa.Table:
        for column, listed in question:
            values = pa.array(listed, table.schema.field(column).type)
            table = table.filter(pc.is_in(table.column(column), value_set=values, skip_nulls=True))
        return table

    return Sums(picked(sums.counted), picked(sums.paid)) if question else sums


@dataclass(frozen=True, slots=True)
class _Kept:
    dead: int  # versions of the segment that were not live any more
    sums: Sums


class Cells:
    """The cells of sealed segments; any thread may ask."""

    def __init__(self, folder: SegmentFolder, columnar: Columnar) -> None:
        self._folder = folder
        self._columnar = columnar
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._dead: tuple[int, dict[str, int]] = (0, {})
        self._written: set[str] = set()
        self._finished: dict[Hashable, list[Sums]] = {}  # the one used last stands last
        self._finished_lock = threading.Lock()

    def finished(self, state: Hashable, make: Callable[[], list[Sums]]) -> list[Sums]:
        """Give sums of sealed calls, as they were for the same question and state of the store."""
        with self._finished_lock:
            found = self._finished.pop(state, None)
            if found is not None:
                self._finished[state] = found
                return found
        found = make()
        if sum(sums.rows for sums in found) <= _FINISHED_ROWS_MAX:
            with self._finished_lock:
                self._finished[state] = found
                if len(self._finished) > _FINISHED_MAX:
                    del self._finished[next(iter(self._finished))]
        return found

    def of(self, segments: Sequence[Segment], dead: pa.Table) -> list[Sums]:
        """Give the cells of segments; what is not kept is counted now.

        dead: (call_id, version) of sealed calls that are not live any more; they
        only become more, so their count tells every state from the others.
        """
        with self._lock:
            counts = self._dead_in(segments, dead)
            missing = [s for s in segments if not self._have(s, counts[s.name])]
            for at in range(0, len(missing), _SEGMENTS_AT_ONCE):
                self._count(missing[at : at + _SEGMENTS_AT_ONCE], dead, counts)
            found = [self._kept.pop(s.name) for s in segments]
            self._kept.update(zip((s.name for s in segments), found, strict=True))
            rows = sum(kept.sums.rows for kept in self._kept.values())
            while rows > _CELLS_MAX and len(self._kept) > len(found):
                rows -= self._kept.pop(next(iter(self._kept))).sums.rows
            return [kept.sums for kept in found]

    def ahead(self, segments: Sequence[Segment], limit: int) -> int:
        """Count up to `limit` segments that nobody counted yet, the newest first; give how many."""
        fresh = sorted(
            (s for s in segments if s.name not in self._written),
            key=lambda s: s.started or (0, 0),
            reverse=True,
        )
        missing: list[Segment] = []
        for segment in fresh:
            if all(self._folder.path(segment.name, kind).exists() for kind in _KINDS):
                self._written.add(segment.name)
            elif len(missing) < limit:
                missing.append(segment)
        if missing:
            with self._lock:
                self._count(missing, _NONE_DEAD, dict.fromkeys((s.name for s in missing), 0))
                for segment in missing:
                    del self._kept[segment.name]  # until somebody asks
        self._written.update(s.name for s in missing)
        return len(missing)

    def _have(self, segment: Segment, dead: int) -> bool:
        """Say whether cells are in memory, as they are now or read from their files."""
        kept = self._kept.get(segment.name)
        if kept is not None and kept.dead == dead:
            return True
        if dead:
            return False
        try:
            tables = [_read(self._folder.path(segment.name, kind)) for kind in _KINDS]
        except (OSError, pa.ArrowException):
            return False
        self._kept[segment.name] = _Kept(0, Sums(*tables))
        return True

    def _dead_in(self, segments: Sequence[Segment], dead: pa.Table) -> dict[str, int]:
        """Count the dead versions in each segment."""
        if self._dead[0] != dead.num_rows:
            self._dead = (dead.num_rows, {})
        counts = self._dead[1]
        high, low = keys.id_words(dead.column("call_id").cast(pa.binary(16)))
        order = keys.sort_words(high, low)
        high, low = high[order], low[order]
        for segment in segments:
            if segment.name not in counts:
                counts[segment.name] = self._common(segment, high, low)
        return counts

    def _common(self, segment: Segment, high: keys.Words, low: keys.Words) -> int:
        if segment.call_range is None or not len(high):
            return 0
        ends = keys.words_of(list(segment.call_range))[0]
        first, after = (
            np.searchsorted(high, ends[0], "left"),
            np.searchsorted(high, ends[1], "right"),
        )
        if first == after:
            return 0
        index = self._folder.index(segment)
        stored = index.array("call_high"), index.array("call_low")
        return int((keys.find_words(*stored, high[first:after], low[first:after]) >= 0).sum())

    def _count(
        self, segments: Sequence[Segment], dead: pa.Table, counts: Mapping[str, int]
    ) -> None:
        source = sealed_sql(self._folder, segments, "call", "filename = true")
        tables: dict[str, pa.Table] = {}
        if any(counts[s.name] for s in segments):
            source, tables = f"(SELECT * FROM {source} c WHERE true{NOT_DEAD})", {"dead": dead}
        found = in_cells(self._columnar, source, (), tables, file="c.filename")
        by_file = [(_split(t), t.drop_columns(["file"])) for t in (found.counted, found.paid)]
        for segment in segments:
            path = str(self._folder.path(segment.name, "call"))
            sums = Sums(*(parts.get(path, table.slice(0, 0)) for parts, table in by_file))
            self._kept[segment.name] = _Kept(counts[segment.name], sums)
            if not counts[segment.name]:
                with contextlib.suppress(OSError):  # no room, or nobody may write: counted again
                    for kind, table in zip(_KINDS, (sums.counted, sums.paid), strict=True):
                        self._folder.keep(segment.name, kind, table)


_NONE_DEAD = pa.table({"call_id": pa.array([], pa.binary()), "version": pa.array([], pa.int32())})


def _read(path: Path) -> pa.Table:
    """Read a small file; `pq.read_table` takes twice as long over it, for data sets of many."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        table = file.read(use_threads=False)
    known = table.column("hour").slice(0, table.num_rows - table.column("hour").null_count)
    if known.null_count == 0 and (np.diff(keys.integers(known)) >= 0).all():
        return table
    return table.take(pc.sort_indices(table, [("hour", "ascending")]))  # of an earlier release


def _split(table: pa.Table) -> dict[str, pa.Table]:
    """Give the rows of each file."""
    rest = table.drop_columns(["file"])
    return {
        file: rest.filter(pc.equal(table.column("file"), file))
        for file in table.column("file").unique().to_pylist()
    }
