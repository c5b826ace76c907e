"""Where a leg or call is, hot or sealed: one place that asks both.

Owns look-ups by id, capture key, join key and ownership inside one transaction.
Changes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from bluewhale.database import keys
from bluewhale.database.columns import own_words, rows_table
from bluewhale.database.engine import Transaction
from bluewhale.database.index_file import IndexFile
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.database.segments import Segment, SegmentFolder
from bluewhale.records.schemas import CHARGE_SCHEMA, LEG_SCHEMA

CaptureKey = tuple[int, int, int]
_DAY_MS = 86_400_000
_FEW_IDS = 16  # are looked for one by one in what is mapped

LEG_COLUMNS = ", ".join(f'"{f.name}"' for f in LEG_SCHEMA)
CALL_COLUMNS = ", ".join(f'"{f.name}"' for f in STORED_CALL_SCHEMA)
CHARGE_COLUMNS = ", ".join(f'"{f.name}"' for f in CHARGE_SCHEMA)


@dataclass(frozen=True, slots=True)
class StoredLeg:
    """A stored leg: its capture key and where its row is (segment None = hot)."""

    capture: CaptureKey
    segment: Segment | None
    row: int


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A live call version and where its row is (segment None = hot)."""

    call_id: bytes
    version: int
    leg_ids: frozenset[bytes]
    segment: Segment | None
    row: int


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One stored leg under one join key."""

    join_key: int
    join_at: int
    join_gap_ms: int
    cdr_id: bytes


@dataclass(frozen=True, slots=True)
class LegFacts:
    """What bookkeeping needs of a leg: its site, UTC day received, ingest moment, join keys."""

    site_uid: str
    day: int
    ingested_at: int
    join_keys: tuple[int, ...]


class Lookup:
    """Look-ups over hot rows and live segments, within one transaction."""

    def __init__(self, tx: Transaction, folder: SegmentFolder, segments: Sequence[Segment]) -> None:
        self.tx = tx
        self.folder = folder
        self.segments = segments

    # ---- legs by id ------------------------------------------------------------------

    def known(
        self, high: keys.Words, low: keys.Words, absent: frozenset[str] = frozenset()
    ) -> keys.Bools:
        """Say for each id whether a leg with it is stored. Ids must be sorted.

        `absent`: segments in which none of these ids is, as an earlier look found.
        """
        found = np.zeros(len(high), np.bool_)
        if not len(high):
            return found
        first, last = keys.words_bytes(high[[0, -1]], low[[0, -1]])
        hot = self._hot_ids(first, last, high, low)
        if len(hot):
            hot_high, hot_low = keys.words_of(hot)
            found |= keys.find_words(hot_high, hot_low, high, low) >= 0
        for segment in self.segments:
            if segment.name in absent or not segment.may_hold_legs(first, last):
                continue
            index = self.folder.index(segment)
            whole = len(high) > 4096
            stored_high = index.array("leg_high", whole=whole)
            stored_low = index.array("leg_low", whole=whole)
            keys.mark_common(stored_high, stored_low, high, low, found)
        return found

    def _hot_ids(self, first: bytes, last: bytes, high: keys.Words, low: keys.Words) -> list[bytes]:
        if len(high) <= 4096 or self.tx.dialect != "sqlite":
            ids = keys.words_bytes(high, low)
            rows = self.tx.rows_in("SELECT cdr_id FROM leg_seen WHERE cdr_id IN ({marks})", ids)
            return sorted(r[0] for r in rows)
        rows = self.tx.rows(
            "SELECT cdr_id FROM leg_seen WHERE cdr_id BETWEEN ? AND ? ORDER BY cdr_id",
            (first, last),
        )
        return [r[0] for r in rows]

    def legs(self, ids: Collection[bytes]) -> dict[bytes, StoredLeg]:
        """Find stored legs by id."""
        found: dict[bytes, StoredLeg] = {}
        if not ids:
            return found
        for r in self.tx.rows_in(
            "SELECT cdr_id, stream_id, incarnation, seq FROM leg_seen WHERE cdr_id IN ({marks})",
            ids,
        ):
            found[r[0]] = StoredLeg((r[1], r[2], r[3]), None, 0)
        rest = sorted(set(ids) - found.keys())
        for segment, hits, at in self._in_segments(rest):
            rows = self.folder.index(segment).array("leg_row")[at]
            captures = self._captures_of_rows(segment, rows)
            for hit, row, capture in zip(hits.tolist(), rows.tolist(), captures, strict=True):
                found[rest[hit]] = StoredLeg(capture, segment, row)
        return found

    def sealed_rows(
        self, ids: Sequence[bytes], near: Segment | None = None
    ) -> list[tuple[Segment, list[int]]]:
        """Give per segment the rows of those legs of `ids` (ascending) that it holds.

        `near`: where they are looked for first.
        """
        return [
            (segment, self.folder.index(segment).array("leg_row")[at].tolist())
            for segment, _, at in self._in_segments(ids, near)
        ]

    def _in_segments(
        self, ids: Sequence[bytes], near: Segment | None = None
    ) -> Iterable[tuple[Segment, keys.Ints, keys.Ints]]:
        """Yield per segment which of `ids` (ascending) it holds, and where its index has them."""
        left = len(ids)
        if not left:
            return
        high, low = keys.words_of(list(ids))
        first = [] if near is None else [near]
        for segment in [*first, *(s for s in self.segments if s is not near)]:
            if not segment.may_hold_legs(ids[0], ids[-1]):
                continue
            index = self.folder.index(segment)
            at = _found(index, "leg", high, low)
            hits = np.flatnonzero(at >= 0)
            if len(hits):
                yield segment, hits, at[hits]
            left -= len(hits)
            if not left:  # a leg is in one segment
                return

    def _captures_of_rows(self, segment: Segment, rows: keys.Rows) -> list[CaptureKey]:
        index = self.folder.index(segment)
        place = np.empty(segment.leg_rows, np.int64)
        place[index.array("capture_row", whole=True)] = np.arange(segment.leg_rows)
        at = place[rows]
        seq = index.array("capture_seq")[at]
        out: list[CaptureKey] = [(0, 0, 0)] * len(rows)
        for stream, incarnation, first, after in index.facts["captures"]:
            for n in np.flatnonzero((at >= first) & (at < after)).tolist():
                out[n] = (stream, incarnation, int(seq[n]))
        return out

    def leg_table(self, ids: Collection[bytes]) -> pa.Table:
        """Give stored legs with all columns, ascending by id."""
        return own_words(self.stored_legs(ids))

    def stored_legs(self, ids: Collection[bytes], near: Segment | None = None) -> pa.Table:
        """Give them with words that may be those of a whole file: cheaper for who reads values.

        `near`: the segment that is asked first.
        """
        wanted = sorted(set(ids))
        hot = rows_table(
            self.tx.rows_in(f"SELECT {LEG_COLUMNS} FROM leg WHERE cdr_id IN ({{marks}})", wanted),
            LEG_SCHEMA,
        )
        known = set(hot.column("cdr_id").to_pylist())
        rest = [i for i in wanted if i not in known]
        table = self.with_sealed("leg", hot, self.sealed_rows(rest, near))
        if table.num_rows < 2:
            return table
        high, low = keys.id_words(table.column("cdr_id"))
        return table.take(pa.array(keys.sort_words(high, low)))

    def with_sealed(
        self, kind: str, hot: pa.Table, sealed: Sequence[tuple[Segment, Sequence[int]]]
    ) -> pa.Table:
        """Give hot rows and sealed ones; words may be those of a whole file."""
        if not sealed:
            return hot
        if len(sealed) == 1 and not hot.num_rows:
            return self.folder.beside(kind, *sealed[0])
        return pa.concat_tables([hot, self.folder.few(kind, sealed)])

    # ---- capture keys ------------------------------------------------------------------

    def crcs(self, stream_id: int, incarnation: int, seqs: Sequence[int]) -> dict[int, int]:
        """Give the CRC of stored records of one stream by sequence number."""
        found: dict[int, int] = {}
        for table in ("suspense", "duplicate", "leg_seen"):
            sql = (
                f"SELECT seq, record_crc FROM {table}"
                " WHERE stream_id = ? AND incarnation = ? AND seq {where}"
            )
            if table == "suspense":
                sql += " AND reason <> 'capture_conflict'"
            if len(seqs) > 4096:
                rows = self.tx.rows(
                    sql.replace("{where}", "BETWEEN ? AND ?"),
                    (stream_id, incarnation, min(seqs), max(seqs)),
                )
            else:
                rows = self.tx.rows_in(
                    sql.replace("{where}", "IN ({marks})"), seqs, (stream_id, incarnation)
                )
            found.update((r[0], r[1]) for r in rows if r[1] is not None)
        want = np.array(sorted(set(seqs) - found.keys()), np.int64)
        for segment in self.segments:
            if not len(want):
                break
            index = self.folder.index(segment)
            for stream, inc, first, after in index.facts["captures"]:
                if (stream, inc) != (stream_id, incarnation):
                    continue
                seq = index.array("capture_seq")[first:after]
                at = np.minimum(np.searchsorted(seq, want), len(seq) - 1)
                hit = seq[at] == want
                crc = index.array("capture_crc")[first:after][at[hit]]
                found.update(zip(want[hit].tolist(), crc.tolist(), strict=True))
                want = want[~hit]
        return found

    def ids_of_captures(self, captures: Collection[CaptureKey]) -> dict[CaptureKey, bytes]:
        """Give the leg that each capture key is stored as; a duplicate's is its twin."""
        found: dict[CaptureKey, bytes] = {}
        streams: dict[tuple[int, int], list[int]] = {}
        for stream, incarnation, seq in captures:
            streams.setdefault((stream, incarnation), []).append(seq)
        for key, seqs in streams.items():
            for table in ("leg_seen", "duplicate"):
                rows = self.tx.rows_in(
                    f"SELECT seq, cdr_id FROM {table} WHERE stream_id = ? AND incarnation = ?"
                    " AND seq IN ({marks})",
                    seqs,
                    key,
                )
                found.update(((*key, r[0]), r[1]) for r in rows)
            self._sealed_captures(key, seqs, found)
        return found

    def _sealed_captures(
        self, key: tuple[int, int], seqs: Sequence[int], found: dict[CaptureKey, bytes]
    ) -> None:
        want = np.array(sorted(s for s in set(seqs) if (*key, s) not in found), np.int64)
        for segment in self.segments:
            if not len(want):
                return
            index = self.folder.index(segment)
            for stream, incarnation, first, after in index.facts["captures"]:
                if (stream, incarnation) != key or not len(want):
                    continue
                stored = index.array("capture_seq")[first:after]
                at = np.minimum(np.searchsorted(stored, want), len(stored) - 1)
                hit = stored[at] == want
                rows = index.array("capture_row")[first:after][at[hit]]
                ids = self._leg_ids_of_rows(segment, rows)
                found.update(((*key, s), i) for s, i in zip(want[hit].tolist(), ids, strict=True))
                want = want[~hit]

    def _leg_ids_of_rows(self, segment: Segment, rows: keys.Rows) -> list[bytes]:
        index = self.folder.index(segment)
        place = np.empty(segment.leg_rows, np.int64)
        place[index.array("leg_row", whole=True)] = np.arange(segment.leg_rows)
        where = place[rows]
        return keys.words_bytes(index.array("leg_high")[where], index.array("leg_low")[where])

    def leg_facts(self, ids: Collection[bytes]) -> dict[bytes, LegFacts]:
        """Give site, day and join keys of stored legs."""
        found: dict[bytes, LegFacts] = {}
        for r in self.tx.rows_in(
            "SELECT cdr_id, site_uid, received_at, ingested_at, join_keys FROM leg"
            " WHERE cdr_id IN ({marks})",
            ids,
        ):
            found[r[0]] = LegFacts(r[1] or "", (r[2] or 0) // _DAY_MS, r[3] or 0, unpack_keys(r[4]))
        for segment, rows in self.sealed_rows(sorted(set(ids) - found.keys())):
            table = self.folder.take(
                segment, "leg", sorted(rows),
                ["cdr_id", "site_uid", "received_at", "ingested_at", "join_keys"],
            )  # fmt: skip
            columns = (
                table.column("cdr_id").to_pylist(),
                table.column("site_uid").to_pylist(),
                keys.integers(table.column("received_at")).tolist(),
                keys.integers(table.column("ingested_at")).tolist(),
                table.column("join_keys").to_pylist(),
            )
            for cdr_id, site, received, ingested, joins in zip(*columns, strict=True):
                found[cdr_id] = LegFacts(
                    site or "", received // _DAY_MS, ingested, tuple(joins or ())
                )
        return found

    # ---- who owns a leg ----------------------------------------------------------------

    def owners(self, ids: Collection[bytes]) -> dict[bytes, bytes]:
        """Give the live call of each leg that is in one."""
        found: dict[bytes, bytes] = {}
        if not ids:
            return found
        found.update(
            (r[0], r[1])
            for r in self.tx.rows_in(
                "SELECT cdr_id, call_id FROM leg_owner WHERE cdr_id IN ({marks})", ids
            )
        )
        rest = sorted(set(ids) - found.keys())
        sealed: dict[bytes, tuple[bytes, int]] = {}
        for segment, found_at, at in self._in_segments(rest):
            index = self.folder.index(segment)
            call_rows = index.array("leg_call")[at]
            owned = call_rows != keys.NO_ROW
            hits, call_rows = found_at[owned], call_rows[owned]
            if not len(hits):
                continue
            call_ids = self._call_ids_of_rows(segment, call_rows)
            versions = index.array("call_version")[call_rows].tolist()
            for hit, call_id, version in zip(hits.tolist(), call_ids, versions, strict=True):
                sealed[rest[hit]] = (call_id, version)
        gone = self.dead({c for c, _ in sealed.values()})
        found.update((i, c) for i, (c, v) in sealed.items() if (c, v) not in gone)
        return found

    def _call_ids_of_rows(self, segment: Segment, rows: keys.Rows) -> list[bytes]:
        index = self.folder.index(segment)
        place = np.empty(segment.call_rows, np.int64)
        place[index.array("call_row", whole=True)] = np.arange(segment.call_rows)
        at = place[rows]
        return keys.words_bytes(index.array("call_high")[at], index.array("call_low")[at])

    def dead(self, call_ids: Iterable[bytes]) -> set[tuple[bytes, int]]:
        """Give the sealed versions of these calls that are not live any more."""
        rows = self.tx.rows_in(
            "SELECT call_id, version FROM superseded WHERE call_id IN ({marks})", set(call_ids)
        )
        return {(r[0], r[1]) for r in rows}

    # ---- calls -------------------------------------------------------------------------

    def calls(self, ids: Collection[bytes]) -> dict[bytes, StoredCall]:
        """Find live calls by id."""
        found: dict[bytes, StoredCall] = {}
        for r in self.tx.rows_in(
            "SELECT call_id, version, leg_ids FROM call_version"
            " WHERE +live = 1 AND call_id IN ({marks})",
            set(ids),
        ):
            legs = frozenset(r[2][i : i + 16] for i in range(0, len(r[2]), 16))
            found[r[0]] = StoredCall(r[0], r[1], legs, None, 0)
        rest = set(ids) - found.keys()
        gone = self.dead(rest)
        for segment, wanted, rows in self.sealed_call_rows(rest):
            table = self.folder.few("call", [(segment, rows)], ["call_id", "version", "leg_ids"])
            versions = table.column("version").to_pylist()
            legs_of = table.column("leg_ids").to_pylist()
            for call_id, row, version, leg_ids in zip(wanted, rows, versions, legs_of, strict=True):
                if (call_id, version) not in gone:
                    found[call_id] = StoredCall(call_id, version, frozenset(leg_ids), segment, row)
        return found

    def sealed_call_rows(
        self, ids: Collection[bytes]
    ) -> Iterable[tuple[Segment, list[bytes], list[int]]]:
        """Yield per segment the calls of `ids` that it holds, live or not, and their rows."""
        rest = sorted(ids)
        if not rest:
            return
        high, low = keys.words_of(rest)
        asked = [s for s in self.segments if s.may_hold_calls(rest[0], rest[-1])]
        if len(high) <= _FEW_IDS:
            for segment in asked:
                for wanted_high in high.tolist():
                    self.folder.index(segment).ahead("call_high", wanted_high)
        for segment in asked:
            index = self.folder.index(segment)
            at = _found(index, "call", high, low)
            hits = np.flatnonzero(at >= 0)
            if len(hits):
                rows = index.array("call_row")[at[hits]].tolist()
                yield segment, [rest[h] for h in hits.tolist()], rows

    def last_versions(self, ids: Collection[bytes]) -> dict[bytes, int]:
        """Give the highest version ever given to each of these calls."""
        found: dict[bytes, int] = {
            r[0]: r[1]
            for r in self.tx.rows_in(
                "SELECT call_id, MAX(version) FROM call_version"
                " WHERE call_id IN ({marks}) GROUP BY call_id",
                set(ids),
            )
        }
        for segment, wanted, rows in self.sealed_call_rows(ids):
            versions = self.folder.index(segment).array("call_version")[np.array(rows)].tolist()
            for call_id, version in zip(wanted, versions, strict=True):
                found[call_id] = max(found.get(call_id, 0), version)
        return found

    def _charge_rows(self, segment: Segment, call_row: int) -> keys.Rows:
        """Give the rows of the charges that were sealed with a call."""
        index = self.folder.index(segment)
        first = index.array("charge_first")
        return index.array("charge_at")[int(first[call_row]) : int(first[call_row + 1])]

    def charges(
        self, call_id: bytes, sealed: Iterable[tuple[Segment, Sequence[int]]] | None = None
    ) -> pa.Table:
        """Give the whole ledger of one call: every version, charges and reversals.

        `sealed`: where `sealed_call_rows` found it; None = it is looked for. Words may be those
        of a whole file.
        """
        hot = rows_table(
            self.tx.rows(f"SELECT {CHARGE_COLUMNS} FROM charge WHERE call_id = ?", (call_id,)),
            CHARGE_SCHEMA,
        )
        if sealed is None:
            sealed = [(segment, rows) for segment, _, rows in self.sealed_call_rows([call_id])]
        places = [
            (segment, self._charge_rows(segment, row).tolist())
            for segment, rows in sealed
            for row in rows
        ]
        return self.with_sealed("charge", hot, [place for place in places if place[1]])

    # ---- join keys ---------------------------------------------------------------------

    def shared_keys(self, key: keys.Ints, when: tuple[int, int], gap_ms: int) -> keys.Ints:
        """Give those of `key`, keys of stored legs, that more than one leg has.

        `when`: first and last moment of those legs, ms; of segments only those
        near in time are asked.
        """
        wanted = np.unique(key)
        count = np.zeros(len(wanted), np.int64)
        for segment in self.segments:
            if segment.joins is None:
                continue
            reach = max(gap_ms, segment.joins[2])
            if segment.joins[0] - reach <= when[1] and when[0] <= segment.joins[1] + reach:
                count += self._sealed_legs_of(segment, wanted)
        for least, few in ((2, count == 0), (1, count == 1)):  # hot legs that make it more than one
            rows = self.tx.rows_in(
                "SELECT join_key FROM leg_key WHERE join_key IN ({marks})"
                f" GROUP BY join_key HAVING COUNT(*) >= {least}",
                wanted[few].tolist(),
            )
            if rows:
                count[np.searchsorted(wanted, np.array([r[0] for r in rows], np.int64))] += 2
        return wanted[count > 1]

    def hot_keys(self, key: keys.Ints) -> keys.Ints:
        """Give join keys of hot legs, ascending: all of `key` that any has, and maybe others."""
        if self.tx.dialect == "sqlite":  # no round trip: reading all costs less than asking
            rows = self.tx.rows("SELECT DISTINCT join_key FROM leg_key ORDER BY join_key")
        else:
            sql = "SELECT DISTINCT join_key FROM leg_key WHERE join_key IN ({marks})"
            rows = self.tx.rows_in(sql, np.unique(key).tolist())
        return np.sort(np.array([r[0] for r in rows], np.int64))

    def _sealed_legs_of(self, segment: Segment, wanted: keys.Ints) -> keys.Ints:
        """Count the legs of a segment under each of these keys, which ascend."""
        index = self.folder.index(segment)
        key = index.array("join_key")
        count = np.zeros(len(wanted), np.int64)
        hit = np.flatnonzero(keys.isin_sorted(wanted, key))
        if not len(hit):
            return count
        first = np.searchsorted(key, wanted[hit], "left")
        size = np.searchsorted(key, wanted[hit], "right") - first
        of = np.repeat(np.arange(len(hit), dtype=np.uint64), size)
        at = np.arange(len(of)) + np.repeat(first - (np.cumsum(size) - size), size)
        pairs = np.unique(
            of << np.uint64(32) | index.array("join_row")[at]
        )  # a leg may name one twice
        count[hit] = np.bincount((pairs >> np.uint64(32)).astype(np.int64), minlength=len(hit))
        return count

    def entries(self, join_keys: Collection[int]) -> list[KeyEntry]:
        """Give every stored leg under these join keys, hot and sealed."""
        found = [
            KeyEntry(r[0], r[1], r[2], r[3])
            for r in self.tx.rows_in(
                "SELECT join_key, join_at, join_gap_ms, cdr_id FROM leg_key"
                " WHERE join_key IN ({marks})",
                join_keys,
            )
        ]
        want = np.array(sorted(join_keys), np.int64)
        if not len(want):
            return found
        for segment in self.segments:
            if segment.joins is not None:
                found += self._sealed_entries(segment, want)
        return found

    def _sealed_entries(self, segment: Segment, want: keys.Ints) -> list[KeyEntry]:
        index = self.folder.index(segment)
        key = index.array("join_key")
        first = np.searchsorted(key, want, "left")
        after = np.searchsorted(key, want, "right")
        hit = np.flatnonzero(after > first)
        if not len(hit):
            return []
        at = np.concatenate([np.arange(first[h], after[h]) for h in hit])
        rows = index.array("join_row")[at]
        gaps = index.array("join_gap")
        gap = gaps[at] if len(gaps) == len(key) and len(key) > 1 else np.repeat(gaps[:1], len(at))
        ids = self._leg_ids_of_rows(segment, rows)
        columns = (key[at].tolist(), index.array("join_at")[at].tolist(), gap.tolist(), ids)
        return [KeyEntry(*values) for values in zip(*columns, strict=True)]


def unpack_keys(packed: bytes | None) -> tuple[int, ...]:
    """Give the join keys of a hot leg row."""
    return struct.unpack(f"<{len(packed) // 8}q", packed) if packed else ()


def _found(index: IndexFile, kind: str, high: keys.Words, low: keys.Words) -> keys.Ints:
    """Give where the index of a segment has each id of a kind (leg, call); -1 = it has not."""
    name, stored_low = f"{kind}_high", index.view(f"{kind}_low")
    if len(high) > _FEW_IDS:
        return keys.find_words(index.array(name), stored_low, high, low)
    stored_high = index.view(name)
    found = np.full(len(high), -1, np.int64)
    for n, (wanted_high, wanted_low) in enumerate(zip(high.tolist(), low.tolist(), strict=True)):
        at = index.place(name, wanted_high)
        while at < len(stored_high) and stored_high[at] == wanted_high:
            if stored_low[at] == wanted_low:
                found[n] = at
                break
            at += 1
    return found
