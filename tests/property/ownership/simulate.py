"""Simulate many seeds: `python -m tests.property.ownership.simulate --seeds 1000000`.

Prints what the runs did and how fast; ends with 1 and the seeds that broke an
invariant. Each seed can be repeated alone: `--first SEED --seeds 1`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from tests.property.ownership.simulation import Outcome, Parts, Violation, simulate

PIECE = 500
SHOWN_MAX = 20


@dataclass
class Sums:
    """What many runs did together."""

    seeds: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    quiet_s_max: float = 0.0
    violations: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        for part in fields(outcome):
            if part.name != "seed":
                value = getattr(outcome, part.name)
                self.totals[part.name] = self.totals.get(part.name, 0) + value
        self.quiet_s_max = max(self.quiet_s_max, outcome.quiet_s)

    def merge(self, other: Sums) -> None:
        self.seeds += other.seeds
        for name, value in other.totals.items():
            self.totals[name] = self.totals.get(name, 0) + value
        self.quiet_s_max = max(self.quiet_s_max, other.quiet_s_max)
        self.violations += other.violations


def piece(seeds: range) -> Sums:
    """Run some seeds, in this process."""
    sums = Sums(len(seeds))
    for seed in seeds:
        try:
            sums.add(simulate(seed))
        except Violation as violation:
            sums.violations.append(f"seed {seed}: {violation}")
    return sums


def simulate_many(first: int, count: int, processes: int = 1) -> Sums:
    """Run `count` seeds from `first`."""
    pieces = [range(n, min(n + PIECE, first + count)) for n in range(first, first + count, PIECE)]
    if processes == 1:
        return together(map(piece, pieces), count)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return together(pool.imap_unordered(piece, pieces), count)


def together(found: Iterable[Sums], count: int) -> Sums:
    """Sum up, and tell how far it is where somebody looks."""
    sums = Sums()
    for part in found:
        sums.merge(part)
        if sys.stderr.isatty():
            print(f"\r{sums.seeds:,} of {count:,}", end="", file=sys.stderr)
    return sums


def first_violation(parts: Parts, seeds: int) -> str:
    """Give what the judge says of the first seed that breaks an invariant, "" = none does."""
    for seed in range(seeds):
        try:
            simulate(seed, parts)
        except Violation as violation:
            return str(violation)
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Simulate and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    sums = simulate_many(chosen.first, chosen.seeds, chosen.processes)
    took = time.perf_counter() - began
    did = ", ".join(f"{int(v):,} {k}" for k, v in sums.totals.items() if k != "quiet_s")
    print(f"ownership: {sums.seeds:,} seeds in {took:.0f} s, {sums.seeds / took:,.0f} seeds/s")
    print(f"  {did}")
    print(f"  settled at most {sums.quiet_s_max:.0f} s after the faults ended")
    for line in sums.violations[:SHOWN_MAX]:
        print(f"  {line}")
    print(f"  {len(sums.violations)} violations")
    return 1 if sums.violations else 0


if __name__ == "__main__":
    sys.exit(main())
