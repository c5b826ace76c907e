"""Hot commits: batches of new legs with their priced calls into the main database, both engines.

Inside the clock: `Store.commit` alone (claim, gate, identity, legs, calls, charges, marks,
totals), durable. PostgreSQL is that of POSTGRES_DSN (a database of its own is made and
dropped), else one of the system's package is started.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
from bluewhale.database import Batch, ClaimStep, Store
from bluewhale.dialects import frame_buffer, get_dialect
from bluewhale.records.batches import Proposals, RawBatch
from bluewhale.stages import Stages, parse_stage, propose

from bench.__main__ import Figure
from bench.data import deck_prefixes
from bench.pipeline import Chunk, chunks, stages_for
from bench.report import give, short

SIZES = (500, 2_000, 10_000)
CALLS = 60_000  # of each size
NOW_MS = 1_769_000_000_000
DAY_SEQ = 10_000_000


@dataclass(frozen=True)
class Work:
    """What one commit gets."""

    legs: pa.Table
    proposals: Proposals


def _legs(chunk: Chunk, count: int, first: int, round_: int) -> pa.Table:
    table = get_dialect(chunk.profile.dialect_id).framing(chunk.profile.options)
    framed = frame_buffer(chunk.data, table, context=chunk.context, final=True)
    part = slice(first, first + count)
    n = len(framed.starts[part])
    batch = RawBatch(
        framed.data, framed.starts[part], framed.ends[part],
        np.full(n, 1, np.int64), np.arange(1, n + 1, dtype=np.int64) + round_ * DAY_SEQ + first,
        np.full(n, 1, np.int64), np.ones(n, np.int32), np.full(n, NOW_MS, np.int64),
        framed.context_row[part], framed.contexts, NOW_MS,
    )  # fmt: skip
    return parse_stage(batch, chunk.profile).accepted


def work(source: list[Chunk], stages: Stages, size: int, calls: int) -> list[Work]:
    """Batches of `size` legs, half of one make and half of the other."""
    made = []
    for k in range(calls // size):
        at = k * size // 2
        legs = pa.concat_tables([_legs(chunk, size // 2, at, 0) for chunk in source])
        made.append(Work(legs, propose(legs, stages, rated_at_ms=NOW_MS)))
    return made


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of an empty database."""
    dsn = os.environ.get("POSTGRES_DSN")
    with contextlib.ExitStack() as stack:
        if not dsn:
            from tests.support.services.postgres import PostgresServer

            dsn = stack.enter_context(PostgresServer(settings={"shared_buffers": "256MB"})).url
        name = f"bench_{secrets.token_hex(4)}"
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
            try:
                yield f"{dsn.rsplit('/', 1)[0]}/{name}"
            finally:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def commit_all(store: Store, batches: list[Work], partition: int = 0) -> float:
    """Commit in order under one claim; gives seconds."""
    claim = store.claim("bench", "log", partition)
    started = time.perf_counter()
    for at, one in enumerate(batches):
        result = store.commit(
            Batch(
                now_ms=NOW_MS,
                partition=partition,
                claims=[ClaimStep(claim, claim.next_offset + at, claim.next_offset + at + 1)],
                legs=one.legs,
                proposals=one.proposals,
                data_time_ms=NOW_MS,
            )
        )
        assert result.accepted == one.legs.num_rows, result
        assert result.created == one.proposals.calls.num_rows, result
    return time.perf_counter() - started


def side_by_side(store: Store, batches: list[Work]) -> float:
    """Commit by two threads of one partition each; gives seconds."""
    halves = [[w for w in (_of_stream(b, s) for b in batches) if w.legs.num_rows] for s in (1, 2)]
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda k: commit_all(store, halves[k], k), (0, 1)))
    return time.perf_counter() - started


def _of_stream(one: Work, stream: int) -> Work:
    import pyarrow.compute as pc

    legs = one.legs.filter(pc.equal(one.legs.column("stream_id"), stream))
    members = one.proposals.members
    mine = pc.equal(members.column("stream_id"), stream)
    rows = np.unique(members.filter(mine).column("call_row").to_numpy())
    place = np.full(one.proposals.calls.num_rows, -1, np.int64)
    place[rows] = np.arange(len(rows))
    kept = members.filter(mine)
    at = kept.schema.get_field_index("call_row")
    kept = kept.set_column(
        at,
        kept.schema.field(at),
        pa.array(place[kept.column("call_row").to_numpy()]).cast(kept.schema.field(at).type),
    )
    calls = one.proposals.calls.take(pa.array(rows))
    charges = one.proposals.charges.filter(
        pc.is_in(one.proposals.charges.column("call_id"), calls.column("call_id").combine_chunks())
    )
    return Work(legs, Proposals(calls, charges, kept))


def main() -> None:
    """Measure each size on each engine, then two partitions side by side."""
    calls = 20_000 if short() else CALLS
    prefixes = deck_prefixes(100_000)
    stages = stages_for(prefixes)
    source = chunks(prefixes, 1)
    figures = []
    for size in SIZES:
        batches = work(source, stages, size, calls)
        legs = sum(b.legs.num_rows for b in batches)
        made = sum(b.proposals.calls.num_rows for b in batches)
        for engine in ("sqlite", "postgresql"):
            with contextlib.ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                where = stack.enter_context(postgres()) if engine == "postgresql" else folder
                store = stack.enter_context(Store.open(where, segments=folder / "segments"))
                seconds = commit_all(store, batches)
            figures.append(
                Figure(
                    f"hot_commit_calls_per_second_{engine}_{size}",
                    made / seconds,
                    "calls/s",
                    ">= 20000" if engine == "postgresql" and size >= 2_000 else "",
                    f"{made:,} calls of {legs:,} new legs in batches of {size:,} legs, two price"
                    " lists, one worker, durable",
                )
            )
    with postgres() as url, tempfile.TemporaryDirectory() as segments:
        batches = work(source, stages, 4_000, calls)
        made = sum(b.proposals.calls.num_rows for b in batches)
        with Store.open(url, segments=Path(segments)) as store:
            seconds = side_by_side(store, batches)
        figures.append(
            Figure(
                "hot_commit_calls_per_second_postgresql_2_partitions",
                made / seconds,
                "calls/s",
                "",
                "the same in batches of 2,000 legs, two partitions by two threads of one process",
            )
        )
    for f in figures:
        print(f"{f.name}: {f.value:,.0f} {f.unit}")
    give(figures)


if __name__ == "__main__":
    main()
