"""Calls as a table that other programs open: Parquet, in as little memory as the other forms.

Owns how columns are typed there: instants as instants, amounts as decimals. Does not
own which columns there are (`exporting`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import override

GROUP_ROWS = 65_536  # of a row group: what readers of Parquet take at once
_AMOUNT = pa.decimal128(28, 9)
_KNOWN = {"version": pa.int32(), "transfers": pa.int32(), "legs": pa.int32()}
_ENDINGS = {
    "at": pa.timestamp("ms", tz="UTC"),
    "ms": pa.int64(),
    "amount": _AMOUNT,
    "unpriced": pa.int32(),
}
_NANO = pa.scalar(Decimal("0.000000001"))


def typed(heads: Iterable[str]) -> pa.Schema:
    """Give the types of columns by their names: text, where nothing else is known."""
    return pa.schema([(head, _type(head)) for head in heads])


def _type(head: str) -> pa.DataType:
    if head in _KNOWN:
        return _KNOWN[head]
    return _ENDINGS.get(head.rpartition("_")[2], pa.string())


def decimals(nanos: pa.Array) -> pa.Array:
    """Give nanos as decimals of nine places; nulls stay."""
    return pc.multiply(nanos.cast(pa.decimal128(19, 0)), _NANO).cast(_AMOUNT)


class Sink(io.RawIOBase):
    """Takes what is written until somebody fetches it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Give what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def parquet(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[bytes]:
    """Give tables of one schema as a Parquet file, in pieces; a row group is in memory."""
    sink = Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for table in _gathered(tables):
            writer.write_table(table, row_group_size=GROUP_ROWS)
            yield sink.taken()
    yield sink.taken()


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put small tables together into row groups."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(t.num_rows for t in held) >= GROUP_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
