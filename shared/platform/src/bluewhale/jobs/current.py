"""The stages as they should be now: made anew when a tariff or the configuration changes.

Owns the watching of tariff versions in the main database, and telling the
database what another configuration says. Any thread may ask.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from bluewhale.capture.exceptions import PermanentError
from bluewhale.jobs.preparing import prepare
from bluewhale.jobs.tariffs import in_use, versions_in_use
from bluewhale.stages import Stages

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration, Following
    from bluewhale.database import Store

LOOK_S = 2.0


class CurrentStages:
    """Stages over the tariff versions in use."""

    def __init__(self, following: Following, store: Store, *, look_s: float = LOOK_S) -> None:
        self._following = following
        self._prepared: Configuration | None = None  # what the database was told last
        self.store = store
        self._look_s = look_s
        self._lock = threading.Lock()
        self._stages: Stages | None = None
        self._known: frozenset[tuple[str, int]] = frozenset()
        self._looked_s = 0.0

    @property
    def configuration(self) -> Configuration:
        """Give the configuration in force."""
        return self._following.configuration

    def get(self) -> Stages:
        """Give the stages; looks for another tariff at most each `look_s`.

        Raises
        ------
        StoreBusyError
            The database is away and there are no stages yet, or it was time to look.
        """
        with self._lock:
            if self._stages is None or time.monotonic() - self._looked_s >= self._look_s:
                return self._look()
            return self._stages

    def refresh(self) -> None:
        """Look now, not when it is time; errors as `get`."""
        with self._lock:
            self._look()

    def _look(self) -> Stages:
        fresh, known = self._following.configuration, self._in_use()
        if self._stages is None or fresh is not self._prepared:
            try:
                self._stages = prepare(fresh, self.store)
            except (PermanentError, OSError) as error:
                if self._stages is None:
                    raise
                self._following.used(str(error))  # tried again at the next look
            else:
                self._following.used()
                self._prepared = fresh
            known = self._in_use()
        elif known != self._known:
            self._stages = Stages.of(
                self._stages.index.directory,
                versions_in_use(self.store),
                self._stages.payer_policy,
                self._stages.rules,
            )
        self._known, self._looked_s = known, time.monotonic()
        return self._stages

    def _in_use(self) -> frozenset[tuple[str, int]]:
        return frozenset((t.tariff_uid, t.version) for t in in_use(self.store.list_tariffs()))
