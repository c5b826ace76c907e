"""Rows of segments laid out once more: the right ones, whatever release laid them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bluewhale.database.row_files import RowFiles

NUMBERS = pa.table({"n": pa.array(range(1_000)), "word": pa.array(["a", "b"] * 500)})


def earlier(path: Path, batch_rows: int, compression: str) -> None:
    """Write a file as the release before did: nothing says how many rows a batch has."""
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(path), NUMBERS.schema, options=options) as file:
        file.write_table(NUMBERS, max_chunksize=batch_rows)


@pytest.mark.parametrize(
    ("kind", "batch_rows", "compression"),
    [("call", 128, "lz4"), ("leg", 256, "zstd"), ("charge", 256, "zstd")],
)
def test_files_that_an_earlier_release_laid_out_are_read(
    tmp_path: Path, kind: str, batch_rows: int, compression: str
):
    """Rows of several batches, and a run within one; nobody lays them out again."""
    earlier(tmp_path / f"one.{kind}.rows", batch_rows, compression)
    files = RowFiles(tmp_path)
    taken = files.take("one", kind, np.array([70, 64, 999, 300]), NUMBERS.schema)
    assert taken is not None
    assert taken.to_pydict() == {"n": [70, 64, 999, 300], "word": ["a", "a", "b", "a"]}
    run = files.take("one", kind, np.array([65, 66, 67]), NUMBERS.schema)
    assert run is not None
    assert run.column("n").to_pylist() == [65, 66, 67]


@pytest.mark.parametrize("kind", ["call", "leg", "charge"])
def test_rows_are_found_where_they_were_laid_out(tmp_path: Path, kind: str):
    """The first and last row of batches, in the order asked; a column nobody has is null."""
    files = RowFiles(tmp_path)
    files.lay_out("one", lambda _kind: NUMBERS, lambda path, data: path.write_bytes(data))
    schema = NUMBERS.schema.append(pa.field("later", pa.int64()))
    taken = files.take("one", kind, np.array([999, 0, 63, 64, 255, 256]), schema)
    assert taken is not None
    assert taken.column("n").to_pylist() == [999, 0, 63, 64, 255, 256]
    assert taken.column("later").to_pylist() == [None] * 6
