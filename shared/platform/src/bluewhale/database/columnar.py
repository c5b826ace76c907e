"""DuckDB over hot rows and sealed files, as one table minus superseded versions.

Owns the connection, its limits and the shape of the combined table. Does not
own filters (`search`) or reports (`reports`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
from bluewhale.database.engine import Transaction
from bluewhale.database.segments import Segment, SegmentFolder

MEMORY_LIMIT = "512MB"


class Columnar:
    """One in-memory DuckDB; a query opens a cursor of its own."""

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = duckdb.connect(
                    config={
                        "threads": self._threads,
                        "memory_limit": MEMORY_LIMIT,
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                    }
                )
                self._connection.execute("SET TimeZone = 'UTC'")
                self._connection.execute("SET preserve_insertion_order = false")
                self._connection.execute("SET parquet_metadata_cache = true")
            return self._connection.cursor()

    def query(
        self, sql: str, parameters: Sequence[Any] = (), tables: dict[str, pa.Table] | None = None
    ) -> pa.Table:
        """Run a query; `tables` are Arrow tables that it names."""
        cursor = self._cursor()
        try:
            for name, table in (tables or {}).items():
                cursor.register(name, table)
            return cursor.sql(sql, params=list(parameters)).to_arrow_table()
        finally:
            for name in tables or {}:
                cursor.unregister(name)
            cursor.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def sealed_sql(folder: SegmentFolder, segments: Sequence[Segment], kind: str, *options: str) -> str:
    """Give the table expression of the sealed files of one kind."""
    paths = [str(folder.empty(kind)), *(str(folder.path(s.name, kind)) for s in segments)]
    listed = ", ".join("'" + p.replace("'", "''") + "'" for p in paths)
    return f"read_parquet([{listed}], {', '.join(('union_by_name = true', *options))})"


def dead_versions(tx: Transaction) -> pa.Table:
    """Give the sealed call versions that are not live any more."""
    rows = tx.rows("SELECT call_id, version FROM superseded")
    return pa.table(
        {
            "call_id": pa.array([r[0] for r in rows], pa.binary()),
            "version": pa.array([r[1] for r in rows], pa.int32()),
        }
    )


NOT_DEAD = " AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.call_id = c.call_id AND dead.version = c.version)"
