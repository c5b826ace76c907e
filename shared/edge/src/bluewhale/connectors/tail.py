"""A growing file: what is appended to it is read, over restarts, rotation and truncation.

Owns the place reached in each file. The place (offset, inode, a check of the
bytes before it, context) commits in the same transaction as the records before
it. A file that was renamed is read to its end before the new one is begun; of a
file that was truncated the copy is looked for beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass, fields
from pathlib import Path

from bluewhale.capture import CapturedRecord, ConnectionCapture
from bluewhale.connectors.files import CHUNK_BYTES, Seen, listed, matches, read_at
from bluewhale.connectors.link import Link, decoded_context, encoded_context

CHECK_BYTES = 1_024
WARM_BYTES = 256 * 1024


@dataclass(slots=True)
class Place:
    """How far a file was read; this is what the journal keeps."""

    inode: int
    offset: int
    check: str
    connection: int
    context: str
    mid_line: bool
    received_at_ms: int
    leaving: bool = False  # rotated away: to be read to its end, then forgotten

    def note(self) -> bytes:
        """Give the value that is kept in the journal."""
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)}).encode()


@dataclass(slots=True)
class _Tail:
    place: Place
    capture: ConnectionCapture
    fed_from: int  # offset in the file of the first byte that `capture` was fed
    read_to: int  # offset in the file behind the last byte that `capture` was fed
    grew_at_s: float  # the loop's clock


class TailFiles:
    """One poll after another over the growing files of a folder."""

    def __init__(self, link: Link, folder: Path, *, pattern: str, rotated_quiet_s: float) -> None:
        self._link = link
        self._folder, self._pattern = folder, pattern
        self._rotated_quiet_s = rotated_quiet_s
        self._prefix = f"tail/{link.settings.link_uid}/"
        self._tails: dict[str, _Tail] = {}
        self._places = {
            key.removeprefix(self._prefix): Place(**json.loads(value))
            for key, value in link.journal.notes(self._prefix).items()
        }

    async def scan(self) -> None:
        """Read what was appended since the last poll."""
        seen = await asyncio.to_thread(listed, self._folder)
        for name, place in list(self._places.items()):
            self._tails[name] = await self._resumed(name, place)
            del self._places[name]
        await self._find_again(seen)
        for name, file in seen.items():
            if matches(name, self._pattern) and name not in self._tails:
                self._tails[name] = self._begun(file)
        for name in sorted(self._tails, key=lambda n: not self._tails[n].place.leaving):
            if name in seen:
                await self._read_on(name)

    # ---- beginning and finding ---------------------------------------------------------

    def _begun(self, file: Seen) -> _Tail:
        self._link.opened()
        connection = secrets.randbits(63)
        place = Place(
            file.inode, 0, _check(b""), connection, "{}", mid_line=False, received_at_ms=0
        )
        now = asyncio.get_running_loop().time()
        return _Tail(place, self._link.capture(connection), 0, 0, now)

    async def _resumed(self, name: str, place: Place) -> _Tail:
        """Go on where the journal says; the counts of `n` are warmed by the bytes before."""
        self._link.opened()
        context = decoded_context(place.context.encode())
        capture = self._link.capture(place.connection, context=context, mid_line=place.mid_line)
        begin = max(0, place.offset - WARM_BYTES)
        try:
            before = await asyncio.to_thread(
                read_at, self._folder / name, begin, place.offset - begin
            )
        except OSError:
            before = b""
        if _check(before[-CHECK_BYTES:]) == place.check:
            ConnectionCapture(
                self._link.settings.framing, connection=0, counter=capture.counter
            ).receive(before, place.received_at_ms, final=True)
        now = asyncio.get_running_loop().time()
        return _Tail(place, capture, place.offset, place.offset, now)

    async def _find_again(self, seen: dict[str, Seen]) -> None:
        """Follow files that were renamed, truncated or replaced since the last poll.

        All of them together: in a rotation each takes the name of the next.
        """
        displaced: dict[str, _Tail] = {}
        for name in list(self._tails):
            if not await self._is_same(name, seen.get(name)):
                displaced[name] = self._tails.pop(name)
        notes: dict[str, bytes | None] = dict.fromkeys(self._prefix + n for n in displaced)
        for name, tail in displaced.items():
            other = await self._other_name(tail.place, seen)
            if other is None:
                self._link.closed()
                self._link.failed(
                    f"{self._folder / name} was replaced, truncated or removed after byte "
                    f"{tail.place.offset}; what was written behind it and not yet read is gone"
                )
                continue
            tail.place.inode = other.inode
            tail.place.leaving = not matches(other.name, self._pattern)
            tail.grew_at_s = asyncio.get_running_loop().time()
            self._tails[other.name] = tail
            notes[self._prefix + other.name] = tail.place.note()
        await self._link.store([], notes)

    async def _other_name(self, place: Place, seen: dict[str, Seen]) -> Seen | None:
        candidates = sorted(seen.values(), key=lambda file: file.inode != place.inode)
        for file in candidates:
            if file.name in self._tails or file.size < place.offset:
                continue
            # Without any byte read, only the inode tells that it is the same file.
            if place.offset == 0 and file.inode != place.inode:
                continue
            if await self._check_at(file.name, place.offset) == place.check:
                return file
        return None

    async def _is_same(self, name: str, file: Seen | None) -> bool:
        tail = self._tails[name]
        if file is None or file.inode != tail.place.inode or file.size < tail.read_to:
            return False
        return await self._check_at(name, tail.place.offset) == tail.place.check

    async def _check_at(self, name: str, offset: int) -> str:
        begin = max(0, offset - CHECK_BYTES)
        try:
            data = await asyncio.to_thread(read_at, self._folder / name, begin, offset - begin)
        except OSError:
            return ""
        return _check(data)

    # ---- reading -----------------------------------------------------------------------

    async def _read_on(self, name: str) -> None:
        tail = self._tails[name]
        path = self._folder / name
        loop = asyncio.get_running_loop()
        try:
            while data := await asyncio.to_thread(read_at, path, tail.read_to, CHUNK_BYTES):
                at_ms = self._link.received(len(data))
                tail.grew_at_s = loop.time()
                tail.read_to += len(data)
                await self._commit(name, tail, tail.capture.receive(data, at_ms), at_ms)
        except OSError as error:
            self._link.failed(f"{path}: {error.strerror or error}")
            return
        quiet_s = loop.time() - tail.grew_at_s
        at_ms = self._link.clock_ms()
        if tail.place.leaving and quiet_s >= self._rotated_quiet_s:
            records = tail.capture.receive(b"", at_ms, final=True)
            del self._tails[name]
            self._link.closed()
            self._link.state.files += 1
            await self._link.store(records, {self._prefix + name: None})
        elif quiet_s >= self._link.settings.settle_after_s:
            records = tail.capture.settle(at_ms)
            if records:
                await self._commit(name, tail, records, at_ms)

    async def _commit(
        self, name: str, tail: _Tail, records: list[CapturedRecord], at_ms: int
    ) -> None:
        framer = tail.capture.framer
        place = tail.place
        offset = tail.fed_from + framer.settled_bytes
        if offset == place.offset and not records:
            return  # only a part of a line came
        place.offset = offset
        place.check = await self._check_at(name, offset)
        place.context = encoded_context(framer.context).decode()
        place.mid_line = framer.mid_line
        place.received_at_ms = at_ms
        await self._link.store(records, {self._prefix + name: place.note()})


def _check(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
