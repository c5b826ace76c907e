"""Give back what starting needed: a unit shares small machines with other things.

Owns two requests to the allocator and the kernel. None of them changes what
the process does: pages that are needed again come back from the page cache. On a
system without them nothing happens.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

_MADV_DONTNEED = 4  # for code of a file: unmap it, the next use maps it again


def settle() -> None:
    """Collect garbage, trim the heap, unmap code that only the start has run."""
    gc.collect()
    gc.freeze()  # modules and classes: later collections leave them alone
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.malloc_trim(0)
        for begin, size in _code():
            library.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(size), _MADV_DONTNEED)


def _code() -> list[tuple[int, int]]:
    """Give address and size of each mapping that holds code of a file, never data."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            place, rights, *rest = line.split(maxsplit=5)
            if rights == "r-xp" and len(rest) == 4 and rest[3].startswith("/"):
                begin, end = (int(text, 16) for text in place.split("-"))
                found.append((begin, end - begin))
    return found
