"""What the kernel is asked to read before it is looked at: the right places, no more."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bluewhale.database.index_file import IndexFile, index_pieces
from bluewhale.database.row_files import RowFiles

from tests.support.running import wait_until

VALUES = np.arange(0, 1_000_000, 2, dtype=np.int64)  # 977 pages


def in_memory(path: Path) -> list[bool]:
    """Say of each page of a file whether the kernel has it in memory."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view = np.frombuffer(mapped, np.uint8)
    pages = (ctypes.c_ubyte * (-(-len(view) // mmap.PAGESIZE)))()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mincore(ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(len(view)), pages) == 0
    return [bool(page & 1) for page in pages]


def out_of_memory(path: Path) -> None:
    """Have the kernel forget the pages of a file."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if any(in_memory(path)):
        pytest.skip("files of this folder stay in memory (tmpfs)")


@pytest.mark.parametrize("value", [-1, 0, 2, 31_337, 500_000, 999_998, 1_000_001])
def test_the_page_where_a_value_will_be_looked_for_is_read(tmp_path: Path, value: int):
    """One or two pages of a thousand; also for values that are not there."""
    path = tmp_path / "one.index"
    path.write_bytes(b"".join(bytes(p) for p in index_pieces({"v": VALUES, "w": VALUES}, {})))
    with IndexFile(path) as index:
        place = index.place("v", value)
        index.forget()
        out_of_memory(path)
        index.ahead("v", value)
        at = 192 + min(place, len(VALUES) - 1) * 8  # the header, and numbers of eight bytes
        wait_until(lambda: in_memory(path)[at // mmap.PAGESIZE], 30, "the page of the value")
        assert sum(in_memory(path)) <= 3
        assert index.place("v", value) == place


def test_batches_that_rows_lie_in_are_read(tmp_path: Path, monkeypatch):
    """What is asked for is exactly one batch each, in the order of the file; calls have 64 rows of each."""
    numbers = pa.table({"n": pa.array(range(1_000)), "word": ["a", "b"] * 500})
    files = RowFiles(tmp_path)
    files.lay_out("one", lambda _kind: numbers, lambda path, data: path.write_bytes(data))
    told: list[tuple[int, int, int]] = []
    advise = os.posix_fadvise

    def heard(_handle: int, begin: int, size: int, how: int) -> None:
        told.append((begin, size, how))
        advise(_handle, begin, size, how)

    monkeypatch.setattr(os, "posix_fadvise", heard)
    files.take("one", "call", np.array([0]), numbers.schema)  # opens it
    told.clear()
    files.ahead("one", "call", np.array([130, 5, 129, 999]))
    written = (tmp_path / "one.call.rows").read_bytes()
    rows = []
    for begin, size, how in told:
        message = pa.ipc.read_message(pa.py_buffer(written[begin : begin + size]))
        assert (message.type, how) == ("record batch", os.POSIX_FADV_WILLNEED)
        rows.append(pa.ipc.read_record_batch(message, numbers.schema).column(0)[0].as_py())
    assert rows == [0, 128, 960]


def test_a_file_system_that_takes_no_advice_fails_no_question(tmp_path: Path, monkeypatch):
    """Rows come as before, waited for one after the other."""
    files = RowFiles(tmp_path)
    numbers = pa.table({"n": pa.array([7, 8])})
    files.lay_out("one", lambda _kind: numbers, lambda path, data: path.write_bytes(data))
    files.take("one", "call", np.array([0]), numbers.schema)  # opens it

    def refused(*_told: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "posix_fadvise", refused)
    files.ahead("one", "call", np.array([1]))
    assert files.take("one", "call", np.array([1]), numbers.schema) == pa.table({"n": [8]})


def test_a_file_that_is_none_is_not_read_ahead(tmp_path: Path):
    """As it is not read: rows come from Parquet then."""
    files = RowFiles(tmp_path)
    for damaged in (None, b"", b"ARROW1\0\0", b"ARROW1\0\0" + b"\xff" * 40 + b"ARROW1"):
        if damaged is not None:
            (tmp_path / "one.call.rows").write_bytes(damaged)
        files.ahead("one", "call", np.array([0]))
        assert files.take("one", "call", np.array([0]), pa.schema({"n": pa.int64()})) is None
