"""What storage does beside storing: re-join, legs without a call, sealing, files, jobs.

Owns when each is done. One replica keeps house (the one that reads the first
partition); should two believe so, nothing goes wrong, since every step is a
decision of the database. Does not own how (`bluewhale.jobs`, the store).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.database.job_rows import hot_legs
from bluewhale.jobs.rejoining import REJOIN_BATCH, offer, rejoin
from bluewhale.jobs.replaying import replay_known
from bluewhale.nexus.memory import give_back
from bluewhale.telemetry import get_logger

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.jobs.current import CurrentStages
    from bluewhale.jobs.runner import JobRunner
    from bluewhale.messaging import Watchdog
    from bluewhale.telemetry import Metrics

INTERVAL_S = 1.0
BUSY_INTERVAL_S = 15.0  # between two steps while much comes in
REPLAY_INTERVAL_S = 5.0
REPLAY_ROWS = 500  # a transaction each
SEAL_INTERVAL_S = 15.0
SEAL_AGE_MS = 60_000  # younger calls may still grow
SEAL_ROWS = 20_000  # legs of a step: 8 KiB each while it lasts, with their calls and charges
COMPACT_INTERVAL_S = 60.0
BUSY_COMPACT_INTERVAL_S = 600.0  # it takes memory and time that catching up needs
COMPACT_ROWS = 80_000  # legs of one made segment: bounds the memory it takes, 3.3 KiB each
SWEEP_INTERVAL_S = 3_600.0
DAYS_INTERVAL_S = 86_400.0
ORPHAN_WINDOWS = 2
COUNT_SEGMENTS = 4  # at once: a dashboard that asks meanwhile waits for them
# a partition whose data time stands still (its topic is gone, billing is away) is not waited for
STANDSTILL_MS = 600_000


class Housekeeper:
    """The second loop of storage; one thread runs it."""

    def __init__(
        self,
        store: Store,
        stages: CurrentStages,
        runner: JobRunner,
        *,
        keeps_house: Callable[[], bool],
        busy: Callable[[], bool] = lambda: False,
        window_ms: int,
        hot_rows_max: int,
        watchdog: Watchdog,
        metrics: Metrics,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._store = store
        self._stages = stages
        self._runner = runner
        self._keeps_house = keeps_house
        self._busy = busy
        self._window_ms = window_ms
        self._hot_rows_max = hot_rows_max
        self._watchdog = watchdog
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._log = get_logger("storage.house")
        self._sealed_s = 0.0
        self._replayed_s = float("-inf")
        self._stepped_s = 0.0
        self._swept_s = self._made_days_s = float("-inf")
        self._compacted_s = time.monotonic()

    def run(self, stopping: threading.Event) -> None:
        """Keep house until told to stop."""
        while not stopping.is_set():
            try:
                busy = self._keeps_house() and self._due() and self.step()
            except TemporaryError as error:
                self._watchdog.alive("waiting for the database")
                self._log.warning("Housekeeping waits", error=str(error))
                busy = False
            if not busy:
                self._watchdog.alive("resting")
                stopping.wait(INTERVAL_S)

    def _due(self) -> bool:
        """Leave the database to what comes in, for a while: a join locks all of it."""
        now_s = time.monotonic()
        if self._busy() and now_s - self._stepped_s < BUSY_INTERVAL_S:
            return False
        self._stepped_s = now_s
        return True

    def step(self) -> bool:
        """Do a little of everything that is due; says whether there may be more."""
        self._watchdog.alive("joining")
        joined = self.join()
        self._watchdog.alive("parsing what waited for its link")
        replayed = self.replay()
        self._watchdog.alive("sealing")
        sealed = self.seal()
        self._watchdog.alive("tidying files")
        tidied = self.tidy()
        self._watchdog.alive("working on jobs")
        if replayed or joined or sealed or tidied or self._runner.step(self._stages.get):
            return True
        self._watchdog.alive("adding up sealed calls")
        return self.count() > 0

    def replay(self) -> int:
        """Parse what waited for its link to be configured, once it is; gives the count."""
        now_s = time.monotonic()
        if now_s - self._replayed_s < REPLAY_INTERVAL_S:
            return 0
        found = replay_known(self._stages.configuration, self._store, limit=REPLAY_ROWS)
        count = found.applied + found.waiting
        if count:
            self._log.info("Records of a new link parsed", count=count)
        else:
            self._replayed_s = now_s
        return count

    def join(self) -> int:
        """Answer marks, and legs in no call for too long; gives the count of legs."""
        now_ms = self._clock_ms()
        stages = self._stages.get()
        before_ms = now_ms - STANDSTILL_MS
        data_time_ms = self._store.data_time_ms()
        if data_time_ms is not None:
            before_ms = max(before_ms, data_time_ms - ORPHAN_WINDOWS * self._window_ms)
        alone = self._store.legs_without_call(before_ms, REJOIN_BATCH)
        return offer(self._store, stages, alone, now_ms) + rejoin(self._store, stages, now_ms)

    def tidy(self) -> bool:
        """Put small segments together, remove old files, make room for coming days.

        Says whether there may be more small segments.
        """
        now_s, now_ms = time.monotonic(), self._clock_ms()
        if now_s - self._made_days_s >= DAYS_INTERVAL_S:
            self._store.make_days_ahead(now_ms)
            self._made_days_s = now_s
        if now_s - self._swept_s >= SWEEP_INTERVAL_S:
            count = self._store.sweep(now_ms)
            self._swept_s = now_s
            if count:
                self._log.info("Old segment files removed", count=count)
        interval_s = BUSY_COMPACT_INTERVAL_S if self._busy() else COMPACT_INTERVAL_S
        if now_s - self._compacted_s < interval_s:
            return False
        done = self._store.compact(now_ms=now_ms, max_rows=COMPACT_ROWS)
        if done.segment:
            give_back()
            self._log.info(
                "Segments put together", segment=done.segment, count=len(done.replaced),
                legs=done.legs,
            )  # fmt: skip
            return True
        self._compacted_s = now_s
        return False

    def count(self) -> int:
        """Add up sealed calls, and lay their pages out, before somebody asks; gives the count."""
        if self._busy():
            return 0
        segments = self._store.run_read(self._store.files.live)
        return self._store.cells.ahead(segments, COUNT_SEGMENTS) or self._store.files.lay_out(
            segments, COUNT_SEGMENTS
        )

    def seal(self) -> bool:
        """Seal what is old, once there is enough of it; says whether there may be more."""
        now_s = time.monotonic()
        if now_s - self._sealed_s < SEAL_INTERVAL_S:
            return False
        hot = hot_legs(self._store, self._hot_rows_max + 1)
        self._metrics.set("bluewhale_hot_legs", hot)
        if hot <= self._hot_rows_max:
            self._sealed_s = now_s
            return False
        now_ms = self._clock_ms()
        done = self._store.seal(before_ms=now_ms - SEAL_AGE_MS, now_ms=now_ms, limit=SEAL_ROWS)
        if done.segment:
            give_back()
            self._log.info("Calls sealed", segment=done.segment, count=done.legs)
            return True
        self._sealed_s = now_s
        return False
