"""What a backup says of itself: releases, the moment, and every file with size and SHA-256.

Owns the text of `manifest.json`. A folder without one is no backup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bluewhale.cli.exceptions import InputError

NAME = "manifest.json"
FORMAT = 1
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a backup; `name` is its path in there."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known of a backup without reading it; `files` in the order of restoring."""

    release: str
    engine: str  # sqlite, postgresql
    schema: int
    taken_at: str  # UTC, ISO 8601
    files: Sequence[Entry]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)

    def encoded(self) -> bytes:
        """Give the text of the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"


def decoded(data: bytes, where: str) -> Manifest:
    """Read the text of the file `where`.

    Raises
    ------
    InputError
        It is damaged, or of a newer release.
    """
    try:
        found: dict[str, Any] = json.loads(data)
        if found["format"] > FORMAT:
            raise InputError(
                f"{where}: a backup in format {found['format']}, made by release"
                f" {found.get('release')}; this release reads {FORMAT}: restore with that one"
            )
        files = tuple(_entry(f) for f in found["files"])
        facts = [found[name] for name in ("release", "engine", "schema", "taken_at")]
        release, engine, schema, taken_at = facts
        if not (isinstance(release, str) and isinstance(engine, str) and isinstance(taken_at, str)):
            raise TypeError("a text is missing")  # noqa: TRY301 - one message for all of them
        return Manifest(release, engine, int(schema), taken_at, files)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where} is damaged ({error!r}); take another backup: nothing was changed"
        ) from None


def _entry(found: dict[str, Any]) -> Entry:
    entry = Entry(found["name"], int(found["size"]), found["sha256"])
    if not (_FILE_NAME.fullmatch(entry.name) and _SHA256.fullmatch(entry.sha256)):
        raise ValueError(f"file {entry.name!r}")
    return entry
