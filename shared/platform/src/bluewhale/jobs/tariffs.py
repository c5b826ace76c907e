"""Tariff versions in the main database: from their source files, and back.

Owns how a tariff document and its decks travel into the store, and which stored
versions price calls. The store gives the version number: the same files again
are the version they were, changed files are the next one.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.configuration.exceptions import InputError
from bluewhale.rating.tariff_files import load_tariff, source_files

if TYPE_CHECKING:
    from datetime import datetime

    from bluewhale.database import Store, StoredTariff
    from bluewhale.rating.tariff import TariffVersion

DOCUMENT_SUFFIXES = (".yaml", ".yml")
IN_USE = frozenset({"active", "retired"})  # retired ones price the calls of their time


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
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def stored_version(store: Store, tariff_uid: str, version: int) -> TariffVersion:
    """Load a stored version; it carries the version number that the store gave."""
    files = store.tariff_files(tariff_uid, version)
    with tempfile.TemporaryDirectory(prefix="bluewhale-tariff-") as folder:
        documents = [name for name in files if name.endswith(DOCUMENT_SUFFIXES)]
        for name, data in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return replace(load_tariff(Path(folder) / documents[0]), version=version)


def versions_in_use(store: Store) -> list[TariffVersion]:
    """Load every version that prices calls."""
    return [
        stored_version(store, t.tariff_uid, t.version)
        for t in store.list_tariffs()
        if t.state in IN_USE
    ]
