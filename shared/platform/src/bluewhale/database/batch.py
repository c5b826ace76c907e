"""What a worker hands to the store in one transaction, and what came of it.

Owns the shapes only; `commit` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.merge import components, united
from bluewhale.records.batches import Proposals, StreamLoss


@dataclass(frozen=True, slots=True)
class Claim:
    """Entitlement of one consumer to one partition; the store gives it out.

    `next_offset` is where to go on reading.
    """

    consumer: str
    topic_id: str
    partition: int
    generation: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """The records that a batch covers: offsets first..after-1 under a claim."""

    claim: Claim
    first: int
    after: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What the edge heard and journaled of one stream and UTC day; absolute counts."""

    stream_id: int
    incarnation: int
    day: int  # days since 1970-01-01
    heard: int
    journaled: int


@dataclass(frozen=True, slots=True)
class Mark:
    """`stored_through` of one stream: everything up to it is committed or named as lost.

    `record_crc` is that of the record at the mark; None where that one is lost.
    """

    stream_id: int
    incarnation: int
    stored_through: int
    record_crc: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One transaction's worth of work; every part may be empty.

    `legs`: LEG_SCHEMA, any order. `rejects`: SUSPENSE_SCHEMA. `proposals` may be
    about legs of this batch or of earlier ones. `contexts` maps raw_context_id to
    the context lines. `data_time_ms` is the partition's latest ingested_at.
    `cleared_marks` (cdr_id, stamp) are the re-join marks that the proposals
    answer; a mark renewed since stays. `now_ms` is the clock, for first_at.
    `claims` all hold or nothing is applied: parsed and rated records of one
    partition may share a transaction. `partition` is the merge-domain partition
    that everything in here belongs to, so that others may commit beside it;
    None = not known (imports, jobs): the batch runs alone.
    """

    now_ms: int
    claims: Sequence[ClaimStep] = ()
    partition: int | None = None
    legs: pa.Table | None = None
    rejects: pa.Table | None = None
    losses: Sequence[StreamLoss] = ()
    proposals: Proposals | None = None
    contexts: Mapping[int, bytes] = field(default_factory=dict)
    heard: Sequence[Heard] = ()
    cleared_marks: Sequence[tuple[bytes, int]] = ()
    data_time_ms: int | None = None


@dataclass(slots=True)
class CommitResult:
    """Counts of what one commit did.

    Records: accepted + duplicate + suspended + conflicts + replayed = records given.
    Proposals: created + grown + ignored + rejoin + refused + stale = calls proposed.
    """

    accepted: int = 0
    duplicate: int = 0
    replayed: int = 0
    suspended: int = 0
    conflicts: int = 0
    lost: int = 0
    created: int = 0  # calls stored as version 1
    grown: int = 0  # new versions of calls
    ignored: int = 0  # some live call already holds these legs
    rejoin: int = 0  # neither contains the other: legs marked
    refused: int = 0  # a leg that is not stored, or not with this id
    stale: int = 0  # a re-rating that read another version
    charges: int = 0
    reversals: int = 0
    marked: int = 0
    alerts: int = 0  # alerts that opened
    sealed_legs: int = 0
    segment: str = ""


@dataclass(frozen=True, slots=True)
class RejoinWork:
    """Legs to be joined anew: whole components and whole live calls, and the marks they answer.

    Offer the calls of `legs` (LEG_SCHEMA) by `labels` with `cleared_marks = marks`.
    `calls`: per leg the live call it is in; () = none is in one.
    """

    legs: pa.Table
    marks: tuple[tuple[bytes, int], ...]
    calls: tuple[bytes | None, ...] = ()

    def labels(self) -> npt.NDArray[np.int64]:
        """Label each leg with the smallest row of its call: the join, and what is one call already.

        A call may hold legs that their stored keys do not join (a mended dialect or another
        option of the link joined them). It stays whole: a part of it would be refused for ever.
        """
        return united(components(self.legs), self.calls)
