"""Query results as files that other programs read.

Owns how the house's column types look outside: ids as 26-character text in CSV,
instants as ISO 8601, lists as JSON. Parquet keeps every type.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from bluewhale.database.exceptions import StoreFullError
from bluewhale.records import ids


def readable(table: pa.Table) -> pa.Table:
    """Give a table whose columns are all text, numbers, instants or booleans."""
    columns: list[Any] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type
        if kind == pa.binary(16):
            made = pa.array([None if v is None else ids.id_text(v) for v in column.to_pylist()])
            columns.append(made.cast(pa.string()))
        elif pa.types.is_binary(kind):
            text = [None if v is None else v.decode("latin-1") for v in column.to_pylist()]
            columns.append(pa.array(text, pa.string()))
        elif pa.types.is_list(kind):
            lists = [
                None if v is None else json.dumps(v, default=_text) for v in column.to_pylist()
            ]
            columns.append(pa.array(lists, pa.string()))
        elif pa.types.is_dictionary(kind):
            columns.append(column.cast(pa.string()))
        else:
            columns.append(column)
    return pa.table(columns, names=table.column_names)


def _text(value: object) -> str:
    return ids.id_text(value) if isinstance(value, bytes) and len(value) == 16 else str(value)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    _whole(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table as CSV with a header, whole or not at all."""
    _whole(path, lambda temporary: pa_csv.write_csv(readable(table), temporary))


def _whole(path: Path, write: Any) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        write(temporary)
        temporary.rename(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreFullError(f"{path} cannot be written: {error}") from error
