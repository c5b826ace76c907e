"""Sealed segments: immutable Parquet files with sorted postings beside them.

A segment holds legs, the live calls made of them and the charges of those
calls: `<name>.leg.parquet`, `.call.parquet`, `.charge.parquet` and `<name>.index`.
Owns their writing (temporary name, fsync, rename), reading by row, and the
manifest entry. Does not own which rows are sealed (`sealing`, `commit`) or the
transaction that makes a segment live. A column without any value is left out
of the file; reading gives it back as nulls.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from bluewhale.database import keys
from bluewhale.database.columns import conform
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import StoreCorruptError, StoreFullError
from bluewhale.database.index_file import IndexFile, index_pieces
from bluewhale.database.ledger import ChargePlaces
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.records.schemas import CHARGE_SCHEMA, LEG_SCHEMA, SEGMENT, WORD

KINDS: Mapping[str, pa.Schema] = {
    "leg": LEG_SCHEMA,
    "call": STORED_CALL_SCHEMA,
    "charge": CHARGE_SCHEMA,
}
# Rows of a row group: calls are fetched a few at a time by search, the rest in bulk.
_GROUP_ROWS = {"leg": 65_536, "call": 4_096, "charge": 65_536}
# Calls are fetched in small pieces by search: setting up zstd costs more there than it saves.
_COMPRESSION = {"leg": "zstd", "call": "lz4", "charge": "zstd"}
_STATISTICS = {
    "leg": ["cdr_id", "received_at", "ingested_at", "setup_at"],
    "call": ["started_at", "site_uid"],
    "charge": ["rated_at", "tariff_version"],
}
# Columns of few values, beyond words: a dictionary costs less than compressing each value.
_FEW_VALUES = {
    "leg": {
        "stream_id", "incarnation", "connection", "n", "dialect_version", "identity_version",
        "join_gap_ms", "flags", "raw_context_id", "received_at", "ingested_at", "ring_ms",
        "queue_ms", "hold_ms", "talk_ms", "duration_ms", "cause_code",
    },
    "call": set(),
    "charge": {
        "call_version", "span", "payer", "tariff_version", "rated_at", "quantity_ms",
        "rated_quantity_ms", "connect_fee_nanos", "rounding_places", "exact_denominator",
        *(f"segments.list.element.{f.name}" for f in SEGMENT if f.name != "price_numerator"),
    },
}  # fmt: skip
# Hashes do not get smaller.
_INCOMPRESSIBLE = {"cdr_id", "call_id", "charge_id", "join_keys.list.element"}
_VISIBLE_TRIES, _VISIBLE_WAIT_S = 3, 0.1
_INDEXES_OPEN_MAX = 256  # each is a mapping and a file handle
# Pages of a mapping that were touched count as memory of the process until it goes.
_INDEX_BYTES_MAX = 48 << 20
_READERS_OPEN_MAX = 256
_GROUPS_AT_ONCE = 16  # row groups in memory, where wanted rows lie far apart
_EMPTY, _UNFINISHED = "empty", ".tmp"


@dataclass(frozen=True, slots=True)
class Segment:
    """A manifest entry: what a live segment holds, enough to pass it over unread."""

    segment_id: str
    name: str
    generation: int
    leg_rows: int
    call_rows: int
    charge_rows: int
    leg_range: tuple[bytes, bytes] | None
    call_range: tuple[bytes, bytes] | None
    started: tuple[int, int] | None
    joins: tuple[int, int, int] | None  # first and last join_at, widest gap, ms
    sites: tuple[str, ...] = ()

    def may_hold_legs(self, first: bytes, last: bytes) -> bool:
        """Say whether a leg id of [first, last] can be in here."""
        return (
            self.leg_range is not None and self.leg_range[0] <= last and first <= self.leg_range[1]
        )

    def may_hold_calls(self, first: bytes, last: bytes) -> bool:
        """Say whether a call id of [first, last] can be in here."""
        return (
            self.call_range is not None
            and self.call_range[0] <= last
            and first <= self.call_range[1]
        )


@dataclass(slots=True)
class Rows:
    """Rows to be sealed together.

    `leg_call`: call row per leg, `keys.NO_ROW` = in no call of this segment.
    `places` says where the charges of each call stand.
    """

    legs: pa.Table
    leg_call: keys.Rows
    calls: pa.Table
    charges: pa.Table
    places: ChargePlaces


def _leaves(path: str, kind: pa.DataType) -> list[str]:
    """Give the Parquet columns that one Arrow column becomes."""
    if pa.types.is_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    if pa.types.is_struct(kind):
        return [leaf for f in kind for leaf in _leaves(f"{path}.{f.name}", f.type)]
    return [path]


def _parquet(kind: str, table: pa.Table) -> pa.Buffer:
    rows = table.num_rows
    kept = [n for n in table.column_names if rows == 0 or table.column(n).null_count < rows]
    table = table.select(kept)
    words = [f.name for f in table.schema if f.type == WORD]
    few = [c for c in _FEW_VALUES[kind] if c.split(".", 1)[0] in kept]
    leaves = [c for name in kept for c in _leaves(name, table.schema.field(name).type)]
    usual = _COMPRESSION[kind]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression={c: "none" if c in _INCOMPRESSIBLE else usual for c in leaves},
        row_group_size=_GROUP_ROWS[kind],
        use_dictionary=[*words, *few],
        write_statistics=[c for c in _STATISTICS[kind] if c in kept],
        write_page_checksum=False,
        store_schema=True,
    )
    return sink.getvalue()


def number_postings(calls: pa.Table) -> tuple[keys.Ints, keys.Rows]:
    """Give (number key, call row) for every number that a call shows, sorted by key."""
    columns = [
        keys.integers(calls.column("calling_e164"), keys.NO_NUMBER),
        keys.integers(calls.column("called_e164"), keys.NO_NUMBER),
        *(keys.number_keys(calls.column(c)) for c in ("calling", "called", "final_destination")),
        keys.number_keys(calls.column("first_destination")),
    ]
    found: list[keys.Ints] = []
    rows: list[keys.Rows] = []
    for at, column in enumerate(columns):
        wanted = column >= 0
        for other in columns[:at]:
            wanted &= column != other
        at_rows = np.flatnonzero(wanted)
        found.append(column[at_rows])
        rows.append(at_rows.astype(np.uint32))
    key = np.concatenate(found)
    order = np.argsort(key, kind="stable")
    return key[order], np.concatenate(rows)[order]


def person_postings(calls: pa.Table) -> tuple[keys.Ints, keys.Rows]:
    """Give (key of the person, call row) for every call that is somebody's, sorted by key."""
    persons = keys.one_array(calls.column("person_uid"))
    code = keys.integers(persons.indices, -1)
    rows = np.flatnonzero(code >= 0)
    words = [keys.word_key(uid or "") for uid in persons.dictionary.to_pylist()]
    key = np.array(words, np.int64)[code[rows]]
    order = np.argsort(key, kind="stable")
    return key[order], rows[order].astype(np.uint32)


