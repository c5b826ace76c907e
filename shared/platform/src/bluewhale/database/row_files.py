"""Sealed rows once more, by rows: beside a segment, made of it, and gone with it.

Parquet decodes 4,096 rows of forty columns to give one. So calls, legs and charges are laid out
once more as Arrow files of small batches, each read by itself: a row costs one short read.
No part of the truth: whoever misses such a file reads Parquet. Owns these files. Does not own
which rows are wanted (`search`, `lookup`).
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.database.columns import conform


class _Layout(NamedTuple):
    batch_rows: int
    compression: str | None


# A page of two hundred calls touches as many batches where they are a department's: to unpack one
# costs three times what it costs to read it as it is (docs/adr/0028). Legs and charges are read
# with one call, one batch of each: zstd takes half a millisecond and a fifth of the room.
_LAYOUT: Mapping[str, _Layout] = {
    "call": _Layout(64, None),
    "leg": _Layout(256, "zstd"),
    "charge": _Layout(256, "zstd"),
}
_BATCH_ROWS = b"batch_rows"  # in the metadata of a file; an earlier release wrote none:
_EARLIER_ROWS: Mapping[str, int] = {"call": 128, "leg": 256, "charge": 256}
_OPEN_MAX = 512  # each is a file handle and its words
_BLOCK = np.dtype([("begin", "<i8"), ("head", "<i4"), ("", "<i4"), ("body", "<i8")])
_READING = pa.ipc.IpcReadOptions(use_threads=False)  # handing a batch over costs more than it


def scattered(path: Path) -> pa.OSFile:
    """Open a file of which small pieces are read here and there: the kernel reads none ahead."""
    file = pa.OSFile(str(path))
    if hasattr(os, "posix_fadvise"):  # Linux
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
    return file


def _batch_places(source: pa.OSFile) -> npt.NDArray[np.int64]:
    """Give (n, 2): where each batch of an Arrow file begins, and its bytes; pyarrow does not say.

    The file ends with its footer (a FlatBuffer), the length of that and six bytes; the fourth
    field of the footer lists the batches, three numbers each (Arrow columnar format, "IPC File").
    """
    size = source.size()
    length = struct.unpack("<i", source.read_at(4, size - 10))[0]
    footer = source.read_at(length, size - 10 - length)
    table = struct.unpack_from("<I", footer, 0)[0]
    fields = table - struct.unpack_from("<i", footer, table)[0]
    at = table + struct.unpack_from("<H", footer, fields + 4 + 2 * 3)[0]
    at += struct.unpack_from("<I", footer, at)[0]
    count = struct.unpack_from("<I", footer, at)[0]
    blocks = np.frombuffer(footer, _BLOCK, count, at + 4)
    return np.stack([blocks["begin"], blocks["head"] + blocks["body"]], axis=1)


class _Reader(NamedTuple):
    file: pa.ipc.RecordBatchFileReader
    batch_rows: int
    columns: frozenset[str]
    lock: threading.Lock
    source: pa.OSFile
    places: npt.NDArray[np.int64]  # of each batch: where it begins in the file, and its bytes


class RowFiles:
    """The files of a folder by segment and kind (call, leg, charge); any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], _Reader] = {}
        self._laid_out: set[str] = set()

    def _path(self, name: str, kind: str) -> Path:
        return self._folder / f"{name}.{kind}.rows"

    def take(
        self, name: str, kind: str, rows: npt.NDArray[np.int64], schema: pa.Schema
    ) -> pa.Table | None:
        """Give some rows of a segment in the order asked; None = there is no such file, or a bad one.

        schema: columns of the kind, all or some, words as plain text.
        """
        reader = self._reader(name, kind)
        if reader is None:
            return None
        batch_rows = reader.batch_rows
        batches, of = np.unique(rows // batch_rows, return_inverse=True)
        try:
            with reader.lock:  # two that read its dictionaries at once would fail
                table = pa.Table.from_batches([reader.file.get_batch(int(at)) for at in batches])
        except (OSError, pa.ArrowException):
            return None
        kept = table.select([n for n in schema.names if n in reader.columns])
        first = int(rows[0]) % batch_rows
        if len(batches) == 1 and bool((np.diff(rows) == 1).all()):  # a call, or its charges
            return conform(kept.slice(first, len(rows)), schema)
        return conform(kept.take(pa.array(of * batch_rows + rows % batch_rows)), schema)

    def ahead(self, name: str, kind: str, rows: npt.NDArray[np.int64]) -> None:
        """Have the kernel read what `take` will ask for, without waiting for it.

        Who takes rows of many batches waits for a disk once then, not for each of them.
        """
        reader = self._reader(name, kind)
        if reader is None or not hasattr(os, "posix_fadvise"):
            return
        handle = reader.source.fileno()
        with contextlib.suppress(OSError):  # advice: a file system may take none
            for at in np.unique(rows // reader.batch_rows):
                begin, size = reader.places[at].tolist()
                os.posix_fadvise(handle, begin, size, os.POSIX_FADV_WILLNEED)

    def _reader(self, name: str, kind: str) -> _Reader | None:
        key = name, kind
        with self._lock:
            reader = self._open.pop(key, None)
            if reader is None:
                try:
                    source = scattered(self._path(name, kind))
                    file = pa.ipc.open_file(source, options=_READING)
                    places = _batch_places(source)
                except (OSError, ValueError, struct.error, pa.ArrowException):
                    return None
                told = (file.schema.metadata or {}).get(_BATCH_ROWS)
                batch_rows = int(told or _EARLIER_ROWS[kind])
                names = frozenset(file.schema.names)
                reader = _Reader(file, batch_rows, names, threading.Lock(), source, places)
            self._open[key] = reader  # the one used last stands last
            if len(self._open) > _OPEN_MAX:
                del self._open[next(iter(self._open))]
        return reader

    def missing(self, names: Sequence[str], limit: int) -> Iterator[str]:
        """Give up to `limit` segments that lack such a file."""
        for name in names:
            if name in self._laid_out:
                continue
            if all(self._path(name, kind).exists() for kind in _LAYOUT):
                self._laid_out.add(name)
            elif limit > 0:
                limit -= 1
                yield name

    def lay_out(
        self,
        name: str,
        read: Callable[[str], pa.Table],
        write: Callable[[Path, pa.Buffer], object],
    ) -> None:
        """Write the files of a segment; without room for them Parquet is read as before."""
        with contextlib.suppress(OSError):
            for kind, (batch_rows, compression) in _LAYOUT.items():
                table = read(kind)
                some = [n for n in table.column_names if table[n].null_count < table.num_rows]
                table = table.select(some).unify_dictionaries().combine_chunks()
                table = table.replace_schema_metadata({_BATCH_ROWS: str(batch_rows)})
                sink = pa.BufferOutputStream()
                options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
                with pa.ipc.new_file(sink, table.schema, options=options) as file:
                    file.write_table(table, max_chunksize=batch_rows)
                write(self._path(name, kind), sink.getvalue())
        self._laid_out.add(name)

    def forget(self, names: set[str]) -> None:
        """Close the files of segments that go."""
        with self._lock:
            self._open = {k: v for k, v in self._open.items() if k[0] not in names}
