"""Memory of bulk import: flat, however many lines a file has."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bluewhale.database import Store

from bench.__main__ import ROOT, Figure
from bench.data import BLOCK_LINES
from bench.importing import load, stages_of, warm, write_input
from bench.report import give, peak_rss_mib, short

PREFIXES = 100_000
SMALL_BLOCKS = 4  # 1,000,000 lines
LARGE_BLOCKS = 20  # 5,000,000 lines
FULL_BLOCKS = 80  # 20,000,000 lines, with --full: some 15 GB of disk


def peak_of_import(blocks: int) -> float:
    """Import in a fresh process; gives its peak resident memory in MiB."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory", "--import", str(blocks)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


def import_blocks(blocks: int) -> None:
    """Import so many blocks and print the peak."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        given = write_input(folder, PREFIXES, blocks)
        stages = stages_of(given)
        warm(folder, given, stages)
        with Store.open(folder / "store") as store:
            load(store, given.files, stages)
        print(peak_rss_mib())


def main() -> None:
    small = 2 if short() else SMALL_BLOCKS
    large = 3 if short() else FULL_BLOCKS if "--full" in sys.argv else LARGE_BLOCKS
    first, last = peak_of_import(small), peak_of_import(large)
    method = (
        f"peak of a fresh process importing {large * BLOCK_LINES:,} lines ({last:.0f} MiB) "
        f"minus {small * BLOCK_LINES:,} lines ({first:.0f} MiB), {PREFIXES:,} prefixes x 2"
    )
    give([Figure("import_rss_growth_mib", last - first, "MiB", "<= 100", method)])


if __name__ == "__main__":
    if "--import" in sys.argv:
        import_blocks(int(sys.argv[sys.argv.index("--import") + 1]))
    else:
        main()
