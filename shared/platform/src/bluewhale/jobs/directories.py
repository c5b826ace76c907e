"""Directory versions in the main database: from their files, and back.

Owns how directory files travel into the store. A call names the version that it
was attributed by; so a price can be computed again with the directory of then.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bluewhale.records.directory_files import load_directory

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.records.directory import Directory

_SUFFIXES = {".yaml", ".yml", ".csv"}


def keep_directory(store: Store, paths: Sequence[Path], directory: Directory) -> Directory:
    """Store the files of a loaded directory, once; gives it with its stored version."""
    files = {}
    for place, path in enumerate(paths):
        inside = (
            sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES) if path.is_dir() else [path]
        )
        for file in inside:
            files[f"{place:03}/{file.name}"] = file.read_bytes()
    version = store.put_directory(files, who="configuration", now_ms=int(time.time() * 1000))
    return replace(directory, version=version)


def stored_directory(store: Store, version: int) -> Directory:
    """Load a stored directory version."""
    _, files = store.directory_files(version)
    with tempfile.TemporaryDirectory(prefix="bluewhale-directory-") as folder:
        for name, data in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return load_directory([Path(folder) / name for name in sorted(files)], version=version)
