"""All calls of a filter, newest first, as columns in batches: what files are made of.

A search asks anew for each page; a walk asks each segment once which of its calls
match and when they began, then reads slices of time: each row once or nearly so,
never more than a slice in memory. Every slice is read in a transaction of its own:
a reader that is slow holds nothing up, and rows that are sealed or put together
meanwhile are found where they lie then. Like the pages of a search, a walk does
not go back: calls that begin later than what was given are not given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.database import keys
from bluewhale.database.call_filter import CallFilter, milliseconds, number_key, where
from bluewhale.database.columnar import Columnar
from bluewhale.database.columns import rows_table
from bluewhale.database.engine import Database, Transaction
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.search import in_time, matching, newest, still_live
from bluewhale.database.segments import Segment, SegmentFolder

SLICE_ROWS = 32_768  # read and sorted at once: a slice ends with the minute that has the last
BATCH_ROWS = 16_384  # given at once
_MINUTE_MS = 60_000
_MINUTES_COUNTED_MAX = 4_000_000  # beyond that, some clock was wrong: sort instead of counting

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Matches:
    """Which calls of a segment match, and how many began in which minute.

    `bits`: a bit per row, None = all of them.
    """

    bits: Bits | None
    minutes: keys.Ints
    counts: keys.Ints

    def of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Give those of `rows` that match."""
        if self.bits is None:
            return rows
        return rows[(self.bits[rows >> 3] >> (rows & 7) & 1).astype(np.bool_)]


@dataclass(frozen=True, slots=True)
class _Times:
    """Minutes in which matching calls began, the newest first, and their running count."""

    minutes: keys.Ints
    reached: keys.Ints

    def since(self, until: int | None, rows: int) -> int | None:
        """Give where the slice of some `rows` before `until` begins; None = all that is left."""
        first = 0
        if until is not None:
            first = len(self.minutes) - int(np.searchsorted(self.minutes[::-1], until))
        given = int(self.reached[first - 1]) if first else 0
        last = int(np.searchsorted(self.reached, given + rows))
        return int(self.minutes[last]) if last < len(self.minutes) - 1 else None


