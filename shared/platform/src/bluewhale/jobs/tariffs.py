"""Tariff versions in the main database: from their source files, and back.

Owns how a tariff document and its decks travel into the store, and which stored
versions price calls. The store gives the version number: the same files again
are the version they were, changed files are the next one.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.configuration.exceptions import InputError
from bluewhale.database.versions import pack_files
from bluewhale.rating.tariff_files import load_tariff, source_files

if TYPE_CHECKING:
    from datetime import datetime

    from bluewhale.database import Store, StoredTariff
    from bluewhale.rating.tariff import TariffVersion

DOCUMENT_SUFFIXES = (".yaml", ".yml")
FILES_BYTES_MAX = 32 << 20
_ACTIVATED = frozenset({"active", "retired"})


def read_sources(document: Path) -> dict[str, bytes]:
    """Read a tariff's files by their path relative to the document."""
    base = document.resolve().parent
    files = {}
    for file in source_files(document):
        path = file.path.resolve()
        if not path.is_relative_to(base):
            raise InputError(f"{file.path}: keep decks in or below the folder of {document}")
        files[str(path.relative_to(base))] = path.read_bytes()
    return files


def keep(store: Store, document: Path, version: TariffVersion, who: str) -> StoredTariff:
    """Store a loaded tariff as validated; the same files are stored once."""
    return store.put_tariff(
        tariff_uid=version.tariff_uid,
        name=version.name,
        price_list=version.price_list,
        currency=version.currency,
        files=read_sources(document),
        rows=version.deck.num_rows,
        who=who,
        now_ms=int(time.time() * 1000),
        effective_from_ms=_ms(version.effective_from),
        effective_until_ms=_ms(version.effective_until) if version.effective_until else None,
        zone=version.zone,
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@contextlib.contextmanager
def laid_out(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Write the files of a tariff into a folder of their own; give the path of its document."""
    with tempfile.TemporaryDirectory(prefix="bluewhale-tariff-") as folder:
        documents = [name for name in files if name.endswith(DOCUMENT_SUFFIXES)]
        for name, data in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield Path(folder) / documents[0]


def stored_version(store: Store, tariff_uid: str, version: int) -> TariffVersion:
    """Load a stored version; it carries the version number that the store gave."""
    return _loaded(store.tariff_files(tariff_uid, version), version)


def _loaded(files: Mapping[str, bytes], version: int) -> TariffVersion:
    with laid_out(files) as document:
        return replace(load_tariff(document), version=version)


class StoredVersions:
    """Stored versions that were asked for last, as many as little memory holds; any thread.

    A stored version never changes, so that it is read once: its decks may have a million rows.
    """

    def __init__(self, bytes_max: int = FILES_BYTES_MAX) -> None:
        self._bytes_max = bytes_max  # of their files; read, they take about four times that
        self._lock = threading.Lock()
        self._read: dict[tuple[str, int], tuple[int, TariffVersion]] = {}

    def get(self, store: Store, tariff_uid: str, version: int) -> TariffVersion:
        """Give a version, read now or earlier."""
        key = tariff_uid, version
        with self._lock:
            found = self._read.pop(key, None)
            if found is None:
                files = store.tariff_files(*key)
                found = sum(map(len, files.values())), _loaded(files, version)
            self._read[key] = found  # the one used last stands last
            size = sum(taken for taken, _ in self._read.values())
            while size > self._bytes_max and len(self._read) > 1:
                size -= self._read.pop(next(iter(self._read)))[0]
        return found[1]


def stored_beside(
    store: Store, document: Path, version: TariffVersion
) -> tuple[StoredTariff | None, StoredTariff | None]:
    """Give the stored version of exactly these files, and the one that they would follow.

    That is the one in use from the same moment or the last one before, else the
    first one in use, else the newest stored one that is another.
    """
    _, checksum = pack_files(read_sources(document))
    mine = [t for t in store.list_tariffs() if t.tariff_uid == version.tariff_uid]
    same = next((t for t in reversed(mine) if t.checksum == checksum), None)
    using = sorted(in_use(mine), key=lambda t: t.effective_from_ms or 0)
    before = [t for t in using if (t.effective_from_ms or 0) <= _ms(version.effective_from)]
    others = [t for t in mine if t != same]
    return same, next(iter([*before[-1:], *using[:1], *others[-1:]]), None)


def draft_number(store: Store, document: Path, version: TariffVersion) -> int:
    """Give the number that these files have in the store, or would get."""
    same, _ = stored_beside(store, document, version)
    if same is not None:
        return same.version
    return 1 + max(
        (t.version for t in store.list_tariffs() if t.tariff_uid == version.tariff_uid), default=0
    )


def in_use(tariffs: Iterable[StoredTariff]) -> list[StoredTariff]:
    """Give those that price calls: active ones, and retired ones that no active one replaced.

    A version replaces the one of its tariff that is in force from the same moment, whichever
    has the higher number: so an earlier one is activated again to undo a later one.
    """
    found = list(tariffs)
    taken = {(t.tariff_uid, t.effective_from_ms) for t in found if t.state == "active"}
    return [
        t
        for t in found
        if t.state == "active"
        or (t.state == "retired" and (t.tariff_uid, t.effective_from_ms) not in taken)
    ]


def versions_in_use(store: Store) -> list[TariffVersion]:
    """Load every version that prices calls."""
    return [stored_version(store, t.tariff_uid, t.version) for t in in_use(store.list_tariffs())]


def versions_activated(store: Store) -> list[TariffVersion]:
    """Load every version that ever priced calls."""
    return [
        stored_version(store, t.tariff_uid, t.version)
        for t in store.list_tariffs()
        if t.state in _ACTIVATED
    ]
