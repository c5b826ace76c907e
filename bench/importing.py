"""Files to committed and queryable: `import_files` on both dialects, then searches."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
from pathlib import Path

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
)
from bench.pipeline import profiles, stages_for
from bench.report import clock, give, peak_rss_mib, short
from bluewhale.cli.importer import import_files
from bluewhale.cli.processor import join_everything
from bluewhale.database import CallFilter, Store

CHUNK_BYTES = 48 << 20
SEARCHES = 200


def write_files(folder: Path, prefixes: list[str], blocks: int) -> tuple[Path, Path]:
    """Write one file of each make, `blocks` x 250,000 lines each."""
    cucm, avaya = folder / "cdr_bench_01_202601051200_1", folder / "avaya.txt"
    write_lines(cucm, cucm_header(), cucm_block(prefixes), blocks, CUCM_STEP)
    write_lines(avaya, b"", avaya_block(["00" + p for p in prefixes]), blocks, AVAYA_STEP)
    return cucm, avaya


def load(store: Store, files: tuple[Path, Path], stages) -> tuple[int, float]:
    """Import both files; gives calls and seconds until the last is found by a search."""
    calls = 0
    with clock() as c:
        for path, profile in zip(files, profiles(), strict=True):
            calls += import_files([path], profile, stages, store, chunk_bytes=CHUNK_BYTES).calls
        join_everything(store, stages, 1_900_000_000_000)
        assert store.search_calls(CallFilter(), limit=1).num_rows == 1
    return calls, c.seconds


def warm(folder: Path, prefixes: list[str], stages) -> None:
    """Take kernels from their cache, as a running process has them."""
    small = folder / "warm"
    small.mkdir()
    cucm, avaya = small / "c", small / "a"
    write_lines(cucm, cucm_header(), cucm_block(prefixes, 2_000), 1, CUCM_STEP)
    write_lines(avaya, b"", avaya_block(["00" + p for p in prefixes], 2_000), 1, AVAYA_STEP)
    with Store.open(small / "store") as store:
        load(store, (cucm, avaya), stages)
    shutil.rmtree(small)


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
    blocks = 1 if short() else 10  # of each make
    prefixes = deck_prefixes(100_000 if short() else 1_000_000)
    stages = stages_for(prefixes)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        warm(folder, prefixes, stages)
        files = write_files(folder, prefixes, blocks)
        size = sum(f.stat().st_size for f in files)
        before = peak_rss_mib()
        with Store.open(folder / "store") as store:
            calls, seconds = load(store, files, stages)
            peak = peak_rss_mib()
            lines = 2 * blocks * BLOCK_LINES
            wanted = random.Random(1).sample(numbers_of(prefixes, BLOCK_LINES), SEARCHES)
            p95 = search_p95_ms(store, wanted)
    method = f"{lines:,} lines ({size / lines:.0f} bytes each) of two files, {calls:,} calls, fsynced, joined, first search answered"
    give([
        Figure("import_calls_per_second", calls / seconds, "calls/s", ">= 150000", method),
        Figure("import_peak_rss_mib", peak, "MiB", "<= 1536", f"peak of the process with both price lists ({before:.0f} MiB before)"),
        Figure("search_p95_ms", p95, "ms", "<= 300", f"{SEARCHES} numbers over {calls:,} stored calls"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
