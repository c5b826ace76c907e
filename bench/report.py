"""What the groups share: printing figures, wall clock, peak memory, compiled kernels."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from bench.__main__ import Figure


def short() -> bool:
    """Say whether less data is asked for."""
    return "--short" in sys.argv


def give(figures: list[Figure]) -> None:
    """Hand the figures to the parent: one JSON line, the last of standard output."""
    print(json.dumps([asdict(f) for f in figures]))


def peak_rss_mib() -> float:
    """Give the peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """Seconds inside the `with`."""

    seconds = 0.0


@contextmanager
def clock() -> Iterator[Clock]:
    """Measure a block by the monotonic clock."""
    c = Clock()
    start = time.perf_counter()
    yield c
    c.seconds = time.perf_counter() - start
