"""PBX links over a folder: files that appear whole, or one that grows.

Owns the choice of the mode and the rhythm of the polls. Promise: nothing is lost
and nothing is read twice, whatever moment the process is killed at.

Example
-------
::

    await Folder(settings, journal, path=Path("cdr"), pattern="cdr_*.csv",
                 archive=Path("cdr/done")).run()  # until cancelled
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from bluewhale.connectors.link import Link, LinkSettings, LinkState, now_ms
from bluewhale.connectors.tail import TailFiles
from bluewhale.connectors.whole import WholeFiles
from bluewhale.journal import Journal


class Folder:
    """Watch a folder.

    Parameters
    ----------
    settings, journal
        The link and where its records go.
    path
        The folder; it may be away for a while (a mount), the state says so.
    pattern
        Shell pattern of file names. Names that begin with `_` or `.` or end like
        temporary files are never read.
    mode
        "whole": each file once. "tail": each file grows and is followed.
    archive
        Where a whole file is moved after its commit; None = it stays and is
        remembered by name, size and content.
    complete
        "stable": a whole file is complete when it stood still for
        `stable_for_s`. "renamed": the sender renames it into place.
    poll_interval_s
        Pause between two looks.
    rotated_quiet_s
        A rotated file is given up after it has not grown for so long.
    """

    def __init__(
        self,
        settings: LinkSettings,
        journal: Journal,
        *,
        path: Path,
        pattern: str = "*",
        mode: Literal["whole", "tail"] = "whole",
        archive: Path | None = None,
        complete: Literal["stable", "renamed"] = "stable",
        stable_for_s: float = 2.0,
        poll_interval_s: float = 1.0,
        rotated_quiet_s: float = 10.0,
        state: LinkState | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.link = Link(settings, journal, state=state, clock_ms=clock_ms)
        self._path, self._poll_interval_s = path, poll_interval_s
        self._reader: WholeFiles | TailFiles
        if mode == "whole":
            self._reader = WholeFiles(
                self.link,
                path,
                pattern=pattern,
                archive=archive,
                complete=complete,
                stable_for_s=stable_for_s,
            )
        else:
            self._reader = TailFiles(
                self.link, path, pattern=pattern, rotated_quiet_s=rotated_quiet_s
            )

    @property
    def state(self) -> LinkState:
        """The health of the link."""
        return self.link.state

    async def scan(self) -> None:
        """Look once and journal what is there; a look without a problem ends the one before."""
        before = self.state.last_error_at_ms
        try:
            await self._reader.scan()
        except OSError as error:
            self.link.failed(f"{self._path}: {error.strerror or error}")
        else:
            if self.state.last_error_at_ms == before:
                self.state.last_error = None

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.scan()
            await asyncio.sleep(self._poll_interval_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; every commit is whole, so nothing is left to do."""
