"""Re-join: legs that belong together become calls, by the rule that made all others.

Owns no rule: the store names the work, the stages propose, the store decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bluewhale.database import Batch
from bluewhale.stages import Stages, propose

if TYPE_CHECKING:
    from bluewhale.database import RejoinWork, Store

REJOIN_BATCH = 2_000


def offer(store: Store, stages: Stages, work: RejoinWork | None, now_ms: int) -> int:
    """Propose calls for whole components; gives the count of their legs."""
    if work is None or not work.legs.num_rows:
        return 0
    proposals = propose(work.legs, stages, rated_at_ms=now_ms, labels=work.labels())
    store.commit(Batch(now_ms=now_ms, proposals=proposals, cleared_marks=work.marks))
    return work.legs.num_rows


def rejoin(store: Store, stages: Stages, now_ms: int) -> int:
    """Answer one batch of re-join marks; gives the count of legs proposed."""
    return offer(store, stages, store.rejoin_work(REJOIN_BATCH), now_ms)


def join_everything(store: Store, stages: Stages, now_ms: int) -> int:
    """Answer every mark and every leg without a call; for the end of an import.

    Each round clears the marks that it answers, so it ends.
    """
    total = 0
    while done := rejoin(store, stages, now_ms) + offer(
        store, stages, store.legs_without_call(now_ms), now_ms
    ):
        total += done
    return total
