"""The visible list of stages: raw records -> legs -> calls -> charges.

Owns the composition and nothing else: every stage is a plain function of its
room. No journal, socket or database here, so the live runtime, an import, a
re-join and the bench run the very same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.alerting import NO_RULES, Rules, costs_of, evaluate
from bluewhale.dialects import parse
from bluewhale.merge import build_calls, components
from bluewhale.rating.book import PriceBook
from bluewhale.rating.columnar import rate_batch
from bluewhale.records.batches import Outcome, Proposals
from bluewhale.records.directory import Extension
from bluewhale.records.directory_index import DirectoryIndex, entry_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    from bluewhale.rating.tariff import TariffVersion
    from bluewhale.records.batches import LinkProfile, RawBatch
    from bluewhale.records.directory import Directory
    from bluewhale.records.findings import Finding

ALERT_AGE_MAX_MS = 86_400_000  # calls that ended earlier are history


@dataclass(frozen=True, slots=True)
class Stages:
    """What the stages need besides their batch; immutable, shared by threads."""

    index: DirectoryIndex
    book: PriceBook
    payer_policy: str = "dialled_out"
    has_groups: bool = False  # some extension names a subscriber group
    rules: Rules = NO_RULES

    @classmethod
    def of(
        cls,
        directory: Directory,
        tariffs: Iterable[TariffVersion],
        payer_policy: str,
        rules: Rules = NO_RULES,
    ) -> Stages:
        """Compile directory and tariffs once; reuse for every batch."""
        book = PriceBook(tariffs).compile_all()
        return cls(DirectoryIndex(directory), book, payer_policy, _has_groups(directory), rules)

    def with_directory(self, directory: Directory) -> Stages:
        """Give the same prices over another version of the directory."""
        return Stages(
            DirectoryIndex(directory),
            self.book,
            self.payer_policy,
            _has_groups(directory),
            self.rules,
        )


def _has_groups(directory: Directory) -> bool:
    groups = entry_columns(directory.extensions, Extension).column("subscriber_group")
    return bool(pc.any(pc.not_equal(groups, "")).as_py())


def parse_stage(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Raw records of one link -> legs (LEG_SCHEMA) and rejects (SUSPENSE_SCHEMA)."""
    return parse(batch, profile)


def propose(
    legs: pa.Table,
    stages: Stages,
    *,
    rated_at_ms: int,
    labels: npt.NDArray[np.int64] | None = None,
) -> Proposals:
    """Legs -> whole calls with whole charges, for the database to decide on.

    legs: LEG_SCHEMA, any order, whole components as far as they are known; not
    modified. `labels`: per leg the call it is in, where that is settled (a
    re-rating); by default the join says. A pure function: the same legs give the
    same proposals, but for `rated_at`.
    """
    joined = components(legs) if labels is None else labels
    built = build_calls(legs, joined, payer_policy=stages.payer_policy)
    calls = stages.index.attribute_calls(built.calls)
    billables = span_billables(calls, built.billables, stages)
    charges = rate_batch(calls, billables, stages.book, rated_at_ms=rated_at_ms)
    found = alerts_stage(calls, charges, stages.rules, now_ms=rated_at_ms)
    return Proposals(calls, charges, built.members, findings=tuple(found))


def alerts_stage(calls: pa.Table, charges: pa.Table, rules: Rules, *, now_ms: int) -> list[Finding]:
    """Priced calls -> what the live rules mind about them.

    A call that ended more than a day ago tells nobody: whoever parses last month
    again does not wake anybody tonight.
    """
    if not rules.live:
        return []
    return evaluate(calls, costs_of(charges), rules.live, since_ms=now_ms - ALERT_AGE_MAX_MS)


def span_billables(calls: pa.Table, billables: pa.Table, stages: Stages) -> pa.Table:
    """Fill what the directory knows of each span: carrier, trunk group, subscriber, grace.

    calls: CALL_SCHEMA; billables: BILLABLE_SCHEMA, `call_row` into calls.
    Columns that the directory is silent about stay. A span on a trunk without
    answer supervision that lasted no longer than the trunk's grace time counts
    as unanswered (decision 13).
    """
    index = stages.index
    if not (index.directory.trunks or stages.has_groups):
        return billables
    rows = billables.column("call_row")
    at_ms = billables.column("start_at").cast(pa.int64()).fill_null(0).to_numpy()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    if stages.has_groups:
        sites = calls.column("site_uid").take(rows)
        groups = index.subscriber_groups(sites, billables.column("payer"), at_ms)
        columns["subscriber"] = pc.coalesce(groups, billables.column("subscriber"))
    if index.directory.trunks:
        pbx = pc.list_element(calls.column("pbx_uids"), 0).take(rows)
        trunk = _text(calls, "trunk_out", rows)
        inbound = _text(calls, "trunk_in", rows)
        going_in = pc.equal(billables.column("direction").cast(pa.string()), "inbound")
        facts = index.trunk_facts(pbx, pc.if_else(going_in, inbound, trunk), at_ms)
        columns["carrier"] = _first_known(facts.carrier, billables.column("carrier"))
        columns["trunk_group"] = _first_known(facts.trunk_group, billables.column("trunk_group"))
        grace = pa.array(facts.grace_ms)
        short = pc.and_(pc.greater(grace, 0), pc.less_equal(billables.column("quantity_ms"), grace))
        columns["answered"] = pc.and_not(billables.column("answered"), pc.fill_null(short, False))
        columns["answer_known"] = pc.and_(billables.column("answer_known"), pc.equal(grace, 0))
    for name, column in columns.items():
        place = billables.schema.get_field_index(name)
        billables = billables.set_column(place, billables.schema.field(place), column)
    return billables


def _text(table: pa.Table, name: str, rows: pa.ChunkedArray) -> pa.ChunkedArray:
    return table.column(name).cast(pa.string()).take(rows)


def _first_known(first: pa.Array, second: pa.ChunkedArray) -> pa.ChunkedArray:
    both = pc.coalesce(first.cast(pa.string()), second.cast(pa.string()))
    return both.dictionary_encode()
