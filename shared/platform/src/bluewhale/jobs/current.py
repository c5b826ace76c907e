"""The stages as they should be now: made anew when a tariff is activated.

Owns the watching of tariff versions in the main database; the directory and the
rest of the configuration hold until the process ends. Any thread may ask.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from bluewhale.jobs.preparing import prepare
from bluewhale.jobs.tariffs import IN_USE, versions_in_use
from bluewhale.stages import Stages

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.database import Store

LOOK_S = 2.0


class CurrentStages:
    """Stages over the tariff versions in use."""

    def __init__(
        self, configuration: Configuration, store: Store, *, look_s: float = LOOK_S
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._look_s = look_s
        self._lock = threading.Lock()
        self._stages: Stages | None = None
        self._known: frozenset[tuple[str, int, str]] = frozenset()
        self._looked_s = 0.0

    def get(self) -> Stages:
        """Give the stages; looks for another tariff at most each `look_s`.

        Raises
        ------
        StoreBusyError
            The database is away and there are no stages yet, or it was time to look.
        """
        with self._lock:
            now_s = time.monotonic()
            if self._stages is None:
                self._stages = prepare(self._configuration, self._store)
                self._known = self._in_use()
                self._looked_s = now_s
            elif now_s - self._looked_s >= self._look_s:
                self._looked_s = now_s
                found = self._in_use()
                if found != self._known:
                    self._stages = Stages.of(
                        self._stages.index.directory,
                        versions_in_use(self._store),
                        self._stages.payer_policy,
                    )
                    self._known = found
            return self._stages

    def _in_use(self) -> frozenset[tuple[str, int, str]]:
        return frozenset(
            (t.tariff_uid, t.version, t.state)
            for t in self._store.list_tariffs()
            if t.state in IN_USE
        )
