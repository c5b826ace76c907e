"""Sealed calls by rows, for pages of lists: beside a segment, made of it, and gone with it.

Parquet decodes 4,096 calls to give one. So the columns that a list shows are laid out once
more as an Arrow file of small batches, not compressed: a row costs one short read. No part of
the truth: whoever misses such a file reads Parquet. Owns this file. Does not own which rows
are wanted (`search`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.database.schemas import STORED_CALL_SCHEMA

BATCH_ROWS = 128
_OPEN_MAX = 256  # each is a file handle
# lists of legs and why they are one call: looked at with one call, not with two hundred
_LEFT_OUT = frozenset({"leg_ids", "joins", "pbx_uids"})
COLUMNS = tuple(f.name for f in STORED_CALL_SCHEMA if f.name not in _LEFT_OUT)


def scattered(path: Path) -> pa.OSFile:
    """Open a file of which small pieces are read here and there: the kernel reads none ahead."""
    file = pa.OSFile(str(path))
    if hasattr(os, "posix_fadvise"):  # Linux
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
    return file


class Pages:
    """The files of a folder; any thread. `path` gives the file of a segment by its name."""

    def __init__(self, path: Callable[[str], Path]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open: dict[str, tuple[pa.ipc.RecordBatchFileReader, threading.Lock]] = {}
        self._laid_out: set[str] = set()

    def take(
        self, name: str, rows: npt.NDArray[np.int64], columns: Sequence[str]
    ) -> pa.Table | None:
        """Give some rows of a segment, in ascending order; None = there is no such file."""
        opened = self._reader(name) if set(columns) <= set(COLUMNS) else None
        if opened is None:
            return None
        reader, lock = opened
        batches, of = np.unique(rows // BATCH_ROWS, return_inverse=True)
        with lock:  # two that read its dictionaries at once would fail
            table = pa.Table.from_batches([reader.get_batch(int(at)) for at in batches])
        found = table.take(pa.array(of * BATCH_ROWS + rows % BATCH_ROWS))
        return pa.table(
            {name: _own(found, name) for name in columns},
            schema=pa.schema([STORED_CALL_SCHEMA.field(name) for name in columns]),
        )

    def _reader(self, name: str) -> tuple[pa.ipc.RecordBatchFileReader, threading.Lock] | None:
        with self._lock:
            entry = self._open.pop(name, None)
            if entry is None:
                try:
                    reader = pa.ipc.open_file(scattered(self._path(name)))
                except (OSError, pa.ArrowException):
                    return None
                entry = (reader, threading.Lock())
            self._open[name] = entry  # the one used last stands last
            if len(self._open) > _OPEN_MAX:
                del self._open[next(iter(self._open))]
        return entry

    def missing(self, names: Sequence[str], limit: int) -> Iterator[str]:
        """Give up to `limit` segments that have no such file yet."""
        for name in names:
            if name in self._laid_out:
                continue
            if self._path(name).exists():
                self._laid_out.add(name)
            elif limit > 0:
                limit -= 1
                yield name

    def lay_out(
        self, name: str, calls: pa.Table, write: Callable[[Path, pa.Buffer], object]
    ) -> None:
        """Write the file of a segment; without room for it Parquet is read as before."""
        kept = [n for n in COLUMNS if calls.column(n).null_count < calls.num_rows]
        table = calls.select(kept).unify_dictionaries().combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table, max_chunksize=BATCH_ROWS)
        with contextlib.suppress(OSError):
            write(self._path(name), sink.getvalue())
        self._laid_out.add(name)

    def forget(self, name: str) -> None:
        """Close the file of a segment that goes."""
        with self._lock:
            self._open.pop(name, None)


def _own(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    """Give a column; one of words with those of these rows alone, one without values as nulls."""
    kind = STORED_CALL_SCHEMA.field(name).type
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    column = table.column(name)
    if pa.types.is_dictionary(kind):
        return column.cast(pa.string()).combine_chunks().dictionary_encode()
    return column
