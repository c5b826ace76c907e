"""Rows read from the pages of a damaged database file, without SQLite's trees.

Owns just enough of the file format to find the cells of table leaf pages. What
it yields may be stale or wrong: the caller checks each row by its CRC.

Source: "Database File Format", sqlite.org/fileformat2.html, sections 1.3 to 1.6,
2.1 and 4 (write-ahead log).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bluewhale.journal.schema import PAGE_SIZE_BYTES

Value = int | float | bytes | None
Row = tuple[int, list[Value]]

_TABLE_LEAF = 0x0D
_WAL_HEADER_BYTES = 32
_WAL_FRAME_BYTES = 24
_INT_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_PAYLOAD_MAX_BYTES = 1 << 20


def carve(path: Path, wal_path: Path) -> Iterator[Row]:
    """Yield (rowid, column values) of every cell found on a table leaf page.

    Pages that the write-ahead log committed are read from there.
    """
    with path.open("rb") as file:
        logged = _committed_pages(wal_path)
        count = path.stat().st_size // PAGE_SIZE_BYTES
        pages = _Pages(file, logged, max([count, *logged]))
        for number in range(1, pages.count + 1):
            yield from _cells(pages, number)


class _Pages:
    def __init__(self, file: BinaryIO, logged: dict[int, bytes], count: int) -> None:
        self._file = file
        self._logged = logged
        self.count = count

    def page(self, number: int) -> bytes:
        if number in self._logged:
            return self._logged[number]
        self._file.seek((number - 1) * PAGE_SIZE_BYTES)
        return self._file.read(PAGE_SIZE_BYTES)


def _committed_pages(wal_path: Path) -> dict[int, bytes]:
    """Give the latest committed content of each page in the write-ahead log.

    The log is at most some MiB: it is checkpointed while the journal runs.
    """
    pages: dict[int, bytes] = {}
    if not wal_path.exists():
        return pages
    data = wal_path.read_bytes()
    salts = data[16:24]
    pending: dict[int, bytes] = {}
    step = _WAL_FRAME_BYTES + PAGE_SIZE_BYTES
    for at in range(_WAL_HEADER_BYTES, len(data) - step + 1, step):
        number, size_after_commit = struct.unpack_from(">II", data, at)
        if data[at + 8 : at + 16] != salts:
            break
        pending[number] = data[at + _WAL_FRAME_BYTES : at + step]
        if size_after_commit:
            pages.update(pending)
            pending.clear()
    return pages


def _cells(pages: _Pages, number: int) -> Iterator[Row]:
    page = pages.page(number)
    head = 100 if number == 1 else 0
    if len(page) < PAGE_SIZE_BYTES or page[head] != _TABLE_LEAF:
        return
    (count,) = struct.unpack_from(">H", page, head + 3)
    room = (PAGE_SIZE_BYTES - head - 8) // 2
    for i in range(min(count, room)):
        (at,) = struct.unpack_from(">H", page, head + 8 + 2 * i)
        try:
            yield _row(pages, page, at)
        except (IndexError, ValueError, struct.error):
            continue  # this cell is damaged; its neighbours may not be


def _row(pages: _Pages, page: bytes, at: int) -> Row:
    length, at = _varint(page, at)
    rowid, at = _varint(page, at)
    payload = _payload(pages, page, at, length)
    header_length, cursor = _varint(payload, 0)
    kinds = []
    while cursor < header_length:
        kind, cursor = _varint(payload, cursor)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value, cursor = _value(payload, cursor, kind)
        values.append(value)
    return _signed(rowid), values


def _payload(pages: _Pages, page: bytes, at: int, length: int) -> bytes:
    usable = PAGE_SIZE_BYTES
    if not 0 < length <= _PAYLOAD_MAX_BYTES:
        raise ValueError("no payload of ours")
    local = length
    if length > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (usable - 4)
        if local > usable - 35:
            local = least
    payload = page[at : at + local]
    if len(payload) < local:
        raise ValueError("cell beyond the page")
    if local < length:
        (following,) = struct.unpack_from(">I", page, at + local)
        while len(payload) < length and 0 < following <= pages.count:
            overflow = pages.page(following)
            (following,) = struct.unpack_from(">I", overflow, 0)
            payload += overflow[4 : 4 + min(usable - 4, length - len(payload))]
        if len(payload) < length:
            raise ValueError("overflow chain ends early")
    return payload


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(8):
        byte = data[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    return value << 8 | data[at + 8], at + 9


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in {8, 9}:
        return kind - 8, at
    if kind in _INT_SIZES:
        end = at + _INT_SIZES[kind]
    elif kind == 7:
        end = at + 8
    elif kind >= 12:
        end = at + (kind - 12) // 2
    else:
        raise ValueError("reserved serial type")
    part = payload[at:end]
    if end > len(payload):
        raise ValueError("value beyond the payload")
    if kind in _INT_SIZES:
        return int.from_bytes(part, "big", signed=True), end
    if kind == 7:
        return float(struct.unpack(">d", part)[0]), end
    return part, end
