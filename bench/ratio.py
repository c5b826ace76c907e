"""What a long call costs against a short one: rating's work follows the tariff, not the clock."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
from bluewhale.rating.columnar import rate_batch
from bluewhale.records.schemas import BILLABLE_SCHEMA, CALL_SCHEMA
from bluewhale.stages import Stages

from bench.__main__ import Figure
from bench.data import BLOCK_LINES, START_S, deck_prefixes, numbers_of
from bench.pipeline import stages_for
from bench.report import give, short

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
RUNS = 8


def table_of(schema: pa.Schema, columns: dict[str, pa.Array], count: int) -> pa.Table:
    """Give a table of the schema; columns that are not named are null."""
    arrays = [
        columns[f.name].cast(f.type) if f.name in columns else pa.nulls(count, f.type)
        for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def outbound_calls(prefixes: list[str], count: int) -> tuple[pa.Table, pa.Table]:
    """Calls and billables of answered calls, starting over ten hours of a Monday, without a quantity."""
    rows = np.arange(count)
    ids = np.random.default_rng(1).bytes(16 * count)
    call_id = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(ids)])
    calls = {"call_id": call_id, "version": pa.array(np.ones(count, np.int32))}
    spans = {
        "call_row": pa.array(rows),
        "span": pa.array(np.zeros(count, np.int32)),
        "payer": pa.array((2000 + rows % 5000).astype(str).tolist()),
        "direction": pa.array(["outbound"] * count),
        "class": pa.array(["international"] * count),
        "rated_e164": pa.array([int(n) for n in numbers_of(prefixes, count)]),
        "start_at": pa.array((START_S + rows % 36_000) * 1000),
        "answered": pa.array(np.ones(count, bool)),
        "answer_known": pa.array(np.ones(count, bool)),
    }
    return table_of(CALL_SCHEMA, calls, count), table_of(BILLABLE_SCHEMA, spans, count)


def lasting(billables: pa.Table, duration_ms: int) -> pa.Table:
    """Give the billables with one quantity."""
    place = billables.schema.get_field_index("quantity_ms")
    values = pa.array(np.full(billables.num_rows, duration_ms, np.int64))
    return billables.set_column(place, billables.schema.field(place), values)


def rating_seconds(calls: pa.Table, billables: pa.Table, stages: Stages) -> float:
    """CPU seconds of this thread for one `rate_batch`."""
    start = time.thread_time()
    rate_batch(calls, billables, stages.book, rated_at_ms=1_769_000_000_000)
    return time.thread_time() - start


def main() -> None:
    prefixes = deck_prefixes(100_000 if short() else 1_000_000)
    stages = stages_for(prefixes)
    count = 50_000 if short() else BLOCK_LINES
    calls, billables = outbound_calls(prefixes, count)
    work = [lasting(billables, duration) for duration in (MINUTE_MS, HOUR_MS)]
    priced = rate_batch(calls, work[0], stages.book, rated_at_ms=0)  # kernels come from their cache
    assert set(priced["status"].unique().to_pylist()) == {"rated"}, priced.slice(0, 1).to_pylist()
    spent = [[rating_seconds(calls, spans, stages) for spans in work] for _ in range(RUNS)]
    minute, hour = np.min(spent, axis=0).tolist()
    method = (
        f"CPU time of rate_batch, {count:,} calls of 1 hour / of 1 minute, {len(prefixes):,} prefixes x "
        f"{len(stages.book.price_lists)} price lists, peak/off-peak, 60/6, best of {RUNS} in turn"
    )
    charges = count * len(stages.book.price_lists)
    give([
        Figure("hour_to_minute_ratio", hour / minute, "", "<= 1.2", method),
        Figure("charges_per_second_1_thread", charges / minute, "charges/s", "", "of calls of 1 minute, by CPU time"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
