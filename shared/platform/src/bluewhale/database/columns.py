"""Arrow columns to rows of the database and back.

Owns how each Arrow type is kept in a relational column: instants as integer
milliseconds, ids and lists of ids as bytes, lists of integers as packed
little-endian bytes, lists of structs as JSON text. Does not own any table.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from bluewhale.database import keys

Row = tuple[Any, ...]

# Texts sort by their bytes on every engine, whatever the database's own order is.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def sql_type(kind: pa.DataType) -> sa.types.TypeEngine[Any]:
    """Give the relational type of an Arrow type."""
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return TEXT
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return sa.BigInteger()
    if pa.types.is_boolean(kind):
        return sa.Integer()  # 0 and 1: the one truth value that every engine takes
    if pa.types.is_floating(kind):
        return sa.Float()
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return sa.LargeBinary()
    assert pa.types.is_list(kind), kind
    inner = kind.value_type
    if pa.types.is_integer(inner) or pa.types.is_fixed_size_binary(inner):
        return sa.LargeBinary()
    return TEXT


def sql_columns(schema: pa.Schema) -> list[sa.Column[Any]]:
    """Give one nullable relational column per field of `schema`."""
    return [sa.Column(field.name, sql_type(field.type)) for field in schema]


@lru_cache(maxsize=256)
def scalar(value: str | int) -> pa.Scalar:
    """Give a constant for a compute function; made once, as making one is slow."""
    return pa.scalar(value)


def storable(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give a column as the database keeps it: int64, float64, text or bytes, one array.

    Dictionaries become their words, instants integers, lists bytes or JSON; whole
    columns at a time, no object per value.
    """
    array = keys.one_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return array.cast(pa.int64())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return array.cast(pa.int64())
    if pa.types.is_floating(kind):
        return array.cast(pa.float64())
    if pa.types.is_fixed_size_binary(kind):
        return array.cast(pa.binary())
    if pa.types.is_list(kind):
        inner = kind.value_type
        if pa.types.is_integer(inner):
            return _packed(array, array.flatten().cast(pa.int64()), 8)
        if pa.types.is_fixed_size_binary(inner):
            return _packed(array, array.flatten(), 16)
        return _json_lists(array)
    return array


def _packed(lists: pa.ListArray, flat: pa.Array, width: int) -> pa.Array:
    """Give each list as the bytes of its values, one after the other."""
    assert flat.null_count == 0, "a list of ids or keys holds no nulls"
    offsets = _list_offsets(lists) * width
    data = flat.buffers()[1]
    if data is not None and flat.offset:
        data = data.slice(flat.offset * width, len(flat) * width)
    return pa.Array.from_buffers(
        pa.binary(),
        len(lists),
        [
            None if lists.null_count == 0 else pc.is_valid(lists).buffers()[1],
            pa.py_buffer(offsets.astype(np.int32)),
            data if data is not None else pa.py_buffer(b""),
        ],
    )


def _list_offsets(lists: pa.ListArray) -> keys.Ints:
    """Give where each list begins in `lists.flatten()`; a null list is empty."""
    counts = keys.integers(pc.list_value_length(lists))
    offsets = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _json_lists(lists: pa.ListArray) -> pa.Array:
    """Give each list of structs (or texts) as JSON text."""
    valid = None if lists.null_count == 0 else pc.is_valid(lists)
    if lists.null_count == len(lists):
        return pa.nulls(len(lists), pa.string())
    flat = lists.flatten()
    if len(flat) == 0:
        joined = pa.repeat(scalar("[]"), len(lists))
    else:
        offsets = pa.array(_list_offsets(lists).astype(np.int32))
        texts = pa.ListArray.from_arrays(offsets, _json_values(flat))
        joined = pc.binary_join_element_wise(
            scalar("["), pc.binary_join(texts, scalar(",")), scalar("]"), scalar("")
        )
    return joined if valid is None else pc.if_else(valid, joined, None)