class Walk:
    """One walk; `columns` are of STORED_CALL_SCHEMA, in the order given."""

    def __init__(
        self,
        db: Database,
        folder: SegmentFolder,
        columnar: Columnar,
        call_filter: CallFilter,
        columns: Sequence[str],
        *,
        slice_rows: int = SLICE_ROWS,
    ) -> None:
        self._db = db
        self._folder = folder
        self._columnar = columnar
        self._filter = call_filter
        self._key = number_key(call_filter)
        self._given = list(columns)
        needed = {"call_id", "version", "started_at", *columns}
        self._schema = pa.schema([f for f in STORED_CALL_SCHEMA if f.name in needed])
        self._segments: list[Segment] | None = None
        self._matches: dict[str, _Matches] = {}
        self._slice_rows = slice_rows
        self._times = _Times(np.empty(0, np.int64), np.empty(0, np.int64))

    def batches(self) -> Iterator[pa.Table]:
        """Give the calls, at most BATCH_ROWS at a time."""
        if self._key == keys.NO_NUMBER:
            return
        until: int | None = None
        while True:
            with self._db.read() as tx:
                live = self._folder.live(tx)
                if live is not self._segments:
                    self._look(tx, live)
                since = self._times.since(until, self._slice_rows)
                calls = self._slice(tx, since, until).select(self._given)
            for at in range(0, calls.num_rows, BATCH_ROWS):
                yield calls.slice(at, BATCH_ROWS)
            if since is None:
                return
            until = since

    # ---- which calls, and when -----------------------------------------------------------

    def _look(self, tx: Transaction, live: list[Segment]) -> None:
        """Look at segments that are new to this walk, and count what there is by the minute."""
        self._segments = live
        known = self._matches
        chosen = in_time(live, self._filter)
        self._matches = {s.name: known.get(s.name) or self._matching(s) for s in chosen}
        condition, values, source = self._hot_question(tx)
        hot = tx.rows(
            f"SELECT c.started_at / {_MINUTE_MS}, COUNT(*) FROM {source} WHERE {condition}"
            " AND c.started_at IS NOT NULL GROUP BY 1",
            values,
        )
        found = [(m.minutes, m.counts) for m in self._matches.values()]
        found.append((np.array([r[0] for r in hot], np.int64), np.array([r[1] for r in hot])))
        minutes, of = np.unique(np.concatenate([m for m, _ in found]), return_inverse=True)
        counts = np.bincount(of, np.concatenate([c for _, c in found]), minlength=len(minutes))
        self._times = _Times(minutes[::-1], np.cumsum(counts[::-1].astype(np.int64)))

    def _matching(self, segment: Segment) -> _Matches:
        f = self._filter
        index = self._folder.index(segment)
        started = index.array("call_started")
        kept: keys.Bools | None = None
        if self._key is not None:
            first, last = index.span("number", self._key)
            kept = np.zeros(len(started), np.bool_)
            kept[index.array("number_row")[first:last]] = True
        for moment, sign in ((f.from_at, np.greater_equal), (f.until_at, np.less)):
            if moment is not None:
                fits = sign(started, milliseconds(moment))
                kept = fits if kept is None else kept & fits
        if kept is None or kept.any():
            asked = np.arange(len(started)) if kept is None else np.flatnonzero(kept)
            rows = matching(self._folder, self._columnar, segment, f, asked)
            if len(rows) < len(asked):
                kept = np.zeros(len(started), np.bool_)
                kept[rows] = True
        if kept is None or kept.all():
            return _Matches(None, *_by_minute(started))
        return _Matches(np.packbits(kept, bitorder="little"), *_by_minute(started[kept]))

    # ---- a slice of time -------------------------------------------------------------------

    def _slice(self, tx: Transaction, since: int | None, until: int | None) -> pa.Table:
        """Read calls that began in minutes [since, until), newest first."""
        parts = [
            part
            for segment in self._segments or ()
            if segment.name in self._matches
            for part in self._sealed(segment, since, until)
        ]
        calls = pa.concat_tables([self._hot(tx, since, until), *parts])
        return newest(_live(tx, calls).unify_dictionaries(), calls.num_rows)

    def _sealed(self, segment: Segment, since: int | None, until: int | None) -> Iterator[pa.Table]:
        matches = self._matches[segment.name]
        first = 0 if since is None else int(np.searchsorted(matches.minutes, since))
        after = len(matches.minutes)
        if until is not None:
            after = int(np.searchsorted(matches.minutes, until))
        if first >= after:
            return
        started = self._folder.index(segment).array("call_started")
        fits = np.ones(len(started), np.bool_)
        if since is not None:
            fits &= started >= since * _MINUTE_MS
        if until is not None:
            fits &= started < until * _MINUTE_MS
        names = self._schema.names
        for rows in self._folder.near(matches.of(np.flatnonzero(fits))):
            yield self._folder.take(segment, "call", rows, names)

    def _hot_question(self, tx: Transaction) -> tuple[str, list[object], str]:
        """Give condition, values and source of hot calls that match."""
        condition, values = where(self._filter, tx.dialect)
        if self._key is None:
            return f"c.live = 1 AND {condition}", values, "call_version c"
        # "+" keeps SQLite from walking all live rows: the number leads there
        return (
            f"n.number = ? AND +c.live = 1 AND {condition}",
            [self._key, *values],
            "call_number n JOIN call_version c ON c.call_id = n.call_id AND c.version = n.version",
        )

    def _hot(self, tx: Transaction, since: int | None, until: int | None) -> pa.Table:
        condition, values, source = self._hot_question(tx)
        if since is not None:
            condition, values = f"{condition} AND c.started_at >= ?", [*values, since * _MINUTE_MS]
        if until is not None:
            # calls without a beginning come last
            unknown = "" if since is not None else " OR c.started_at IS NULL"
            condition = f"{condition} AND (c.started_at < ?{unknown})"
            values = [*values, until * _MINUTE_MS]
        columns = ", ".join(f'c."{name}"' for name in self._schema.names)
        rows = tx.rows(f"SELECT {columns} FROM {source} WHERE {condition}", values)
        return rows_table(rows, self._schema)


def _by_minute(started: keys.Ints) -> tuple[keys.Ints, keys.Ints]:
    """Give the minutes of these moments, ascending, and how many are in each."""
    if not len(started):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    minutes = started // _MINUTE_MS
    first = int(minutes.min())
    if int(minutes.max()) - first > _MINUTES_COUNTED_MAX:
        return np.unique(minutes, return_counts=True)
    counts = np.bincount(minutes - first)
    at = np.flatnonzero(counts)
    return at + first, counts[at]


def _live(tx: Transaction, calls: pa.Table) -> pa.Table:
    """Leave out sealed versions that are not live any more."""
    if not calls.num_rows:
        return calls
    high, _ = keys.id_words(calls.column("call_id"))
    ends = int(high.min()).to_bytes(8) + bytes(8), int(high.max()).to_bytes(8) + b"\xff" * 8
    dead = tx.rows(
        "SELECT call_id, version FROM superseded WHERE call_id >= ? AND call_id <= ?", ends
    )
    return still_live(calls, set(dead))
