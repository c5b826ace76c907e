"""Preview and Explain over real gRPC: what stored calls would cost, and why they cost what they do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
from bluewhale.configuration import Following
from bluewhale.database import CallFilter
from bluewhale.jobs import rerating
from bluewhale.jobs.current import CurrentStages
from bluewhale.jobs.runner import JobRunner
from bluewhale.jobs.tariffs import stored_version
from bluewhale.jobs.works import works
from bluewhale.rating.explain import explain_charge
from bluewhale.records.ids import id_text

from tests.integration.billing.places import Place, Served, tariff
from tests.support.stores import StoreFactory

ALL = {"from_ms": 0, "until_ms": 4_102_444_800_000}


@pytest.fixture
def filled(place: Place, store_factory: StoreFactory) -> Iterator[Served]:
    """Serve the tariffs of the world over its calls, a part of them sealed."""
    it = Served(place, store_factory())
    it.fill()
    yield it
    it.end()


def ledger(served: Served) -> tuple[Decimal, int]:
    """Give the carrier's sum in EUR and the count of its charges without a price."""
    rows = served.store.report("site", CallFilter()).to_pylist()
    mine = [r for r in rows if r["price_list"] == "carrier"]
    nanos = sum(r["amount_nanos"] for r in mine)
    return Decimal(nanos).scaleb(-9), sum(r["unrated"] for r in mine)


def rerate(served: Served) -> None:
    """Price every call again by what is in force."""
    following = Following(served.place.configuration)
    runner = JobRunner(served.store, works(served.store, following))
    runner.start("rerate", "all", ALL, who="test")
    stages = CurrentStages(following, served.store)
    while (job := runner.get("all")).state in {"waiting", "running"}:
        runner.work(job, stages.get)
    assert job.state == "done", job.progress["message"]


def test_a_preview_says_what_activating_and_re_rating_then_do(
    filled: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages of ten calls: sums before are the ledger, sums after that of the re-rated ledger."""
    monkeypatch.setattr(rerating, "PAGE_CALLS", 10)
    draft = tariff("0.50", rows=["49,0.07"], places=2)
    before, unrated_before = ledger(filled)
    *steps, last = filled.preview(files=draft, **ALL)
    calls = filled.store.search_calls(CallFilter(), limit=10_000).num_rows
    assert [s.progress.calls for s in steps][:3] == [10, 20, 30]
    assert (steps[-1].progress.calls, last.summary.calls) == (calls, calls)
    assert steps[0].progress.reached_ms > steps[1].progress.reached_ms
    euro = next(s for s in last.summary.sums if s.currency == "EUR")
    assert Decimal(euro.before) == before
    assert ledger(filled) == (before, unrated_before)

    filled.activate(draft)
    rerate(filled)
    after, unrated_after = ledger(filled)
    assert Decimal(euro.after) == after != before
    assert Decimal(euro.difference) == after - before
    nothing = [s for s in last.summary.sums if s.currency == ""]
    assert [s.unrated_before for s in nothing] == [unrated_before][: len(nothing)]
    assert [s.unrated_after for s in nothing] == [unrated_after][: len(nothing)]
    repeat = filled.preview(files=draft, **ALL)[-1].summary
    assert (repeat.changed, list(repeat.differences)) == (0, [])


def test_a_preview_lists_the_biggest_differences_with_their_reasons(filled: Served) -> None:
    """Three of many, the biggest first; prefix and version on both sides are named."""
    every = filled.preview(files=tariff("0.50"), differences=1_000, **ALL)[-1].summary
    three = filled.preview(files=tariff("0.50"), differences=3, **ALL)[-1].summary
    sizes = [abs(Decimal(d.difference)) for d in every.differences]
    assert every.changed == len(sizes) > 3
    assert sizes == sorted(sizes, reverse=True)
    assert list(three.differences) == list(every.differences)[:3]
    first = three.differences[0]
    assert "of carrier-2026@1, " in first.reason
    assert first.reason.split(" -> ")[1].startswith("prefix * of carrier-2026@2, ")
    assert Decimal(first.after) - Decimal(first.before) == Decimal(first.difference)


def test_a_preview_of_the_version_in_force_changes_nothing(filled: Served) -> None:
    """The stored version over the calls that it priced; a period without calls says so too."""
    name = api.VersionName(tariff_uid="carrier-2026", version=1)
    summary = filled.preview(stored=name, **ALL)[-1].summary
    assert (summary.price_list, summary.changed) == ("carrier", 0)
    assert all(s.before == s.after for s in summary.sums)
    (step, last) = filled.preview(stored=name, from_ms=1, until_ms=2)
    assert (step.progress.calls, last.summary.calls, list(last.summary.sums)) == (0, 0, [])


def test_a_call_is_explained_to_the_last_decimal(filled: Served) -> None:
    """Sealed and hot calls: for each charge the same words as the ledger's own explanation."""
    ids = filled.store.search_calls(CallFilter(), limit=10_000).column("call_id").to_pylist()
    seen = 0
    for call_id in ids[:5] + ids[-5:]:
        detail = filled.store.get_call(call_id)
        reply = filled.stub.Explain(api.ExplainRequest(call=id_text(call_id)), timeout=30)
        head = detail.call.to_pylist()[0]
        for charge, said in zip(detail.charges.to_pylist(), reply.explanations, strict=True):
            version = None
            if charge["tariff_uid"]:
                version = stored_version(
                    filled.store, charge["tariff_uid"], charge["tariff_version"]
                )
            assert said.text == explain_charge(charge, version, number=head["called"])
            assert Decimal(said.amount).scaleb(9) == charge["amount_nanos"]
            by_charge = filled.stub.Explain(
                api.ExplainRequest(charge_id=said.charge_id), timeout=30
            )
            assert (by_charge.call_id, list(by_charge.explanations)) == (id_text(call_id), [said])
            seen += 1
        assert (reply.call_id, reply.called) == (id_text(call_id), head["called"] or "")
    assert seen >= 10
