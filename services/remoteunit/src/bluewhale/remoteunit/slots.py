"""Keys and certificates of the unit: two slots, candidate and valid.

Owns the files and which slot is used. A new certificate is a candidate until the
centre welcomed the unit with it; if it never does, the valid one goes on. Does
not own making them (`enrolment`, a child process: cryptography stays out of here).

Layout: `slots/NAME/{key.pem, certificate.pem, trust.pem, about.json}`, files
`slots/valid` and `slots/candidate` hold a NAME. Everything is 0600 or 0700.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bluewhale.remoteunit.document import write_whole

FILES = ("key", "certificate", "trust")
_RENEW_FROM = 0.5  # of the life
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Slot:
    """One key with its certificate; times are UTC milliseconds."""

    folder: Path
    not_before_ms: int
    not_after_ms: int
    serial: str
    renew_share: float  # of its life, drawn when it was made

    @property
    def renew_at_ms(self) -> int:
        """When the next one should be asked for."""
        life = self.not_after_ms - self.not_before_ms
        return self.not_before_ms + int(life * self.renew_share)

    def read(self, name: str) -> bytes:
        """Give one of its files: key, certificate, trust."""
        return (self.folder / f"{name}.pem").read_bytes()


class Slots:
    """The slots of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def new(self) -> Path:
        """Make the folder of a slot to be filled."""
        path = self._folder / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        return path

    def filled(self, path: Path, about: dict[str, object]) -> None:
        """Make a filled folder the candidate."""
        share = _RENEW_FROM + secrets.randbelow(1_000) / 1_000 * _JITTER
        write_whole(path / "about.json", json.dumps({**about, "renew_share": share}).encode())
        write_whole(self._folder / "candidate", path.name.encode())
        self.sweep()

    def valid(self) -> Slot | None:
        """Give the slot that the centre has accepted."""
        return self._slot("valid")

    def candidate(self) -> Slot | None:
        """Give the slot that waits to be tried."""
        return self._slot("candidate")

    def promote(self, slot: Slot) -> None:
        """Make the candidate the valid one: the centre welcomed us with it."""
        write_whole(self._folder / "valid", slot.folder.name.encode())
        (self._folder / "candidate").unlink(missing_ok=True)
        self.sweep()

    def drop_candidate(self) -> None:
        """Forget the candidate; the valid one goes on."""
        (self._folder / "candidate").unlink(missing_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove slots that nobody names."""
        named = {self._name("valid"), self._name("candidate")}
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in named:
                shutil.rmtree(path, ignore_errors=True)

    def _name(self, which: str) -> str:
        with suppress(OSError):
            return (self._folder / which).read_text().strip()
        return ""

    def _slot(self, which: str) -> Slot | None:
        name = self._name(which)
        if not name or not all((self._folder / name / f"{f}.pem").is_file() for f in FILES):
            return None
        try:
            about = json.loads((self._folder / name / "about.json").read_text())
            return Slot(
                self._folder / name,
                about["not_before_ms"],
                about["not_after_ms"],
                about["serial"],
                about["renew_share"],
            )
        except (OSError, ValueError, KeyError):
            return None
