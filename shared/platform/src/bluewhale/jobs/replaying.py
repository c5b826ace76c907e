"""Suspense, parsed anew: what fits becomes legs and reaches calls by re-join.

Owns the way of a waiting record back through today's dialect and options of its
link. Does not own its states (`bluewhale.database.suspense`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from bluewhale.records.batches import LinkProfile, RawBatch
from bluewhale.stages import parse_stage

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.database import Store


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of waiting records: applied + waiting + unknown = records given.

    `unknown` belong to links that are not configured.
    """

    applied: int
    waiting: int
    unknown: int

    def text(self) -> str:
        """Say it for people."""
        text = f"{self.applied} applied, {self.waiting} still wait"
        if not self.unknown:
            return text
        return text + f", {self.unknown} belong to links that are not configured"


def replay(configuration: Configuration, store: Store, ids: Sequence[int], *, who: str) -> Replayed:
    """Parse records again; what fits is stored once. The caller joins afterwards.

    A record goes through today's dialect and options of its link; what still
    does not fit waits on, with one more attempt counted.
    """
    by_link: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for suspense_id in ids:
        row = store.suspense_show(suspense_id)
        by_link[row["link_uid"]].append({**row, "suspense_id": suspense_id})
    applied = waiting = unknown = 0
    now_ms = int(time.time() * 1000)
    for link_uid, rows in by_link.items():
        profile = configuration.profiles.get(link_uid)
        if profile is None:
            unknown += len(rows)
            continue
        for row in rows:  # each in a batch of its own: its stream may be an import's
            outcome = parse_stage(_batch(row, now_ms), _profile(profile, row))
            if outcome.accepted.num_rows:
                applied += store.suspense_apply(
                    [row["suspense_id"]], outcome.accepted, who=who, now_ms=now_ms
                )
            else:
                waiting += 1
                store.suspense_failed([row["suspense_id"]], outcome.rejected, now_ms=now_ms)
    return Replayed(applied, waiting, unknown)


def _profile(profile: LinkProfile, row: dict[str, Any]) -> LinkProfile:
    return replace(profile, stream_id=row["stream_id"])


def _batch(row: dict[str, Any], now_ms: int) -> RawBatch:
    raw = bytes(row["raw"])
    context = row.get("context")
    received_at_ms = round(row["received_at"].timestamp() * 1000)

    def one(value: int, kind: type[np.integer] = np.int64) -> np.ndarray:
        return np.array([value], dtype=kind)

    return RawBatch(
        data=np.frombuffer(raw, np.uint8),
        starts=one(0),
        ends=one(len(raw)),
        incarnation=one(row["incarnation"]),
        seq=one(row["seq"]),
        connection=one(row["connection"] or 0),
        n=one(row["n"] or 1, np.int32),
        received_at_ms=one(received_at_ms),
        context_row=one(-1 if context is None else 0, np.int32),
        contexts=() if context is None else (bytes(context),),
        ingested_at_ms=now_ms,
    )
