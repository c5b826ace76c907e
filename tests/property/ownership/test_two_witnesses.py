"""The rule of two witnesses holds under random faults, and each of its parts is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import structlog
from bluewhale.ingest.term_witnesses import BothSeen, TermWitnesses
from bluewhale.ownership import TermRow

from tests.property.ownership.witnesses import World


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


class LeaseAlone(TermWitnesses):
    """Believes a Lease that is gone: nobody leads."""

    def read(self) -> BothSeen | None:
        seen = super().read()
        return seen if seen is None or seen.lease is not None else replace(seen, holder="")


class RowAlone(TermWitnesses):
    """Leads when it has won the row."""

    def take(self, seen: TermRow | None, **how: Any) -> TermRow | None:
        row = seen.row if isinstance(seen, BothSeen) else None
        won = self._row().take(row, **how)
        if won is not None:
            lease = seen.lease if isinstance(seen, BothSeen) else None
            self._lease.take(lease, term=won.term, **how)
        return won


class FreesTheRow(TermWitnesses):
    """Gives a row back that it won in vain."""

    def take(self, seen: TermRow | None, **how: Any) -> TermRow | None:
        won = super().take(seen, **how)
        row = self._row().read()
        if won is None and row is not None and row.holder == how["holder"]:
            self._row().resign(row.term, row.holder)
        return won


class PutsBackBlindly(TermWitnesses):
    """Puts a Lease back that is not its own, whatever the row says."""

    def renew(self, term: int, holder: str, *, count: int, lease_s: float) -> float | None:
        covered_s = super().renew(term, holder, count=count, lease_s=lease_s)
        if covered_s is not None:
            return covered_s
        return lease_s if self._lease.put_back(term, holder, "a", lease_s=lease_s) else None


def test_nobody_leads_beside_another_and_terms_only_grow() -> None:
    """150 runs of three copies; after the faults exactly one leads."""
    terms = 0
    for seed in range(150):
        world = World(seed)
        world.run()
        terms += len(world.led)
    assert terms > 500


@pytest.mark.parametrize("kind", [LeaseAlone, RowAlone, FreesTheRow, PutsBackBlindly])
def test_without_one_of_its_parts_the_judge_finds_it(kind: type[TermWitnesses]) -> None:
    """Within 300 runs."""
    with pytest.raises(AssertionError, match=r"copies .* lead|after \("):
        _run(300, kind)


def _run(runs: int, kind: type[TermWitnesses]) -> None:
    for seed in range(runs):
        World(seed, kind).run()
