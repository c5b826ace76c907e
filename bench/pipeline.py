"""The stages in memory: frame, parse, merge, match and rate, two price lists, receipts as columns."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bluewhale.dialects import frame_buffer, get_dialect
from bluewhale.merge import build_calls, components
from bluewhale.rating.columnar import rate_batch
from bluewhale.rating.tariff_files import load_tariff
from bluewhale.records.batches import LinkProfile, RawBatch
from bluewhale.records.directory import Directory, Site
from bluewhale.stages import Stages, parse_stage, span_billables

from bench.__main__ import Figure
from bench.data import (
    AVAYA_OPTIONS,
    AVAYA_STEP,
    CUCM_STEP,
    avaya_block,
    cucm_block,
    cucm_header,
    deck_prefixes,
    write_tariff,
)
from bench.report import clock, give, peak_rss_mib, short

STAGES = ("frame", "parse", "merge", "match and rate")
THREADS = 2
RUNS = 3
CHUNK_LINES = 125_000  # batches of this size stay in the caches and reuse memory


@dataclass(frozen=True)
class Chunk:
    """Bytes of one link, beginning at a record."""

    data: np.ndarray
    profile: LinkProfile
    context: dict[str, bytes]
    lines: int


def profiles() -> tuple[LinkProfile, LinkProfile]:
    """Two PBXs that print numbers in international form."""
    site = Site("berlin", "Berlin", "Europe/Berlin", "DE", "30", (), (4,), ((2000, 6999),))
    cucm = LinkProfile("cucm", 1, "cucm", site, "cisco_cucm", {})
    avaya = LinkProfile("avaya", 2, "avaya", site, "avaya_cm", AVAYA_OPTIONS)
    return cucm, avaya


def stages_for(prefixes: list[str], lists: tuple[str, ...] = ("carrier", "internal")) -> Stages:
    """Two price lists of the same size, loaded from files."""
    with tempfile.TemporaryDirectory() as folder:
        versions = [load_tariff(write_tariff(Path(folder), name, prefixes)) for name in lists]
    return Stages.of(Directory(1), versions, "dialled_out")


def chunks(prefixes: list[str], blocks: int) -> list[Chunk]:
    """Blocks of CUCM and Avaya lines, in turn."""
    cucm, avaya = profiles()
    header = frame_buffer(
        np.frombuffer(cucm_header(), np.uint8), get_dialect("cisco_cucm").framing({}), final=True
    )
    blocks_of = (
        cucm_block(prefixes, CHUNK_LINES),
        avaya_block(["00" + p for p in prefixes], CHUNK_LINES),
    )
    found = []
    for k in range(blocks):
        found.append(
            Chunk(blocks_of[0].shifted(k, CUCM_STEP), cucm, header.context, blocks_of[0].lines)
        )
        found.append(Chunk(blocks_of[1].shifted(k, AVAYA_STEP), avaya, {}, blocks_of[1].lines))
    return found


def run_chunk(chunk: Chunk, stages: Stages, spent: np.ndarray) -> tuple[int, int]:
    """Run all stages over one chunk; adds the seconds of each to `spent`. Gives calls and charges."""
    t0 = time.perf_counter()
    table = get_dialect(chunk.profile.dialect_id).framing(chunk.profile.options)
    framed = frame_buffer(chunk.data, table, context=chunk.context, final=True)
    n = len(framed.starts)
    batch = RawBatch(
        framed.data, framed.starts, framed.ends,
        np.full(n, 1, np.int64), np.arange(1, n + 1, dtype=np.int64), np.full(n, 1, np.int64), np.ones(n, np.int32),
        np.full(n, 1_769_000_000_000, np.int64), framed.context_row, framed.contexts, 1_769_000_000_000, checksums=False,
    )  # fmt: skip
    t1 = time.perf_counter()
    outcome = parse_stage(batch, chunk.profile)
    assert outcome.rejected.num_rows == 0, outcome.rejected.slice(0, 1).to_pylist()
    t2 = time.perf_counter()
    built = build_calls(
        outcome.accepted, components(outcome.accepted), payer_policy=stages.payer_policy
    )
    t3 = time.perf_counter()
    calls = stages.index.attribute_calls(built.calls)
    billables = span_billables(calls, built.billables, stages)
    charges = rate_batch(calls, billables, stages.book, rated_at_ms=1_769_000_000_000)
    t4 = time.perf_counter()
    spent += (t1 - t0, t2 - t1, t3 - t2, t4 - t3)
    return calls.num_rows, charges.num_rows


def main() -> None:
    prefixes = deck_prefixes(100_000 if short() else 1_000_000)
    stages = stages_for(prefixes)
    work = chunks(prefixes, 4)
    for chunk in work[:2]:
        run_chunk(chunk, stages, np.zeros(4))  # kernels come from their cache
    alone = np.zeros(4)
    with clock() as single:
        calls = sum(run_chunk(c, stages, alone)[0] for c in work)
    runs = 1 if short() else RUNS
    best = 0.0
    for _ in range(runs):
        with clock() as c, ThreadPoolExecutor(THREADS) as pool:
            calls = sum(
                x[0] for x in pool.map(lambda chunk: run_chunk(chunk, stages, np.zeros(4)), work)
            )
        best = max(best, calls / c.seconds)
    per_line = [len(work[k].data) / work[k].lines for k in (0, 1)]
    method = (
        f"{calls:,} calls, half CUCM (110 columns, {per_line[0]:.0f} bytes a line) half Avaya ({per_line[1]:.0f}), "
        f"{len(prefixes):,} prefixes x 2 price lists, peak/off-peak, 60/6, in memory, {THREADS} threads, best of {runs}"
    )
    figures = [
        Figure("pipeline_calls_per_second", best, "calls/s", ">= 1000000", method),
        Figure(
            "pipeline_calls_per_second_1_thread",
            calls / single.seconds,
            "calls/s",
            "",
            "the same on one thread",
        ),
        Figure("pipeline_peak_rss_mib", peak_rss_mib(), "MiB", "", "with the lines in memory"),
    ]
    for name, seconds in zip(STAGES, alone.tolist(), strict=True):
        share = 100 * seconds / float(alone.sum())
        figures.append(Figure(f"share_{name.replace(' ', '_')}", share, "%", "", "of one thread"))
    give(figures)


if __name__ == "__main__":
    main()
