"""Suspense, parsed anew: what fits becomes legs and reaches calls by re-join.

Owns the way of a waiting record back through today's dialect and options of its
link. Does not own its states (`bluewhale.database.suspense`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from bluewhale.database import SuspenseFilter
from bluewhale.database.exceptions import StateError
from bluewhale.database.suspense import waiting_streams
from bluewhale.records.batches import LinkProfile, RawBatch
from bluewhale.records.enums import RejectReason
from bluewhale.records.schemas import LEG_SCHEMA
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
    applied = waiting = unknown = 0
    now_ms = int(time.time() * 1000)
    for suspense_id in ids:
        row = store.suspense_show(suspense_id)
        profile = _profile(configuration, row)
        if row["reason"] == RejectReason.FRAME_CORRUPT:
            waiting += 1  # no record: `salvaging` takes it apart
            continue
        if profile is None:
            unknown += 1
            continue
        legs, rejects = _parsed(_batch(row, now_ms), profile)
        if not legs.num_rows:
            waiting += 1
            store.suspense_failed([suspense_id], rejects, now_ms=now_ms)
            continue
        with suppress(StateError):  # somebody else was faster
            applied += store.suspense_apply([suspense_id], legs, who=who, now_ms=now_ms)
    return Replayed(applied, waiting, unknown)


def replay_known(configuration: Configuration, store: Store, *, limit: int) -> Replayed:
    """Parse records that waited for their link to be configured, where it is now.

    limit: records at most; the next call goes on. What does not fit its dialect
    waits on under the reason of that.
    """
    ids: list[int] = []
    for stream_id in store.run_read(lambda tx: waiting_streams(tx, RejectReason.LINK_UNKNOWN)):
        if stream_id in configuration.streams and len(ids) < limit:
            wanted = SuspenseFilter(
                state="waiting", reason=RejectReason.LINK_UNKNOWN, stream_id=stream_id
            )
            rows = store.suspense_list(wanted, limit=limit - len(ids))
            ids += rows.column("suspense_id").to_pylist()
    return replay(configuration, store, ids, who="configuration")


def _parsed(batch: RawBatch, profile: LinkProfile) -> tuple[pa.Table, pa.Table]:
    """Give legs, and reason and detail of what is none; what breaks the parser waits on."""
    try:
        outcome = parse_stage(batch, profile)
    except Exception as error:  # noqa: BLE001 - one record must not stop the others
        why = {
            "reason": [str(RejectReason.PARSER_FAILED)],
            "detail": [f"{type(error).__name__} in the parser"],
        }
        return LEG_SCHEMA.empty_table(), pa.table(why)
    return outcome.accepted, outcome.rejected


def _profile(configuration: Configuration, row: dict[str, Any]) -> LinkProfile | None:
    """Give how a record's stream is read today; that of an import is read as its link is."""
    found = configuration.streams.get(row["stream_id"])
    if found is None and (found := configuration.profiles.get(row["link_uid"])) is not None:
        found = replace(found, stream_id=row["stream_id"])
    return found


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
