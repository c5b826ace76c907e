"""Is everything that was heard also stored and priced? Per site and day, with each gap named.

Counts after "journaled" come from stored rows. "stored" is counted anew from the
rows themselves (hot and sealed), so that the control totals are proved, not
repeated. Days are UTC days of receipt: the only day that every record has.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from bluewhale.database.columnar import Columnar, sealed_sql
from bluewhale.database.engine import Transaction
from bluewhale.database.lookup import Lookup
from bluewhale.database.segments import Segment, SegmentFolder
from bluewhale.database.streams import merge_ranges, without

_DAY_MS = 86_400_000

STAGES = (
    "heard", "journaled", "received", "parsed", "suspended", "duplicate", "merged", "rated",
    "unrated", "stored",
)  # fmt: skip

COMPLETENESS_SCHEMA = pa.schema(
    [
        ("site_uid", pa.string()),
        ("day", pa.date32()),
        *((stage, pa.int64()) for stage in STAGES),
        ("open", pa.int64()),  # legs stored that are in no call yet
        ("balanced", pa.bool_()),
        ("difference", pa.string()),  # which sum does not hold; empty where balanced
    ]
)

GAP_SCHEMA = pa.schema(
    [
        ("link_uid", pa.string()),
        ("site_uid", pa.string()),
        ("stream_id", pa.int64()),
        ("incarnation", pa.int64()),
        ("first_seq", pa.int64()),
        ("last_seq", pa.int64()),
        ("records", pa.int64()),
        ("state", pa.string()),  # lost: named by the edge; missing: nobody named it yet
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Completeness:
    """`days`: COMPLETENESS_SCHEMA. `gaps`: GAP_SCHEMA, of all days (a gap has no day)."""

    days: pa.Table
    gaps: pa.Table

    @property
    def complete(self) -> bool:
        """Say whether every sum holds and no gap is known."""
        return self.gaps.num_rows == 0 and all(self.days.column("balanced").to_pylist())


def completeness(
    tx: Transaction,
    lookup: Lookup,
    received: Received,
    *,
    site: str | None = None,
    days: tuple[int | None, int | None] = (None, None),
) -> Completeness:
    """Give the totals of the days asked for (days since 1970, inclusive; None = any) and all gaps."""
    first_day, last_day = days
    counts: dict[tuple[str, int], dict[str, int]] = {}
    for site_uid, day, stage, count in tx.rows(
        'SELECT site_uid, day, stage, "count" FROM control_total'
    ):
        counts.setdefault((site_uid, day), {})[stage] = count
    for site_uid, day, heard, journaled in tx.rows(
        "SELECT COALESCE(l.site_uid, ''), h.day, CAST(SUM(h.heard) AS BIGINT),"
        " CAST(SUM(h.journaled) AS BIGINT)"
        " FROM stream_heard h LEFT JOIN (SELECT stream_id, MIN(site_uid) AS site_uid FROM link"
        " GROUP BY stream_id) l ON l.stream_id = h.stream_id GROUP BY 1, 2"
    ):
        counts.setdefault((site_uid, day), {}).update(heard=heard, journaled=journaled)
    for (site_uid, day), count in _stored(tx, lookup, received).items():
        counts.setdefault((site_uid, day), {})["stored"] = count
    rows = [
        _row(site_uid, day, found)
        for (site_uid, day), found in sorted(counts.items())
        if (site is None or site == site_uid)
        and (first_day is None or day >= first_day)
        and (last_day is None or day <= last_day)
    ]
    return Completeness(pa.Table.from_pylist(rows, schema=COMPLETENESS_SCHEMA), gaps(tx, site=site))


def _row(site_uid: str, day: int, found: dict[str, int]) -> dict[str, object]:
    row: dict[str, object] = {"site_uid": site_uid, "day": day}
    count = {stage: found.get(stage, 0) for stage in STAGES}
    told = "heard" in found  # imports are counted from their file, not heard by a unit
    wrong: list[str] = []

    def must(name: str, left: int, right: int) -> None:
        if left != right:
            wrong.append(f"{name}: {left} against {right}")

    if told:
        must("heard = journaled", count["heard"], count["journaled"])
        must("journaled = received", count["journaled"], count["received"])
    must(
        "received = parsed + suspended + duplicate",
        count["received"],
        count["parsed"] + count["suspended"] + count["duplicate"],
    )
    must("stored = parsed", count["stored"], count["parsed"])
    must("merged = rated + unrated", count["merged"], count["rated"] + count["unrated"])
    row |= {
        stage: (count[stage] if told or stage not in {"heard", "journaled"} else None)
        for stage in STAGES
    }
    row["open"] = count["parsed"] - count["merged"]
    row["balanced"] = not wrong
    row["difference"] = "; ".join(wrong)
    return row


def _stored(tx: Transaction, lookup: Lookup, received: Received) -> Counter[tuple[str, int]]:
    """Count leg rows themselves, hot and sealed, per site and UTC day received."""
    found = received.of(lookup.segments)
    found.update(received.hot(tx, [s.name for s in lookup.segments]))
    return found


@dataclass(frozen=True, slots=True)
class _Hot:
    segments: Sequence[str]
    last_row: int
    counts: Counter[tuple[str, int]]


class Received:
    """Legs per site and UTC day received; any thread may ask.

    A sealed file never changes: the rows of each are counted once by a process. A hot leg does
    not either and goes by sealing alone: in SQLite those that came since are counted, as long as
    all together are as many as there are rows.
    """

    def __init__(self, folder: SegmentFolder, columnar: Columnar) -> None:
        self._folder = folder
        self._columnar = columnar
        self._lock = threading.Lock()
        self._counted: dict[str, Counter[tuple[str, int]]] = {}
        self._hot = _Hot((), 0, Counter())

    def of(self, segments: Sequence[Segment]) -> Counter[tuple[str, int]]:
        """Add up the legs of segments."""
        with self._lock:
            self._count([s for s in segments if s.name not in self._counted])
            self._counted = {s.name: self._counted[s.name] for s in segments}
            found: Counter[tuple[str, int]] = Counter()
            for counted in self._counted.values():
                found.update(counted)
            return found

    def hot(self, tx: Transaction, segments: Sequence[str]) -> Counter[tuple[str, int]]:
        """Count hot legs; `segments` names the live ones, as the transaction sees them."""
        if tx.dialect != "sqlite":
            return _hot_legs(tx, "1 = 1", ())
        (row,) = tx.rows("SELECT COUNT(*), COALESCE(MAX(rowid), 0) FROM leg")
        kept = self._hot
        found = Counter[tuple[str, int]]()
        if list(kept.segments) == list(segments):
            found = kept.counts + _hot_legs(tx, "rowid > ?", (kept.last_row,))
        if found.total() != row[0]:
            found = _hot_legs(tx, "1 = 1", ())
        self._hot = _Hot(segments, row[1], found)
        return found

    def _count(self, segments: Sequence[Segment]) -> None:
        if not segments:
            return
        names = {str(self._folder.path(s.name, "leg")): s.name for s in segments}
        table = self._columnar.query(
            f"SELECT filename, COALESCE(site_uid, '') AS site, epoch_ms(received_at) // {_DAY_MS}"
            f" AS day, COUNT(*) AS n FROM {sealed_sql(self._folder, segments, 'leg', 'filename = true')}"
            " GROUP BY ALL"
        )
        counted = {name: Counter[tuple[str, int]]() for name in names.values()}
        for row in table.to_pylist():
            counted[names[row["filename"]]][row["site"], int(row["day"])] = row["n"]
        self._counted |= counted


def _hot_legs(tx: Transaction, condition: str, values: Sequence[int]) -> Counter[tuple[str, int]]:
    rows = tx.rows(
        f"SELECT COALESCE(site_uid, ''), received_at / {_DAY_MS}, COUNT(*) FROM leg"
        f" WHERE {condition} GROUP BY 1, 2",
        values,
    )
    return Counter({(site_uid, day): count for site_uid, day, count in rows})


def gaps(tx: Transaction, *, site: str | None = None) -> pa.Table:
    """Name every range of capture keys that is lost, or that nobody accounted for."""
    links = {r[0]: (r[1], r[2]) for r in tx.rows("SELECT stream_id, link_uid, site_uid FROM link")}
    streams: dict[tuple[int, int], list[tuple[int, int, str, str]]] = {}
    for stream, incarnation, first, last, state, reason in tx.rows(
        "SELECT stream_id, incarnation, first_seq, last_seq, state, reason FROM stream_interval"
        " ORDER BY stream_id, incarnation, first_seq"
    ):
        streams.setdefault((stream, incarnation), []).append((first, last, state, reason))
    rows: list[dict[str, object]] = []
    for (stream, incarnation), ranges in streams.items():
        link_uid, site_uid = links.get(stream, ("", ""))
        if site is not None and site != site_uid:
            continue
        known = merge_ranges((a, b) for a, b, _, _ in ranges)
        named = [(a, b, "lost", reason) for a, b, state, reason in ranges if state == "lost"]
        named += [(a, b, "missing", "") for a, b in without([(1, known[-1][1])], known)]
        rows += [
            {
                "link_uid": link_uid,
                "site_uid": site_uid,
                "stream_id": stream,
                "incarnation": incarnation,
                "first_seq": a,
                "last_seq": b,
                "records": b - a + 1,
                "state": state,
                "reason": reason,
            }
            for a, b, state, reason in sorted(named)
        ]
    return pa.Table.from_pylist(rows, schema=GAP_SCHEMA)
