"""Files to committed and queryable: `import_files` on both dialects, then searches."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bluewhale.cli.importer import import_files
from bluewhale.database import CallFilter, Store
from bluewhale.rating.tariff_files import load_tariff
from bluewhale.records.directory import Directory
from bluewhale.stages import Stages

from bench.__main__ import Figure
from bench.data import (
    AVAYA_STEP,
    BLOCK_LINES,
    CUCM_STEP,
    avaya_block,
    cucm_block,
    cucm_header,
    deck_prefixes,
    numbers_of,
    write_lines,
    write_tariff,
)
from bench.pipeline import profiles
from bench.report import clock, give, peak_rss_mib, short

CHUNK_BYTES = 48 << 20
SEARCHES = 200
PRICE_LISTS = ("carrier", "internal")
AVAYA_BLOCKS_MAX = 26  # a block is a day of one month


@dataclass(frozen=True)
class Input:
    """Written files: one of each make, small ones of each make, tariffs; and numbers to search."""

    files: tuple[Path, Path]
    warm: tuple[Path, Path]
    tariffs: tuple[Path, ...]
    numbers: list[str]
    lines: int


def _write(folder: Path, prefix_count: int, blocks: int, lines: int) -> Input:
    prefixes = deck_prefixes(prefix_count)
    dialled = ["00" + p for p in prefixes]
    avaya_blocks = min(blocks // 2, AVAYA_BLOCKS_MAX)
    counts = (blocks - avaya_blocks, avaya_blocks)
    files = (folder / "cdr_bench_01_202601051200_1", folder / "avaya.txt")
    write_lines(files[0], cucm_header(), cucm_block(prefixes, lines), counts[0], CUCM_STEP)
    write_lines(files[1], b"", avaya_block(dialled, lines), counts[1], AVAYA_STEP)
    warm = (folder / "warm_cucm", folder / "warm_avaya")
    write_lines(warm[0], cucm_header(), cucm_block(prefixes, 2_000), 1, CUCM_STEP)
    write_lines(warm[1], b"", avaya_block(dialled, 2_000), 1, AVAYA_STEP)
    tariffs = tuple(write_tariff(folder, name, prefixes) for name in PRICE_LISTS)
    numbers = random.Random(1).sample(numbers_of(prefixes, lines), SEARCHES)
    return Input(files, warm, tariffs, numbers, blocks * lines)


def write_input(folder: Path, prefix_count: int, blocks: int, lines: int = BLOCK_LINES) -> Input:
    """Write `blocks` x `lines` lines and tariffs, by a child, whose memory goes with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_write, folder, prefix_count, blocks, lines).result()


def stages_of(given: Input) -> Stages:
    """Load and compile the price lists."""
    return Stages.of(Directory(1), [load_tariff(t) for t in given.tariffs], "dialled_out")


def load(store: Store, files: tuple[Path, Path], stages: Stages) -> tuple[int, float]:
    """Import both files; gives calls and seconds until the last is found by a search."""
    calls = 0
    with clock() as c:
        for path, profile in zip(files, profiles(), strict=True):
            calls += import_files([path], profile, stages, store, chunk_bytes=CHUNK_BYTES).calls
        assert store.search_calls(CallFilter(), limit=1).num_rows == 1
    return calls, c.seconds


def warm(folder: Path, given: Input, stages: Stages) -> None:
    """Take kernels from their cache, as a running process has them."""
    with Store.open(folder / "warm") as store:
        load(store, given.warm, stages)
    shutil.rmtree(folder / "warm")


def search_p95_ms(store: Store, numbers: list[str]) -> float:
    """Search calls by number, each once; gives the 95th percentile."""
    times = []
    for number in numbers:
        with clock() as c:
            found = store.search_calls(CallFilter(number="+" + number), limit=50)
        assert found.num_rows
        times.append(c.seconds * 1000)
    return statistics.quantiles(times, n=20)[-1]


def main() -> None:
    blocks, lines = (2, 50_000) if short() else (20, BLOCK_LINES)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        given = write_input(folder, 100_000 if short() else 1_000_000, blocks, lines)
        stages = stages_of(given)
        warm(folder, given, stages)
        size = sum(f.stat().st_size for f in given.files)
        before = peak_rss_mib()
        with Store.open(folder / "store") as store:
            cpu = time.process_time()
            calls, seconds = load(store, given.files, stages)
            cpu = time.process_time() - cpu
            peak = peak_rss_mib()
            p95 = search_p95_ms(store, given.numbers)
            with clock() as again:
                load(store, given.files, stages)
            with clock() as hours:
                store.report("hour")
    method = f"{given.lines:,} lines ({size / given.lines:.0f} bytes each) of two files, {calls:,} calls, fsynced, joined, first search answered"
    give([
        Figure("import_calls_per_second", calls / seconds, "calls/s", ">= 150000", method),
        Figure("import_cpu_us_per_call", cpu / calls * 1e6, "us", "", "processor time of all threads, whatever else the machine does"),
        Figure("import_peak_rss_mib", peak, "MiB", "<= 1536", f"peak of the process with both price lists ({before:.0f} MiB before)"),
        Figure("import_again_seconds", again.seconds, "s", "", "the same files once more: nothing changes"),
        Figure("search_p95_ms", p95, "ms", "<= 300", f"{SEARCHES} numbers over {calls:,} stored calls"),
        Figure("report_by_hour_seconds", hours.seconds, "s", "", f"over {calls:,} stored calls"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
