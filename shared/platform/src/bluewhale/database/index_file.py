"""The postings beside a segment: sorted arrays in one file, mapped, never scanned.

Layout: magic, length of the header, header (JSON: where each array stands, and
facts), then the arrays, each aligned to 64 bytes, little-endian. Written once,
never changed. Does not own what the arrays mean (`segments`).
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from bluewhale.database.exceptions import StoreCorruptError

_MAGIC = b"BWINDEX1"
_ALIGN = 64
_LOOK_BYTES = 32 << 10  # pages that a binary search reads, but those that all searches read
_LAST_LOOK = mmap.PAGESIZE // 8  # values among which a place is found in what is mapped


def _aligned(size: int) -> int:
    return (size + _ALIGN - 1) // _ALIGN * _ALIGN


def index_pieces(
    arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]
) -> list[bytes | memoryview]:
    """Give the bytes of an index file, in pieces that are not copied."""
    places: dict[str, tuple[str, int, int]] = {}
    at = 0
    for name, array in arrays.items():
        places[name] = (array.dtype.str, at, len(array))
        at = _aligned(at + array.nbytes)
    header = json.dumps({"arrays": places, "facts": dict(facts)}, separators=(",", ":")).encode()
    head = _MAGIC + struct.pack("<Q", len(header)) + header
    pieces: list[bytes | memoryview] = [head, b"\0" * (_aligned(len(head)) - len(head))]
    for array in arrays.values():
        block = np.ascontiguousarray(array)
        pieces += [
            block.data.cast("B") if block.nbytes else b"",
            b"\0" * (_aligned(block.nbytes) - block.nbytes),
        ]
    return pieces


class IndexFile:
    """One opened index file; arrays are views of the mapping. Close it to free memory."""

    def __init__(self, path: Path, touched: Callable[[int], object] = lambda _bytes: None) -> None:
        self._touched = touched  # hears how many bytes of the mapping are about to be in memory
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise StoreCorruptError(f"the index {path.name} cannot be read: {error}") from error
        # a search looks at a dozen places of an array; what the kernel would read around each of
        # them (128 KiB or megabytes, as the disk is set up) adds up to the whole file
        self._map.madvise(mmap.MADV_RANDOM)
        if self._map[:8] != _MAGIC:
            raise StoreCorruptError(f"{path.name} is not an index file")
        head = struct.unpack_from("<Q", self._map, 8)[0]
        header = json.loads(self._map[16 : 16 + head])
        self._base = _aligned(16 + head)
        self._places: dict[str, tuple[str, int, int]] = header["arrays"]
        self._steps: dict[str, dict[int, int]] = {}  # of an array, values by where they stand
        self.facts: dict[str, Any] = header["facts"]

    def __contains__(self, name: str) -> bool:
        """Say whether there is such an array: an earlier release wrote fewer."""
        return name in self._places

    def array(self, name: str, *, whole: bool = False) -> npt.NDArray[Any]:
        """Give one array; read only, valid while anybody holds it. `whole`: all of it is looked at."""
        found = self.view(name)
        self._touched(found.nbytes if whole else min(found.nbytes, _LOOK_BYTES))
        if whole and len(found):
            begin = self._base + self._places[name][1]
            first = begin // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, first, begin + found.nbytes - first)
        return found

    def view(self, name: str) -> npt.NDArray[Any]:
        """Give one array of which hardly anything is looked at."""
        kind, at, count = self._places[name]
        return np.frombuffer(self._map, kind, count, self._base + at)

    def place(self, name: str, value: int, *, behind: bool = False) -> int:
        """Give the first place in an array that ascends where `value` is, or the one behind the last.

        Where it is not there, both are where it would stand. The upper steps of the search are the
        same for all values, and remembered: one page of the array is looked at and not one for
        each step, each of which may be read from a disk.
        """
        array = self.view(name)
        begin, end = self._among(name, array, value, behind=behind)
        self._touched(2 * mmap.PAGESIZE)
        side: Literal["left", "right"] = "right" if behind else "left"
        return begin + int(array[begin:end].searchsorted(array.dtype.type(value), side))

    def ahead(self, name: str, value: int) -> None:
        """Have the page read that `place` will look at, without waiting for it.

        Who asks many indexes waits for one disk read then, not for one after the other.
        """
        array = self.view(name)
        begin, end = self._among(name, array, value)
        if end > begin:
            base = self._base + self._places[name][1]
            first = (base + begin * array.itemsize) // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, first, base + end * array.itemsize - first)

    def _among(
        self, name: str, array: npt.NDArray[Any], value: int, *, behind: bool = False
    ) -> tuple[int, int]:
        """Give from where to where a value is looked for, by the upper steps of the search."""
        steps = self._steps.setdefault(name, {})
        begin, end = 0, len(array)
        while end - begin > _LAST_LOOK:
            middle = (begin + end) // 2
            known = steps.get(middle)
            if known is None:
                known = steps[middle] = int(array[middle])
            if known < value or (behind and known == value):
                begin = middle + 1
            else:
                end = middle
        return begin, end

    def span(self, name: str, value: int) -> tuple[int, int]:
        """Give the first place of a value in an array that ascends, and the one behind its last."""
        array, first = self.view(name), self.place(name, value)
        if first == len(array) or array[first] != value:
            return first, first
        return first, self.place(name, value, behind=True)

    def forget(self) -> None:
        """Give the memory of pages that were read back; arrays stay valid, pages are read again."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Forget the mapping; it goes when the last array that views it goes."""