def join_entries(legs: pa.Table) -> tuple[keys.Ints, keys.Ints, keys.Ints, npt.NDArray[np.int64]]:
    """Give (join key, join_at, gap, leg row) per key of each leg, sorted by key and time."""
    lists = keys.one_array(legs.column("join_keys"))
    offsets = np.asarray(lists.offsets.to_numpy(zero_copy_only=False)).astype(np.int64)
    counts = np.diff(offsets)
    if lists.null_count:
        counts = np.where(np.asarray(lists.is_null()), 0, counts)
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    row = np.repeat(np.arange(legs.num_rows, dtype=np.int64), counts)
    at = keys.integers(legs.column("join_at"))[row]
    gap = keys.integers(legs.column("join_gap_ms"))[row]
    if len(flat) > 1 and bool(np.all(flat[1:] > flat[:-1])):
        return flat, at, gap, row
    order = np.lexsort((at, flat)) if len(flat) else np.empty(0, np.int64)
    return flat[order], at[order], gap[order], row[order]


def _capture_postings(
    legs: pa.Table,
) -> tuple[list[list[int]], dict[str, npt.NDArray[Any]]]:
    stream = keys.integers(legs.column("stream_id"))
    incarnation = keys.integers(legs.column("incarnation"))
    seq = keys.integers(legs.column("seq"))
    crc = keys.integers(legs.column("record_crc")).astype(np.uint32)
    row = np.arange(len(seq), dtype=np.uint32)
    one_stream = len(seq) > 0 and bool(
        np.all(stream == stream[0]) and np.all(incarnation == incarnation[0])
    )
    if not (one_stream and bool(np.all(seq[1:] > seq[:-1]))):
        order = np.lexsort((seq, incarnation, stream))
        stream, incarnation, seq = stream[order], incarnation[order], seq[order]
        crc, row = crc[order], row[order]
    starts = keys.run_starts(stream, incarnation)
    ends = np.append(starts[1:], len(seq))[: len(starts)]
    groups = [
        [int(stream[a]), int(incarnation[a]), int(a), int(b)]
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return groups, {"capture_seq": seq, "capture_crc": crc, "capture_row": row}


def _index(rows: Rows) -> tuple[list[bytes | memoryview], dict[str, Any]]:
    leg_high, leg_low = keys.id_words(rows.legs.column("cdr_id"))
    leg_order = keys.sort_words(leg_high, leg_low)
    call_high, call_low = keys.id_words(rows.calls.column("call_id"))
    call_order = keys.sort_words(call_high, call_low)
    key, at, gap, key_row = join_entries(rows.legs)
    number, number_row = number_postings(rows.calls)
    person, person_row = person_postings(rows.calls)
    groups, capture = _capture_postings(rows.legs)
    started = keys.integers(rows.calls.column("started_at"))
    versions = keys.integers(rows.calls.column("version"), 1).astype(np.int32)
    arrays: dict[str, npt.NDArray[Any]] = {
        "leg_high": leg_high[leg_order],
        "leg_low": leg_low[leg_order],
        "leg_row": leg_order.astype(np.uint32),
        "leg_call": rows.leg_call[leg_order],
        "call_high": call_high[call_order],
        "call_low": call_low[call_order],
        "call_row": call_order.astype(np.uint32),
        "call_version": versions,
        "call_started": started,
        "charge_first": rows.places.first,
        "charge_at": rows.places.at,
        "number": number,
        "number_row": number_row,
        "person": person,
        "person_row": person_row,
        "join_key": key,
        "join_at": at,
        "join_row": key_row.astype(np.uint32),
        "join_gap": gap if len(gap) and gap.min() != gap.max() else gap[:1],
        **capture,
    }
    facts = {
        "captures": groups,
        "leg_range": _ends(arrays["leg_high"], arrays["leg_low"]),
        "call_range": _ends(arrays["call_high"], arrays["call_low"]),
        "started": [int(started.min()), int(started.max())] if len(started) else None,
        "joins": [int(at.min()), int(at.max()), int(gap.max())] if len(at) else None,
    }
    return index_pieces(arrays, facts), facts


def _ends(high: keys.Words, low: keys.Words) -> list[str] | None:
    if not len(high):
        return None
    ends = keys.words_bytes(high[[0, -1]], low[[0, -1]])
    return [e.hex() for e in ends]


def _write_file(path: Path, pieces: Iterable[Any]) -> tuple[int, str]:
    """Write a temporary file, fsync it, rename it; give its size and checksum.

    Several may write the same file at once: the last one stays, each is whole.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    size = 0
    crc = 0
    with temporary.open("wb", buffering=0) as file:
        for piece in pieces:
            view = memoryview(piece)
            crc = zlib.crc32(view, crc)
            size += len(view)
            at = 0
            while at < len(view):
                at += file.write(view[at:])
        os.fsync(file.fileno())
    temporary.rename(path)
    return size, f"crc32:{crc:08x}"


class SegmentFolder:
    """The folder of sealed files; knows nothing of which are live."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._readers: dict[tuple[str, str], tuple[pq.ParquetFile, threading.Lock]] = {}
        self._indexes: dict[str, IndexFile] = {}
        self._index_lock = threading.Lock()
        self._live: tuple[tuple[int, int], list[Segment]] = ((0, 0), [])
        self._hold_lock = threading.Lock()
        self._holds = 0
        self._held: int | None = None

    # Files are written before the transaction that makes them live, so the sweep of another
    # process must pass by as long as anybody writes. The kernel ends a hold with its process.

    def _lock_file(self) -> int:
        path = self.folder.with_name(self.folder.name + ".lock")
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def hold(self) -> None:
        """Keep every sweep off until `release`; holds add up."""
        with self._hold_lock:
            if self._holds == 0:
                handle = self._lock_file()
                fcntl.flock(handle, fcntl.LOCK_SH)
                self._held = handle
            self._holds += 1

    def release(self) -> None:
        """Take back one `hold`."""
        with self._hold_lock:
            self._holds -= 1
            if self._holds == 0 and self._held is not None:
                os.close(self._held)
                self._held = None

    def path(self, name: str, kind: str) -> Path:
        """Give the path of one file; `kind` is leg, call, charge or index."""
        return self.folder / (f"{name}.index" if kind == "index" else f"{name}.{kind}.parquet")

    def write(
        self, rows: Rows, *, generation: int, sealed_at_ms: int, threads: int = 2
    ) -> dict[str, Any]:
        """Write a segment's files and give its manifest row; they are not live yet.

        `threads` work in parallel: Parquet encoding releases the interpreter.

        Raises
        ------
        StoreFullError
            No space left; what was written is removed.
        """
        name = f"{sealed_at_ms:013d}-{secrets.token_hex(4)}"

        def put(kind: str) -> tuple[str, int, str, Any]:
            facts: Any = None
            if kind == "index":
                pieces, facts = _index(rows)
            else:
                table = {"leg": rows.legs, "call": rows.calls, "charge": rows.charges}[kind]
                pieces = [memoryview(_parquet(kind, table))]
            return (kind, *_write_file(self.path(name, kind), pieces), facts)

        try:
            kinds = ("charge", "leg", "call", "index")
            if threads == 1:
                done = [put(kind) for kind in kinds]
            else:
                with ThreadPoolExecutor(threads, thread_name_prefix="seal") as pool:
                    done = list(pool.map(put, kinds))
            self._sync_folder()
        except OSError as error:
            self.remove(name)
            raise StoreFullError(
                f"a sealed segment cannot be written ({error}); free space and repeat. "
                "Nothing of this batch was stored"
            ) from error
        facts = next(f for kind, _, _, f in done if kind == "index")
        sites = {
            site
            for table in (rows.legs, rows.calls)
            for site in table.column("site_uid").unique().to_pylist()
        }
        return {
            "segment_id": name,
            "generation": generation,
            "name": name,
            "leg_rows": rows.legs.num_rows,
            "call_rows": rows.calls.num_rows,
            "charge_rows": rows.charges.num_rows,
            "file_bytes": sum(size for _, size, _, _ in done),
            "checksums": json.dumps({kind: crc for kind, _, crc, _ in done}),
            "sites": json.dumps(sorted(s for s in sites if s)),
            "leg_id_min": bytes.fromhex(facts["leg_range"][0]) if facts["leg_range"] else None,
            "leg_id_max": bytes.fromhex(facts["leg_range"][1]) if facts["leg_range"] else None,
            "call_id_min": bytes.fromhex(facts["call_range"][0]) if facts["call_range"] else None,
            "call_id_max": bytes.fromhex(facts["call_range"][1]) if facts["call_range"] else None,
            "started_min": facts["started"][0] if facts["started"] else None,
            "started_max": facts["started"][1] if facts["started"] else None,
            "join_min": facts["joins"][0] if facts["joins"] else None,
            "join_max": facts["joins"][1] if facts["joins"] else None,
            "join_gap_ms": facts["joins"][2] if facts["joins"] else None,
            "sealed_at": sealed_at_ms,
            "replaced_by": None,
        }

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, name: str) -> None:
        """Remove a segment's files that no manifest names."""
        with self._index_lock:
            self._indexes.pop(name, None)
        for path in self.folder.glob(f"{name}.*"):
            path.unlink(missing_ok=True)

    def live(self, tx: Transaction) -> list[Segment]:
        """Give the live segments, at the beginning of a transaction; read anew if any changed.

        Rows of the manifest are added and replaced, never deleted, so their two
        counts tell every state from the others.
        """
        row = tx.one("SELECT COUNT(*), COUNT(replaced_by) FROM segment")
        assert row is not None
        state, segments = self._live
        if state != row:
            segments = live_segments(tx)
            self._live = ((row[0], row[1]), segments)
        return segments

    def complete(self, name: str) -> bool:
        """Say whether all files of a segment are there."""
        return all(self.path(name, kind).exists() for kind in (*KINDS, "index"))

    def sweep(self, live: set[str], *, older_than_s: float = 0.0) -> int:
        """Remove every file that no manifest entry names; give how many.

        Call it inside a write transaction that runs alone and read `live`. Where
        somebody is writing a segment, nothing is swept: the next time does it.
        `older_than_s`: files changed since are left, for volumes whose locks do
        not reach every machine.
        """
        handle = self._lock_file()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return 0
        swept = 0
        try:
            for path in self.folder.iterdir():
                kept = path.name.startswith(_EMPTY) and path.suffix != _UNFINISHED
                if kept or path.name.split(".", 1)[0] in live:
                    continue
                if older_than_s and time.time() - path.stat().st_mtime < older_than_s:
                    continue
                path.unlink(missing_ok=True)
                swept += 1
        finally:
            os.close(handle)
        return swept

    def index(self, segment: Segment) -> IndexFile:
        """Open a segment's postings."""
        with self._index_lock:
            found = self._indexes.pop(segment.name, None)
        if found is None:
            found = IndexFile(self._visible(self.path(segment.name, "index")))
        with self._index_lock:
            self._indexes[segment.name] = found  # the one used last stands last
            size = sum(index.size for index in self._indexes.values())
            while len(self._indexes) > _INDEXES_OPEN_MAX or (
                size > _INDEX_BYTES_MAX and len(self._indexes) > 1
            ):
                size -= self._indexes.pop(next(iter(self._indexes))).size
        return found

    def _visible(self, path: Path) -> Path:
        """Wait a little for a file of another machine that this one does not see yet."""
        for _ in range(_VISIBLE_TRIES):
            if path.exists():
                break
            list(self.folder.iterdir())  # makes a network file system look again
            time.sleep(_VISIBLE_WAIT_S)
        return path

    def _reader(self, segment: Segment, kind: str) -> tuple[pq.ParquetFile, threading.Lock]:
        key = (segment.name, kind)
        entry = self._readers.get(key)
        if entry is None:
            try:
                path = self._visible(self.path(segment.name, kind))
                reader = pq.ParquetFile(path, pre_buffer=False)  # a buffer would stay
            except (OSError, pa.ArrowException) as error:
                raise StoreCorruptError(
                    f"the segment file {segment.name}.{kind}.parquet cannot be read: {error}"
                ) from error
            if len(self._readers) > _READERS_OPEN_MAX:
                self._readers.clear()
            entry = self._readers.setdefault(key, (reader, threading.Lock()))
        return entry

    def take(
        self,
        segment: Segment,
        kind: str,
        rows: npt.NDArray[Any] | Sequence[int],
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Give some rows of a segment, in the order asked, with all columns of the schema.

        `columns` limits what is read; the others come back as nulls.
        """
        schema = KINDS[kind]
        wanted = np.asarray(rows, np.int64)
        if not len(wanted):
            return schema.empty_table()
        reader, lock = self._reader(segment, kind)
        group_rows = reader.metadata.row_group(0).num_rows
        groups = np.unique(wanted // group_rows)
        names = None
        if columns is not None:
            have = set(reader.schema_arrow.names)
            names = [c for c in columns if c in have]
        with lock:
            table = reader.read_row_groups(groups.tolist(), columns=names, use_threads=False)
        base = np.searchsorted(groups, wanted // group_rows) * group_rows
        return conform(table.take(pa.array(base + wanted % group_rows)), schema)

    def near(
        self, segment: Segment, kind: str, rows: npt.NDArray[np.int64]
    ) -> Iterator[npt.NDArray[np.int64]]:
        """Give ascending rows in parts, each of so few row groups that `take` needs little memory."""
        part = rows // (_GROUP_ROWS[kind] * _GROUPS_AT_ONCE)
        for at in np.split(rows, np.flatnonzero(part[1:] > part[:-1]) + 1):
            if len(at):
                yield at

    def read(self, segment: Segment, kind: str) -> pa.Table:
        """Give a whole file of a segment."""
        reader, lock = self._reader(segment, kind)
        with lock:
            return conform(reader.read(use_threads=False), KINDS[kind])

    def keep(self, name: str, kind: str, table: pa.Table) -> None:
        """Keep a table beside a segment that can be made of it again; it goes with the segment."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        _write_file(self.path(name, kind), [memoryview(sink.getvalue())])

    def empty(self, kind: str) -> Path:
        """Give a file without rows that has every column, so that a query always finds them."""
        path = self.folder / f"{_EMPTY}-{kind}-{len(KINDS[kind])}.parquet"
        if not path.exists():
            sink = pa.BufferOutputStream()
            pq.write_table(KINDS[kind].empty_table(), sink)
            self.hold()
            try:
                _write_file(path, [memoryview(sink.getvalue())])
            finally:
                self.release()
        return path


def live_segments(tx: Transaction) -> list[Segment]:
    """Read the manifest: every segment that is live."""
    rows = tx.rows(
        "SELECT segment_id, name, generation, leg_rows, call_rows, charge_rows, leg_id_min,"
        " leg_id_max, call_id_min, call_id_max, started_min, started_max, join_min, join_max,"
        " join_gap_ms, sites FROM segment WHERE replaced_by IS NULL ORDER BY segment_id"
    )
    return [
        Segment(
            segment_id=r[0],
            name=r[1],
            generation=r[2],
            leg_rows=r[3],
            call_rows=r[4],
            charge_rows=r[5],
            leg_range=(r[6], r[7]) if r[6] is not None else None,
            call_range=(r[8], r[9]) if r[8] is not None else None,
            started=(r[10], r[11]) if r[10] is not None else None,
            joins=(r[12], r[13], r[14]) if r[12] is not None else None,
            sites=tuple(json.loads(r[15])),
        )
        for r in rows
    ]
