"""The kinds of jobs that there are: an explicit list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bluewhale.database import SuspenseFilter
from bluewhale.jobs import erasing
from bluewhale.jobs.rejoining import REJOIN_BATCH, offer, rejoin
from bluewhale.jobs.replaying import replay
from bluewhale.jobs.rerating import Rerating

if TYPE_CHECKING:
    from bluewhale.configuration import Following
    from bluewhale.database import Store
    from bluewhale.jobs.runner import Progress, Work
    from bluewhale.stages import Stages

REPLAY_ROWS = 500


class RejoinWork:
    """Answers every mark and every leg without a call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def step(self, progress: Progress, stages: Callable[[], Stages], now_ms: int) -> bool:
        """Join one batch."""
        alone = self._store.legs_without_call(now_ms, REJOIN_BATCH)
        joined = offer(self._store, stages(), alone, now_ms)
        joined += rejoin(self._store, stages(), now_ms)
        progress["done"] += joined
        progress["message"] = f"{progress['done']:,} legs joined anew"
        return joined > 0


class ReplayWork:
    """Parses waiting records again: those named, or all of a reason, each once."""

    def __init__(self, store: Store, following: Following) -> None:
        self._store = store
        self._following = following

    def step(self, progress: Progress, stages: Callable[[], Stages], now_ms: int) -> bool:
        """Replay some records; the last step joins what they became."""
        if "left" not in progress:
            progress["left"] = progress.get("suspense_ids") or self._all(progress.get("reason"))
            progress["total"] = len(progress["left"])
            progress["applied"] = 0
        piece = progress["left"][:REPLAY_ROWS]
        if not piece:
            joined = offer(
                self._store, stages(), self._store.legs_without_call(now_ms, REJOIN_BATCH), now_ms
            )
            return joined + rejoin(self._store, stages(), now_ms) > 0
        found = replay(
            self._following.configuration,
            self._store,
            self._open(piece),
            who=progress.get("who") or "job",
        )
        progress["left"] = progress["left"][len(piece) :]
        progress["done"] += len(piece)
        progress["applied"] += found.applied
        progress["message"] = f"{progress['applied']:,} of {progress['done']:,} records applied"
        return True

    def _all(self, reason: str | None) -> list[int]:
        return [
            row["suspense_id"]
            for state in ("waiting", "repaired")
            for row in self._store.suspense_list(
                SuspenseFilter(state=state, reason=reason or None), limit=1_000_000
            ).to_pylist()
        ]

    def _open(self, ids: list[int]) -> list[int]:
        """Give those that still wait: a step that was repeated after a stop finds fewer."""
        rows = self._store.suspense_list(SuspenseFilter(suspense_ids=ids), limit=len(ids))
        return [
            row["suspense_id"]
            for row in rows.to_pylist()
            if row["state"] in {"waiting", "repaired"}
        ]


def works(store: Store, following: Following) -> Mapping[str, Work]:
    """Give every kind of job by its name."""
    return {
        "rejoin": RejoinWork(store),
        "replay": ReplayWork(store, following),
        "rerate": Rerating(store),
        erasing.KIND: erasing.ErasureWork(store, following),
    }
