"""The visible list of stages: raw records -> legs -> calls -> charges.

Owns the composition and nothing else: every stage is a plain function of its
room. No journal, socket or database here, so the live runtime, an import, a
re-join and the bench run the very same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bluewhale.dialects import parse
from bluewhale.merge import build_calls, components
from bluewhale.rating.book import PriceBook
from bluewhale.rating.columnar import rate_batch
from bluewhale.records.batches import Outcome, Proposals
from bluewhale.records.directory_index import DirectoryIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.records.batches import LinkProfile, RawBatch
    from bluewhale.records.directory import Directory


@dataclass(frozen=True, slots=True)
class Stages:
    """What the stages need besides their batch; immutable, shared by threads."""

    index: DirectoryIndex
    book: PriceBook
    payer_policy: str = "dialled_out"

    @classmethod
    def of(
        cls, directory: Directory, tariffs: Iterable[TariffVersion], payer_policy: str
    ) -> Stages:
        """Compile directory and tariffs once; reuse for every batch."""
        return cls(DirectoryIndex(directory), PriceBook(list(tariffs)), payer_policy)


def parse_stage(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Raw records of one link -> legs (LEG_SCHEMA) and rejects (SUSPENSE_SCHEMA)."""
    return parse(batch, profile)


def propose(legs: pa.Table, stages: Stages, *, rated_at_ms: int) -> Proposals:
    """Legs -> whole calls with whole charges, for the database to decide on.

    legs: LEG_SCHEMA, any order, whole components as far as they are known; not
    modified. A pure function: the same legs give the same proposals, but for
    `rated_at`.
    """
    built = build_calls(legs, components(legs), payer_policy=stages.payer_policy)
    calls = attribute(built.calls, stages.index)
    billables = select(built.billables, calls, stages.index)
    charges = rate_batch(calls, billables, stages.book, rated_at_ms=rated_at_ms)
    return Proposals(calls, charges, built.members)
