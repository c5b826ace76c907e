"""Whole files: each is read once, from its first byte to its last.

Owns when a file is complete, what is remembered of it, and what happens after
its last commit. The connection number of a file is the hash of its content, so a
file that is sent again is recognised by the identity of its legs later.

A file is framed in pieces; each piece commits together with the count of records
done. A restart frames the file again from its start, with the time of the first
reading, and leaves out what was committed: framing is exact, so nothing is lost
or doubled.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bluewhale.capture import OccurrenceCounter
from bluewhale.connectors.files import (
    CHUNK_BYTES,
    ContentHash,
    Seen,
    content_id,
    listed,
    matches,
    move_into,
    read_at,
)
from bluewhale.connectors.link import Link

# All records of a file carry one time, so `n` counts over the whole file: about
# 130 MB at most while a file of a million lines without date lines is read.
FILE_OCCURRENCES_MAX = 1_000_000


@dataclass(slots=True)
class Remembered:
    """What the journal knows of a file: records committed so far, and whether that is all."""

    name: str
    size: int
    mtime_ns: int
    received_at_ms: int
    records: int = 0
    done: bool = False

    def note(self) -> bytes:
        """Give the value that is kept in the journal."""
        return json.dumps({k: getattr(self, k) for k in self.__slots__}).encode()


class WholeFiles:
    """One scan after another over a folder of whole files."""

    def __init__(
        self,
        link: Link,
        folder: Path,
        *,
        pattern: str,
        archive: Path | None,
        complete: Literal["stable", "renamed"],
        stable_for_s: float,
    ) -> None:
        self._link = link
        self._folder, self._pattern, self._archive = folder, pattern, archive
        self._complete, self._stable_for_s = complete, stable_for_s
        self._prefix = f"file/{link.settings.link_uid}/"
        self._since: dict[str, tuple[Seen, float]] = {}
        self._notes = {
            key: Remembered(**json.loads(value))
            for key, value in link.journal.notes(self._prefix).items()
        }

    async def scan(self) -> None:
        """Read every file that is complete and not yet remembered."""
        seen = await asyncio.to_thread(listed, self._folder)
        await self._forget_what_left(seen)
        done = {(r.name, r.size, r.mtime_ns) for r in self._notes.values() if r.done}
        for name, file in seen.items():
            known = (name, file.size, file.mtime_ns) in done
            if (
                matches(name, self._pattern)
                and not (known and self._archive is None)
                and self._is_complete(file)
            ):
                await self._take(file)
        self._since = {name: kept for name, kept in self._since.items() if name in seen}

    def _is_complete(self, file: Seen) -> bool:
        """Trust a name that was renamed into place, or a size that stands still."""
        if self._complete == "renamed":
            return True
        now = asyncio.get_running_loop().time()
        before = self._since.get(file.name)
        if before is None or before[0] != file:
            self._since[file.name] = (file, now)
            return self._stable_for_s <= 0
        return now - before[1] >= self._stable_for_s

    async def _forget_what_left(self, seen: dict[str, Seen]) -> None:
        if not seen:
            return  # an empty mount point is no reason to forget and read all again
        gone = [key for key, kept in self._notes.items() if kept.name not in seen]
        if gone:
            await self._link.store([], dict.fromkeys(gone))
            for key in gone:
                del self._notes[key]

    async def _take(self, file: Seen) -> None:
        path = self._folder / file.name
        try:
            number = await asyncio.to_thread(content_id, path)
            key = f"{self._prefix}{file.name}/{file.size}/{number:016x}"
            if key not in self._notes or not self._notes[key].done:
                self._link.opened()
                try:
                    whole = await self._read(path, file, number, key)
                finally:
                    self._link.closed()
                if not whole:
                    return
            elif self._notes[key].mtime_ns != file.mtime_ns:  # touched, or sent again unchanged
                self._notes[key].mtime_ns = file.mtime_ns
                await self._link.store([], {key: self._notes[key].note()})
            if self._archive is not None:
                await asyncio.to_thread(move_into, path, self._archive)
                await self._link.store([], {key: None})
                self._notes.pop(key, None)
        except FileNotFoundError:
            self._link.failed(f"{path} left the folder before it was read whole")
        except OSError as error:
            self._link.failed(f"{path}: {error.strerror or error}")

    async def _read(self, path: Path, file: Seen, number: int, key: str) -> bool:
        """Frame and commit a file; False if it changed meanwhile and must be read again."""
        kept = self._notes.get(key)
        if kept is None:
            at_ms = self._link.clock_ms()
            kept = Remembered(file.name, file.size, file.mtime_ns, at_ms)
            self._notes[key] = kept
        skip = kept.records
        counter = OccurrenceCounter(occurrences_max=FILE_OCCURRENCES_MAX)
        capture = self._link.capture(number, counter=counter)
        content, offset = ContentHash(), 0
        while True:
            data = await asyncio.to_thread(read_at, path, offset, CHUNK_BYTES)
            offset += len(data)
            content.update(data)
            final = not data
            if final and content.number() != number:
                del self._notes[key]
                self._since.pop(file.name, None)
                await self._link.store([], {key: None})
                self._link.failed(f"{path} changed while it was read; it will be read again")
                return False
            if data:
                self._link.received(len(data))
            records = capture.receive(data, kept.received_at_ms, final=final)
            fresh = records[skip:]
            skip -= len(records) - len(fresh)
            if fresh or final:
                kept.records += len(fresh)
                kept.done = final
                await self._link.store(fresh, {key: kept.note()})
            if final:
                self._link.state.files += 1
                return True