def _json_values(values: pa.Array) -> pa.Array:
    """Give JSON text per value: struct, text or number."""
    kind = values.type
    if pa.types.is_struct(kind):
        pieces: list[Any] = [scalar("{")]
        for at, field in enumerate(kind):
            name = json.dumps(field.name)
            part = values.field(at)  # structs of these lists are never null themselves
            pieces += [scalar(f"{',' if at else ''}{name}:"), _json_values(part)]
        return pc.binary_join_element_wise(*pieces, scalar("}"), scalar(""))
    if pa.types.is_string(kind) or pa.types.is_dictionary(kind):
        coded = values if pa.types.is_dictionary(kind) else values.dictionary_encode()
        words = pa.array([json.dumps(w) for w in coded.dictionary.to_pylist()], pa.string())
        if len(words) == 0:
            return pa.repeat(scalar("null"), len(values))
        return pc.fill_null(words.take(coded.indices), scalar("null"))
    return pc.fill_null(values.cast(pa.string()), scalar("null"))


def column_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Give the values of one column as the database keeps them, one per row."""
    if column.null_count == len(column):
        return [None] * len(column)
    array = keys.one_array(column)
    kind = array.type
    # a cast costs more than the values of a small batch
    if pa.types.is_dictionary(kind):
        words = array.dictionary.to_pylist()
        return [None if i is None else words[i] for i in array.indices.to_pylist()]
    if pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    elif pa.types.is_boolean(kind) or pa.types.is_list(kind):
        array = storable(array)
    return list(array.to_pylist())


def table_rows(table: pa.Table, names: Sequence[str] | None = None) -> list[Row]:
    """Give `table` as rows of database values; `names` picks and orders columns."""
    wanted = table.column_names if names is None else names
    if table.num_rows == 0:
        return []
    return list(zip(*(column_values(table.column(name)) for name in wanted), strict=True))


def _list_value(value: Any, inner: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_integer(inner):
        return list(struct.unpack(f"<{len(value) // 8}q", value))
    if pa.types.is_fixed_size_binary(inner):
        return [value[i : i + 16] for i in range(0, len(value), 16)]
    return json.loads(value)


def column_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Make the Arrow column of type `kind` from database values."""
    if pa.types.is_dictionary(kind):
        made = pa.array(values, pa.string()).dictionary_encode()
        return made if made.type == kind else made.cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array([None if v is None else bool(v) for v in values], kind)
    if pa.types.is_list(kind):
        return pa.array([_list_value(v, kind.value_type) for v in values], kind)
    return pa.array(values, kind)


@lru_cache(maxsize=32)
def empty_table(schema: pa.Schema) -> pa.Table:
    """Give a table without rows; made once of each schema: it costs more than asking a database."""
    return schema.empty_table()


def rows_table(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of `schema` from rows whose values stand in its order."""
    return columns_table(list(zip(*rows, strict=True)), schema)


def columns_table(columns: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of `schema` from its columns of database values; none at all: without rows."""
    if not columns or not columns[0]:
        return empty_table(schema)
    return pa.Table.from_arrays(
        [column_array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give `table` with exactly the columns of `schema`: missing ones null, types cast."""
    if table.schema.equals(schema):
        return table
    arrays = []
    for field in schema:
        at = table.schema.get_field_index(field.name)
        if at < 0:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(at)
        if column.type != field.type:
            if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
                text = column if pa.types.is_string(column.type) else column.cast(pa.string())
                column = text.dictionary_encode()
            if column.type != field.type:
                column = column.cast(field.type)
        arrays.append(column)
    return pa.Table.from_arrays(arrays, schema=schema)


def own_words(table: pa.Table) -> pa.Table:
    """Give columns of words with those of these rows alone: a file has words of thousands."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and table.num_rows:
            words = table.column(at).cast(pa.string()).combine_chunks().dictionary_encode()
            table = table.set_column(at, field, words)
    return table
