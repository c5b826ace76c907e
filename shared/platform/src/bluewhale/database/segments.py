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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from bluewhale.database.columns import conform
from bluewhale.database.engine import Transaction
from bluewhale.database.exceptions import StoreCorruptError, StoreFullError
from bluewhale.database.index_file import IndexFile
from bluewhale.database.postings import Rows, in_order_of_time, index_of
from bluewhale.database.row_files import RowFiles, scattered
from bluewhale.database.schemas import STORED_CALL_SCHEMA
from bluewhale.records.schemas import CHARGE_SCHEMA, LEG_SCHEMA, SEGMENT, WORD

KINDS: Mapping[str, pa.Schema] = {
    "leg": LEG_SCHEMA,
    "call": STORED_CALL_SCHEMA,
    "charge": CHARGE_SCHEMA,
}
_GROUP_ROWS = 4_096  # of every kind: what belongs to one call costs the reading of one group
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
_INDEXES_OPEN_MAX = 512  # each is a mapping and a file handle
# Pages of a mapping that were touched count as memory of the process until they are forgotten.
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
        row_group_size=_GROUP_ROWS,
        use_dictionary=[*words, *few],
        write_statistics=[c for c in _STATISTICS[kind] if c in kept],
        write_page_checksum=False,
        store_schema=True,
    )
    return sink.getvalue()


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
        self._read_lock = threading.Lock()
        self._indexes: dict[str, IndexFile] = {}
        self._touched: dict[str, int] = {}  # bytes by segment; the one used last stands last
        self._touched_bytes = 0
        self._index_lock = threading.Lock()
        self._row_files = RowFiles(folder)
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

        Calls are written in the order of their beginning, so that a page of a list or a
        slice of a walk reads few row groups.

        `threads` work in parallel: Parquet encoding releases the interpreter.

        Raises
        ------
        StoreFullError
            No space left; what was written is removed.
        """
        name = f"{sealed_at_ms:013d}-{secrets.token_hex(4)}"
        rows = in_order_of_time(rows)

        def put(kind: str) -> tuple[str, int, str, Any]:
            facts: Any = None
            if kind == "index":
                pieces, facts = index_of(rows)
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
        self._close({name})
        for path in self.folder.glob(f"{name}.*"):
            path.unlink(missing_ok=True)

    def _close(self, names: set[str]) -> None:
        """Let go of what is open of segments; who still asks for one opens it anew."""
        with self._index_lock:
            for name in names:
                self._forget(name)
        with self._read_lock:
            self._readers = {k: v for k, v in self._readers.items() if k[0] not in names}
        self._row_files.forget(names)

    def live(self, tx: Transaction) -> list[Segment]:
        """Give the live segments, at the beginning of a transaction; read anew if any changed.

        Rows of the manifest are added and replaced, never deleted, so their two
        counts tell every state from the others.
        """
        row = tx.one("SELECT COUNT(*), COUNT(replaced_by) FROM segment")
        assert row is not None
        state, segments = self._live
        if state != row:
            before = {segment.name for segment in segments}
            segments = live_segments(tx)
            self._live = ((row[0], row[1]), segments)
            # what an erasure took out of them is in no memory any more
            self._close(before - {segment.name for segment in segments})
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
        swept: list[str] = []
        try:
            for path in self.folder.iterdir():
                kept = path.name.startswith(_EMPTY) and path.suffix != _UNFINISHED
                if kept or path.name.split(".", 1)[0] in live:
                    continue
                if older_than_s and time.time() - path.stat().st_mtime < older_than_s:
                    continue
                path.unlink(missing_ok=True)
                swept.append(path.name.split(".", 1)[0])
        finally:
            os.close(handle)
        self._close(set(swept))
        return len(swept)

    def index(self, segment: Segment) -> IndexFile:
        """Open a segment's postings; those of many segments stay open, pages of a few in memory."""
        with self._index_lock:
            found = self._indexes.get(segment.name)
        if found is None:
            path = self._visible(self.path(segment.name, "index"))
            found = IndexFile(path, partial(self._touch, segment.name))
            with self._index_lock:
                found = self._indexes.setdefault(segment.name, found)
                while len(self._indexes) > _INDEXES_OPEN_MAX:
                    self._forget(next(iter(self._indexes)))
        return found

    def _touch(self, name: str, size: int) -> None:
        """Note bytes that are read of an index; those that nobody read for longest go."""
        with self._index_lock:
            self._touched[name] = self._touched.pop(name, 0) + size
            self._touched_bytes += size
            while self._touched_bytes > _INDEX_BYTES_MAX and len(self._touched) > 1:
                oldest = next(iter(self._touched))
                self._touched_bytes -= self._touched.pop(oldest)
                if oldest in self._indexes:
                    self._indexes[oldest].forget()

    def _forget(self, name: str) -> None:
        self._indexes.pop(name, None)
        self._touched_bytes -= self._touched.pop(name, 0)

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
        with self._read_lock:
            entry = self._readers.pop(key, None)
            if entry is not None:
                self._readers[key] = entry  # the one used last stands last
                return entry
        try:
            path = self._visible(self.path(segment.name, kind))
            reader = pq.ParquetFile(scattered(path), pre_buffer=False)  # a buffer would stay
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(segment, kind, error) from error
        with self._read_lock:
            entry = self._readers.setdefault(key, (reader, threading.Lock()))
            if len(self._readers) > _READERS_OPEN_MAX:
                del self._readers[next(iter(self._readers))]
        return entry

    def take(
        self,
        segment: Segment,
        kind: str,
        rows: npt.NDArray[Any] | Sequence[int],
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Give some rows of a segment, in the order asked; `columns` alone, or all of the schema."""
        schema = _columns_of(kind, columns)
        wanted = np.asarray(rows, np.int64)
        if not len(wanted):
            return schema.empty_table()
        reader, lock = self._reader(segment, kind)
        group_rows = reader.metadata.row_group(0).num_rows
        first, last = int(wanted[0]), int(wanted[-1])
        # rows that follow each other, as a day does in a segment, are cut out and not picked
        in_line = last - first + 1 == len(wanted) and bool((np.diff(wanted) == 1).all())
        groups = (
            np.arange(first // group_rows, last // group_rows + 1)
            if in_line
            else np.unique(wanted // group_rows)
        )
        names = None
        if columns is not None:
            have = set(reader.schema_arrow.names)
            names = [c for c in columns if c in have]
        with lock:
            table = reader.read_row_groups(groups.tolist(), columns=names, use_threads=False)
        if in_line:
            return conform(table.slice(first % group_rows, len(wanted)), schema)
        base = np.searchsorted(groups, wanted // group_rows) * group_rows
        return conform(table.take(pa.array(base + wanted % group_rows)), schema)

    def few(
        self,
        kind: str,
        places: Iterable[tuple[Segment, npt.NDArray[Any] | Sequence[int]]],
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Give rows of several segments, few among their neighbours, in the order asked.

        Words are those of these rows alone.
        """
        schema = _columns_of(kind, columns)
        # each file has words of its own: they are text until all of them are together
        plain = pa.schema([f.with_type(pa.string()) if f.type == WORD else f for f in schema])
        parts = []
        asked = [(s, np.asarray(rows, np.int64)) for s, rows in places if len(rows)]
        for segment, wanted in asked:
            self._row_files.ahead(segment.name, kind, wanted)
        for segment, wanted in asked:
            found = self._row_files.take(segment.name, kind, wanted, plain)
            if found is None:
                found = conform(self.take(segment, kind, wanted, columns), plain)
            parts.append(found)
        if not parts:
            return schema.empty_table()
        joined = parts[0] if len(parts) == 1 else pa.concat_tables(parts)
        return conform(joined.combine_chunks(), schema)

    def beside(self, kind: str, segment: Segment, rows: Sequence[int]) -> pa.Table:
        """Give rows of one segment that lie close together; words are those of the whole file."""
        found = self._row_files.take(segment.name, kind, np.asarray(rows, np.int64), KINDS[kind])
        return self.take(segment, kind, rows) if found is None else found

    def lay_out(self, segments: Sequence[Segment], limit: int) -> int:
        """Lay out the rows of up to `limit` segments that have no such files; give how many."""
        known = {s.name: s for s in sorted(segments, key=lambda s: s.started or (0, 0))}
        made = 0
        for name in self._row_files.missing(list(reversed(known)), limit):
            self._row_files.lay_out(
                name,
                partial(self.read, known[name]),
                lambda path, data: _write_file(path, [memoryview(data)]),
            )
            made += 1
        return made

    def near(self, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """Give ascending rows in parts, each of so few row groups that `take` needs little memory."""
        part = rows // (_GROUP_ROWS * _GROUPS_AT_ONCE)
        for at in np.split(rows, np.flatnonzero(part[1:] > part[:-1]) + 1):
            if len(at):
                yield at

    def read(self, segment: Segment, kind: str) -> pa.Table:
        """Give a whole file of a segment."""
        try:
            path = self._visible(self.path(segment.name, kind))
            with pq.ParquetFile(path, pre_buffer=False) as reader:
                return conform(reader.read(use_threads=False), KINDS[kind])
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(segment, kind, error) from error

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


def _columns_of(kind: str, columns: Sequence[str] | None) -> pa.Schema:
    schema = KINDS[kind]
    if columns is None:
        return schema
    return pa.schema([schema.field(name) for name in columns], schema.metadata)


def _unreadable(segment: Segment, kind: str, error: Exception) -> StoreCorruptError:
    return StoreCorruptError(
        f"the segment file {segment.name}.{kind}.parquet cannot be read: {error}"
    )


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
